"""Compilation of the kernels: `@kernel` is numba's njit, cached on disk and free of the GIL.

Floating point stays strict (no fast-math, so no fused or reordered operation): the original's bits depend on it.
The first process to need a kernel says that it compiles; later ones load the machine code from disk.
"""

import sys

import numba
from numba.core import event

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")


class _Announce(event.Listener):
    """Prints one line at the first compilation of this process, so that a pause explains itself."""

    def __init__(self):
        self.said = False

    def on_start(self, event):
        if not self.said:
            self.said = True
            print("compiling kernels (once; the machine code is kept on disk) ...", file=sys.stderr, flush=True)

    def on_end(self, event):
        pass


event.register("numba:compile", _Announce())
