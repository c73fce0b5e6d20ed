"""An experiment: the stages for which params/<experiment>/ has a file, run in order.

All parameters of all stages are checked before the first one starts. A stage that is done, and whose parameters, inputs
and code are unchanged, is skipped.
"""

import contextlib
import importlib
import json
import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ofdb_core.base import files, folder, manifests, project, provenance, record, signals, units
from ofdb_core.base.parameters import NotebookParameters, ParameterError
from ofdb_core.base.values import nearest, shown
from ofdb_core.data import croissant
from ofdb_core.families import registry
from ofdb_core.run import experiments, launch, notebook, parameter_files, road
from ofdb_core.run.experiments import UsageError
from ofdb_core.stages.recipes import Finetune, Pretrain
from ofdb_core.training.recipe import Recipe

WORTH = 200  # steps; a run whose trainings are all shorter gets no forecast
LONGEST = "x" * 100  # as long as the path of a file below an experiment's folder gets


def _saved_whole(path: Path) -> bool:
    """Whether a notebook was saved after its last cell: not cut off by a full disk or a killed process."""
    try:
        return bool(json.loads(path.read_bytes())["metadata"]["papermill"]["end_time"])
    except (ValueError, KeyError, TypeError):
        return False


def reason(stage: str, checked: NotebookParameters, out: Path) -> str | None:
    """Why a stage must run, in words; None where it is done and parameters, inputs and code are unchanged."""
    entry, path = record.read(out).get(stage), out / f"{stage}.ipynb"
    if entry is None or not path.exists():
        return "it has not run yet"
    if not _saved_whole(path):
        return f"{path.name} was not saved to its end"
    wanted, had = (
        manifests.portable(values, out) for values in (checked.identity(), checked.recorded(entry["parameters"]))
    )
    changed = [name for name in wanted if wanted[name] != had.get(name)]
    if changed:
        return "changed: " + ", ".join(f"{name} {had.get(name)} -> {wanted[name]}" for name in changed)
    if entry["code"] != provenance.code_version(stage, *checked.code()):
        return "its code changed"
    if getattr(checked, "changed", None) == "restart" and "outdated" in entry:
        return f"{entry['outdated']} was made by other code, and changed is restart"
    read = [*manifests.portable(list(checked.reads()), out), record.FILE]
    for name, digest in entry["reads"].items():
        if name not in read:
            return f"{name} is not read any more"
        now = record.others(out, stage) if name == record.FILE else folder.fingerprint(out / name)
        if now != digest:
            return f"{name} changed"
    for name, digest in entry["writes"].items():
        problems = folder.verify(out / name)
        if problems or folder.digest(out / name) != digest:
            return f"{name} is not as it was written ({problems[0] if problems else 'another run wrote it'})"
    for name in record.altered_figures(out, entry):
        return f"{name} is missing or altered"
    return None


def _place(out: str | Path) -> Path:
    """The absolute path of an experiment's folder, there or not; a UsageError where there can be none."""
    place = Path(os.path.realpath(out))
    try:
        with contextlib.suppress(FileNotFoundError):
            (place / LONGEST).stat()
    except (OSError, ValueError) as error:
        raise UsageError(_no_folder(place, error)) from error
    return place


def _no_folder(place: Path, error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) else error
    return f"{shown(str(place))}: nothing can be written here ({reason}); give another --out"


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold an experiment's folder, so that two runs never write to it at once."""
    with contextlib.ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(files.locked(out / ".lock", wait=None))
        except BlockingIOError as error:
            raise UsageError(f"{out}: another run is at work here; wait for it, or give another --out") from error
        except OSError as error:
            raise UsageError(_no_folder(out, error)) from error
        yield


def _check_inputs(chosen: Sequence[str], checked: dict[str, NotebookParameters]) -> None:
    """Refuse a stage whose input neither lies in its folder nor is made by a stage that runs before it."""
    for i, stage in enumerate(chosen):
        if sentence := road.missing(checked[stage], chosen[:i]):
            raise UsageError(f"{stage}: {sentence}")


