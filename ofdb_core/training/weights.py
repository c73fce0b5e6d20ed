"""Weights as files: a network and the facts that it needs to be used again, in one safetensors file.

timm loads such a file as it is (`timm.create_model(..., checkpoint_path=...)`). The other way, `load` takes a file of
this project, of timm or of others (see foreign), or timm's published weights, and says what it did not take from it.
"""

import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import huggingface_hub
import safetensors.torch
import torch
from huggingface_hub.errors import HTTPError
from safetensors import SafetensorError, safe_open
from torch import nn

from ofdb_core.base import files
from ofdb_core.training import foreign_weights, networks

# isort: split
import timm
from timm.models import adapt_input_conv

FACTS = ("model", "options", "input_size", "channels", "mean", "std", "classes")  # of a checkpoint's network
METADATA = "ofdb"  # the key of the facts in a checkpoint's metadata
PUBLISHED = "timm"  # timm's own weights, in the place of a path: timm:<model>
DISTILLED = ("dist_token", "head_dist.")  # what DeiT's distilled networks have beside a plain one's weights


def to_bytes(model, facts):
    """The weights as the bytes of a safetensors file, with `facts` (all of FACTS, or more) in its metadata."""
    if missing := [name for name in FACTS if name not in facts]:
        raise ValueError(f"facts: {', '.join(missing)} missing; a checkpoint needs {', '.join(FACTS)}")
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    return _with_metadata(safetensors.torch.save(tensors), {"format": "pt", METADATA: json.dumps(facts)})


def _with_metadata(data, metadata):
    """The bytes of a safetensors file with metadata; the library itself would write its entries in a random order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps({"__metadata__": metadata, **json.loads(data[8:end])}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def _known(path):
    """The facts of a file, or None where it has none."""
    if (name := _published(path)) is not None:
        return _facts_of_timm(name)
    if not _is_safetensors(path):
        return None
    with _opened(path) as file:
        return _facts_in(path, file)


def described(path, *, model=None, **given):
    """The facts of a file with what is given, and not None, in their place.

    A file of others has none; then they are what timm says of `model`. The names of the classes are only among those of
    this project's files. A ValueError where a file has no facts and no model is given.
    """
    path = f"{PUBLISHED}:{model or ''}" if str(path) == PUBLISHED else path
    known = _known(path)
    if known is None and model is None:
        raise ValueError(f"model: {path} does not say which network it holds; give its timm name")
    if known is None or _published(path) is not None:
        known = _facts_of_timm(model if known is None else known["model"])
        del known["classes"]  # timm counts them, no more
    return {**known, **{name: value for name, value in {"model": model, **given}.items() if value is not None}}


def fingerprint(path):
    """The hash of a file; of weights that timm publishes, their name."""
    return str(path) if str(path) == PUBLISHED or _published(path) is not None else files.sha256(path)


def read(path):
    """The weights of any file, as name -> tensor with timm's names, and its facts, or None where it has none.

    path: a file of this project, of timm or of others, or timm:<model>. A ValueError names what cannot be used.
    """
    if (name := _published(path)) is not None:
        return _fetched(name), _facts_of_timm(name)
    if not _is_safetensors(path):
        return foreign_weights.read(path), None
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dictionary)
        return foreign_weights.named(tensors), _facts_in(path, file)


def _is_safetensors(path):
    """Whether a file is one by its name or beginning, whole or not; a ValueError where there is no file."""
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such checkpoint")
    with Path(path).open("rb") as file:
        return Path(path).suffix == ".safetensors" or file.read(9)[8:] == b"{"


@contextmanager
def _opened(path):
    try:
        with safe_open(path, "pt") as file:
            yield file
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error}); make it again") from error


def _facts_in(path, file):
    metadata = file.metadata() or {}
    if METADATA not in metadata:
        return None
    try:
        found = json.loads(metadata[METADATA])
        return {**found, **{name: found[name] for name in FACTS}}
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: this project's facts in it are not whole ({error}); make it again") from error


def _published(path):
    """The model of timm:<model>; None where the path is a file's."""
    source, _, name = str(path).partition(":")
    return name if source == PUBLISHED else None


def _facts_of_timm(name):
    found = networks.config(name)
    channels, input_size, _ = found.input_size
    classes = [str(i) for i in range(found.num_classes)]
    shape = {"model": name, "options": {}, "input_size": input_size, "channels": channels}
    return {**shape, "mean": list(found.mean), "std": list(found.std), "classes": classes}


def _fetched(name):
    """The weights that timm publishes for a model, from the cache or the network."""
    found = networks.config(name)
    if not found.has_weights:
        raise ValueError(f"{PUBLISHED}:{name}: timm publishes no weights of this model")
    try:
        if found.hf_hub_id and not huggingface_hub.try_to_load_from_cache(found.hf_hub_id, "model.safetensors"):
            huggingface_hub.model_info(found.hf_hub_id, timeout=10)  # without a network timm would try for a minute
        return timm.create_model(name, pretrained=True).state_dict()
    except (OSError, HTTPError) as error:
        told = f"{PUBLISHED}:{name}: timm's weights cannot be fetched here"
        raise ValueError(f"{told} ({type(error).__name__}: {error}); connect to a network or give a file") from error


