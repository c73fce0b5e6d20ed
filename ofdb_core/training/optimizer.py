"""timm's optimizers and cosine schedule, made by a recipe."""

import torch
from timm.optim import create_optimizer_v2, list_optimizers
from timm.scheduler import CosineLRScheduler
from torch import nn

from ofdb_core.base.values import nearest
from ofdb_core.training.recipe import Optimisation


def check(name: str) -> None:
    """A ValueError where timm has no optimizer of this name."""
    known = [str(optimizer) for optimizer in list_optimizers()]
    if name.lower() not in known:
        raise ValueError(f"optimizer: {name!r} is not a timm optimizer{nearest(name, known)}")


def rates(recipe: Optimisation) -> tuple[float, ...]:
    """Peak, last and first learning rate: those of the recipe, scaled from `reference_batch` to the batch size."""
    scale = recipe.batch_size / recipe.reference_batch
    return tuple(rate * scale for rate in (recipe.learning_rate, recipe.min_learning_rate, recipe.warmup_learning_rate))


def build(model: nn.Module, recipe: Optimisation) -> tuple[torch.optim.Optimizer, CosineLRScheduler]:
    """timm's optimizer and cosine schedule; the parameters that do not learn are left out."""
    peak, last, first = rates(recipe)
    decay = None if recipe.layer_decay == 1 else recipe.layer_decay
    optimizer = create_optimizer_v2(
        model, opt=recipe.optimizer, lr=peak, weight_decay=recipe.weight_decay, layer_decay=decay
    )
    schedule = CosineLRScheduler(
        optimizer,
        t_initial=recipe.steps,
        lr_min=last,
        warmup_t=recipe.warmup_steps,
        warmup_lr_init=first,
        t_in_epochs=False,
    )
    return optimizer, schedule
