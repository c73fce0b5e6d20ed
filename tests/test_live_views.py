"""Views of models that are rendered while training, from files or from systems, and stored views drawn anew."""

import math
import shutil

import numpy as np
import pytest
import tiny
import torch

from ofdb_core.base import folder, parameters, writing
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Batches, Plain
from ofdb_core.data import ply, samples
from ofdb_core.families import fractal_3d, live_views, registry
from ofdb_core.formulas import camera, ifs, point_cloud

PLAIN = {"live_range": 0.0, "live_jitter": 0.0, "live_points": [1.0, 1.0], "live_point_size": [1, 1]}


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
    head = folder.header({}, fractal_3d.view_files)
    writing.fill(root, head, fractal_3d.view_files(pairs, seed=0, views=4, size=64), total=12, workers=1)
    return root


def settings(**values):
    return tiny.pretrain(**{"data": "models", "samples": "live", "live_size": 64, **values})


def opened(drawing, root):
    return registry.samples(drawing.data, root, drawing)


def picture(found, i, seed=None):
    return found.pixels(i, seed)


def test_models_are_samples_of_their_categories(models):
    found = opened(settings(), models[0])
    assert len(found) == 3
    assert found.classes == ["000000", "000001", "000002"]
    assert found.labels.tolist() == [0, 1, 2]
    view = found.pixels(1, 0)
    assert view.dtype == np.uint8
    assert view.shape == (64, 64)
    assert set(np.unique(view)) == {0, 255}


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_without_range_and_jitter_a_live_view_is_the_stored_one(models, axes):
    found = opened(settings(live_axes=axes, **PLAIN), models[0])
    for category, points in enumerate(models[1]):
        stored = camera.view(points, (0,) * axes, (0.0,) * axes, size=64) * 255
        assert (picture(found, category, seed=5) == stored).all()
        assert (picture(found, category) == stored).all()


def test_without_a_generator_nothing_is_drawn(models):
    plain, any_view = opened(settings(**PLAIN), models[0]), opened(settings(), models[0])
    assert all((picture(plain, i) == picture(any_view, i)).all() for i in range(3))


def test_a_view_is_a_function_of_its_generator(models):
    found, again = (opened(settings(), models[0]) for _ in range(2))
    seen = [picture(found, i, seed).tobytes() for i in (0, 1) for seed in range(20)]
    assert len(set(seen)) == 40
    assert seen[::-1] == [picture(again, i, seed).tobytes() for i in (1, 0) for seed in reversed(range(20))]


def turns(models, monkeypatch, draws=300, **values):
    """The rotations of `draws` views."""
    found, seen, render = opened(settings(**values), models[0]), [], camera.render
    monkeypatch.setattr(camera, "render", lambda points, turn, **how: seen.append(turn) or render(points, turn, **how))
    for seed in range(draws):
        found.pixels(0, seed)
    return np.array(seen)


@pytest.mark.parametrize("reach", [40.0, 360.0])
def test_the_camera_stays_within_its_range(models, monkeypatch, reach):
    seen = turns(models, monkeypatch, live_axes=1, live_range=reach, live_jitter=0.0)
    angles = np.degrees(np.arctan2(seen[:, 0, 2], seen[:, 0, 0])) - 30  # of Ry, from the plain view
    angles = (angles + 180) % 360 - 180
    assert reach / 2 * 0.9 < np.abs(angles).max() <= reach / 2 + 1e-3
    assert abs(angles.mean()) < reach / 10
    assert np.allclose(seen[:, :, 1], [0, 1, 0], atol=1e-6)


def test_three_axes_look_from_everywhere(models, monkeypatch):
    eyes = -turns(models, monkeypatch, live_axes=3)[:, :, 0]
    for side in np.vstack([np.eye(3), -np.eye(3)]):
        assert (eyes @ side).max() > 0.9


def test_the_jitter_turns_about_every_axis_and_no_further(models, monkeypatch):
    plain = camera.stored((0,), (0.0,))
    seen = turns(models, monkeypatch, live_axes=1, live_range=0.0, live_jitter=5.0)
    small = plain.T.astype(float) @ seen
    x = np.degrees(np.arctan2(-small[:, 1, 2], small[:, 2, 2]))
    y = np.degrees(np.arcsin(small[:, 0, 2]))
    z = np.degrees(np.arctan2(-small[:, 0, 1], small[:, 0, 0]))
    assert all(4.5 < np.abs(angle).max() < 5.001 for angle in (x, y, z))


