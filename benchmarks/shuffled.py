"""python -m benchmarks.shuffled FOLDER: the control of shuffled labels, data/shuffled.

The images of FOLDER/<class>/ under the same classes, as many in each, dealt at random: what is learned from them is no
property that a class's images share. For `4_pretrain.data`, as in params/study.yaml.
"""

import argparse
import os
from pathlib import Path

import numpy as np

from benchmarks.real_data import DATA


def deal(folder, out, seed=0):
    """Link the images of a folder's classes below a new folder, in classes of the same sizes; return their number."""
    files = sorted(path for path in Path(folder).glob("*/*") if path.is_file())
    dealt = np.random.default_rng(seed).permutation(len(files))
    for number, path in zip(dealt, files, strict=True):
        place = Path(out) / path.parent.name / f"{number:07d}{path.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(files[number], place)
    return len(files)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.shuffled", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="class folders, as runs/<experiment>/fractaldb")
    place = DATA / "shuffled"
    print(f"{place}: {deal(parser.parse_args().folder.resolve(), place):,} images")
