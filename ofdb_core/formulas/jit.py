"""Compilation of the kernels: `@kernel` is numba's njit, cached on disk and free of the GIL.

Floating point stays strict (no fast-math, so no fused or reordered operation): the original's bits depend on it.
The first process to need a kernel compiles it, and says so. Later ones load the machine code from disk, until the
kernel or anything that it uses changes.
"""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core import event

from ofdb_core.base import provenance

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """The function, compiled when it is first called; its signature is kept."""
    compiler = numba.njit(cache=True, nogil=True, error_model="numpy")
    try:
        compiled = compiler(function)
    except RuntimeError:  # neither the package's folder nor one of the user's can be written
        _cache_for_now()
        compiled = compiler(function)
    if hasattr(compiled, "_cache") and function.__module__.startswith("ofdb_core."):
        # Machine code includes the kernels that it calls, but numba looks for changes in the function's own file only.
        compiled._cache._cache_file._source_stamp = provenance.code_version(function)
    return cast(Function, compiled)


def _cache_for_now() -> None:
    """Let numba keep the machine code in a folder of this process, and of those that it starts, until it ends."""
    os.environ["NUMBA_CACHE_DIR"] = folder = tempfile.mkdtemp(prefix="ofdb-kernels-")
    numba.config.CACHE_DIR = folder  # type: ignore[attr-defined]
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    hint = "NUMBA_CACHE_DIR may name a folder to keep them in"
    print(f"kernels are compiled for this command alone, since no cache can be written; {hint}", file=sys.stderr)


@kernel
def copy(source: np.ndarray, target: np.ndarray) -> None:
    """As `target[:] = source` for one axis and equal lengths, but numba compiles it two seconds faster."""
    for i in range(len(target)):
        target[i] = source[i]


class _Announce(event.Listener):
    """Prints one line at the first compilation of this process, so that a pause explains itself."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: event.Event) -> None:
        if not self.said:
            self.said = True
            print("compiling kernels (once; the machine code is kept on disk) ...", file=sys.stderr, flush=True)

    def on_end(self, event: event.Event) -> None:
        pass


event.register("numba:compile", _Announce())