def test_the_share_and_the_size_of_points_are_drawn_between_their_limits(models, monkeypatch):
    shares, sides, render = [], [], camera.render

    def watched(points, turn, *, size, point_size):
        shares.append(len(points) / 2000)
        sides.append(point_size)
        return render(points, turn, size=size, point_size=point_size)

    monkeypatch.setattr(camera, "render", watched)
    found = opened(settings(live_points=[0.3, 0.6], live_point_size=[2, 3]), models[0])
    for seed in range(300):
        found.pixels(0, seed)
    assert 0.25 < min(shares) < 0.35
    assert 0.55 < max(shares) < 0.65
    assert set(sides) == {2, 3}
    found.pixels(0)
    assert (shares[-1], sides[-1]) == (1, 2)


def test_the_points_that_are_left_out_are_others_each_time(models):
    plain = {**PLAIN, "live_points": [0.5, 0.5]}
    found, whole = opened(settings(**plain), models[0]), opened(settings(**PLAIN), models[0])
    some = [picture(found, 0, seed) for seed in range(10)]
    assert len({view.tobytes() for view in some}) == 10
    assert all((view <= picture(whole, 0)).all() for view in some)
    assert (np.maximum.reduce(some) == picture(whole, 0)).mean() > 0.99


def test_models_are_kept_in_memory_up_to_the_budget(models, monkeypatch):
    read, load = [], live_views.load_points
    monkeypatch.setattr(live_views, "load_points", lambda path: read.append(path.stem[5]) or load(path))
    found = live_views.live_models(models[0], settings(), cache_bytes=2 * 2000 * 12)
    assert not read
    for i in (0, 1, 2, 0, 1, 2):
        found.pixels(i)
    assert "".join(read) == "0122"


def taken(source, steps=4, workers=0):
    return [batch[0] for batch in prefetch(source, steps, workers=workers)]


@pytest.mark.parametrize("kind", ["live", "one"])
def test_draws_do_not_depend_on_workers_or_processes(models, views, kind):
    how = settings(samples=kind, data="models" if kind == "live" else "views", batch_size=6)
    images = opened(how, models[0] if kind == "live" else views)
    alone = taken(Batches(images, how, seed=1))
    for workers in (1, 2):
        found = taken(Batches(images, how, seed=1), workers=workers)
        assert all(torch.equal(a, b) for a, b in zip(found, alone, strict=True))
    halves = [taken(Batches(images, how, seed=1, process=i, processes=3)) for i in range(3)]
    assert all(torch.equal(torch.cat(parts), whole) for *parts, whole in zip(*halves, alone, strict=True))


@pytest.mark.parametrize("kind", ["live", "one"])
def test_every_step_and_every_place_in_it_draws_anew(models, views, kind, monkeypatch):
    how = settings(samples=kind, data="models" if kind == "live" else "views", batch_size=6)
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
    every, found = samples.Images.from_folder(views), opened(settings(data="views", samples="one"), views)
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
    assert len(opened(settings(data="views", samples="all"), views)) == 12


def test_evaluation_is_the_same_each_time(models):
    how = settings()
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
            "samples: live does not suit data: .*views.*; only these .*: categories, models, categories3d",
        ),
        (
            "nowhere",
            "live",
            "samples: live does not suit data: .*nowhere; only these .*: categories, models, categories3d",
        ),
        ("nowhere", "one", "nowhere: no such folder"),
    ],
)
def test_a_folder_that_does_not_suit_is_refused(models, views, data, kind, words):
    root = {"models": models[0], "views": views}.get(data, views / data)
    drawing = settings(data=str(views), samples=kind)
    with pytest.raises(ValueError, match=words):
        registry.samples(str(root), root, drawing)


