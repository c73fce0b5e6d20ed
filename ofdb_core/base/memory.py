"""What the C library does with memory that is given back."""

import ctypes
import functools

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # mallopt's numbers in glibc's malloc.h
KEPT = 2**30  # bytes


@functools.cache
def keep_freed() -> None:
    """Let glibc keep up to a gigabyte that was freed for what is asked for next, in this process.

    A batch is larger than what it keeps by itself, so each would come from the system anew, a page at a time. Other C
    libraries have no such setting, and go on as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(MMAP_THRESHOLD, KEPT)
        mallopt(TRIM_THRESHOLD, KEPT)
