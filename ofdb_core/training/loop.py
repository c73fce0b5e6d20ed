"""One loop for pre-training and fine-tuning, on one device or many.

The loop asks a batch source (see `batches.source`) for the batch of each step. Its result is a function of model,
source, recipe and seed: interruptions change nothing, and the number of processes changes only rounding. Accelerate
serves the machine's devices and precision; optimizer, schedule and averaged weights are timm's.
"""

import contextlib
import os
import random
import shutil
import textwrap
import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import GradientAccumulationPlugin
from timm.utils import ModelEmaV3
from torch import nn
from torch.autograd.profiler import record_function
from tqdm import tqdm

from ofdb_core.base import signals
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Batch, Batches
from ofdb_core.batches.timm_chain import generators_kept
from ofdb_core.data.samples import has_sets
from ofdb_core.data.tables import Row
from ofdb_core.training import drop_path, networks, objective, optimizer, precision, processes, progress, tracking
from ofdb_core.training.recipe import Recipe
from ofdb_core.training.states import State, Store

ENOUGH = 32  # images a step for each GPU; with fewer, starting its kernels takes longer than their work
FRESH = ("optimizer", "scaler")  # what a finished training does not leave
VOTE_STEPS, VOTE_SECONDS = 10, 2.0  # between two votes of several processes, at most


class Watch(Protocol):
    """Looks at a network while it trains, as `evaluation.Best`; its state, if any, is saved with the training's."""

    def due(self, step: int) -> bool:
        """Whether to call it after this step."""

    def __call__(self, model: nn.Module, step: int) -> None:
        """Evaluate the network after this step."""

    def state_dict(self) -> dict[str, Any]:
        """The state, as `load_state_dict` takes it; {} if there is none."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        return  # it has none


def check(recipe: Recipe) -> None:
    """Raise a ValueError if this machine cannot train by the recipe, although its values are allowed."""
    processes.check()
    optimizer.check(recipe.optimizer)
    precision.resolve(recipe.precision, processes.state().device)
    tracking.check(recipe.tracker)
    if recipe.compile and processes.state().device.type == "cpu" and not shutil.which(os.environ.get("CXX", "g++")):
        raise ValueError("compile: true needs a C++ compiler on a CPU; install g++ or set compile to false")


def _accelerator(recipe: Recipe) -> Accelerator:
    AcceleratorState._reset_state()  # a notebook may train twice, in two precisions; without this the second is refused
    tracker = None if recipe.tracker == "none" else recipe.tracker
    resolved = precision.resolve(recipe.precision, processes.state().device)
    mixed = "no" if resolved == "fp32" else resolved
    whole = GradientAccumulationPlugin(num_steps=1)  # or an environment variable would divide each loss
    where = str(tracking.folder(recipe))
    return Accelerator(mixed_precision=mixed, log_with=tracker, project_dir=where, gradient_accumulation_plugin=whole)


def _suit(model: nn.Module, device: str | torch.device) -> None:
    """Turn timm's fused attention off on a CPU: its backward pass takes half of a small network's time."""
    modules: Iterator[Any] = model.modules()
    for module in modules:
        if torch.device(device).type == "cpu" and getattr(module, "fused_attn", False) is True:
            module.fused_attn = False


def _seed(*key: int) -> None:
    """Seed every global generator, so that a network's random draws in a step depend on (seed, step, process) only."""
    word = int(np.random.SeedSequence(key).generate_state(1)[0])
    random.seed(word)
    np.random.seed(word)
    torch.manual_seed(word)