def _check_possible(checked: dict[str, NotebookParameters], processes: int) -> None:
    """Refuse, all at once, what only a slow look can tell: whether there is such a model, whether a batch divides."""
    problems = []
    for stage, parameters in checked.items():
        try:
            if look := road.stages()[stage].check:
                module, _, function = look.partition(":")
                getattr(importlib.import_module(module), function)(parameters)
            if isinstance(parameters, Recipe):
                from ofdb_core.batches import source

                source.parts(parameters, processes)
        except (ValueError, OSError) as error:
            problems.append(f"{stage}: {error}")
    if problems:
        raise ParameterError(problems)


def _launch(stage: str, checked: NotebookParameters, out: Path, options: str) -> None:
    """Train by a notebook's script in several processes; the notebook then finds the training done."""
    script = out / f"{stage}.py"
    launch.export(provenance.notebook_of(stage), checked.values(), script)
    print(f"{stage}: accelerate launch {options} {script}", flush=True)
    try:
        launch.run(script, options)
    except launch.LaunchError as error:
        raise notebook.NotebookError(f"{stage}: {error}") from error


def _execute(stage: str, checked: NotebookParameters, out: Path) -> None:
    """Run a stage's notebook, or the one that serves it."""
    if (out / f"{stage}.ipynb").is_symlink():
        raise UsageError(f"{out / stage}.ipynb: a link, which would be written through; move it away")
    source = provenance.notebook_of(stage)
    served = {} if source.stem == stage else {"stage": stage}
    try:
        notebook.execute(source, {**checked.values(), **served}, out / f"{stage}.ipynb")
    except BrokenPipeError:  # nobody reads what is printed here
        raise
    except OSError as error:  # not a cell's own, which is a NotebookError
        raise notebook.NotebookError(
            f"{stage}: stopped by the system ({error}); it may lack disk space or memory\n"
            f"what was written to {out} is kept, and the same command goes on from it"
        ) from error


def _describe(stage: str, out: Path) -> None:
    """Bring what lies beside a stage's folders up to date: an older manifest, and the description of a data set."""
    for name in road.stages()[stage].writes:
        manifests.settle(out / name)
        if (source := registry.sources().get(name)) and not source.live:
            croissant.write(out / name, registry.family_of(stage).title)


