"""Weights in other projects' files: torch's pickles, unwrapped and renamed as in timm.

torch's `weights_only` loader reads such a file, so no code in it ever runs. The forms are those of timm and DeiT
(`model`, `state_dict`, their averages), of the authors (the same, beside optimizer, scheduler and epoch), and of VISSL
and ClassyVision (`classy_state_dict`). Vision transformers of the last two, of torchvision and of transformers have
other names. What trains two networks at once saves both, each under a prefix: of DINO the teacher is taken, of MoCo the
encoder that learns (`encoder_q`, `base_encoder`), of MAE the encoder without its decoder: see `under`.
"""

import pickle
import re
import struct
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from timm.models import clean_state_dict

Tensors = dict[str, torch.Tensor]  # name -> tensor

# The keys that hold the weights in a file; the first of several counts.
PLACES = (
    *("model", "state_dict", "model_ema", "state_dict_ema", "model_state_dict", "net"),
    *("classy_state_dict", "base_model", "trunk"),
)
SECOND = ("student", "encoder_k", "momentum", "ema", "target")  # in the prefix of the half that is not preferred
# Beside the network: of MAE, of transformers, and the heads of SwAV and of others that learn without labels.
SIDE = ("decoder_", "mask_token", "pooler.", "projection_head.", "prototypes.", "projector.", "predictor.", "queue")

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
# Names of transformers' ViT, DeiT and Swin, in their files and, from release 5 on, in their networks.
TRANSFORMERS = (
    (r"^(?:vit|deit|swin)\.", ""),
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.distillation_token$", "dist_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.norm\.", "patch_embed.norm."),
    (r"^(?:encoder\.)?layers?\.(\d+)\.(?!blocks|downsample)", r"blocks.\1."),
    (r"^encoder\.layers\.", "layers."),
    (r"\.attention\.(?:attention|self)\.([qkv])[a-z]+\.", r".attn.\1."),
    (r"\.attention\.([qkv])_proj\.", r".attn.\1."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.attention\.(?:self|relative_position_bias)\.relative", ".attn.relative"),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"^layernorm\.", "norm."),
    (r"^(?:cls_)?classifier\.", "head."),
    (r"^distillation_classifier\.", "head_dist."),
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
    tensors = _plain(content)
    if not tensors and isinstance(content, dict):  # several networks, each in a place of its own
        halves = {place: _plain(inner) for place, inner in content.items()}
        tensors = {f"{place}.{name}": tensor for place, half in halves.items() for name, tensor in half.items()}
    if not tensors:
        raise ValueError(f"{path}: holds no weights; they are looked for in the file itself and in {', '.join(PLACES)}")
    return named(tensors)


def _plain(content: object) -> Tensors:
    """The dense tensors with data of a dictionary, by their names; none of anything else."""
    entries = content.items() if isinstance(content, dict) else ()
    return {name: value for name, value in entries if isinstance(name, str) and _is_plain(value)}


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
    """The weights under timm's names: without the prefixes of wrappers, and translated for a foreign network."""
    tensors = clean_state_dict(tensors)
    if any(name.endswith("embeddings.patch_embeddings.projection.weight") for name in tensors):
        return _joined(_translated(tensors, TRANSFORMERS))
    if "class_token" not in tensors:
        return tensors
    translated = _translated(tensors, NAMES)
    position = translated.get("pos_embed")
    if position is not None and position.ndim == 3 and position.shape[1] == 1:  # ClassyVision: (n, 1, dim)
        translated["pos_embed"] = position.transpose(0, 1)
    return translated


def _translated(tensors: Tensors, names: Sequence[tuple[str, str]]) -> Tensors:
    translated = {}
    for name, tensor in tensors.items():
        for theirs, ours in names:
            name = re.sub(theirs, ours, name)
        translated[name] = tensor
    return translated


def _joined(tensors: Tensors) -> Tensors:
    """The weights, where the three matrices of an attention are one, as in timm."""
    joined: Tensors = {}
    for name, tensor in tensors.items():
        thirds = [tensors.get(re.sub(r"\.attn\.q\.", f".attn.{letter}.", name)) for letter in "qkv"]
        if ".attn.q." in name and (found := [third for third in thirds if third is not None]):
            joined[name.replace(".attn.q.", ".attn.qkv.")] = torch.cat(found)
        elif not re.search(r"\.attn\.[kv]\.", name):
            joined[name] = tensor
    return joined


def prefixes(tensors: Mapping[str, Any], begins: Callable[[str], bool]) -> list[str]:
    """The prefixes of a network's weights, such as module.encoder_q., the best first; begins: knows their own names.

    The best has the most weights; of two with about as many, it is the one that is not `SECOND`.
    """
    found = Counter[str]()
    for name in tensors:
        places = [0, *(match.end() for match in re.finditer(r"\.", name))]
        found.update(name[:place] for place in places if begins(name[place:]))
    most = max(found.values(), default=0)
    second = {prefix: any(word in prefix for word in SECOND) for prefix in found}
    return sorted(found, key=lambda prefix: (2 * found[prefix] < most, second[prefix], -found[prefix]))


def under(tensors: Tensors, wanted: Container[str]) -> tuple[Tensors, list[str]]:
    """The weights of a network with the wanted names, without their prefix, and lines on what is left out."""
    first, *others = prefixes(tensors, wanted.__contains__) or [""]
    inside = {name.removeprefix(first): tensor for name, tensor in tensors.items() if name.startswith(first)}
    lines, rest = [], len(tensors) - len(inside)
    if rest:
        halves = [prefix[:-1] for prefix in others if any(word in prefix for word in SECOND)]
        half = f", of which {halves[0]} is the other half" if halves else ""
        lines.append(f"{first[:-1]}: its {len(inside)} weights are taken; {rest} beside it are left out{half}")
    if side := [name for name in inside if name.startswith(SIDE) and name not in wanted]:
        lines.append(f"{side[0]} and the like, of no part of the network: {len(side)} weights are left out")
    return {name: tensor for name, tensor in inside.items() if name not in side}, lines
