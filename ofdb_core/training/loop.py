"""One loop for pre-training and fine-tuning, on one device or many.

The loop asks a batch source (see loading) for the batch of each step; its result is a function of model, source, recipe
and seed, whatever the number of processes (to rounding) and interruptions (to the bit). Accelerate places it on the
machine's devices and in its precision; optimizer, schedule and averaged weights are timm's.
"""

import contextlib
import os
import random
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from torch.autograd.profiler import record_function
from torch.nn import functional

from ofdb_core.data import torchvision_fix  # noqa: F401  (before timm and accelerate)

# isort: split
from ofdb_core.base import signals
from ofdb_core.data import augmentation, batches
from ofdb_core.training import drop_path, networks, optimizer, precision, processes, progress

# isort: split
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import is_tensorboard_available, is_wandb_available
from timm.utils import ModelEmaV3

VOTE_STEPS, VOTE_SECONDS = 10, 2.0  # how often several processes ask each other whether one was asked to stop


def check(recipe):
    """A ValueError where this machine cannot train as a `recipe.Training` says; for what a slow look is needed."""
    optimizer.check(recipe.optimizer)
    precision.resolve(recipe.precision, processes.state().device)
    trackers = {"none": True, "tensorboard": is_tensorboard_available(), "wandb": is_wandb_available()}
    if not trackers[recipe.tracker]:
        raise ValueError(f"tracker: {recipe.tracker!r} needs a package; run: pip install {recipe.tracker}")
    if recipe.compile and processes.state().device.type == "cpu" and not shutil.which(os.environ.get("CXX", "g++")):
        raise ValueError("compile: true needs a C++ compiler on a CPU; install g++ or set compile to false")


def _accelerator(recipe):
    AcceleratorState._reset_state()  # a notebook may train twice, in two precisions; without this the second is refused
    tracker = None if recipe.tracker == "none" else recipe.tracker
    kind = precision.resolve(recipe.precision, processes.state().device)
    mixed = "no" if kind == "fp32" else kind
    return Accelerator(mixed_precision=mixed, log_with=tracker, project_dir=str(Path(recipe.out) / "trackers"))


def _suit(model, device):
    """On a CPU let timm's blocks spell attention out: the fused one's backward costs a small network half its time."""
    for module in model.modules():
        if torch.device(device).type == "cpu" and getattr(module, "fused_attn", False) is True:
            module.fused_attn = False


def _seed(*key):
    """Seed every global generator: what a network itself draws in a step is a function of (seed, step, process)."""
    word = int(np.random.SeedSequence(key).generate_state(1)[0])
    random.seed(word)
    np.random.seed(word)
    torch.manual_seed(word)


class _Vote:
    """Whether any process wishes each of some things; several ask each other, which takes a moment, now and then only.

    Called once a step by every process, it asks after as many steps as take VOTE_SECONDS, and VOTE_STEPS at most.
    """

    def __init__(self, accelerator):
        self._accelerator, self._steps, self._every, self._since = accelerator, 0, 1, time.monotonic()

    def __call__(self, *wishes):
        if self._accelerator.num_processes == 1:
            return wishes
        self._steps += 1
        if self._steps < self._every:
            return (False,) * len(wishes)
        spent = (time.monotonic() - self._since) / self._accelerator.num_processes
        votes = torch.tensor([*wishes, spent], dtype=torch.float32, device=self._accelerator.device)
        *votes, spent = self._accelerator.reduce(votes, "sum").tolist()  # the same numbers in every process
        self._every = int(np.clip(VOTE_SECONDS * self._steps / max(spent, 1e-9), 1, VOTE_STEPS))
        self._steps, self._since = 0, time.monotonic()
        return tuple(bool(vote) for vote in votes)


