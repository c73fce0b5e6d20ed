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
    """A notebook failed, or its training in processes; the message says where, and what to look at."""


class _Echo:
    """Prints what a running notebook prints, a line at a time (a progress bar rewrites its line; a log cannot)."""

    def write(self, text: str) -> None:
        for line in text.replace("\r", "\n").splitlines():
            if line.strip():
                print(f"    {line}")

    def flush(self) -> None:
        sys.stdout.flush()


class _Stop(signals.Stop):
    """Passes the first signal that asks a notebook's run to stop on to its kernel; kernels: its manager, once begun."""

    def __init__(self, notebook: str) -> None:
        super().__init__(self.interrupt)
        self.notebook, self.kernels = notebook, list[Any]()

    def interrupt(self) -> None:
        running = [kernel.provisioner.pgid for kernel in self.kernels if kernel.has_kernel]
        if not running:
            raise self.error()
        print("stopping: a training saves its state first; Ctrl-C again ends it at once", flush=True)
        os.killpg(running[0], signal.SIGINT)

    def error(self) -> BaseException:
        """What a stopped run raises."""
        if self.asked and self.number != signal.SIGINT:
            return signals.Continued(f"{self.notebook}: asked to stop; the same command goes on with what is done")
        return KeyboardInterrupt()

    def check(self, **_: Any) -> None:
        """End the run if it was asked to stop; also before each cell, since a kernel ignores SIGINT between cells."""
        if self.asked:
            raise self.error()


def execute(source: Path, parameters: dict[str, Any], result: Path) -> None:
    """Run a notebook file with these parameters (name -> value) and leave the executed one, or half of it, at `result`.

    It is written elsewhere first, since a file that a killed run had left half-written could not be proved to be ours.
    Raises NotebookError if a cell fails or the kernel dies; signals.Continued if a training was asked to stop and saved
    its state, or a batch system ended the run; KeyboardInterrupt if Ctrl-C interrupted anything else.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it warns of names that a shared notebook lacks
    os.environ.setdefault("TQDM_MININTERVAL", "5")
    os.environ.setdefault("PYVISTA_JUPYTER_BACKEND", "static")
    usual = tempfile.gettempdir()
    short = usual if len(os.fsencode(usual)) <= SHORT else "/tmp"
    with _Stop(result.stem) as stop, tempfile.TemporaryDirectory(prefix="ofdb-", dir=short) as sockets:
        half = Path(sockets, result.name)
        try:
            papermill.execute_notebook(
                str(source),
                str(half),
                parameters=parameters,
                kernel_name="python3",
                kernel_manager_class=_kernel_class(sockets, stop.kernels),
                cwd=str(source.parent),
                progress_bar=False,
                stdout_file=_Echo(),
                stderr_file=_Echo(),
                autosave_cell_every=2,
                on_cell_execute=stop.check,
                extra_arguments=["--log-level=CRITICAL"],  # at its end it would log the interrupt that stops it
            )
        except papermill.PapermillExecutionError as error:
            if error.ename == signals.Interrupted.__name__:
                raise signals.Continued(f"{result.stem}: {error.evalue}") from error
            raise (stop.error() if error.ename == "KeyboardInterrupt" else _failure(error, result)) from error
        except RuntimeError as error:  # the kernel died, or was not ready yet
            stop.check()
            if not isinstance(error, DeadKernelError) and not str(error).startswith("Kernel d"):
                raise  # "Kernel died before ..." and "Kernel didn't respond ..." are jupyter_client's
            raise NotebookError(
                f"{result.stem}: its kernel died ({error}); often the machine ran out of memory\n"
                f"the half-run notebook is {result}"
            ) from error
        finally:
            if half.is_file():
                Own(result.parent).write(result.name, _signed(half, result))
    stop.check()  # so late that the notebook came to its end


def _kernel_class(sockets: str, kernels: list[Any]) -> type:
    """A class whose instance manages a kernel, and adds itself to `kernels`.

    It talks over Unix sockets in a folder: no ports that others on the machine could reach. Each kernel has a folder of
    its own: others that start at once would take its sockets' names.
    """
    from jupyter_client.manager import AsyncKernelManager

    class Kernel(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(transport="ipc", ip=f"{sockets}/kernel", **options)
            kernels.append(self)

    return Kernel


def _failure(error: Any, result: Path) -> NotebookError:
    """The error of a cell, in papermill's words, with its line."""
    lines, places = error.source.splitlines(), re.findall(PLACE, ANSI.sub("", "\n".join(error.traceback)))
    code = lines[int(places[-1]) - 1 if places else -1].strip()
    return NotebookError(
        f"{result.stem}: cell {error.cell_index + 1} (In [{error.exec_count}]: {code}) failed\n"
        f"{error.ename}: {error.evalue}\n"
        f"the half-run notebook, with the traceback, is {result}"
    )


def _signed(executed: Path, result: Path) -> str:
    """An executed notebook whose parameters say which run they are of, so that a copy does not write there."""
    import nbformat

    notebook = nbformat.read(executed, as_version=4)
    for cell in notebook.cells:
        if cell.source.startswith(INJECTED):
            cell.source = cell.source.replace(INJECTED, INJECTED + RAN.format(os.path.realpath(result.parent)), 1)
    notebook.metadata.papermill.output_path = str(result)
    return nbformat.writes(notebook)
