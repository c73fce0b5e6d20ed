"""An experiment: the stages that params/<experiment>.yaml names, run in order.

All parameters of all stages are checked before the first one starts. A stage is skipped if there is no `reason` to run
it.
"""

import contextlib
import os
import pkgutil
import signal
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ofdb_core.base import files, project, provenance, record, signals, units
from ofdb_core.base.folder import Folder
from ofdb_core.base.own import Own
from ofdb_core.base.parameters import NotebookParameters, ParameterError
from ofdb_core.base.values import shown
from ofdb_core.data import croissant
from ofdb_core.families import registry
from ofdb_core.run import catalogue, launch, notebook, parameter_files
from ofdb_core.run.experiments import UsageError, refusals
from ofdb_core.run.reasons import reason
from ofdb_core.show import report
from ofdb_core.stages.recipes import Comparing, Pretrain
from ofdb_core.training.recipe import Recipe

WORTH = 200  # steps; a run whose trainings are all shorter gets no forecast
LONGEST = "x" * 100  # as long as any file's path below an experiment's folder


def run(
    experiment: str,
    only: Sequence[str] = (),
    *,
    overrides: Collection[tuple[str, str]] = (),
    out: str | Path | None = None,
    options: str | None = None,
    announce: bool = True,
) -> None:
    """Run an experiment's stages, or only some of them, into `out` (None: runs/<experiment>).

    announce: measure and say before a long training how long it takes.

    options: of `accelerate launch`, for the stages that train; None: use as many of the machine's GPUs as can share a
    batch equally. In a cluster, machines other than the first run only these trainings: all machines share the folder
    `out`, and the first one checks everything.
    """
    out = _run_folder(out or project.RUNS / experiment)
    checked = parameter_files.checked(experiment, parameter_files.notebooks(experiment, only), overrides, out)
    _say(notices(checked, overrides))
    how = launch.check(options) if options else None
    launched = [stage for stage in checked if launch.is_launched(provenance.notebook_of(stage))]
    if options and how and how.machine_rank:
        for stage in launched:
            if reason(stage, checked[stage], out):  # asked here: an earlier training may be the reason
                _launch(stage, checked[stage], out, options)
        return
    _check_inputs(checked)
    todo = {stage: parameters for stage, parameters in checked.items() if reason(stage, parameters, out)}
    check_possible(todo, (how and how.num_processes) or 1)
    _check_own(todo, out)
    options = options or (launch.automatic([checked[stage] for stage in launched]) if launched else None)
    _say(announcement(experiment, todo) if announce else ())
    began = time.time()
    with _alone(out):
        for stage, parameters in checked.items():
            _bring_up_to_date(stage, parameters, out, options if stage in launched else None)
    _say(f"{experiment}: {line}" for line in _outcome(checked, out, time.time() - began))


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


def price(experiment: str, only: Collection[str] = (), *, overrides: Collection[tuple[str, str]] = ()) -> Iterator[str]:
    """The lines that say what an experiment, or some of its stages, costs on this machine."""
    from ofdb_core.run import forecast

    every, asked = (parameter_files.notebooks(experiment, names) for names in ((), only))
    checked = parameter_files.checked(experiment, every, overrides, _run_folder(project.RUNS / experiment))
    _check_inputs(checked)
    check_possible({stage: one for stage, one in checked.items() if not isinstance(one, Comparing)}, 1)
    try:  # the forecast knows the number of real images that are not here
        costs = forecast.costs(checked, asked)
        yield from forecast.table(experiment, costs, note=not overrides and asked == every)
    except ValueError as error:
        raise UsageError(f"{experiment}: {error}") from error


def _run_folder(out: str | Path) -> Path:
    """The absolute path of an experiment's folder, which need not exist; a UsageError if it cannot."""
    folder = Path(os.path.realpath(out))
    try:
        with contextlib.suppress(FileNotFoundError):
            (folder / LONGEST).stat()
    except (OSError, ValueError) as error:
        raise UsageError(_no_folder(folder, error)) from error
    return folder


def _no_folder(folder: Path, error: OSError | ValueError) -> str:
    why = error.strerror if isinstance(error, OSError) else error
    return f"{shown(str(folder))}: nothing can be written here ({why}); give another --out"


