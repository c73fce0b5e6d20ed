"""Weights in other projects' files: torch's pickles, unwrapped and renamed as in timm.

torch's `weights_only` loader reads such a file, so no code in it ever runs. The forms are those of timm and DeiT
(`model`, `state_dict`, their averages), of the authors (the same, beside optimizer, scheduler and epoch), and of VISSL
and ClassyVision (`classy_state_dict`). Vision transformers of the last two and of torchvision have other names.
"""

import pickle
import re
import struct
from pathlib import Path

import torch
from timm.models import clean_state_dict

Tensors = dict[str, torch.Tensor]  # name -> tensor

# The keys that hold the weights in a file; the first of several counts.
PLACES = ("model", "state_dict", "model_ema", "state_dict_ema", "classy_state_dict", "base_model", "trunk")

# Objects that training scripts save beside the weights. None is needed, so none is created: see `_Nothing`.
HARMLESS = (
    "argparse.Namespace",
    "numpy.dtype",
    "numpy.ndarray",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
)

# Names in VISSL (the first two), ClassyVision and torchvision, and timm's for the same weights.
NAMES = (
    (r"^class_token$", "cls_token"),
    (r"^(encoder\.)?pos_embedding$", "pos_embed"),
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.layers\.(?:encoder_)?layer_(\d+)\.", r"blocks.\1."),
    (r"^encoder\.ln\.", "norm."),
    (r"^heads\.head\.", "head."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(?:linear_1|0)\.", ".mlp.fc1."),
    (r"\.mlp\.(?:linear_2|3)\.", ".mlp.fc2."),
)

# The errors that torch raises for a file that is cut off or altered.
BROKEN = (
    *(pickle.UnpicklingError, struct.error, EOFError, OSError, RuntimeError, MemoryError, AssertionError),
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError),
)


class _Nothing:
    """Replaces every harmless object of a file: it takes any arguments and any state, and keeps nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def read(path: str | Path) -> Tensors:
    """The weights of a file of torch.save (.pth, .pth.tar, .pt, .bin), with timm's names.

    A ValueError if the file is missing, cut off or of another format, holds no weights, or would run code.
    """
    try:
        with torch.serialization.safe_globals([(_Nothing, name) for name in HARMLESS]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except BROKEN as error:
        raise ValueError(_refusal(path, error)) from error
    for _ in PLACES:  # bounded: a file might contain itself
        outer = content if isinstance(content, dict) else {}
        inner = [outer[place] for place in PLACES if isinstance(outer.get(place), dict)]
        content = inner[0] if inner else content
    entries = content.items() if isinstance(content, dict) else ()
    tensors = {name: value for name, value in entries if isinstance(name, str) and _is_plain(value)}
    if not tensors:
        raise ValueError(f"{path}: holds no weights; they are looked for in the file itself and in {', '.join(PLACES)}")
    return named(tensors)


def _is_plain(value: object) -> bool:
    """Whether a value is a dense tensor with data, neither sparse nor quantized."""
    if not isinstance(value, torch.Tensor):
        return False
    return value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized


def _refusal(path: str | Path, error: BaseException) -> str:
    if code := re.search(r"GLOBAL (\S+)", str(error)):
        return f"{path}: refused, it wants {code[1]} to be run; get it whole, or saved with its weights only"
    return f"{path}: not a whole file of weights ({type(error).__name__}); download or make it again"


def named(tensors: Tensors) -> Tensors:
    """The weights under timm's names: without the prefixes of wrappers, and translated for a foreign ViT."""
    tensors = clean_state_dict(tensors)
    if "class_token" not in tensors:
        return tensors
    translated = {}
    for name, tensor in tensors.items():
        for theirs, ours in NAMES:
            name = re.sub(theirs, ours, name)
        translated[name] = tensor
    position = translated.get("pos_embed")
    if position is not None and position.ndim == 3 and position.shape[1] == 1:  # ClassyVision: (n, 1, dim)
        translated["pos_embed"] = position.transpose(0, 1)
    return translated