class Vote:
    """A vote of all processes: for each wish, whether any process has it.

    Every process calls it once a step. An exchange takes a moment, so several processes vote only after VOTE_SECONDS or
    VOTE_STEPS, whichever comes first; in the steps between, the answer is no.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator, self._steps, self._every, self._since = accelerator, 0, 1, time.monotonic()

    def __call__(self, *wishes: bool) -> tuple[bool, ...]:
        if self._accelerator.num_processes == 1:
            return wishes
        self._steps += 1
        if self._steps < self._every:
            return (False,) * len(wishes)
        spent = (time.monotonic() - self._since) / self._accelerator.num_processes
        ballot = torch.tensor([*wishes, spent], dtype=torch.float32, device=self._accelerator.device)
        *votes, spent = self._accelerator.reduce(ballot, "sum").tolist()  # the same numbers in every process
        self._every = int(np.clip(VOTE_SECONDS * self._steps / max(spent, 1e-9), 1, VOTE_STEPS))
        self._steps, self._since = 0, time.monotonic()
        return tuple(bool(vote) for vote in votes)


class _Training:
    """A model in training: all that its next step depends on, and the step itself."""

    def __init__(self, model: nn.Module, source: Batches, recipe: Recipe, seed: int, watch: Watch | None) -> None:
        self.model, self.source, self.recipe, self.seed, self.watch = model, source, recipe, seed, watch
        self.accelerator = _accelerator(recipe)
        device = self.accelerator.device
        self.drops = drop_path.DropPaths(model, seed=seed, batch_size=recipe.batch_size)
        _suit(model, device)
        if recipe.gradient_checkpointing:
            model.set_grad_checkpointing(True)  # type: ignore[operator]  # timm's method, for torch's stubs a tensor
        built, self.schedule = optimizer.build(model, recipe)
        self.average = ModelEmaV3(model, decay=recipe.ema) if recipe.ema else None
        if self.average:
            self.average.module.to(device)
        self.network, self.optimizer = self.accelerator.prepare(model, built)
        if recipe.compile:
            self.network.compile()
        self.log = progress.Log(source, self.accelerator)
        self.agree = Vote(self.accelerator)
        self.of_sets, self.step = has_sets(source.images), 0

    def parts(self) -> dict[str, Any]:
        """The objects whose state is saved, by their names in a state."""
        parts = {"model": self.model, "optimizer": self.optimizer, "log": self.log, "scaler": self.accelerator.scaler}
        parts["ema"] = self.average and self.average.module
        parts["watch"] = self.watch if self.watch and self.watch.state_dict() else None
        return {name: part for name, part in parts.items() if part is not None}

    def save(self, store: Store) -> None:
        """Write the state after `step` steps.

        Schedule, order of the samples and all other random draws are functions of recipe, seed and step, so they
        need no state.
        """
        self.log.settle(self.step)
        if not all(bool(tensor.isfinite().all()) for tensor in self.model.parameters()):
            raise ValueError(f"the weights are not finite after step {self.step}; lower learning_rate")
        if self.accelerator.is_main_process:
            state = {name: part.state_dict() for name, part in self.parts().items()}
            store.save(self.step, {"step": self.step, "seed": self.seed, "recipe": self.recipe.values(), **state})

    def resume(self, state: State) -> None:
        """Continue from a state of `save`; a ValueError if it has another network or optimizer, or too many steps.

        The optimizer keeps the recipe's settings, such as its weight decay, whatever the state's are. It starts afresh
        if the state has none, as that of a finished training.
        """
        rules = [dict(group) for group in self.optimizer.param_groups]
        if state["step"] > self.recipe.steps:
            raise ValueError(f"steps: {self.recipe.steps} are fewer than the {state['step']} that were trained already")
        try:
            for name, part in self.parts().items():
                if name not in FRESH or "optimizer" in state:
                    part.load_state_dict(state[name])
        except networks.MISFITS as error:
            why = textwrap.shorten("".join(str(error).splitlines()[1:] or [str(error)]), 150, placeholder=" ...")
            raise ValueError(f"the state of step {state['step']} is of another training ({why})") from error
        for group, rule in zip(self.optimizer.param_groups, rules, strict=True):
            group.update({name: value for name, value in rule.items() if name != "params"})
        self.step = state["step"]

    def ready(self) -> None:
        """Put the network into training mode, or into evaluation mode if its trunk does not learn."""
        self.network.train(networks.trunk_learns(self.model))

    def advance(self, stream: Iterator[Batch]) -> None:
        """Train one step; stream: the parts of the source's batches, in order."""
        recipe, accelerator, parts = self.recipe, self.accelerator, self.source.parts
        self.schedule.step_update(self.step)
        _seed(self.seed, self.step, accelerator.process_index)
        total, waited, count = torch.zeros((), device=accelerator.device), 0.0, 0
        for part in range(parts):
            began = time.perf_counter()
            with record_function("data"):
                images, targets = next(stream)
            waited += time.perf_counter() - began
            count += len(images)
            self.drops.draw(self.step, self.source.places(part), accelerator.device)
            last = part == parts - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(self.network):
                with record_function("forward"):
                    loss = objective.loss(self.network(images), targets, self.of_sets) / parts
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

    def evaluated(self) -> nn.Module:
        """The network to evaluate and to keep: the one with averaged weights, if weights are averaged."""
        return self.average.module if self.average else self.model

    def close(self) -> None:
        """Undo the changes to the model's forward pass, and give it the averaged weights, if any."""
        for tracker in self.accelerator.trackers:
            tracker.finish()
        self.accelerator.unwrap_model(self.network, keep_fp32_wrapper=False)
        self.model._compiled_call_impl = None
        if self.average:
            self.model.load_state_dict(self.average.module.state_dict())


