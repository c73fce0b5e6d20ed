"""Systems become files of other programs: Fractint's .ifs, flam3's and Apophysis's .flame, CSV; see `ifs.read`."""

import functools
from pathlib import Path

from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import header
from ofdb_core.base.own import Own
from ofdb_core.formulas import density, ifs, system_files

UNIT = [[-1.0, -1.0], [1.0, 1.0]]  # what the flame of a system without a picture shows


def export(source: str | Path, out: str | Path) -> Path:
    """Write the systems of a folder or file to a file, in the form of its ending, or to a folder of CSV files.

    A file that the lab did not write is not replaced. Every number is kept; a flame has no system of space.
    """
    out, pairs, names = Path(out), ifs.load_folder(source), ifs.names(source)
    tables, ending = {names[number]: ifs.table(system) for number, system in pairs}, out.suffix.lower()
    if ending == ".ifs":
        return Own(out.parent).write(out.name, system_files.to_fractint(tables))
    if ending == ".flame":
        frames = {names[number]: density.corners(system) for number, system in pairs if system.d == 2}
        boxes = {name: UNIT if frame is None else frame for name, frame in frames.items()}
        return Own(out.parent).write(out.name, system_files.to_flame(tables, boxes))
    if ending == ".csv" and len(pairs) == 1:
        return Own(out.parent).write(out.name, ifs.csv(pairs[0][1]))
    if ending or Path(source).resolve() == out.resolve():
        rule = "a name that ends in .ifs or .flame, or in .csv for one system, or another folder"
        raise ValueError(f"out: {out} cannot hold {len(pairs)} systems of {source}; give {rule}")
    files = ((f"{names[number]}.csv", functools.partial(ifs.csv, system)) for number, system in pairs)
    Folder(out).fill(header({"source": ifs.digest(pairs)}, export, ifs.csv), files, total=len(pairs), workers=1)
    return out
