"""Pre-training: a network learns to tell the categories of a data set apart, one sample for each.

It writes to <out>/pretrain: model.safetensors (the last weights, as the original uses them, or the averaged ones), its
config.json for timm and transformers, its model card, log.csv and predictions.csv (of the un-augmented samples).

With task: segmentation it learns the class of each pixel. Then model.safetensors is the network without a head, for any
fine-tuning; beside it are segmenter.safetensors (with the decoder), evaluations.csv and classes.csv.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ofdb_core.base import folder
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import LICENSE, Header, header, portable
from ofdb_core.base.parameters import ParameterError
from ofdb_core.batches.source import Batches
from ofdb_core.data import archive, real_images, tables
from ofdb_core.data.samples import Samples, has_sets
from ofdb_core.data.scenes import First, Scenes
from ofdb_core.families import registry
from ofdb_core.show import augmentation
from ofdb_core.stages.recipes import Pretrain
from ofdb_core.training import (
    evaluation,
    loop,
    model_card,
    networks,
    objective,
    processes,
    progress,
    segmentation,
    weights,
)
from ofdb_core.training.milestones import Milestones
from ofdb_core.training.states import CONTINUES, State, about_of

EVALUATED = 500  # scenes, at most, on which a segmentation is evaluated
NETWORK = ("task", "model", "model_options", "channels", "decoder")  # parameters without which weights do not fit
ANEW = "-p changed restart begins anew"
FEW = f"steps: {{}} are not more than the {{}} of the finished training in {{}}; give more to continue it, or {ANEW}"


@dataclass(frozen=True)
class Start:
    """What a pre-training starts from: its samples, the fingerprint of their files, and the recipe in steps.

    pictures: those that PixMix mixes samples with, if it does; mixing: the fingerprint of their files.
    """

    samples: Samples
    fingerprint: str
    recipe: Pretrain
    pictures: Samples | None = None
    mixing: str | None = None


@dataclass(frozen=True)
class Outcome:
    """The result: the log's rows, predictions (n,) int64 of the samples, the speed, and the code that made it.

    reached: the score that `Pretrain.measure` names; a segmentation has evaluations in place of predictions; outdated:
    whether earlier code made it.
    """

    log: list[tables.Row]
    predicted: np.ndarray
    reached: float
    evaluations: list[tables.Row]
    speed: dict[str, float]
    code: str
    outdated: bool

    def in_words(self) -> dict[str, str | int]:
        """Speed and code, as name -> value for a reader."""
        on_the_way = ", ".join(f"{row['mean_iou']:.1%}" for row in self.evaluations)
        return {
            "processes": int(self.speed["processes"]),
            "training time": f"{self.speed['seconds']:,.0f} s",
            "images a second": f"{self.speed['images_per_second']:,.0f}",
            "share of time waiting for data": f"{self.speed['data_share']:.1%}",
            **({"mean IoU on the way": on_the_way} if on_the_way else {}),
            "trained by code": self.code,
        }


def check(parameters: Pretrain) -> None:
    """Raise ValueError if this machine cannot train so, the model does not exist, or the user's data do not fit."""
    loop.check(parameters)
    place = Path(parameters.place())
    if place.exists() and not archive.is_archive(place) and (problems := parameters.problems_of_data()):
        raise ParameterError(problems)
    networks.check_model(_shape(parameters), drop_path=parameters.drop_path)
    if parameters.changed == "continue":
        _check_continued(parameters, *_places(parameters))


def _places(parameters: Pretrain) -> tuple[Folder, Path]:
    """The folder of the results, and that of the states."""
    return Folder(Path(parameters.out) / "pretrain"), Path(parameters.out) / "checkpoints/pretrain"


