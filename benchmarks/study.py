"""python -m benchmarks.study SWEEP DATA ...: what frozen features of the cells of a sweep tell of real images.

Each cell's last weights are judged as in `benchmarks.frozen`, by the tokens of the middle block, beside raw pixels and
the same network with random weights of each seed, which sees the images as the cell's does. What was judged before is
kept, so the command can follow a sweep that still runs. Writes results/study/<experiment>.csv, which test images were
named rightly, and the tables and figures of docs/study.md.
"""

import argparse
import functools
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import frozen, pages, study_figures, study_pages
from benchmarks.study_pages import RANDOM, RAW, SHIPPED
from ofdb_core.base import files, provenance, record
from ofdb_core.data import real_images, tables
from ofdb_core.run import experiments, plain_yaml
from ofdb_core.show import compare, outcomes
from ofdb_core.training import baselines, evaluation, networks
from ofdb_core.training.pretrained import Checkpoint
from ofdb_core.training.recipe import Inference

SHOTS, DRAWS = 20, 3  # training images a class, or all where a class has fewer; draws of them


def means(read, train, test):
    """Judge -> the share of the draws in which each test image was named rightly, (n,); read(images) -> (n, D)."""
    few = min(SHOTS, *np.bincount(train.labels).tolist())
    every = len(train.few_shot(few, seed=0)) == len(train)  # then all draws are one
    found: dict[str, list[np.ndarray]] = {}
    for judge, _, right in frozen.judged(read, train, test, few, 1 if every else DRAWS):
        found.setdefault(judge, []).append(right)
    return {judge: np.mean(draws, axis=0) for judge, draws in found.items()}


def kind(cell):
    """What a cell was pre-trained on: its variant."""
    return compare.CELL.sub("", cell.name).removeprefix("variant=")


def seed_of(cell):
    """The seed of a cell's pre-training."""
    return plain_yaml.parse((cell / "4_pretrain.yaml").read_bytes())["seed"]


def reading(network, recipe):
    """How a network reads images: read(images) -> (n, D)."""
    return functools.partial(evaluation.features, network, recipe=recipe, read=evaluation.middle)


def seen_by(recipe):
    """What raw pixels, and what a network, see of an image, in words."""
    pixels = f"{recipe.input_size} px"
    return pixels, f"{pixels}, mean {recipe.mean[0]:g}"


def subjects(cell):
    """(group, what is seen, seed, how it reads images, notes): of raw pixels, random weights, and the cell itself."""
    kept, given = frozen.weights_of(cell)
    checkpoint, seed = Checkpoint.open(str(kept[max(kept)])), given.recipe.seed
    recipe, notes = Inference.take(checkpoint.facts), dict.fromkeys(study_pages.NOTED, "")
    pixels, seen = seen_by(recipe)
    yield RAW, pixels, 0, lambda: functools.partial(baselines.raw_pixels, recipe=recipe), lambda: notes
    names = len(checkpoint.facts["classes"])
    yield RANDOM, seen, seed, lambda: reading(networks.build(checkpoint.shape, names, seed=seed), recipe), lambda: notes

    @functools.cache
    def known():
        compact = frozen.compactness(checkpoint.network()[0], given)
        own = outcomes.metrics(cell)["own categories"]
        loss = tables.read(cell / "pretrain" / "log.csv")[-1]["loss"]
        known = {"compactness": round(compact, 4), "own_categories": own, "own_loss": round(loss, 4)}
        return {**known, "samples": max(kept), "seconds": record.read(cell)["4_pretrain"]["seconds"]}

    yield kind(cell), seen, seed, lambda: reading(checkpoint.network()[0], recipe), known


def shipped():
    """The same of the checkpoint that comes with the package: one pre-training, sixteen times as long as the cells'."""
    checkpoint = Checkpoint.open(SHIPPED)
    recipe = Inference.take(checkpoint.facts)
    trained = json.loads((Path(checkpoint.path).parent / "record.json").read_text())["4_pretrain"]
    samples = trained["results"]["steps"] * trained["results"]["images a step"]
    notes = dict.fromkeys(study_pages.NOTED, "") | {"samples": samples, "seconds": trained["seconds"]}
    yield SHIPPED, seen_by(recipe)[1], 0, lambda: reading(checkpoint.network()[0], recipe), lambda: notes


def judge_all(sweep, data_sets):
    """Judge what the table lacks of the finished cells of a sweep, and the shipped checkpoint; write after each."""
    path, hits = study_pages.FOLDER / "study.csv", study_pages.read_hits()
    sets: dict[str, list] = {}
    rows = study_pages.kept()
    about = {"commit": provenance.commit(), "machine": provenance.machine()}
    order = experiments.sweep(sweep.parents[1].name)["variant"]
    cells = [path.parent for path in sweep.glob("cells/*/pretrain")]
    cells.sort(key=lambda cell: (order.index(kind(cell)), seed_of(cell)))
    waiting: list[tuple[str, int, Callable]] = []
    waiting += [(kind(cell), seed_of(cell), functools.partial(subjects, cell)) for cell in cells]
    for name, number, found in [*waiting, (SHIPPED, 0, shipped)]:
        judged = {row["data"] for row in rows if (row["group"], row["seed"]) == (name, number)}
        if judged >= {Path(data).name for data in data_sets}:  # the cell comes last of its subjects
            continue
        for group, seen, seed, reader, notes in found():
            key = {"group": group, "seen": seen, "seed": seed}
            done = {row["data"] for row in rows if {name: row[name] for name in key} == key}
            for data in (data for data in data_sets if Path(data).name not in done):
                sets[data] = sets.get(data) or real_images.images_of(data, None)
                short, (train, test) = Path(data).name, sets[data]
                for judge, right in means(reader(), train, test).items():
                    of = {**key, "data": short, "classes": len(test.classes), "test_images": len(test), "judge": judge}
                    rows.append({**of, "accuracy": float(np.mean(right)), **notes(), **about})
                    print(f"{group}, {seen}, seed {seed}, {short}, {judge}: {np.mean(right):.1%}", flush=True)
                    if judge == study_pages.JUDGE and study_pages.is_primary(group, seen):
                        hits[study_pages.hits_of(group, seed, short)] = np.round(255 * right).astype(np.uint8)
                tables.write(path, rows)
                packed = io.BytesIO()
                np.savez_compressed(packed, **hits)
                files.write_whole(study_pages.HITS, packed.getvalue())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__.splitlines()[0])
    parser.add_argument("sweep", type=Path, help="the folder of a sweep over variants and seeds")
    parser.add_argument("data", nargs="+", help="digits, cifar10, ... or folders of train/<class>/ and val/<class>/")
    asked = parser.parse_args()
    judge_all(asked.sweep.resolve(), asked.data)
    study_figures.draw()
    pages.write_tables()
