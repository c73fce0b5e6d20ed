import pytest

from ofdb_core.base import parameters, project, values
from ofdb_core.families import fractal_2d, registry
from ofdb_core.stages import recipes
from tests.helpers import tiny

SEARCH = {"out": "o", "search_seed": 1, "categories": 5, "filling_rate": 0.2, "search_points": 100_000, "workers": 0}
SEARCH |= {"method": "uniform"}
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
    class Needy(parameters.Parameters):
        size: int
        """Pixels."""

    with pytest.raises(parameters.ParameterError, match="size: missing"):
        Needy.take({})


class Group(parameters.Parameters):
    """Two that exclude each other, and a list."""

    exclusive = (("steps", "epochs"),)
    renamed = {"length": "steps"}

    steps: values.Count | None = 10
    """Batches:
    a whole number."""
    epochs: values.Count | None = None
    """Passes."""
    sides: list[int] = [1, 2]
    """Pixels."""


class Whole(Group):
    """The same, with a mapping and another default."""

    no_effect = ("note",)

    steps: values.Count | None = 20
    note: str = ""
    """Of the reader's."""
    options: dict = {"depth": 4}
    """Of the network."""

    @classmethod
    def entries(cls, name, values=None):
        return [Group] if name == "options" else []


def test_a_class_has_fields_defaults_and_comments_of_what_it_inherits():
    assert Whole.defaults() == {"steps": 20, "epochs": None, "sides": [1, 2], "note": "", "options": {"depth": 4}}
    assert Whole.comments()["steps"] == "Batches: a whole number."  # of the group, where it says none itself
    assert Whole.kinds()["note"] is str
    assert Whole.kind("options.sides") == list[int]
    assert Whole.kind("options.side") is None
    with pytest.raises(TypeError):
        Whole(20)
    with pytest.raises(AttributeError):
        Whole().steps = 3


class Refusing(Group):
    def conflicts(self):
        yield f"steps: {self.steps} are too few"


class Elsewhere(Refusing):
    """As a family's file outside this project may have it, which asks its groups itself."""

    def conflicts(self):
        yield from super().conflicts()
        yield "epochs: none"


def test_every_group_names_its_conflicts_once_from_the_base_up():
    with pytest.raises(parameters.ParameterError) as refused:
        Elsewhere(steps=1, epochs=2)
    pair, *own = refused.value.problems
    assert pair.startswith("steps, epochs: 1 and 2 are given")
    assert own == ["steps: 1 are too few", "epochs: none"]


def test_a_default_that_is_a_list_is_nobodys():
    Whole().sides.append(3)
    Whole.defaults()["options"]["depth"] = 5
    assert Whole().sides == [1, 2]
    assert Whole().options == {"depth": 4}


def test_values_lie_over_others_by_entry_and_one_of_a_pair_takes_the_others_place():
    lower = {"steps": 3, "options": {"depth": 4, "heads": 2}}
    assert Whole.layered(lower, {"options.depth": 5}) == {"steps": 3, "options": {"depth": 5, "heads": 2}}
    assert Whole.layered(lower, {"options": {"depth": 5}})["options"] == {"depth": 5}
    assert lower == {"steps": 3, "options": {"depth": 4, "heads": 2}}
    found = Whole.layered({"steps": 3, "epochs": None}, {"epochs": 2})
    assert (found["steps"], found["epochs"]) == (None, 2)


def test_changes_are_what_is_not_the_default():
    assert Whole().changes() == {}
    assert Whole(steps=None, epochs=2, sides=[1, 2]).changes() == {"steps": None, "epochs": 2}
    assert Whole.of(Whole(note="a").changes()) == Whole(note="a")
    assert "note" not in Whole(note="a").identity()


def test_a_notebook_takes_its_names_and_refuses_those_that_papermill_put_there_and_it_does_not_know():
    names = {"steps": 5, "note": "a", "numpy": object(), "stage": "x", "In": ["", "# Parameters\nsteps = 5\nstage = 1"]}
    assert Whole.take(names, besides=["stage"]) == Whole(steps=5, note="a")
    with pytest.raises(parameters.ParameterError, match=r"^stage: unknown parameter \(did you mean steps"):
        Whole.take(names)
    injected = {**names, "stepz": 5, "In": ["", "# Parameters\nlength = 1", "# Parameters\nstepz = 5\nnote = 'a'"]}
    with pytest.raises(parameters.ParameterError, match=r"^stepz: unknown parameter \(did you mean steps\?\)$"):
        Whole.take(injected)
    with pytest.raises(parameters.ParameterError, match=r"^length: unknown parameter \(it is called steps here\)$"):
        Whole.of({"length": 1})


def test_a_misspelled_name_in_a_notebooks_own_cell_is_refused_until_the_cell_is_mended():
    own = f"{parameters.OWN}. Others may be set, too\nsteps: int = 5  # Batches.\n"
    names = {
        "steps": 5,
        "stepz": 7,
        "sise": 1,
        "In": ["", own + "stepz: int = 7", own + "stepz, note = 7, 'a'", "sise = 1"],
    }
    with pytest.raises(parameters.ParameterError, match=r"^stepz: unknown parameter \(did you mean steps\?\)$"):
        Whole.take(names)
    with pytest.raises(parameters.ParameterError, match=r"^stepz: unknown"):
        Whole.take({**names, "In": ["", own + "stepz: int = 7", "# Parameters\nsteps = 5"]})
    assert Whole.take({**names, "In": [*names["In"], own]}) == Whole(steps=5)
    assert Whole.take({"steps": 5, "In": ["", f"{own}stepz: int", "stepz = 7"]}) == Whole(steps=5)


def test_the_parameters_of_live_samples_are_whole_in_what_a_training_is_recorded_by():
    usual = tiny.pretrain(data="models", samples="live")
    assert usual.identity()["live"] == registry.sources()["models"].live().values()
    assert usual.identity() == tiny.pretrain(data="models", samples="live", live={"axes": 3}).identity()
    assert usual.identity() != tiny.pretrain(data="models", samples="live", live={"axes": 1}).identity()
    assert tiny.pretrain(data="images").identity()["live"] == {}
    again = recipes.Pretrain.of({**usual.values(), "data": "categories3d"})
    assert again.live.keys() == registry.sources()["categories3d"].live.kinds().keys()


def test_what_makes_categories_others_than_the_published_ones_is_said():
    assert fractal_2d.Search.of(SEARCH).unpublished() == ""
    other = fractal_2d.Search.of({**SEARCH, "search_seed": 2, "search_points": 400_000})
    assert other.unpublished() == "search_seed is 2, not 1, search_points is 400000, not 100000"


def test_a_path_in_a_notebook_starts_at_the_projects_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "FOLDER", tmp_path / "project")
    (tmp_path / "project" / "photos").mkdir(parents=True)
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    taken = recipes.Pretrain.take({"data": "photos", "out": "runs/lab"})
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
