import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ofdb_core.data import ply
from ofdb_core.families import fractal_3d
from ofdb_core.formulas import chaos_game, ifs, point_cloud, streams

SYSTEM = ifs.IFS(
    np.array([np.eye(3) * 0.5, np.diag([0.5, -0.4, 0.3]), [[0.3, 0.2, 0], [-0.2, 0.3, 0.1], [0, 0, 0.6]]]),
    np.array([[1.0, 0, 0], [-1, 0.5, 0], [0, -0.5, 1]]),
    np.array([0.3, 0.3, 0.4]),
)
U = streams.choices(500, 0, 0)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def test_a_model_is_the_normalised_orbit_of_the_weighted_system_without_its_start():
    points = point_cloud.model(SYSTEM, U, weight=0.4)
    assert points.shape == (499, 3)
    assert points.dtype == np.float64
    assert (points == point_cloud.normalised(chaos_game.orbit(SYSTEM.weighted(0.4), U)[1:])).all()
    assert (points == point_cloud.model(SYSTEM.weighted(0.4), U, weight=1)).all()


def test_a_model_depends_on_seed_and_category():
    models = [point_cloud.model(SYSTEM, streams.choices(500, *key)) for key in [(0, 0), (0, 1), (1, 0), (0, 0)]]
    assert (models[0] == models[3]).all()
    assert len({model.tobytes() for model in models}) == 3


@given(arrays(np.float64, st.tuples(st.integers(2, 50), st.just(3)), elements=FINITE))
def test_a_ply_file_gives_the_same_points_back(tmp_path_factory, points):
    path = tmp_path_factory.mktemp("ply") / "model.ply"
    path.write_bytes(ply.encode(points))
    again = ply.load(path)
    assert again.dtype == np.float64
    assert again.shape == points.shape
    assert again.tobytes() == points.tobytes()
    assert again.flags.writeable


def test_a_ply_file_has_the_originals_format():
    data = ply.encode(np.array([[1.0, 2, 3], [4, 5, 6]]))
    head, body = data.split(b"end_header\n")
    assert head.decode().splitlines() == [
        "ply",
        "format binary_little_endian 1.0",
        "element vertex 2",
        "property double x",
        "property double y",
        "property double z",
    ]
    assert np.frombuffer(body, "<f8").tolist() == [1, 2, 3, 4, 5, 6]


def test_the_comments_of_another_program_are_passed_over(tmp_path):
    points = point_cloud.model(SYSTEM, U)
    data = ply.encode(points).replace(b"1.0\n", b"1.0\ncomment Created by Open3D\n", 1)
    (tmp_path / "a.ply").write_bytes(data)
    assert (ply.load(tmp_path / "a.ply") == points).all()


def test_names_are_the_originals():
    assert fractal_3d.model_name(3) == "000003/000003_0000.ply"


GOOD = ply.encode(np.arange(12.0).reshape(4, 3))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a PLY file"),
        (b"solid cube\n", "not a PLY file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a PLY file"),
        (GOOD.split(b"end_header")[0], "header is cut off"),
        (GOOD.replace(b"binary_little_endian", b"ascii"), "'format ascii 1.0, .*; a model has 'format binary_little"),
        (GOOD.replace(b"binary_little_endian", b"binary_big_endian"), "format binary_big_endian"),
        (GOOD.replace(b"double x", b"float x"), "property float x"),
        (GOOD.replace(b"property double z\n", b"property double z\nproperty uchar red\n"), "property uchar red"),
        (GOOD.replace(b"property double z\n", b"property double z\nelement face 1\n"), "element face 1"),
        (GOOD.replace(b"property double z\n", b""), "a model has '.*, element vertex n, property double x"),
        (GOOD.replace(b"vertex 4", b"vertex four"), "element vertex four"),
        (GOOD.replace(b"vertex 4", b"vertex 5"), "damaged; 5 points are 120 bytes, 96 follow"),
        (GOOD[:-1], "damaged; 4 points are 96 bytes, 95 follow"),
        (GOOD + b"\n", "97 follow"),
        (ply.encode(np.zeros((1, 3))), "1 points; a model has at least 2"),
        (ply.encode(np.zeros((0, 3))), "0 points"),
        (ply.encode(np.array([[0.0, 1, 2], [3, np.nan, 5]])), "not finite"),
        (ply.encode(np.array([[0.0, 1, 2], [3, 4, -np.inf]])), "not finite"),
    ],
)
def test_a_bad_ply_file_is_named(tmp_path, data, message):
    path = tmp_path / "bad.ply"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as error:
        ply.load(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.ply: cannot be read \(No such file"):
        ply.load(tmp_path / "none.ply")
    with pytest.raises(ValueError, match="cannot be read"):
        ply.load(tmp_path)


def test_a_category_without_a_model_says_why():
    grows = ifs.IFS(np.array([np.eye(3) * 3.0]), np.ones((1, 3)), np.ones(1))
    with pytest.raises(point_cloud.Degenerate, match=r"no model with weight 1: its orbit does not stay finite"):
        point_cloud.model(grows, np.zeros(5000), weight=1)
    still = ifs.IFS(np.zeros((1, 3, 3)), np.ones((1, 3)), np.ones(1))
    with pytest.raises(point_cloud.Degenerate, match="no extent"):
        point_cloud.model(still, U)


def test_bad_requests_are_refused():
    with pytest.raises(ValueError, match="system: 2 dimensions"):
        point_cloud.model(ifs.sample(streams.Mersenne(1)), U)
    with pytest.raises(ValueError, match="points: 2 is out of range"):
        point_cloud.model(SYSTEM, U[:2])
    with pytest.raises(ValueError, match="weight"):
        point_cloud.model(SYSTEM, U, weight=[1, 2])


def test_a_number_of_points_with_thousands_of_digits_is_refused_by_the_files_name(tmp_path):
    data = ply.encode(np.zeros((5, 3))).replace(b"element vertex 5", b"element vertex " + b"5" * 5000)
    (tmp_path / "x.ply").write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.ply: has 'format .*, element vertex 5{9}"):
        ply.load(tmp_path / "x.ply")
