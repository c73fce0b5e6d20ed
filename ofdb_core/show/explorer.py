"""The explorer of 2D systems as a widget. The browser computes the picture (js/explorer.js).

The kernel only reads published categories and those of a run, and writes files.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from ofdb_core.base import files, project, values
from ofdb_core.data import png, system_export
from ofdb_core.families import fractal_2d
from ofdb_core.formulas import ifs, raster, search, system_files
from ofdb_core.show import pages, wall
from ofdb_core.show.in_browser import InBrowser

MODULE = pages.module("explorer.js")
PUBLISHED = 1000  # categories of FractalDB-1k


class Explorer(InBrowser):
    """An explorer that starts with a 2D system. `system` is the one on show, and can be set.

    root: the folder of an experiment whose categories can be opened by number; own: the folder whose categories/ "save"
    writes to; settings: of the picture, as for `fractal_2d.indices`.
    """

    _esm = MODULE
    rows: Any = traitlets.List().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    root = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self, system: ifs.IFS, *, root: str | Path = "", own: str | Path = project.RUNS / "own", **settings: Any
    ) -> None:
        usual = {"size": 512, "points": 200_000, "weight": 1.0, "draw": "point_gray", "seed": 0, "category": None}
        if strange := settings.keys() - usual.keys():
            raise TypeError(f"{min(strange)} is not a setting of the picture; these are {', '.join(usual)}")
        self._own = Path(own) / "categories"
        super().__init__(rows=_rows(system), settings={**usual, **settings}, root=str(root) if root else "")
        self.on_msg(self._asked)

    @property
    def system(self) -> ifs.IFS:
        """The system that the explorer shows."""
        return ifs.of_table(np.array(self.rows, float))

    @system.setter
    def system(self, system: ifs.IFS) -> None:
        self.rows = _rows(system)

    def picture(self) -> np.ndarray:
        """The picture of the system, drawn by Python: palette indices (size, size) uint8."""
        return fractal_2d.indices(self.system, **self.settings)

    def _asked(self, _: Any, message: dict[str, Any], __: Any) -> None:
        does: dict[str, Callable[[Any], Any]] = {
            "published": self._published,
            "mine": self._mine,
            "parse": self._parse,
            "save": self._save,
            "saveAs": self._save_as,
        }
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
            raise ValueError(f"{path} does not exist: run 1_search_categories first, or choose a smaller number")
        return _rows(ifs.load(path))

    def _parse(self, text: str) -> list[list[float]]:
        return _rows(ifs.parse(text))

    def _save(self, rows: list[list[float]]) -> str:
        numbers = [int(path.stem) for path in self._own.glob("[0-9]*.csv")]
        path = self._own / f"{max(numbers, default=-1) + 1:05d}.csv"
        files.write_whole(path, ifs.csv(ifs.of_table(np.array(rows, float))))
        return f"{path} was saved; to draw the folder, give 2_render_2d systems: {self._own}"

    def _save_as(self, asked: dict[str, Any]) -> str:
        path, system = files.inside(self._own.parent, asked["name"]), ifs.of_table(np.array(asked["rows"], float))
        if path.suffix.lower() in system_files.ENDINGS:
            return f"{system_export.write({path.stem: system}, path)} was saved"
        return f"{wall.save(system, path)} was saved"

    def png(self) -> bytes:
        return png.encode(self.picture(), raster.palette(self.settings["draw"]))


def _rows(system: ifs.IFS) -> list[list[float]]:
    if system.d != 2:
        raise ValueError(f"system: {system.d} dimensions; the explorer shows systems of 2")
    return ifs.table(system).tolist()
