"""1p-frac against the original's numbers, and its sampler against plain NumPy, which the original calls."""

import hashlib
import io
import shutil

import numpy as np
import pytest
from PIL import Image

from ofdb_core.base import parameters
from ofdb_core.data import samples
from ofdb_core.families import fractal_2d, one_parameter
from ofdb_core.families.one_parameter import Render
from ofdb_core.formulas import ifs, raster, singular
from ofdb_core.formulas.streams import Mersenne
from tests.helpers import tiny

GRAY = raster.palette(one_parameter.DRAW)
SECOND = "d24586d437cd93c8bfdabbf8d8b6f54611ee5ef6c778aad8961f1aef3852518b"


def plain_system(seed, sigma):
    """Rows a to f and p by NumPy's own products and determinants, in the original's order of draws."""
    rng = np.random.default_rng(seed)
    signs = np.sign(rng.random((4, 2, 1)) - 0.5)
    turns = [[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in rng.uniform(-np.pi, np.pi, 4)]
    W = np.array(turns) @ (np.eye(2)[None] * signs)
    values = singular.values(rng, 2, rng.uniform(sigma - 0.1, sigma + 0.1))
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


def image(base, stream, **values):
    """The next accepted image of a stream."""
    return one_parameter.accepted(base, Render(out="", seed=0, **values), stream)[-1]


def test_images_are_the_originals_under_its_stream():
    """The second golden is met where one number lies between two categories; the program itself draws none there."""
    base, stream = one_parameter.system(0, 3.5), Mersenne([0])
    assert hashed(image(base, stream)).startswith("16f520cebe15e8ff")
    stream.words(1)
    assert hashed(image(base, stream)) == SECOND


def test_a_perturbation_that_is_too_empty_is_drawn_again_from_the_same_stream():
    base, stream = one_parameter.system(0, 3.5), Mersenne([0])
    first = image(base, stream, filling_rate=0.0)
    assert np.count_nonzero(first) / first.size < 0.05  # what the published rule passes over
    again = image(base, stream)
    assert np.count_nonzero(again) / again.size > 0.05
    assert hashed(again).startswith("16f520cebe15e8ff")


def test_a_rule_that_nothing_fulfils_is_an_error(monkeypatch):
    monkeypatch.setattr(one_parameter, "TRIES", 3)
    with pytest.raises(ValueError, match=r"filling_rate: none of 3 perturbations lights more than 0\.9 of the pixels"):
        image(one_parameter.system(0, 3.5), Mersenne([0]), filling_rate=0.9, points=100, image_size=64)


def test_without_delta_all_categories_have_one_shape():
    base = one_parameter.system(0, 4.0)
    assert (ifs.table(one_parameter.perturbed(base, 0.0, Mersenne([1]))) == ifs.table(base)).all()


@pytest.mark.parametrize(("name", "value"), [("sigma", 6.5), ("delta", -0.1), ("categories", 0), ("points", 1)])
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(parameters.ParameterError, match=f"{name}: {value} is out of range"):
        Render(**{"out": "", "seed": 0, name: value})


# ---- systems as files

HOW = {"image_size": 64, "points": 3000, "filling_rate": 0.15, "seed": 7}  # so that some are drawn again
LIVE = {"size": 64, "dots": 3000, "seed": 7}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    one_parameter.write(Render(out=str(out), categories=6, **HOW))
    return out


def images(out):
    return {path.name: path.read_bytes() for path in (out / "1p-frac").rglob("*.png")}


def test_a_systems_file_says_where_its_patches_begin(run):
    codes = run / "1p-frac-codes"
    starts, systems = ifs.starts(codes), dict(ifs.load_folder(codes))
    assert min(starts.values()) == 24 < max(starts.values())  # twelve numbers; some were drawn again
    for category, start in starts.items():
        stream = Mersenne([7, category])
        stream.words(start - 24)
        base = one_parameter.system(0, 3.5)
        assert (ifs.table(one_parameter.perturbed(base, 0.1, stream)) == ifs.table(systems[category])).all()
        assert (codes / f"{category:05d}.csv").read_bytes().startswith(ifs.csv(systems[category]))


def test_files_and_seed_give_the_images_again(run, tmp_path):
    some, rule = tmp_path / "some", {"delta": 0.9, "system_seed": 5}  # which do not matter then
    some.mkdir()
    for number in (1, 4, 5):
        shutil.copy(run / "1p-frac-codes" / f"{number:05d}.csv", some)
    asked = Render(out=str(tmp_path / "out"), systems=str(some), **HOW, **rule)
    one_parameter.check(asked)
    one_parameter.write(asked)
    every, again = images(run), images(tmp_path / "out")
    assert list(again) == [name for name in every if name[:5] in ("00001", "00004", "00005")]
    assert all(every[name] == data for name, data in again.items())
    copies = tmp_path / "out" / "1p-frac-codes"
    assert {path.name: path.read_bytes() for path in copies.iterdir()} == {
        path.name: path.read_bytes() for path in some.iterdir()
    }


def test_systems_of_ones_own_have_the_patches_of_their_names(tmp_path):
    (tmp_path / "mine").mkdir()
    system = one_parameter.system(3, 3.5)
    ifs.save(system, tmp_path / "mine" / "fern.csv")
    asked = Render(out=str(tmp_path / "out"), systems=str(tmp_path / "mine"), **HOW)
    one_parameter.write(asked)
    (data,) = images(tmp_path / "out").values()
    expected = fractal_2d.indices(system, size=64, points=3000, weight=1, seed=7, category=ifs.number_of("fern"))
    assert (np.asarray(Image.open(io.BytesIO(data))) == expected * raster.GRAY).all()
    with pytest.raises(parameters.ParameterError, match="one_stream: True needs systems: null"):
        Render(systems=str(tmp_path / "mine"), one_stream=True)
    ifs.save(system.weighted(9), tmp_path / "mine" / "wild.csv")
    with pytest.raises(ValueError, match=r"wild\.csv: its orbit does not stay finite"):
        one_parameter.check(asked)


def test_one_stream_runs_through_systems_and_images(tmp_path):
    asked = Render(out=str(tmp_path), categories=4, one_stream=True, **HOW)
    one_parameter.write(asked)
    base, stream = one_parameter.system(0, 3.5), Mersenne([7])
    for name, data in sorted(images(tmp_path).items()):
        expected = one_parameter.accepted(base, asked, stream)[-1]
        assert (np.asarray(Image.open(io.BytesIO(data))) == expected * raster.GRAY).all(), name


def test_training_draws_the_images_from_their_systems_alone(run, tmp_path):
    stored = samples.Images.from_folder(run / "1p-frac")
    alone = shutil.copytree(run / "1p-frac-codes", tmp_path / "1p-frac-codes")
    for root in (run / "1p-frac-codes", alone):
        recipe = tiny.pretrain(data="1p-frac-codes", samples="live", live={**LIVE, "patches": "pattern"})
        found = recipe.opened("1p-frac-codes", root)
        assert found.classes == stored.classes
        for i in range(len(stored)):
            assert (found.pixels(i) == stored.pixels(i)).all()
            assert (found.pixels(i, 5) != stored.pixels(i)).any()


def test_live_samples_are_as_published_unless_the_stored_ones_are_not(run, capsys):
    published = tiny.pretrain(data="1p-frac-codes", samples="live")
    with pytest.raises(ValueError, match=r"live\.size: 512, but .*1p-frac was made with 64; give one of the two"):
        published.opened("1p-frac-codes", run / "1p-frac-codes")
    assert {
        "size": Render().image_size,
        "points": Render().points,
        "weight": 1,
        "seed": Render().seed,
    } == one_parameter.RELEASED
    assert "weight" not in capsys.readouterr().out


@pytest.mark.parametrize("zeros", [11, 19, 5000])
def test_a_start_beyond_every_stream_is_refused(tmp_path, zeros):
    data = ifs.csv(one_parameter.system(0, 3.5), 1).replace(b"word 1 ", b"word 1%b " % (b"0" * zeros))
    (tmp_path / "00000.csv").write_bytes(data)
    with pytest.raises(ValueError, match=r"00000\.csv, word: 1\d+ is out of range"):
        ifs.starts(tmp_path)