def fit(
    model: nn.Module,
    source: Batches,
    recipe: Recipe,
    *,
    seed: int,
    title: str = "training",
    store: Store | None = None,
    watch: Watch | None = None,
    finished: State | None = None,
) -> list[Row]:
    """Train the model in place for the recipe's steps; return the log.

    seed: of the model's own random draws; store: training continues from its newest state, and saves one every
    `save_steps` and `save_minutes`, at the end, and when SIGINT, SIGTERM or SIGUSR1 asks to stop (then
    `signals.Interrupted` is raised); watch: called as watch(network, step) after each step that is due; finished: the
    state of a finished training, to continue if the store has none.

    The log has a row for the first step, every `log_every` steps, and the last step: step, loss (mean since the row
    before), learning_rate, images_per_second, data_share (waiting for data, of the time) and seconds. A loss that
    is not finite is a ValueError that names step, learning rate, samples and the last good state. With `ema`, the model
    ends with the averaged weights.
    """
    training = _Training(model, source, recipe, seed, watch)
    if state := (store and store.newest()) or finished:
        training.resume(state)
        print(f"{title}: goes on from step {training.step} of {recipe.steps}")
    if store and training.step != (first := processes.shared(lambda: training.step)):
        steps = f"step {training.step} here, {first} in the first one"
        raise ValueError(f"{store.root}: processes see different states ({steps}); all machines must share this folder")
    device, workers = training.accelerator.device, recipe.loader_workers
    with signals.Stop() as stop:  # from here on, whoever asks to stop finds a state saved
        print(f"{title}: peak learning rate {optimizer.rates(recipe)[0]:.3g} for {recipe.batch_size} images a step")
        if sentence := starving(recipe.batch_size, processes.state().num_processes, device.type):
            print(f"{title}: CAUTION: {sentence}")
        tracking.begin(training.accelerator, recipe, title, anew=training.step == 0)
        stream = prefetch(source, recipe.steps, start=training.step, workers=workers, device=device)
        training.ready()
        bar = progress.bar(title, training.step, recipe.steps, shown=training.accelerator.is_main_process)
        try:
            with generators_kept(), bar:
                _train(training, stream, stop, bar, store)
        except ValueError as error:
            kept = store.files()[-1:] if store else []
            raise ValueError(f"{error} (the last good state: {kept[0] if kept else 'none was saved'})") from error
        finally:
            stream.close()
            training.close()
            if recipe.tracker != "none" and training.accelerator.is_main_process:
                print(f"{title}: {tracking.location(recipe)}")
    return training.log.rows


def starving(batch_size: int, devices: int, kind: str) -> str | None:
    """A sentence if the shares of a batch are so small that GPUs mostly wait, or None; kind: cpu, cuda ..."""
    if kind == "cpu" or devices == 1 or (share := batch_size // devices) >= ENOUGH:
        return None
    return (
        f"each of {devices} GPUs gets {share} images a step, too few to keep it busy; {batch_size // ENOUGH or 1} of "
        "them would be about as fast (--launch), and a larger batch is another recipe"
    )


def _train(training: _Training, stream: Iterator[Batch], stop: signals.Stop, bar: tqdm, store: Store | None) -> None:
    """Train the remaining steps: log, evaluate, save and stop when it is time."""
    recipe, saved = training.recipe, time.monotonic()
    while training.step < recipe.steps:
        training.advance(stream)
        step = training.step
        if step in (1, recipe.steps) or step % recipe.log_every == 0:
            row = training.log.row(step)
            training.accelerator.log({name: row[name] for name in row if name != "step"}, step=step)
            bar.set_postfix_str(progress.in_words(row), refresh=False)
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
            # the first process to exit kills the others: wait until the main one has saved
            training.accelerator.wait_for_everyone()
            kept = f"saved in {store.root}; the same command goes on from there" if store else "nothing is saved"
            raise signals.Interrupted(f"to be continued: stopped at step {step} of {recipe.steps}, {kept}")