class _Training:
    """A model in training: everything that its next step depends on, and how a step is done."""

    def __init__(self, model, source, recipe, seed, watch):
        optimizer.check(recipe.optimizer)
        self.model, self.source, self.recipe, self.seed, self.watch = model, source, recipe, seed, watch
        self.accelerator = _accelerator(recipe)
        device = self.accelerator.device
        self.drops = drop_path.DropPaths(model, seed=seed, batch_size=recipe.batch_size)
        _suit(model, device)
        if recipe.gradient_checkpointing:
            model.set_grad_checkpointing(True)
        built, self.schedule = optimizer.build(model, recipe)
        self.average = ModelEmaV3(model, decay=recipe.ema) if recipe.ema else None
        if self.average:
            self.average.module.to(device)
        self.network, self.optimizer = self.accelerator.prepare(model, built)
        if recipe.compile:
            self.network.compile()
        self.log = progress.Log(source, self.accelerator)
        self.agree = _Vote(self.accelerator)
        self.step = 0

    def parts(self):
        """What holds state, by name, in a checkpoint."""
        found = {"model": self.model, "optimizer": self.optimizer, "log": self.log}
        extra = {"scaler": self.accelerator.scaler, "ema": self.average and self.average.module, "watch": self.watch}
        return {**found, **{name: part for name, part in extra.items() if part is not None}}

    def save(self, store):
        """Write the state after `step` steps.

        The schedule and every random draw, so the order of the samples too, are functions of recipe, seed and step.
        """
        self.log.settle(self.step)
        if not all(bool(tensor.isfinite().all()) for tensor in self.model.parameters()):
            raise ValueError(f"the weights are not finite after step {self.step}; lower learning_rate")
        if self.accelerator.is_main_process:
            state = {name: part.state_dict() for name, part in self.parts().items()}
            store.save(self.step, {"step": self.step, "seed": self.seed, "recipe": self.recipe.values(), **state})

    def resume(self, state):
        """Go on from a state of `save`; a ValueError where it is of another network, optimizer or length.

        What the recipe says of the optimizer (its weight decay, for instance) holds, not what the state says.
        """
        rules = [dict(group) for group in self.optimizer.param_groups]
        if state["step"] > self.recipe.steps:
            raise ValueError(f"steps: {self.recipe.steps} are fewer than the {state['step']} that were trained already")
        try:
            for name, part in self.parts().items():
                part.load_state_dict(state[name])
        except (KeyError, ValueError, RuntimeError) as error:
            raise ValueError(f"the state of step {state['step']} is of another training ({error})") from error
        for group, rule in zip(self.optimizer.param_groups, rules, strict=True):
            group.update({name: value for name, value in rule.items() if name != "params"})
        self.step = state["step"]

    def ready(self):
        """Put the network into training mode; a trunk that does not learn stays as it is evaluated."""
        self.network.train(networks.trunk_learns(self.model))

    def advance(self, batches):
        """Train one step; batches: an iterator over the parts of the source's batches."""
        recipe, accelerator, parts = self.recipe, self.accelerator, self.source.parts
        self.schedule.step_update(self.step)
        _seed(self.seed, self.step, accelerator.process_index)
        total, waited, count = 0.0, 0.0, 0
        for part in range(parts):
            asked = time.perf_counter()
            with record_function("data"):
                images, targets = next(batches)
            waited += time.perf_counter() - asked
            count += len(images)
            self.drops.draw(self.step, self.source.places(part), accelerator.device)
            last = part == parts - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(self.network):
                with record_function("forward"):
                    loss = functional.cross_entropy(self.network(images), targets) / parts
                with record_function("backward"):
                    accelerator.backward(loss)
            total = total + loss.detach()
        with record_function("optimizer"):
            if recipe.clip_gradient:
                accelerator.clip_grad_norm_(self.network.parameters(), recipe.clip_gradient)
            self.optimizer.step()
            self.optimizer.zero_grad()
            if self.average:
                self.average.update(self.model)
        rate = max(group["lr"] for group in self.optimizer.param_groups)  # with layer decay, that of the head
        self.log.add(total, rate, count, waited)
        self.step += 1

    def evaluated(self):
        """The network to evaluate and to keep: the one with averaged weights where there are such."""
        return self.average.module if self.average else self.model

    def close(self):
        """Give the model its own forward back, with the averaged weights where there are such."""
        for tracker in self.accelerator.trackers:
            tracker.finish()
        self.accelerator.unwrap_model(self.network, keep_fp32_wrapper=False)
        self.model._compiled_call_impl = None
        if self.average:
            self.model.load_state_dict(self.average.module.state_dict())


