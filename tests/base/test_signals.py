import os
import signal
import subprocess
import sys
import threading

import pytest

from ofdb_core.base import signals
from tests.helpers.processes import started


@pytest.mark.parametrize("number", signals.STOPS)
def test_a_signal_is_noted_and_the_handlers_come_back(number):
    before, called = [signal.getsignal(stop) for stop in signals.STOPS], []
    with signals.Stop(lambda: called.append(number)) as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
        if number != signal.SIGINT:
            os.kill(os.getpid(), number)
    assert called == [number]
    assert [signal.getsignal(stop) for stop in signals.STOPS] == before


def test_a_second_ctrl_c_interrupts_at_once_but_not_an_echo_of_the_first(monkeypatch):
    clock = [10.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: clock[0])
    with signals.Stop() as stop:
        os.kill(os.getpid(), signal.SIGTERM)  # from a batch system to every process
        os.kill(os.getpid(), signal.SIGINT)  # and from the process that this one works for
        assert stop.number == signal.SIGTERM
        clock[0] += 2
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_what_one_knows_those_around_it_and_within_it_know():
    with signals.Stop() as outer:
        with signals.Stop() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
            assert inner.asked
        assert outer.asked
        with signals.Stop() as later:
            assert later.asked
    with signals.Stop() as other:
        assert not other.asked


def test_other_threads_note_nothing():
    asked = []

    def work():
        with signals.Stop() as stop:
            asked.append(stop.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(300)
    assert asked == [False]


AT_WORK = {  # what a run may be doing when a signal comes and no `Stop` is open
    "sleeping": "time.sleep(300)",
    "waiting for threads": "queue.SimpleQueue().get()",
    "waiting for a program": "subprocess.run(['sleep', '300'], stderr=subprocess.DEVNULL)",
    "swallowing": "[swallow() for _ in iter(int, 1)]",
    "after a Stop": "signals.Stop().__enter__().__exit__(); time.sleep(300)",
    "deleting": "[Deleted() for _ in iter(int, 1)]",
    "computing": "[len('x') for _ in iter(int, 1)]",
    "printing": "[print('x' * 99) for _ in iter(int, 1)]",
}

PROGRAM = """
import queue, subprocess, sys, time
from ofdb_core.base import signals

def swallow():
    try:
        time.sleep(0.01)
    except BaseException:
        pass

class Deleted:
    def __del__(self):
        time.sleep(0.01)

signals.end_at_once()
print("ready", file=sys.stderr, flush=True)
"""


@pytest.mark.parametrize("work", AT_WORK)
@pytest.mark.parametrize("number", signals.STOPS)
def test_outside_a_stop_it_ends_at_once_with_the_status_that_says_so(number, work):
    program = [sys.executable, "-c", PROGRAM + AT_WORK[work]]
    with started(program, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr.readline() == "ready\n"
        process.send_signal(number)
        told = process.communicate(timeout=300)[1]
    assert process.returncode == (130 if number == signal.SIGINT else 75)
    assert told == "\ninterrupted; the same command continues where it stopped\n"


def test_signals_that_were_held_back_are_taken():
    program = [sys.executable, "-c", "import time; time.sleep(1);" + PROGRAM + AT_WORK["sleeping"]]
    with started(
        program, stderr=subprocess.DEVNULL, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signals.STOPS)
    ) as process:
        process.send_signal(signal.SIGUSR1)
    assert process.returncode == 75
