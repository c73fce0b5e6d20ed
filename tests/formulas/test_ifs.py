import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofdb_core.formulas import ifs, streams
from tests.helpers import reference


@pytest.mark.parametrize(("d", "columns"), [(2, 7), (3, 13)])
def test_a_csv_file_gives_the_same_system_back(tmp_path, d, columns):
    system = ifs.sample(streams.Mersenne(1), d)
    ifs.save(system, tmp_path / "a.csv")
    again = ifs.load(tmp_path / "a.csv")
    assert (ifs.table(again) == ifs.table(system)).all()
    assert ifs.table(again).shape == (len(system), columns)
    assert again.A.shape == (len(system), d, d)
    assert again.t.shape == (len(system), d)
    assert again.p.shape == (len(system),)


@given(st.integers(0, 1000), st.sampled_from([2, 3]))
def test_a_random_system_has_2_to_7_maps_and_probabilities(seed, d):
    system = ifs.sample(streams.Mersenne(seed), d)
    assert 2 <= len(system) <= 7
    assert np.isclose(system.p.sum(), 1)
    assert (np.abs(system.A) <= 1).all()


@given(st.integers(0, 2**32 - 1))
def test_determinants_in_space_are_those_of_plain_python(seed):
    A = np.random.default_rng(seed).uniform(-1, 1, (4, 3, 3))
    determinants = ifs.determinants(A)
    assert determinants.shape == (4,)
    assert determinants.tolist() == [reference.determinant(matrix) for matrix in A.tolist()]
    assert np.allclose(determinants, np.abs(np.linalg.det(A)), rtol=1e-9, atol=1e-12)


def test_a_matrix_without_volume_has_no_determinant():
    flat = np.array([np.zeros((3, 3)), np.ones((3, 3)), np.diag([1.0, 0, 2]), np.eye(3)[[1, 2, 0]] * [2, 1, -1]])
    assert ifs.determinants(flat).tolist() == [0, 0, 0, pytest.approx(2, rel=1e-15)]


def test_the_weight_scales_coefficients_and_leaves_p():
    system = ifs.sample(streams.Mersenne(1))
    scaled = system.weighted(0.2)
    assert (scaled.A[:, 0, 0] == system.A[:, 0, 0] * 0.2).all()
    assert (scaled.A[:, 1] == system.A[:, 1]).all()
    assert (scaled.p == system.p).all()
    assert (system.weighted([1, 1, 1, 1, 1, 3]).t == system.t * [1, 3]).all()
    with pytest.raises(ValueError, match="weight"):
        system.weighted([1, 2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n", "line 1: 3 numbers; a map has 6 numbers"),
        ("", "holds no numbers; a map has 6 numbers"),
        ("a,b,c,d,e,f,p\n", "holds no numbers"),
        ("# a fern\n\n", "holds no numbers"),
        ("a,b\n", "line 1: names the columns a b; they are a to f"),
        ("a,b,c,d,e,e,p\n", "line 1: names the columns a b c d e e p"),
        ("a,b,c,d,e,f,p\n\n1;2;3\n", "line 3: 3 numbers, and 7 before"),
        ("0,5 0 0 0,5 0 0\n", "line 1: 8 numbers"),
        ("1_0,2,3,4,5,6\n", "line 1: '1_0,2,3,4,5,6' is no row of numbers, with a decimal point"),
        ("1,2,3,4,5,6,7\n1,,2\n", "line 2: '1,,2' is no row"),
        ("1,2,3,4,5,6,7\n1,2\n", "line 2: 2 numbers, and 7 before"),
        ("1" * (2**20 + 1), "1,048,577 bytes; at most 1,048,576 are read"),
        ("1,2,3,4,5,nan,1\n", "not finite"),
        ("1,2,3,4,5,6,-1\n", "negative"),
        ("1,2,3,4,5,6,-1\n1,2,3,4,5,6,2\n", "negative"),
        ("1,2,3,4,5,6,inf\n", "not finite"),
        ("1,2,3,4,5,6,1e400\n", "not finite"),
        ("1,2,3,4,5,6,0\n", "add up to 0; a map needs one above 0"),
        ("1,2,3,4,5,6,1e308\n1,2,3,4,5,6,1e308\n", "add up to inf"),
        ("1,2,3,4,5,6,0.00390625\n" * 256, "has 256 maps; at most 255 are allowed"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_bad_csv_file_is_named(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        ifs.load(path)
    assert str(path) in str(error.value)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="256 maps; at most 255"):
        ifs.IFS(np.zeros((256, 2, 2)), np.zeros((256, 2)), np.full(256, 1 / 256))
    with pytest.raises(ValueError, match="shape"):
        ifs.IFS(np.zeros((2, 4, 4)), np.zeros((2, 4)), np.ones(2))
    with pytest.raises(ValueError, match="do not fit"):
        ifs.IFS(np.zeros((2, 2, 2)), np.zeros((3, 2)), np.ones(2))


@given(
    p=st.lists(st.floats(0, 1), min_size=1, max_size=8).filter(lambda p: sum(p) > 1e-3),
    digits=st.integers(0, 18),
    d=st.sampled_from([2, 3]),
)
def test_p_keeps_its_bits_exactly_where_it_adds_up_to_one(tmp_path_factory, p, digits, d):
    path = tmp_path_factory.mktemp("ifs") / "a.csv"
    rows = np.column_stack([np.ones((len(p), d * d + d)), np.array(p) / sum(p)])
    np.savetxt(path, rows, delimiter=",", fmt=f"%.{digits}e")
    written, read = np.loadtxt(path, delimiter=",", ndmin=2)[:, -1], ifs.load(path).p
    assert abs(read.sum() - 1) <= ifs.SUM_TOLERANCE
    if abs(written.sum() - 1) <= ifs.SUM_TOLERANCE:
        assert (read == written).all()
    assert np.allclose(read, written / written.sum(), rtol=1e-5, atol=0)


def test_where_p_is_missing_it_follows_the_areas_and_a_flat_map_has_a_small_part():
    A = ifs.sample(streams.Mersenne(1)).A
    areas = ifs.determinants(A)
    assert np.allclose(ifs.shares(A), areas / areas.sum(), rtol=0.02)
    assert np.allclose(ifs.shares(np.array([np.eye(2), np.ones((2, 2))])), [1 / 1.001, 0.001 / 1.001])
    for flat in (np.zeros((4, 3, 3)), np.full((4, 2, 2), 1e200)):
        assert ifs.shares(flat).tolist() == [0.25] * 4
