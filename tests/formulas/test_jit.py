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
