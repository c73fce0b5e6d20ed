"""What `list` prints: the experiments, the parameters of one of them, or the differences between two of them."""

import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from ofdb_core.base import project, record, units
from ofdb_core.base.files import Unreadable
from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import describe
from ofdb_core.run import experiments, ledger

HEAD = ("experiment", "done", "time here", "disk", "what it is")
UNKNOWN = "?: `cost EXPERIMENT` measures it, in a minute or two"
WIDEST = 44  # characters of a column


def width() -> int | None:
    """The columns of the terminal; None if the output goes elsewhere: then no line is wrapped."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def overview(columns: int | None) -> str:
    """A row for each experiment: its name, what is done, its cost if that was measured, and its description."""
    every, prices = experiments.found(), ledger.read()
    costs = {name: (units.duration(price.seconds), units.size(price.kept)) for name, price in prices.items()}
    names = experiments.names(every)
    rows = [(name, _done(name, every), *costs.get(name, ("?", "?")), every[name].subject) for name in names]
    return table([HEAD, *rows], columns) + ("" if costs else f"\n\n{UNKNOWN}")


def table(rows: Sequence[Sequence[str]], columns: int | None) -> str:
    """Rows of text in aligned columns, the last of which is wrapped."""
    *short, _ = zip(*rows, strict=True)
    widths = [min(WIDEST, max(map(len, texts))) for texts in short]
    lines = []
    for row in rows:
        *first, last = row
        lines += wrapped("".join(f"{text:<{wide}}  " for text, wide in zip(first, widths, strict=True)), last, columns)
    return "\n".join(lines)


def wrapped(first: str, text: str, columns: int | None) -> list[str]:
    """The lines of `first` and a text after it, within a width; one line if there is no width."""
    if columns is None or len(first + text) <= columns:
        return [(first + text).rstrip()]
    indent = " " * min(len(first), columns // 2)
    lines = textwrap.TextWrapper(columns, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
    if columns - len(first) < columns // 3:  # too narrow a strip to read
        lines.initial_indent = indent
        return [first.rstrip(), *lines.wrap(text)]
    return lines.wrap(first + text)


def _done(name: str, every: experiments.Experiments) -> str:
    """How many of an experiment's notebooks have run in its own folder of results."""
    stages, out = experiments.stages(name, every), project.RUNS / name
    try:
        ran = [stage for stage in record.read(out) if stage in stages and (out / f"{stage}.ipynb").exists()]
    except Unreadable:
        return "unreadable"
    return "all" if len(ran) == len(stages) else f"{len(ran)} of {len(stages)}" if ran else "-"


def parameters(name: str, only: Collection[str], columns: int | None) -> Iterator[str]:
    """The lines of an experiment's parameters, or of some stages': value, meaning, what is allowed, where it is set."""
    from ofdb_core.run import parameter_files  # slow to import, and the overview does not need it

    chosen = parameter_files.notebooks(name, only)
    yield from wrapped(f"{name}: ", " ".join(chosen), columns)
    if swept := experiments.sweep(name):
        yield f"\n  sweep: {', '.join(f'{axis} {values}' for axis, values in swept.items())}"
    for stage in chosen:
        yield f"\n  {stage}\n{table(list(_rows(name, stage)), columns)}"


def _rows(experiment: str, stage: str) -> Iterator[tuple[str, str]]:
    from ofdb_core.run import catalogue, parameter_files

    kind, settings = catalogue.stages()[stage].parameters, parameter_files.settings(experiment, stage)
    settings["out"] = parameter_files.Setting(str(project.RUNS / experiment))  # no file sets it
    values = {name: setting.value for name, setting in settings.items()}
    for name, (value, origin) in settings.items():
        entries = kind.entries(name, values)
        if not entries:
            yield _row(name, value, kind, name, origin)
        for part in entries:
            for entry, own in {**part.defaults(), **value}.items():
                yield _row(f"{name}.{entry}", own, part, entry, origin if entry in value else None)


def _row(shown: str, value: Any, kind: type[Parameters], name: str, origin: str | None) -> tuple[str, str]:
    about = f"{kind.comments().get(name, '')} [{describe(kind.kinds()[name])}]" if name in kind.kinds() else "unknown"
    return f"  {'*' if origin else ' '} {shown} = {value!r}", f"{about}{f' <- {origin}' if origin else ''}"


def differences(one: str, other: str, columns: int | None) -> str:
    """A row for each parameter in which two experiments differ, with both values."""
    from ofdb_core.run import parameter_files

    rows: list[tuple[str, ...]] = [("parameter", one, other)]
    notebooks = [parameter_files.notebooks(name) for name in (one, other)]
    for stage in sorted({*notebooks[0], *notebooks[1]}):
        if stage in notebooks[0] and stage in notebooks[1]:
            here, there = (parameter_files.values(name, stage) for name in (one, other))
            changed = [name for name in here if here[name] != there[name]]
            rows += [(f"{stage}.{name}", repr(here[name]), repr(there[name])) for name in changed]
        else:
            rows.append((stage, *("runs" if stage in each else "-" for each in notebooks)))
    return table(rows, columns) if len(rows) > 1 else f"{one} and {other} do not differ"


def as_yaml(experiment: str, stage: str, overrides: Iterable[tuple[str, str]] = ()) -> str:
    """The parameters that a stage would run with, as the flat YAML file that a run leaves beside its notebook."""
    from ofdb_core.run import parameter_files

    chosen, out = parameter_files.notebooks(experiment, [stage]), project.RUNS / experiment
    return parameter_files.to_yaml(parameter_files.checked(experiment, chosen, overrides, out)[stage].values())
