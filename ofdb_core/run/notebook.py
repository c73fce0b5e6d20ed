"""Runs one notebook, by papermill, in a kernel that is asked to save when the run is asked to stop."""

import logging
import os
import re
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from ofdb_core.base import signals
from ofdb_core.base.own import Own
from ofdb_core.base.parameters import INJECTED, RAN

ANSI = re.compile(r"\x1b\[[0-9;]*m")  # colours of a traceback
SHORT = 70  # characters of a folder in which the name of a socket fits
PLACE = r"Cell In\[\d+\], line (\d+)"  # of an error, in a traceback


class NotebookError(RuntimeError):
    """A notebook that failed, or its training in processes; the message says where, and what to look at."""


class _Echo:
    """Prints what a running notebook prints, a line at a time (a progress bar rewrites its line; a log cannot)."""

    def write(self, text: str) -> None:
        for line in text.replace("\r", "\n").splitlines():
            if line.strip():
                print(f"    {line}")

    def flush(self) -> None:
        sys.stdout.flush()


def execute(source: Path, parameters: dict[str, Any], result: Path) -> None:
    """Run a notebook file with these parameters (name -> value) and leave the executed one, or half of it, at `result`.

    It is written elsewhere first, since a file that a killed run had left half-written could not be proved to be ours.
    Raises NotebookError if a cell fails or the kernel dies; signals.Continued if a training was asked to stop and saved
    its state, or a batch system ended the run; KeyboardInterrupt if Ctrl-C interrupted anything else.
    """
    import papermill
    from jupyter_client.manager import AsyncKernelManager
    from nbclient.exceptions import DeadKernelError

    notebook = result.stem
    kernels: list[Any] = []

    class Kernel(AsyncKernelManager):
        """Talks to its kernel over Unix sockets: no ports that others on the machine could reach."""

        def __init__(self, **options: Any) -> None:
            # sockets in a folder for this kernel: others that start at once would take its names
            super().__init__(transport="ipc", ip=f"{sockets}/kernel", **options)
            kernels.append(self)

    def stop() -> None:
        running = [kernel.provisioner.pgid for kernel in kernels if kernel.has_kernel]
        if not running:
            raise interrupted()
        print("stopping: a training saves its state first; Ctrl-C again ends it at once", flush=True)
        os.killpg(running[0], signal.SIGINT)

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it warns of names that a shared notebook lacks
    os.environ.setdefault("TQDM_MININTERVAL", "5")
    os.environ.setdefault("PYVISTA_JUPYTER_BACKEND", "static")

    def interrupted() -> BaseException:
        if stopped.asked and stopped.number != signal.SIGINT:
            return signals.Continued(f"{notebook}: asked to stop; the same command goes on with what is done")
        return KeyboardInterrupt()

    def begin_cell(**_: Any) -> None:  # a kernel ignores SIGINT between cells
        if stopped.asked:
            raise interrupted()

    usual = tempfile.gettempdir()
    place = usual if len(os.fsencode(usual)) <= SHORT else "/tmp"
    with signals.Stop(stop) as stopped, tempfile.TemporaryDirectory(prefix="ofdb-", dir=place) as sockets:
        half = Path(sockets, result.name)
        try:
            papermill.execute_notebook(
                str(source),
                str(half),
                parameters=parameters,
                kernel_name="python3",
                kernel_manager_class=Kernel,
                cwd=str(source.parent),
                progress_bar=False,
                stdout_file=_Echo(),
                stderr_file=_Echo(),
                autosave_cell_every=2,
                on_cell_execute=begin_cell,
                extra_arguments=["--log-level=CRITICAL"],  # at its end it would log the interrupt that stops it
            )
        except papermill.PapermillExecutionError as error:
            if error.ename == signals.Interrupted.__name__:
                raise signals.Continued(f"{notebook}: {error.evalue}") from error
            if error.ename == "KeyboardInterrupt":
                raise interrupted() from error
            lines, places = error.source.splitlines(), re.findall(PLACE, ANSI.sub("", "\n".join(error.traceback)))
            code = lines[int(places[-1]) - 1 if places else -1].strip()
            raise NotebookError(
                f"{notebook}: cell {error.cell_index + 1} (In [{error.exec_count}]: {code}) failed\n"
                f"{error.ename}: {error.evalue}\n"
                f"the half-run notebook, with the traceback, is {result}"
            ) from error
        except RuntimeError as error:  # the kernel died, or was not ready yet
            if stopped.asked:
                raise interrupted() from error
            if not isinstance(error, DeadKernelError) and not str(error).startswith("Kernel d"):
                raise  # "Kernel died before ..." and "Kernel didn't respond ..." are jupyter_client's
            raise NotebookError(
                f"{notebook}: its kernel died ({error}); often the machine ran out of memory\n"
                f"the half-run notebook is {result}"
            ) from error
        finally:
            if half.is_file():
                Own(result.parent).write(result.name, _signed(half, result))
    if stopped.asked:  # so late that the notebook came to its end
        raise interrupted()


def _signed(executed: Path, result: Path) -> str:
    """An executed notebook whose parameters say which run they are of, so that a copy does not write there."""
    import nbformat

    notebook = nbformat.read(executed, as_version=4)
    for cell in notebook.cells:
        if cell.source.startswith(INJECTED):
            cell.source = cell.source.replace(INJECTED, INJECTED + RAN.format(os.path.realpath(result.parent)), 1)
    notebook.metadata.papermill.output_path = str(result)
    return nbformat.writes(notebook)
