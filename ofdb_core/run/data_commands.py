"""The commands that take a folder of data, an archive or systems, and run no notebook."""

import sys
from typing import Any

import click

from ofdb_core.data import forms
from ofdb_core.run import completion
from ofdb_core.run.completion import FILE, PATH
from ofdb_core.run.experiments import UsageError, refusals

PUSHED = ("webdataset", "parquet")  # forms that a hub shows


@click.command()
@click.argument("folder", **PATH)
def verify(folder: str) -> int:
    """Name missing, altered and extra files of a folder."""
    from ofdb_core.run import verify

    return 1 if verify.check(folder) else 0


@click.command()
@click.argument("folder", **PATH)
@click.option(
    "--as", "form", default="webdataset", type=click.Choice([*forms.PACKED]), help="The form (default: webdataset)."
)
@click.option("--out", **PATH, help="The file, or for shards and Parquet the folder (default: beside the folder).")
def pack(folder: str, form: str, out: str | None) -> None:
    """Put a folder of images into a form that travels.

    codes: what makes it again, in a few hundred kilobytes.
    """
    from ofdb_core.data import packing

    with refusals():
        print(f"{packing.pack(folder, form, out)} is written")


@click.command()
@click.argument("folder", **PATH)
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--as", "form", default=PUSHED[0], type=click.Choice(PUSHED), help=f"Of class folders ({PUSHED[0]}).")
@click.option("--private", is_flag=True, help="A new repository is private.")
@click.option("--yes", is_flag=True, help="Do not ask before sending.")
def push(folder: str, repository: str, form: str, private: bool, yes: bool) -> int:
    """Send a data set or a checkpoint to a hub.

    Class folders are packed first. What the hub has already is not sent again.
    """
    from ofdb_core.data import publishing

    if not yes and not sys.stdin.isatty():
        raise UsageError("push: this is no terminal, so push cannot ask; give --yes")
    with refusals():
        publishing.check(repository)
        found = publishing.look(publishing.prepared(folder, form), repository, private=private)
    for line in found.lines():
        print(line)
    if not found.new or not (yes or click.confirm("send?")):
        return 0
    try:
        print(f"{found.address} has it, at commit {publishing.send(found)}")
    except publishing.Refused as error:
        print(error, file=sys.stderr)
        return 1
    return 0


@click.command()
@click.argument("archive", **FILE)
@click.option("--out", default=".", **PATH, help="Where its folder goes (default: here).")
def unpack(archive: str, out: str) -> int:
    """Unpack an archive, and compare what it holds with its manifests."""
    from ofdb_core.base.folder import Folder
    from ofdb_core.data import unpacking
    from ofdb_core.run import verify

    with refusals():
        root = unpacking.unpack(archive, out)
    for line in unpacking.recipes(root):
        print(f"made again by: {line}")
    return 1 if any(Folder.below(root)) and verify.check(root) else 0


@click.command()
@click.argument("systems", metavar="SYSTEMS", shell_complete=completion.path)
@click.option("--out", required=True, **FILE, help="A file (.ifs, .flame, .csv), or a folder for CSV files.")
def export(systems: str, out: str) -> None:
    """Write systems, a folder or file, for other programs."""
    from ofdb_core.data import system_export

    with refusals():
        print(f"{system_export.export(systems, out)} is written")


@click.command()
@click.argument("system", metavar="SYSTEM", shell_complete=completion.path)
@click.option(
    "--out", required=True, **FILE, help="Its ending chooses: .png, .svg (maps), .gif, .webp (films), .ply, .obj."
)
@click.option("--name", default="", metavar="NAME", help="Which system of a folder, or of a file of many.")
@click.option("--size", type=int, help="Pixels of the longer side (4096; a film: 480).")
@click.option("--colours", default="magma", help="A colour map of matplotlib (magma, viridis, gray, Greys, ...).")
@click.option("--points", type=int, help="Steps of a picture's game (16 a pixel).")
@click.option("--seed", type=int, default=0, help="Of the game (0).")
@click.option("--weight", type=float, default=1.0, help="Factor on coefficient a of every map (2D-OFDB: 0.2).")
@click.option("--turn", default="a", help="The coefficient that turns in a film of the plane (a).")
@click.option("--by", type=float, default=0.2, help="How far: times 1 - by to 1 + by (0.2).")
@click.option("--frames", type=int, default=48, help="Of a film (48).")
def picture(system: str, name: str, out: str, weight: float, **how: Any) -> None:
    """Draw one system large, its maps, or a film of it.

    SYSTEM: 7 (a published category), 3d/7 (of space), or a file or folder.
    """
    from ofdb_core.show import wall

    with refusals():
        print(f"{wall.save(wall.system_of(system, name).weighted(weight), out, **how)} is written")


COMMANDS = (verify, pack, push, unpack, export, picture)
