"""Training on several devices: accelerate starts a script, exported from a notebook, in several processes.

The script holds the notebook's cells that are tagged `parameters` or `launch`. The notebook itself runs afterwards,
finds the training done and shows it. `python -m ofdb_core.run.launch <options> script.py` is `accelerate launch` with
the exit status of this project.

`check` uses names that accelerate and argparse do not document (tests/run/test_refusals.py fails when they change),
because neither has a public way to learn what the options ask for before the processes start.
"""

import argparse
import atexit
import json
import os
import shlex
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from ofdb_core.base import signals
from ofdb_core.base.own import Own
from ofdb_core.base.parameters import NotebookParameters
from ofdb_core.base.values import whole
from ofdb_core.run.experiments import UsageError
from ofdb_core.run.notebook import NotebookError
from ofdb_core.training.recipe import Recipe

TAG = "launch"  # of the cells that every process runs
FIRST = "from ofdb_core.run import launch\n\nlaunch.begin()"
QUIET = ["--mixed_precision", "no", "--dynamo_backend", "no", "--num_machines", "1"]  # accelerate would ask for these
OTHERS = {"use_fsdp": "FSDP", "use_deepspeed": "DEEPSPEED", "use_megatron_lm": "MEGATRON_LM", "tpu": "XLA"}
OTHERS |= {"use_parallelism_config": ""}  # option -> its name in a file of `accelerate config`, of what is refused
OF_OTHERS = ("DeepSpeed", "FSDP", "Megatron-LM", "ParallelismConfig", "FP8", "AWS")  # accelerate's groups of options
SCRIPT = "the training"  # stands for the script while the options are checked
ASKED = "OFDB_PROCESSES"  # environment variable: the number of processes that the options ask for
PATIENCE = "600"  # seconds in which processes that are asked to stop save their state; torch gives them 30


def is_launched(source: Path) -> bool:
    """Whether a notebook has cells that every process runs."""
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
    return any(TAG in cell["metadata"].get("tags", ()) for cell in cells)


def automatic(stages: Sequence[NotebookParameters]) -> str | None:
    """The options that use as many GPUs of this machine as can share the stages' batches; None if that is one."""
    import torch

    for count in range(torch.cuda.device_count(), 1, -1):
        if all(_can_share(parameters, count) for parameters in stages):
            return f"--multi_gpu --num_processes {count} --main_process_port 0"
    return None


def _can_share(parameters: NotebookParameters, processes: int) -> bool:
    from ofdb_core.batches import source

    try:
        return not isinstance(parameters, Recipe) or source.parts(parameters, processes) > 0
    except ValueError:
        return False


def check(options: str) -> argparse.Namespace:
    """The `accelerate launch` options as accelerate's parser reads them; a UsageError if they are impossible.

    Other mistakes are refused by accelerate and torch when the training starts.
    """
    import torch
    from accelerate.commands.launch import launch_command_parser

    parser = launch_command_parser()
    parser.error = _refuse  # it would end this process
    try:
        found = parser.parse_args([*QUIET, *shlex.split(options), SCRIPT])
        if found.training_script != SCRIPT:
            raise ValueError(f"{found.training_script!r} is no option")
        if found.module or found.no_python:
            raise ValueError("--module and --no_python are not allowed; what runs is this project's script")
        if found.config_file and not Path(found.config_file).is_file():
            raise ValueError(f"--config_file: {found.config_file} is no file")
        _refuse_others(found)
        _refuse_options_of_others(parser, found)
        if found.cpu and found.multi_gpu:
            raise ValueError("--cpu and --multi_gpu exclude each other")
        if found.multi_gpu and found.num_processes == 1:
            raise ValueError("--multi_gpu needs --num_processes 2 or more")
        if found.num_processes is None:
            found.num_processes = torch.cuda.device_count() or 1
        if found.cpu and found.num_machines == 1 and found.num_processes > 1:
            raise ValueError(
                "--cpu makes accelerate start one process alone; give --multi_gpu "
                f"--num_processes {found.num_processes}, which uses CPUs where there is no GPU"
            )
        whole(1, 2**16, num_machines=found.num_machines, num_processes=found.num_processes)
        whole(0, found.num_machines - 1, machine_rank=found.machine_rank or 0)
        whole(0, 2**16 - 1, main_process_port=found.main_process_port or 0)
    except ValueError as error:
        hint = "give options of `accelerate launch`, together as one word"
        raise UsageError(f"--launch {shlex.quote(options)}: {error}; {hint}") from error
    return found


