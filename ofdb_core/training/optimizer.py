"""timm's optimizers and cosine schedule, set up by a recipe."""

import functools
from typing import Any

import torch
from timm.optim import create_optimizer_v2, list_optimizers, param_groups_layer_decay, param_groups_weight_decay
from timm.scheduler import CosineLRScheduler
from torch import nn

from ofdb_core.base.values import nearest
from ofdb_core.training.recipe import Optimisation


def check(name: str) -> None:
    """Raise a ValueError if timm has no optimizer of this name."""
    known = [str(optimizer) for optimizer in list_optimizers()]
    if name.lower() not in known:
        raise ValueError(f"optimizer: {name!r} is not a timm optimizer{nearest(name, known)}")


def rates(recipe: Optimisation) -> tuple[float, ...]:
    """Peak, last and first learning rate: those of the recipe, scaled from `reference_batch` to the batch size."""
    scale = recipe.batch_size / recipe.reference_batch
    return tuple(rate * scale for rate in (recipe.learning_rate, recipe.min_learning_rate, recipe.warmup_learning_rate))


def _groups(recipe: Optimisation, model: nn.Module) -> list[dict[str, Any]]:
    """timm's groups of parameters: no decay of biases and norms; of positions and class token by `decay_positions`."""
    exempt: set[str] = set() if recipe.decay_positions else getattr(model, "no_weight_decay", set)()
    how: dict[str, Any] = {"weight_decay": recipe.weight_decay, "no_weight_decay_list": exempt}
    if recipe.layer_decay == 1:
        return param_groups_weight_decay(model, **how)
    return param_groups_layer_decay(model, **how, layer_decay=recipe.layer_decay)


def build(model: nn.Module, recipe: Optimisation) -> tuple[torch.optim.Optimizer, CosineLRScheduler]:
    """timm's optimizer and cosine schedule; parameters that do not learn are left out."""
    groups = functools.partial(_groups, recipe)
    optimizer = create_optimizer_v2(model, opt=recipe.optimizer, lr=rates(recipe)[0], param_group_fn=groups)
    return optimizer, _schedule(optimizer, recipe)


def _schedule(optimizer: torch.optim.Optimizer, recipe: Optimisation) -> CosineLRScheduler:
    _, last, first = rates(recipe)
    warmup: dict[str, Any] = {"warmup_t": recipe.warmup_steps, "warmup_lr_init": first}
    return CosineLRScheduler(optimizer, recipe.steps, lr_min=last, **warmup, t_in_epochs=False)


def course(recipe: Optimisation) -> list[float]:
    """The learning rate of every step of a training, from the schedule itself; with layer decay, that of the head."""
    alone = torch.optim.SGD([torch.zeros(())], lr=rates(recipe)[0])
    schedule, found = _schedule(alone, recipe), []
    for step in range(recipe.steps):
        schedule.step_update(step)
        found.append(alone.param_groups[0]["lr"])
    return found