@pytest.mark.parametrize(
    ("data", "kind"), [("models", "one"), ("models", "all"), ("views", "live"), ("images", "live")]
)
def test_samples_and_data_that_do_not_suit_are_refused_before_anything_runs(data, kind):
    with pytest.raises(parameters.ParameterError, match=f"samples: {kind} does not suit data: {data}[;,]"):
        settings(data=data, samples=kind)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"live_axes": 4}, "live_axes: 4 is out of range"),
        ({"live_range": -1.0}, "live_range: -1.0 is out of range"),
        ({"live_jitter": math.inf}, "live_jitter: inf is not allowed"),
        ({"live_size": 0}, "live_size: 0 is out of range"),
        ({"live_points": [0.0, 1.0]}, "live_points: .* out of range; .* above 0 and at most 1"),
        ({"live_points": [1.0, 0.5]}, "live_points: .* must rise"),
        ({"live_point_size": [1, 4]}, "live_point_size: .* out of range"),
        ({"samples": "many"}, "samples: 'many' is not allowed; allowed is one of all, one, live"),
    ],
)
def test_bad_values_are_refused(values, words):
    with pytest.raises(parameters.ParameterError, match=words):
        settings(**values)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_model_is_named(models, tmp_path, workers):
    for category in range(2):
        (tmp_path / f"{category:06d}").mkdir()
        (tmp_path / fractal_3d.model_name(category)).write_bytes(ply.encode(models[1][category]))
    path = tmp_path / fractal_3d.model_name(1)
    path.write_bytes(path.read_bytes()[:-1])
    source = Batches(opened(settings(), tmp_path), settings(), seed=0)
    with pytest.raises(ValueError, match=r"000001/000001_0000\.ply: damaged; 2000 points are 48000 bytes"):
        taken(source, workers=workers)


def test_a_category_without_a_model_is_named(models, tmp_path):
    (tmp_path / "000000").mkdir()
    (tmp_path / fractal_3d.model_name(0)).write_bytes(ply.encode(models[1][0]))
    (tmp_path / "000001").mkdir()
    with pytest.raises(ValueError, match=r"000001: holds no model; allowed are \.ply"):
        opened(settings(), tmp_path)


# ---- patches, the stored viewpoints, and systems alone

EXACT = {"live_points": [1.0, 1.0], "live_point_size": [1, 1]}
FROM_SYSTEMS = {"data": "categories3d", "live_dots": 400}


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """A run's folder with three systems, their models, and four views of each."""
    out, model = tmp_path_factory.mktemp("space"), {"seed": 0, "points": 400, "weight": 0.4}
    fractal_3d.write_categories(out / "categories3d", categories=3, model=model)
    fractal_3d.write_models(out / "models", out / "categories3d", **model)
    fractal_3d.write_views(out / "views", out / "models", views=4, size=64)
    return out


def of(space, **values):
    how = settings(**values)
    return registry.samples(how.data, space / how.data, how)


KINDS = [
    {},
    {"live_patches": "both"},
    {"live_patches": "texture", "live_depth": "last"},
    {"live_views": 4, "live_axes": 1},
]


@pytest.mark.parametrize("values", KINDS)
def test_systems_alone_give_the_views_of_their_models(space, values):
    files, systems = of(space, **values), of(space, **FROM_SYSTEMS, **values)
    assert files.classes == systems.classes
    assert files.labels.tolist() == systems.labels.tolist()
    for i in range(3):
        assert all((files.pixels(i, key) == systems.pixels(i, key)).all() for key in (None, 0, 2**64 - 1))


def test_the_viewpoints_can_be_those_of_the_stored_views(space):
    found, every = of(space, live_views=4, live_axes=1, **EXACT), samples.Images.from_folder(space / "views")
    for category in range(3):
        stored = [every.pixels(4 * category + view).tobytes() for view in range(4)]
        assert {picture(found, category, seed).tobytes() for seed in range(50)} == set(stored)
        assert picture(found, category).tobytes() == stored[0]


@pytest.mark.parametrize("kind", ["pattern", "texture", "both"])
def test_stored_views_are_drawn_anew_with_other_patches(space, kind):
    how = {"live_views": 4, "live_axes": 1, **EXACT}
    found, plain = of(space, live_patches=kind, **how), of(space, **how)
    for seed in range(5):
        view, white = picture(found, 0, seed), picture(plain, 0, seed)
        assert not view[white == 0].any()
        assert (view != white).any()
        assert (len(np.unique(view)) > 2) == (kind != "pattern")
    assert (picture(found, 0) == picture(plain, 0)).all()


def test_a_view_of_white_patches_is_the_white_view(space):
    white = {"live_patches": "texture", "live_levels": [255, 255]}
    for depth in ("nearest", "last"):
        found, plain = of(space, **white, live_depth=depth), of(space)
        assert all((picture(found, i, seed) == picture(plain, i, seed)).all() for i in range(3) for seed in range(5))


