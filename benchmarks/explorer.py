"""python -m benchmarks.explorer [--film FILE]: how fast the explorer follows, into results/explorer.csv; or its film.

In Debian's Chromium, without a display or a GPU, by the harness of the tests (requirements-browser.txt).
"""

import argparse
import datetime
import io
import math
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.pages import RESULTS
from ofdb_core.base import provenance
from ofdb_core.data import tables
from ofdb_core.formulas import ifs, search
from ofdb_core.show import explorer, in_browser
from tests.helpers import browser

POINTS, SIZES = 200_000, (512,)
WARM, FRAMES, KEYS = 20, 100, 30
SHOWN = {"width": 1000, "height": 860}  # of the film, pixels
SCALE, PER_SECOND, QUALITY = 0.75, 10, 45
OPEN = """([js, system, settings]) => {
  document.documentElement.style.colorScheme = "light dark";
  const element = document.createElement("div");
  document.body.replaceChildren(element);
  window.shown = js.mount(element, {system, settings});
}"""
# A drag on a circle, a step for each frame that the browser shows; returns the milliseconds from frame to frame.
DRAG = """async frames => {
  const handle = document.querySelector("[data-handle='3']"), box = handle.getBoundingClientRect(), spent = [];
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2], frame = () => new Promise(requestAnimationFrame);
  handle.setPointerCapture = () => {};
  handle.hasPointerCapture = () => true;
  const send = (type, i) => handle.dispatchEvent(new PointerEvent(type, {bubbles: true, pointerId: 1,
    clientX: x + 40 * Math.cos(i / 20) - 40, clientY: y + 40 * Math.sin(i / 20)}));
  send("pointerdown", 0);
  let before = await frame();
  shown.times.length = 0;
  for (let i = 1; i <= frames; i++) {
    send("pointermove", i);
    const now = await frame();
    spent.push(now - before);
    before = now;
  }
  await frame();
  send("pointerup", frames);
  return spent;
}"""
HEAR = """() => {
  window.delays = [];
  addEventListener("keydown", event => requestAnimationFrame(() =>
    setTimeout(() => delays.push(performance.now() - event.timeStamp))), {capture: true});
}"""


def _opened(tab, system, **settings):
    tab.page.evaluate(OPEN, [tab.module(explorer.MODULE), ifs.table(system).tolist(), settings])
    tab.page.wait_for_function("shown.times.length > 0")


def _row(what, size, milliseconds):
    ordered = sorted(milliseconds)
    return {
        "what": what,
        "points": POINTS,
        "size": size,
        "count": len(ordered),
        "min_ms": f"{ordered[0]:.3g}",
        "median_ms": f"{statistics.median(ordered):.3g}",
        "p90_ms": f"{ordered[int(0.9 * (len(ordered) - 1))]:.3g}",
        "max_ms": f"{ordered[-1]:.3g}",
        "load": f"{os.getloadavg()[0] / (os.cpu_count() or 1):.1f}",  # waiting processes for each core
    }


def measure(tab):
    """Rows: of a drawing while a corner is dragged, from frame to frame, and from a key press to its picture."""
    for size in SIZES:
        _opened(tab, search.published(2, 0), size=size, points=POINTS)
        tab.page.evaluate(DRAG, WARM)  # until the browser has compiled
        frames = tab.page.evaluate(DRAG, FRAMES)
        yield _row("drawing", size, tab.page.evaluate("shown.times"))
        yield _row("frame", size, frames)
        tab.page.evaluate(HEAR)
        tab.page.locator("[data-handle='3']").focus()
        for i in range(KEYS):
            tab.page.keyboard.press("ArrowLeft" if i % 2 else "ArrowRight")
            tab.page.wait_for_function("count => delays.length > count", arg=i)
        yield _row("key to picture", size, tab.page.evaluate("delays"))


def _scenes(page):
    """Move the explorer on, a step for each frame of its film."""
    choice, mouse = page.get_by_label("Start from", exact=True), page.mouse

    def dragged(handle, path, steps):
        box = page.locator(f"[data-handle='{handle}']").last.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        mouse.move(x, y)
        mouse.down()
        for i in range(steps):
            right, down = path(i / (steps - 1))
            mouse.move(x + right, y + down)
            yield
        mouse.up()

    def there_and_back(right, down):
        return lambda t: (right * math.sin(math.pi * t), down * math.sin(math.pi * t))

    yield from [None] * 3
    yield from dragged(3, there_and_back(-70, 40), 14)
    yield from dragged(0, there_and_back(50, 30), 10)
    choice.select_option("Barnsley's fern")
    page.get_by_label("show the numbers of map 1").click()
    yield from [None] * 3
    yield from dragged(3, there_and_back(-70, 25), 14)
    choice.select_option("Tree")
    page.get_by_label("show the numbers of map 2").click()
    yield from [None] * 3
    yield from dragged(3, there_and_back(-30, -60), 12)


def film(tab, path):
    """Write the film of the explorer, an animated WebP."""
    _opened(tab, search.published(2, 0), points=POINTS)
    frames = []
    for _ in _scenes(tab.page):
        tab.page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        picture = Image.open(io.BytesIO(tab.page.screenshot())).convert("RGB")
        frames.append(picture.resize([round(SCALE * side) for side in picture.size], Image.Resampling.LANCZOS))
    how: dict[str, Any] = {"duration": 1000 // PER_SECOND, "loop": 0, "quality": QUALITY, "method": 5}
    frames[0].save(path, save_all=True, append_images=frames[1:], **how)
    print(f"{path}: {len(frames)} frames, {Path(path).stat().st_size / 1e6:.1f} MB")


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer", description=__doc__.splitlines()[0])
    parser.add_argument("--film", metavar="FILE", help="write the film instead (docs/explorer.webp)")
    options = parser.parse_args()
    if why := browser.missing():
        sys.exit(why)
    look = {"viewport": SHOWN, "color_scheme": "dark"} if options.film else {}
    with (
        tempfile.TemporaryDirectory() as shots,
        browser.chromium() as chromium,
        browser.opened(chromium, shots, **look) as tab,
    ):
        tab.module(explorer.MODULE)
        tab.page.add_style_tag(path=in_browser.STYLE)
        if options.film:
            return film(tab, options.film)
        about = {
            "browser": f"Chromium {chromium.version}",
            "date": datetime.date.today().isoformat(),
            "commit": provenance.commit(),
            "machine": provenance.machine(),
        }
        rows = []
        for row in measure(tab):
            rows.append({**row, **about})
            print(*row.values(), sep="  ", flush=True)
    tables.write(RESULTS / "explorer.csv", rows)


if __name__ == "__main__":
    main()
