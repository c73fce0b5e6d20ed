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

from ofdb_core.training import foreign_weights, guess, networks, places, timm_config, weights
from ofdb_core.training.foreign_weights import Tensors

DISTILLED = ("dist_token", "head_dist.")  # weights that only DeiT's distilled networks have


class NoHead(ValueError):
    """Classes were asked of weights that have no head."""


def _fitted(tensors: Tensors, outline: nn.Module, shape: networks.Shape) -> Tensors:
    """The weights after timm's treatment of published ones: today's names, fitted to size and channels."""
    wanted = outline.state_dict()
    if "dist_token" in tensors and "dist_token" not in wanted:  # its position goes with it
        position = tensors["pos_embed"]
        tensors = {**tensors, "pos_embed": torch.cat([position[:, :1], position[:, 2:]], dim=1)}
    module = sys.modules[timm.models.model_entrypoint(shape.model).__module__]
    fit = getattr(module, "checkpoint_filter_fn", None)
    fitted = fit(dict(tensors), outline) if fit else dict(tensors)
    pretrained: Any = outline.pretrained_cfg
    stems = pretrained.get("first_conv") or ()
    for stem in [stems] if isinstance(stems, str) else stems:
        old, new = fitted.get(f"{stem}.weight"), wanted.get(f"{stem}.weight")
        if old is not None and new is not None and old.ndim == 4 and old.shape[1] != new.shape[1]:
            old_channels = old.shape[1] * shape.channels // new.shape[1]
            fitted[f"{stem}.weight"] = adapt_input_conv(shape.channels, old, base_chans=old_channels)
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


def _impossible(tensor: torch.Tensor, wanted: torch.Tensor) -> str | None:
    """The reason why a tensor cannot be these weights of a network, as the end of a sentence; None if it can."""
    kinds = [(each.is_floating_point(), each.is_complex(), each.dtype == torch.bool) for each in (tensor, wanted)]
    if kinds[0] != kinds[1]:
        return f"is of {tensor.dtype}, where {wanted.dtype} is needed"
    return None if bool(tensor.to(wanted.dtype).isfinite().all()) else "holds values that are not finite"


def _guessed(path: str) -> str | None:
    """The network of another project's file, by its shapes; None if no known network has them."""
    if name := guess.model(weights.read(path)):
        print(f"{path}: does not say its network; by its shapes it is a {name} (-p model gives another)")
    return name


def _size(tensor: torch.Tensor | None) -> str:
    return "nothing" if tensor is None else " x ".join(map(str, tensor.shape)) or "a number"


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights, or timm's published ones, and the facts of its network: opened once and passed on.

    path: of the file, or timm:<model>; facts: without `classes` if they are unknown.
    """

    path: str
    facts: networks.Facts

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
        """Find the weights (see `places.file_of`; "timm" means those that timm publishes for `model`) and their facts.

        A file without facts has those in config.json beside it, and timm's of its model. If neither names the model and
        `model` is None, it is guessed from the shapes and printed; a ValueError if no guess is possible. Arguments
        that are not None replace facts.
        """
        path = f"{path}:{model or ''}" if path == "timm" else path
        path = path if weights.is_published(path) else str(places.file_of(path))
        if (facts := weights.facts_of(path)) is None:
            said = timm_config.facts(Path(path), model)
            if not (name := model or said.get("model") or _guessed(path)):
                raise ValueError(f"model: {path} does not say which network it holds; give its timm name")
            try:
                facts = {**networks.facts(name), **said}
                weights.require(vars(networks.Shape.of(facts)))
            except ValueError as error:
                raise ValueError(f"{path}: {error}, in {places.CONFIG} beside it") from error
        asked = {"model": model, "options": options or None, "input_size": input_size, "channels": channels}
        given: Any = {name: value for name, value in asked.items() if value is not None}
        return cls(path, {**facts, **given})

    @property
    def shape(self) -> networks.Shape:
        """The shape of the network."""
        return networks.Shape.of(self.facts)

    def network(
        self, classes: Sequence[str] | None = None, *, drop_path: float = 0.0, seed: int = 0
    ) -> tuple[nn.Module, list[str]]:
        """The network with its weights, and a line for each weight that was not taken unchanged.

        classes: the names of its classes; None for those of the file. If they differ from the file's, the head is drawn
        from the seed as in `networks.build`. If input size or channels differ, timm fits positions and first layer to
        them. A ValueError if any other weight differs, or if a weight is not finite or of another type of number.
        """
        shape, tensors, known = self.shape, weights.read(self.path), self.facts.get("classes")
        try:
            outline = networks.outline(shape)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error
        heads = networks.heads(outline)
        tensors, said = foreign_weights.under(tensors, {*outline.state_dict()})
        refusal = f"{self.path}: not the weights of a {shape.model} with options {shape.options}"
        try:
            fitted = _fitted(tensors, outline, shape)
            sizes = [len(fitted[f"{head}weight"]) for head in heads if f"{head}weight" in fitted]
        except networks.MISFITS as error:
            raise ValueError(f"{refusal} ({error})") from error
        named = known if classes is None else classes
        count = sizes[0] if named is None and sizes else len(named or ())
        wanted = networks.outline(shape, count or 1).state_dict()
        loadable, lines, misfits = _compare(tensors, fitted, wanted, heads)
        lines = [*said, *lines]
        if misfits:
            raise ValueError(f"{refusal}; {misfits[0]}")
        if not count:
            raise NoHead(f"classes: {self.path} has no head of a {shape.model}; fine-tune it first")
        of_head = [part for part in loadable if part.startswith(heads)]
        if of_head and known and classes and list(known) != list(classes):
            loadable = {part: tensor for part, tensor in loadable.items() if part not in of_head}
            lines.append(f"{', '.join(of_head)}: of as many other classes in the file; drawn anew")
        for part, tensor in loadable.items():
            if problem := _impossible(tensor, wanted[part]):
                raise ValueError(f"{self.path}: {part} {problem}; get or make the file again")
        network = networks.build(shape, count, drop_path=drop_path, seed=seed)  # it takes memory: last of all
        network.load_state_dict(loadable, strict=False)
        if sentence := networks.unseen(network, shape.input_size):
            lines.append(sentence)
        return network, lines
