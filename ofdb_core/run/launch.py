"""Training on several devices: a script exported from a notebook, which accelerate starts as every process.

The script holds the notebook's cells that are tagged `parameters` or `launch`; the notebook itself, run afterwards,
finds the training done and shows it. `python -m ofdb_core.run.launch <options> script.py` is the `accelerate launch`
command, with this project's exit status and beside any torchvision.
"""

import json
import os
import shlex
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ofdb_core.base import files, signals
from ofdb_core.base.parameters import StageParameters
from ofdb_core.training.recipe import Recipe

TAG = "launch"  # of the cells that every process runs
FIRST = "from ofdb_core.run import launch\n\nlaunch.begin()\n\n"
QUIET = ["--mixed_precision", "no", "--dynamo_backend", "no", "--num_machines", "1"]  # accelerate would ask for these
PATIENCE = "600"  # seconds that processes asked to stop have for their last step and its state; torch gives them 30


class LaunchError(RuntimeError):
    """A launched training that failed; each process has printed its own error."""


def is_launched(source: Path) -> bool:
    """Whether a notebook file has cells for several processes."""
    return any(TAG in cell["metadata"].get("tags", ()) for cell in json.loads(source.read_text())["cells"])


def automatic(stages: Sequence[StageParameters]) -> str | None:
    """The options for the GPUs of this machine, as many as can share the stages' batches; None for one or none."""
    import torch

    count = torch.cuda.device_count()
    if count < 2:
        return None
    while not all(_can_share(parameters, count) for parameters in stages):
        count -= 1
    return f"--multi_gpu --num_processes {count} --main_process_port 0" if count > 1 else None


def _can_share(parameters: StageParameters, processes: int) -> bool:
    from ofdb_core.data import batches

    try:
        return not isinstance(parameters, Recipe) or batches.parts(parameters, processes) > 0
    except ValueError:
        return False


def option(options: str, name: str, default: int) -> int:
    """The whole number that follows --name in `accelerate launch` options, or the default."""
    words = [word for option in shlex.split(options) for word in option.split("=")]
    return int(words[words.index(f"--{name}") + 1]) if f"--{name}" in words else default


def machine_rank(options: str) -> int:
    """Which of several machines the options are for; 0, the first, also runs the notebooks."""
    return option(options, "machine_rank", 0)


def export(source: Path, parameters: dict[str, Any], path: Path) -> None:
    """Write the script of a notebook file with these parameters (name -> value)."""
    import papermill
    from nbconvert import PythonExporter

    notebook = papermill.execute_notebook(str(source), None, parameters, prepare_only=True)
    wanted = {"parameters", "injected-parameters", TAG}
    notebook.cells = [cell for cell in notebook.cells if wanted & set(cell["metadata"].get("tags", ()))]
    body, _ = PythonExporter(exclude_input_prompt=True).from_notebook_node(notebook)
    files.write_whole(path, FIRST + body)


def run(script: Path, options: str) -> None:
    """Start the script in processes, by `accelerate launch` options, and wait for them.

    Raises LaunchError where one fails, and `signals.Continued` where they were asked to stop and saved their state.
    """
    import torch

    words = [sys.executable, "-m", "ofdb_core.run.launch", *QUIET, *shlex.split(options), str(script)]
    cpu = {} if torch.cuda.is_available() else {"ACCELERATE_USE_CPU": "true"}
    process = subprocess.Popen(words, env={**os.environ, **cpu}, start_new_session=True)

    def stop() -> None:
        print("stopping: the training saves its state first; Ctrl-C again ends it at once", flush=True)
        os.killpg(process.pid, signals.STOPS[1])

    try:
        with signals.Stop(stop) as stopped:
            status = process.wait()
    except BaseException:
        os.killpg(process.pid, 9)
        raise
    if status == signals.TO_BE_CONTINUED or stopped.asked:
        raise signals.Continued("the training was stopped; the same command goes on from the state that was saved last")
    if status:
        raise LaunchError(f"a process of {script} failed (status {status}); its own error is above")


def begin() -> None:
    """In every process, first: only the main one prints, and an error says which process it is of."""
    signals.die_with_parent()
    process = int(os.environ.get("RANK", 0))
    if process:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115

    # on the real stderr: torch holds back what a hook prints until the hook is done
    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, signals.Interrupted):
            print(f"process {process}: {error}", file=sys.__stderr__, flush=True)
            os._exit(signals.TO_BE_CONTINUED)
        text = "".join(traceback.format_exception(kind, error, trace))
        of = os.environ.get("WORLD_SIZE", 1)
        print(f"process {process} of {of} failed:\n{text}", file=sys.__stderr__, flush=True)

    sys.excepthook = tell


def main() -> int:
    """`accelerate launch`, which ends with the status that its processes ended with."""
    from accelerate.commands.launch import main as launch
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    signals.die_with_parent()
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", PATIENCE)
    with signals.Stop():  # a process that accelerate starts directly has the signal too, and is waited for
        try:
            launch()
        except SignalException:
            return signals.TO_BE_CONTINUED
        except ChildFailedError as error:
            statuses = {failure.exitcode for failure in error.failures.values()}
            return signals.TO_BE_CONTINUED if signals.TO_BE_CONTINUED in statuses else 1
        except subprocess.CalledProcessError as error:
            return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
