import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ofdb_core import __main__ as command
from ofdb_core.base import provenance, record
from ofdb_core.base.parameters import ParameterError
from ofdb_core.families import registry
from ofdb_core.families.drawing import MixingPictures
from ofdb_core.families.registry import Source, Stage
from ofdb_core.run import catalogue
from ofdb_core.stages.recipes import Pretrain
from tests.helpers import tiny, toy_family

TOY = toy_family.FAMILY


@pytest.fixture
def toy():
    with toy_family.registered():
        yield TOY


def test_every_file_of_the_folder_that_registers_a_family_is_read():
    texts = [path.read_text() for path in Path(registry.__file__).parent.glob("*.py")]
    assert len(registry.families()) == sum("\nFAMILY = " in text for text in texts)
    names = list(registry.families())
    assert [name for name in names if name in ("visualatom", "2d", "3d")] == [
        "2d",
        "3d",
        "visualatom",
    ]  # as their stages


def test_a_family_from_elsewhere_is_one_among_the_others(toy):
    assert registry.families() == {**registry.families(), "toy": TOY}
    assert list(registry.families()).index("toy") == list(registry.families()).index("visualatom") - 1
    assert registry.family_of("3_render_toy") is TOY
    assert registry.stage_of("3_render_toy") is catalogue.stages()["3_render_toy"] is TOY.stages[0]
    assert registry.sources()["toys"] is TOY.sources[0]
    assert catalogue.maker("toys") == "3_render_toy"


def test_it_is_gone_afterwards():
    assert "toy" not in registry.families()
    assert "3_render_toy" not in catalogue.stages()


