"""What a stage costs on this machine, in time and disk, in words; that of a family's is told by a few categories.

What trainings cost is measured in `trial`, as that needs torch.
"""

import contextlib
import io
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ofdb_core.base import files, provenance
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import MANIFEST
from ofdb_core.base.parameters import NotebookParameters
from ofdb_core.families.registry import Stage
from ofdb_core.run import ledger, stages

FEW, SOME = 4, 16  # categories that a family's stage writes, twice, as the start of its work costs time of its own


@dataclass(frozen=True)
class Cost:
    """What a stage costs: seconds, bytes that stay, further bytes while it runs, kWh where known, and what was done."""

    seconds: float
    kept: int = 0
    meanwhile: int = 0
    energy: float | None = None
    measured: str = ""


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Without what the work prints."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def of_a_notebook() -> float:
    """Seconds that a notebook takes beside its work: about those that this process has taken for what both import."""
    return time.process_time()


def categories(checked: Mapping[str, NotebookParameters], parameters: NotebookParameters) -> int:
    """How many categories a family's stage works on: its own number, or that of the stage or folder that it reads."""
    if own := getattr(parameters, "categories", None):
        return int(own)
    for name, other in checked.items():
        if set(stages.stages()[name].writes) & set(parameters.inputs()):
            return int(getattr(other, "categories", 0))
    return sum(1 for name in parameters.inputs() for _ in (Path(parameters.out) / name).glob("*.csv"))


def of_a_family(stage: Stage, parameters: NotebookParameters, place: Path, total: int) -> Cost:
    """Write a few categories, and then some, from what the stages before have written there."""
    spent, sizes, counts = [], [], [min(count, total) for count in (FEW, SOME)]
    for count in counts:
        began = time.perf_counter()
        write_few(stage, parameters, place, count)
        spent.append(time.perf_counter() - began)
        sizes.append(sum(bytes_below(place / name) for name in stage.writes))
    each = max(spent[1] - spent[0], 0.0) / max(counts[1] - counts[0], 1)
    kept = sizes[1] * total // counts[1]
    return Cost(spent[0] + each * (total - counts[0]), kept, measured=f"{counts[1]} of {total:,} categories")


def write_few(stage: Stage, parameters: NotebookParameters, place: Path, count: int) -> None:
    """Let a family's stage write so many categories."""
    assert stage.write
    _borrow(parameters, place)
    few: dict[str, Any] = {"out": str(place)}
    if hasattr(parameters, "categories"):
        few["categories"] = count
    with silent():
        stage.write(replace(parameters, **few))


def _borrow(parameters: NotebookParameters, place: Path) -> None:
    """Links to the folders that a stage reads and that the experiment has, where no stage before has written them."""
    for name in parameters.inputs():
        source = Folder(Path(parameters.out) / name)
        for path in (source.root, source.beside(MANIFEST)):
            if path.exists() and not (place / path.name).exists():
                (place / path.name).symlink_to(path)


def bytes_below(root: Path) -> int:
    """The bytes of all files below a folder."""
    return sum(size for _, size in files.walk(root, followlinks=False) if isinstance(size, int))


def table(title: str, costs: Iterable[tuple[str, Cost]], *, note: bool = False) -> Iterator[str]:
    """The lines that tell the costs, each as soon as it is known, and their sum; note: it goes to the ledger, too."""
    yield f"{title}, on {provenance.machine()}:"
    every = []
    for name, cost in costs:
        every.append(cost)
        yield _row(name, cost.seconds, cost.kept, cost.measured)
    energy = [cost.energy for cost in every if cost.energy is not None]
    meanwhile = max((cost.meanwhile for cost in every), default=0)
    price = ledger.Price(sum(cost.seconds for cost in every), sum(cost.kept for cost in every))
    if note:
        ledger.note(title, price)
    further = [f"and {ledger.size(meanwhile)} while it trains"] if meanwhile else []
    further += [f"{sum(energy):,.2f} kWh"] if energy else []
    yield _row("together", *price, "; ".join(further))


def _row(name: str, seconds: float, kept: int, further: str) -> str:
    disk = ledger.size(kept) if kept else ""
    return f"  {name:24} {ledger.told(seconds):>9} {disk:>10}  {further}".rstrip()
