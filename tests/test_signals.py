import os
import signal
import threading

import pytest

from ofdb_core.base import signals


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
    thread.join()
    assert asked == [False]
