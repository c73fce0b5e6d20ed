"""Notebooks in the test's own process, for tests of when a stage runs and what it leaves, not of how a kernel does.

All but the kernel is as in any run: papermill injects the parameters and saves the notebook. A kernel takes seconds to
start, and to import again what the tests have long imported.
"""

import contextlib
import io
from pathlib import Path

import papermill.engines
import pytest

from ofdb_core.families import registry


class InProcess(papermill.engines.Engine):
    """Executes a notebook's cells one after another, here."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, stdout_file, **_):
        run: list[str] = []
        names = {"__name__": "__main__", "In": run, "display": lambda *_: None}
        for index, cell in enumerate(nb_man.nb.cells):
            if cell.cell_type == "code":
                nb_man.cell_start(cell, index)
                run.append(cell.source)
                with contextlib.redirect_stdout(io.StringIO()) as said:
                    exec(cell.source, names)
                stdout_file.write(said.getvalue())
                nb_man.cell_complete(cell, index)


@pytest.fixture
def in_process(monkeypatch):
    """Until the test's end, no notebook gets a kernel of its own."""
    monkeypatch.setitem(papermill.engines.papermill_engines._engines, None, InProcess)


class OneKernelEach(InProcess):
    """Executes a notebook in a kernel, but one that several stages share only for the first of these."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **how):
        again = Path(nb_man.nb.metadata.papermill["output_path"]).stem in registry.served_stages()[1:]
        engine = InProcess if again else papermill.engines.NBClientEngine
        engine.execute_managed_notebook(nb_man, kernel_name, **how)


@pytest.fixture
def one_kernel_each(monkeypatch):
    """Until the test's end, each file in notebooks/ gets a kernel for one stage."""
    monkeypatch.setitem(papermill.engines.papermill_engines._engines, None, OneKernelEach)
