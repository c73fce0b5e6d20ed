"""Drop path (stochastic depth, Huang et al., 2016) whose draws belong to the sample, not to the process.

timm's layer draws from the process's generator, so a batch that is split differently would drop other branches. Here
the draws are a function of (seed, step, position in the batch).
"""

import numpy as np
import torch
from timm.layers import drop
from torch import nn

STREAM = 3  # of a seed's random streams: see `batches.source`


class DropPath(nn.Module):
    """A layer in place of timm's: `scale` (B,), set before each forward pass, is 0 where a sample's branch is dropped.

    Elsewhere it is 1 / (1 - rate), or 1 without `scale_by_keep`.
    """

    def __init__(self, replaced: drop.DropPath) -> None:
        super().__init__()
        self.rate: float = replaced.drop_prob
        self.scale_by_keep: bool = replaced.scale_by_keep
        self.scale: torch.Tensor | None = None
        self.train(replaced.training)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, ...); if a network regroups its batch, so that B changes, the draws are timm's."""
        if not self.training or not self.rate:
            return x
        if self.scale is None or len(self.scale) != len(x):
            return drop.drop_path(x, self.rate, True, self.scale_by_keep)
        return x * self.scale.to(x.dtype).view(-1, *[1] * (x.ndim - 1))


class DropPaths:
    """Replaces all drop-path layers of a model and draws for them; seed: of draws; batch_size: of the whole batch."""

    def __init__(self, model: nn.Module, *, seed: int, batch_size: int) -> None:
        for parent in list(model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, drop.DropPath):
                    setattr(parent, name, DropPath(child))
        self._layers = [module for module in model.modules() if isinstance(module, DropPath) and module.rate]
        self._seed, self._batch_size = seed, batch_size

    def draw(self, step: int, places: slice, device: str | torch.device) -> None:
        """Set the layers' scales for the samples at `places` (a slice) of a step's batch."""
        if not self._layers:
            return
        drawn = np.random.default_rng([self._seed, STREAM, step]).random((len(self._layers), self._batch_size))
        keep = np.array([1 - layer.rate for layer in self._layers])[:, None]
        kept = np.array([1 / (1 - layer.rate) if layer.scale_by_keep else 1 for layer in self._layers])[:, None]
        scales = torch.as_tensor(((drawn < keep) * kept)[:, places], dtype=torch.float32, device=device)
        for layer, scale in zip(self._layers, scales, strict=True):
            layer.scale = scale
