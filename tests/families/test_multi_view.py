"""MV-FractalDB and ExFractalDB: which models a category has, and from where they are seen."""

import io

import numpy as np
import pytest
from PIL import Image

from ofdb_core.base import parameters
from ofdb_core.families import fractal_3d, multi_view
from ofdb_core.families.multi_view import Render
from ofdb_core.formulas import camera, ifs, point_cloud, search, streams
from ofdb_core.formulas.ifs import IFS
from ofdb_core.formulas.streams import Mersenne

HOW = {"model_points": 400, "image_size": 48}
FIRST = [(number, search.published(3, number)) for number in range(2)]
WIDE = IFS(np.array([np.diag([0.75, 0.5, 0.4])] * 2), np.array([[1.0, 0, 0], [0, 1, 1]]), np.full(2, 0.5))


def drawn(systems=FIRST, **values):
    """Name of a file -> its pixels."""
    makers = multi_view.view_files(systems, Render(**{**HOW, **values}))
    return {name: np.asarray(Image.open(io.BytesIO(make()))) for name, make in makers}


def test_the_models_are_the_rows_of_weights_from_0_4_to_1_6():
    rows = Render().weights()
    assert rows.shape == (145, 12)
    assert rows[:13, 0].tolist() == [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]
    assert (rows[6] == 1).all()
    for place in range(1, 12):
        part = rows[1 + 12 * place : 13 + 12 * place]
        assert part[:, place].tolist() == [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]
        assert (np.delete(part, place, axis=1) == 1).all()
    assert [len(Render(steps=steps).weights()) for steps in range(6)] == [1, 25, 49, 73, 97, 121]
    assert (Render(steps=2).weights() == ifs.weight_rows(0.1, 3)).all()
    assert Render(steps=0).weights().tolist() == [[1.0] * 12]


def test_each_view_is_that_of_the_weighted_system_with_streams_of_its_own():
    found = drawn(seed=3, instances=15)
    assert len(found) == 2 * 15 * 12
    for number, system in FIRST:
        for row in (0, 6, 14):
            u = streams.choices(400, 3, number, row)
            points = point_cloud.model(system, u, weight=ifs.weight_rows(0.1, 3, 6)[row])
            jitter = streams.jitter(12, 3, number, row)
            for view in (0, 7, 11):
                image = found[f"{number:06d}/{number:06d}_{row:05d}_{view:03d}.png"]
                assert (image == 255 * camera.view(points, (view,), jitter[view : view + 1], size=48)).all()


def test_the_first_model_is_that_of_3d_ofdb(tmp_path):
    asked = fractal_3d.Render(out=str(tmp_path), categories=2, seed=3, **HOW)
    fractal_3d.write(asked)
    found = drawn(seed=3, instances=1)
    views = tmp_path / "views"
    assert sorted(found) == sorted(str(path.relative_to(views)) for path in views.rglob("*.png"))
    assert all((image == np.asarray(Image.open(views / name))).all() for name, image in found.items())
    assert (multi_view.picture(Render(seed=3, **HOW), 1) == fractal_3d.picture(asked, 1)).all()


def test_one_stream_draws_all_rows_of_a_category_before_the_next():
    found, points, views = drawn(one_stream=True, instances=3, seed=5), Mersenne(5), Mersenne([5])
    for number, system in FIRST:
        for row, weight in enumerate(ifs.weight_rows(0.1, 3, 6)[:3]):
            model = point_cloud.model(system, points.random(400), weight=weight)
            for view in range(12):
                image = camera.view(model, (view,), views.uniform(-np.pi, np.pi, 1), size=48)
                assert (found[f"{number:06d}/{number:06d}_{row:05d}_{view:03d}.png"] == 255 * image).all()


@pytest.mark.parametrize("one_stream", [False, True])
def test_a_model_that_diverges_is_said_and_left_out_and_the_next_takes_its_number(one_stream, capsys):
    how = {"model_points": 9000, "one_stream": one_stream, "instances": 13, "views": 1}
    found, stream = drawn([(0, WIDE), FIRST[1]], **how), Mersenne(0)
    told = [f"category 000000 has no model of row {row}: it diverges or never moves" for row in (11, 12)]
    assert capsys.readouterr().out.splitlines()[:2] == told  # 0.75 * 1.5 is well above 1
    assert sorted(name for name in found if name < "000001") == [f"000000/000000_{i:05d}_000.png" for i in range(11)]
    stream.random(13 * 9000)  # also of the models that are left out
    u = stream.random(9000) if one_stream else streams.choices(9000, 0, 1)
    jitter = Mersenne([0]).uniform(-np.pi, np.pi, 12)[11:] if one_stream else streams.jitter(1, 0, 1)
    model = point_cloud.model(FIRST[1][1], u, weight=0.4)
    assert (found["000001/000001_00000_000.png"] == 255 * camera.view(model, (0,), jitter, size=48, views=1)).all()


# ---- random viewpoints


@pytest.mark.parametrize("viewpoints", ["circle", "sphere"])
def test_random_views_go_round_the_models_and_fewer_are_the_first_ones(viewpoints):
    how = {"viewpoints": viewpoints, "instances": 4}
    every, some = drawn(images=10, **how), drawn(images=3, **how)
    numbers = [f"{i % 4:05d}_{i // 4:03d}" for i in range(10)]
    assert list(every) == [f"{category:06d}/{category:06d}_{name}.png" for category in range(2) for name in numbers]
    assert len(some) == 6
    assert all((every[name] == image).all() for name, image in some.items())
    assert len({image.tobytes() for image in every.values()}) == 20


def viewpoints_of(kind, count=4000):
    """(n, 3): where the camera stands; it looks from -x before it is moved."""
    asked = Render(viewpoints=kind, images=count)
    turns = [rotation for *_, rotation in multi_view.rotations(7, [0], asked, Mersenne(0))]
    assert all(np.allclose(turn @ turn.T, np.eye(3), atol=1e-5) for turn in turns)
    assert all(turn[1, 1] >= -1e-6 for turn in turns)  # +y stays up
    return np.array([-turn[:, 0] for turn in turns])


def test_viewpoints_are_uniform_on_the_sphere_or_on_the_circle():
    sphere, circle = viewpoints_of("sphere"), viewpoints_of("circle")
    assert np.abs(sphere.mean(axis=0)).max() < 0.04
    assert np.abs(sphere.T @ sphere / len(sphere) - np.eye(3) / 3).max() < 0.02
    assert np.abs(np.quantile(sphere[:, 1], [0.1, 0.5, 0.9]) - [-0.8, 0, 0.8]).max() < 0.04  # as Archimedes found
    assert np.abs(circle[:, 1]).max() < 1e-6
    turns = np.sort(np.arctan2(circle[:, 2], circle[:, 0]))
    assert np.abs(turns - np.linspace(-np.pi, np.pi, len(turns))).max() < 0.15


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(parameters.ParameterError, match="one_stream: True needs viewpoints: stored"):
        Render(one_stream=True, viewpoints="sphere")
    for name, value in {"steps": 10, "instances": 0, "images": 0}.items():
        with pytest.raises(parameters.ParameterError, match=f"{name}: {value} is out of range"):
            Render(**{name: value})
