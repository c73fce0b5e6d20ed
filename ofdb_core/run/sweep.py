"""A sweep: an experiment for each cell of a grid of values and seeds, then a table, a figure and a page of what came.

A stage of a cell is a run folder, <out>/stages/<stage>-<hash of its parameters and of the stages that it reads>, so
what cells share is made once. A cell, <out>/cells/<values>, is a run folder with links to its stages. Each cell is made
by a process, `sweep ... --cell NAME`; a batch system may start these processes instead.
"""

import contextlib
import functools
import hashlib
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ofdb_core.base import cluster, files, manifests, project, record, signals
from ofdb_core.base.parameters import NotebookParameters, ParameterError
from ofdb_core.base.values import nearest, shown
from ofdb_core.data import tables
from ofdb_core.families.registry import FAMILIES_VARIABLE
from ofdb_core.run import catalogue, experiment, experiments, listing, parameter_files
from ofdb_core.run.experiments import UsageError
from ofdb_core.run.notebook import NotebookError
from ofdb_core.run.reasons import reason
from ofdb_core.show import compare, outcomes
from ofdb_core.show.report import Report
from ofdb_core.training.recipe import Course

VARIANT, SEEDS = "variant", "seeds"  # axes that are no parameters
LOG, ERRORS = "log.txt", "errors.txt"  # in a cell's folder: what its process prints
POLL = 0.1  # seconds between looks at the processes
LONGEST = 100  # characters of the name of a cell
PROCESS = (  # of a cell: it does not outlive the sweep
    "from ofdb_core.base import signals; signals.die_with_parent(); from ofdb_core import __main__; __main__.program()"
)
PASSED_ON = (project.VARIABLE, experiments.PARAMS_VARIABLE, FAMILIES_VARIABLE)  # to the tasks of a batch system

Pairs = Sequence[tuple[str, str]]  # name and text, as of -p


