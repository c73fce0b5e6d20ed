"""Signals that ask a run to save and stop: Ctrl-C, a batch system's time limit (SIGTERM) or its warning (SIGUSR1)."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar, Self

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
TO_BE_CONTINUED = 75  # the exit status of a run whose training is saved and unfinished (EX_TEMPFAIL of sysexits.h)
INTERRUPTED = 128 + signal.SIGINT  # of a run that Ctrl-C ended
NOBODY_READS = 128 + signal.SIGPIPE  # of a run whose output goes to a program that ended


class Interrupted(KeyboardInterrupt):
    """A training that was asked to stop, in its own process: its state is saved."""


class Continued(KeyboardInterrupt):
    """A run whose training was `Interrupted`, or that a batch system ended: the same command goes on from there."""


class Stop:
    """Notes signals while it is open: `asked` says whether one came; `then` is called at the first.

    A `Stop` inside another shares its signals with it, so none is lost between two trainings. A second Ctrl-C
    interrupts at once; but a repeat within a second is the same signal: batch systems signal every process, and a
    process signals its workers. Outside the main thread, where Python handles no signals, it notes none.
    """

    _innermost: ClassVar["Stop | None"] = None

    def __init__(self, then: Callable[[], object] | None = None) -> None:
        self.number: int | None = None
        self._then, self._first = then, 0.0
        self._before: dict[signal.Signals, Any] = {}  # the handlers to restore
        self._outer: Stop | None = None

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return self.number is not None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in STOPS}
            self._outer, Stop._innermost = Stop._innermost, self
            if self._outer:
                self.number, self._first = self._outer.number, self._outer._first
        return self

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT and time.monotonic() - self._first > 1:
            raise KeyboardInterrupt
        if not self.asked:
            self.number, self._first = number, time.monotonic()
            if self._then:
                self._then()

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._before:
            Stop._innermost = self._outer
            if self._outer and not self._outer.asked:
                self._outer.number, self._outer._first = self.number, self._first


def end_at_once() -> None:
    """From now on, a signal that no open `Stop` takes ends this process at once, with the status for a signal.

    That is safe, since files are written whole or not at all; the running code might swallow an exception. Call it
    first of all: run_all.sh starts Python with these signals blocked.
    """
    for number in STOPS:
        signal.signal(number, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _end(number: int, _: FrameType | None) -> None:
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # in the middle of a print, or nobody reads any more
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(2, b"\ninterrupted; the same command continues where it stopped\n")
    os._exit(INTERRUPTED if number == signal.SIGINT else TO_BE_CONTINUED)


def die_with_parent() -> None:
    """On Linux, end this process when its parent dies, however it dies: a child must not go on writing alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def ignore(_: int = 0) -> None:
    """Leave these signals to the main process; called in its workers, by torch with their number."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
