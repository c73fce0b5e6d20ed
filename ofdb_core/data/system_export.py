"""Systems become files of other programs: Fractint's .ifs, flam3's and Apophysis's .flame, CSV; see `ifs.read`."""

import functools
from collections.abc import Mapping
from pathlib import Path

from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import header
from ofdb_core.base.own import Own
from ofdb_core.formulas import density, ifs, system_files

FRAMING = 5000  # points of the game that a flame is framed by: thousands of systems take seconds
UNIT = [[-1.0, -1.0], [1.0, 1.0]]  # what the flame of a system without a picture shows


def export(source: str | Path, out: str | Path) -> Path:
    """`write` the systems of a folder or file; return the path."""
    if Path(source).resolve() == Path(out).resolve():
        raise ValueError(f"out: {out} holds the systems themselves; give another file or folder")
    names = ifs.names(source)
    return write({names[number]: system for number, system in ifs.load_folder(source)}, out)


def write(systems: Mapping[str, ifs.IFS], out: str | Path) -> Path:
    """Write systems by name to a file, in the form of its ending, or to a folder of CSV files; return the path.

    A file that the lab did not write is not replaced. Every number is kept; a flame has no system of space.
    """
    out, tables = Path(out), {name: ifs.table(system) for name, system in systems.items()}
    ending, own = out.suffix.lower(), Own(out.parent)
    if ending == ".ifs":
        return own.write(out.name, system_files.to_fractint(tables))
    if ending == ".flame":
        frames = {name: density.corners(system, points=FRAMING) for name, system in systems.items() if system.d == 2}
        boxes = {name: UNIT if frame is None else frame for name, frame in frames.items()}
        return own.write(out.name, system_files.to_flame(tables, boxes))
    if ending == ".csv" and len(systems) == 1:
        return own.write(out.name, ifs.csv(next(iter(systems.values()))))
    if ending:
        rule = "a name that ends in .ifs or .flame, or in .csv for one system, or a folder"
        raise ValueError(f"out: {out} cannot hold {len(systems)} systems; give {rule}")
    files = ((f"{name}.csv", functools.partial(ifs.csv, system)) for name, system in systems.items())
    digest = ifs.digest((ifs.number_of(name), system) for name, system in systems.items())
    Folder(out).fill(header({"source": digest}, write, ifs.csv), files, total=len(systems), workers=1)
    return out
