"""The networks: any timm model, with weights drawn from a seed, and checked before there is work to lose."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypedDict

import timm
import torch
from timm.models import PretrainedCfg
from torch import nn
from torch.overrides import TorchFunctionMode

from ofdb_core.base.values import nearest

RESERVED = (
    *("num_classes", "img_size", "in_chans", "drop_path_rate"),
    *("pretrained", "pretrained_cfg", "checkpoint_path", "cache_dir"),
)
# What timm and torch raise for arguments and weights that fit no network
MISFITS = (TypeError, ValueError, AssertionError, AttributeError, ArithmeticError, LookupError, RuntimeError)


class Facts(TypedDict, total=False):
    """What it takes to use a network again; `weights.FACTS` are never missing from a file of this project."""

    model: str
    options: dict[str, Any]
    input_size: int
    channels: int
    mean: list[float]
    std: list[float]
    interpolation: str
    crop_pct: float
    ground: str  # unless it is white
    draft: bool  # if it is true
    classes: list[str]  # their names, in the order of the head's outputs
    step: int  # of a milestone
    masks: list[str]  # the names of a segmenter's classes


@dataclass(frozen=True)
class Shape:
    """What timm builds a network from: its name, further arguments, pixels of each side, and channels of the input."""

    model: str
    options: dict[str, Any] = field(default_factory=dict)
    input_size: int = 224
    channels: int = 3

    @classmethod
    def of(cls, facts: Facts) -> Self:
        """The shape of the network that has these facts."""
        return cls(facts["model"], facts["options"], facts["input_size"], facts["channels"])


def config(name: str) -> PretrainedCfg:
    """timm's configuration of a published model; a ValueError if timm has no such model."""
    if not timm.is_model(name):
        raise ValueError(f"model: {name!r} is not a timm model{nearest(name, timm.list_models())}")
    try:
        return timm.get_pretrained_cfg(name) or PretrainedCfg()
    except RuntimeError as error:  # the tag, after the point, is unknown
        known = timm.list_pretrained(f"{name.split('.')[0]}.*")
        raise ValueError(f"model: {name!r} is not a timm model; with weights there are {', '.join(known)}") from error


def facts(name: str, known: Mapping[str, Any] | None = None) -> Facts:
    """Shape and view of a network; known: timm's configuration in a file, or None."""
    known = vars(config(name)) if known is None else known
    channels, size, _ = known["input_size"]
    wanted = known.get("interpolation")
    return {
        "model": name,
        "options": {},
        "input_size": int(size),
        "channels": int(channels),
        "mean": [float(value) for value in known["mean"]],
        "std": [float(value) for value in known["std"]],
        "interpolation": wanted if wanted in ("bilinear", "bicubic") else "bicubic",
        "crop_pct": float(known.get("crop_pct", 0.875)),
    }


def _create(shape: Shape, classes: int, drop_path: float = 0.0) -> tuple[nn.Module, dict[str, Any]]:
    """A timm model and its arguments; one that the model does not take is left out if that changes nothing."""
    name, options = shape.model, shape.options
    config(name)
    if "features_only" in options:
        raise ValueError("model_options: features_only makes no network with a head; docs/data.md tells timm's way")
    if reserved := [option for option in options if option in RESERVED]:
        raise ValueError(f"model_options: {reserved[0]} is not allowed; it is set by other parameters")
    accepted = {"num_classes": classes, "img_size": shape.input_size, "in_chans": shape.channels, **options}
    if drop_path:
        accepted["drop_path_rate"] = drop_path
    while True:
        try:
            return timm.create_model(name, **accepted), accepted
        except MISFITS as error:
            unknown = re.search(r"unexpected keyword argument(?:\(s\): \[| )'(\w+)'", str(error))
            if unknown is None or unknown[1] not in accepted:
                message = f"model_options: {options} with input_size {shape.input_size} do not make a {name}"
                raise ValueError(f"{message} ({error})") from error
            if unknown[1] == "drop_path_rate":
                reason = f"{name} has no drop path, so it must be 0"
                raise ValueError(f"drop_path: {drop_path} is not allowed; {reason}") from error
            if unknown[1] != "img_size":
                raise ValueError(f"model_options: {unknown[1]} is no option of {name}") from error
            del accepted["img_size"]  # a network without positions, such as a ResNet, takes any size


def arguments(shape: Shape, classes: int) -> dict[str, Any]:
    """The arguments of timm.create_model, beside the name, for the network of `build`: name -> value."""
    with torch.device("meta"), _Undrawn():
        return _create(shape, classes)[1]


def outline(shape: Shape, classes: int = 1, *, drop_path: float = 0.0) -> nn.Module:
    """A timm model on the meta device: its weights have names and shapes, but take no memory or time."""
    with torch.device("meta"), _Undrawn():
        return _create(shape, classes, drop_path)[0]


class _Undrawn(TorchFunctionMode):
    """Gives weights on the meta device no values: they keep none, but torch takes a millisecond or more to say so."""

    DRAWS = frozenset({"uniform_", "normal_", "trunc_normal_", "erfinv_", "mul_", "add_", "clamp_"})

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function.__name__ in self.DRAWS and args and args[0].is_meta:
            return args[0]
        return function(*args, **(kwargs or {}))


def check_model(shape: Shape, *, drop_path: float = 0.0) -> None:
    """Raise a ValueError if a model cannot be made or run, or sees a part of its input only; without weights."""
    model, size = outline(shape, drop_path=drop_path).eval(), shape.input_size
    if sentence := unseen(model, size):
        raise ValueError(sentence)
    try:
        with torch.device("meta"):
            model(torch.zeros(1, shape.channels, size, size))
    except MISFITS as error:
        raise ValueError(f"input_size: {size} does not suit {shape.model} with {shape.options} ({error})") from error


def unseen(model: nn.Module, input_size: int) -> str | None:
    """A sentence if the patches of a network leave rows and columns of pixels out at the edge, or None."""
    first: Any = next((part for part in model.modules() if isinstance(part, nn.Conv2d)), None)
    pads = getattr(getattr(model, "patch_embed", None), "dynamic_img_pad", False)
    if first is None or first.kernel_size != first.stride or first.padding != (0, 0) or pads:
        return None
    side = first.stride[0]
    whole = input_size // side * side
    if not 0 < whole < input_size:
        return None
    return (
        f"input_size: {input_size} is no multiple of {side}, the side of a patch: {input_size - whole} of {input_size} "
        f"rows and columns of pixels are not seen; {whole} and {whole + side} are multiples"
    )


def build(shape: Shape, classes: int, *, drop_path: float = 0.0, seed: int) -> nn.Module:
    """A timm model with weights drawn from the seed; classes: their number.

    It takes images (n, channels, input_size, input_size) float32 and gives (n, classes).
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _create(shape, classes, drop_path)[0]


def heads(model: nn.Module) -> tuple[str, ...]:
    """The prefixes of parameter names in a model's head or heads."""
    pretrained: Any = model.pretrained_cfg
    names = pretrained.get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


def freeze_trunk(model: nn.Module) -> None:
    """Let only the head learn (a linear probe)."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(heads(model)))


def trunk_learns(model: nn.Module) -> bool:
    """Whether anything but the head learns."""
    prefixes = heads(model)
    return any(parameter.requires_grad for name, parameter in model.named_parameters() if not name.startswith(prefixes))
