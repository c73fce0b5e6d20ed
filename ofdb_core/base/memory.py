"""Which freed memory the C library keeps."""

import ctypes
import functools

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # mallopt's numbers in glibc's malloc.h
KEPT = 2**30  # bytes


@functools.cache
def keep_freed() -> None:
    """Let glibc keep up to a gigabyte of this process's freed memory for its next allocations.

    By default glibc returns memory as large as a batch to the system, and each batch is mapped anew, page by page.
    Other C libraries have no such setting and are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(MMAP_THRESHOLD, KEPT)
        mallopt(TRIM_THRESHOLD, KEPT)
