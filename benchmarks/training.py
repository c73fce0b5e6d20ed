"""What training costs: `python -m benchmarks.training <case> <batch> <trainer> <pass> [n]` prints a measurement, JSON.

A case is a network, eager or compiled, on n (1,000) images of the released 2D-OFDB with the published recipe. It is
trained by the project's loop (trainer `ofdb`), by the same on one constant batch (`constant`), and by timm's loader,
mixing and training step with the same settings (`timm`).
Pass `speed` times the steps that follow a warm-up, in which workers start and the network is compiled; pass `shares`
says where their time goes: it is profiled and, with CUDA_LAUNCH_BLOCKING=1, waits for each kernel.
"""

import contextlib
import itertools
import json
import sys
import time

import torch
from timm.data import FastCollateMixup, ImageDataset, create_loader
from timm.loss import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from torch.autograd.profiler import record_function

from benchmarks import prepared
from ofdb_core.batches.source import Batches
from ofdb_core.run import parameter_files
from ofdb_core.stages import recipes
from ofdb_core.training import loop, networks, optimizer, precision, processes

PARTS = ("data", "forward", "backward", "optimizer")  # of a step, as loop.fit marks them
KIND = "GPU" if torch.cuda.is_available() else "CPU"
WARM = {"CPU": 6, "GPU": 40}[KIND]  # steps, enough to use up what the workers make ahead of time
TIMED = {"CPU": 10, "GPU": 100}[KIND]
WORKERS = {"CPU": 1, "GPU": 8}[KIND]  # the notebook's own number, and that of the published experiments


class Clock:
    """Times the first step, and within a context the steps after WARM up to the last; a `watch` of loop.fit."""

    def __init__(self, last, context):
        self.last, self.context, self.began = last, context, time.perf_counter()

    def due(self, step):
        return step in (1, WARM, self.last)

    def __call__(self, network, step):
        if KIND == "GPU":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if step == 1:
            self.first_step = now - self.began
        elif step == WARM:
            self.context.__enter__()
            self.mark = time.perf_counter()
        else:
            self.seconds = now - self.mark
            self.context.__exit__(None, None, None)


def _network(images, how):
    shape = networks.Shape(how.model, how.model_options, how.input_size)
    return networks.build(shape, len(images.classes), drop_path=how.drop_path, seed=how.seed)


def by_ofdb(root, how, clock):
    """Train with the project's loop."""
    images = how.opened(how.data, root)
    source = Batches(images, how, seed=how.seed)
    loop.fit(_network(images, how), source, how, seed=how.seed, watch=clock)


class _Constant(Batches):
    """A source with one batch, which lies on the device: what is left is the step."""

    def __init__(self, *words, **named):
        super().__init__(*words, **named)
        whole, device = self.raw_batch(0), processes.state().device
        batch = self.finish(type(whole)(*(tensor.to(device) for tensor in whole)))
        self.raw_batch = lambda step, part=0: type(whole)(*(x[:0] for x in whole))  # type: ignore[method-assign]
        self.finish = lambda raw: batch  # type: ignore[assignment]


def by_nothing(root, how, clock):
    """Train with the project's loop on one constant batch."""
    images = how.opened(how.data, root)
    loop.fit(_network(images, how), _Constant(images, how, seed=how.seed), how, seed=how.seed, watch=clock)


def by_timm(root, how, clock):
    """Train as timm's own script does, with its loader that keeps the workers busy from epoch to epoch."""
    device = processes.state().device
    network = _network(how.opened(how.data, root), how).to(device)
    rate = optimizer.rates(how)[0]
    stepper = create_optimizer_v2(network, opt=how.optimizer, lr=rate, weight_decay=how.weight_decay)
    mixing = FastCollateMixup(num_classes=network.num_classes, **prepared.timms_mixing(how))
    loader = create_loader(
        ImageDataset(str(root)),
        (3, how.input_size, how.input_size),
        how.batch_size,
        **prepared.timms_augmentation(how),
        num_workers=how.loader_workers,
        collate_fn=mixing,
        pin_memory=device.type == "cuda",
        device=device,
        use_multi_epochs_loader=True,
    )
    if how.compile:
        network = torch.compile(network)
    stream, loss_of = itertools.chain.from_iterable(itertools.repeat(loader)), SoftTargetCrossEntropy()
    network.train()
    for step in range(1, how.steps + 1):
        with record_function("data"):
            images, targets = next(stream)
        with record_function("forward"), precision.autocast(how.precision, device):
            loss = loss_of(network(images), targets)
        with record_function("backward"):
            loss.backward()
        with record_function("optimizer"):
            stepper.step()
            stepper.zero_grad()
        if clock.due(step):
            clock(network, step)


def recipe_of(case, batch):
    """The published recipe of a case, as long as it is measured."""
    name, compiled, _ = CASES[case]
    short = {"steps": WARM + TIMED, "warmup_steps": 1, "log_every": WARM + TIMED}
    ours = {**short, "batch_size": batch, "loader_workers": WORKERS, "compile": compiled}
    return recipes.Pretrain.of({**parameter_files.values(name, "4_pretrain"), **ours})


def _peak_mb():
    if KIND == "GPU":
        return torch.cuda.max_memory_allocated() / 2**20
    return prepared.peak_mb()


def speed(trainer, root, how):
    """Steps a second, seconds until the first step is done, and peak memory: of the GPU where there is one."""
    clock = Clock(how.steps, contextlib.nullcontext())
    TRAINERS[trainer](root, how, clock)
    return {
        "device": torch.cuda.get_device_name() if KIND == "GPU" else "CPU",
        "precision": precision.resolve(how.precision, processes.state().device),
        "workers": how.loader_workers,
        "steps": how.steps - WARM,
        "steps_per_s": (how.steps - WARM) / clock.seconds,
        "first_step_s": clock.first_step,
        "peak_mb": _peak_mb(),
    }


def shares(trainer, root, how):
    """The share of each part in the time of the steps."""
    profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
    clock = Clock(how.steps, profiler)
    TRAINERS[trainer](root, how, clock)
    spent = {event.key: event.cpu_time_total / 1e6 for event in profiler.key_averages()}
    return {part: spent[part] / clock.seconds for part in PARTS}


TRAINERS = {"ofdb": by_ofdb, "timm": by_timm, "constant": by_nothing}
PASSES = {"speed": speed, "shares": shares}
BATCHES = {"tiny": {"CPU": 32, "GPU": 256}, "base": {"CPU": 8, "GPU": 128}}
CASES = {  # the experiment whose recipe it is, whether the network is compiled, and the batch on each kind of device
    "train_tiny": ("2d-ofdb-1k", False, BATCHES["tiny"]),
    "train_tiny_compiled": ("2d-ofdb-1k", True, BATCHES["tiny"]),
    "train_base": ("2d-ofdb-1k/vit-base", False, BATCHES["base"]),
    "train_base_compiled": ("2d-ofdb-1k/vit-base", True, BATCHES["base"]),
}

if __name__ == "__main__":
    case, batch, trainer, measured, *count = sys.argv[1:]
    images = prepared.released(int(count[0] if count else 1000))
    print(json.dumps(PASSES[measured](trainer, images, recipe_of(case, int(batch)))))
