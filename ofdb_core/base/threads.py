"""Work in threads whose results the caller takes as they come; an interrupt ends all of it."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def results(tasks: Iterable[Callable[[], T]], workers: int) -> Iterator[T]:
    """The results of tasks, in the order in which threads finish them; the exception of a task is raised here.

    tasks: taken one by one, 2 * workers ahead of what is finished. Tasks and results go through queues that are written
    in C: Python's own futures, interrupted at the wrong moment, keep a lock for ever, and the threads wait for it.
    """
    waiting: queue.SimpleQueue[Callable[[], T] | None] = queue.SimpleQueue()
    finished: queue.SimpleQueue[tuple[list[T], BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        while (task := waiting.get()) is not None:
            try:
                finished.put(([task()], None))
            except BaseException as error:  # it is the caller's
                finished.put(([], error))

    def taken() -> T:
        result, error = finished.get()
        if error is not None:
            raise error
        return result[0]

    threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]  # a caller may forget the iterator
    for thread in threads:
        thread.start()
    try:
        unfinished = 0
        for task in tasks:
            waiting.put(task)
            unfinished += 1
            if unfinished > 2 * workers:
                yield taken()
                unfinished -= 1
        for _ in range(unfinished):
            yield taken()
    finally:
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.get_nowait()  # what nobody has begun
        for _ in threads:
            waiting.put(None)
        for thread in threads:
            thread.join()
