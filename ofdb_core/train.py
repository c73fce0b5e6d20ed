"""One loop for pre-training and fine-tuning, with what stands around it: models, evaluation and checkpoints.

The loop asks a batch source (see loading) for the batch of each step; its result is a function of model, source, recipe
and seed. Accelerate places it on the machine's device and in its precision; optimizer and schedule are timm's.
"""

import os
import sys
import time

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from ofdb_core import loading, record, torchvision_fix  # noqa: F401  (before timm and accelerate)
from ofdb_core.recipe import nearest

# isort: split
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from timm.optim import create_optimizer_v2, list_optimizers
from timm.scheduler import CosineLRScheduler

LOGGED = ("step", "loss", "learning_rate")  # what of a log's row does not depend on the machine's speed


def check_optimizer(name):
    """A ValueError where timm has no optimizer of this name."""
    if name.lower() not in list_optimizers():
        raise ValueError(f"optimizer: {name!r} is not a timm optimizer{nearest(name, list_optimizers())}")


def resolve_precision(wanted, device):
    """'no', 'bf16' or 'fp16' for a recipe's precision on a device; 'auto' is bf16 where the hardware has it."""
    kind = torch.device(device).type
    if kind == "cuda":
        fast = ["bf16", "fp16"] if torch.cuda.is_bf16_supported(including_emulation=False) else ["fp16"]
    else:
        fast = ["bf16"] if kind == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported() else []
    if wanted == "auto":
        return "bf16" if "bf16" in fast else "no"
    possible = ["no", *fast] + ["bf16"] * (kind == "cpu" and not fast)  # slow there, but right
    if wanted not in possible:
        raise ValueError(
            f"precision: {wanted!r} is not possible on this {kind}; allowed is auto, {', '.join(possible)}"
        )
    return wanted


def device():
    """The device that accelerate trains on here."""
    AcceleratorState._reset_state()  # a notebook may train twice, in two precisions; without this the second is refused
    found = Accelerator().device
    AcceleratorState._reset_state()
    return found


def _accelerator(recipe):
    return Accelerator(mixed_precision=resolve_precision(recipe.precision, device()))


def _suit(model, device):
    """On a CPU let timm's blocks spell attention out: the fused one's backward costs a small network half its time."""
    for module in model.modules():
        if torch.device(device).type == "cpu" and getattr(module, "fused_attn", False) is True:
            module.fused_attn = False


def _progress(steps, start, title):
    """A bar of steps; without a terminal (a log file) it is drawn every 5 s, or as often as TQDM_MININTERVAL says."""
    often = os.environ.get("TQDM_MININTERVAL", "0.2" if sys.stderr.isatty() else "5")
    return tqdm(total=steps, initial=start, desc=title, unit="step", mininterval=float(often), dynamic_ncols=True)


class _Meter:
    """The log: sums over the steps since the last row; losses stay on the device until a row needs them."""

    def __init__(self, source):
        self.source, self.rows, self.began = source, [], time.perf_counter()
        self._restart(self.began)

    def _restart(self, now):
        self.since, self.waited, self.images, self.losses, self.rates = now, 0.0, 0, [], []

    def add(self, loss, rate, images, waited):
        self.losses.append(loss.detach())
        self.rates.append(rate)
        self.images += images
        self.waited += waited

    def row(self, step):
        """The row of the steps up to `step`; a ValueError where one of their losses is not finite."""
        losses = torch.stack(self.losses).float().cpu().numpy()
        if not np.isfinite(losses).all():
            i = int(np.argmin(np.isfinite(losses)))
            bad = step - len(losses) + 1 + i
            raise ValueError(
                f"the loss is {losses[i]} at step {bad} (learning rate {self.rates[i]:.3g}, samples "
                f"{self.source.ids(bad - 1).tolist()}); lower learning_rate, lengthen the warm-up or use precision 'no'"
            )
        now = time.perf_counter()
        spent = now - self.since
        self.rows.append(
            {
                "step": step,
                "loss": float(losses.mean()),
                "learning_rate": self.rates[-1],
                "images_per_second": self.images / spent,
                "data_share": self.waited / spent,
                "seconds": now - self.began,
            }
        )
        self._restart(now)
        return self.rows[-1]