def notices(chosen: Collection[str], overrides: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The notebooks that each -p reaches, unless it names one."""
    for name, value in overrides:
        if name.partition(".")[0] not in chosen:
            yield f"-p {name} {value}: for {', '.join(parameter_files.takers(name, chosen))}"


def _check_inputs(checked: Mapping[str, NotebookParameters]) -> None:
    """Refuse a stage whose input is neither in its folder nor made by an earlier stage."""
    before: list[str] = []
    for stage, parameters in checked.items():
        if sentence := catalogue.missing(parameters, before):
            raise UsageError(f"{stage}: {sentence}")
        before.append(stage)


def check_possible(checked: dict[str, NotebookParameters], processes: int) -> None:
    """Refuse, all at once, mistakes that take time to find: an unknown model, a batch that does not divide."""
    problems = []
    for stage, parameters in checked.items():
        try:
            if look := catalogue.stages()[stage].check:
                pkgutil.resolve_name(look)(parameters)
            if isinstance(parameters, Recipe):
                from ofdb_core.batches import source

                source.parts(parameters, processes)
        except (ValueError, OSError) as error:
            problems.append(f"{stage}: {error}")
    if problems:
        raise ParameterError(problems)


def _check_own(todo: Iterable[str], out: Path) -> None:
    """Refuse to write where there is a file of the user's: of a name that a stage will write, or in a folder of its."""
    done = record.read(out)
    names = ["figures/any"]  # ValueError, if that folder is a link
    names += [f"{stage}.{ending}" for stage in todo for ending in ("ipynb", "yaml", "py")]
    for stage in todo:
        about = catalogue.stages()[stage]
        names += [*about.pages, *(f"{name}.{croissant.CROISSANT}" for name in about.writes)]
        names += [figure["file"] for figure in done[stage]["figures"]] if stage in done else []
    with refusals():
        Own(out).refuse_others(names)
        for name in (name for stage in todo for name in catalogue.stages()[stage].writes):
            Folder(out / name).refuse_strangers()


def announcement(experiment: str, todo: dict[str, NotebookParameters]) -> Iterator[str]:
    """What will run and about how long it takes here, measured on a second of training if there is no GPU."""
    trainings = [parameters for parameters in todo.values() if isinstance(parameters, Pretrain | Comparing)]
    if not any(parameters.steps is None or parameters.steps >= WORTH for parameters in trainings):
        return
    if any(Path(parameters.place()).is_file() for parameters in trainings):  # an archive: its size is unknown
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


def _bring_up_to_date(stage: str, checked: NotebookParameters, out: Path, options: str | None) -> None:
    """Run a stage, unless it is done; options: launch its training with them first."""
    why = reason(stage, checked, out)
    if why is None:
        more = "; to continue it, give more steps" if getattr(checked, "changed", None) == "continue" else ""
        print(f"{stage}: done before; parameters, inputs and code are unchanged: skipped{more}", flush=True)
    else:
        print(f"{stage}: runs ({why})", flush=True)
        if options:
            _launch(stage, checked, out, options)
        _execute(stage, checked, out)
    _describe(stage, out)
    for figure in record.read(out)[stage]["figures"][:1] if why else ():
        print(f"    look at {out / figure['file']}", flush=True)


def _launch(stage: str, checked: NotebookParameters, out: Path, options: str) -> None:
    """Train by a notebook's script in several processes; the notebook, run afterwards, finds the training done."""
    script = out / f"{stage}.py"
    launch.export(provenance.notebook_of(stage), checked.changes(), script)
    print(f"{stage}: accelerate launch {options} {script}", flush=True)
    launch.run(script, options)


def _execute(stage: str, checked: NotebookParameters, out: Path) -> None:
    """Run a stage's notebook: its own, or the one that families share."""
    source = provenance.notebook_of(stage)
    served = {} if source.stem == stage else {"stage": stage}
    try:
        Own(out).write(f"{stage}.yaml", parameter_files.to_yaml(checked.values()))
        notebook.execute(source, {**checked.changes(), **served}, out / f"{stage}.ipynb")
    except BrokenPipeError:  # nobody reads the output
        raise
    except OSError as error:  # not a cell's own, which is a NotebookError
        raise notebook.NotebookError(
            f"{stage}: stopped by the system ({error}); it may lack disk space or memory\n"
            f"what was written to {out} is kept, and the same command goes on from it"
        ) from error


def _describe(stage: str, out: Path) -> None:
    """Write the description of the data sets that a stage has filled."""
    for name in catalogue.stages()[stage].writes:
        if (source := registry.sources().get(name)) and not source.live and not source.masks:
            croissant.write(out / name, registry.family_of(stage).title)


def _outcome(chosen: Collection[str], out: Path, seconds: float) -> Iterator[str]:
    """What has run, the headlines of its notebooks, and where to look."""
    yield f"{len(chosen)} notebook{'s' * (len(chosen) > 1)} in {seconds:.0f} s; results are in {out}"
    for stage, entry in record.read(out).items():
        if stage in chosen and (headline := entry.get("headline")):
            yield f"{headline['sentence']}; see {out / headline['figure']}"
    if (out / report.PAGE).exists():
        yield f"open {out / report.PAGE}"
