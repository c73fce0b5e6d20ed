"""The network of a file of weights: each weight is taken unchanged, fitted to another size, or drawn anew and reported.

timm's published weights are such files, too. `weights` reads a file and the facts of its network.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import timm
import torch
from timm.models import adapt_input_conv
from torch import nn

from ofdb_core.training import guess, networks, places, timm_config, weights
from ofdb_core.training.foreign_weights import Tensors

DISTILLED = ("dist_token", "head_dist.")  # weights that only DeiT's distilled networks have


def load(
    path: str | Path,
    *,
    classes: int | None = None,
    others: bool = False,
    model: str | None = None,
    options: networks.Options | None = None,
    input_size: int | None = None,
    channels: int | None = None,
    drop_path: float = 0.0,
    seed: int = 0,
) -> tuple[nn.Module, list[str]]:
    """The network of a checkpoint, a line for each weight that was not taken unchanged, and one for `networks.unseen`.

    path: as in `weights.read`, or "timm" for the published weights of `model`. Arguments that are None come from the
    file's facts. Without facts `model` is required, the number of classes is that of the file's head, and the rest are
    timm's defaults. If the classes differ in number, or are `others` than the file's, the head is drawn from the seed
    as in `networks.build`. If input size or channels differ, timm fits positions and first layer to them. A ValueError
    if any other weight differs, or if a weight is not finite or of another type of number.
    """
    if str(path) == weights.PUBLISHED:
        path = f"{weights.PUBLISHED}:{model or ''}"
    facts = weights.described(path, model=model, options=options, input_size=input_size, channels=channels)
    tensors, facts_in_file = weights.read(path)
    name, shape = facts["model"], {key: facts[key] for key in ("options", "input_size", "channels")}
    outline = networks.outline(name, **shape)
    heads = networks.heads(outline)
    refusal = f"{path}: not the weights of a {name} with options {shape['options']}"
    try:
        fitted = _fitted(tensors, outline, name, shape["channels"])
    except (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{refusal} ({error})") from error
    _refuse(refusal, _compare(tensors, fitted, outline.state_dict(), heads)[2])  # before memory is allocated
    if classes is None:
        sizes = [len(fitted[f"{head}weight"]) for head in heads if f"{head}weight" in fitted]
        if not facts_in_file and not sizes:
            raise ValueError(f"classes: {path} has no head of a {name}; give the number of classes")
        classes = len(facts_in_file["classes"]) if facts_in_file else sizes[0]
    network = networks.build(name, classes, **shape, drop_path=drop_path, seed=seed)
    wanted = network.state_dict()
    loadable, lines, misfits = _compare(tensors, fitted, wanted, heads)
    _refuse(refusal, misfits)
    if sentence := networks.unseen(network, shape["input_size"]):
        lines.append(sentence)
    if others and (of_head := [part for part in loadable if part.startswith(heads)]):
        loadable = {part: tensor for part, tensor in loadable.items() if part not in of_head}
        lines.append(f"{', '.join(of_head)}: of as many other classes in the file; drawn anew")
    for part, tensor in loadable.items():
        if problem := _impossible(tensor, wanted[part]):
            raise ValueError(f"{path}: {part} {problem}; no network has such weights: get or make the file again")
    network.load_state_dict(loadable, strict=False)
    return network, lines


def _fitted(tensors: Tensors, outline: nn.Module, name: str, channels: int) -> Tensors:
    """The weights after timm's treatment of published ones: today's names, fitted to size and channels."""
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
    """The weights to load, a line for each that is not loaded unchanged, and a line for each misfit.

    tensors: of the file; fitted: the same after `_fitted`; wanted: of the network. A misfit is neither in a head nor
    in DISTILLED: the file belongs to another network.
    """
    loadable: Tensors = {}
    lines, misfits = [], []
    in_file = {tensor.data_ptr() for tensor in tensors.values()}
    in_fitted = {tensor.data_ptr() for tensor in fitted.values()}
    for name in sorted(tensors.keys() | fitted.keys() | wanted.keys()):
        old, new, target = tensors.get(name), fitted.get(name), wanted.get(name)
        line = f"{name}: {_size(old if new is None else new)} in the file, {_size(target)} wanted"
        if target is None and new is None:
            if old is not None and old.data_ptr() not in in_fitted:  # or else timm has another name for it today
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
    """The reason why a tensor cannot be these weights of a network, as the end of a sentence; None if it can."""
    kinds = [(each.is_floating_point(), each.is_complex(), each.dtype == torch.bool) for each in (tensor, wanted)]
    if kinds[0] != kinds[1]:
        return f"is of {tensor.dtype}, where {wanted.dtype} is needed"
    return None if bool(tensor.to(wanted.dtype).isfinite().all()) else "holds values that are not finite"


def _guessed(file: Path) -> str | None:
    """The network of another project's file, by its shapes; None if no known network has them."""
    if name := guess.model(weights.read(file)[0]):
        print(f"{file}: does not say its network; by its shapes it is a {name} (-p model gives another)")
    return name


def _size(tensor: torch.Tensor | None) -> str:
    return "nothing" if tensor is None else " x ".join(map(str, tensor.shape)) or "a number"


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights, or timm's published ones, with the facts of its network: opened once and passed on.

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

        If neither names the network and `model` is None, it is guessed from the shapes and printed; a ValueError if no
        guess is possible.
        """
        given: dict[str, Any] = {"model": model, "options": options or None}
        given |= {"input_size": input_size, "channels": channels}
        if weights.is_published(path):
            return cls(path, given, weights.described(path, **given))
        file = places.file_of(path)
        said: weights.Facts = {}
        if weights.facts_of(file) is None:
            said = timm_config.facts(file) or {"model": model or _guessed(file)}
            said = said if model in (None, said["model"]) else {}
        asked = {name: value for name, value in given.items() if value is not None}
        given = {name: asked.get(name, said.get(name)) for name in weights.SHAPE}
        seen = {name: value for name, value in said.items() if name not in weights.SHAPE}
        return cls(str(file), given, {**weights.described(file, **given), **seen})

    @property
    def shape(self) -> dict[str, Any]:
        """The arguments that build this network: model, options, input_size and channels."""
        return {name: self.facts[name] for name in weights.SHAPE}

    def network(
        self, classes: Sequence[str] | None = None, *, drop_path: float = 0.0, seed: int = 0
    ) -> tuple[nn.Module, list[str]]:
        """The network with its weights, and a line for each that was not taken unchanged: see `load`.

        classes: the names of its classes; None for those of the file.
        """
        how: dict[str, Any] = {**self.given, "drop_path": drop_path, "seed": seed}
        if classes is None:
            return load(self.path, **how)
        known = self.facts.get("classes", classes)
        return load(self.path, classes=len(classes), others=list(known) != list(classes), **how)

    def untrained(self, classes: int, *, drop_path: float, seed: int) -> nn.Module:
        """The same network with weights drawn from the seed."""
        shape = self.shape
        return networks.build(shape.pop("model"), classes, **shape, drop_path=drop_path, seed=seed)
