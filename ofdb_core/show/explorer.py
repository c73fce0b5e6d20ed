"""The explorer of 2D systems as a widget: its picture is computed in the browser, in plain JavaScript (js/explorer.js).

The kernel is asked only for what the browser does not know: published categories, those of a run, and files to write.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from ofdb_core.base import files, project, values
from ofdb_core.data import png
from ofdb_core.families import fractal_2d
from ofdb_core.formulas import ifs, raster, search
from ofdb_core.show import pages
from ofdb_core.show.in_browser import InBrowser

MODULE = pages.module("explorer.js")
PUBLISHED = 1000  # categories of FractalDB-1k


class Explorer(InBrowser):
    """An explorer that starts at a 2D system; `system` is the one it shows now, and can be set.

    root: the folder of an experiment whose categories/ can be opened by number; own: the folder that "save" writes
    categories to, which `fractal_2d.write_images` draws; settings: of the picture, as for `fractal_2d.indices`.
    """

    _esm = MODULE
    rows: Any = traitlets.List().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    root = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self, system: ifs.IFS, *, root: str | Path = "", own: str | Path = project.RUNS / "own", **settings: Any
    ) -> None:
        made = {"size": 512, "points": 200_000, "weight": 1.0, "draw": "point_gray", "seed": 0, "category": None}
        if strange := settings.keys() - made.keys():
            raise TypeError(f"{min(strange)} is no setting of the picture; they are {', '.join(made)}")
        self._own = Path(own) / "categories"
        super().__init__(rows=_rows(system), settings={**made, **settings}, root=str(root) if root else "")
        self.on_msg(self._asked)

    @property
    def system(self) -> ifs.IFS:
        """The system that is shown."""
        return ifs.of_table(np.array(self.rows, float))

    @system.setter
    def system(self, system: ifs.IFS) -> None:
        self.rows = _rows(system)

    def picture(self) -> np.ndarray:
        """The picture of the system as Python draws it: palette indices (size, size) uint8."""
        return fractal_2d.indices(self.system, **self.settings)

    def _asked(self, _: Any, message: dict[str, Any], __: Any) -> None:
        does: dict[str, Callable[[Any], Any]] = {"published": self._published, "mine": self._mine, "save": self._save}
        answer: dict[str, Any] = {"number": message["number"]}
        try:
            answer["answer"] = does[message["what"]](message["value"])
        except (ValueError, OSError) as error:
            answer["error"] = str(error)
        self.send(answer)

    def _published(self, number: int) -> list[list[float]]:
        values.whole(0, PUBLISHED - 1, category=number)
        return _rows(search.published(2, number))

    def _mine(self, number: int) -> list[list[float]]:
        path = Path(self.root) / "categories" / f"{number:05d}.csv"
        if not path.is_file():
            raise ValueError(f"{path} is not there: run 1_search_categories first, or give a smaller number")
        return _rows(ifs.load(path))

    def _save(self, rows: list[list[float]]) -> str:
        numbers = [int(path.stem) for path in self._own.glob("[0-9]*.csv")]
        path = self._own / f"{max(numbers, default=-1) + 1:05d}.csv"
        self._own.mkdir(parents=True, exist_ok=True)
        files.write_whole(path, fractal_2d.csv(ifs.of_table(np.array(rows, float))))
        return f"{path} was saved; 2_render_2d draws the folder with systems: {self._own}"

    def png(self) -> bytes:
        return png.encode(self.picture(), raster.palette(self.settings["draw"]))


def _rows(system: ifs.IFS) -> list[list[float]]:
    if system.d != 2:
        raise ValueError(f"system: {system.d} dimensions given; the explorer shows those of 2")
    return ifs.table(system).tolist()
