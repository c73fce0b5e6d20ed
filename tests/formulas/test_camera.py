import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from ofdb_core.families import fractal_3d
from ofdb_core.formulas import camera, streams
from tests.helpers import reference

RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-1, 1, (700, 3))
ANGLES = st.lists(st.floats(-10, 10), min_size=1, max_size=3)
NUMBERS = st.floats(-5, 5) | st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -3.0, -4.0])


def exact(angles):
    """Ry(a) Rz(b) Ry(c) in float64."""
    result = np.eye(3)
    for axis, angle in enumerate(angles):
        c, s = math.cos(angle), math.sin(angle)
        turn = [[c, -s, 0], [s, c, 0], [0, 0, 1]] if axis == 1 else [[c, 0, s], [0, 1, 0], [-s, 0, c]]
        result = result @ turn
    return result


@given(ANGLES)
def test_a_rotation_is_the_product_of_its_turns(angles):
    rotation = camera.rotation(angles)
    assert rotation.shape == (3, 3)
    assert rotation.dtype == np.float32
    assert np.allclose(rotation, exact(angles), atol=2e-6)
    assert rotation.tolist() == reference.rotation(list(zip((1, 2, 1), angles, strict=False)))


@given(st.lists(st.tuples(st.integers(0, 11), st.floats(-math.pi, math.pi)), min_size=1, max_size=3))
def test_a_stored_view_has_the_angles_of_the_original(chosen):
    index, jitter = zip(*chosen, strict=True)
    rotation = camera.stored(index, jitter, views=12)
    angles = [2 * math.pi * k / 12 + math.pi / 6 + math.radians(u) for k, u in chosen]
    assert np.allclose(rotation, exact(angles), atol=2e-6)
    turns = [(k / 12 * math.pi * 2, math.radians(30), math.radians(u)) for k, u in chosen]
    plain = [(axis, angle) for axis, row in zip((1, 2, 1), turns, strict=False) for angle in row]
    assert rotation.tolist() == reference.rotation(plain)


@given(ANGLES)
def test_the_camera_is_that_of_plain_python(angles):
    rotation = camera.rotation(angles)
    assert camera.look_at(rotation).tolist() == reference.look_at([list(row) for row in rotation])


@pytest.mark.parametrize(("size", "side"), list(itertools.product((1, 7, 64), (1, 2, 3))))
@pytest.mark.parametrize("scale", [0.8, 4.0])  # 4: points outside the image, too near, and behind the camera
def test_images_are_those_of_plain_python(size, side, scale):
    rotation = camera.rotation((1.0, 2.0, 3.0))
    plain = reference.view(POINTS * scale, camera.look_at(rotation).tolist(), size, side)
    image = camera.render(POINTS * scale, rotation, size=size, point_size=side)
    assert image.shape == (size, size)
    assert image.dtype == np.uint8
    assert (image == plain).all()


def test_points_on_the_edges_of_pixels_are_placed_as_in_plain_python():
    half = math.tan(math.radians(22.5)) * 4
    grid = (np.arange(-16, 17) / 16 * half)[:, None]
    points = np.hstack([np.zeros((33, 1)), RNG.permutation(grid), grid])
    rotation = camera.rotation([0.0])
    for side in (1, 2, 3):
        plain = reference.view(points, camera.look_at(rotation).tolist(), 32, side)
        assert (camera.render(points, rotation, size=32, point_size=side) == plain).all()


def test_a_view_is_the_pinhole_projection():
    index, jitter = (5,), (0.7,)
    q = POINTS @ exact([2 * math.pi * 5 / 12 + math.pi / 6 + math.radians(0.7)])
    k = 224 / 2 / math.tan(math.radians(22.5))
    column, row = 112 + k * q[:, 2] / (4 + q[:, 0]), 112 + k * q[:, 1] / (4 + q[:, 0])
    expected = np.zeros((224, 224), np.uint8)
    seen = (np.abs(column - 112) < 112) & (np.abs(row - 112) < 112)
    expected[np.floor(row[seen] + 1 / 512).astype(int), np.floor(column[seen] + 1 / 512).astype(int)] = 1
    assert (camera.view(POINTS, index, jitter) != expected).sum() <= 2


@settings(max_examples=50)
@given(
    arrays(np.float64, st.tuples(st.integers(0, 600), st.just(3)), elements=NUMBERS, fill=st.nothing()),
    st.integers(1, 40),
    st.sampled_from((1, 2, 3)),
)
def test_any_points_become_an_image(points, size, side):
    with np.errstate(over="ignore"):
        image = camera.render(points, camera.rotation((0.5, 0.5, 0.5)), size=size, point_size=side)
    assert image.shape == (size, size)
    assert set(np.unique(image)) <= {0, 1}
    assert image.sum() <= len(points) * side**2


def test_the_layout_and_the_order_of_the_points_change_nothing():
    rotation = camera.rotation((1.0,))
    image = camera.render(POINTS, rotation)
    assert image.any()
    for points in (
        POINTS.astype(np.float32),
        np.asfortranarray(POINTS, np.float32),
        POINTS[::-1],
        np.vstack([POINTS] * 2),
    ):
        assert (camera.render(points, rotation) == image).all()
    assert (camera.render(POINTS, rotation.astype(float)) == image).all()


def test_world_up_points_down_and_what_is_ahead_is_larger():
    rotation = camera.rotation((0.0,))
    rows, columns = np.nonzero(camera.render(np.array([[0.0, 1.0, 0.0]]), rotation))
    assert (rows.item(), columns.item()) == (int(112 + 112 / math.tan(math.radians(22.5)) / 4), 112)
    near, far = [np.nonzero(camera.render(np.array([[x, 0.0, 1.0]]), rotation))[1].item() for x in (-1.0, 1.0)]
    assert near > far > 112


