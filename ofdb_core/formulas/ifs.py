"""An iterated function system (IFS): k affine maps x -> A x + t of the plane or of space, chosen with probability p.

One category of a formula-driven data set is one IFS (Kataoka et al., ACCV 2020, section 3). Two and three dimensions
differ by the shape of A only. A CSV row is one map: the entries of A row by row, then t, then p (7 or 13 columns).
In 2D that is a, b, c, d, e, f, p of x' = a x + b y + e, y' = c x + d y + f, as Barnsley writes his fern.
"""

import functools
import hashlib
import io
import math
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ofdb_core.base import values
from ofdb_core.formulas import system_files
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import Mersenne

MAPS = (2, 8)  # the original draws 2 to 7 maps
COLUMNS = {7: 2, 13: 3}
MOST = 255  # maps: the chaos game counts them in a byte
START = "# its patches begin at word {} of its stream\n"  # a last line of a file; see `csv`
LAST_START = 2**34  # a stream takes half a minute to come so far
SUM_TOLERANCE = 1e-6  # of the probabilities in a file; those of the published files add up to 1 within 1e-15
LEAST_SHARE = 1e-3  # of a map, where p is missing, for Barnsley's "small positive number"

Weight = float | Sequence[float] | np.ndarray  # see `IFS.factors`


@dataclass(frozen=True, eq=False)
class IFS:
    """A (k, d, d), t (k, d), p (k,), all float64; d is 2 or 3, and k 1 to MOST."""

    A: np.ndarray
    t: np.ndarray
    p: np.ndarray

    @property
    def d(self) -> int:
        """The number of dimensions."""
        return self.A.shape[1]

    def __len__(self) -> int:
        return len(self.A)

    def __post_init__(self) -> None:
        k = len(self.A)
        if k > MOST:
            raise ValueError(f"A has {k} maps; at most {MOST} are allowed")
        if k < 1 or self.A.shape not in {(k, 2, 2), (k, 3, 3)}:
            raise ValueError(f"A has shape {self.A.shape}; it must be (k, 2, 2) or (k, 3, 3) with k >= 1")
        if self.t.shape != (k, self.d) or self.p.shape != (k,):
            raise ValueError(
                f"t {self.t.shape} and p {self.p.shape} do not fit A {self.A.shape}: must be ({k}, {self.d}) and ({k},)"
            )

    def factors(self, weight: Weight) -> np.ndarray:
        """A factor for each coefficient of each map, (k, 6) or (k, 12) float64, in CSV order.

        weight: a number for `a` (the first entry of A) of every map; or a factor for each coefficient in CSV order,
        (6,) in 2D and (12,) in 3D; or such a row for each map. 2D-OFDB's release has 0.2 on `a`, 3D-OFDB's 0.4.
        """
        square = self.d * self.d
        factors = np.asarray(weight)
        if factors.ndim == 0:
            factors = np.r_[factors, np.ones(square + self.d - 1)]
        shapes = {(square + self.d,), (len(self), square + self.d)}
        if factors.shape not in shapes or factors.dtype.kind not in "iuf" or not np.isfinite(factors).all():
            raise ValueError(
                f"weight: {weight!r} is not allowed; it is one finite number (for a) or {square + self.d} of them"
            )
        return np.broadcast_to(factors, (len(self), square + self.d))

    def weighted(self, weight: Weight) -> "IFS":
        """The system with its coefficients multiplied by the `factors` of a weight; p stays, as in the original."""
        A, t = np.split(self.factors(weight), [self.d * self.d], axis=1)
        return IFS(self.A * A.reshape(-1, self.d, self.d), self.t * t, self.p)

    def thresholds(self) -> np.ndarray:
        """(k,) float64: cumulative p; a random number picks the first map whose threshold it does not exceed."""
        return np.cumsum(self.p)


