"""Work in threads; the caller takes results as they finish, or in order; an interrupt ends all of it."""

import collections
import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
Finished = queue.SimpleQueue[tuple[Any, BaseException | None]]  # results, or what the tasks raised


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[Callable[[Callable[[], Any], Finished], None]]:
    """A function of a task and a queue: one of the threads does the task and puts its result into the queue.

    The queues are written in C: Python's futures, interrupted at the wrong moment, never release a lock, and the
    threads wait for it. At the end, tasks that no thread has begun are dropped.
    """
    waiting: queue.SimpleQueue[tuple[Callable[[], Any], Finished] | None] = queue.SimpleQueue()

    def work() -> None:
        while (given := waiting.get()) is not None:
            task, finished = given
            try:
                finished.put((task(), None))
            except BaseException as error:  # raised in the caller
                finished.put((None, error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]  # a caller may forget the iterator
    for thread in threads:
        thread.start()
    try:
        yield lambda task, finished: waiting.put((task, finished))
    finally:
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.get_nowait()
        for _ in threads:
            waiting.put(None)
        for thread in threads:
            thread.join()


def _taken(finished: Finished) -> Any:
    result, error = finished.get()
    if error is not None:
        raise error
    return result


def results(tasks: Iterable[Callable[[], T]], workers: int) -> Iterator[T]:
    """The results of tasks, in the order in which threads finish them; the exception of a task is raised here.

    tasks: taken one by one, 2 * workers ahead of what is finished.
    """
    finished: Finished = queue.SimpleQueue()
    with _pool(workers) as give:
        unfinished = 0
        for task in tasks:
            give(task, finished)
            unfinished += 1
            if unfinished > 2 * workers:
                yield _taken(finished)
                unfinished -= 1
        for _ in range(unfinished):
            yield _taken(finished)


def in_order(tasks: Iterable[Callable[[], T]], workers: int) -> Iterator[T]:
    """The results of tasks, in their own order; the exception of a task is raised here, in its turn.

    tasks: taken one by one, at most workers + 1 ahead of the results taken, so no more results are held.
    """
    ahead: collections.deque[Finished] = collections.deque()
    with _pool(workers) as give:
        for task in tasks:
            ahead.append(queue.SimpleQueue())
            give(task, ahead[-1])
            if len(ahead) > workers:
                yield _taken(ahead.popleft())
        while ahead:
            yield _taken(ahead.popleft())