def test_what_is_too_near_or_too_far_is_not_seen():
    rotation = camera.rotation((0.0,))
    for x, seen in ((-2.9, True), (-3.1, False), (-5.0, False), (95.0, True), (97.0, False)):
        assert camera.render(np.array([[x, 0.0, 0.0]]), rotation).any() == seen


def test_indices_have_f_vary_fastest_and_names_have_it_last():
    assert camera.indices() == [(k,) for k in range(12)]
    assert camera.indices(axes=2, views=2) == [(0, 0), (1, 0), (0, 1), (1, 1)]
    cube = camera.indices(axes=3, views=3)
    assert len(set(cube)) == 27
    assert cube[1] == (1, 0, 0)
    names = [fractal_3d.view_name(2, index) for index in cube]
    assert names == sorted(names)
    assert fractal_3d.view_name(12, (7,)) == "000012/000012_00000_007.png"
    assert fractal_3d.view_name(2, (2, 1, 0)) == "000002/000002_00000_000_001_002.png"


def test_another_jitter_is_another_view():
    images = [camera.view(POINTS, (3,), streams.jitter(1, 0, category)) for category in (0, 1, 0)]
    assert (images[0] == images[2]).all()
    assert (images[0] != images[1]).any()


@pytest.mark.parametrize("nearest", [True, False])
@pytest.mark.parametrize("side", [1, 2, 3])
@given(arrays(float, (12, 3), elements=st.floats(-0.4, 0.4)), arrays(np.uint8, (12, 9)), ANGLES)
def test_a_patch_is_seen_where_no_other_point_is_before_it(side, nearest, points, patches, angles):
    rotation, size = camera.rotation(angles), 40
    distance = 4 + points.astype(np.float32) @ rotation[:, 0]
    order = sorted(range(12), key=lambda i: (-distance[i], -i)) if nearest else range(12)
    expected = np.zeros((size, size), np.uint8)
    for i in order:  # the one that is seen comes last
        rows, columns = np.nonzero(camera.render(points[i : i + 1], rotation, size=size, point_size=side))
        assert len(rows) == side * side
        expected[rows, columns] = patches[i].reshape(3, 3)[:side, :side].ravel()
    found = camera.paint(points, rotation, patches, size=size, point_size=side, nearest=nearest)
    close = np.abs(np.subtract.outer(distance, distance))[np.triu_indices(12, 1)]
    if not nearest or close.min() > 1e-5:  # else rounding says which is nearer
        assert (found == expected).all()
    white = camera.paint(points, rotation, np.full((12, 9), 1, np.uint8), size=size, point_size=side, nearest=nearest)
    assert (white == camera.render(points, rotation, size=size, point_size=side)).all()


def test_patches_at_the_edges_are_cut_and_those_out_of_sight_are_not_drawn():
    points, patches = RNG.uniform(-3, 3, (5000, 3)), np.full((5000, 9), 255, np.uint8)
    for side in (1, 2, 3):
        found = camera.paint(points, np.eye(3), patches, size=32, point_size=side)
        assert (found == camera.render(points, np.eye(3), size=32, point_size=side) * 255).all()


def test_patches_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"patches: uint8 \(3, 9\) given; allowed is uint8 \(700, 9\)"):
        camera.paint(POINTS, np.eye(3), np.zeros((3, 9), np.uint8))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: camera.indices(views=0), "views: 0 is out of range"),
        (lambda: camera.indices(views=-1), "views: -1 is out of range"),
        (
            lambda: camera.indices(axes=0),
            "axes: 0 is out of range; allowed is a whole number, at least 1",
        ),
        (lambda: camera.indices(axes=4), "axes: 4 is out of range"),
        (lambda: camera.view(POINTS, (), ()), "axes: 0"),
        (lambda: camera.view(POINTS, (1,), (0,), views=0), "views: 0"),
        (lambda: camera.view(POINTS, (12,), (0,)), r"index: \(12,\) is out of range; each of it is 0 to 11"),
        (lambda: camera.view(POINTS, (-1,), (0,)), "index"),
        (lambda: camera.view(POINTS, (1, 2), (0,)), "jitter: 1 numbers given; it is one for each of 2 axes"),
        (lambda: camera.rotation([]), "angles: 0 is out of range; allowed is a whole number, at least 1 and at most 3"),
        (lambda: camera.rotation([1, 2, 3, 4]), "angles: 4 is out of range"),
        (lambda: camera.render(POINTS, np.eye(3), size=0), "image_size: 0 is out of range"),
        (lambda: camera.render(POINTS, np.eye(3), point_size=0), "point_size: 0 is out of range"),
        (
            lambda: camera.render(POINTS, np.eye(3), point_size=4),
            r"point_size: 4 is out of range; allowed is a whole number, at least 1 and at most 3",
        ),
        (lambda: camera.render(POINTS, np.eye(4)), r"rotation \(4, 4\) given; allowed are \(n, 3\) and \(3, 3\)"),
        (lambda: camera.render(POINTS[:, :2], np.eye(3)), r"points \(700, 2\)"),
    ],
)
def test_wrong_views_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@given(ANGLES, st.tuples(*[st.floats(-180, 180)] * 3))
def test_a_camera_that_stands_anywhere_has_turned_from_the_first_stored_view(angles, turn):
    first = camera.stored((0,) * len(angles), angles)
    turned = camera.anywhere(angles, turn)
    assert turned.dtype == np.float32
    assert np.allclose(turned, first @ Rotation.from_euler("XYZ", turn, degrees=True).as_matrix(), atol=1e-6)
    assert np.array_equal(camera.anywhere(angles, (0.0, 0.0, 0.0)), first)
