import pytest

from ofdb_core.base import parameters, project
from ofdb_core.families import fractal_2d, fractal_3d
from ofdb_core.stages import recipes
from tests.helpers import tiny

SEARCH = {"out": "o", "search_seed": 1, "categories": 5, "filling_rate": 0.2, "search_points": 100_000, "workers": 0}
RENDER = {"out": "o", "seed": 1, "categories": None, "image_size": 32, "points": 100, "weight": 0.2, "workers": 0}
RENDER |= {"draw": "patch_gray", "systems": None}


def test_good_values_make_a_recipe():
    assert fractal_2d.Search.of(SEARCH).values() == SEARCH
    assert fractal_2d.Render.of({**RENDER, "weight": [1, 1, 1, 1, 1, 1]}).weight == [1, 1, 1, 1, 1, 1]


def test_where_results_lie_and_how_many_work_is_no_part_of_what_they_are():
    identity = fractal_2d.Search.of(SEARCH).identity()
    assert identity == fractal_2d.Search.of({**SEARCH, "out": "elsewhere", "workers": 7}).identity()
    assert identity != fractal_2d.Search.of({**SEARCH, "search_seed": 2}).identity()


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (fractal_2d.Search, {"categorys": 5}, r"categorys: unknown parameter \(did you mean categories\?\)"),
        (fractal_2d.Search, {"points": 500}, r"points: unknown parameter \(it is called search_points here\)"),
        (
            fractal_2d.Search,
            {"search_points": 0},
            "search_points: 0 is out of range; allowed is a whole number, at least 2",
        ),
        (
            fractal_2d.Search,
            {"search_points": 1e5},
            "search_points: 100000.0 is not allowed; allowed is a whole number",
        ),
        (fractal_2d.Search, {"search_points": "many"}, "search_points: 'many' is not allowed"),
        (fractal_2d.Search, {"search_points": True}, "search_points: True is not allowed"),
        (
            fractal_2d.Search,
            {"filling_rate": "2e-1"},
            r"filling_rate: '2e-1' .*\. A number is decimal and has no quotes or leading zeros, as 10, 0\.5 or 1e-3",
        ),
        (fractal_2d.Search, {"filling_rate": 1.5}, "filling_rate: 1.5 is out of range; .* at least 0 and at most 1"),
        (fractal_2d.Search, {"filling_rate": float("nan")}, "filling_rate: nan is not allowed"),
        (
            fractal_2d.Search,
            {"search_points": 500},
            "filling_rate: 0.2 is out of range; 500 points can light 0 to 0.0019",
        ),
        (fractal_2d.Search, {"search_seed": -1}, "search_seed: -1 is out of range"),
        (fractal_2d.Search, {"seed": 1}, r"seed: unknown parameter \(it is called search_seed here\)"),
        (
            fractal_2d.Render,
            {"draw": "patch_grey"},
            "draw: 'patch_grey' is not allowed; allowed is one of patch_gray, ",
        ),
        (fractal_2d.Render, {"weight": [1, 2]}, "weight: .* out of range; .* of 6 entries"),
        (fractal_2d.Render, {"weight": "0.2"}, "weight: '0.2' is not allowed"),
        (fractal_2d.Render, {"image_size": 8}, "image_size: 8 is out of range"),
    ],
)
def test_bad_values_are_refused_with_name_value_and_what_is_allowed(kind, values, message):
    base = SEARCH if kind is fractal_2d.Search else RENDER
    with pytest.raises(parameters.ParameterError, match=message):
        kind.of({**base, **values})


def test_all_problems_are_reported_at_once():
    with pytest.raises(parameters.ParameterError) as error:
        fractal_2d.Search.of({**SEARCH, "search_points": 0, "search_seed": "x"})
    assert len(error.value.problems) == 2


def test_a_missing_parameter_is_named():
    with pytest.raises(parameters.ParameterError, match="seed: missing"):
        fractal_2d.Search.take({"out": "o"})


def test_names_that_meant_two_things_are_known_by_their_earlier_names_in_a_record():
    assert fractal_2d.Search.recorded({"seed": 1, "points": 5}) == {"search_seed": 1, "search_points": 5}
    assert fractal_2d.Explore.recorded({"seed": 1, "points": 5}) == {"search_seed": 1, "points": 5}
    assert fractal_3d.Render.recorded({"seed": 1, "points": 5}) == {"seed": 1, "model_points": 5}


def test_what_makes_categories_others_than_the_published_ones_is_said():
    assert fractal_2d.Search.of(SEARCH).unpublished() == ""
    other = fractal_2d.Search.of({**SEARCH, "search_seed": 2, "search_points": 400_000})
    assert other.unpublished() == "search_seed is 2, not 1, search_points is 400000, not 100000"


def test_a_path_in_a_notebook_starts_at_the_projects_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "FOLDER", tmp_path / "project")
    (tmp_path / "project" / "photos").mkdir(parents=True)
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    given = {**tiny.defaults("4_pretrain"), "data": "photos", "out": "runs/lab"}
    taken = recipes.Pretrain.take(given)
    assert (taken.out, taken.data) == (f"{tmp_path}/project/runs/lab", f"{tmp_path}/project/photos")


def test_the_originals_order_of_models_passes_over_no_candidate():
    assert tiny.of("3_render_3d", one_stream=True, degenerate="keep").one_stream
    with pytest.raises(parameters.ParameterError, match="one_stream: True needs degenerate: keep"):
        tiny.of("3_render_3d", one_stream=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("views", 0),
        ("views", -1),
        ("image_size", 0),
        ("point_size", 4),
        ("axes", 0),
        ("model_points", 2),
        ("categories", 0),
    ],
)
def test_views_that_cannot_be_drawn_are_refused(name, value):
    with pytest.raises(
        parameters.ParameterError, match=f"{name}: {value} is out of range; allowed is a whole number, at lea"
    ):
        tiny.of("3_render_3d", **{name: value})


def test_names_of_data_sets_are_no_paths_even_where_a_folder_has_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "images", "mine"):
        (tmp_path / name).mkdir()
    located = recipes.Finetune.located
    assert located({"data": "digits", "checkpoint": "timm:test_vit", "data_root": "d"}) == {
        **{"data": "digits", "checkpoint": "timm:test_vit", "data_root": str(tmp_path / "d")}
    }
    assert located({"data": "mine"}) == {"data": str(tmp_path / "mine")}
    assert recipes.Pretrain.located({"data": "images"}) == {"data": "images"}


def test_a_recipe_reads_the_users_files_beside_the_experiments_folders(tmp_path):
    (tmp_path / "x.pth").touch()
    (tmp_path / "train").mkdir()
    (tmp_path / "val").mkdir()
    given = {"checkpoint": str(tmp_path / "x.pth"), "data": str(tmp_path)}
    assert tiny.finetune().reads() == ("pretrain",)
    assert tiny.finetune(**given).reads() == (given["checkpoint"], given["data"])
    assert tiny.of("6_evaluate", data="images").reads() == ("pretrain", "images")