def test_a_share_of_the_views_has_patches(space):
    found, plain = of(space, live_patches="texture", live_share=0.3), of(space)
    keys = np.random.default_rng(0).integers(0, 2**64, 200, dtype=np.uint64).tolist()
    assert 35 < sum((picture(found, 0, key) != picture(plain, 0, key)).any() for key in keys) < 85


@pytest.mark.parametrize("values", [{"live_delta": 0.1}, {"live_weights": 0.1}])
def test_the_coefficients_of_a_model_vary(space, values):
    found, again = (of(space, **FROM_SYSTEMS, **values, **PLAIN) for _ in range(2))
    seen = [picture(found, 0, seed).tobytes() for seed in range(20)]
    assert len(set(seen)) > 10
    assert seen == [picture(again, 0, seed).tobytes() for seed in range(20)]
    assert (picture(found, 0) == picture(of(space, **FROM_SYSTEMS), 0)).all()


def test_an_instance_without_a_model_is_the_stored_one(space, monkeypatch):
    found, plain = (of(space, **FROM_SYSTEMS, **values) for values in ({"live_delta": 1.0}, {}))

    def degenerate(*_):
        raise point_cloud.Degenerate("its orbit does not stay finite")

    monkeypatch.setattr(found._models, "_make", degenerate)
    assert (picture(found, 1, 5) == picture(plain, 1, 5)).all()


def test_a_system_without_a_model_is_left_out_as_it_has_no_file(space, tmp_path, capsys):
    shutil.copytree(space / "categories3d", tmp_path / "mine")
    diverging = ifs.IFS(np.tile(np.eye(3) * 30.0, (2, 1, 1)), np.ones((2, 3)), np.full(2, 0.5))
    ifs.save(diverging, tmp_path / "mine" / "000001.csv")
    how = settings(data=str(tmp_path / "mine"), live_dots=400)
    found = registry.samples(how.data, tmp_path / "mine", how)
    assert found.classes == ["000000", "000002"]
    assert "category 1 is left out: no model with weight 0.4: its orbit does not stay finite" in capsys.readouterr().out
    assert (picture(found, 1, 3) == picture(of(space, **FROM_SYSTEMS), 2, 3)).all()
    for name in ("000000.csv", "000002.csv"):
        (tmp_path / "mine" / name).unlink()
    with pytest.raises(ValueError, match="none of 1 systems gives models"):
        registry.samples(how.data, tmp_path / "mine", how)


def test_systems_of_another_dimension_are_refused(space):
    with pytest.raises(ValueError, match="categories3d: holds systems of 3 dimensions; 2 are needed"):
        registry.samples("categories", space / "categories3d", settings(data="categories"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"data": "categories3d"}, "live_dots: 10000, but .*models was made with 400; give one of the two"),
        ({"live_size": None, "live_views": 4}, "live_size: 224, but .*views was made with 64; give one of the two"),
    ],
)
def test_what_the_stored_ones_contradict_is_refused(space, values, words):
    with pytest.raises(ValueError, match=words):
        of(space, **values)


def test_one_mask_for_a_view_needs_whole_patches(space):
    how = {"live_patches": "pattern", "live_unit": "image"}
    with pytest.raises(ValueError, match=r"live_point_size: must be \[3, 3\] with live_unit: image"):
        of(space, **how, live_point_size=[2, 3])
    found = of(space, **how, live_point_size=[3, 3])
    assert all(picture(found, 0, seed).any() for seed in range(200))


def test_other_viewpoints_than_the_stored_ones_are_said(space, capsys):
    of(space, live_views=3, live_axes=2, live_seed=1)
    said = capsys.readouterr().out
    assert all(f"{name}, but" in said for name in ("live_views: 3", "live_axes: 2", "live_seed: 1"))


def test_models_of_one_stream_are_not_made_from_systems(space, tmp_path):
    shutil.copytree(space / "categories3d", tmp_path / "categories3d")
    how = {"seed": 0, "points": 400, "weight": 0.4, "one_stream": True}
    fractal_3d.write_models(tmp_path / "models", tmp_path / "categories3d", **how)
    with pytest.raises(ValueError, match="models was made with one_stream: True; while training it can only be False"):
        of(tmp_path, **FROM_SYSTEMS)