def _check_continued(parameters: Pretrain, results: Folder, states: Path) -> None:
    """Raise ValueError if the training that is there, unfinished or finished, cannot go on with these parameters."""
    unfinished, finished = about_of(states), results.manifest() if results.is_complete() else None
    if not (before := unfinished or finished):
        return
    had = {**parameters.defaults(), **before["parameters"]}
    changed = {name: value for name, value in portable(parameters.makes()).items() if had.get(name) != value}
    if other := [f"{name} {had.get(name)} -> {changed[name]}" for name in NETWORK if name in changed]:
        raise ValueError(f"changed: what is to be continued is another network ({'; '.join(other)}); {ANEW}")
    if changed and not unfinished and parameters.steps and parameters.steps <= (had["steps"] or 0):
        raise ValueError(FEW.format(parameters.steps, had["steps"], results.root))


def _shape(parameters: Pretrain) -> networks.Shape:
    return networks.Shape(parameters.model, parameters.model_options, parameters.input_size, parameters.channels)


def start(parameters: Pretrain) -> Start:
    """Open the data; an archive is unpacked by the main process first. A ValueError if nothing can be learned."""
    with processes.state().main_process_first():
        place = Path(parameters.out) / parameters.place()
        if archive.is_archive(place):
            place = archive.unpacked(place, parameters.data_root or real_images.default_root())
    samples = parameters.samples_in(place)
    if len(samples.classes) < 2:
        raise ValueError(f"data: {place} has one class, {samples.classes[0]}; a network learns to tell several apart")
    hashed = processes.shared(lambda: folder.fingerprint(place))
    mixing = parameters.pixmix_data and Path(parameters.out) / parameters.pixmix_data
    mixing_hash = processes.shared(lambda: folder.fingerprint(mixing)) if mixing else None
    pictures = parameters.mixing_pictures(parameters.out)
    return Start(samples, hashed, parameters.of_samples(len(samples)), pictures, mixing_hash)


def pretrain(parameters: Pretrain, inputs: Start) -> Outcome:
    """Train in <out>/pretrain.

    A finished training of the same recipe and samples is read instead, and an unfinished one is continued; so is, if
    `changed` is continue, a finished one of another recipe. Every process of a training on several devices calls this.
    """
    results, states = _places(parameters)
    root = results.root
    own = LICENSE if parameters.data in registry.sources() else None  # None: a user's images have their own
    identity = processes.shared(lambda: _identity(parameters, inputs, results, states))
    head = header(identity, _train, *parameters.code(), license=own)
    train = functools.partial(_train, inputs, states, head)
    processes.fill_once(root, head, train, states=states, recipe=parameters)
    log, made = tables.read(root / "log.csv"), Folder(root).manifest()
    predicted, evaluations = np.empty(0, np.int64), list[tables.Row]()
    if parameters.task == "segmentation":
        evaluations = tables.read(root / "evaluations.csv")
        reached = evaluations[-1]["mean_iou"]
    else:
        predicted = np.array([row["predicted"] for row in tables.read(root / "predictions.csv")])
        reached = float(objective.right(predicted, inputs.samples).mean())
    outdated = made["code"] != head["code"]
    return Outcome(log, predicted, reached, evaluations, made["notes"], made["code"], outdated)


def _identity(parameters: Pretrain, inputs: Start, results: Folder, states: Path) -> dict[str, Any]:
    """What the training is made from: recipe, samples, and the digest of the finished one that it continues, if any."""
    mixing = {"pictures": inputs.mixing} if inputs.mixing else {}
    identity = {**parameters.makes(), "source": inputs.fingerprint, **mixing}

    def made(parts: dict[str, Any]) -> bool:
        return results.made_by(parts, parameters.defaults()) is not None

    if parameters.changed == "restart" or made(identity):
        return identity
    unfinished, finished = about_of(states), results.manifest() if results.is_complete() else None
    head = unfinished or finished
    had = head["parameters"].get(CONTINUES) if head else None
    if had and (unfinished or made({**identity, CONTINUES: had})):
        return {**identity, CONTINUES: had}
    goes_on = parameters.changed == "continue" and finished and not unfinished
    return {**identity, CONTINUES: results.proven()} if goes_on else identity


