"""Pre-training: a network learns to tell the categories of a data set apart, one sample for each.

It writes to <out>/pretrain: model.safetensors (the last weights, as the original uses them, or the averaged ones), its
config.json for timm and transformers, its model card, log.csv and predictions.csv (of the un-augmented samples).
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ofdb_core.base import folder
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import LICENSE, Header, header
from ofdb_core.base.parameters import ParameterError
from ofdb_core.batches.source import Batches
from ofdb_core.data import archive, real_images, tables
from ofdb_core.data.samples import Samples
from ofdb_core.data.tables import Row
from ofdb_core.families import registry
from ofdb_core.stages.recipes import Pretrain
from ofdb_core.training import evaluation, loop, model_card, networks, processes, progress, timm_config, weights
from ofdb_core.training.milestones import Milestones


@dataclass(frozen=True)
class Start:
    """What a pre-training starts from: its samples, the fingerprint of their files, and the recipe in steps."""

    samples: Samples
    fingerprint: str
    recipe: Pretrain


@dataclass(frozen=True)
class Outcome:
    """The result: the log's rows, predictions (n,) int64 of the samples, the speed, and the code that made it.

    outdated: whether that is earlier code.
    """

    log: list[Row]
    predicted: np.ndarray
    speed: dict[str, float]
    code: str
    outdated: bool

    def in_words(self) -> dict[str, str | int]:
        """Speed and code, as name -> value for a reader."""
        return {
            "processes": int(self.speed["processes"]),
            "training time": f"{self.speed['seconds']:,.0f} s",
            "images a second": f"{self.speed['images_per_second']:,.0f}",
            "share of time waiting for data": f"{self.speed['data_share']:.1%}",
            "trained by code": self.code,
        }


def check(parameters: Pretrain) -> None:
    """Raise ValueError if this machine cannot train so, the model does not exist, or the user's data do not fit."""
    loop.check(parameters)
    if Path(parameters.data).is_dir() and (problems := parameters.problems_of_data()):
        raise ParameterError(problems)
    networks.check_model(
        parameters.model,
        parameters.model_options,
        parameters.input_size,
        channels=parameters.channels,
        drop_path=parameters.drop_path,
    )


def start(parameters: Pretrain) -> Start:
    """Open the data; an archive is unpacked by the main process first. A ValueError if nothing can be learned."""
    place = Path(parameters.out) / parameters.data
    if archive.is_archive(place):
        with processes.state().main_process_first():
            place = archive.unpacked(place, parameters.data_root or real_images.default_root())
    samples = parameters.opened(parameters.data, place, parameters.ground)
    if len(samples.classes) < 2:
        raise ValueError(f"data: {place} has one class, {samples.classes[0]}; a network learns to tell several apart")
    hashed = processes.shared(lambda: folder.fingerprint(place))
    return Start(samples, hashed, parameters.of_samples(len(samples)))


def pretrain(parameters: Pretrain, given: Start) -> Outcome:
    """Train in <out>/pretrain.

    A finished training of the same recipe and samples is read instead, and an unfinished one is continued. Every
    process of a training on several devices calls this.
    """
    root, states = (Path(parameters.out) / name for name in ("pretrain", "checkpoints/pretrain"))
    own = LICENSE if parameters.data in registry.sources() else None  # None: a user's images have their own
    identity = {**parameters.makes(), "source": given.fingerprint}
    head = header(identity, _train, *parameters.code(), license=own)
    train = functools.partial(_train, given.samples, given.recipe, states, head)
    processes.fill_once(root, head, train, states=states, recipe=parameters)
    log, predicted = tables.read(root / "log.csv"), tables.read(root / "predictions.csv")
    made = Folder(root).manifest()
    outdated = made["code"] != head["code"]
    return Outcome(log, np.array([row["predicted"] for row in predicted]), made["notes"], made["code"], outdated)


def _train(samples: Samples, recipe: Pretrain, states: Path, head: Header) -> tuple[processes.Contents, dict[str, Any]]:
    """The files of the folder, by name, and notes on speed."""
    store = processes.open_store(states, head, recipe)
    shape: dict[str, Any] = {
        "options": recipe.model_options,
        "input_size": recipe.input_size,
        "channels": recipe.channels,
    }
    model = networks.build(recipe.model, len(samples.classes), **shape, drop_path=recipe.drop_path, seed=recipe.seed)
    source = Batches(samples, recipe, seed=recipe.seed, **processes.share())
    facts = {"model": recipe.model, **shape, **weights.seen(recipe), "classes": samples.classes}
    watch = Milestones(Path(recipe.out) / "milestones", recipe.milestones, facts)
    log = loop.fit(model, source, recipe, seed=recipe.seed, title="pre-training", store=store, watch=watch)
    predicted = evaluation.predict(model, samples, recipe)
    pairs = zip(samples.labels.tolist(), predicted.tolist(), strict=True)
    results = {
        "accuracy on its own categories": evaluation.accuracy(predicted, samples.labels),
        "last loss": log[-1]["loss"],
    }
    cost = {**processes.hardware(), **progress.speed(log)}
    about: dict[str, Any] = {
        "recipe": recipe.makes(),
        "data": {"name": Path(recipe.data).name, "hash": head["parameters"]["source"]},
        "license": head["license"],
    }
    files: processes.Contents = {
        "model.safetensors": weights.to_bytes(model, facts),
        "config.json": timm_config.text(model, facts),
        "README.md": model_card.text(facts, results=results, cost=cost, **about),
        "log.csv": tables.to_text(progress.logged(log)),
        "predictions.csv": tables.to_text([{"label": label, "predicted": guess} for label, guess in pairs]),
    }
    return files, cost
