"""Weights as files: a network and the facts that it needs to be used again, in one safetensors file.

timm loads such a file as it is (`timm.create_model(..., checkpoint_path=...)`). Conversely, `load` reads a file of this
project, of timm or of others (see `foreign_weights`), or timm's published weights, and names the weights that it did
not take from it as they are.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import huggingface_hub
import safetensors.torch
import timm
import torch
from huggingface_hub.errors import HTTPError
from safetensors import SafetensorError, safe_open
from timm.models import adapt_input_conv
from torch import nn

from ofdb_core.base import files, values
from ofdb_core.batches.recipe import View
from ofdb_core.training import foreign_weights, guess, networks, places, timm_config
from ofdb_core.training.foreign_weights import Tensors
from ofdb_core.training.recipe import Inference

SHAPE = ("model", "options", "input_size", "channels")  # what a network is made by
FACTS = (*SHAPE, "mean", "std", "interpolation", "crop_pct", "classes")  # of a checkpoint's network
KINDS = {**View.kinds(), "model": str, "options": dict, "classes": list[str]}  # the types of facts
SEEN_BEFORE = {"interpolation": "bicubic", "crop_pct": 0.875}  # of files of 0.1.0, which do not say it
METADATA = "ofdb"  # the key of the facts in a checkpoint's metadata
PUBLISHED = "timm"  # timm's own weights, in the place of a path: timm:<model>
DISTILLED = ("dist_token", "head_dist.")  # weights that only DeiT's distilled networks have

Facts = dict[str, Any]  # FACTS, or more: name -> value


def seen(recipe: Inference) -> Facts:
    """How a network has learned to see images: the facts mean, std, interpolation and crop_pct."""
    interpolation = "bicubic" if recipe.interpolation == "random" else recipe.interpolation  # as `augmentation` has it
    return {"mean": recipe.mean, "std": recipe.std, "interpolation": interpolation, "crop_pct": recipe.crop_pct}


def to_bytes(model: nn.Module, facts: Facts) -> bytes:
    """The weights as the bytes of a safetensors file, with the facts in its metadata."""
    if missing := [name for name in FACTS if name not in facts]:
        raise ValueError(f"facts: {', '.join(missing)} missing; a checkpoint needs {', '.join(FACTS)}")
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    return _with_metadata(safetensors.torch.save(tensors), {"format": "pt", METADATA: json.dumps(facts)})


def _with_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file with metadata; the library itself would write its entries in a random order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps({"__metadata__": metadata, **json.loads(data[8:end])}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def _facts(path: str | Path) -> Facts | None:
    """The facts of a file or of timm's published weights; None where a file has none."""
    if (name := _published(path)) is not None:
        return _facts_of_timm(name)
    if not _is_safetensors(path):
        return None
    with _opened(path) as file:
        return _facts_in(path, file)


def described(path: str | Path, *, model: str | None = None, **given: Any) -> Facts:
    """The facts of a file, replaced by the given ones that are not None.

    A file of others has no facts; then they are those of timm for `model`. Only a file of this project names its
    classes. A ValueError where a file has no facts and no model is given.
    """
    path = f"{PUBLISHED}:{model or ''}" if str(path) == PUBLISHED else path
    facts = _facts(path)
    if facts is None:
        if model is None:
            raise ValueError(f"model: {path} does not say which network it holds; give its timm name")
        facts = _facts_of_timm(model)
        del facts["classes"]  # of which timm knows only the number
    elif _published(path) is not None:
        del facts["classes"]
    return {**facts, **{name: value for name, value in {"model": model, **given}.items() if value is not None}}


def is_published(path: str | Path) -> bool:
    """Whether weights that timm publishes are meant, and no file."""
    return str(path) == PUBLISHED or _published(path) is not None


def fingerprint(path: str | Path) -> str:
    """The hash of a file; of weights that timm publishes, their name."""
    return str(path) if is_published(path) else files.sha256(path)


def read(path: str | Path) -> tuple[Tensors, Facts | None]:
    """The weights of any file, with timm's names, and its facts, or None where it has none.

    path: a file of this project, of timm or of others, or timm:<model>. A file that cannot be used is a ValueError.
    """
    if (name := _published(path)) is not None:
        return _fetched(name), _facts_of_timm(name)
    if not _is_safetensors(path):
        return foreign_weights.read(path), None
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dictionary)
        return foreign_weights.named(tensors), _facts_in(path, file)


def _is_safetensors(path: str | Path) -> bool:
    """Whether a file is a safetensors file by its name or first bytes, whole or not; a ValueError without a file."""
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such checkpoint")
    with Path(path).open("rb") as file:
        return Path(path).suffix == ".safetensors" or file.read(9)[8:] == b"{"


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    try:
        with safe_open(path, "pt") as file:
            yield file
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error}); make it again") from error


