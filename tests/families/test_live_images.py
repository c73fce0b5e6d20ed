"""Samples whose pictures are drawn from systems alone: as stored, with other patches, or with other dots."""

import itertools
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from ofdb_core.base import parameters
from ofdb_core.data import samples
from ofdb_core.families import fractal_2d, live, one_parameter
from ofdb_core.formulas import chaos_game, ifs, instances, raster, search, streams
from tests.helpers import reference, tiny

SIZE, POINTS = 40, 1500
SMALL = {"size": SIZE, "dots": POINTS}
FAR = 2**64 - 1  # the largest key


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with six categories and their images."""
    out = tmp_path_factory.mktemp("run")
    fractal_2d.write_search(fractal_2d.Search(out=str(out), categories=6, search_points=2000, filling_rate=0.005))
    fractal_2d.write(fractal_2d.Render(out=str(out), image_size=SIZE, points=POINTS))
    return out


def settings(data="categories", samples="live", **live):
    """The parameters of a pre-training on small live samples, with these values of `live`."""
    return tiny.pretrain(data=data, samples=samples, live={**SMALL, **live})


def opened(run, cache_gb=1.0, **live):
    return replace(settings(**live), cache_gb=cache_gb).opened("categories", run / "categories")


def test_systems_alone_are_the_samples_of_their_images(run):
    found, stored = opened(run, patches="both"), samples.Images.from_folder(run / "images")
    assert found.classes == stored.classes
    assert found.labels.tolist() == stored.labels.tolist()
    for i in range(len(stored)):
        assert found.pixels(i).tobytes() == stored.pixels(i).tobytes()


def test_the_defaults_are_the_released_ones(tmp_path):
    system = search.published(2, 0)
    ifs.save(system, tmp_path / "00000.csv")
    recipe = tiny.pretrain(data="categories", samples="live")
    found = recipe.opened("categories", tmp_path)
    assert (found.pixels(0) == fractal_2d.rgb(system, category=0)[..., 0]).all()
    assert found._shapes._kept.nbytes == 6 * 10_945  # what is said of memory


@pytest.mark.parametrize("unit", ["dot", "image"])
@pytest.mark.parametrize("kind", ["pattern", "texture", "both"])
def test_an_instance_is_the_sequence_of_all_its_patches(run, kind, unit):
    found = opened(run, patches=kind, unit=unit, levels=[20, 90])
    for number, system in ifs.load_folder(run / "categories"):
        pixels = raster.to_pixels(chaos_game.orbit(system.weighted(0.2), streams.choices(POINTS)), SIZE)
        dots = instances.table(pixels, np.arange(POINTS, dtype=np.uint16), SIZE)
        patches = np.zeros((POINTS, 9), np.uint8)
        patches[dots[:, 2]] = reference.drawn(kind, unit, 20, 90, 77, len(dots))
        assert (found.pixels(number, 77) == reference.pasted(pixels, patches, SIZE)).all()


@pytest.mark.parametrize("values", [{"patches": "both"}, {"delta": 0.1}, {"weights": 0.4}])
def test_an_instance_is_a_function_of_its_key(run, values):
    found, again = opened(run, **values), opened(run, **values)
    keys = [0, 1, 2, 3, 2**63, FAR]
    seen = [found.pixels(i, key).tobytes() for i in range(6) for key in keys]
    assert len(set(seen)) == 36
    with ThreadPoolExecutor(4) as pool:
        others = list(pool.map(lambda pair: again.pixels(*pair).tobytes(), itertools.product(range(6), keys)))
    assert seen == others


def test_without_patches_an_instance_is_the_stored_image(run):
    found = opened(run)
    assert all((found.pixels(i, 3) == found.pixels(i)).all() for i in range(6))


def test_a_share_of_the_samples_is_fresh(run):
    found, keys = opened(run, patches="texture", share=0.25), np.random.default_rng(0)
    drawn_keys = keys.integers(0, 2**64, 400, dtype=np.uint64).tolist()
    fresh = [(found.pixels(0, key) != found.pixels(0)).any() for key in drawn_keys]
    assert 70 < sum(fresh) < 130
    assert (opened(run, patches="texture", share=0.0).pixels(0, 0) == found.pixels(0)).all()


# ---- other coefficients


def test_weight_rows_are_those_of_fractaldb():
    rows = ifs.weight_rows(0.4)
    assert rows.shape == (25, 6)
    assert rows[:5, 0].tolist() == [0.2, 0.6, 1.0, 1.4, 1.8]  # as decimals; 1 - 2 * 0.4 is another float
    assert (rows[:5, 1:] == 1).all()
    for place in range(1, 6):
        part = rows[1 + 4 * place : 5 + 4 * place]
        assert part[:, place].tolist() == [0.2, 0.6, 1.4, 1.8]
        assert (np.delete(part, place, axis=1) == 1).all()
    assert ifs.weight_rows(0.5)[0, 0] == 0.01
    assert ifs.weight_rows(0.1, 3).shape == (49, 12)  # a file of MV-FractalDB


def test_a_row_of_weights_is_drawn_in_place_of_the_weight(run):
    found, system = opened(run, weights=0.3), ifs.load_folder(run / "categories")[2][1]
    how = {"size": SIZE, "points": POINTS, "category": 2}
    expected = [fractal_2d.rgb(system, weight=row, **how)[..., 0].tobytes() for row in ifs.weight_rows(0.3)]
    assert {found.pixels(2, key).tobytes() for key in range(100)} == set(expected)
    assert (found.pixels(2) == fractal_2d.rgb(system, weight=0.2, **how)[..., 0]).all()


@pytest.mark.parametrize("patches", ["stored", "pattern"])
def test_an_instance_is_turned_over_as_often_as_not(run, patches):
    found, plain = opened(run, flips=True, patches=patches), opened(run, patches=patches)
    seen = []
    for key in np.random.default_rng(0).integers(0, 2**64, 400, dtype=np.uint64).tolist():
        image, turned = plain.pixels(1, key), found.pixels(1, key)
        every = [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]
        seen.append([(turned == one).all() for one in every].index(True))
    assert all(70 < count < 130 for count in np.bincount(seen, minlength=4))
    assert (found.pixels(1) == plain.pixels(1)).all()


def test_every_coefficient_has_a_factor_near_one(run, monkeypatch):
    found, factors = opened(run, delta=0.2), []
    make = found._shapes._make
    monkeypatch.setattr(
        found._shapes, "_make", lambda system, weight, **how: factors.append(weight) or make(system, weight, **how)
    )
    for key in range(100):
        found.pixels(0, key)
    factors = np.array(factors)
    factors[..., 0] /= 0.2  # the weight on a
    assert 0.8 <= factors.min() < 0.81
    assert 1.19 < factors.max() <= 1.2
    assert len(np.unique(factors)) == factors.size


def test_the_factors_are_those_of_one_parameter_frac():
    base = one_parameter.system(0, 3.5)
    stream, factors = streams.Mersenne([3]), streams.Mersenne([3]).uniform(0.9, 1.1, 12).reshape(2, 6)
    rows = ifs.table(base)
    rows[:, :6] *= factors
    assert (ifs.table(one_parameter.perturbed(base, 0.1, stream)) == rows).all()


# ---- memory, and what is refused


def test_tables_beyond_the_budget_are_made_anew(run, monkeypatch, capsys):
    whole = opened(run)
    tables = [whole._shapes.array(i) for i in range(6)]
    budget = tables[0].nbytes + tables[1].nbytes
    few = opened(run, patches="both", cache_gb=budget / 2**30)
    assert "tables in memory" in capsys.readouterr().out
    assert 0 < len(few._shapes._kept) < 6
    assert few._shapes._kept.nbytes <= budget
    every = opened(run, patches="both")
    for i, key in itertools.product(range(6), (None, 1)):
        assert (few.pixels(i, key) == every.pixels(i, key)).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": None}, f"live.size: 362, but .*images was made with {SIZE}; give one of the two"),
        ({"dots": None}, f"live.dots: 200000, but .*images was made with {POINTS}; give one of the two"),
        ({"size": 12}, "live.size: 12 is out of range"),
        ({"weight": [1.0] * 7}, "weight: .* is not allowed; it is one finite number .for a. or 6 of them"),
    ],
)
def test_what_the_stored_images_contradict_is_refused(run, values, words):
    with pytest.raises(ValueError, match=words):
        opened(run, **values)


def test_what_is_given_is_preferred_to_the_stored_images_and_said(run, capsys):
    assert opened(run, size=30, weight=0.6, seed=1).pixels(0).shape == (30, 30)
    said = capsys.readouterr().out
    assert f"live.size: 30, but {run / 'images'} was made with {SIZE}" in said
    assert "live.weight: 0.6, but" in said
    assert "live.seed: 1, but" in said


def test_images_of_dots_or_colours_are_refused(run, tmp_path):
    shutil.copytree(run / "categories", tmp_path / "categories")
    fractal_2d.write(fractal_2d.Render(out=str(tmp_path), image_size=SIZE, points=POINTS, draw="point_gray"))
    with pytest.raises(ValueError, match="images was made with draw: point_gray; while training it can only be patch_"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"samples": "all"}, "samples: all does not suit data: categories, whose .*: give samples: live"),
        (
            {"data": "models", "delta": 0.1},
            r"live\.delta: no parameter of data: models; it is of categories, .*categories3d$",
        ),
        ({"axes": 1}, r"live\.axes: no parameter of data: categories; it is of models, categories3d$"),
        ({"patchs": "both"}, r"live\.patchs: no parameter of data: categories \(did you mean patches\?\)"),
        ({"levels": [5, 3]}, r"live\.levels: \[5, 3\] must rise"),
        ({"levels": [0, 256]}, "live.levels: .* out of range"),
        ({"patches": "random"}, "live.patches: 'random' is not allowed; allowed is one of stored, pattern"),
        ({"unit": "cell"}, "live.unit: 'cell' is not allowed; allowed is one of dot, image"),
        ({"weights": 0.6}, "live.weights: 0.6 is out of range"),
    ],
)
def test_bad_values_are_refused_before_anything_runs(values, words):
    with pytest.raises(parameters.ParameterError, match=words):
        settings(**values)


@pytest.mark.parametrize("kind", ["all", "one"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("patches", kind) for kind in ("pattern", "texture", "both")),
        *(("delta", 0.1), ("weights", 0.4)),
    ],
)
def test_instances_of_stored_images_are_refused(kind, name, value):
    said = re.escape(f"live: {{'{name}': {value!r}}} needs samples: live; samples: {kind} ")
    with pytest.raises(parameters.ParameterError, match=said):
        tiny.pretrain(data="images", samples=kind, live={name: value})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"patches": "pattern"}, "samples: live, a new pattern for each dot"),
        ({"patches": "both", "unit": "image"}, "samples: live, a new .* for each image, grays 9 to 200"),
        ({"patches": "texture"}, "samples: live, a new texture for each dot, grays 9 to 200"),
        ({}, "samples: live, patches as stored"),
    ],
)
def test_unit_and_grays_are_said_with_the_figure(values, words):
    assert re.fullmatch(words, settings(**{"levels": [9, 200], **values}).drawn())
    assert tiny.pretrain(data="images", samples="one").drawn() == "samples: one"


def test_a_folder_of_systems_elsewhere_is_opened_by_its_names(run, tmp_path):
    shutil.copytree(run / "categories", tmp_path / "mine")
    found = settings().opened(str(tmp_path / "mine"), tmp_path / "mine")
    assert isinstance(found, live.LiveImages)
    assert len(found) == 6


def test_a_folder_without_systems_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no category files"):
        settings().opened("categories", tmp_path)
