"""1p-frac against the original's numbers, and its sampler against plain NumPy, which the original calls."""

import hashlib
import io

import numpy as np
import pytest

from ofdb_core.base import parameters
from ofdb_core.families import one_parameter
from ofdb_core.families.one_parameter import Render
from ofdb_core.formulas import ifs, raster
from ofdb_core.formulas.streams import Mersenne

GRAY = raster.palette(one_parameter.DRAW)
SECOND = "d24586d437cd93c8bfdabbf8d8b6f54611ee5ef6c778aad8961f1aef3852518b"


def plain_system(seed, sigma):
    """Rows a to f and p by NumPy's own products and determinants, in the original's order of draws."""
    rng = np.random.default_rng(seed)
    signs = np.sign(rng.random((4, 2, 1)) - 0.5)
    turns = [[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in rng.uniform(-np.pi, np.pi, 4)]
    W = np.array(turns) @ (np.eye(2)[None] * signs)
    values = one_parameter.singular_values(rng, rng.uniform(sigma - 0.1, sigma + 0.1))
    A = (W[:2] * values[:, None, :]) @ W[2:]
    areas = np.array([abs(np.linalg.det(map_)) for map_ in A])
    return np.column_stack([A.reshape(2, 4), rng.uniform(-1, 1, (2, 2)), areas / areas.sum()])


def hashed(image):
    return hashlib.sha256(GRAY[image].tobytes()).hexdigest()


def test_the_system_of_seed_0_is_the_originals_to_the_byte():
    text = io.BytesIO()
    ifs.save(one_parameter.system(0, 3.5), text)
    known = "4db89b3c958eb5d346e334b4f042bbef6b61f848ebc366b5a65b8fe329a2f40f"
    assert hashlib.sha256(text.getvalue()).hexdigest() == known


@pytest.mark.parametrize("sigma", [0.2, 2.0, 3.5, 4.0, 5.8])
def test_the_sampler_is_numpys_and_its_singular_values_have_the_sum(sigma):
    for seed in range(50):
        system = one_parameter.system(seed, sigma)
        assert np.allclose(ifs.table(system), plain_system(seed, sigma), rtol=1e-12, atol=1e-15)
        values = np.linalg.svd(system.A, compute_uv=False)
        assert abs((values @ [1, 2]).sum() - sigma) <= 0.1 + 1e-9


def test_images_are_the_originals_under_its_stream():
    """The second golden is met where one number lies between two categories; the program itself draws none there."""
    base, stream = one_parameter.system(0, 3.5), Mersenne([0])
    recipe = Render(out="", seed=0)
    assert hashed(one_parameter.indices(base, recipe, stream)).startswith("16f520cebe15e8ff")
    stream.words(1)
    assert hashed(one_parameter.indices(base, recipe, stream)) == SECOND


def test_a_perturbation_that_is_too_empty_is_drawn_again_from_the_same_stream():
    base, stream = one_parameter.system(0, 3.5), Mersenne([0])
    first = one_parameter.indices(base, Render(out="", seed=0, filling_rate=0.0), stream)
    assert np.count_nonzero(first) / first.size < 0.05  # what the published rule passes over
    again = one_parameter.indices(base, Render(out="", seed=0), stream)
    assert np.count_nonzero(again) / again.size > 0.05
    assert hashed(again).startswith("16f520cebe15e8ff")


def test_a_rule_that_nothing_fulfils_is_an_error(monkeypatch):
    monkeypatch.setattr(one_parameter, "TRIES", 3)
    base, recipe = one_parameter.system(0, 3.5), Render(out="", seed=0, filling_rate=0.9, points=100, image_size=64)
    with pytest.raises(ValueError, match=r"filling_rate: none of 3 perturbations lights more than 0\.9 of the pixels"):
        one_parameter.indices(base, recipe, Mersenne([0]))


def test_without_delta_all_categories_have_one_shape():
    base = one_parameter.system(0, 4.0)
    assert (ifs.table(one_parameter.perturbed(base, 0.0, Mersenne([1]))) == ifs.table(base)).all()


@pytest.mark.parametrize(("name", "value"), [("sigma", 6.5), ("delta", -0.1), ("categories", 0), ("points", 1)])
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(parameters.ParameterError, match=f"{name}: {value} is out of range"):
        Render(**{"out": "", "seed": 0, name: value})