def _facts_in(path: str | Path, file: Any) -> Facts | None:
    """The facts in an open safetensors file."""
    metadata = file.metadata() or {}
    if METADATA not in metadata:
        return None
    try:
        facts = {**SEEN_BEFORE, **json.loads(metadata[METADATA])}
        if wrong := [sentence for name in FACTS if (sentence := values.refusal(name, facts[name], KINDS[name]))]:
            raise ValueError(wrong[0])
        return {**facts, **{name: facts[name] for name in FACTS}}
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: this project's facts in it are not whole ({error}); make it again") from error


def _published(path: str | Path) -> str | None:
    """The model of timm:<model>; None where the path is a file's."""
    source, _, name = str(path).partition(":")
    return name if source == PUBLISHED else None


def _facts_of_timm(name: str) -> Facts:
    """The facts of timm's published weights of a model; its classes are numbers."""
    config = networks.config(name)
    channels, input_size, _ = config.input_size
    classes = [str(i) for i in range(config.num_classes)]
    shape = {"model": name, "options": {}, "input_size": input_size, "channels": channels}
    interpolation = config.interpolation if config.interpolation in ("bilinear", "bicubic") else "bicubic"
    seen = {"interpolation": interpolation, "crop_pct": config.crop_pct}
    return {**shape, "mean": list(config.mean), "std": list(config.std), **seen, "classes": classes}


def _fetched(name: str) -> Tensors:
    """The weights that timm publishes for a model, from the cache or the network."""
    config = networks.config(name)
    if not config.has_weights:
        raise ValueError(f"{PUBLISHED}:{name}: timm publishes no weights of this model")
    try:
        if config.hf_hub_id and not huggingface_hub.try_to_load_from_cache(config.hf_hub_id, "model.safetensors"):
            huggingface_hub.model_info(config.hf_hub_id, timeout=10)  # without a network timm would try for a minute
        return timm.create_model(name, pretrained=True).state_dict()
    except (OSError, HTTPError) as error:
        problem = f"{PUBLISHED}:{name}: timm's weights cannot be fetched here"
        raise ValueError(f"{problem} ({type(error).__name__}: {error}); connect to a network or give a file") from error


