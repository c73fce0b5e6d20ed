"""The networks: any timm model, made with weights drawn from a seed, and checked before there is work to lose."""

import re

import torch

from ofdb_core import torchvision_fix  # noqa: F401  (before timm)
from ofdb_core.recipe import nearest

# isort: split
import timm

RESERVED = ("num_classes", "img_size", "drop_path_rate", "pretrained", "pretrained_cfg", "checkpoint_path", "cache_dir")


def _create(name, classes, options, input_size, drop_path, channels=3):
    """A timm model; the arguments that not every model takes are left out where they say nothing."""
    if not timm.is_model(name):
        raise ValueError(f"model: {name!r} is not a timm model{nearest(name, timm.list_models())}")
    if reserved := [option for option in options if option in RESERVED]:
        raise ValueError(f"model_options: {reserved[0]} is not allowed; it is set by other parameters")
    given = {"num_classes": classes, "img_size": input_size, "in_chans": channels, **options}
    if drop_path:
        given["drop_path_rate"] = drop_path
    while True:
        try:
            return timm.create_model(name, **given)
        except (TypeError, ValueError, AssertionError, RuntimeError, KeyError) as error:
            strange = re.search(r"unexpected keyword argument '(\w+)'", str(error))
            if strange is None or strange[1] not in given:
                told = f"model_options: {options} with input_size {input_size} do not make a {name}"
                raise ValueError(f"{told} ({error})") from error
            if strange[1] == "drop_path_rate":
                told = f"{name} has no drop path, so it must be 0"
                raise ValueError(f"drop_path: {drop_path} is not allowed; {told}") from error
            if strange[1] != "img_size":
                raise ValueError(f"model_options: {strange[1]} is no option of {name}") from error
            del given["img_size"]  # a network without positions, such as a ResNet, takes any size


def check_model(name, options, input_size, *, drop_path=0.0):
    """Whether a model can be made and run, without memory or time for its weights; a ValueError says why not."""
    with torch.device("meta"):
        model = _create(name, 1, options, input_size, drop_path).eval()
        try:
            model(torch.zeros(1, 3, input_size, input_size))
        except (RuntimeError, AssertionError) as error:
            raise ValueError(f"input_size: {input_size} does not suit {name} with {options} ({error})") from error


def build(name, classes, *, options, input_size, channels=3, drop_path=0.0, seed):
    """A timm model with weights drawn from the seed; classes: their number; options: further arguments for timm."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return _create(name, classes, options, input_size, drop_path, channels)


def heads(model):
    """How the names of a model's head's parameters begin, as a tuple."""
    names = model.pretrained_cfg["classifier"]
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


def freeze_trunk(model):
    """Let only the head learn (a linear probe)."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(heads(model)))


def trunk_learns(model):
    """Whether anything but the head learns."""
    own = heads(model)
    return any(parameter.requires_grad for name, parameter in model.named_parameters() if not name.startswith(own))
