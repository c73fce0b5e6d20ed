"""What `list` prints: the experiments, or the parameters of some of them."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ofdb_core.base import project, record, units
from ofdb_core.base.files import Unreadable
from ofdb_core.base.values import describe
from ofdb_core.run import experiments, ledger

HEAD = ("experiment", "done", "time here", "disk", "what it is")
UNKNOWN = "?: `cost EXPERIMENT` measures it, in a minute or two"
WIDEST = 44  # characters of a column
TITLE = "6_report.yaml"  # the file whose title says what an experiment is that has no `about`


def width() -> int | None:
    """The columns of the terminal; None where the output goes elsewhere, and lines are as long as they are."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def overview(columns: int | None) -> str:
    """A row for each experiment: its name, what is done, what it costs where that was measured, and what it is."""
    every, prices = experiments.found(), ledger.read()
    costs = {name: (units.duration(price.seconds), units.size(price.kept)) for name, price in prices.items()}
    rows = [(name, _done(name, every), *costs.get(name, ("?", "?")), _about(name, every)) for name in every]
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
    """The lines of a text that begins after `first`, within a width; one line where there is none to keep."""
    if columns is None or len(first + text) <= columns:
        return [(first + text).rstrip()]
    indent = " " * min(len(first), columns // 2)
    lines = textwrap.TextWrapper(columns, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
    if columns - len(first) < columns // 3:  # too narrow a strip to read
        lines.initial_indent = indent
        return [first.rstrip(), *lines.wrap(text)]
    return lines.wrap(first + text)


def _about(name: str, every: Mapping[str, Path]) -> str:
    """What an experiment is: as it says itself, or else the title of its report."""
    if said := experiments.facts(every[name]).get("about"):
        return said
    path = every[name] / TITLE
    return str(experiments.mapping(path).get("title", "")) if path.exists() else ""


def _done(name: str, every: Mapping[str, Path]) -> str:
    """How many of an experiment's notebooks have run in its own folder of results."""
    stages, out = experiments.stages(name, every), project.RUNS / name
    try:
        ran = [stage for stage in record.read(out) if stage in stages and (out / f"{stage}.ipynb").exists()]
    except Unreadable:
        return "unreadable"
    return "all" if len(ran) == len(stages) else f"{len(ran)} of {len(stages)}" if ran else "-"


def parameters(names: Iterable[str], columns: int | None) -> Iterator[str]:
    """The lines that show all parameters of the named experiments: value, meaning, what is allowed, where it is set."""
    from ofdb_core.run import parameter_files, road  # which takes longer than the overview

    for name in names:
        stages = parameter_files.notebooks(name)
        yield from wrapped(f"{name}: ", " ".join(stages), columns)
        for stage in stages:
            changed, kinds = parameter_files.settings(name, stage), road.stages()[stage].parameters.kinds()
            rows = []
            for parameter, (value, comment) in parameter_files.defaults(stage).items():
                mark, origin = " ", ""
                if parameter in changed:
                    mark, value, origin = "*", changed[parameter].value, f" <- {changed[parameter].origin}"
                about = f"{comment} [{describe(kinds[parameter])}]{origin}"
                rows.append((f"  {mark} {parameter} = {value!r}", about))
            yield f"\n  {stage}\n{table(rows, columns)}"
    yield "\n  * set by the file behind the arrow; the others are the notebook's own"
