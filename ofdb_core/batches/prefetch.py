"""Batches are made ahead of the training step that takes them."""

import contextlib
import functools
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from ofdb_core.base import memory, signals, threads
from ofdb_core.batches.finish import Batch, Finish, Unfinished
from ofdb_core.batches.source import Source

T = TypeVar("T")


def prefetch(
    source: Source, steps: int, *, start: int = 0, workers: int = 0, device: str | torch.device = "cpu"
) -> Generator[Batch, None, None]:
    """Yield the source's batches of the steps start..steps - 1, in order and part by part, on the device.

    workers: threads that make them ahead of time, a part each; 0 makes each part here when it is asked for. Threads
    share all that the source holds, such as decoded images; a source that is not `parallel` gets processes instead,
    which do not. They end when the iteration ends, however it ends.
    """
    device, numbers = torch.device(device), range(start * source.parts, steps * source.parts)
    if device.type == "cpu":
        memory.keep_freed()
        yield from _mapped(source.finish, source, numbers, workers)
    else:
        halves = _mapped(_pinned if device.type == "cuda" else _same, source, numbers, workers)
        yield from _on_device(halves, source.finish, device)


def _mapped(function: Callable[[Unfinished], T], source: Source, numbers: range, workers: int) -> Iterator[T]:
    """What a function makes of the first halves of parts, by their numbers."""

    def make(number: int) -> T:
        return function(source.unfinished(*divmod(number, source.parts)))

    if not workers:
        yield from map(make, numbers)
    elif source.parallel:
        yield from threads.in_order((functools.partial(make, number) for number in numbers), workers)
    else:
        yield from map(function, _by_processes(source, numbers, workers))


def _same(half: Unfinished) -> Unfinished:
    return half


def _pinned(half: Unfinished) -> Unfinished:
    """In memory from which a GPU copies by itself."""
    return Unfinished(*(tensor.pin_memory() for tensor in half))


def _on_device(halves: Iterator[Unfinished], finish: Finish, device: torch.device) -> Iterator[Batch]:
    """Batches that are finished on a device, one of them ahead; on a GPU on a stream of its own beside training's."""
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None
    ahead: list[tuple[Batch, torch.cuda.Event | None]] = []
    for half in halves:
        with torch.cuda.stream(stream) if stream else contextlib.nullcontext():
            batch = finish(Unfinished(*(tensor.to(device, non_blocking=tensor.is_pinned()) for tensor in half)))
            ahead.append((batch, stream.record_event() if stream else None))
        if len(ahead) > 1:
            yield _waited_for(*ahead.pop(0))
    for batch, event in ahead:
        yield _waited_for(batch, event)


def _waited_for(batch: Batch, event: torch.cuda.Event | None) -> Batch:
    """A batch which the present stream takes when it is ready, and whose memory lasts until then."""
    if event:
        torch.cuda.current_stream().wait_event(event)
        for tensor in batch:
            tensor.record_stream(torch.cuda.current_stream())
    return batch


class _Parts(Dataset):
    """A source as a data set whose samples are the first halves of the parts of its batches."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __getitem__(self, number: int) -> Unfinished:
        return self.source.unfinished(*divmod(number, self.source.parts))


def _leave_signals_to_the_main_process(_: int) -> None:
    signals.ignore()


def _by_processes(source: Source, numbers: range, workers: int) -> Iterator[Unfinished]:
    """The first halves of parts, made by processes of one thread each."""
    halves = iter(
        DataLoader(
            _Parts(source),
            batch_size=None,
            sampler=numbers,
            num_workers=workers,
            worker_init_fn=_leave_signals_to_the_main_process,
            generator=torch.Generator(),  # not the caller's, from which a loader draws a number
        )
    )
    try:
        yield from halves
    finally:
        halves._shutdown_workers()  # type: ignore[attr-defined]  # torch's stubs do not know it
