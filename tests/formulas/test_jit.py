import os
import shutil
import subprocess
import sys

import pytest

from ofdb_core.base.project import PACKAGE

INNER = "from ofdb_core.formulas.jit import kernel\n\n@kernel\ndef inner(x):\n    return x + {}\n"
OUTER = """
from ofdb_core.formulas.inner import inner
from ofdb_core.formulas.jit import kernel

@kernel
def outer(x):
    return inner(x)
"""


@pytest.mark.slow
def test_a_kernel_is_compiled_again_when_one_that_it_calls_has_changed(tmp_path):
    package = tmp_path / "ofdb_core"
    for part in ("base", "formulas"):
        shutil.copytree(PACKAGE / part, package / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE / "__init__.py", package)
    (package / "formulas" / "outer.py").write_text(OUTER)

    def result_and_messages(step):
        (package / "formulas" / "inner.py").write_text(INNER.format(step))
        command = [sys.executable, "-c", "from ofdb_core.formulas.outer import outer; print(outer(1))"]
        where = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(command, cwd=tmp_path, env=where, capture_output=True, text=True, check=True)
        return int(done.stdout), done.stderr

    assert result_and_messages(1)[0] == 2
    assert result_and_messages(1) == (2, "")  # from disk
    assert result_and_messages(5)[0] == 6


@pytest.mark.slow
def test_where_no_cache_can_be_written_kernels_are_compiled_and_it_is_said_once(tmp_path):
    package, scratch = tmp_path / "ofdb_core", tmp_path / "scratch"
    for part in ("base", "formulas"):
        shutil.copytree(PACKAGE / part, package / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE / "__init__.py", package)
    (package / "formulas" / "__pycache__").touch()  # no folder can be made there, whoever asks
    scratch.mkdir()
    code = "import numpy; from ofdb_core.formulas import jit; a = numpy.ones(3); jit.copy(a * 2, a); print(a.sum())"
    where = {**os.environ, "PYTHONPATH": str(tmp_path), "HOME": "/dev/null", "TMPDIR": str(scratch)}
    where = {name: value for name, value in where.items() if name not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=where, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "6.0\n"), done.stderr
    assert done.stderr.count("no cache can be written; NUMBA_CACHE_DIR may name a folder") == 1
    assert not list(scratch.iterdir())
