"""Processes that a test starts and signals: none outlives its block, and no wait is without a limit."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIMIT = 300  # seconds: on a machine that is twenty times slower, Python and torch take minutes to start


@contextmanager
def started(words: Sequence[str | Path], **how: Any) -> Iterator[subprocess.Popen[Any]]:
    """The process of a command; it is killed at the end of the block if it still runs."""
    with subprocess.Popen(words, **how) as process:
        try:
            yield process
            process.wait(LIMIT)
        finally:
            process.kill()


def until(true: Callable[[], object], process: subprocess.Popen[Any] | None = None, seconds: float = LIMIT) -> None:
    """Wait until `true()` is; fail when that takes too long, or when the process ends first."""
    end = time.monotonic() + seconds
    while True:
        status = process.poll() if process else None
        if true():
            return
        assert status is None, f"the process ended with {status}"
        assert time.monotonic() < end, f"nothing for {seconds} s"
        time.sleep(0.01)
