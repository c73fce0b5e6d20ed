"""Batches, made ahead of the training step that takes them."""

import contextlib
import functools
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader

from ofdb_core.base import memory, signals, threads
from ofdb_core.batches.finish import Batch, RawBatch, ToNetwork
from ofdb_core.batches.source import Source

T = TypeVar("T")


def prefetch(
    source: Source, steps: int, *, start: int = 0, workers: int = 0, device: str | torch.device = "cpu"
) -> Generator[Batch, None, None]:
    """Yield the source's batches of the steps start..steps - 1, in order and part by part, on the device.

    workers: threads that make parts ahead of time; 0: each part is made here, on request. Threads share the source's
    memory, such as decoded images. A source that is not `parallel` gets processes instead, which share nothing. All
    workers end with the iteration, however it ends.
    """
    device, numbers = torch.device(device), range(start * source.parts, steps * source.parts)
    if device.type == "cpu":
        memory.keep_freed()
        yield from _mapped(source.finish, source, numbers, workers)
    else:
        raw_batches = _mapped(_pinned if device.type == "cuda" else _same, source, numbers, workers)
        yield from _on_device(raw_batches, source.finish, device)


def _mapped(function: Callable[[RawBatch], T], source: Source, numbers: range, workers: int) -> Iterator[T]:
    """The results of a function on the raw batches of numbered parts."""

    def make(number: int) -> T:
        return function(_part(source, number))

    if not workers:
        yield from map(make, numbers)
    elif source.parallel:
        yield from threads.in_order((functools.partial(make, number) for number in numbers), workers)
    else:
        yield from map(function, _by_processes(source, numbers, workers))


def _same(raw: RawBatch) -> RawBatch:
    return raw


def _pinned(raw: RawBatch) -> RawBatch:
    """The same in pinned memory, from which a GPU copies without the CPU."""
    return RawBatch(*(tensor.pin_memory() for tensor in raw))


def _on_device(raw_batches: Iterator[RawBatch], finish: ToNetwork, device: torch.device) -> Iterator[Batch]:
    """Batches finished on a device, one of them ahead; on a GPU in a stream beside that of the training."""
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None
    ahead: list[tuple[Batch, torch.cuda.Event | None]] = []
    for raw in raw_batches:
        with torch.cuda.stream(stream) if stream else contextlib.nullcontext():
            batch = finish(RawBatch(*(tensor.to(device, non_blocking=tensor.is_pinned()) for tensor in raw)))
            ahead.append((batch, stream.record_event() if stream else None))
        if len(ahead) > 1:
            yield _waited_for(*ahead.pop(0))
    for batch, event in ahead:
        yield _waited_for(batch, event)


def _waited_for(batch: Batch, event: torch.cuda.Event | None) -> Batch:
    """The batch, once the current stream waits for it; its memory lasts until the stream has used it."""
    if event:
        torch.cuda.current_stream().wait_event(event)
        for tensor in batch:
            tensor.record_stream(torch.cuda.current_stream())
    return batch


def _part(source: Source, number: int) -> RawBatch:
    """The raw batch of a numbered part."""
    return source.raw_batch(*divmod(number, source.parts))


def _by_processes(source: Source, numbers: range, workers: int) -> Iterator[RawBatch]:
    """The raw batches of parts, made by processes of one thread each."""
    how: dict[str, Any] = {"collate_fn": functools.partial(_part, source), "worker_init_fn": signals.ignore}
    how["generator"] = torch.Generator()  # or else the loader draws a number from the caller's
    numbered: Any = numbers  # a sequence is a data set, too
    raw_batches: Any = iter(DataLoader(numbered, batch_size=None, num_workers=workers, **how))
    try:
        yield from raw_batches
    finally:
        raw_batches._shutdown_workers()