def split(text: str) -> list[str]:
    """The values between commas; a comma inside brackets belongs to its value, as in [0.3,1],[0.6,1]."""
    depth, parts = 0, [""]
    for sign in text:
        depth += (sign in "[{") - (sign in "]}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def section(name: str) -> tuple[dict[str, list[str]], int | None]:
    """The values, as text, and the number of seeds in the `sweep` section of an experiment."""
    said, found = experiments.sweep(name), dict[str, list[str]]()
    for axis, values in said.items():
        fits = type(values) is int and values > 0 if axis == SEEDS else isinstance(values, list) and values
        if not fits:
            allowed = "a number of seeds" if axis == SEEDS else "a list of values"
            raise UsageError(f"{name}: sweep: {axis}: {shown(values)} is not allowed; allowed is {allowed}")
        if axis != SEEDS:
            found[axis] = [one if isinstance(one, str) else json.dumps(one) for one in values]
    return found, said.get(SEEDS)


@dataclass(frozen=True)
class Cell:
    """One experiment of a sweep.

    values: of the swept axes and the seed, by name; overrides: what makes it; parameters: of its stages, checked.
    """

    experiment: str
    values: dict[str, str]
    overrides: Pairs
    sweep: Path
    parameters: dict[str, NotebookParameters]

    @property
    def name(self) -> str:
        """The name of its folder: the values, cut to the longest allowed name."""
        pairs = [f"{name}={value}" for name, value in self.values.items()]
        whole = "_".join(pairs if self.values.keys() - {"seed"} else [self.experiment.rpartition("/")[2], *pairs])
        short = re.sub(r"[^\w.,=+-]+", "-", whole, flags=re.ASCII)
        return whole if whole == short and len(whole) <= LONGEST else f"{_hash(whole)}-{short[-LONGEST:]}"

    @property
    def out(self) -> Path:
        """Its folder."""
        return self.sweep / "cells" / self.name

    @functools.cached_property
    def roots(self) -> dict[str, Path]:
        """Stage -> the run folder that it writes to; the report is the cell's own."""
        found: dict[str, Path] = {}
        for stage, parameters in self.parameters.items():
            makers = [catalogue.maker(name) for name in parameters.inputs()]
            if lacking := [maker for maker in makers if maker not in found]:
                raise UsageError(f"{stage}: a sweep makes all that it reads; name {lacking[0]}, too")
            made_from = [manifests.portable(parameters.identity(), self.out), [found[maker].name for maker in makers]]
            shared = self.sweep / "stages" / f"{stage}-{_hash(json.dumps(made_from, sort_keys=True))}"
            found[stage] = self.out if isinstance(parameters, Report) else shared
        return found

    def make(self) -> None:
        """Run the stages that are not done, and link all; wait where another process makes one of them."""
        for stage, root in self.roots.items():
            with _alone(root):
                for name in self.parameters[stage].inputs():
                    _link(root / name, self.roots[catalogue.maker(name)] / name)
                own = [pair for pair in self.overrides if parameter_files.takers(pair[0], [stage])]
                experiment.run(self.experiment, [stage], overrides=own, out=root, announce=False)
            if root != self.out:
                self._adopt(stage, record.read(root)[stage], root)

    def _adopt(self, stage: str, entry: record.Entry, root: Path) -> None:
        """Link what a stage wrote, and take its entry into the cell's record."""
        figures = [figure["file"] for figure in entry["figures"]]
        for name in [f"{stage}.ipynb", f"{stage}.yaml", *entry["writes"], *figures]:
            _link(files.inside(self.out, name), root / name)
        kept = {name: old for name, old in record.read(self.out).items() if name in self.parameters}
        if kept.get(stage) != entry:
            record.write(self.out, {**kept, stage: entry})

    def is_done(self) -> bool:
        """Whether there is nothing left to do."""
        entries = record.read(self.out)
        return all(
            record.read(root).get(stage) == entries.get(stage) and not reason(stage, self.parameters[stage], root)
            for stage, root in self.roots.items()
        )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with files.locked(root.with_name(f"{root.name}.lock"), wait=f"{root}: waiting for another process, at work here"):
        yield


def _link(path: Path, target: Path) -> None:
    """A relative link, so that a sweep's folder can be moved."""
    wanted = os.path.relpath(target, path.parent)
    if path.is_symlink() and str(path.readlink()) != wanted:
        path.unlink()
    if not path.is_symlink():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(wanted)


def cells(
    name: str, only: Sequence[str], axes: Mapping[str, Sequence[str]], seeds: int | None, sweep: Path
) -> list[Cell]:
    """The cells of a grid, seeds innermost; all mistakes of all cells in one ParameterError."""
    found, problems = list[Cell](), dict[str, None]()
    for chosen in itertools.product(*axes.values()):
        values = dict(zip(axes, chosen, strict=True))
        swept = {axis: value for axis, value in values.items() if len(axes[axis]) > 1}
        whole = "/".join(filter(None, [name, values.pop(VARIANT, None)]))
        notebooks, out = parameter_files.notebooks(whole, only), sweep / "cells" / "one"  # as deep as any
        try:
            usual = parameter_files.checked(whole, notebooks, [*values.items()], out)
            for seed, own in _seeds(usual, seeds):
                overrides = [*values.items(), *own]
                checked = parameter_files.checked(whole, notebooks, overrides, out) if own else usual
                found.append(Cell(whole, {**swept, **seed}, overrides, sweep, checked))
        except ParameterError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise ParameterError(problems)
    return found


def _seeds(usual: Mapping[str, NotebookParameters], seeds: int | None) -> Iterator[tuple[dict[str, str], Pairs]]:
    """A seed by name, and what sets it: in pre-training and fine-tuning, whose repeats have seeds of their own."""
    trained = {stage: getattr(one, "repeats", 1) for stage, one in usual.items() if isinstance(one, Course)}
    if seeds is None:
        yield {}, []
    elif not trained:
        raise UsageError("--seeds: nothing is trained; values of `-p seed` set the seed of other notebooks")
    for seed in range(seeds or 0):
        yield {"seed": str(seed)}, [(f"{stage}.seed", str(seed * repeats)) for stage, repeats in trained.items()]


def run(
    name: str,
    only: Sequence[str],
    *,
    overrides: Pairs,
    seeds: int | None = None,
    out: str | None = None,
    jobs: int | None = None,
    cell: str | None = None,
    array: str | None = None,
) -> None:
    """Make all cells of a sweep and its results, or one cell, or write the script of a job array.

    jobs: cells at once; None: as many as suit the machine.
    Raises NotebookError if cells failed; the others are finished first.
    """
    axes, usual = section(name)
    axes |= {axis: split(text) for axis, text in overrides}
    swept = "+".join(axis for axis, values in axes.items() if len(values) > 1)
    folder = Path(os.path.realpath(out or project.RUNS / name / compare.SWEEPS / (swept or SEEDS)))
    every = {one.name: one for one in cells(name, only, axes, seeds or usual, folder)}
    words = ["sweep", name, *only, *(word for pair in overrides for word in ("-p", *pair)), "--out", str(folder)]
    words += ["--seeds", str(seeds)] if seeds else []
    if array:
        write_array(Path(array), words, len(every))
    elif cell is not None:
        named = every | {str(i): one for i, one in enumerate(every.values())}
        if cell not in named:
            raise UsageError(f"--cell {cell}: no cell; they are 0 to {len(every) - 1}{nearest(cell, every)}")
        named[cell].make()
    else:
        waiting = [one for one in every.values() if not one.is_done()]
        for one in {compare.CELL.sub("", one.name): one for one in waiting}.values():  # of each, one seed
            experiment.check_possible(one.parameters, 1)
        jobs = jobs or min(_suitable(), len(waiting))
        at_once = f"; {jobs} at once" if waiting and not cluster.address() else ""
        print(f"{folder}: {len(every)} cells, {len(every) - len(waiting)} of them done before{at_once}", flush=True)
        failed = make_on_cluster(waiting, words) if cluster.address() else make_all(waiting, words, jobs)
        if finished := {i: one for i, one in enumerate(every.values()) if one.name not in failed}:
            print("\n".join(write(folder, finished)), flush=True)
        if failed:
            raise NotebookError("\n\n".join(f"{name} failed:\n{why}" for name, why in failed.items()))


def make_all(waiting: Sequence[Cell], words: Sequence[str], jobs: int) -> dict[str, str]:
    """Make cells, each in a process, `jobs` at once; return why cells failed, by name.

    A signal asks the processes to save the states of their trainings and end; then signals.Continued is raised.
    """
    left, failed = [*waiting], dict[str, str]()
    running: dict[int, tuple[Cell, subprocess.Popen[bytes]]] = {}

    def tell(number: int) -> None:
        for _, process in running.values():
            os.killpg(process.pid, number)

    with signals.Stop(lambda: tell(signals.STOPS[1])) as stopped:
        try:
            while running or (left and not stopped.asked):
                for slot in set(range(jobs)) - running.keys():
                    if left and not stopped.asked:
                        cell = left.pop(0)
                        running[slot] = cell, _started(cell.out, cell.name, words, _share(slot, jobs))
                        if stopped.asked:  # before the process was known
                            tell(signals.STOPS[1])
                time.sleep(POLL)
                for slot, (cell, process) in [*running.items()]:
                    if (status := process.poll()) is not None:
                        del running[slot]
                        print(f"{cell.name}: {f'ended with status {status}' if status else 'done'}", flush=True)
                        failed |= {cell.name: (cell.out / ERRORS).read_text(errors="replace").strip()} if status else {}
        finally:
            tell(9)
    if stopped.asked:
        raise signals.Continued("the sweep was stopped; the same command goes on with what is done")
    return failed


def make_on_cluster(waiting: Sequence[Cell], words: Sequence[str]) -> dict[str, str]:
    """Make cells, each in a process that a worker of the cluster starts; return why cells failed, by name."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    tasks = ((cell.name, (cell.out, cell.name, words, passed)) for cell in waiting)
    failed = dict[str, str]()
    for name, why in cluster.pieces(_made_there, tasks):
        print(f"{name}: {'failed' if why else 'done'}", flush=True)
        failed |= {name: why} if why else {}
    return failed


def _made_there(out: Path, name: str, words: Sequence[str], passed: Mapping[str, str]) -> str:
    """Make a cell in a process of its own, with these environment variables; why it failed, or nothing."""
    status = _started(out, name, words, passed).wait()
    return (out / ERRORS).read_text(errors="replace").strip() or f"status {status}" if status else ""


def _started(out: Path, name: str, words: Sequence[str], share: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """The process that makes a cell, in its folder."""
    out.mkdir(parents=True, exist_ok=True)
    print(f"{name}: runs; its output goes to {out / LOG}", flush=True)
    command = [sys.executable, "-c", PROCESS, *words, "--cell", name]
    with (out / LOG).open("w") as log, (out / ERRORS).open("w") as errors:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": errors}
        return subprocess.Popen(command, env={**os.environ, **share}, start_new_session=True, **streams)


def _gpus() -> list[str]:
    """The GPUs that are here for this process, by the names that CUDA_VISIBLE_DEVICES gives them, if it is set."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:count] if named else [*map(str, range(count))]


def _suitable() -> int:
    """The number of cells at once that suits the machine: one for each GPU, or, without any, for each two cores."""
    return len(_gpus()) or max(1, (os.cpu_count() or 1) // 2)


def _share(slot: int, jobs: int) -> dict[str, str]:
    """The environment of one of several processes at once: its share of the cores, and one of the GPUs."""
    if jobs == 1:
        return {}
    gpus = _gpus()
    cores = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    return {"OMP_NUM_THREADS": cores, **({"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if gpus[1:] else {})}


def write(folder: Path, finished: Mapping[int, Cell]) -> Iterator[str]:
    """Write the table, the figure and the page of the finished cells, by number; return the lines to print."""
    rows = []
    for number, cell in finished.items():
        entries = record.read(cell.out)
        last, codes = [*entries.values()][-1], [entry["code"] for entry in entries.values()]
        cost = {"seconds": round(sum(entry.get("seconds", 0.0) for entry in entries.values()), 1)}
        origin = {"code": _hash(json.dumps(codes)), "commit": last["commit"], "machine": last["machine"]}
        rows.append({"cell": number, "name": cell.name, **cell.values, **outcomes.metrics(cell.out), **cost, **origin})
    columns = dict.fromkeys(column for row in rows for column in row)
    tables.write(folder / "sweep.csv", [{column: row.get(column, "") for column in columns} for row in rows])
    places = {cell.name: cell.out for cell in finished.values()}
    groups = compare.metrics(places, compare.groups(compare.read(places)))
    for metric, values in outcomes.by_metric(groups).items():
        yield f"\n{metric}\n{listing.table([outcomes.HEADS, *outcomes.summary(values)], listing.width())}"
    if outcomes.by_metric(groups):
        files.write_whole(folder / "sweep.svg", record.svg(outcomes.figure(groups)))
    yield f"\nopen {compare.write(folder, places)}; sweep.csv beside it has a row for each cell"


def write_array(path: Path, words: Sequence[str], count: int) -> None:
    """Write the script of a job array with a task for each cell, for SLURM and PBS."""
    command = shlex.join([sys.executable, "-P", "-m", "ofdb_core", *words])
    passed = [f"export {shlex.quote(f'{name}={os.environ[name]}')}" for name in PASSED_ON if name in os.environ]
    text = (resources.files(__package__) / "array.sh").read_text(encoding="utf-8")
    said = {"COUNT": str(count), "LAST": str(count - 1), "FILE": str(path), "FOLDER": shlex.quote(str(Path.cwd()))}
    for word, value in {**said, "VARIABLES": "\n".join(passed), "COMMAND": command}.items():
        text = text.replace(f"@{word}@", value)
    files.write_whole(path, text)
    print(f"{path}: {count} cells; `sbatch {path}` or `qsub {path}` runs them, and then\n{command}\nwrites the tables")
