"""Guesses the network of a weight file from names and shapes, if the file does not name it."""

import functools
import operator
from collections.abc import Mapping

import torch

from ofdb_core.training import foreign_weights, networks

# Candidates, by the prefix of a weight's name; the first whose shapes match is the guess.
KNOWN = {
    "blocks.0.attn.": (
        *(f"vit_{size}_patch16_224" for size in ("tiny", "small", "base", "large")),
        *("vit_small_patch32_224", "vit_base_patch32_224", "vit_base_patch8_224", "vit_huge_patch14_224"),
        *(f"deit_{size}_distilled_patch16_224" for size in ("tiny", "small", "base")),
    ),
    "layers.0.blocks.0.attn.": tuple(f"swin_{size}_patch4_window7_224" for size in ("tiny", "small", "base", "large")),
    "layer1.0.": ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
}

Shapes = Mapping[str, torch.Tensor]


def model(tensors: Shapes) -> str | None:
    """The timm name of the network with weights of these names and shapes, whatever its head and input size; or None.

    tensors: under timm's names, today's or older ones, with or without a prefix. The number of attention heads does not
    show in shapes; it is that of the usual network.
    """
    for beginning, names in KNOWN.items():
        if found := foreign_weights.prefixes(tensors, operator.methodcaller("startswith", beginning)):
            first = found[0]
            wanted = _sizes({name.removeprefix(first): tensors[name] for name in tensors if name.startswith(first)})
            if guessed := next((name for name in names if _sizes_of(name) == wanted), None):
                return guessed
    return None


@functools.cache
def _sizes_of(name: str) -> list[tuple[int, ...]]:
    return _sizes(networks.outline(networks.Shape(name)).state_dict())


def _sizes(tensors: Shapes) -> list[tuple[int, ...]]:
    """The sorted shapes of the trunk's weights: names have changed, and sizes of input and head differ."""
    aside = ("pos_embed", "head", "fc.", "relative_position", "attn_mask")
    of_trunk = (name for name in tensors if not name.startswith(foreign_weights.SIDE))
    return sorted(tuple(tensors[name].shape) for name in of_trunk if not any(word in name for word in aside))
