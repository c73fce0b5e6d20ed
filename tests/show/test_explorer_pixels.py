"""The browser computes what Python computes, bit for bit: streams, systems, orbits, pictures, files."""

import numpy as np
import pytest

from ofdb_core.families import fractal_2d, one_parameter
from ofdb_core.formulas import camera, chaos_game, ifs, raster, search, streams
from ofdb_core.formulas.streams import Mersenne
from ofdb_core.show import explorer, turntable

pytestmark = pytest.mark.slow

SIZES = [(16, 500), (97, 20_000), (362, 200_000), (512, 200_000)]


@pytest.fixture
def js(tab):
    """A function that calls a JavaScript function of the module and gives what it returns."""
    module = tab.module(explorer.MODULE)

    def call(code, *arguments):
        return tab.page.evaluate(
            f"([js, ...given]) => {{ const f = {code}; return f(js, ...given); }}", [module, *arguments]
        )

    return call


@pytest.fixture(scope="module")
def systems():
    """The first six published categories, and one that runs off to infinity and then to NaN."""
    wild = ifs.IFS(np.array([[[1.5, 0.3], [-0.4, 1.4]]]), np.ones((1, 2)), np.ones(1))
    assert np.isnan(chaos_game.orbit(wild, streams.choices(10_000))).any()
    return [*(search.published(2, i) for i in range(6)), wild]


@pytest.mark.parametrize("key", [0, 100, 2**32 - 1, [0], [5, 7], [2**32 - 1, 3, 1]])
def test_the_streams_are_those_of_numpy_and_python(js, key):
    mine = Mersenne(key)
    wanted = [mine.random(1000).tolist(), mine.patches(2000).tolist(), [mine.integer(2, 8) for _ in range(50)]]
    assert wanted == js(
        "(js, key) => { const m = new js.Mersenne(key);"
        " return [[...m.random(1000)], [...m.patches(2000)], Array.from({length: 50}, () => m.integer(2, 8))]; }",
        key,
    )


def same(js, system, how):
    """Whether the browser draws the picture that Python draws."""
    text = "(js, ...given) => js.picture(...given).reduce((text, index) => text + String.fromCharCode(32 + index), '')"
    drawn = np.frombuffer(js(text, ifs.table(system).tolist(), how).encode("latin1"), np.uint8) - 32
    return (drawn.reshape(how["size"], -1) == fractal_2d.indices(system, **how)).all()


@pytest.mark.parametrize("draw", raster.DRAWS)
@pytest.mark.parametrize(("size", "points"), SIZES)
def test_a_picture_has_the_pixels_of_python(js, systems, draw, size, points):
    for category, system in enumerate(systems):
        how = {"draw": draw, "size": size, "points": points, "seed": 3, "category": category}
        assert same(js, system, {**how, "weight": 1.0})
        assert same(js, system, {**how, "weight": 0.2, "category": None})


def test_filling_rate_search_and_instances_are_those_of_python(js, systems):
    for system in systems:
        orbit = chaos_game.orbit(system, streams.choices(100_000))
        rate = "(js, rows) => js.fillingRate(js.orbit(rows, js.choose(rows, js.numbers('random', 100, 100000))))"
        assert js(rate, ifs.table(system).tolist()) == raster.filling_rate(orbit)
    found = js("js => js.searched(new js.Mersenne(1))")
    assert found == ifs.table(systems[0]).tolist()
    wanted = ifs.table(one_parameter.perturbed(systems[0], 0.1, Mersenne([4, 9]))).tolist()
    assert js("(js, rows) => js.perturbed(rows, 0.1, 4, 9)", found) == wanted
    for spread in (0.4, 0.1, 0.5, 0.05):
        assert js("(js, spread) => js.weightRows(spread)", spread) == ifs.weight_rows(spread).tolist()


def test_a_system_goes_to_text_and_back(js, systems, tmp_path):
    for system in systems:
        rows = ifs.table(system).tolist()
        assert js("(js, rows) => js.toCSV(rows)", rows).encode() == ifs.csv(system)
        text = js("(js, rows) => js.toText(rows)", rows)
        assert ifs.table(ifs.parse(text)).tolist() == rows
        for written in (text, ifs.to_text(system), ifs.csv(system).decode()):
            assert js("(js, text) => js.parse(text)", written) == rows


@pytest.mark.parametrize("p", ["", " 0.33", " 1", " 0.25"])
@pytest.mark.parametrize("between", [" ", "\t", ",", " , ", ";"])
def test_a_table_that_is_pasted_is_read_as_python_reads_it(js, between, p):
    lines = [f"{map_}{p}".split() for map_ in ("0.5 0 0 0.5 0 0", "0.5 0 0 0.5 0.5 0", "0.5 0 0 0 0 0.5")]
    names = [*"FEDCBA", *(["prob"] if p else [])]
    named = [names, *([*line[5::-1], *line[6:]] for line in lines)]
    for rows in (lines, named):
        for text in (
            "\n".join(between.join(row) for row in rows),
            "# printed\n" + "\n".join(map(" ".join, rows)) + " # so",
        ):
            assert np.allclose(js("(js, text) => js.parse(text)", text), ifs.table(ifs.parse(text)), rtol=1e-15, atol=0)
    commas = "\n".join(";".join(line).replace(".", ",") for line in lines)
    assert np.allclose(js("(js, text) => js.parse(text)", commas), ifs.table(ifs.parse(commas)), rtol=1e-15, atol=0)
    told = js("(js, text) => { let told = ''; js.parse(text, (words) => (told = words)); return told; }", commas)
    assert told == {" 0.33": "p adds up to 0.99, so each p is divided by the sum.", " 1": told, " 0.25": told}.get(
        p, ""
    )


@pytest.mark.parametrize(
    "text",
    ["1 2 3", "a b c d e", "1,,2,3,4,5,6", "1 2 3 4 5 6 0", "1 2 3 4 5 6 -1", "x {1 2", "<flame/>", "nan 1 2 3 4 5"],
)
def test_what_python_refuses_is_refused(js, text):
    with pytest.raises(ValueError, match="text"):
        ifs.parse(text)
    assert js("(js, text) => { try { js.parse(text); return ''; } catch (error) { return error.message; } }", text)


@pytest.mark.parametrize("point_size", [1, 2, 3])
def test_the_turntable_has_the_view_of_python(tab, point_size):
    random = np.random.default_rng(point_size)
    points = random.normal(scale=0.7, size=(5000, 3)).astype(np.float32)  # some of them out of sight
    module = tab.module(turntable.MODULE)
    for _ in range(12):
        angles, size = random.uniform(-np.pi, np.pi, 3), int(random.choice([33, 224, 300]))
        told = tab.page.evaluate(
            "([js, points, ...how]) => Array.from(js.view(Float32Array.from(points), ...how)).join('')",
            [module, points.ravel().tolist(), angles.tolist(), size, point_size],
        )
        seen = camera.render(points, camera.rotation(angles), size=size, point_size=point_size)
        assert (np.frombuffer(told.encode(), np.uint8).reshape(size, size) - ord("0") == seen).all()
