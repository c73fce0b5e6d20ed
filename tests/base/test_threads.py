"""Tasks in threads: results, errors and interrupts; nobody is left at work."""

import itertools
import signal
import subprocess
import sys
import threading
import time

import pytest

from ofdb_core.base import threads
from tests.helpers.processes import started


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_task_is_done_once(workers):
    found = list(threads.results([lambda i=i: i * i for i in range(50)], workers))
    assert sorted(found) == [i * i for i in range(50)]


def test_tasks_are_taken_as_they_are_needed():
    taken = []

    def tasks():
        for i in itertools.count():
            taken.append(i)
            yield lambda: None

    results = threads.results(tasks(), 2)
    next(results)
    assert len(taken) == 5
    results.close()


def test_results_come_in_the_order_of_the_tasks():
    def task(i):
        time.sleep(0.002 * (i % 3))
        return i

    assert list(threads.in_order((lambda i=i: task(i) for i in range(40)), 3)) == list(range(40))


def test_no_more_results_are_held_than_there_are_threads():
    taken = []

    def tasks():
        for i in itertools.count():
            taken.append(i)
            yield lambda: None

    results = threads.in_order(tasks(), 2)
    for received in range(1, 20):
        next(results)
        assert len(taken) == received + 2
    results.close()


@pytest.mark.parametrize("gives", [threads.results, threads.in_order])
def test_the_error_of_a_task_is_the_callers_and_ends_the_others(gives):
    before = threading.active_count()

    def task(i):
        if i == 3:
            raise ValueError("task 3")

    with pytest.raises(ValueError, match="task 3"):
        for _ in gives((lambda i=i: task(i) for i in itertools.count()), 2):
            pass  # without an end, if the error did not reach it
    assert threading.active_count() == before


INTERRUPTED = """
import itertools, time
from ofdb_core.base import threads
print("working", flush=True)
for _ in threads.results(itertools.repeat(lambda: time.sleep(0.0001)), 2):
    pass
"""


def test_an_interrupt_ends_it_whenever_it_comes():
    for delay in (0.0, 0.01, 0.03, 0.05, 0.1):
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with started([sys.executable, "-c", INTERRUPTED], **how) as process:
            assert process.stdout.readline() == b"working\n"
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=300)[1].rstrip().endswith(b"KeyboardInterrupt")


def test_a_value_is_made_once_while_other_threads_wait():
    made, go = [], threading.Event()

    def make():
        go.wait(300)
        made.append(None)
        return len(made)

    value = threads.Once(make)
    tasks = [value] * 5
    threading.Timer(0.1, go.set).start()
    assert list(threads.results(tasks, 5)) == [1] * 5
    assert made == [None]


def test_a_value_that_could_not_be_made_is_tried_again():
    answers = iter([ValueError("not yet"), 7])

    def make():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    value = threads.Once(make)
    with pytest.raises(ValueError, match="not yet"):
        value()
    assert value() == value() == 7
