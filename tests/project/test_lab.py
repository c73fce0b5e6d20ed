"""Every notebook as a user has it: opened in JupyterLab in a browser, run, looked at, and saved."""

import json
import math
import os
import re
from pathlib import Path

import numpy as np
import papermill
import pytest

from ofdb_core.base import record
from ofdb_core.data import ply
from ofdb_core.families import fractal_3d, registry
from ofdb_core.run import catalogue
from ofdb_core.show import view
from tests.helpers import lab as in_lab
from tests.helpers import tiny
from tests.helpers.browser import opened
from tests.helpers.processes import until

pytestmark = pytest.mark.slow

# Categories enough to scroll through, and found at once.
VALUES = {
    **tiny.SMALL,
    "1_search_categories": {"categories": 40, "search_points": 2000, "filling_rate": 0.005},
    "3_render": {},
}
WIDGET = "application/vnd.jupyter.widget-view+json"  # whose picture is for where no kernel is
SHOWN = ".jp-OutputArea-output :is(img, svg)"


def prepare(folder):
    """Give the notebooks of a project small values; return their names, in order."""
    paths = sorted(folder.glob("*.ipynb"))
    for path in paths:
        stage = "3_render_1p-frac" if path.stem == "3_render" else path.stem
        papermill.execute_notebook(str(path), str(path), VALUES[stage], prepare_only=True, progress_bar=False)
    return [path.stem for path in paths]


def check_saved(path):
    """A saved notebook has run whole, without an error, and holds what it drew: the number of its pictures."""
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    pictures = 0
    for cell in cells:
        source, outputs = "".join(cell["source"]), cell["outputs"]
        assert [out for out in outputs if out["output_type"] == "error"] == [], source
        assert "Warning" not in str([out.get("text") for out in outputs]), source
        assert "Traceback" not in str([out.get("text") for out in outputs]), source
        drawn = [out for out in outputs if {"image/png", "image/svg+xml"} & out.get("data", {}).keys()]
        assert drawn or not re.search(r"^run\.figure\(", source, re.M), source  # those that hang on an if may be none
        pictures += len([out for out in drawn if WIDGET not in out["data"]])
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    return pictures


def turn(page, root):
    """The turntable in notebook 3: what is dragged is what Python has, and the view that one likes is kept."""
    page.locator(".ofdb-turn").scroll_into_view_if_needed()
    before = in_lab.pixels(page, "view")
    in_lab.drag(page, page.locator(".ofdb-turn"), 70, 40)
    told = root / "told.json"
    tell = "from pathlib import Path\nimport json\n"
    tell += f"Path({str(told)!r}).write_text(json.dumps([turned.view().tolist(), list(turned.angles)]))"

    def same():
        in_lab.python(page, tell)
        seen = in_lab.pixels(page, "view")
        return (seen != before).any() and np.array_equal(seen, np.array(json.loads(told.read_text())[0]))

    until(same)  # the browser tells Python what was dragged now and then
    angles = json.loads(told.read_text())[1]
    page.get_by_role("button", name="keep this view").click()
    page.get_by_text("kept as").wait_for()
    (kept,) = (root / "runs" / "lab" / "figures").glob("view_*.png")
    assert kept.name in page.get_by_text("kept as").inner_text()
    cloud = ply.load(fractal_3d.load_models(root / "runs" / "lab" / "models")[0][1])
    turns = [round(math.degrees(angle), 1) for angle in angles]
    assert kept.read_bytes() == view.save(cloud, root / "again.png", turns=turns).read_bytes()


def look_through(page, root):
    """The gallery in notebook 6: sorted, scrolled through, and opened."""
    gallery = page.locator(".gallery")
    gallery.scroll_into_view_if_needed()
    tiles = gallery.locator(".tile")
    first = tiles.first.get_attribute("aria-label")
    gallery.get_by_text("40 of 40", exact=True).wait_for()  # visible: Lab may still be laying the cell out
    gallery.get_by_label("sort by").select_option("filling rate")
    gallery.get_by_label("sort downwards").click()
    fullest = tiles.first.get_attribute("aria-label")
    assert fullest != first
    gallery.get_by_label("size of a picture").fill("224")
    assert 0 < tiles.count() < 40
    gallery.locator(".tiles").evaluate("element => { element.scrollTop = element.scrollHeight; }")
    page.wait_for_function("name => document.querySelector('.gallery .tile').ariaLabel !== name", arg=fullest)
    tiles.last.click()
    dialog = gallery.get_by_role("dialog")
    dialog.get_by_text("box dimension").wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


TOUCHED = {"3_render_3d": turn, "6_report": look_through}


def test_every_notebook_runs_shows_and_is_saved_in_jupyterlab(browser, lab, tmp_path):
    address, root = lab
    names = prepare(root / "notebooks")
    shots = Path(os.environ.get("OFDB_SHOTS") or tmp_path / "shots")
    with opened(browser, shots, viewport={"width": 1400, "height": 1500}) as watched:
        page = watched.page
        in_lab.start(page, address)
        for name in names:
            in_lab.run_all(page, name)
            in_lab.save(page)
            pictures = check_saved(root / "notebooks" / f"{name}.ipynb")
            shown = page.locator(SHOWN)
            assert shown.count() >= pictures
            assert shown.evaluate_all("all => all.every(one => one.getBoundingClientRect().width > 50)")
            if name in TOUCHED:
                TOUCHED[name](page, root)
            watched.shoot(name)
            in_lab.leave(page)
            assert not watched.wrong, name
    others = registry.served_stages()[1:]  # which the one notebook can serve, too
    expected = [stage for stage in catalogue.stages() if stage < "7" and stage not in others]
    assert list(record.read(root / "runs" / "lab")) == expected
    assert (root / "runs" / "compare" / "comparison.html").is_file()
