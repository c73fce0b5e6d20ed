"""An iterated function system (IFS): k affine maps x -> A x + t of the plane or of space, chosen with probability p.

One category of a formula-driven data set is one IFS (Kataoka et al., ACCV 2020, section 3). Two and three dimensions
differ by the shape of A only. A CSV row is one map: the entries of A row by row, then t, then p (7 or 13 columns).
In 2D that is a, b, c, d, e, f, p of x' = a x + b y + e, y' = c x + d y + f, as Barnsley writes his fern.
"""

import hashlib
import io
import math
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ofdb_core.base import values
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import Mersenne

MAPS = (2, 8)  # the original draws 2 to 7 maps
COLUMNS = {7: 2, 13: 3}
COLUMNS_TOLD = "an IFS has 7 columns (2D) or 13 (3D)"
LETTERS = {7: [*"abcdefp"], 13: [*"abcdefghijklp"]}  # names of the columns, in a first line
MOST = 255  # maps: the chaos game counts them in a byte
MOST_BYTES = 2**20  # of a file
START = "# its patches begin at word {} of its stream\n"  # a last line of a file; see `csv`
LAST_START = 2**34  # a stream takes half a minute to come so far
SUM_TOLERANCE = 1e-6  # of the probabilities in a file; those of the published files add up to 1 within 1e-15

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
    """The bytes of the CSV that `save` writes, and a comment if its image's patches do not begin their stream."""
    data = io.BytesIO()
    save(ifs, data)
    return data.getvalue() + (START.format(start).encode() if start else b"")


def _bytes(path: Path) -> bytes:
    """The bytes of a CSV file; a ValueError names one that is none, or has too many."""
    if not path.exists():  # or a broken link, or one to itself
        raise FileNotFoundError(f"{path}: no such file")
    if not path.is_file():
        raise ValueError(f"{path}: cannot be read (a folder, a pipe or a device)")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"{path}: {size:,} bytes; a system of at most {MOST} maps needs no more than {MOST_BYTES:,}")
    return path.read_bytes()


def load(path: str | Path) -> IFS:
    """The IFS of a CSV file with 7 (2D) or 13 (3D) columns; a bad file is a ValueError that names it.

    All values must be finite. Probabilities must be >= 0 and add up to 1 (within SUM_TOLERANCE). A first line may name
    the columns, and # begins a comment.
    """
    path = Path(path)
    try:
        lines = io.StringIO(_bytes(path).decode("utf-8-sig"), newline=None).readlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a table of numbers ({error})") from error
    names = [name.strip() for name in lines[0].lower().split(",")] if lines else []
    return _checked(_rows(["", *lines[1:]] if names in LETTERS.values() else lines, ",", str(path)), str(path))


def _rows(lines: list[str], separator: str | None, name: str) -> np.ndarray:
    """The table of numbers in lines of text; a ValueError begins with the name and the line that is wrong.

    separator: between numbers, None for white space. Lines may be empty or end in a # comment.
    """
    rows: list[np.ndarray] = []
    for i, line in enumerate(lines, 1):
        if not line.partition("#")[0].strip():
            continue
        try:
            rows.append(np.loadtxt([line], delimiter=separator, ndmin=1))
        except ValueError as error:
            between = "white space" if separator is None else f"'{separator}'"
            told = f"{values.shown(line.strip())} is no row of numbers with {between} between them"
            raise ValueError(f"{name}, line {i}: {told}; {COLUMNS_TOLD}") from error
        if (width := len(rows[-1])) != len(rows[0]):
            raise ValueError(f"{name}, line {i}: {width} numbers, and {len(rows[0])} before; {COLUMNS_TOLD}")
    if not rows:
        raise ValueError(f"{name}: holds no numbers; {COLUMNS_TOLD}")
    return np.stack(rows)


