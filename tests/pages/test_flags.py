"""docs/flags.md: every parameter that it names exists, and has the value that stands there, where it says so."""

import re

import pytest

from ofdb_core.base import provenance
from ofdb_core.run import catalogue, commands, parameter_files, plain_yaml

TEXT = (provenance.PROJECT / "docs" / "flags.md").read_text(encoding="utf-8")


def parts():
    """(experiment, notebook, cell of our side) for each row of each table that is about a notebook."""
    experiment = stage = None
    for line in TEXT.splitlines():
        if line.startswith("## "):
            experiment = stage = None
        experiment = next(iter(re.findall(r"^Experiment `([^`]+)`", line)), experiment)
        stage = next(iter(re.findall(r"notebook `([^`]+)`[:.]", line)), stage)
        cells = re.split(r"(?<!\\) \| ", line.strip("| "))
        if stage and line.startswith("| ") and cells[0] != "flag":
            yield experiment, stage, cells[1]


ROWS = list(parts())


values = parameter_files.values


OURS = ("noise", "scattered", "dead-leaves", "moire", "perlin", "pairs")  # families without an original's program


def test_every_family_and_both_trainings_have_a_table():
    originals = {name for name in catalogue.stages() if name[0] in "12345"} - {f"3_render_{family}" for family in OURS}
    assert {stage for _, stage, _ in ROWS} == originals - {"5_segment"}  # of the original it has no program either


@pytest.mark.parametrize(("experiment", "stage", "cell"), ROWS)
def test_a_parameter_exists_and_has_its_value(experiment, stage, cell):
    kinds = catalogue.stages()[stage].parameters.kinds()
    ours = re.findall(r"`([a-z_]+)(?:: ([^`]+))?`", cell)
    assert ours or "nothing" in cell or "--out" in cell
    for name, text in ours:
        assert name in kinds
        if text:
            assert values(experiment, stage)[name] == plain_yaml.value_of(text, kinds[name])


def test_fine_tuning_is_as_pre_training_where_its_table_names_nothing():
    experiment = "2d-ofdb-1k/as-released"
    first, second = values(experiment, "4_pretrain"), values(experiment, "5_finetune")
    named = {stage: " ".join(cell for e, s, cell in ROWS if (e, s) == (experiment, stage)) for _, stage, _ in ROWS}
    told = set(re.findall(r"`([a-z_]+): ", named["4_pretrain"])) - set(
        re.findall(r"`([a-z_]+)[:`]", named["5_finetune"])
    )
    assert {"mixup", "hflip", "mix_groups", "decay_positions", "crop_scale"} <= told
    assert {name: first[name] for name in told} == {name: second[name] for name in told}


def test_our_options_are_the_commands():
    options = {option for parameter in commands.experiment.params for option in parameter.opts}
    assert set(re.findall(r"\| [^|]*`(--(?:out|launch))", TEXT)) <= options