def weight_rows(spread: float, d: int = 2, steps: int = 2) -> np.ndarray:
    """(2 n (d * d + d) + 1, d * d + d) float64: the weights of a category's instances in FractalDB, one a row.

    A row multiplies one coefficient of every map by 1 - n s, ..., 1 - s, 1 + s, ... or 1 + n s, computed as decimals
    (s: spread, n: steps); row n changes nothing. FractalDB's 25 instances have s = 0.4 and n = 2, MV-FractalDB's 145
    have s = 0.1 and n = 6. (A factor of 0 is 0.01.)
    """
    step = Decimal(repr(spread))
    factors = [float(1 + k * step or Decimal("0.01")) for k in range(-steps, steps + 1)]
    rows = [(place, factor) for place in range(d * d + d) for factor in factors if place == 0 or factor != 1]
    table = np.ones((len(rows), d * d + d))
    for row, (place, factor) in zip(table, rows, strict=True):
        row[place] = factor
    return table


@kernel
def _pivots(A: np.ndarray) -> np.ndarray:
    """(k, 3) float64: the absolute pivots in the LU decomposition of A (k, 3, 3) with row exchanges.

    The order is that of OpenBLAS (getf2): products are summed before they are subtracted, and a column is multiplied by
    the reciprocal of its pivot. A column without a pivot gives 0, and NaN may follow.
    """
    pivots = np.empty((len(A), 3))
    for matrix in range(len(A)):
        a = A[matrix].copy()
        for j in range(3):
            for i in range(1, 3):
                total = 0.0
                for inner in range(min(i, j)):
                    total += a[i, inner] * a[inner, j]
                a[i, j] -= total
            largest = j
            for i in range(j + 1, 3):
                if abs(a[i, j]) > abs(a[largest, j]):
                    largest = i
            for column in range(3):
                a[j, column], a[largest, column] = a[largest, column], a[j, column]
            for i in range(j + 1, 3):
                a[i, j] *= 1.0 / a[j, j]
            pivots[matrix, j] = abs(a[j, j])
    return pivots


def _product(x: float, y: float, z: float) -> float:
    """The product of numbers >= 0 through logarithms, as NumPy's det multiplies the pivots."""
    return math.exp(math.log(x) + math.log(y) + math.log(z)) if 0.0 not in (x, y, z) else 0.0


def determinants(A: np.ndarray) -> np.ndarray:
    """(k,) float64 |det A| for A (k, d, d), in the original's order of operations.

    In 3D the original calls NumPy's det, whose last bits depend on the build of LAPACK; here its order is written out.
    """
    if A.shape[1] == 2:
        return np.abs(A[:, 0, 0] * A[:, 1, 1] - A[:, 0, 1] * A[:, 1, 0])
    return np.array([_product(*pivots) for pivots in _pivots(A).tolist()])


def sample(stream: Mersenne, d: int = 2) -> IFS:
    """A random system from a `Mersenne` stream, as the original's search draws it.

    2 to 7 maps, every coefficient uniform in [-1, 1), p in proportion to |det A|. The maps need not contract.
    """
    k, square = stream.integer(*MAPS), d * d
    rows = stream.uniform(-1.0, 1.0, k * (square + d)).reshape(k, square + d)
    area = determinants(rows[:, :square].reshape(k, d, d))
    return of_table(np.column_stack([rows, area / np.cumsum(area)[-1]]))


def table(ifs: IFS) -> np.ndarray:
    """(k, 7) or (k, 13) float64, a row for each map."""
    return np.column_stack([ifs.A.reshape(len(ifs), -1), ifs.t, ifs.p])


def of_table(rows: np.ndarray) -> IFS:
    """The IFS of a `table`."""
    d = COLUMNS[rows.shape[1]]
    parts = rows[:, : d * d].reshape(-1, d, d), rows[:, d * d : -1], rows[:, -1]
    return IFS(*(np.ascontiguousarray(part) for part in parts))