def _checked(rows: np.ndarray, name: str) -> IFS:
    """The IFS of a user's table; a ValueError that begins with the name if the table is wrong."""
    if rows.shape[1] not in COLUMNS:
        raise ValueError(f"{name}: {rows.shape[1]} columns; {COLUMNS_TOLD}")
    if not np.isfinite(rows).all():
        raise ValueError(f"{name}: holds a value that is not finite")
    if (rows[:, -1] < 0).any():
        raise ValueError(f"{name}: a probability (last column) is negative")
    if abs((total := rows[:, -1].sum()) - 1) > SUM_TOLERANCE:
        raise ValueError(f"{name}: the probabilities (last column) add up to {total:.6g}, and must to 1")
    if len(rows) > MOST:
        raise ValueError(f"{name}: has {len(rows)} maps; at most {MOST} are allowed")
    return of_table(rows)


def to_text(ifs: IFS) -> str:
    """The system as one line to copy: spaces between numbers, semicolons between maps; `parse` reads it back."""
    return "; ".join(" ".join(map(repr, row)) for row in table(ifs).tolist())


def parse(text: str) -> IFS:
    """The exact system of a line of `to_text` or of a CSV's text; a ValueError says what is wrong."""
    lines = [line.replace(",", " ") for line in re.split("[;\n]", text)]
    return _checked(_rows(lines, None, "text"), "text")


def number_of(name: str) -> int:
    """The number of a category, which seeds its random streams: 7 for the name 00007, a hash for any other name.

    So a system keeps its random patches, whatever systems lie beside it.
    """
    if name.isascii() and name.isdecimal() and int(name) <= values.SEEDS:
        return int(name)
    return zlib.crc32(name.encode(errors="surrogateescape"))


def _files(root: str | Path) -> dict[int, Path]:
    """Number -> path of the CSV files of a folder, sorted by name."""
    root, found = Path(root), dict[int, Path]()
    for path in sorted(root.glob("*.[cC][sS][vV]")):
        if path.name.startswith("."):  # macOS leaves them
            continue
        if other := found.get(number_of(path.stem)):
            raise ValueError(f"{root}: {other.name} and {path.name} are one number; give one of them another name")
        found[number_of(path.stem)] = path
    if not found:
        problem = "holds no category files" if root.is_dir() else "is a file" if root.exists() else "no such folder"
        raise FileNotFoundError(
            f"{root}: {problem} (00000.csv, fern.csv, ...); search them first, or put your own there"
        )
    return found


def load_folder(root: str | Path, first: int | None = None) -> list[tuple[int, IFS]]:
    """(number, IFS) pairs of the CSV files of a folder, sorted by name; first: their number, None for all."""
    paths = _files(root)
    if first is not None:
        values.whole(1, len(paths), categories=first)
    return [(number, load(path)) for number, path in list(paths.items())[:first]]


def names(root: str | Path) -> dict[int, str]:
    """Number -> name of the category files of a folder, as 7 -> 00007: the names of the classes."""
    return {number: path.stem for number, path in _files(root).items()}


def starts(root: str | Path) -> dict[int, int]:
    """Number -> `start` of the category files of a folder, 0 for a file that does not say it: see `csv`."""
    line, found = re.compile(START.strip().format(r"(\d+)").encode()), {}
    for number, path in _files(root).items():
        words = line.findall(_bytes(path)) or [b"0"]
        found[number] = int(words[-1][:20])
        values.whole(0, LAST_START, **{f"{path}, word": found[number]})
    return found


def dimensions(root: str | Path) -> int | None:
    """2 or 3, as in the first CSV file of a folder; None for a folder without CSV files, or with other folders."""
    root = Path(root)
    if not root.is_dir() or any(path.is_dir() and not path.name.startswith(".") for path in root.iterdir()):
        return None
    return load_folder(root, 1)[0][1].d if any(root.glob("*.[cC][sS][vV]")) else None


def digest(systems: Iterable[tuple[int, IFS]]) -> str:
    """One hash of (number, IFS) pairs: it depends on the systems, not on their files."""
    hashed = hashlib.sha256()
    for number, system in systems:
        hashed.update(f"{number} {table(system).shape} ".encode() + table(system).tobytes())
    return hashed.hexdigest()