def _told(experiment: str, chosen: Sequence[str], overrides: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What a user should know first: that an experiment builds upon nothing, and which notebooks each -p reaches."""
    if sentence := experiments.bare(experiment):
        yield sentence
    for name, value in overrides:
        if "." not in name:
            yield f"-p {name} {value}: for {', '.join(parameter_files.takers(name, chosen))}"


def _foretold(experiment: str, todo: dict[str, NotebookParameters]) -> Iterator[str]:
    """What will run and about how long it takes here; a second of a training tells, where it runs on the processor."""
    trainings = [parameters for parameters in todo.values() if isinstance(parameters, Pretrain | Finetune)]
    if not any(parameters.steps is None or parameters.steps >= WORTH for parameters in trainings):
        return
    if any(Path(parameters.data).is_file() for parameters in trainings):  # an archive: nothing is known of it
        return
    import torch

    from ofdb_core.run import forecast

    if torch.cuda.is_available():  # this process would keep a part of the GPU's memory
        yield f"{experiment}: {', '.join(todo)}; how long that takes here says: cost {experiment}"
    else:
        yield f"{experiment}: {', '.join(todo)}; measuring how long that takes here ..."
        with signals.Stop() as stop, contextlib.suppress(signals.Interrupted):
            spent = {stage: cost.seconds for stage, cost in forecast.costs(todo, todo, draw=False)}
        if stop.asked:
            never = f"{experiment}: stopped before anything ran; the same command starts it"
            raise KeyboardInterrupt if stop.number == signal.SIGINT else signals.Continued(never)
        longest, whole = max(spent, key=lambda stage: spent[stage]), sum(spent.values())
        yield f"{experiment}: about {units.duration(whole)}, of which {longest} takes {units.duration(spent[longest])}"


def _show(stage: str, out: Path) -> None:
    """Say where the first of a stage's figures lies."""
    for figure in record.read(out)[stage]["figures"][:1]:
        print(f"    look at {out / figure['file']}", flush=True)


def _chosen(experiment: str, only: Sequence[str]) -> list[str]:
    """The stages of an experiment that are named, in order; all where none is."""
    every = parameter_files.notebooks(experiment)
    for stage in only:
        if stage not in every:
            raise UsageError(f"{stage}: no notebook of {experiment}{nearest(stage, every)}; it has {', '.join(every)}")
    return [stage for stage in every if not only or stage in only]


def price(experiment: str, only: Sequence[str] = (), *, overrides: Iterable[tuple[str, str]] = ()) -> Iterator[str]:
    """The lines that tell what an experiment, or some of its stages, costs on this machine."""
    from ofdb_core.run import forecast

    overrides, every, asked = list(overrides), _chosen(experiment, ()), _chosen(experiment, only)
    checked = parameter_files.checked(experiment, every, overrides, _place(project.RUNS / experiment))
    _check_inputs(every, checked)
    _check_possible({stage: one for stage, one in checked.items() if not isinstance(one, Finetune)}, 1)
    try:  # where real images are not here, the forecast knows how many there are
        costs = forecast.costs(checked, asked)
        yield from forecast.table(experiment, costs, note=not overrides and asked == every)
    except ValueError as error:
        raise UsageError(f"{experiment}: {error}") from error


def run(
    experiment: str,
    only: Sequence[str] = (),
    *,
    overrides: Iterable[tuple[str, str]] = (),
    out: str | Path | None = None,
    options: str | None = None,
) -> None:
    """Run an experiment's stages, or only some of them, into `out` (runs/<experiment> where it is None).

    options: of `accelerate launch`, for the stages that train; where they are None and the machine has several GPUs,
    these are used, as many as can share a batch equally. On the machines of a cluster other than the first, only these
    trainings run: the folder `out` is one for all machines, and the first one has checked everything.
    """
    chosen = _chosen(experiment, only)
    out = _place(out or project.RUNS / experiment)
    overrides = list(overrides)
    checked = parameter_files.checked(experiment, chosen, overrides, out)
    for sentence in _told(experiment, chosen, overrides):
        print(sentence, flush=True)
    launched = [stage for stage in chosen if launch.is_launched(provenance.notebook_of(stage))]
    how = launch.check(options) if options else None
    if how and options and how.machine_rank:
        for stage in launched:
            if reason(stage, checked[stage], out):
                _launch(stage, checked[stage], out, options)
        return
    _check_inputs(chosen, checked)
    todo = {stage: parameters for stage, parameters in checked.items() if reason(stage, parameters, out)}
    _check_possible(todo, how.num_processes or 1 if how else 1)
    options = options or (launch.automatic([checked[stage] for stage in launched]) if launched else None)
    for line in _foretold(experiment, todo):
        print(line, flush=True)
    began = time.time()
    with _alone(out):
        for stage in chosen:
            why = reason(stage, checked[stage], out)
            if why is None:
                print(f"{stage}: done before; parameters, inputs and code are unchanged: skipped", flush=True)
                _describe(stage, out)
                continue
            print(f"{stage}: runs ({why})", flush=True)
            if options and stage in launched:
                _launch(stage, checked[stage], out, options)
            _execute(stage, checked[stage], out)
            _describe(stage, out)
            _show(stage, out)
    took, many = time.time() - began, "s" * (len(chosen) > 1)
    print(f"{experiment}: {len(chosen)} notebook{many} in {took:.0f} s; results are in {out}")
    told = [entry["headline"] for stage, entry in record.read(out).items() if "headline" in entry and stage in chosen]
    for headline in told:
        print(f"{experiment}: {headline['sentence']}; see {out / headline['figure']}")
    if (out / "report.html").exists():
        print(f"{experiment}: open {out / 'report.html'}")
