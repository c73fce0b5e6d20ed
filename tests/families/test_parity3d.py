"""The bytes of the original's 3D code: its categories, models and views, as hashes (tests/families/goldens/3d.json)."""

import hashlib
import itertools
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ofdb_core.base.folder import Folder
from ofdb_core.data import ply, samples
from ofdb_core.families import fractal_3d
from ofdb_core.formulas import camera, ifs, point_cloud, search, streams

GOLDEN = json.loads((Path(__file__).parent / "goldens" / "3d.json").read_text())
RUNS = {run["axes"]: run for run in GOLDEN["views"]}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def rgb(image):
    return np.repeat(image[..., None] * np.uint8(255), 3, axis=2)


@pytest.fixture(scope="module")
def judged():
    return list(itertools.islice(search.candidates_3d(), GOLDEN["search"]["candidates"]))


@pytest.fixture(scope="module")
def models(judged):
    systems = [candidate.system for candidate in search.first(len(GOLDEN["models"]), judged)]
    return [point_cloud.model(*pair) for pair in zip(systems, streams.choices(50_000, 100).reshape(5, -1), strict=True)]


def test_the_search_finds_the_originals_fifty_byte_for_byte(judged):
    known, accepted = GOLDEN["search"], [candidate for candidate in judged if candidate.accepted]
    files = [ifs.csv(candidate.system) for candidate in accepted]
    assert [sha256(file) for file in files[:10]] == GOLDEN["files"]
    assert len(files) == known["categories"]
    assert sha256(b"".join(files)) == known["joined"]
    assert accepted[-1] is judged[-1]
    assert Counter(str(len(candidate.system)) for candidate in accepted) == known["maps"]
    # two of the orbits that stay finite are wider than a float64: they have no variance
    assert sum(not math.isnan(candidate.score) for candidate in judged) == known["finite"] - 2


def test_the_models_are_the_originals_points(models):
    assert [sha256(points.astype("<f8").tobytes()) for points in models] == GOLDEN["models"]


def test_folders_in_the_originals_order_hold_its_models_and_views(tmp_path):
    how = fractal_3d.Render(out=str(tmp_path), categories=5, one_stream=True, degenerate="keep")
    fractal_3d.write_categories(how)
    fractal_3d.write_models(replace(how, seed=100))
    clouds = [ply.load(path).astype("<f8").tobytes() for _, path in fractal_3d.load_models(tmp_path / "models")]
    assert [sha256(cloud) for cloud in clouds] == GOLDEN["models"]
    fractal_3d.write_views(how)
    assert Folder(tmp_path / "views").verify() == []
    for name, lit, digest in RUNS[1]["images"]:
        image = samples.decode(tmp_path / "views" / name[:6] / name) // 255
        assert [image.sum(), sha256(rgb(image).tobytes())] == [lit, digest]


@pytest.mark.parametrize("axes", RUNS)
def test_the_views_are_the_originals_pixels(models, axes):
    run = RUNS[axes]
    wanted = list(itertools.product(run["categories"], camera.indices(axes=axes, views=run["views"])))
    jitter = streams.jitter(len(wanted) * axes, 0).reshape(-1, axes)
    for (category, index), u, known in zip(wanted, jitter, run["images"], strict=True):
        image = camera.view(models[category], index, u, views=run["views"])
        assert [fractal_3d.view_name(category, index).split("/")[1], image.sum(), sha256(rgb(image).tobytes())] == known


@pytest.mark.parametrize(("size", "point_size", "factor", "lit", "known"), GOLDEN["mesa"])
def test_other_sizes_are_drawn_as_mesa_draws_them(models, size, point_size, factor, lit, known):
    images = [
        camera.view(models[2] * factor, index, [u], size=size, point_size=point_size)
        for index, u in zip(camera.indices(), streams.jitter(12, 0), strict=True)
    ]
    assert np.sum(images) == lit
    assert sha256(b"".join(rgb(image).tobytes() for image in images)) == known
