"""Signals that ask a run to save and stop: Ctrl-C, a batch system's time limit (SIGTERM) or its warning (SIGUSR1)."""

import ctypes
import signal
import sys
import threading

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
TO_BE_CONTINUED = 75  # the exit status of a run whose training is saved and not at its end (EX_TEMPFAIL of sysexits.h)


class Continued(Exception):
    """A run that was asked to stop and saved what it had: the same command goes on from there."""


class Stop:
    """While it is open, `asked` tells whether such a signal came; `then` is called at the first.

    A second Ctrl-C interrupts at once. Outside the main thread, where Python handles no signals, it notes none.
    """

    def __init__(self, then=None):
        self.asked, self._then, self._before = False, then, {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in STOPS}
        return self

    def _note(self, number, _):
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        first, self.asked = not self.asked, True
        if first and self._then:
            self._then()

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)


def die_with_parent():
    """End this process when the one that started it dies, however it dies (Linux), so that nobody writes on alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def ignore():
    """Leave such signals to the main process; for the processes that work for it."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
