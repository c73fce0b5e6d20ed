"""A recipe's augmentation in words and in pictures, so that a notebook's remark matches what ran."""

from collections.abc import Sequence

import numpy as np

from ofdb_core.batches.finish import Batch, to_pixels
from ofdb_core.batches.recipe import BatchRecipe, View
from ofdb_core.data import scenes
from ofdb_core.training.recipe import Recipe


def shown(batch: Batch, view: View, classes: Sequence[str]) -> tuple[list[np.ndarray], list[str]]:
    """The pictures of a batch, and a title for each: its category, or the two that were mixed in it.

    A picture that has a mask is followed by it, in colours, and the title is the number of classes in it.
    """
    pictures, targets = list(to_pixels(batch[0], view)), batch[1].numpy()
    if targets.ndim == 2:
        return pictures, [" + ".join(classes[c] for c in np.argsort(-row)[:2] if row[c] > 0.2) for row in targets]
    masks = [scenes.coloured(mask) for mask in targets]
    titles = [f"{len(np.unique(mask))} classes" for mask in targets]
    both, above = zip(pictures, masks, strict=True), zip([""] * len(titles), titles, strict=True)
    return [one for pair in both for one in pair], [title for pair in above for title in pair]


def seen(recipe: Recipe, steps: int) -> str:
    """What a training of `steps` steps saw, as Markdown: its samples, and how they were changed."""
    live = getattr(recipe, "samples", "") == "live"
    drawn = "each drawn anew from its formula, as `live` in the recipe says" if live else "of stored images"
    size, count = f"{recipe.input_size} x {recipe.input_size} pixels", steps * recipe.batch_size
    return f"{count:,} samples of {size}, {drawn}: {steps:,} steps of {recipe.batch_size}.\n\n{in_words(recipe)}"


def in_words(recipe: BatchRecipe) -> str:
    """A Markdown list: how training images are cropped, changed and mixed, and what share of them.

    Steps that the recipe leaves out are not in it.
    """
    low, high = recipe.crop_scale
    shares = {"mirrored": recipe.hflip, "turned upside down": recipe.vflip}
    shares["partly covered by a box of noise"] = recipe.erasing
    lines = [f"each image is a crop of {low:.0%} to {high:.0%} of its area"]
    lines += [f"{share:.0%} of the images are {change}" for change, share in shares.items() if share]
    if recipe.auto_augment:
        lines.append(f"`{recipe.auto_augment}` may turn, shear, move, posterise or brighten an image")
    if recipe.mix_pictures != "none":
        rounds = f"up to {recipe.pixmix_rounds} times with other pictures or with altered copies of itself"
        lines.append(f"PixMix mixes each image {rounds}")
    return "\n".join(f"- {line}" for line in [*lines, _mixing(recipe)])


def _mixing(recipe: BatchRecipe) -> str:
    if not recipe.mixes():
        return "no two images are mixed"
    cut = recipe.mix_switch if recipe.mixup and recipe.cutmix else float(recipe.cutmix > 0)
    kinds = {"by mixup, as a mean of both": 1 - cut, "by CutMix, as a box of one in the other": cut}
    how = " or ".join(f"{kind} ({share:.0%})" for kind, share in kinds.items() if share)
    unit = "batches" if recipe.mix_groups == 1 else f"groups of {recipe.batch_size // recipe.mix_groups} images"
    return f"{recipe.mix_probability:.0%} of the {unit} have their images mixed in pairs: {how}"
