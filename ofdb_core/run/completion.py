"""Completion of the command's words by bash, zsh and fish, in click's way.

The shell calls it at each press of the key, so it imports nothing slow.
"""

import contextlib
import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

from ofdb_core.base import files, project
from ofdb_core.run import experiments

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_OFDB_COMPLETE"  # set by the script when the shell asks
WORDS = "ofdb.words"  # the key of all words typed so far, in click's context
NAMES = "ofdb run_all.sh ./run_all.sh"  # the names under which the command is typed
KEPT = project.PACKAGE / "__pycache__" / "parameters.json"


def script(shell: str, command: click.Command) -> str:
    """The script that a shell reads once, as in `source <(ofdb completion bash)`.

    It is click's script, with one change: it calls this Python, since run_all.sh would check its environment first.
    """
    kind = get_completion_class(shell)
    assert kind
    ask = shlex.join([sys.executable, "-P", "-m", "ofdb_core"])
    text = re.sub(r"(\$1|\bofdb)(?=\))", lambda _: ask, kind(command, {}, "ofdb", VARIABLE).source())
    text = re.sub(r".*\$\+commands\[.*\n", "", text)  # zsh's line that wants the program on the PATH
    text = re.sub(r"--command ofdb", " ".join(f"--command {name}" for name in NAMES.split()), text)
    return re.sub(r"(?<= )ofdb$", NAMES, text, flags=re.MULTILINE)


def answer(command: click.Command, program: str, instruction: str) -> int:
    """Print completions of the last word; none after a mistake, which the command itself explains."""
    with contextlib.suppress(experiments.UsageError, OSError):
        return shell_complete(command, {}, program, VARIABLE, instruction)
    return 1


def path(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What the shell itself completes: files and folders."""
    return [CompletionItem(incomplete, type="file")]


PATH: dict[str, Any] = {"metavar": "DIR", "shell_complete": path}  # of an argument or option
FILE = {**PATH, "metavar": "FILE"}


def experiment(_context: click.Context, _parameter: click.Parameter | None, incomplete: str) -> list[str]:
    """The experiments."""
    return [name for name in experiments.names() if name.startswith(incomplete)]


def notebook(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The notebooks of the experiment that are not named yet."""
    name, *named = _typed(context)
    return [stage for stage in experiments.stages(name) if stage.startswith(incomplete) and stage not in named]


def parameter(context: click.Context, option: click.Parameter, incomplete: str) -> list[CompletionItem] | list[str]:
    """After -p, the names of parameters; after a name, its value, which may be a file."""
    if context.meta[WORDS][-1] != "-p":
        return path(context, option, incomplete)
    name, *named = _typed(context)
    every, known = experiments.stages(name), names_of_parameters()
    pairs = [(stage, name) for stage in every if stage in named or not named for name in known.get(stage, ())]
    words = {f"{stage}.{name}" if "." in incomplete else name for stage, name in pairs}
    return sorted(word for word in words if word.startswith(incomplete))


def _typed(context: click.Context) -> list[str]:
    """The experiment and its notebooks on the line so far; they are in `args` if an unfinished -p ended the parsing."""
    name = context.params.get("name") if "name" in context.params else context.info_name
    return [word for word in (name, *(context.params.get("names") or ()), *context.args) if word] or ["quickstart"]


def names_of_parameters() -> dict[str, list[str]]:
    """Stage -> the names of its parameters. They are kept in a file: importing the classes takes seconds."""
    elsewhere = os.environ.get("OFDB_FAMILIES", "")
    sources = [*project.PACKAGE.rglob("*.py"), *map(Path, filter(None, elsewhere.split(os.pathsep)))]
    code = [elsewhere, len(sources), max(source.stat().st_mtime_ns for source in sources)]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(KEPT.read_bytes())
        if kept["code"] == code:
            return kept["parameters"]
    from ofdb_core.run import catalogue

    found = {
        name: [one for one in stage.parameters.kinds() if one != "out"] for name, stage in catalogue.stages().items()
    }
    with contextlib.suppress(OSError):  # a package that another user installed
        files.write_whole(KEPT, json.dumps({"code": code, "parameters": found}))
    return found
