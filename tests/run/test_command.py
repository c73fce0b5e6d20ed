"""The command's own words: completion, schemas for editors, projects; and that these are quick to start."""

import contextlib
import io
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Annotated, Literal

import jsonschema
import pytest
from click.shell_completion import BashComplete

from ofdb_core import __main__ as command
from ofdb_core.base import json_schema, project, provenance, values
from ofdb_core.run import catalogue, commands, completion, experiments, plain_yaml, schema
from ofdb_core.run.experiments import UsageError


@pytest.mark.slow
def test_a_closed_output_is_refused_in_one_sentence():
    closed = ["bash", "-c", '"$@" >&-', "bash", sys.executable, "-m", "ofdb_core", "list"]
    done = subprocess.run(closed, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == ["the output is closed; send it to /dev/null instead"]


@pytest.mark.slow
@pytest.mark.parametrize("utf8", [{}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_a_name_is_printed_in_any_locale_and_gives_a_terminal_no_orders(tmp_path, utf8):
    name = b"\xc3\x9cbung \x1b]0;mine\x07 \xff"  # a letter, a new title for the window, and a byte that is no letter
    (tmp_path / os.fsdecode(name)).mkdir()
    where = {**{key: value for key, value in os.environ.items() if key != "PYTHONUTF8"}, "LC_ALL": "C", **utf8}
    ask = [sys.executable, "-m", "ofdb_core", "verify", os.fsencode(tmp_path) + b"/" + name]
    done = subprocess.run(ask, env=where, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"\xc3\x9cbung \\x1b]0;mine\\x07 \\udcff: no manifest here" in done.stderr, done.stderr


@pytest.mark.slow
def test_a_family_s_file_that_fails_ends_the_command_with_a_sentence(tmp_path):
    (tmp_path / "mine.py").write_text("1 / 0")
    where = {**os.environ, "OFDB_FAMILIES": str(tmp_path / "mine.py")}
    command = [sys.executable, "-m", "ofdb_core", "list", "quickstart"]
    done = subprocess.run(command, env=where, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.endswith(f"OFDB_FAMILIES: {tmp_path}/mine.py, line 1: ZeroDivisionError: division by zero\n")
    assert done.stderr.count("\n") == 2


def completed(*typed):
    """What bash offers for the last word; what it completes itself, as files, is not counted."""
    *before, current = typed
    try:
        found = BashComplete(commands.command, {}, "ofdb", completion.VARIABLE).get_completions(before, current)
    except UsageError:  # `answer` offers nothing then
        return []
    return [item.value for item in found if item.type == "plain"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (("quickst",), ["quickstart"]),
        (("li",), ["list"]),
        (("2d-ofdb-1k/v",), ["2d-ofdb-1k/vit-base"]),
        (("quickstart", "2_"), ["2_render_2d"]),
        (("quickstart", "2_render_2d", "2_"), []),
        (("quickstart", "--o"), ["--out"]),
        (("quickstart", "--out", ""), []),
        (("quickstart", "-p", "search_"), ["search_points", "search_seed"]),
        (("quickstart", "2_render_2d", "-p", "search_"), []),
        (("quickstart", "-p", "search_", ""), []),
        (("quickstart", "-p", "4_pretrain.ema"), ["4_pretrain.ema"]),
        (("quickstart", "-p", "ema", ""), []),
        (("-p", "required_"), ["required_gain"]),
        (("quickstart", "-p", "ema", "0.9", "1_"), ["1_search_categories"]),
        (("1p-frac", "-p", "sig"), ["sigma"]),
        (("list", "visualatom-1k/"), ["visualatom-1k/published"]),
        (("list", "ver"), []),
        (("cost", "quicks"), ["quickstart"]),
        (("cost", "1p-frac", "-p", "sig"), ["sigma"]),
        (("cost", "quickstart", "4_"), ["4_pretrain"]),
        (("cost", "quickstart", "4_pretrain", "-p", "4_pretrain.ema"), ["4_pretrain.ema"]),
        (("-p", "search_seed", "3", "2_"), ["2_render_2d"]),
        (("sweep", "quicks"), ["quickstart"]),
        (("sweep", "quickstart", "4_"), ["4_pretrain"]),
        (("sweep", "quickstart", "-p", "search_"), ["search_points", "search_seed"]),
        (("sweep", "quickstart", "--j"), ["--jobs"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("quickstrt", ""), []),
        (("verify", ""), []),
    ],
)
def test_the_last_word_is_completed(typed, expected):
    assert completed(*typed) == expected


def test_all_parameters_that_can_be_given_are_offered():
    offered = {name for name in completed("quickstart", "-p", "") if "." not in name}
    kinds = [catalogue.stages()[stage].parameters.kinds() for stage in experiments.stages("quickstart")]
    assert offered == {name for names in kinds for name in names} - {"out"}


def test_words_of_ones_own_experiments_are_completed(tmp_path, monkeypatch):
    monkeypatch.setenv(experiments.PARAMS_VARIABLE, "")  # to be as it was after the test
    (tmp_path / "fern.yaml").write_text("extends: evaluate")
    assert completed("list", "--params", str(tmp_path), "fe") == ["fern"]
    assert completed("fern", "--params", str(tmp_path), "6_e") == ["6_evaluate"]


@pytest.mark.slow
def test_bash_completes_by_the_script(capsys, tmp_path):
    command.main(["completion", "bash"])
    asked = 'COMP_WORDS=(ofdb quickstart 2_); COMP_CWORD=2; _ofdb_completion; echo "${COMPREPLY[@]}"'
    script = f"{capsys.readouterr().out}\n{asked}; complete -p ofdb run_all.sh ./run_all.sh >/dev/null\n"
    told = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert (told.stdout, told.stderr) == ("2_render_2d\n", "")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_takes_the_script(capsys):
    command.main(["completion", "zsh"])
    subprocess.run(["zsh", "-n"], input=capsys.readouterr().out, text=True, check=True)


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_script_asks_python_itself_wherever_it_lies(monkeypatch, shell, tmp_path):
    python = tmp_path / "o'clock $x" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho plain,"$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(completion.sys, "executable", str(python))
    script = completion.script(shell, commands.command)
    assert script.count(f"{shlex.quote(str(python))} -P -m ofdb_core)") == 1
    assert not re.search(r"\$1\)|commands\[", script)
    if shell == "bash":
        asked = 'COMP_WORDS=(ofdb q); COMP_CWORD=1; _ofdb_completion; echo "${COMPREPLY[@]}"'
        told = subprocess.run(["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True)
        assert (told.stdout, told.stderr) == ("-P -m ofdb_core\n", "")


def test_names_of_parameters_are_kept_until_the_code_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(completion, "KEPT", tmp_path / "kept.json")
    fresh = completion.names_of_parameters()
    kept = json.loads((tmp_path / "kept.json").read_text())
    assert kept["parameters"] == fresh
    (tmp_path / "kept.json").write_text(json.dumps({**kept, "parameters": {"4_pretrain": ["one"]}}))
    assert completion.names_of_parameters() == {"4_pretrain": ["one"]}
    for other in (json.dumps({**kept, "code": ["", 1, 2]}), "[", "{}", "[1]"):
        (tmp_path / "kept.json").write_text(other)
        assert completion.names_of_parameters() == fresh


@pytest.mark.slow
def test_completing_and_listing_import_nothing_that_takes_long():
    heavy = ("torch", "numba", "numpy", "scipy", "matplotlib", "papermill", "jupyter_client")
    completion.names_of_parameters()  # keeps what takes long
    asking = {completion.VARIABLE: "bash_complete", "COMP_WORDS": "ofdb quickstart -p ", "COMP_CWORD": "3"}
    for words, variables in (([], asking), (["list"], {})):
        code = f"import sys; from ofdb_core import __main__ as c; c.main({words}); print(); "
        code += f"print([name for name in {heavy} if name in sys.modules])"
        how = {"env": {**os.environ, **variables}, "capture_output": True, "text": True, "check": True}
        found = subprocess.run([sys.executable, "-c", code], **how)
        assert found.stdout.splitlines()[-1] == "[]"


@pytest.fixture(scope="module")
def validator():
    """That of an experiment's file, as the command prints it."""
    with contextlib.redirect_stdout(io.StringIO()) as told:
        command.main(["schema"])
    found = json.loads(told.getvalue())
    assert found == schema.schema()
    jsonschema.Draft7Validator.check_schema(found)
    return jsonschema.Draft7Validator(found)


@pytest.mark.parametrize("path", sorted(project.PARAMS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_is_as_the_schema_says(validator, path):
    validator.validate(plain_yaml.parse(path.read_bytes()))


@pytest.mark.parametrize(
    "text",
    [
        *("- a", "abuot: a", "about: 3", "extends: [a]", "stages: 4_pretrain", "4_pretrian: {}", "4_pretrain: 3"),
        *("4_pretrain: {stesp: 3}", "4_pretrain: {steps: many}", "4_pretrain: {steps: 0}", "4_pretrain: {out: here}"),
        *("4_pretrain: {live_patches: both}", "4_pretrain: {live.patchs: both}", "4_pretrain: {live.patches: a}"),
        *("variants: [a]", "variants: {a: 3}", "variants: {a: {4_pretrain: {steps: many}}}"),
    ],
)
def test_a_mistake_in_an_experiment_is_marked(validator, text):
    assert not validator.is_valid(plain_yaml.parse(text))


def test_what_an_experiment_may_say_is_not_marked(validator):
    text = """
        about: a
        extends: quickstart
        stages: [4_pretrain]
        1_search_categories:
        4_pretrain: {live.patches: both, live: {patches: both}, model_options: {depth: 1}, auto_augment: null}
        variants: {a: {variants: {b: {5_finetune: {steps: null, epochs: 3}}}}}
    """
    validator.validate(plain_yaml.parse(textwrap.dedent(text)))


def test_editors_are_told_what_a_parameter_is(validator):
    stage = validator.schema["definitions"]["4_pretrain"]["properties"]
    assert stage["steps"]["description"].startswith("Batches; null where epochs has a value.")
    assert stage["steps"]["default"] == 312_500
    assert stage["live.patches"]["enum"] == ["stored", "pattern", "texture", "both"]
    assert "images" in stage["data"]["examples"]
    assert "out" not in stage


KINDS = [
    *(kind for stage in catalogue.stages().values() for kind in stage.parameters.kinds().values()),
    Annotated[list[int], values.Length(1, 2, once=True), values.Range(0, 5)],
    Literal["a", 1, None],
]
TRIED = [None, True, "a", "", 0, 1, -1, 3, 0.5, 1e12, 10**12, [], [1], [1, 1], [0.5, 0.5, 0.5], [1] * 6, ["a"], {}]
TRIED += [{"depth": 1}, {"depth": 1e12}, {"depth": "a"}, "pre-trained", ["pre-trained"], "all", "auto", "refuse", 224]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_schema_takes_what_its_type_takes(kind):
    validator = jsonschema.Draft7Validator(json_schema.of(kind))
    for value in TRIED:
        taken = values.refusal("x", value, kind) is None
        assert validator.is_valid(value) == taken, (kind, value)


def test_a_project_of_ones_own_is_what_came_with_the_package(tmp_path, capsys):
    command.main(["init", str(tmp_path / "new")])
    told = capsys.readouterr().out
    assert told.startswith(f"{tmp_path / 'new'}: is a project")
    assert len(told.splitlines()) == 1
    made = {path.relative_to(tmp_path / "new") for path in (tmp_path / "new").rglob("*") if path.is_file()}
    ours = [path for name in ("notebooks", "params") for path in (project.SOURCE / name).iterdir() if path.is_file()]
    assert made == {*(path.relative_to(project.SOURCE) for path in ours), Path(project.MARKER)}


@pytest.mark.parametrize("place", [project.SOURCE, project.PACKAGE / "mine"])
def test_no_project_is_made_in_the_package(place):
    with pytest.raises(UsageError, match="is where the package itself lies; give a folder elsewhere"):
        command.main(["init", str(place)])


def test_the_projects_folder_is_one_that_was_made_or_the_checkout(tmp_path, monkeypatch):
    def folder(module=project.__file__):
        return runpy.run_path(str(module))["FOLDER"]

    monkeypatch.delenv(project.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert folder() == provenance.PROJECT
    (tmp_path / project.MARKER).touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert folder() == tmp_path
    monkeypatch.setenv(project.VARIABLE, str(tmp_path / "told"))
    assert folder() == tmp_path / "told"
    monkeypatch.delenv(project.VARIABLE)
    installed = tmp_path / "installed"
    for name in ("base", "notebooks"):  # as pip lays it: the notebooks are in the package
        (installed / name).mkdir(parents=True)
    shutil.copy(project.__file__, installed / "base")
    monkeypatch.chdir(tmp_path.parent)
    assert folder(installed / "base" / "project.py") == tmp_path.parent


def test_a_project_that_another_user_made_is_not_run_for_being_around(tmp_path, monkeypatch):
    (tmp_path / project.MARKER).touch()
    if os.getuid() == 0:
        os.chown(tmp_path / project.MARKER, 1, 1)
    monkeypatch.setattr(project.os, "getuid", lambda: (tmp_path / project.MARKER).stat().st_uid + 1)
    assert not project.is_made(tmp_path)
    monkeypatch.setattr(project.os, "getuid", lambda: (tmp_path / project.MARKER).stat().st_uid)
    assert project.is_made(tmp_path)


def test_the_commit_is_the_projects_own_or_none(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a", *words], check=True)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    monkeypatch.setattr(provenance, "PROJECT", tmp_path)
    assert len(provenance.commit()) == 40
    (tmp_path / "site-packages").mkdir()
    monkeypatch.setattr(provenance, "PROJECT", tmp_path / "site-packages")
    assert provenance.commit() is None
    monkeypatch.setattr(project, "INSTALLED", True)
    monkeypatch.setattr(provenance, "DISTRIBUTION", "no-such-package")
    assert provenance.commit() is None
    noted = '{"vcs_info": {"commit_id": "abc"}}'
    monkeypatch.setattr(
        provenance.metadata, "distribution", lambda _: type("Noted", (), {"read_text": lambda *_: noted})()
    )
    assert provenance.commit() == "abc"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["2d-ofdb-1k", "--against", "2d-ofdb-21k"], r"4_pretrain\.batch_size +256 +1024\n"),
        (["quickstart", "4_pretrain"], r"^quickstart: 4_pretrain\n\n  4_pretrain\n    out = '\S*runs/quickstart' "),
        (["quickstart", "4_pretrain", "--yaml"], r"^out: '\S*runs/quickstart'\n"),
        (["quickstart", "4_pretrain", "--yaml"], r"\nlive: {.*'patches': 'pattern'.*}\n"),
        (["quickstart", "4_pretrain", "--yaml", "-p", "live.patches", "both"], r"\nlive: {.*'patches': 'both'.*}\n"),
    ],
)
def test_list_shows_what_differs_and_what_a_stage_would_run_with(words, shown, capsys):
    assert command.main(["list", *words]) == 0
    assert re.search(shown, capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["quickstart", "--yaml"], "give EXPERIMENT NOTEBOOK --yaml"),
        (["quickstart", "evaluate", "--against", "compare"], "or EXPERIMENT --against ANOTHER"),
        (["quickstart", "-p", "seed", "3"], "-p requires --yaml"),
        (["quickstart", "--against", "quickstar"], "quickstar: no such experiment .did you mean quickstart"),
        (["quickstart", "9_nothing"], "9_nothing: no notebook of quickstart"),
        (["quickstart", "9_nothing", "--yaml"], "9_nothing: no notebook of quickstart"),
    ],
)
def test_what_list_cannot_show_is_refused(words, message):
    with pytest.raises(UsageError, match=message):
        command.main(["list", *words])
