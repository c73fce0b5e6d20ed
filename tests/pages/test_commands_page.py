"""What docs/commands.md says is true: its commands are understood, and its experiment of one's own is one."""

import re
import shlex

import pytest

from ofdb_core.base import provenance
from ofdb_core.run import commands, experiments, parameter_files
from tests.helpers.words import parsed

PAGE = (provenance.PROJECT / "docs" / "commands.md").read_text()
LINES = re.findall(r"^    (?:source <\()?ofdb ?([^#\n)]*)", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", LINES)
def test_its_commands_are_understood(line, monkeypatch):
    monkeypatch.setenv(experiments.PARAMS_VARIABLE, "")  # to be as it was after the test
    words = shlex.split(line.partition(">")[0])
    name = words[0] if words else commands.DEFAULT
    if name in commands.command.commands:
        commands.command.commands[name].make_context(name, words[1:])
    elif name != "--help":
        assert name in {*experiments.names(), "few"}
        if name != "few":
            assert set(parsed(words).names) <= set(parameter_files.notebooks(name))


def test_it_names_every_command():
    """`run_all.sh --help` prints these lines where nothing is set up yet."""
    assert {*commands.command.commands} <= {line.split()[0] for line in LINES if line.split()}


def test_its_experiment_of_ones_own_has_what_it_extends(tmp_path, monkeypatch):
    (name, text), *others = re.findall(r"```yaml\n# (mine/few\.yaml)\n(.*?)```", PAGE, re.DOTALL)
    assert not others
    (tmp_path / "mine").mkdir()
    (tmp_path / name).write_text(text)
    monkeypatch.setenv(experiments.PARAMS_VARIABLE, str(tmp_path / "mine"))
    assert parameter_files.notebooks("few") == parameter_files.notebooks("2d-ofdb-1k")
    assert parameter_files.values("few", "1_search_categories")["categories"] == 100
    assert [parameter_files.values(f"few{part}", "4_pretrain")["steps"] for part in ("", "/longer")] == [20_000, 40_000]
    live = parameter_files.checked("few/live", ["4_pretrain"], [], tmp_path)["4_pretrain"].live
    assert (live["patches"], live["share"]) == ("pattern", 1.0)
