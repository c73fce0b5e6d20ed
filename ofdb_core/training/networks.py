"""The networks: any timm model, made with weights drawn from a seed, and checked before there is work to lose."""

import re

import torch

from ofdb_core.base.values import nearest
from ofdb_core.data import torchvision_fix  # noqa: F401  (before timm)

# isort: split
import timm
from timm.models import PretrainedCfg

RESERVED = (
    *("num_classes", "img_size", "in_chans", "drop_path_rate"),
    *("pretrained", "pretrained_cfg", "checkpoint_path", "cache_dir"),
)


def config(name):
    """What timm knows of a model as it is published, a PretrainedCfg; a ValueError where it has no such model."""
    if not timm.is_model(name):
        raise ValueError(f"model: {name!r} is not a timm model{nearest(name, timm.list_models())}")
    try:
        return timm.get_pretrained_cfg(name) or PretrainedCfg()
    except RuntimeError as error:  # the tag, behind the point
        known = timm.list_pretrained(f"{name.split('.')[0]}.*")
        raise ValueError(f"model: {name!r} is not a timm model; with weights there are {', '.join(known)}") from error


def _create(name, classes, *, options, input_size, channels, drop_path=0.0):
    """A timm model and its arguments; those that not every model takes are left out where they say nothing."""
    config(name)
    if reserved := [option for option in options if option in RESERVED]:
        raise ValueError(f"model_options: {reserved[0]} is not allowed; it is set by other parameters")
    given = {"num_classes": classes, "img_size": input_size, "in_chans": channels, **options}
    if drop_path:
        given["drop_path_rate"] = drop_path
    while True:
        try:
            return timm.create_model(name, **given), given
        except (TypeError, ValueError, AssertionError, RuntimeError, KeyError) as error:
            strange = re.search(r"unexpected keyword argument(?:\(s\): \[| )'(\w+)'", str(error))
            if strange is None or strange[1] not in given:
                told = f"model_options: {options} with input_size {input_size} do not make a {name}"
                raise ValueError(f"{told} ({error})") from error
            if strange[1] == "drop_path_rate":
                told = f"{name} has no drop path, so it must be 0"
                raise ValueError(f"drop_path: {drop_path} is not allowed; {told}") from error
            if strange[1] != "img_size":
                raise ValueError(f"model_options: {strange[1]} is no option of {name}") from error
            del given["img_size"]  # a network without positions, such as a ResNet, takes any size


def arguments(name, classes, *, options, input_size, channels=3):
    """What timm.create_model is told, beside the name, to make the network of `build`: names and values."""
    with torch.device("meta"):
        return _create(name, classes, options=options, input_size=input_size, channels=channels)[1]


def outline(name, *, options, input_size, channels=3, drop_path=0.0):
    """A timm model of one class on the meta device: its weights have names and shapes, but take no memory or time."""
    how = {"options": options, "input_size": input_size, "channels": channels, "drop_path": drop_path}
    with torch.device("meta"):
        return _create(name, 1, **how)[0]


def check_model(name, options, input_size, *, channels=3, drop_path=0.0):
    """Whether a model can be made and run, without memory or time for its weights; a ValueError says why not."""
    model = outline(name, options=options, input_size=input_size, channels=channels, drop_path=drop_path).eval()
    try:
        with torch.device("meta"):
            model(torch.zeros(1, channels, input_size, input_size))
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"input_size: {input_size} does not suit {name} with {options} ({error})") from error


def build(name, classes, *, options, input_size, channels=3, drop_path=0.0, seed):
    """A timm model with weights drawn from the seed; classes: their number; options: further arguments for timm.

    It takes images (n, channels, input_size, input_size) float32 and gives (n, classes).
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        how = {"options": options, "input_size": input_size, "channels": channels, "drop_path": drop_path}
        return _create(name, classes, **how)[0]


def heads(model):
    """How the names of the parameters of a model's head, or heads, begin: a tuple of text."""
    names = model.pretrained_cfg.get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


def freeze_trunk(model):
    """Let only the head learn (a linear probe)."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(heads(model)))


def trunk_learns(model):
    """Whether anything but the head learns."""
    own = heads(model)
    return any(parameter.requires_grad for name, parameter in model.named_parameters() if not name.startswith(own))
