"""Parameters have one home, the fields of their classes: what notebooks and params/ repeat is the same or nothing."""

import ast
import io
import json
import tokenize

import pytest

from ofdb_core.base import provenance
from ofdb_core.base.parameters import OWN, StageParameters
from ofdb_core.families import registry
from ofdb_core.run import catalogue, experiments

STAGES = catalogue.stages()
CLASSES = {name: stage.parameters for name, stage in STAGES.items()}
CLASSES |= {f"{name} live": source.live for name, source in registry.sources().items() if source.live}
SECTIONS = [(name, stage) for name, one in experiments.found().items() for stage in one.sections]


@pytest.mark.parametrize("name", CLASSES)
def test_every_parameter_has_a_comment(name):
    comments = CLASSES[name].comments()
    assert comments.keys() == CLASSES[name].kinds().keys()
    assert [field for field, comment in comments.items() if len(comment) < 4 or not comment.endswith(".")] == []


@pytest.mark.parametrize("name", STAGES)
def test_the_defaults_of_a_stage_are_parameters(name):
    assert STAGES[name].parameters.of({}).values() == STAGES[name].parameters.defaults()


def shown(path):
    """The names of a notebook's `parameters` cell -> value and comment."""
    text = "".join(json.loads(path.read_text())["cells"][1]["source"])
    comments = {
        token.start[0]: token.string.removeprefix("# ")
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    lines = [line for line in ast.parse(text).body if isinstance(line, ast.AnnAssign)]
    assert text.startswith(OWN)  # by which `take` knows the cell
    assert len(lines) == len(ast.parse(text).body)
    return {line.target.id: (ast.literal_eval(line.value), comments.get(line.lineno)) for line in lines}


@pytest.mark.parametrize("path", sorted(provenance.NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_shows_a_few_parameters_as_its_class_has_them(path):
    found = shown(path)
    assert 2 <= len(found) <= 11
    parameters = StageParameters
    if path.stem == provenance.SHARED_NOTEBOOK:
        assert found.pop("stage")[0] is None  # the one that is no parameter of a family
    else:
        parameters = STAGES[path.stem].parameters
    defaults, comments = parameters.defaults(), parameters.comments()
    assert found.keys() <= defaults.keys()
    assert found == {name: (defaults[name], comments[name]) for name in found}


def without(name, stage, every):
    """The values of a stage that an experiment would have if its own section of it were empty."""
    values = STAGES[stage].parameters.defaults()
    for one in experiments.lineage(name, every)[:-1]:
        values = STAGES[stage].parameters.layered(values, one.sections.get(stage, {}))
    return values


def repeated(name, stage, every):
    """The names in a section whose value the experiment would have without them."""
    parameters, section, found = STAGES[stage].parameters, every[name].sections[stage], []
    for entry in section:
        others = parameters.layered(without(name, stage, every), {n: v for n, v in section.items() if n != entry})
        whole, (field, _, part) = parameters.layered(others, section), entry.partition(".")
        usual = [own.defaults()[part] for own in parameters.entries(field, whole) if part and part in own.kinds()]
        before = others[field].get(part, *usual[:1]) if part else others.get(field)
        if before == section[entry]:
            found.append(entry)
    return found


@pytest.mark.parametrize(("name", "stage"), SECTIONS)
def test_no_section_repeats_a_value_that_holds_without_it(name, stage):
    assert repeated(name, stage, experiments.found()) == []


def test_a_repeated_value_would_be_noticed(params, tmp_path):
    params(**{"4_pretrain": {"steps": 312_500, "data": "categories", "samples": "live", "live.levels": [0, 255]}})
    assert repeated("tiny", "4_pretrain", experiments.found()) == ["steps", "live.levels"]
    more = "variants:\n  more:\n    4_pretrain: {data: categories, batch_size: 64, live.patches: both}\n"
    (tmp_path / "params" / "tiny.yaml").write_text((tmp_path / "params" / "tiny.yaml").read_text() + more)
    assert repeated("tiny/more", "4_pretrain", experiments.found()) == ["data"]