def save(ifs: IFS, file: str | Path | BinaryIO) -> None:
    """Write the CSV that the original writes, byte for byte; file: a path or a binary file."""
    np.savetxt(file, table(ifs), delimiter=",")


def csv(ifs: IFS, start: int = 0) -> bytes:
    """The bytes of the CSV that `save` writes, with a comment if the image's patches start later in their stream."""
    data = io.BytesIO()
    save(ifs, data)
    return data.getvalue() + (START.format(start).encode() if start else b"")


def shares(A: np.ndarray) -> np.ndarray:
    """(k,) float64: probabilities of maps A (k, d, d) in proportion to |det A|, but none below LEAST_SHARE.

    So a flat map, as the stem of a fern, is drawn too (Barnsley, Fractals Everywhere, chapter 3). The parts are equal
    if every map is flat.
    """
    with np.errstate(all="ignore"):
        areas = determinants(A)
        total = areas.sum()
    if not 0 < total < np.inf:
        areas, total = np.ones(len(A)), float(len(A))
    areas = np.maximum(areas, LEAST_SHARE * total)
    return areas / areas.sum()


def read(path: str | Path) -> dict[str, IFS]:
    """Name -> IFS of every system in a file of any form of `system_files`; a bad file is a ValueError that names it.

    All values must be finite, and p >= 0. Where p is missing, it is that of `shares`; where it does not add up to 1
    (within SUM_TOLERANCE), each is divided by the sum, and a line says so.
    """
    return _checked(system_files.read(path), str(path))


def load(path: str | Path) -> IFS:
    """The one system of a file: see `read`."""
    return _only(read(path), str(path))


def _only(systems: dict[str, IFS], where: str) -> IFS:
    if len(systems) > 1:
        raise ValueError(f"{where}: holds {len(systems)} systems, and one is needed; give one of them alone")
    return next(iter(systems.values()))


def _checked(tables: system_files.Tables, where: str) -> dict[str, IFS]:
    """The systems of a user's tables; a ValueError that begins with `where` if a table is wrong."""
    systems, sums = {}, {}
    for name, rows in tables.items():
        here = where if len(tables) == 1 else f"{where}, system {name}"
        d = system_files.DIMENSIONS[rows.shape[1]]
        if len(rows) > MOST:
            raise ValueError(f"{here}: has {len(rows)} maps; at most {MOST} are allowed")
        if not np.isfinite(rows).all():
            raise ValueError(f"{here}: holds a value that is not finite")
        if rows.shape[1] not in COLUMNS:
            rows = np.column_stack([rows, shares(rows[:, : d * d].reshape(-1, d, d))])
        if (rows[:, -1] < 0).any():
            raise ValueError(f"{here}: a probability (last column) is negative")
        with np.errstate(over="ignore"):
            total = float(rows[:, -1].sum())
        if not 0 < total < np.inf:
            raise ValueError(f"{here}: the probabilities (last column) add up to {total:.6g}; a map needs one above 0")
        if abs(total - 1) > SUM_TOLERANCE:
            rows[:, -1] /= total
            sums[name] = total
        systems[name] = of_table(rows)
    if sums:
        first, total = next(iter(sums.items()))
        which = "" if len(tables) == 1 else f" of {first}" + (f" (and of {len(sums) - 1} more)" * (len(sums) > 1))
        say_once(f"{where}: p{which} adds up to {total:.6g}, so each p is divided by the sum")
    return systems


@functools.cache
def say_once(sentence: str) -> None:
    """Print a sentence, the first time."""
    print(sentence, flush=True)


def to_text(ifs: IFS) -> str:
    """The system as one line to copy: spaces between numbers, semicolons between maps; `parse` reads it back."""
    return "; ".join(" ".join(map(repr, row)) for row in table(ifs).tolist())


def parse(text: str) -> IFS:
    """The exact system of a line of `to_text`, or of any text that `load` reads from a file."""
    return _only(_checked(system_files.tables(text, "text", "text"), "text"), "text")


