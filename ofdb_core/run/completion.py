"""Completion of the command's words by bash and zsh.

The shell asks `completion words WORD ...` at each press of the key. So nothing is imported here that takes long:
parameters are read from the notebooks' files.
"""

import os
import sys
from collections.abc import Iterator, Sequence

from ofdb_core.run import experiments
from ofdb_core.run.experiments import UsageError

ASK = "'{python}' -P -m ofdb_core completion words"

BASH = (
    """_ofdb() {{
    local IFS=$'\\n'
    COMPREPLY=($("""
    + ASK
    + """ "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null))
}}
complete -o default -F _ofdb {names}"""
)

ZSH = (
    """_ofdb() {{
    local -a found
    found=("${{(@f)$("""
    + ASK
    + """ "${{(@)words[2,CURRENT]}}" 2>/dev/null)}}")
    if [[ -n $found ]]; then compadd -- $found; else _files; fi
}}
compdef _ofdb {names}"""
)

SCRIPTS = {"bash": BASH, "zsh": ZSH}
FOLLOWED = {"-p": 2, "--out": 1, "--params": 1, "--launch": 1}  # option -> how many words follow it, of any form
BEFORE_ONE = ("list", "cost")  # commands that are followed by an experiment


def script(shell: str) -> str:
    """What a shell reads once, as by `source <(ofdb completion bash)`."""
    if shell not in SCRIPTS:
        raise UsageError(f"completion: {shell}: no such shell; there are {', '.join(SCRIPTS)}")
    return SCRIPTS[shell].format(python=sys.executable, names="ofdb run_all.sh ./run_all.sh")


def words(typed: Sequence[str], commands: Sequence[str]) -> list[str]:
    """What the last of the typed words may become; nothing where that is a file, or a value."""
    *before, current = typed or [""]
    if "--params" in before[:-1]:
        os.environ[experiments.PARAMS_VARIABLE] = os.path.realpath(before[before.index("--params") + 1])
    try:
        return sorted({word for word in _candidates(before, current, commands) if word.startswith(current)})
    except (UsageError, OSError):  # the command itself tells of it
        return []


def _candidates(before: Sequence[str], current: str, commands: Sequence[str]) -> Iterator[str]:
    plain = _plain(before)
    experiment, named = (plain[0], plain[1:]) if plain else (None, [])
    asked = named[0] if experiment in BEFORE_ONE and named else experiment
    if before and FOLLOWED.get(before[-1]) == 1:
        return
    if before and before[-1] == "-p":
        every = experiments.stages(asked or "quickstart")
        for stage in [name for name in every if name in named] or every:
            yield from (f"{stage}.{name}" if "." in current else name for name in _parameters(stage))
    elif len(before) > 1 and before[-2] == "-p":
        return
    elif current.startswith("-"):
        yield from (*FOLLOWED, "--help")
    elif experiment is None or experiment in BEFORE_ONE:
        yield from [*experiments.names(), *(() if experiment else commands)]
    elif experiment == "completion":
        yield from SCRIPTS
    elif experiment not in commands:
        yield from (stage for stage in experiments.stages(experiment) if stage not in named)


def _plain(before: Sequence[str]) -> list[str]:
    """The words that are neither options nor what belongs to them."""
    found, left = [], 0
    for word in before:
        if left:
            left -= 1
        elif word.startswith("-"):
            left = FOLLOWED.get(word, 0)
        else:
            found.append(word)
    return found


def _parameters(stage: str) -> list[str]:
    """The names of a stage's parameters."""
    from ofdb_core.run import stages

    return [name for name in stages.stages()[stage].parameters.kinds() if name != "out"]
