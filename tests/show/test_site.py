"""The pages that one looks at: gallery, report and site, opened in a browser with the network refused."""

import json
import os
import re
import shutil

import nbformat
import numpy as np
import pytest

from ofdb_core import __main__ as command
from ofdb_core.base import files, own, project, record
from ofdb_core.data import samples
from ofdb_core.families import fractal_2d, registry
from ofdb_core.formulas import search
from ofdb_core.run import experiments, parameter_files, site
from ofdb_core.show import compare, gallery, pages
from tests.helpers.browser import browser, opened, tab  # noqa: F401
from tests.helpers.lab import pixels
from tests.helpers.processes import until

pytestmark = pytest.mark.slow

SMALL = {stage.name: stage.small for family in registry.families().values() for stage in family.stages}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of some notebooks, with the report and the gallery beside it."""
    place = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments, "PARAMS", place / "params")
        (place / "params").mkdir()
        values = {
            "1_search_categories": {"categories": 40, "search_points": 2000, "filling_rate": 0.005},
            "2_render_2d": {"image_size": 64, "points": 5000},
            "3_render_3d": {"categories": 3, "model_points": 500, "views": 4, "image_size": 32},
            "3_render_visualatom": {"categories": 3, "image_size": 64},
            "6_report": {"title": "A <small> run"},
        }
        (place / "params" / "tiny.yaml").write_text(json.dumps(values))
        command.main(["tiny", "--out", str(place / "out")])
    return place / "out"


EVIL = "<script>window.harmed = true</script><img src=x onerror='window.harmed = true'>"


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    """A site of that run, with few categories of each family; somebody put HTML into one of its notebooks."""
    place = tmp_path_factory.mktemp("made")
    shutil.copytree(run, place / "run")
    path = place / "run" / "2_render_2d.ipynb"
    notebook = nbformat.read(path, as_version=4)
    output = nbformat.v4.new_output("display_data", {"text/html": EVIL, "text/plain": "harmless words"})
    (place / "secret").write_text("never on a page")
    directives = (
        f"```{{raw}} html\n{EVIL}\n```\n\n```{{literalinclude}} {place}/secret\n```\n\n[a](javascript:window.harmed=1)"
    )
    code = nbformat.v4.new_code_cell(f"open({str(place / 'ran')!r}, 'w')")
    notebook.cells += [nbformat.v4.new_markdown_cell(f"A cell: {EVIL}\n\n{EVIL}\n\n{directives}"), code]
    notebook.cells[-1].outputs.append(output)
    notebook.metadata["mystnb"] = {"execution_mode": "force"}
    nbformat.write(notebook, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "DATA", place / "data")
        site.write(place / "run", place / "site", categories=3)
    return place / "site"


def size_of(root):
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def test_a_gallery_knows_what_its_families_know(run):
    sets = {each["name"]: each for each in gallery.of_run(run, record.read(run), pictures=2)}
    assert set(sets) == {"2d", "3d", "visualatom"}
    known = {"maps", "average contraction", "filling rate", "contrast", "box dimension", "likeness"}
    assert known <= sets["2d"]["properties"].keys()
    assert sets["3d"]["systems"]["d"] == 3
    assert sets["3d"]["pictures"] == 2
    assert "vertices" in sets["visualatom"]["properties"]
    for each in sets.values():
        assert {len(values) for values in each["properties"].values()} == {len(each["names"])}
        assert each["meanings"].keys() == each["properties"].keys()
        assert all(each["meanings"].values())
        assert all((run / name).is_file() for names in each["files"] for name in names)


def test_an_unfinished_folder_has_no_gallery(tmp_path):
    assert gallery.write(tmp_path, "none", {}) is None
    assert not list(tmp_path.iterdir())


def test_a_report_is_small(run):
    assert (run / "report.html").stat().st_size < 5e6


def test_the_pages_of_the_site_are_small_and_lead_nowhere_else(run, made):
    assert size_of(made) < 30e6
    names = {path.relative_to(made).as_posix() for path in made.rglob("*.html")}
    assert {"index.html", "gallery.html", "live.html", "report.html", "docs/tour.html", "CHANGELOG.html"} < names
    assert {f"notebooks/{stage}.html" for stage in record.read(run)} < names
    for path in made.rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        asked = re.findall(r'(?:src|href)="((?!data:|#|mailto:)[^"]*)"', page)
        for name in (name for name in asked if not name.startswith("http")):
            target = path.parent / re.split("[#?]", name)[0]
            assert target.exists(), (path, name)
            assert target.resolve().is_relative_to(made), (path, name)
        assert not re.search(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="(?:https?:)?//', page), path


def test_the_navigation_has_every_page_of_the_readme_in_four_groups(made):
    page = (made / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<p class="caption"[^>]*><span class="caption-text">(\w+)', page) == [
        "Start", "Use", "Reference", "Develop",
    ]  # fmt: skip
    for name in re.findall(r"\]\(([\w./-]+)\.md\)", (project.SOURCE / "README.md").read_text(encoding="utf-8")):
        assert re.search(rf'class="reference internal" href="{name}\.html"', page), name


def test_the_reference_has_each_public_name_with_its_signature_and_docstring(made):
    page = (made / "reference" / "formulas.html").read_text(encoding="utf-8")
    assert 'id="ofdb_core.formulas.measures.box_dimension"' in page
    assert 'id="ofdb_core.formulas.jit.copy"' in page  # a kernel, which numba has compiled
    assert "but numba compiles it two seconds faster" in page


@pytest.mark.parametrize(
    "name", ["index", "docs/training", "notebooks/2_render_2d", "gallery", "live", "reference/data", "run"]
)
def test_a_page_of_the_site_opens_wide_and_narrow_light_and_dark(browser, made, tmp_path, name):  # noqa: F811
    for size, look in (("wide", {}), ("phone", {**PHONE, "color_scheme": "dark"})):
        with opened(browser, os.environ.get("OFDB_SHOTS") or tmp_path, **look) as tab:  # noqa: F811
            tab.page.goto((made / f"{name}.html").as_uri())
            tab.page.wait_for_load_state()
            tab.shoot(f"{name.replace('/', '-')}-{size}")
            assert tab.page.evaluate(FITS), f"{name} is wider than the screen ({size})"
            light = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (sum(map(int, re.findall(r"\d+", light)[:3])) < 200) == (size == "phone")
            assert not tab.page.evaluate("window.harmed")
            assert not tab.wrong


def test_html_in_a_notebook_is_words(made):
    page = (made / "notebooks" / "2_render_2d.html").read_text(encoding="utf-8")
    assert "harmless words" in page
    assert "<script>window" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;window.harmed" in page
    assert 'href="javascript:' not in page


def test_a_notebook_is_not_run_again_and_takes_no_file_in(made):
    assert "never on a page" not in (made / "notebooks" / "2_render_2d.html").read_text(encoding="utf-8")
    assert not (made.parent / "ran").exists()


def test_a_page_of_a_notebook_does_not_say_where_the_run_lies(made):
    texts = [path.read_text(encoding="utf-8") for path in made.rglob("*.html")]
    assert not [text for text in texts if str(made.parent / "run") in text]


def test_the_gallery_of_the_site_shows_every_family(made):
    page = (made / "gallery.html").read_text(encoding="utf-8")
    lead = re.search(r'class="lead">(.*?)\. ', page)[1]
    assert lead == "3 categories each of " + ", ".join(family.title for family in registry.families().values())


def test_the_search_works_from_a_folder(made, tab):  # noqa: F811
    tab.page.goto((made / "index.html").as_uri())
    tab.page.get_by_role("textbox").first.fill("thorns")  # a word of one page
    tab.page.keyboard.press("Enter")
    found = tab.page.locator("ul.search a").first
    found.wait_for()
    assert "how-to" in found.get_attribute("href")


def test_the_gallery_sorts_filters_scrolls_and_opens(run, tab):  # noqa: F811
    page = tab.page
    page.goto((run / "gallery.html").as_uri())
    tiles = page.locator(".tile")
    assert page.locator("output.count").inner_text() == "40 of 40"
    shown = gallery.of_run(run, record.read(run))[0]
    page.get_by_text("what the numbers mean").click()
    for meaning in shown["meanings"].values():
        assert page.locator(".meanings").get_by_text(meaning).is_visible()
    assert page.locator(".filter").nth(4).get_attribute("title") == shown["meanings"]["average contraction"]
    tab.shoot("gallery-meanings")
    page.get_by_text("what the numbers mean").click()
    page.get_by_label("sort by").first.select_option("filling rate")
    page.get_by_label("sort downwards").click()
    fullest = int(np.argmax(shown["properties"]["filling rate"]))
    assert shown["names"][fullest] in tiles.first.get_attribute("aria-label")
    middle = float(np.median(shown["properties"]["filling rate"]))
    page.get_by_label("filling rate, least").fill(str(middle))
    wanted = sum(value >= middle for value in shown["properties"]["filling rate"])
    assert page.locator("output.count").inner_text() == f"{wanted} of 40"
    page.get_by_label("filling rate, least").fill("2")
    assert page.get_by_text("No category is within all ranges.").is_visible()
    page.get_by_role("button", name="clear filters").click()
    assert page.locator("output.count").inner_text() == "40 of 40"
    page.get_by_label("size of a picture").fill("224")
    assert tiles.count() < 40
    before = tiles.first.get_attribute("aria-label")
    page.locator(".tiles").evaluate("element => element.scrollTop = element.scrollHeight")
    page.wait_for_function("name => document.querySelector('.tile').ariaLabel !== name", arg=before)
    tiles.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_text("box dimension").is_visible()
    assert dialog.locator("td").count() >= 14  # two maps at least
    title = dialog.locator("h3").inner_text()
    titles = {title}
    for _ in range(3):  # the keys go on, whatever was made anew
        page.keyboard.press("ArrowRight")
        titles.add(dialog.locator("h3").inner_text())
    assert len(titles) == 4
    dialog.get_by_text("most like it").click()
    dialog.locator(".explore").click()
    dialog.locator("canvas[data-ofdb]").wait_for()
    name = dialog.locator("h3").inner_text().split()[-1]
    (file,) = (run / "images" / name).iterdir()
    until(lambda: np.array_equal(pixels(page), samples.decode(file) > 0))  # what is explored is the very image
    tab.shoot("gallery-explorer")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    page.get_by_label("go to a category").fill("99999")
    page.keyboard.press("Enter")
    assert page.locator("output.count").inner_text() == "There is no category 99999."
    page.get_by_role("tab", name="VisualAtom").click()
    assert page.locator("output.count").inner_text() == "3 of 3"


def test_a_widget_in_a_page_of_the_site_is_the_picture_that_its_notebook_holds(made, tab):  # noqa: F811
    tab.page.goto((made / "notebooks" / "3_render_3d.html").as_uri())
    still = tab.page.locator(".cell_output img")
    assert still.count() >= 6
    assert still.evaluate_all("all => all.every(one => one.complete && one.naturalWidth > 50)")


def test_a_gallery_without_the_files_draws_what_it_can_to_the_pixel(run, made, tab):  # noqa: F811
    tab.page.goto((made / "gallery.html").as_uri())
    tab.page.locator(".tile").nth(1).click()
    canvas = tab.page.get_by_role("dialog").locator("canvas")
    canvas.evaluate("canvas => { canvas.dataset.ofdb = 'picture'; }")
    drawn = fractal_2d.indices(search.published(2, 1), category=1)  # as released
    assert (pixels(tab.page) == (drawn > 0)).all()


def test_a_near_duplicate_is_shown(tmp_path, tab):  # noqa: F811
    shown = {
        "name": "x", "title": "X", "names": [f"{i:05d}" for i in range(3)], "side": 8,
        "across": gallery.ACROSS, "pictures": 1,
        "sheets": gallery.sheets([np.full((8, 8), 80 * i, np.uint8) for i in range(3)]),
        "properties": {"likeness": [0.99, 0.2, 0.99]}, "meanings": {"likeness": "</script><b>"},
        "nearest": [2, 0, 0], "alike": 0.9, "systems": None, "drawn": None, "files": None,
    }  # fmt: skip
    (tmp_path / "page.html").write_text(gallery.page("A </title> gallery", [shown]))
    tab.page.goto((tmp_path / "page.html").as_uri())
    tab.page.get_by_role("button", name="near-duplicates: 2").click()
    assert tab.page.locator("output.count").inner_text() == "2 of 3"
    tab.page.locator(".tile").first.click()
    assert tab.page.get_by_text("most like it: 00002 (0.99)").is_visible()


def test_a_site_needs_a_run_and_takes_no_other_folder(tmp_path):
    with pytest.raises(parameter_files.UsageError, match="no finished run"):
        command.main(["site", str(tmp_path)])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").touch()
    (tmp_path / "run").mkdir()
    entry = {"parameters": {}, "versions": {}, "reads": {}, "writes": {}, "results": {}, "code": "", "machine": ""}
    entry |= {"started": "", "commit": None, "figures": [], "checks": []}
    (tmp_path / "run" / record.FILE).write_text(json.dumps({"notebooks": {"6_report": entry}}))
    with pytest.raises(parameter_files.UsageError, match="is not empty and no site"):
        command.main(["site", str(tmp_path / "run"), "--out", str(tmp_path / "mine")])


def test_a_new_site_replaces_the_files_of_the_former_and_no_others(tmp_path):
    out = tmp_path / "site"
    for number, names in enumerate((["index.html", "a/old.html"], ["index.html", "a/new.html"])):
        built = tmp_path / str(number)
        for name in names:
            (built / name).parent.mkdir(parents=True, exist_ok=True)
            (built / name).write_text(str(number))
        site.replace(out, built)
        (out / "CNAME").write_text("mine")
    assert sorted(path.name for path in out.rglob("*") if path.is_file()) == [
        ".site",
        "CNAME",
        "index.html",
        "new.html",
    ]
    assert (out / "index.html").read_text() == "1"
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "CNAME").touch()
    with pytest.raises(parameter_files.UsageError, match="CNAME: is not the lab's"):
        site.replace(out, tmp_path / "2")
    (out / "index.html").write_text("also mine")
    with pytest.raises(parameter_files.UsageError, match=r"index.html: is not the lab's, or not as"):
        site.require_own(out)  # before anything is built
    (out / "index.html").unlink()
    (out / "index.html").symlink_to(out / "CNAME")
    with pytest.raises(parameter_files.UsageError, match=r"index.html: is not the lab's, or not as"):
        site.replace(out, tmp_path / "1")
    assert (out / "CNAME").read_text() == "mine"


def test_a_list_of_files_that_leads_out_of_the_site_removes_nothing_there(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "site").mkdir()
    hashed = files.sha256(tmp_path / "mine")
    (tmp_path / "site" / site.LIST).write_text(f"{own.HEAD}\n{hashed} ../mine\n{hashed} also\n")
    (tmp_path / "built").mkdir()
    site.replace(tmp_path / "site", tmp_path / "built")
    assert (tmp_path / "mine").exists()
    (tmp_path / "site" / site.LIST).write_text("index.html\n")
    with pytest.raises(experiments.UsageError, match="is not the lab's list of its files"):
        site.replace(tmp_path / "site", tmp_path / "built")


def test_two_runs_are_compared(run, tmp_path, tab):  # noqa: F811
    other = json.loads((run / record.FILE).read_text())
    other["notebooks"]["2_render_2d"]["parameters"]["points"] = 1234
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / record.FILE).write_text(json.dumps(other))
    values = {"out": str(tmp_path), "runs": [str(run), str(tmp_path / "other")]}
    places = compare.Compare.of(compare.Compare.located(values)).places()
    assert list(places) == [run.name, "other"]
    assert compare.differences(compare.read(places)) == [["2_render_2d", "points", 5000, 1234]]
    tab.page.goto(compare.write(tmp_path, places).as_uri())
    assert tab.page.get_by_text("1234").is_visible()
    assert not tab.page.get_by_text("median share of lit pixels").is_visible()  # the same in both
    tab.page.get_by_text("Results that are the same").click()
    assert tab.page.get_by_text("median share of lit pixels").is_visible()
    with pytest.raises(ValueError, match="runs: /nowhere has no record"):
        compare.Compare.of({**values, "runs": ["/nowhere"]})


def test_json_in_a_page_cannot_end_its_script():
    text = pages.as_json({"a": "</script><!--\u2028"})
    assert "<" not in text
    assert "\u2028" not in text
