import pytest
import tiny

from ofdb_core import recipe

SEARCH = {"out": "o", "seed": 1, "categories": 5, "filling_rate": 0.2, "points": 100, "workers": 0}
RENDER = {"out": "o", "seed": 1, "categories": None, "image_size": 32, "points": 100, "weight": 0.2, "workers": 0}
RENDER["draw"] = "patch_gray"


def test_good_values_make_a_recipe():
    assert recipe.Search.of(SEARCH).values() == SEARCH
    assert recipe.Render2D.of({**RENDER, "weight": [1, 1, 1, 1, 1, 1]}).weight == [1, 1, 1, 1, 1, 1]


def test_where_results_lie_and_how_many_work_is_no_part_of_what_they_are():
    identity = recipe.Search.of(SEARCH).identity()
    assert identity == recipe.Search.of({**SEARCH, "out": "elsewhere", "workers": 7}).identity()
    assert identity != recipe.Search.of({**SEARCH, "seed": 2}).identity()


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (recipe.Search, {"categorys": 5}, r"categorys: unknown parameter \(did you mean categories\?\)"),
        (recipe.Search, {"points": 0}, "points: 0 is out of range; allowed is a whole number, at least 2"),
        (recipe.Search, {"points": 1e5}, "points: 100000.0 is not allowed; allowed is a whole number"),
        (recipe.Search, {"points": "many"}, "points: 'many' is not allowed"),
        (recipe.Search, {"points": True}, "points: True is not allowed"),
        (recipe.Search, {"filling_rate": "2e-1"}, r"filling_rate: '2e-1' .* YAML reads a number only .* as in 2\.0e-1"),
        (recipe.Search, {"filling_rate": 1.5}, "filling_rate: 1.5 is out of range; .* at least 0 and at most 1"),
        (recipe.Search, {"filling_rate": float("nan")}, "filling_rate: nan is not allowed"),
        (recipe.Search, {"seed": -1}, "seed: -1 is out of range"),
        (recipe.Render2D, {"draw": "patch_grey"}, "draw: 'patch_grey' is not allowed; allowed is one of patch_gray, "),
        (recipe.Render2D, {"weight": [1, 2]}, "weight: .* out of range; .* of 6 entries"),
        (recipe.Render2D, {"weight": "0.2"}, "weight: '0.2' is not allowed"),
        (recipe.Render2D, {"image_size": 8}, "image_size: 8 is out of range"),
    ],
)
def test_bad_values_are_refused_with_name_value_and_what_is_allowed(kind, values, message):
    base = SEARCH if kind is recipe.Search else RENDER
    with pytest.raises(recipe.RecipeError, match=message):
        kind.of({**base, **values})


def test_all_problems_are_reported_at_once():
    with pytest.raises(recipe.RecipeError) as error:
        recipe.Search.of({**SEARCH, "points": 0, "seed": "x"})
    assert len(error.value.problems) == 2


def test_a_missing_parameter_is_named():
    with pytest.raises(recipe.RecipeError, match="seed: missing"):
        recipe.Search.take({"out": "o"})


def test_the_originals_order_of_models_passes_over_no_candidate():
    assert tiny.of("3_render_3d", one_stream=True, degenerate="keep").one_stream
    with pytest.raises(recipe.RecipeError, match="one_stream: True needs degenerate: keep"):
        tiny.of("3_render_3d", one_stream=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("views", 0), ("views", -1), ("image_size", 0), ("point_size", 4), ("axes", 0), ("points", 2), ("categories", 0)],
)
def test_views_that_cannot_be_drawn_are_refused(name, value):
    with pytest.raises(recipe.RecipeError, match=f"{name}: {value} is out of range; allowed is a whole number, at lea"):
        tiny.of("3_render_3d", **{name: value})


def test_names_of_data_sets_are_no_paths_even_where_a_folder_has_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "images", "mine"):
        (tmp_path / name).mkdir()
    located = recipe.Finetune.located
    assert located({"data": "digits", "checkpoint": "timm:test_vit", "data_root": "d"}) == {
        **{"data": "digits", "checkpoint": "timm:test_vit", "data_root": str(tmp_path / "d")}
    }
    assert located({"data": "mine"}) == {"data": str(tmp_path / "mine")}
    assert recipe.Pretrain.located({"data": "images"}) == {"data": "images"}


def test_a_recipe_reads_the_users_files_beside_the_experiments_folders(tmp_path):
    (tmp_path / "x.pth").touch()
    (tmp_path / "train").mkdir()
    (tmp_path / "val").mkdir()
    given = {"checkpoint": str(tmp_path / "x.pth"), "data": str(tmp_path)}
    assert tiny.finetune().reads() == ("pretrain",)
    assert tiny.finetune(**given).reads() == (given["checkpoint"], given["data"])
    assert tiny.of("6_evaluate", data="images").reads() == ("pretrain", "images")