def load(
    path: str | Path,
    *,
    classes: int | None = None,
    model: str | None = None,
    options: networks.Options | None = None,
    input_size: int | None = None,
    channels: int | None = None,
    drop_path: float = 0.0,
    seed: int = 0,
) -> tuple[nn.Module, list[str]]:
    """The network of a checkpoint, and a line for each weight that was not taken from it as it is.

    path: as in `read`, or "timm" for the published weights of `model`. Arguments that are None are taken from the
    file's facts; where it has none, `model` must be given, the number of classes is that of the file's head, and the
    others are timm's defaults. Where the number of classes differs, the head is drawn from the seed as in
    `networks.build`; where input size or channels differ, timm fits positions and first layer to them. A ValueError
    where any other weight differs, or where one that is taken is not finite or of another kind of number.
    """
    if str(path) == PUBLISHED:
        path = f"{PUBLISHED}:{model or ''}"
    facts = described(path, model=model, options=options, input_size=input_size, channels=channels)
    tensors, facts_in_file = read(path)
    name, shape = facts["model"], {key: facts[key] for key in ("options", "input_size", "channels")}
    outline = networks.outline(name, **shape)
    heads = networks.heads(outline)
    refusal = f"{path}: not the weights of a {name} with options {shape['options']}"
    try:
        fitted = _fitted(tensors, outline, name, shape["channels"])
    except (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{refusal} ({error})") from error
    _refuse(refusal, _compare(tensors, fitted, outline.state_dict(), heads)[2])  # before any memory is asked for
    if classes is None:
        sizes = [len(fitted[f"{head}weight"]) for head in heads if f"{head}weight" in fitted]
        if not facts_in_file and not sizes:
            raise ValueError(f"classes: {path} has no head of a {name}; give the number of classes")
        classes = len(facts_in_file["classes"]) if facts_in_file else sizes[0]
    network = networks.build(name, classes, **shape, drop_path=drop_path, seed=seed)
    wanted = network.state_dict()
    loadable, lines, misfits = _compare(tensors, fitted, wanted, heads)
    _refuse(refusal, misfits)
    for part, tensor in loadable.items():
        if problem := _impossible(tensor, wanted[part]):
            raise ValueError(f"{path}: {part} {problem}; no network has such weights: get or make the file again")
    network.load_state_dict(loadable, strict=False)
    return network, lines


def _fitted(tensors: Tensors, outline: nn.Module, name: str, channels: int) -> Tensors:
    """The weights after what timm does to those that it publishes: renamed as today, fitted to size and channels."""
    wanted = outline.state_dict()
    if "dist_token" in tensors and "dist_token" not in wanted:  # its position goes with it
        position = tensors["pos_embed"]
        tensors = {**tensors, "pos_embed": torch.cat([position[:, :1], position[:, 2:]], dim=1)}
    module = sys.modules[timm.models.model_entrypoint(name).__module__]
    fit = getattr(module, "checkpoint_filter_fn", None)
    fitted = fit(dict(tensors), outline) if fit else dict(tensors)
    pretrained: Any = outline.pretrained_cfg
    stems = pretrained.get("first_conv") or ()
    for stem in [stems] if isinstance(stems, str) else stems:
        old, new = fitted.get(f"{stem}.weight"), wanted.get(f"{stem}.weight")
        if old is not None and new is not None and old.ndim == 4 and old.shape[1] != new.shape[1]:
            old_channels = old.shape[1] * channels // new.shape[1]
            fitted[f"{stem}.weight"] = adapt_input_conv(channels, old, base_chans=old_channels)
    return fitted


def _compare(
    tensors: Tensors, fitted: Tensors, wanted: Tensors, heads: tuple[str, ...]
) -> tuple[Tensors, list[str], list[str]]:
    """The weights to load, and a line for each that is not loaded as it is in the file, and for each misfit.

    tensors: of the file; fitted: the same after `_fitted`; wanted: of the network. A misfit, in what is neither a head
    nor DISTILLED, means that the file is of another network.
    """
    loadable: Tensors = {}
    lines, misfits = [], []
    in_file = {tensor.data_ptr() for tensor in tensors.values()}
    in_fitted = {tensor.data_ptr() for tensor in fitted.values()}
    for name in sorted(tensors.keys() | fitted.keys() | wanted.keys()):
        old, new, target = tensors.get(name), fitted.get(name), wanted.get(name)
        line = f"{name}: {_size(old if new is None else new)} in the file, {_size(target)} wanted"
        if target is None and new is None:
            if old is not None and old.data_ptr() not in in_fitted:  # otherwise timm has another name for it today
                lines.append(f"{line}; left out")
        elif target is not None and new is not None and new.shape == target.shape:
            loadable[name] = new
            if old is not None and old.shape != target.shape and new.data_ptr() not in in_file:
                lines.append(f"{name}: {_size(old)} in the file, {_size(target)} wanted; fitted")
        elif not name.startswith((*heads, *DISTILLED)):
            misfits.append(line)
        else:
            lines.append(f"{line}; {'left out' if target is None else 'drawn anew'}")
    return loadable, lines, misfits


def _refuse(refusal: str, misfits: list[str]) -> None:
    if misfits:
        raise ValueError(f"{refusal}; {misfits[0]}")


def _impossible(tensor: torch.Tensor, wanted: torch.Tensor) -> str | None:
    """Why a tensor of a file cannot be these weights of a network, as the end of a sentence; None where it can."""
    kinds = [(each.is_floating_point(), each.is_complex(), each.dtype == torch.bool) for each in (tensor, wanted)]
    if kinds[0] != kinds[1]:
        return f"is of {tensor.dtype}, where {wanted.dtype} is needed"
    return None if bool(tensor.to(wanted.dtype).isfinite().all()) else "holds values that are not finite"


def _guessed(file: Path) -> str | None:
    """The network that a file of others is of, by its shapes; None where no known one has them."""
    if name := guess.model(read(file)[0]):
        print(f"{file}: does not say its network; by its shapes it is a {name} (-p model gives another)")
    return name


def _size(tensor: torch.Tensor | None) -> str:
    return "nothing" if tensor is None else " x ".join(map(str, tensor.shape)) or "a number"


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights, or timm's published ones, with the facts of its network: opened once, handed down.

    path: as in `load`, found by `places.file_of`; given: arguments of `load` that replace facts of the file; facts: the
    result.
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
        """Find the file (see `places.file_of`) and read its facts, or those in config.json beside it.

        Where neither says which network it is and no model is given, it is guessed from the shapes, and said; a
        ValueError where it cannot be guessed.
        """
        given: dict[str, Any] = {"model": model, "options": options or None}
        given |= {"input_size": input_size, "channels": channels}
        if is_published(path):
            return cls(path, given, described(path, **given))
        file = places.file_of(path)
        said: Facts = {}
        if _facts(file) is None:
            said = timm_config.facts(file) or {"model": model or _guessed(file)}
            said = said if model in (None, said["model"]) else {}
        given = {**{name: said.get(name) for name in SHAPE}, **{k: v for k, v in given.items() if v is not None}}
        given |= {name: given.get(name) for name in SHAPE}
        seen = {name: value for name, value in said.items() if name not in SHAPE}
        return cls(str(file), given, {**described(file, **given), **seen})

    @property
    def shape(self) -> dict[str, Any]:
        """The arguments that a network of this form is made by: model, options, input_size and channels."""
        return {name: self.facts[name] for name in SHAPE}

    def network(
        self, classes: int | None = None, *, drop_path: float = 0.0, seed: int = 0
    ) -> tuple[nn.Module, list[str]]:
        """The network with its weights, and a line for each that was not taken as it is: see `load`."""
        return load(self.path, classes=classes, **self.given, drop_path=drop_path, seed=seed)

    def untrained(self, classes: int, *, drop_path: float, seed: int) -> nn.Module:
        """The same network with weights drawn from the seed."""
        shape = self.shape
        return networks.build(shape.pop("model"), classes, **shape, drop_path=drop_path, seed=seed)
