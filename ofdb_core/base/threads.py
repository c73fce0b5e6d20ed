"""Work in threads; the caller takes results as they finish, or in order; an interrupt ends all of it."""

import collections
import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Finished = queue.SimpleQueue[tuple[Any, BaseException | None]]  # results, or what the tasks raised


def _done(tasks: Iterable[Callable[[], T]], workers: int, ahead: int, queue_of: Callable[[], Finished]) -> Iterator[T]:
    """The results of tasks, which are taken one by one, at most `ahead` before the results.

    queue_of: gives the queue for the result of the next task. The queues are written in C: Python's futures,
    interrupted at the wrong moment, never release a lock, and the threads wait for it. At the end, tasks that no thread
    has begun are dropped.
    """
    waiting: queue.SimpleQueue[tuple[Callable[[], T], Finished] | None] = queue.SimpleQueue()
    queues: collections.deque[Finished] = collections.deque()

    def work() -> None:
        while (item := waiting.get()) is not None:
            task, finished = item
            try:
                finished.put((task(), None))
            except BaseException as error:  # raised in the caller
                finished.put((None, error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]  # a caller may forget the iterator
    for thread in threads:
        thread.start()
    try:
        for task in tasks:
            queues.append(queue_of())
            waiting.put((task, queues[-1]))
            if len(queues) > ahead:
                yield _taken(queues.popleft())
        while queues:
            yield _taken(queues.popleft())
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
    return _done(tasks, workers, 2 * workers, lambda: finished)


def in_order(tasks: Iterable[Callable[[], T]], workers: int) -> Iterator[T]:
    """The results of tasks, in their own order; the exception of a task is raised here, in its turn.

    tasks: taken one by one, at most workers + 1 ahead of the results taken, so no more results are held.
    """
    return _done(tasks, workers, workers, queue.SimpleQueue)


class Once(Generic[T]):
    """A value that the first thread to ask for it computes, while other threads wait."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._made, self._one = make, list[T](), threading.Lock()

    def __getstate__(self) -> Callable[[], T]:
        return self._make  # for another process, which makes it anew

    def __setstate__(self, make: Callable[[], T]) -> None:
        self.__init__(make)  # type: ignore[misc]

    def __call__(self) -> T:
        with self._one:
            if not self._made:
                self._made.append(self._make())
        return self._made[0]
