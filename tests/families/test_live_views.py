"""Views of models in files that are rendered while training, and stored views; see also test_live_systems.py."""

import math

import numpy as np
import pytest
import torch

from ofdb_core.base import manifests, parameters
from ofdb_core.base.folder import Folder
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Batches, Plain
from ofdb_core.data import ply, samples
from ofdb_core.families import fractal_3d, live_views
from ofdb_core.families.drawing import Drawing
from ofdb_core.formulas import camera
from tests.helpers import tiny


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with three models of 2,000 points, and their points."""
    root, points = tmp_path_factory.mktemp("models"), np.random.default_rng(0).uniform(-0.6, 0.6, (3, 2000, 3))
    for category, cloud in enumerate(points):
        path = root / fractal_3d.model_name(category)
        path.parent.mkdir()
        path.write_bytes(ply.encode(cloud))
    return root, points


@pytest.fixture(scope="module")
def views(models, tmp_path_factory):
    """A folder with four stored views of each of the three models."""
    root = tmp_path_factory.mktemp("views")
    pairs = [(category, models[0] / fractal_3d.model_name(category)) for category in range(3)]
    head = manifests.header({}, fractal_3d.view_files)
    Folder(root).fill(
        head, fractal_3d.view_files(pairs, fractal_3d.Render(views=4, image_size=64)), total=12, workers=1
    )
    return root


def recipe(kind):
    """A pre-training on live views, or on one of the stored views of each model."""
    how = {"batch_size": 6}
    return tiny.live_views(**how) if kind == "live" else tiny.pretrain(data="views", samples=kind, **how)


def opened(drawing, root):
    return drawing.opened(drawing.data, root)


def picture(found, i, seed=None):
    return found.pixels(i, seed)


def test_models_are_samples_of_their_categories(models):
    found = opened(tiny.live_views(), models[0])
    assert len(found) == 3
    assert found.classes == ["000000", "000001", "000002"]
    assert found.labels.tolist() == [0, 1, 2]
    view = found.pixels(1, 0)
    assert view.dtype == np.uint8
    assert view.shape == (64, 64)
    assert set(np.unique(view)) == {0, 255}


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_without_range_and_jitter_a_live_view_is_the_stored_one(models, axes):
    found = opened(tiny.live_views({"axes": axes, **tiny.STILL}), models[0])
    for category, points in enumerate(models[1]):
        stored = camera.view(points, (0,) * axes, (0.0,) * axes, size=64) * 255
        assert (picture(found, category, seed=5) == stored).all()
        assert (picture(found, category) == stored).all()


def test_without_a_generator_nothing_is_drawn(models):
    plain, any_view = opened(tiny.live_views(tiny.STILL), models[0]), opened(tiny.live_views(), models[0])
    assert all((picture(plain, i) == picture(any_view, i)).all() for i in range(3))


def test_a_view_is_a_function_of_its_generator(models):
    found, again = (opened(tiny.live_views(), models[0]) for _ in range(2))
    seen = [picture(found, i, seed).tobytes() for i in (0, 1) for seed in range(20)]
    assert len(set(seen)) == 40
    assert seen[::-1] == [picture(again, i, seed).tobytes() for i in (1, 0) for seed in reversed(range(20))]


def turns(models, monkeypatch, draws=300, **live):
    """The rotations of `draws` views."""
    found, seen, render = opened(tiny.live_views(live), models[0]), [], camera.render
    monkeypatch.setattr(camera, "render", lambda points, turn, **how: seen.append(turn) or render(points, turn, **how))
    for seed in range(draws):
        found.pixels(0, seed)
    return np.array(seen)


@pytest.mark.parametrize("reach", [40.0, 360.0])
def test_the_camera_stays_within_its_range(models, monkeypatch, reach):
    seen = turns(models, monkeypatch, axes=1, range=reach, jitter=0.0)
    angles = np.degrees(np.arctan2(seen[:, 0, 2], seen[:, 0, 0])) - 30  # of Ry, from the plain view
    angles = (angles + 180) % 360 - 180
    assert reach / 2 * 0.9 < np.abs(angles).max() <= reach / 2 + 1e-3
    assert abs(angles.mean()) < reach / 10
    assert np.allclose(seen[:, :, 1], [0, 1, 0], atol=1e-6)


def test_three_axes_look_from_everywhere(models, monkeypatch):
    eyes = -turns(models, monkeypatch, axes=3)[:, :, 0]
    for side in np.vstack([np.eye(3), -np.eye(3)]):
        assert (eyes @ side).max() > 0.9


def test_the_jitter_turns_about_every_axis_and_no_further(models, monkeypatch):
    plain = camera.stored((0,), (0.0,))
    seen = turns(models, monkeypatch, axes=1, range=0.0, jitter=5.0)
    small = plain.T.astype(float) @ seen
    x = np.degrees(np.arctan2(-small[:, 1, 2], small[:, 2, 2]))
    y = np.degrees(np.arcsin(small[:, 0, 2]))
    z = np.degrees(np.arctan2(-small[:, 0, 1], small[:, 0, 0]))
    assert all(4.5 < np.abs(angle).max() < 5.001 for angle in (x, y, z))


def test_the_share_and_the_size_of_points_are_drawn_between_their_limits(models, monkeypatch):
    shares, sides, render = [], [], camera.render

    def watched(points, turn, **how):
        shares.append(len(points) / 2000)
        sides.append(how["point_size"])
        return render(points, turn, **how)

    monkeypatch.setattr(camera, "render", watched)
    found = opened(tiny.live_views({"points": [0.3, 0.6], "point_size": [2, 3]}), models[0])
    for seed in range(300):
        found.pixels(0, seed)
    assert 0.25 < min(shares) < 0.35
    assert 0.55 < max(shares) < 0.65
    assert set(sides) == {2, 3}
    found.pixels(0)
    assert (shares[-1], sides[-1]) == (1, 2)


def test_the_points_that_are_left_out_are_others_each_time(models):
    plain = {**tiny.STILL, "points": [0.5, 0.5]}
    found, whole = opened(tiny.live_views(plain), models[0]), opened(tiny.live_views(tiny.STILL), models[0])
    some = [picture(found, 0, seed) for seed in range(10)]
    assert len({view.tobytes() for view in some}) == 10
    assert all((view <= picture(whole, 0)).all() for view in some)
    assert (np.maximum.reduce(some) == picture(whole, 0)).mean() > 0.99


def test_models_are_kept_in_memory_up_to_the_budget(models, monkeypatch):
    read, load = [], live_views.load_points
    monkeypatch.setattr(live_views, "load_points", lambda path: read.append(path.stem[5]) or load(path))
    found = opened(tiny.live_views(cache_gb=2 * 2000 * 12 / 2**30), models[0])
    assert not read
    for i in (0, 1, 2, 0, 1, 2):
        found.pixels(i)
    assert "".join(read) == "0122"


def taken(source, steps=4, workers=0):
    return [batch[0] for batch in prefetch(source, steps, workers=workers)]


@pytest.mark.parametrize("kind", ["live", "one"])
def test_draws_do_not_depend_on_workers_or_processes(models, views, kind):
    how = recipe(kind)
    images = opened(how, models[0] if kind == "live" else views)
    alone = taken(Batches(images, how, seed=1))
    for workers in (1, 2):
        found = taken(Batches(images, how, seed=1), workers=workers)
        assert all(torch.equal(a, b) for a, b in zip(found, alone, strict=True))
    halves = [taken(Batches(images, how, seed=1, share=(i, 3))) for i in range(3)]
    assert all(torch.equal(torch.cat(parts), whole) for *parts, whole in zip(*halves, alone, strict=True))


@pytest.mark.parametrize("kind", ["live", "one"])
def test_every_step_and_every_place_in_it_draws_anew(models, views, kind, monkeypatch):
    how = recipe(kind)
    images = opened(how, models[0] if kind == "live" else views)
    drawn, shown = [], type(images).pixels

    def watched(self, i, key=None):
        view = shown(self, i, key)
        drawn.append((i, view.tobytes()))
        return view

    monkeypatch.setattr(type(images), "pixels", watched)
    source = Batches(images, how, seed=1)
    for step in range(10):
        source.batch(step)
    assert len(drawn) == 60
    each = [{view for i, view in drawn if i == category} for category in range(3)]
    assert [len(seen) for seen in each] == ([20] * 3 if kind == "live" else [4] * 3)  # there are four stored views
    again, drawn[:] = drawn[:], []
    Batches(images, how, seed=1).batch(7)
    assert drawn == again[42:48]


def test_one_of_the_stored_views_is_drawn_and_the_first_is_evaluated(views):
    every, found = samples.Images.from_folder(views), opened(recipe("one"), views)
    assert len(every) == 12
    assert len(found) == 3
    assert found.classes == every.classes
    assert found.labels.tolist() == [0, 1, 2]
    for category in range(3):
        stored = [every.pixels(4 * category + view).tobytes() for view in range(4)]
        assert {picture(found, category, seed).tobytes() for seed in range(50)} == set(stored)
        assert picture(found, category).tobytes() == stored[0]


def test_classes_of_any_order_and_size_are_drawn_from():
    pixels = np.arange(6, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    found = samples.OneOf(samples.Images(pixels, [2, 0, 2, 1, 0, 2], "abc"))
    seen = [{int(picture(found, i, seed)[0, 0]) for seed in range(50)} for i in range(3)]
    assert seen == [{1, 4}, {3}, {0, 2, 5}]


def test_all_views_are_samples_where_they_are_asked_for(views):
    assert len(opened(recipe("all"), views)) == 12


def test_evaluation_is_the_same_each_time(models):
    how = tiny.live_views()
    images = opened(how, models[0])
    first, again = (Plain(images, how).batch(0) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert first[1].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (
            "models",
            "one",
            "samples: one does not suit data: .*models.*, whose files are rendered .* give samples: live",
        ),
        ("models", "all", "samples: all does not suit data: .*models"),
        (
            "views",
            "live",
            "samples: live does not suit data: .*views.*; only these .*: categories, .*models, .*categories3d",
        ),
        (
            "nowhere",
            "live",
            "samples: live does not suit data: .*nowhere; only these .*: categories, .*models, .*categories3d",
        ),
        ("nowhere", "one", "nowhere: no such folder"),
    ],
)
def test_a_folder_that_does_not_suit_is_refused(models, views, data, kind, words):
    root = {"models": models[0], "views": views}.get(data, views / data)
    with pytest.raises(ValueError, match=words):
        Drawing(samples=kind).opened(str(root), root)


@pytest.mark.parametrize(
    ("data", "kind"), [("models", "one"), ("models", "all"), ("views", "live"), ("images", "live")]
)
def test_samples_and_data_that_do_not_suit_are_refused_before_anything_runs(data, kind):
    with pytest.raises(parameters.ParameterError, match=f"samples: {kind} does not suit data: {data}[;,]"):
        tiny.pretrain(data=data, samples=kind)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"axes": 4}, "live.axes: 4 is out of range"),
        ({"range": -1.0}, "live.range: -1.0 is out of range"),
        ({"jitter": math.inf}, "live.jitter: inf is not allowed"),
        ({"size": 0}, "live.size: 0 is out of range"),
        ({"points": [0.0, 1.0]}, "live.points: .* out of range; .* above 0 and at most 1"),
        ({"points": [1.0, 0.5]}, "live.points: .* must rise"),
        ({"point_size": [1, 4]}, "live.point_size: .* out of range"),
    ],
)
def test_bad_values_are_refused(values, words):
    with pytest.raises(parameters.ParameterError, match=words):
        tiny.live_views(values)


def test_another_way_to_draw_samples_is_refused():
    with pytest.raises(parameters.ParameterError, match=r"samples: 'many' is not allowed; .* one of all, one, live"):
        tiny.pretrain(samples="many")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_model_is_named(models, tmp_path, workers):
    for category in range(2):
        (tmp_path / f"{category:06d}").mkdir()
        (tmp_path / fractal_3d.model_name(category)).write_bytes(ply.encode(models[1][category]))
    path = tmp_path / fractal_3d.model_name(1)
    path.write_bytes(path.read_bytes()[:-1])
    source = Batches(opened(tiny.live_views(), tmp_path), tiny.live_views(), seed=0)
    with pytest.raises(ValueError, match=r"000001/000001_0000\.ply: damaged; 2000 points are 48000 bytes"):
        taken(source, workers=workers)


def test_a_category_without_a_model_is_named(models, tmp_path):
    (tmp_path / "000000").mkdir()
    (tmp_path / fractal_3d.model_name(0)).write_bytes(ply.encode(models[1][0]))
    (tmp_path / "000001").mkdir()
    with pytest.raises(ValueError, match=r"000001: holds no model, by the endings of its files"):
        opened(tiny.live_views(), tmp_path)
