"""What docs/commands.md says is true: its commands are understood, and its experiment of one's own is one."""

import re
import shlex

import pytest

from ofdb_core import __main__ as command
from ofdb_core.base import provenance
from ofdb_core.run import experiments, parameter_files

PAGE = (provenance.PROJECT / "docs" / "commands.md").read_text()
LINES = re.findall(r"^    (?:source <\()?ofdb ?([^#\n)]*)", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", LINES)
def test_its_commands_are_understood(line):
    words = shlex.split(line)
    if not words or words[0] in command.RAW or words == ["--help"]:
        return
    found = command.parsed(words)
    assert found.experiment in {*command.OURS, *experiments.names(), "few"}
    if found.experiment in experiments.names():
        assert set(found.names) <= set(parameter_files.notebooks(found.experiment))


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
