"""A recipe's augmentation in words, so that a notebook's remark matches what ran."""

from ofdb_core.batches.recipe import BatchRecipe


def in_words(recipe: BatchRecipe) -> str:
    """A Markdown list: how training images are cropped, changed and mixed, and what share of them.

    Steps that the recipe leaves out are not in it.
    """
    low, high = recipe.crop_scale
    shares = {
        "mirrored": recipe.hflip,
        "turned upside down": recipe.vflip,
        "partly covered by a box of noise": recipe.erasing,
    }
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