def _finished(results: Folder, recipe: Pretrain) -> State:
    """The state that a finished training has left: weights and log; a ValueError if no step is left to train."""
    whole = "segmenter.safetensors" if recipe.task == "segmentation" else "model.safetensors"
    path, speed = results.root / whole, results.manifest()["notes"]
    log = tables.read(results.root / "log.csv")
    last = log[-1]["step"]
    if last >= recipe.steps:
        raise ValueError(FEW.format(recipe.steps, last, results.root))
    print(f"{results.root}: the finished training goes on from its weights; its optimizer starts afresh")
    known = {name: speed[name] for name in ("images_per_second", "data_share")}
    rows = [{**row, **known, "seconds": speed["seconds"] * row["step"] / last} for row in log]
    tensors = weights.read(path)
    past = {"rows": rows, "losses": [], "rates": [], "spent": speed["seconds"]}
    return {"step": last, "model": tensors, "ema": tensors, "log": past}


def _train(inputs: Start, states: Path, head: Header) -> processes.Made:
    """The files of the folder, by name, and notes on speed."""
    samples, recipe = inputs.samples, inputs.recipe
    store = processes.open_store(states, head, recipe)
    shape = _shape(recipe)
    facts = weights.facts(shape, recipe, [] if isinstance(samples, Scenes) else samples.classes)
    watch: Milestones | segmentation.Scores
    watch = Milestones(Path(recipe.out) / "milestones", recipe.milestones, facts)
    start: dict[str, Any] = {"drop_path": recipe.drop_path, "seed": recipe.seed}
    if isinstance(samples, Scenes):
        model: nn.Module = segmentation.build(shape, len(samples.classes), width=recipe.decoder, **start)
        watch = segmentation.Scores(First(samples, EVALUATED), recipe, watch)
    else:
        model = networks.build(shape, len(samples.classes), **start)
    source = Batches(samples, recipe, seed=recipe.seed, pictures=inputs.pictures, share=processes.share())
    root, continued = Path(recipe.out) / "pretrain", head["parameters"].get(CONTINUES)
    finished = _finished(Folder(root), recipe) if continued and not store.files() else None
    how: dict[str, Any] = {"seed": recipe.seed, "title": "pre-training", "store": store, "watch": watch}
    log = loop.fit(model, source, recipe, **how, finished=finished)
    if isinstance(watch, segmentation.Scores):
        judged: processes.Contents = {
            "segmenter.safetensors": weights.to_bytes(model, {**facts, "masks": samples.classes}),
            "evaluations.csv": tables.to_text(watch.rows),
            "classes.csv": tables.to_text(segmentation.by_class(watch.areas, samples.classes)),
        }
        reached, model = watch.rows[-1]["mean_iou"], model.trunk  # type: ignore[assignment]
    else:
        predicted = evaluation.predict(model, samples, recipe)
        pairs = zip(samples.labels.tolist(), predicted.tolist(), strict=True)
        reached = float(objective.right(predicted, samples).mean())
        judged = {"predictions.csv": tables.to_text([{"label": label, "predicted": guess} for label, guess in pairs])}
    results = {recipe.measure(): reached, "last loss": log[-1]["loss"]}
    if has_sets(samples):
        precision = objective.mean_average_precision(evaluation.scores(model, samples, recipe), samples)
        results["mean average precision on its own categories"] = precision
        print(f"mean average precision on its own categories: {precision:.3f}")
    cost = progress.cost(log)
    data = {"name": Path(recipe.data).name, "hash": head["parameters"]["source"]}
    made = {**recipe.makes(), **({CONTINUES: continued} if continued else {})}
    about: dict[str, Any] = {"recipe": made, "data": data, "license": head["license"]}
    about["seen"] = augmentation.seen(recipe, log[-1]["step"])
    files: processes.Contents = {
        **model_card.beside(model, facts, results=results, cost=cost, **about),
        "model.safetensors": weights.to_bytes(model, facts),
        "log.csv": tables.to_text(progress.logged(log)),
        **judged,
    }
    return files, cost
