import os
import signal
import threading

import pytest

from ofdb_core import signals


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


def test_a_second_ctrl_c_interrupts_at_once():
    with signals.Stop():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_note_nothing():
    found = []

    def work():
        with signals.Stop() as stop:
            found.append(stop.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]
