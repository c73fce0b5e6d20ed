"""Weights of a training at some of its steps, in files that stay."""

import itertools
from pathlib import Path

from torch import nn

from ofdb_core.base import files
from ofdb_core.training import processes, weights
from ofdb_core.training.loop import Watch
from ofdb_core.training.networks import Facts


class Milestones(Watch):
    """Writes a network's weights after some steps, to <root>/step_0080000.safetensors and the like.

    facts: of the network, as `weights.to_bytes` takes them; the step is added.
    """

    def __init__(self, root: Path, steps: list[int], facts: Facts) -> None:
        self.root, self.steps, self.facts = root, set(steps), facts

    def due(self, step: int) -> bool:
        """Whether to write the weights after this step."""
        return step in self.steps

    def __call__(self, model: nn.Module, step: int) -> None:
        if processes.state().is_main_process:
            self.root.mkdir(parents=True, exist_ok=True)
            data = weights.to_bytes(model, {**self.facts, "step": step})
            path = self.root / f"step_{step:07d}.safetensors"
            if path.exists() and path.read_bytes() != data:  # of another training
                names = (path.with_suffix(f".{n}{path.suffix}") for n in itertools.count(1))
                aside = path.rename(next(name for name in names if not name.exists()))
                print(f"{path}: the one of another training is kept as {aside.name}")
            files.write_whole(path, data)