def load(path, *, classes=None, model=None, options=None, input_size=None, channels=None, drop_path=0.0, seed=0):
    """The network of a checkpoint, and a line for each weight that was not taken from it as it is.

    path: as in `read`, or "timm" for the published weights of `model`. What is None comes from the file's facts; where
    it has none, `model` must be given, and the others are timm's defaults and the number of classes of the file's head.
    Where the wanted classes are more or fewer, the head is drawn from the seed as in `networks.build`; where input size
    or channels differ, timm fits positions and first layer to them. A ValueError where any other weight differs.
    """
    if str(path) == PUBLISHED:
        path = f"{PUBLISHED}:{model or ''}"
    found = described(path, model=model, options=options, input_size=input_size, channels=channels)
    tensors, known = read(path)
    name, shape = found["model"], {key: found[key] for key in ("options", "input_size", "channels")}
    outline = networks.outline(name, **shape)
    heads = networks.heads(outline)
    strange = f"{path}: not the weights of a {name} with options {shape['options']}"
    try:
        fitted = _fitted(tensors, outline, name, shape["channels"])
    except (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{strange} ({error})") from error
    if classes is None:
        sizes = [len(fitted[f"{head}weight"]) for head in heads if f"{head}weight" in fitted]
        if not known and not sizes:
            raise ValueError(f"classes: {path} has no head of a {name}; give the number of classes")
        classes = len(known["classes"]) if known else sizes[0]
    network = networks.build(name, classes, **shape, drop_path=drop_path, seed=seed)
    taken, left, misfit = _compare(tensors, fitted, network.state_dict(), heads)
    if misfit:
        raise ValueError(f"{strange}; {misfit[0]}")
    network.load_state_dict(taken, strict=False)
    return network, left


def _fitted(tensors, outline, name, channels):
    """The weights with what timm itself does to those that it publishes: names of today, sizes and channels to suit."""
    wanted = outline.state_dict()
    if "dist_token" in tensors and "dist_token" not in wanted:  # its position goes with it
        position = tensors["pos_embed"]
        tensors = {**tensors, "pos_embed": torch.cat([position[:, :1], position[:, 2:]], dim=1)}
    module = sys.modules[timm.models.model_entrypoint(name).__module__]
    fit = getattr(module, "checkpoint_filter_fn", None)
    fitted = fit(dict(tensors), outline) if fit else dict(tensors)
    stems = outline.pretrained_cfg.get("first_conv") or ()
    for stem in [stems] if isinstance(stems, str) else stems:
        old, new = fitted.get(f"{stem}.weight"), wanted.get(f"{stem}.weight")
        if old is not None and new is not None and old.ndim == 4 and old.shape[1] != new.shape[1]:
            theirs = old.shape[1] * channels // new.shape[1]
            fitted[f"{stem}.weight"] = adapt_input_conv(channels, old, base_chans=theirs)
    return fitted


def _compare(tensors, fitted, wanted, heads):
    """What can be taken (name -> tensor), the lines on what cannot as it is, and those that no network may have."""
    taken, left, misfit = {}, [], []
    as_it_is = {tensor.data_ptr() for tensor in tensors.values()}
    used = {tensor.data_ptr() for tensor in fitted.values()}
    for name in sorted(tensors.keys() | fitted.keys() | wanted.keys()):
        old, new, own = tensors.get(name), fitted.get(name), wanted.get(name)
        line = f"{name}: {_size(old if new is None else new)} in the file, {_size(own)} wanted"
        if own is None and new is None:
            if old.data_ptr() not in used:  # otherwise timm has another name for it today
                left.append(f"{line}; left out")
        elif own is not None and new is not None and new.shape == own.shape:
            taken[name] = new
            if old is not None and old.shape != own.shape and new.data_ptr() not in as_it_is:
                left.append(f"{name}: {_size(old)} in the file, {_size(own)} wanted; fitted")
        elif not name.startswith((*heads, *DISTILLED)):
            misfit.append(line)
        else:
            left.append(f"{line}; {'left out' if own is None else 'drawn anew'}")
    return taken, left, misfit


def _size(tensor):
    return "nothing" if tensor is None else " x ".join(map(str, tensor.shape)) or "a number"


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights, or timm's published ones, with the facts of its network: opened once, handed down.

    path: as in `load`; given: what is said of the network in place of the file's facts, as `load` takes it.
    """

    path: str
    given: dict[str, Any]
    facts: dict[str, Any]

    @classmethod
    def open(
        cls,
        path: str,
        *,
        model: str | None = None,
        options: dict[str, Any] | None = None,
        input_size: int | None = None,
        channels: int | None = None,
    ) -> Self:
        """Read the facts of a file; a ValueError where it has none and no model is given."""
        given = {"model": model, "options": options or None, "input_size": input_size, "channels": channels}
        return cls(path, given, described(path, **given))

    @property
    def shape(self) -> dict[str, Any]:
        """What makes a network of this form: model, options, input_size and channels."""
        return {name: self.facts[name] for name in ("model", "options", "input_size", "channels")}

    def network(
        self, classes: int | None = None, *, drop_path: float = 0.0, seed: int = 0
    ) -> tuple[nn.Module, list[str]]:
        """The network with its weights, and a line for each that was not taken as it is: see `load`."""
        return load(self.path, classes=classes, **self.given, drop_path=drop_path, seed=seed)

    def untrained(self, classes: int, *, drop_path: float, seed: int) -> nn.Module:
        """The same network with weights drawn from the seed."""
        shape = self.shape
        return networks.build(shape.pop("model"), classes, **shape, drop_path=drop_path, seed=seed)
