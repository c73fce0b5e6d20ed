"""Weights as files: a network, and the facts to use it again, in one safetensors file.

timm loads such a file as it is (`timm.create_model(..., checkpoint_path=...)`). Conversely, `read` takes a file of this
project, of timm or of others (see `foreign_weights`), or timm's published weights; `pretrained` makes its network.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
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
from ofdb_core.training.networks import Facts
from ofdb_core.training.recipe import Inference

# the facts of a whole file
FACTS = ("model", "options", "input_size", "channels", "mean", "std", "interpolation", "crop_pct", "classes")
KINDS = {**View.kinds(), "model": str, "options": values.Options, "classes": list[str]}  # the types of facts
METADATA = "ofdb"  # the key of the facts in a checkpoint's metadata
PUBLISHED = "timm:"  # before the model whose weights timm publishes, instead of a path


def facts(shape: networks.Shape, recipe: Inference, classes: Sequence[str]) -> Facts:
    """The facts of a network that was trained by a recipe; classes: their names, in the order of its outputs.

    A ground is among them unless it is white, and draft if it is true.
    """
    interpolation = "bicubic" if recipe.interpolation == "random" else recipe.interpolation  # as in `timm_chain`
    found: Facts = {
        "model": shape.model,
        "options": shape.options,
        "input_size": shape.input_size,
        "channels": shape.channels,
        "mean": recipe.mean,
        "std": recipe.std,
        "interpolation": interpolation,
        "crop_pct": recipe.crop_pct,
    }
    if recipe.ground != "white":
        found["ground"] = recipe.ground
    if recipe.draft:
        found["draft"] = True
    return {**found, "classes": [*classes]}


def to_bytes(model: nn.Module, facts: Facts) -> bytes:
    """The weights as the bytes of a safetensors file, with the facts in its metadata."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    return with_metadata(safetensors.torch.save(tensors), {"format": "pt", METADATA: json.dumps(facts)})


def with_metadata(data: bytes, metadata: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file with metadata; the library itself would write its entries in a random order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps({"__metadata__": metadata, **json.loads(data[8:end])}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def facts_of(path: str | Path) -> Facts | None:
    """The facts of a file of this project, or of timm's published weights; None if a file has none.

    timm does not know the names of its classes, so its facts lack them.
    """
    if is_published(path):
        return networks.facts(str(path).removeprefix(PUBLISHED))
    if not _is_safetensors(path):
        return None
    with _opened(path) as file:
        metadata = file.metadata() or {}
    if METADATA not in metadata:
        return None
    try:
        facts = json.loads(metadata[METADATA])
        require({name: facts[name] for name in FACTS})
        return facts
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: this project's facts in it are not whole ({error}); make it again") from error


def require(facts: Mapping[str, Any]) -> None:
    """Raise a ValueError if a fact is of another type, or beyond what `-p` allows."""
    if wrong := [sentence for name in facts if (sentence := values.refusal(name, facts[name], KINDS.get(name, Any)))]:
        raise ValueError(wrong[0])


def is_published(path: str | Path) -> bool:
    """Whether a path means weights that timm publishes, timm:<model>, not a file."""
    return str(path).startswith(PUBLISHED)


def fingerprint(path: str | Path) -> str:
    """The hash of a file; for weights that timm publishes, their name."""
    return str(path) if is_published(path) else files.sha256(path)


def read(path: str | Path) -> foreign_weights.Tensors:
    """The weights of any file, with timm's names; a ValueError if it cannot be used.

    path: a file of this project, of timm or of others, or timm:<model>.
    """
    if is_published(path):
        return _fetched(str(path).removeprefix(PUBLISHED))
    if not _is_safetensors(path):
        return foreign_weights.read(path)
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dictionary)
        return foreign_weights.named(tensors)


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


def _fetched(name: str) -> foreign_weights.Tensors:
    """The weights that timm publishes for a model, from the cache or the network."""
    config = networks.config(name)
    if not config.has_weights:
        raise ValueError(f"{PUBLISHED}{name}: timm publishes no weights of this model")
    try:
        if config.hf_hub_id and not huggingface_hub.try_to_load_from_cache(config.hf_hub_id, "model.safetensors"):
            huggingface_hub.model_info(config.hf_hub_id, timeout=10)  # without a network timm would try for a minute
        return timm.create_model(name, pretrained=True).state_dict()
    except (OSError, HTTPError) as error:
        problem = f"{PUBLISHED}{name}: timm's weights cannot be fetched here"
        raise ValueError(f"{problem} ({type(error).__name__}: {error}); connect to a network or give a file") from error
