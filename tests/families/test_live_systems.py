"""Views of models that systems alone give, the viewpoints of the stored ones, and points with patches of their own."""

import shutil

import numpy as np
import pytest

from ofdb_core.base import parameters
from ofdb_core.data import samples
from ofdb_core.families import fractal_3d, live_views, multi_view
from ofdb_core.formulas import ifs, point_cloud
from tests.helpers import tiny

EXACT = {"points": [1.0, 1.0], "point_size": [1, 1]}
FROM_SYSTEMS = {"data": "categories3d", "dots": 400}


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """A run's folder with three systems, their models, and four views of each."""
    out = tmp_path_factory.mktemp("space")
    fractal_3d.write(fractal_3d.Render(out=str(out), categories=3, model_points=400, views=4, image_size=64))
    return out


def of(space, data="models", **live):
    return tiny.live_views(data=data, live=live).opened(data, space / data)


KINDS = [
    {},
    {"patches": "both"},
    {"patches": "texture", "depth": "last"},
    {"views": 4, "axes": 1},
]


@pytest.mark.parametrize("values", KINDS)
def test_systems_alone_give_the_views_of_their_models(space, values):
    files, systems = of(space, **values), of(space, **FROM_SYSTEMS, **values)
    assert files.classes == systems.classes
    assert files.labels.tolist() == systems.labels.tolist()
    for i in range(3):
        assert all((files.pixels(i, key) == systems.pixels(i, key)).all() for key in (None, 0, 2**64 - 1))


def test_the_viewpoints_can_be_those_of_the_stored_views(space):
    found, every = of(space, views=4, axes=1, **EXACT), samples.Images.from_folder(space / "views")
    for category in range(3):
        stored = [every.pixels(4 * category + view).tobytes() for view in range(4)]
        assert {found.pixels(category, seed).tobytes() for seed in range(50)} == set(stored)
        assert found.pixels(category).tobytes() == stored[0]


@pytest.mark.parametrize("kind", ["pattern", "texture", "both"])
def test_stored_views_are_drawn_anew_with_other_patches(space, kind):
    how = {"views": 4, "axes": 1, **EXACT}
    found, plain = of(space, patches=kind, **how), of(space, **how)
    for seed in range(5):
        view, white = found.pixels(0, seed), plain.pixels(0, seed)
        assert not view[white == 0].any()
        assert (view != white).any()
        assert (len(np.unique(view)) > 2) == (kind != "pattern")
    assert (found.pixels(0) == plain.pixels(0)).all()


def test_a_view_of_white_patches_is_the_white_view(space):
    white = {"patches": "texture", "levels": [255, 255]}
    for depth in ("nearest", "last"):
        found, plain = of(space, **white, depth=depth), of(space)
        assert all((found.pixels(i, seed) == plain.pixels(i, seed)).all() for i in range(3) for seed in range(5))


def test_a_share_of_the_views_has_patches(space):
    found, plain = of(space, patches="texture", share=0.3), of(space)
    keys = np.random.default_rng(0).integers(0, 2**64, 200, dtype=np.uint64).tolist()
    assert 35 < sum((found.pixels(0, key) != plain.pixels(0, key)).any() for key in keys) < 85


@pytest.mark.parametrize("values", [{"delta": 0.1}, {"weights": 0.1}])
def test_the_coefficients_of_a_model_vary(space, values):
    found, again = (of(space, **FROM_SYSTEMS, **values, **tiny.STILL) for _ in range(2))
    seen = [found.pixels(0, seed).tobytes() for seed in range(20)]
    assert len(set(seen)) > 10
    assert seen == [again.pixels(0, seed).tobytes() for seed in range(20)]
    assert (found.pixels(0) == of(space, **FROM_SYSTEMS).pixels(0)).all()


def test_the_rows_of_weights_are_those_of_mv_fractaldb(space):
    found = of(space, **FROM_SYSTEMS, weights=0.1, **tiny.STILL)
    rows = multi_view.Render().weights()
    assert (np.array(found._models._weights[1:]) == rows).all()
    model = live_views.model(found._models._systems[0], rows[7], points=400, seed=0, category=0)
    assert (found._models.array(0, 7 + 5 * len(rows)) == model).all()
    with pytest.raises(parameters.ParameterError, match=r"live\.weights: 0\.4 is out of range"):
        of(space, **FROM_SYSTEMS, weights=0.4)


def test_an_instance_without_a_model_is_the_stored_one(space, monkeypatch):
    found, plain = (of(space, **FROM_SYSTEMS, **values) for values in ({"delta": 1.0}, {}))

    def degenerate(*_, **__):
        raise point_cloud.Degenerate("its orbit does not stay finite")

    monkeypatch.setattr(found._models, "_make", degenerate)
    assert (found.pixels(1, 5) == plain.pixels(1, 5)).all()


def test_a_system_without_a_model_is_left_out_as_it_has_no_file(space, tmp_path, capsys):
    shutil.copytree(space / "categories3d", tmp_path / "mine")
    diverging = ifs.IFS(np.tile(np.eye(3) * 30.0, (2, 1, 1)), np.ones((2, 3)), np.full(2, 0.5))
    ifs.save(diverging, tmp_path / "mine" / "000001.csv")
    how = tiny.live_views(data=str(tmp_path / "mine"), live={"dots": 400})
    found = how.opened(how.data, tmp_path / "mine")
    assert found.classes == ["000000", "000002"]
    assert "category 1 is left out: no model with weight 0.4: its orbit does not stay finite" in capsys.readouterr().out
    assert (found.pixels(1, 3) == of(space, **FROM_SYSTEMS).pixels(2, 3)).all()
    for name in ("000000.csv", "000002.csv"):
        (tmp_path / "mine" / name).unlink()
    with pytest.raises(ValueError, match="none of 1 systems gives models"):
        how.opened(how.data, tmp_path / "mine")


def test_systems_of_another_dimension_are_refused(space):
    with pytest.raises(ValueError, match="categories3d: holds systems of 3 dimensions; 2 are needed"):
        tiny.live_views(data="categories").opened("categories", space / "categories3d")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"data": "categories3d"}, "live.dots: 10000, but .*models was made with 400; give one of the two"),
        ({"size": None, "views": 4}, "live.size: 224, but .*views was made with 64; give one of the two"),
    ],
)
def test_what_the_stored_ones_contradict_is_refused(space, values, words):
    with pytest.raises(ValueError, match=words):
        of(space, **values)


def test_one_mask_for_a_view_needs_whole_patches(space):
    how = {"patches": "pattern", "unit": "image"}
    with pytest.raises(ValueError, match=r"live\.point_size: must be \[3, 3\] with unit: image"):
        of(space, **how, point_size=[2, 3])
    found = of(space, **how, point_size=[3, 3])
    assert all(found.pixels(0, seed).any() for seed in range(200))


def test_other_viewpoints_than_the_stored_ones_are_said(space, capsys):
    of(space, views=3, axes=2, seed=1)
    said = capsys.readouterr().out
    assert all(f"{name}, but" in said for name in ("live.views: 3", "live.axes: 2", "live.seed: 1"))


def test_models_of_one_stream_are_not_made_from_systems(space, tmp_path):
    shutil.copytree(space / "categories3d", tmp_path / "categories3d")
    how = {"model_points": 400, "one_stream": True, "degenerate": "keep"}
    fractal_3d.write_models(fractal_3d.Render(out=str(tmp_path), **how))
    with pytest.raises(ValueError, match="models was made with one_stream: True; while training it can only be False"):
        of(tmp_path, **FROM_SYSTEMS)