def fit(model, source, recipe, *, seed, title="training", store=None, watch=None):
    """Train the model in place for the recipe's steps; return the log, a row for each `log_every` and for the ends.

    source: a batch source, as loading.Batches; seed: of what the model itself draws, each step anew; store: a
    checkpoint.Store, whose newest state is gone on from, and which gets one each `save_steps` and `save_minutes`, at
    the end, and when SIGINT, SIGTERM or SIGUSR1 asks to stop (then `signals.Interrupted` is raised); watch: called as
    watch(network, step) where watch.due(step), with a state of its own, as evaluation.Best.

    A row has step (done so far), loss (mean since the row before), learning_rate, images_per_second, data_share (of the
    time, spent waiting for data) and seconds. A loss that is not finite is a ValueError that names step, learning rate,
    samples and the last good state. With `ema`, the model ends with the averaged weights.
    """
    training = _Training(model, source, recipe, seed, watch)
    if store and (state := store.newest()):
        training.resume(state)
        print(f"{title}: goes on from step {training.step} of {recipe.steps}")
    if training.step != (first := processes.shared(lambda: training.step)):
        raise ValueError(
            f"{store.root}: holds step {training.step} here and {first} for the first process; share the folder"
        )
    print(f"{title}: peak learning rate {optimizer.rates(recipe)[0]:.3g} for {recipe.batch_size} images a step")
    training.accelerator.init_trackers(title, {name: str(value) for name, value in recipe.values().items()})
    how = {"start": training.step, "workers": recipe.loader_workers, "device": training.accelerator.device}
    stream = batches.prefetch(source, recipe.steps, **how)
    training.ready()
    try:
        with signals.Stop() as stop, augmentation.generators_kept(), progress.bar(training, title) as bar:
            _train(training, stream, stop, bar, store)
    except ValueError as error:
        kept = store.files()[-1:] if store else []
        raise ValueError(f"{error} (the last good state: {kept[0] if kept else 'none was saved'})") from error
    finally:
        stream.close()
        training.close()
    return training.log.rows


def _train(training, batches, stop, bar, store):
    recipe, saved = training.recipe, time.monotonic()
    while training.step < recipe.steps:
        training.advance(batches)
        step = training.step
        if step in (1, recipe.steps) or step % recipe.log_every == 0:
            row = training.log.row(step)
            training.accelerator.log({name: row[name] for name in row if name != "step"}, step=step)
            bar.set_postfix_str(
                f"loss {row['loss']:.3f}, lr {row['learning_rate']:.1e}, "
                f"{row['images_per_second']:.0f} images/s, {row['data_share']:.0%} waiting",
                refresh=False,
            )
        bar.update()
        if training.watch and training.watch.due(step):
            training.watch(training.evaluated(), step)
            training.ready()
        late = recipe.save_minutes > 0 and time.monotonic() - saved > 60 * recipe.save_minutes
        stopped, late = training.agree(stop.asked, late)
        regular = recipe.save_steps > 0 and step % recipe.save_steps == 0
        if store and (stopped or late or regular or step == recipe.steps):
            training.save(store)
            saved = time.monotonic()
        if stopped:
            training.accelerator.wait_for_everyone()  # none ends, and is the end of all, while the main one writes
            kept = f"saved in {store.root}; the same command goes on from there" if store else "nothing is saved"
            raise signals.Interrupted(f"to be continued: stopped at step {step} of {recipe.steps}, {kept}")
