"""The explorer as a user has it: in a page, and in JupyterLab with a kernel; drags, typing, undoing and saving."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from ofdb_core.families import fractal_2d
from ofdb_core.formulas import camera, ifs, search
from ofdb_core.show import explorer, in_browser, pages
from tests.helpers.browser import BLANK, opened
from tests.helpers.lab import drag, drawn, pixels, python, run_all, start
from tests.helpers.processes import until

pytestmark = pytest.mark.slow


def shows(page, system):
    """Whether the explorer shows the picture that Python draws of a system."""
    return (pixels(page) == fractal_2d.indices(system, size=512, weight=1.0, draw="point_gray")).all()


@pytest.fixture
def page(tab):
    """A page without a kernel on which the explorer shows the first published category; its handle is `shown`."""
    module = tab.module(explorer.MODULE)
    tab.page.add_style_tag(path=in_browser.STYLE)
    rows = ifs.table(search.published(2, 0)).tolist()
    tab.page.evaluate(
        "([js, system]) => { const e = document.createElement('div'); document.body.append(e);"
        " window.shown = js.mount(e, {system}); }",
        [module, rows],
    )
    tab.page.wait_for_function("shown.times.length > 0")
    tab.page.shoot, tab.page.module_handle = tab.shoot, module
    return tab.page


def system(page):
    return ifs.of_table(np.array(page.evaluate("shown.system"), float))


def test_what_is_dragged_typed_and_undone_is_what_python_draws(page):
    def agree():
        drawn(page)
        assert shows(page, system(page))

    first = ifs.table(system(page))
    agree()
    for handle in (0, 3, 6):
        before = pixels(page)
        drag(page, page.locator(f"[data-handle='{handle}']").nth(0), -25, 18)
        assert (pixels(page) != before).any()
        agree()
    assert not np.allclose(ifs.table(system(page)), first)
    page.get_by_label("a: how x becomes x").fill("0.25")
    page.get_by_label("a: how x becomes x").press("Enter")
    assert 0.25 in system(page).A[:, 0, 0]
    agree()
    for _ in range(4):
        page.get_by_label("undo (Ctrl+Z)").click()
    assert ifs.table(system(page)).tolist() == first.tolist()
    agree()
    page.keyboard.press("Control+y")
    assert ifs.table(system(page)).tolist() != first.tolist()
    page.shoot("dragged")


def test_the_keyboard_moves_a_handle_and_numbers_keep_their_meaning(page):
    handle = page.locator("[data-handle='0']").nth(1)
    handle.focus()
    before = system(page)
    page.keyboard.press("ArrowRight")
    after = system(page)
    assert after.t[1, 0] > before.t[1, 0]
    assert (after.A == before.A).all()
    assert page.get_by_label("f: how far it moves along y").input_value() == repr(after.t[1].tolist()[1])
    page.get_by_label("σ₁: the larger").fill("0.5")
    page.get_by_label("σ₁: the larger").press("Enter")
    assert np.isclose(np.linalg.svd(system(page).A[1])[1].max(), max(0.5, np.linalg.svd(after.A[1])[1].min()))
    assert np.allclose(system(page).p, ifs.determinants(system(page).A) / ifs.determinants(system(page).A).sum())


def test_the_focus_stays_where_it_is_whatever_is_made_anew(page):
    """Else the second Ctrl+Z reaches nothing, and Tab begins again at the top of the page."""

    def focused():
        return page.evaluate("document.activeElement.getAttribute('aria-label')")

    first = page.evaluate("shown.system")
    handle = page.locator("[data-handle='0']").nth(1)
    handle.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    for _ in range(3):
        page.keyboard.press("Control+z")
    assert page.evaluate("shown.system") == first
    assert focused() == handle.get_attribute("aria-label")
    for button in ("show the numbers of map 2", "add a map: a copy of this one at half the size"):
        page.get_by_label(button).focus()
        page.keyboard.press("Enter")
        assert focused() == button
    for name, value in (("p: how often", "0.5"), ("a: how x becomes x", "0.25")):
        before = page.get_by_label(name).input_value()
        page.get_by_label(name).fill(value)
        page.keyboard.press("Enter")
        page.keyboard.press("Control+z")
        until(lambda name=name: focused().startswith(name))
        assert page.get_by_label(name).input_value() == before
    page.get_by_label("remove the chosen map").focus()
    for _ in range(5):
        page.keyboard.press("Enter")
    assert len(page.evaluate("shown.system")) == 1
    assert focused() == "show the numbers of map 0"


def test_what_cannot_be_copied_is_said(page):
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    page.get_by_label("copy the system as a line of text").click()
    page.get_by_text("may not use the clipboard").wait_for()
    assert page.evaluate("getSelection().toString()") == ifs.to_text(system(page))


def test_fingers_find_every_control_of_a_phone(browser, tmp_path):
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    with opened(browser, tmp_path / "shots", **phone) as watched:
        page = watched.page
        module = watched.module(explorer.MODULE)
        page.add_style_tag(path=in_browser.STYLE)
        page.evaluate("js => void js.mount(document.body, {})", module)
        page.get_by_text("Instances").click()
        small = page.evaluate(
            "[...document.querySelectorAll('button, input, select, textarea, circle')].map(e => [e.ariaLabel,"
            " e.getBoundingClientRect()]).filter(([, box]) => box.width && (box.width < 24 || box.height < 24))"
            ".map(([name]) => name)"
        )
        assert small == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        watched.shoot("phone")
        assert not watched.wrong


def test_a_system_that_runs_off_is_said_kindly_and_the_last_good_picture_stays(page):
    good = pixels(page)
    for name in ("a: how x becomes x", "d: how y becomes y"):
        page.get_by_label(name).fill("40")
        page.get_by_label(name).press("Enter")
    drawn(page)
    assert "runs off to infinity" in page.get_by_role("alert").inner_text()
    assert page.get_by_role("alert").is_visible()
    page.shoot("runs-off")
    page.get_by_label("save the system as a category's file").click()
    assert "is not saved" in page.get_by_role("alert").inner_text()
    page.get_by_label("undo (Ctrl+Z)").click()
    page.get_by_label("undo (Ctrl+Z)").click()
    drawn(page)
    assert not page.get_by_role("alert").is_visible()
    assert (pixels(page) == good).all()
    page.get_by_label("points: of the chaos game").fill("900000000")
    page.get_by_label("points: of the chaos game").press("Enter")
    drawn(page)
    assert "the explorer draws 2 to 5,000,000" in page.get_by_role("alert").inner_text()
    assert (pixels(page) == good).all()


def test_every_control_has_a_name_and_words(page):
    page.locator("summary").click()
    page.get_by_label("keep this picture beside").click()
    nameless = page.evaluate(
        "[...document.querySelectorAll('.ofdb-explorer :is(button, input, select, textarea, [tabindex])')].filter(e =>"
        " !(e.getAttribute('aria-label') ?? '').trim() || (e.tagName === 'BUTTON' && !e.title)).map(e => e.outerHTML)"
    )
    assert nameless == []


def test_a_paste_says_what_becomes_of_p_and_a_page_without_a_kernel_saves_no_film(page):
    box, told = page.get_by_label("A system as text"), page.get_by_role("status")
    box.fill("a;b;c;d;e;f;p\n" + "\n".join(f"0,5;0;0;0,5;{x};{x};0,33" for x in (0, 1, 2)))
    page.get_by_label("open the system in the box").click()
    page.get_by_text("p adds up to 0.99, so each p is divided by the sum.").wait_for()
    assert np.allclose(system(page).p, 1 / 3)
    assert page.get_by_label("Name of the file").count() == 0
    box.fill("fern { 1 2 3 4 5 6 }")
    page.get_by_label("open the system in the box").click()
    assert "Only Python reads" in page.get_by_role("alert").inner_text()
    assert "divided" not in told.last.inner_text()


def test_with_a_kernel_other_programs_files_are_opened_and_pictures_saved(page):
    page.evaluate(
        "async js => { const e = document.createElement('div'); document.body.replaceChildren(e); window.asked = [];"
        " window.shown = (await js).mount(e, {parse: async (text) => (asked.push(text), [[0.5, 0, 0, 0.5, 1, 1, 1]]),"
        " saveAs: async (rows, name) => {"
        " if (name === 'x.bad') throw new Error('no form'); return `${name} was saved`; }}); }",
        page.module_handle,
    )
    page.get_by_label("A system as text").fill("<flame/>")
    page.get_by_label("open the system in the box").click()
    page.wait_for_function("shown.system.length === 1")
    assert page.evaluate("asked") == ["<flame/>"]
    name = page.get_by_label("Name of the file")
    name.fill("a.webp")
    page.get_by_label("save the system in the form").click()
    page.get_by_text("a.webp was saved").wait_for()
    name.fill("x.bad")
    name.press("Enter")
    page.get_by_role("alert").filter(has_text="no form").wait_for()
    page.shoot("save-as")


def served(watched):
    """The module as a server gives it, file by file: here each must import what it uses (the joined text need not)."""
    names = [path.name for path in (resources.files(pages.__package__) / "js").iterdir()]
    files = {name: {"body": pages.own(f"js/{name}"), "content_type": "text/javascript"} for name in names}
    watched.page.route("**/js/*.js", lambda route: route.fulfill(**files[Path(route.request.url).name]))
    watched.page.goto(BLANK)
    watched.page.evaluate("names => Promise.all(names.map(name => import(`/js/${name}`)))", names)
    return watched.page.evaluate_handle("import('/js/explorer.js')")


def joined(watched):
    return watched.module(explorer.MODULE)


@pytest.mark.parametrize(("scheme", "module_of"), [("light", joined), ("dark", served)])
def test_it_leads_to_classics_instances_comparison_and_text(browser, tmp_path, scheme, module_of):
    with opened(browser, tmp_path / "shots", color_scheme=scheme) as watched:
        page, seen = watched.page, set()
        module = module_of(watched)
        page.add_style_tag(path=in_browser.STYLE)
        page.evaluate(
            "js => { document.documentElement.style.colorScheme = 'light dark';"
            " window.shown = js.mount(document.body, {}) }",
            module,
        )
        page.evaluate("() => { crypto.getRandomValues = array => array.fill(7); }")
        choice = page.get_by_label("Start from", exact=True)
        for name in choice.locator("option").all_inner_texts():
            choice.select_option(name)
            drawn(page)
            seen.add(pixels(page).tobytes())
            watched.shoot(name.split()[0].strip("',"))
        assert len(seen) == 7
        page.get_by_label("keep this picture beside").click()
        page.get_by_label("copy the system as a line of text").click()
        line = page.get_by_label("A system as text").input_value()
        assert ifs.table(ifs.parse(line)).tolist() == page.evaluate("shown.system")
        page.locator("summary").click()
        page.get_by_label("How instances are made").select_option("weights")
        page.get_by_label("instance 3: open it").click()
        assert page.evaluate("shown.system") != ifs.table(ifs.parse(line)).tolist()
        page.get_by_label("open the system put aside").click()
        assert page.evaluate("shown.system") == ifs.table(ifs.parse(line)).tolist()
        page.get_by_label("one point more").click()
        page.get_by_label("one point more").click()
        drawn(page)
        assert page.locator("output").filter(has_text="2 points").is_visible()
        assert pixels(page).sum() == 2
        page.get_by_label("A system as text").fill("1 2 3")
        page.get_by_label("open the system in the box").click()
        assert "six" in page.get_by_role("alert").inner_text()
        watched.shoot("all-of-it")
        assert not watched.wrong


def given(path, **values):
    """Give a stored notebook other values, in a cell after its parameters."""
    notebook = json.loads(path.read_text())
    lines = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    notebook["cells"].insert(2, {**notebook["cells"][1], "id": "given", "metadata": {}, "source": lines})
    path.write_text(json.dumps(notebook))


def test_notebook_0_in_jupyterlab(browser, lab, tmp_path):
    address, root = lab
    with opened(browser, tmp_path / "shots", viewport={"width": 1400, "height": 1500}) as watched:
        page = watched.page
        given(root / "notebooks" / "0_explore_ifs.ipynb", points=20_000, image_size=128)
        start(page, address)
        run_all(page, "0_explore_ifs")
        box = page.locator(".ofdb-explorer")
        box.wait_for()
        box.scroll_into_view_if_needed()
        page.wait_for_timeout(1000)
        watched.shoot("notebook-0")
        before = pixels(page)
        drag(page, page.locator("[data-handle='3']").first, 30, 20)
        assert (pixels(page) != before).any()
        page.get_by_label("save the system as a category's file").click()
        page.get_by_text("was saved").wait_for()
        (saved,) = root.glob("runs/own/categories/*.csv")
        assert shows(page, ifs.load(saved))
        page.get_by_label("Start from", exact=True).select_option("published")
        page.get_by_label("Number of the category").fill("3")
        page.get_by_label("Number of the category").press("Enter")
        until(lambda: shows(page, search.published(2, 3)))
        page.get_by_label("Start from", exact=True).select_option("mine")
        page.get_by_text("run 1_search_categories first").wait_for()
        watched.shoot("published")
        assert not watched.wrong


def test_python_and_the_browser_have_the_same_system_and_camera(browser, lab, tmp_path):
    address, root = lab
    path, told = root / "notebooks" / "own.ipynb", root / "told.json"
    cells = [
        "import json\nimport numpy as np\nfrom pathlib import Path\nfrom ofdb_core.formulas import ifs, search\n"
        "from ofdb_core.show import explorer, turntable\nshown = explorer.Explorer(search.published(2, 1))\nshown",
        "model = turntable.Turntable(np.random.default_rng(0).normal(scale=0.4, size=(3000, 3)))\nmodel",
    ]
    notebook = json.loads((root / "notebooks" / "0_explore_ifs.ipynb").read_text())
    blank = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    notebook["cells"] = [{**blank, "id": f"own-{i}", "source": source} for i, source in enumerate(cells)]
    path.write_text(json.dumps(notebook))

    with opened(browser, tmp_path / "shots", viewport={"width": 1400, "height": 1600}) as watched:
        page = watched.page
        start(page, address)
        run_all(page, path.stem)
        page.locator("[data-ofdb=view]").wait_for()
        page.wait_for_timeout(500)
        drag(page, page.locator("[data-handle='2']").first, 20, -30)
        page.locator(".ofdb-turn").scroll_into_view_if_needed()
        drag(page, page.locator(".ofdb-turn"), 60, 45)
        watched.shoot("dragged")
        tell = "json.dumps([ifs.table(shown.system).tolist(), model.view().tolist()])"

        def same():
            python(page, f"Path({str(told)!r}).write_text({tell})")
            table, view = json.loads(told.read_text())
            moved = table != ifs.table(search.published(2, 1)).tolist()
            drawn = np.array_equal(pixels(page, "view"), np.array(view))
            return moved and drawn and shows(page, ifs.of_table(np.array(table)))

        until(same)  # the browser tells Python what was dragged now and then
        python(page, "shown.system = search.published(2, 5); model.angles = [0.5, -0.25, 2.0]")
        points = np.random.default_rng(0).normal(scale=0.4, size=(3000, 3))
        seen = camera.render(points, camera.rotation([0.5, -0.25, 2.0]))
        until(lambda: shows(page, search.published(2, 5)) and np.array_equal(pixels(page, "view"), seen))
        watched.shoot("set-by-python")
        assert not watched.wrong