def test_its_stage_has_the_shared_notebook_and_the_values_of_its_class(toy):
    assert "3_render_toy" in registry.served_stages()
    assert provenance.notebook_of("3_render_toy").stem == provenance.SHARED_NOTEBOOK
    parameters = catalogue.stages()["3_render_toy"].parameters
    assert parameters.defaults()["categories"] == 4
    assert parameters.comments()["categories"] == "How many to draw."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "2d"}, "name: 2d is taken by 2D-OFDB; choose another"),
        (
            {"stages": (Stage("3_render_3d", toy_family.Render), *TOY.stages)},
            "stages: 3_render_3d is taken by 3D-OFDB; choose another",
        ),
        (
            {"stages": (replace(TOY.stages[0], writes=("toys", "categories")),)},
            "writes: categories is taken by 2D-OFDB; choose another",
        ),
        ({"sources": (Source("visualatom"),)}, "sources: visualatom is taken by VisualAtom; choose another"),
    ],
)
def test_names_that_are_taken_are_refused(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        registry.together([*registry.families().values(), replace(TOY, **changes)])
    assert "toy" not in registry.families()


def test_a_family_is_registered_once(toy):
    with pytest.raises(ValueError, match="name: toy is taken by Toy; choose another"):
        registry.together([*registry.families().values(), replace(TOY, stages=(), sources=())])
    with pytest.raises(ValueError, match="stages: 3_render_toy is taken by Toy"):
        registry.together([*registry.families().values(), replace(TOY, name="other")])


def test_the_folder_of_a_user_is_opened_by_what_is_in_it(tmp_path):
    (tmp_path / "views" / "a").mkdir(parents=True)
    (tmp_path / "views" / "a" / "x.png").touch()
    (tmp_path / "models" / "wrapper" / "a").mkdir(parents=True)
    (tmp_path / "models" / "wrapper" / "a" / "x.ply").touch()
    (tmp_path / "models" / "wrapper" / "b").mkdir()
    live = registry.sources()["models"]
    assert registry.source_of(str(tmp_path / "models"), tmp_path / "models") is live
    assert registry.source_of(str(tmp_path / "views"), tmp_path / "views").live is None
    assert registry.source_of("/nowhere", Path("/nowhere")).live is None
    assert registry.source_of("models", tmp_path / "views") is live


def test_the_version_of_code_from_elsewhere_follows_its_file(tmp_path):
    """As for the package: comments do not count, and what the function uses does."""
    path, text = tmp_path / "elsewhere.py", "SIDE = 3  # pixels\n\n\ndef draw():\n    return SIDE\n"
    path.write_text(text)

    def version():
        code = "import elsewhere; from ofdb_core.base import provenance; print(provenance.code_version(elsewhere.draw))"
        where = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{provenance.PROJECT}"}
        return subprocess.check_output([sys.executable, "-c", code], env=where)

    before = version()
    path.write_text(text.replace("pixels", "side"))
    assert version() == before
    path.write_text(text.replace("3", "4"))
    assert version() != before


@pytest.mark.slow
def test_a_family_from_elsewhere_goes_from_its_parameters_to_a_report_with_a_training_step(params, monkeypatch, capfd):
    """Through the command, by a file that nothing else knows of, named from where the command is given."""
    monkeypatch.setenv(registry.FAMILIES_VARIABLE, os.path.relpath(toy_family.__file__))
    monkeypatch.setattr(registry, "families", registry.families.__wrapped__)
    training = {**tiny.PRETRAIN, "data": "toy_seeds", "samples": "live", "live.holes": 0.5, "steps": 2}
    out = params(**{"3_render_toy": {"categories": 3}, "4_pretrain": training, "6_report": {}})
    command.main(["tiny", "--out", str(out), "-p", "live.holes", "0.25"])
    entries = record.read(out)
    assert list(entries) == ["3_render_toy", "4_pretrain", "6_report"]
    assert entries["4_pretrain"]["results"]["steps"] == 2
    assert entries["4_pretrain"]["parameters"]["live"] == {"holes": 0.25}
    page = (out / "report.html").read_text()
    assert page.index("One image of each of the first 3 of 3 categories.") < page.index('<section id="ran"')
    assert '<section id="3_render_toy"><h2>Toy' in page
    capfd.readouterr()
    command.main(["tiny", "--out", str(out), "-p", "live.holes", "0.25"])
    assert capfd.readouterr().out.count("skipped") == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, " is no Python file"),
        ("FAMILY = 3", r" does not end with FAMILY = Family\(\.\.\.\)"),
        ("\n1 / 0", ", line 2: ZeroDivisionError: division by zero"),
        ("import no_such_package", ", line 1: ModuleNotFoundError: No module named 'no_such_package'"),
        ("x = (", ": SyntaxError: "),
    ],
)
def test_a_file_from_elsewhere_that_is_no_family_is_refused(tmp_path, monkeypatch, text, message):
    path = tmp_path / "no_family.py"
    if text:
        path.write_text(text)
    monkeypatch.setenv(registry.FAMILIES_VARIABLE, str(path))
    with pytest.raises(ValueError, match=f"OFDB_FAMILIES: {path}{message}"):
        registry.families.__wrapped__()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mix_pictures": "pixmix"}, "pixmix and None given; pixmix needs data, none has none"),
        ({"pixmix_data": "noise"}, "none and noise given"),
        (
            {"mix_pictures": "pixmix", "pixmix_data": "nowhere"},
            "pixmix_data: 'nowhere' is no folder, and none of images",
        ),
        (
            {"mix_pictures": "pixmix", "pixmix_data": "noise", "pixmix_live": {"size": 64}},
            "needs a pixmix_data that is drawn while training: categories",
        ),
        (
            {"mix_pictures": "pixmix", "pixmix_data": "noise-codes", "pixmix_live": {"sizes": 64}},
            r"pixmix_live.sizes: no parameter of data: noise-codes \(did you mean size\?\)",
        ),
        (
            {"mix_pictures": "pixmix", "pixmix_data": "noise-codes", "pixmix_live": {"size": 2}},
            "pixmix_live.size: 2 is out of range",
        ),
    ],
)
def test_mixing_pictures_must_be_ones_that_can_be_drawn(values, message):
    with pytest.raises(ParameterError, match=message):
        MixingPictures.of(values)


def test_an_entry_of_the_mixing_pictures_is_a_parameter_of_their_source():
    assert Pretrain.kind("pixmix_live.size") == Pretrain.kind("live.size") is not None
    chosen = {"pixmix_data": "noise-codes", "data": "categories"}
    (source,) = Pretrain.entries("pixmix_live", chosen)
    assert source is registry.sources()["noise-codes"].live
    assert Pretrain.entries("live", chosen) == [registry.sources()["categories"].live]
