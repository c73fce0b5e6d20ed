"""Batches are made ahead of the training step that takes them."""

from collections.abc import Generator

import torch
from torch.utils.data import DataLoader, Dataset

from ofdb_core.base import signals
from ofdb_core.batches.source import Batch, Source


class _Parts(Dataset):
    """A source as a data set whose samples are the parts of its batches."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __getitem__(self, number: int) -> Batch:
        return self.source.batch(*divmod(number, self.source.parts))


def _leave_signals_to_the_main_process(_: int) -> None:
    signals.ignore()


def prefetch(
    source: Source,
    steps: int,
    *,
    start: int = 0,
    workers: int = 0,
    ahead: int = 4,
    device: str | torch.device = "cpu",
) -> Generator[Batch, None, None]:
    """Yield the source's batches of the steps start..steps - 1, in order and part by part, on the device.

    workers: processes that make them ahead of time, `ahead` parts each; 0 makes each part here when it is asked for.
    They live for the whole training, use one thread each and end when the iteration ends, however it ends.
    """
    device = torch.device(device)
    batches = iter(
        DataLoader(
            _Parts(source),
            batch_size=None,
            sampler=range(start * source.parts, steps * source.parts),
            num_workers=workers,
            prefetch_factor=ahead if workers else None,
            worker_init_fn=_leave_signals_to_the_main_process,
            generator=torch.Generator(),  # not the caller's, from which a loader draws a number
            pin_memory=device.type == "cuda",
        )
    )
    try:
        for batch in batches:
            yield tuple(tensor.to(device, non_blocking=True) for tensor in batch)
    finally:
        if workers:
            batches._shutdown_workers()  # type: ignore[attr-defined]  # only an iterator with workers has it