def number_of(name: str) -> int:
    """The number of a category, which seeds its random streams: 7 for the name 00007, a hash for any other name.

    So a system keeps its random patches, whatever systems lie beside it.
    """
    if name.isascii() and name.isdecimal() and int(name) <= values.SEEDS:
        return int(name)
    return zlib.crc32(name.encode(errors="surrogateescape"))


def _entries(root: str | Path) -> dict[int, tuple[str, Callable[[], IFS]]]:
    """Number -> name and loader of each system of a folder of files, or of one file, sorted by name."""
    root, found = Path(root), list[tuple[str, Path, Callable[[], IFS]]]()
    for path in _paths(root):
        if path.suffix.lower() == ".csv":
            found.append((path.stem, path, functools.partial(load, path)))
        else:
            systems = read(path)
            found += [(name, path, functools.partial(systems.__getitem__, name)) for name in systems]
    entries, files = dict[int, tuple[str, Callable[[], IFS]]](), dict[int, Path]()
    for name, path, loader in sorted(found, key=lambda entry: f"{entry[0]}.csv"):  # the order of names of CSV files
        if other := files.get(number := number_of(name)):
            both = f"{other.name} and {path.name}" if other != path else f"{path.name}: {entries[number][0]} and {name}"
            raise ValueError(f"{root}: {both} are one number; give one of them another name")
        entries[number], files[number] = (name, loader), path
    return entries


def _found(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[!.]*") if path.suffix.lower() in system_files.ENDINGS)


def _paths(root: Path) -> list[Path]:
    """The files of systems in a folder, or the one that a path names."""
    if root.is_file():
        return [root]
    if not (paths := _found(root)):
        problem = (
            "holds no category files" if root.is_dir() else "cannot be read" if root.exists() else "no such folder"
        )
        raise FileNotFoundError(
            f"{root}: {problem} (00000.csv, fern.csv, ...); search them first, or put your own there"
        )
    return paths


def load_folder(root: str | Path, first: int | None = None) -> list[tuple[int, IFS]]:
    """(number, IFS) pairs of the files of a folder (or of one file), sorted by name; first: their number, or all."""
    entries = _entries(root)
    if first is not None:
        values.whole(1, len(entries), categories=first)
    return [(number, loader()) for number, (_, loader) in list(entries.items())[:first]]


def names(root: str | Path) -> dict[int, str]:
    """Number -> name of the systems of a folder or file, as 7 -> 00007: the names of the classes."""
    return {number: name for number, (name, _) in _entries(root).items()}


def starts(root: str | Path) -> dict[int, int]:
    """Number -> `start` of the systems of a folder, 0 where a CSV file does not say it: see `csv`."""
    line, found = re.compile(START.strip().format(r"(\d+)").encode()), {}
    for number, name in names(root).items():
        path = Path(root) / f"{name}.csv"
        words = line.findall(path.read_bytes()) if path.is_file() else []
        found[number] = int(words[-1][:20]) if words else 0
        values.whole(0, LAST_START, **{f"{path}, word": found[number]})
    return found


def dimensions(root: str | Path) -> int | None:
    """2 or 3, as in the first file of a folder, or in one file (2 if it has both); None if it can hold no systems."""
    root = Path(root)
    if root.is_dir() and not any(path.is_dir() and not path.name.startswith(".") for path in root.iterdir()):
        paths = _found(root)
    else:
        paths = [root] if system_files.is_file_of_systems(root) else []
    return min(system.d for system in read(paths[0]).values()) if paths else None


def digest(systems: Iterable[tuple[int, IFS]]) -> str:
    """One hash of (number, IFS) pairs: it depends on the systems, not on their files."""
    hashed = hashlib.sha256()
    for number, system in systems:
        hashed.update(f"{number} {table(system).shape} ".encode() + table(system).tobytes())
    return hashed.hexdigest()