def _refuse_others(found: argparse.Namespace) -> None:
    """Raise a ValueError if the options, or the file of `accelerate config`, ask for what no training here does."""
    from accelerate.commands.config.config_args import default_config_file, load_config_from_file

    asked = [f"--{name}" for name in OTHERS if getattr(found, name)]
    precisions = {found.mixed_precision}
    file = found.config_file or (default_config_file if Path(default_config_file).is_file() and not found.cpu else None)
    if file:
        try:
            config = load_config_from_file(file)
        except Exception as error:  # whatever a file that is none makes of accelerate's reader
            raise ValueError(f"{file}: is no file of `accelerate config` ({error})") from error
        if found.config_file:
            precisions.add(config.mixed_precision or "no")
            if config.num_machines > 1:
                raise ValueError(f"{file}: num_machines and machine_rank are given as options, not in a file")
        other = config.distributed_type in OTHERS.values() and not found.multi_gpu
        if other or config.compute_environment != "LOCAL_MACHINE":
            asked.append(f"{file} ({config.distributed_type.value})")
        found.num_processes = found.num_processes or (config.num_processes if config.num_processes > 0 else None)
    if asked:
        raise ValueError(f"{asked[0]} is not supported; processes share each batch, and each has the whole network")
    if precisions != {"no"}:
        raise ValueError("mixed_precision: the precision is a parameter, as in -p precision bf16")
    if found.dynamo_backend != "no":
        raise ValueError("--dynamo_backend: torch.compile is a parameter, -p compile true")


def _refuse_options_of_others(parser: argparse.ArgumentParser, found: argparse.Namespace) -> None:
    """Raise a ValueError if an option has an effect only with what is refused; accelerate would ignore it."""
    usual = parser.parse_args([*QUIET, SCRIPT])
    for group in parser._action_groups:
        if (group.title or "").removesuffix(" Arguments") in OF_OTHERS:
            for action in group._group_actions:
                if getattr(found, action.dest) != getattr(usual, action.dest):
                    raise ValueError(f"{action.option_strings[0]} has no effect here: it is one of {group.title}")


def _refuse(sentence: str) -> NoReturn:
    raise ValueError(sentence)


def export(source: Path, parameters: dict[str, Any], path: Path) -> None:
    """Write the script of a notebook file with these parameters (name -> value)."""
    import papermill

    notebook = papermill.execute_notebook(str(source), None, parameters, prepare_only=True)
    wanted = {"parameters", "injected-parameters", TAG}
    cells = [cell["source"] for cell in notebook.cells if wanted & set(cell["metadata"].get("tags", ()))]
    Own(path.parent).write(path.name, "\n\n\n".join([FIRST, *cells, ""]))


def run(script: Path, options: str) -> None:
    """Start the script in processes, with options of `accelerate launch`, and wait for them.

    Raises NotebookError if one fails, and `signals.Continued` if they were asked to stop and saved their state.
    """
    import torch

    words = [sys.executable, "-m", "ofdb_core.run.launch", *QUIET, *shlex.split(options), str(script)]
    known = {ASKED: str(check(options).num_processes)}
    known |= {} if torch.cuda.is_available() else {"ACCELERATE_USE_CPU": "true"}
    started: list[subprocess.Popen] = []

    def stop() -> None:
        print("stopping: the training saves its state first; Ctrl-C again ends it at once", flush=True)
        for process in started:
            os.killpg(process.pid, signals.STOPS[1])

    with signals.Stop(stop) as stopped:
        try:
            started.append(subprocess.Popen(words, env={**os.environ, **known}, start_new_session=True))
            if stopped.asked:  # before there was anything to stop
                stop()
            status = started[0].wait()
        except BaseException:
            for process in started:
                os.killpg(process.pid, 9)
            raise
    if status == signals.TO_BE_CONTINUED or stopped.asked:
        raise signals.Continued("the training was stopped; the same command goes on from the state that was saved last")
    if status:
        raise NotebookError(f"{script.stem}: a process of {script} failed (status {status}); its own error is above")


def _leave() -> None:
    """Close the connections to the other processes; otherwise torch's threads might abort this one as it exits."""
    if (distributed := sys.modules.get("torch.distributed")) and distributed.is_initialized():
        distributed.destroy_process_group()


def begin() -> None:
    """Call this first in every process: only the main one prints, and an error names its process."""
    signals.die_with_parent()
    process, count = int(os.environ.get("RANK", 0)), os.environ.get("WORLD_SIZE", "1")
    if (asked := os.environ.get(ASKED, count)) != count:
        sys.exit(f"--launch asks for {asked} processes, and accelerate started {count}; see `accelerate launch --help`")
    if process:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115

    atexit.register(_leave)

    # on the real stderr: torch holds back what a hook prints until the hook is done
    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, signals.Interrupted):
            print(f"process {process}: {error}", file=sys.__stderr__, flush=True)
            os._exit(signals.TO_BE_CONTINUED)
        atexit.unregister(_leave)  # the others may wait for this one, or be gone
        text = "".join(traceback.format_exception(kind, error, trace))
        print(f"process {process} of {count} failed:\n{text}", file=sys.__stderr__, flush=True)

    sys.excepthook = tell


def main() -> int:
    """Run `accelerate launch`; the exit status tells how its processes ended."""
    signals.die_with_parent()
    from accelerate.commands.launch import main as launch
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", PATIENCE)
    with signals.Stop():  # a process that accelerate starts directly gets the signal too: wait for it
        try:
            launch()
        except SignalException:
            return signals.TO_BE_CONTINUED
        except ChildFailedError as error:
            statuses = {failure.exitcode for failure in error.failures.values()}
            return signals.TO_BE_CONTINUED if signals.TO_BE_CONTINUED in statuses else 1
        except subprocess.CalledProcessError as error:
            return error.returncode
        except ValueError as error:  # options that accelerate or torch refuses
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