def fit(model, source, recipe, *, seed, start=0, title="training"):
    """Train the model in place for the recipe's steps; return the log, a row each `log_every` steps and at the end.

    source: a batch source, as loading.Batches; seed: of what the model itself draws (drop path), each step anew; start:
    the first step, of those that `recipe.steps` counts. A row has step (done so far), loss (mean since the row before),
    learning_rate, images_per_second, data_share (of the time, spent waiting for data) and seconds. A loss that is not
    finite is a ValueError that names step, learning rate and samples.
    """
    check_optimizer(recipe.optimizer)
    accelerator = _accelerator(recipe)
    optimizer = create_optimizer_v2(
        model, opt=recipe.optimizer, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = CosineLRScheduler(
        optimizer,
        t_initial=recipe.steps,
        lr_min=recipe.min_learning_rate,
        warmup_t=recipe.warmup_steps,
        warmup_lr_init=recipe.warmup_learning_rate,
        t_in_epochs=False,
    )
    _suit(model, accelerator.device)
    network, optimizer = accelerator.prepare(model, optimizer)
    pinned = accelerator.device.type == "cuda"
    batches = loading.prefetch(source, recipe.steps, start=start, workers=recipe.workers, pin_memory=pinned)
    network.train()
    meter = _Meter(source)
    try:
        with torch.random.fork_rng(), _progress(recipe.steps, start, title) as bar:
            for step in range(start, recipe.steps):
                asked = time.perf_counter()
                images, targets = next(batches)
                waited = time.perf_counter() - asked
                schedule.step_update(step)
                torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1)[0]))
                images = images.to(accelerator.device, non_blocking=True)
                targets = targets.to(accelerator.device, non_blocking=True)
                loss = functional.cross_entropy(network(images), targets)
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
                meter.add(loss, optimizer.param_groups[0]["lr"], len(images), waited)
                if (step + 1) % recipe.log_every == 0 or step + 1 == recipe.steps:
                    row = meter.row(step + 1)
                    bar.set_postfix_str(
                        f"loss {row['loss']:.3f}, lr {row['learning_rate']:.1e}, "
                        f"{row['images_per_second']:.0f} images/s, {row['data_share']:.0%} waiting",
                        refresh=False,
                    )
                bar.update()
    finally:
        batches.close()
        accelerator.unwrap_model(network, keep_fp32_wrapper=False)  # gives the model its own forward back
    return meter.rows


def speed(log):
    """What a log says about speed: seconds, images a second and the share of the time spent waiting for data."""
    seconds = [row["seconds"] for row in log]
    spent = np.diff([0.0, *seconds])
    means = {
        key: float(np.average([row[key] for row in log], weights=spent)) for key in ("images_per_second", "data_share")
    }
    return {"seconds": round(seconds[-1], 1), **{key: round(value, 3) for key, value in means.items()}}


def evaluate(model, images, recipe):
    """Predicted classes (n,) int64 and probabilities (n, C) float32 for samples.Images, in order, un-augmented."""
    device = next(model.parameters()).device
    precision = resolve_precision(recipe.precision, device)
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    was_training, found = model.training, []
    _suit(model, device)
    model.eval()
    with torch.inference_mode(), torch.autocast(device.type, kinds.get(precision), enabled=precision in kinds):
        for batch, _ in loading.in_order(images, recipe):
            found.append(model(batch.to(device)).float().softmax(dim=1).cpu())
    model.train(was_training)
    probabilities = torch.cat(found).numpy()
    return probabilities.argmax(axis=1), probabilities
