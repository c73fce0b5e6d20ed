"""Weights as files: a network, and the facts to use it again, in one safetensors file.

timm loads such a file as it is (`timm.create_model(..., checkpoint_path=...)`). Conversely, `read` takes a file of this
project, of timm or of others (see `foreign_weights`), or timm's published weights; `pretrained` makes its network.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import huggingface_hub
import safetensors.torch
import timm
from huggingface_hub.errors import HTTPError
from safetensors import SafetensorError, safe_open
from torch import nn

from ofdb_core.base import files, values
from ofdb_core.batches.recipe import View
from ofdb_core.training import foreign_weights, networks
from ofdb_core.training.foreign_weights import Tensors
from ofdb_core.training.recipe import Inference

SHAPE = ("model", "options", "input_size", "channels")  # the arguments that build a network
FACTS = (*SHAPE, "mean", "std", "interpolation", "crop_pct", "classes")  # of a checkpoint's network
KINDS = {**View.kinds(), "model": str, "options": dict, "classes": list[str]}  # the types of facts
METADATA = "ofdb"  # the key of the facts in a checkpoint's metadata
PUBLISHED = "timm"  # timm's own weights, instead of a path: timm:<model>

Facts = dict[str, Any]  # FACTS, or more: name -> value


def seen(recipe: Inference) -> Facts:
    """The facts on a network's view of images: mean, std, interpolation, crop_pct, and a ground that is not white."""
    interpolation = "bicubic" if recipe.interpolation == "random" else recipe.interpolation  # as in `timm_chain`
    about = {"mean": recipe.mean, "std": recipe.std, "interpolation": interpolation, "crop_pct": recipe.crop_pct}
    return about if recipe.ground == "white" else {**about, "ground": recipe.ground}


def to_bytes(model: nn.Module, facts: Facts) -> bytes:
    """The weights as the bytes of a safetensors file, with the facts in its metadata."""
    if missing := [name for name in FACTS if name not in facts]:
        raise ValueError(f"facts: {', '.join(missing)} missing; a checkpoint needs {', '.join(FACTS)}")
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    return with_metadata(safetensors.torch.save(tensors), {"format": "pt", METADATA: json.dumps(facts)})


def with_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file with metadata; the library itself would write its entries in a random order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps({"__metadata__": metadata, **json.loads(data[8:end])}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def facts_of(path: str | Path) -> Facts | None:
    """The facts of a file or of timm's published weights; None if a file has none."""
    if (name := _published(path)) is not None:
        return _facts_of_timm(name)
    if not _is_safetensors(path):
        return None
    with _opened(path) as file:
        return _facts_in(path, file)


def described(path: str | Path, *, model: str | None = None, **given: Any) -> Facts:
    """The facts of a file, with arguments that are not None in their place.

    Another project's file has no facts; timm's facts of `model` replace them. Only a file of this project names its
    classes. A ValueError if a file has no facts and `model` is None.
    """
    path = f"{PUBLISHED}:{model or ''}" if str(path) == PUBLISHED else path
    facts = facts_of(path)
    if facts is None:
        if model is None:
            raise ValueError(f"model: {path} does not say which network it holds; give its timm name")
        facts = _facts_of_timm(model)
        del facts["classes"]  # timm knows only their number
    elif _published(path) is not None:
        del facts["classes"]
    return {**facts, **{name: value for name, value in {"model": model, **given}.items() if value is not None}}


def is_published(path: str | Path) -> bool:
    """Whether a path means weights that timm publishes, not a file."""
    return str(path) == PUBLISHED or _published(path) is not None


def fingerprint(path: str | Path) -> str:
    """The hash of a file; for weights that timm publishes, their name."""
    return str(path) if is_published(path) else files.sha256(path)


def read(path: str | Path) -> tuple[Tensors, Facts | None]:
    """The weights of any file, with timm's names, and its facts, or None if it has none.

    path: a file of this project, of timm or of others, or timm:<model>. A ValueError if a file cannot be used.
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
        facts = json.loads(metadata[METADATA])
        if wrong := [sentence for name in FACTS if (sentence := values.refusal(name, facts[name], KINDS[name]))]:
            raise ValueError(wrong[0])
        return facts
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: this project's facts in it are not whole ({error}); make it again") from error


def _published(path: str | Path) -> str | None:
    """The model of timm:<model>; None if the path is a file's."""
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
