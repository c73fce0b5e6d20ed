"""Segmentation: a class for each pixel, by a timm network and a decoder, and how well its areas lie on the masks'.

The decoder is UPerNet's (Xiao et al., ECCV 2018) of segmentation-models-pytorch. It takes feature maps of four depths:
of a pyramid, as ResNet or Swin, the last four; of a network whose maps have one size, as ViT, four in equal steps. A
network that has but two or three maps gives these.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import nn
from torch.nn import functional

from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Plain
from ofdb_core.data.scenes import NO_CLASS, Scenes
from ofdb_core.data.tables import Row
from ofdb_core.training import loop, networks, precision, processes, weights
from ofdb_core.training.milestones import Milestones
from ofdb_core.training.recipe import Inference, Recipe

FEWEST, DEPTHS = 2, 4  # feature maps that the decoder takes
EVALUATIONS = 10  # of a training


class Segmenter(nn.Module):
    """A network for masks: images (B, channels, S, S) float32 become scores (B, classes, S, S).

    trunk: a timm network without a head; width: channels of the decoder.
    """

    pretrained_cfg = {"classifier": ["decoder", "head"]}  # what is no trunk, by the name that timm has for it

    def __init__(self, trunk: nn.Module, classes: int, width: int) -> None:
        from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder  # it takes a second to import

        super().__init__()
        self.trunk: Any = trunk
        self._depths = _depths(trunk)
        channels = [_info(trunk)[i]["num_chs"] for i in self._depths]
        self.decoder = UPerNetDecoder([0, 0, *channels], encoder_depth=1 + len(channels), decoder_channels=width)
        self.head = nn.Conv2d(width, classes, 1)
        for parameter in self.head.parameters():
            nn.init.normal_(parameter, std=0.01)  # so that the first loss is the logarithm of the number of classes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.trunk.forward_intermediates(images, indices=self._depths, norm=True, intermediates_only=True)
        scores = self.head(self.decoder([None, None, *maps]))  # UPerNet leaves out the two largest maps
        return functional.interpolate(scores, images.shape[-2:], mode="bilinear")

    def no_weight_decay(self) -> set[str]:
        """The weights of the trunk that are not decayed, by their names in the segmenter."""
        return {f"trunk.{name}" for name in getattr(self.trunk, "no_weight_decay", set)()}

    def set_grad_checkpointing(self, enable: bool) -> None:
        """Turn gradient checkpointing of the trunk on or off, as in timm."""
        self.trunk.set_grad_checkpointing(enable)


def _info(trunk: Any) -> list[dict[str, Any]]:
    return trunk.feature_info if isinstance(trunk.feature_info, list) else trunk.feature_info.info


def _depths(trunk: nn.Module) -> list[int]:
    """The numbers of the feature maps that the decoder takes."""
    info = _info(trunk)
    count, sizes = len(info), {each["reduction"] for each in info}
    if count < FEWEST:
        raise ValueError(f"has {count} feature maps; the decoder takes {FEWEST} to {DEPTHS}")
    depths = min(count, DEPTHS)
    return [count * (i + 1) // depths - 1 for i in range(depths)] if len(sizes) == 1 else [*range(count)][-depths:]


def build(shape: networks.Shape, classes: int, *, width: int, drop_path: float = 0.0, seed: int) -> Segmenter:
    """A segmenter with weights drawn from the seed; a ValueError if a network gives no feature maps.

    A weight on which no pixel depends, as in a norm after the last map, does not learn.
    """
    trunk = networks.build(shape, 0, drop_path=drop_path, seed=seed)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = Segmenter(trunk, classes, width).eval()
        model(torch.zeros(1, shape.channels, shape.input_size, shape.input_size)).sum().backward()
    except networks.MISFITS as error:
        refusal = f"model: {shape.model} cannot be trained on masks ({error}); try a ViT, Swin or ResNet"
        raise ValueError(refusal) from error
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.grad is not None)
    model.zero_grad(set_to_none=True)
    return model.train()


def opened(path: str | Path) -> tuple[Segmenter, networks.Facts]:
    """The network in a segmenter.safetensors, in evaluation mode, and its facts; those under "masks" name its classes.

    A ValueError if the file holds something else.
    """
    tensors, facts = weights.read(path), weights.facts_of(path) or {}
    if "masks" not in facts or "head.weight" not in tensors:
        raise ValueError(f"{path}: holds no network for masks; segmenter.safetensors does")
    shape = networks.Shape.of(facts)
    model = build(shape, len(facts["masks"]), width=tensors["head.weight"].shape[1], seed=0)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(f"{path}: not the weights of a {shape.model} with a decoder ({error})") from error
    return model.eval(), facts


def found(model: nn.Module, scenes: Scenes, recipe: Inference) -> Iterator[tuple[int, np.ndarray]]:
    """Number of a scene, and the class (H, W) int64 found for each of its pixels, for this process's share of all.

    A network sees the whole picture as a square; what it finds is stretched to the mask.
    """
    device, source = next(model.parameters()).device, Plain(scenes, recipe, share=processes.share())
    was_training = model.training
    model.eval()
    for step, (batch, _) in enumerate(prefetch(source, len(source), workers=recipe.loader_workers, device=device)):
        with torch.inference_mode(), precision.autocast(recipe.precision, device):
            squares = model(batch).argmax(dim=1).cpu().numpy()
        for i, square in zip(source.ids(step).tolist(), squares, strict=True):
            yield i, stretched(square, scenes.pair(i)[1].shape)
    model.train(was_training)


def areas(model: nn.Module, scenes: Scenes, recipe: Inference) -> np.ndarray:
    """The sum of `counted` over all scenes. Several processes share the scenes, and each gets the sum."""
    classes = len(scenes.classes)
    own = sum((counted(mask, scenes.pair(i)[1], classes) for i, mask in found(model, scenes, recipe)), 0)
    return sum(gather_object([own]))


def counted(found: np.ndarray, mask: np.ndarray, classes: int) -> np.ndarray:
    """The pixels (3, classes) int64 of each class: rightly found, in the mask, and found.

    Pixels of no class are left out.
    """
    known = mask != NO_CLASS
    true, guessed = mask[known], found[known]
    return np.stack([np.bincount(pixels, minlength=classes) for pixels in (true[true == guessed], true, guessed)])


def stretched(square: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Classes (S, S) as (H, W), each pixel from the nearest."""
    rows, columns = ((2 * np.arange(side) + 1) * len(square) // (2 * side) for side in shape)
    return square[rows[:, None], columns]


def by_class(counts: np.ndarray, classes: list[str]) -> list[Row]:
    """Rows with class, pixels (in the masks) and iou: intersection over union of `areas`, None where both are empty."""
    right, true, found = counts
    union = true + found - right
    pairs = zip(classes, true.tolist(), right.tolist(), union.tolist(), strict=True)
    return [{"class": name, "pixels": n, "iou": both / of if of else None} for name, n, both, of in pairs]


def scores(counts: np.ndarray, classes: list[str]) -> Row:
    """mean_iou, of the classes that are in the masks or were found, and pixel_accuracy."""
    known = [row["iou"] for row in by_class(counts, classes) if row["iou"] is not None]
    return {"mean_iou": float(np.mean(known)), "pixel_accuracy": float(counts[0].sum() / counts[1].sum())}


class Scores(loop.Watch):
    """Evaluates a segmenter on scenes while it trains, ten times, the last time at the end.

    rows: step, mean_iou and pixel_accuracy of each evaluation; areas: of the last; milestones: written meanwhile, of
    the trunk.
    """

    def __init__(self, scenes: Scenes, recipe: Recipe, milestones: Milestones | None = None) -> None:
        self.scenes, self.recipe, self.milestones = scenes, recipe, milestones
        self.rows: list[Row] = []
        self.areas = np.zeros((3, len(scenes.classes)), np.int64)

    def _own(self, step: int) -> bool:
        return step == self.recipe.steps or step % max(1, self.recipe.steps // EVALUATIONS) == 0

    def due(self, step: int) -> bool:
        """Whether the network is evaluated, or written, after this step."""
        return self._own(step) or bool(self.milestones and self.milestones.due(step))

    def __call__(self, model: nn.Module, step: int) -> None:
        if self.milestones and self.milestones.due(step):
            self.milestones(model.trunk, step)  # type: ignore[arg-type]
        if self._own(step):
            self.areas = areas(model, self.scenes, self.recipe)
            self.rows.append({"step": step, **scores(self.areas, self.scenes.classes)})

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "areas": torch.as_tensor(self.areas)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self.areas = list(state["rows"]), state["areas"].numpy()
