"""The tables of a fine-tuning, also of one on masks, arranged for figures, for the record and for a sentence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ofdb_core.base import provenance
from ofdb_core.base.folder import Folder
from ofdb_core.data import scenes, tables
from ofdb_core.data.tables import Row
from ofdb_core.stages import finetune, segment
from ofdb_core.stages.recipes import FROM_SCRATCH, Comparing, Finetune, Segment
from ofdb_core.training import intervals, optimizer
from ofdb_core.training.baselines import RAW_PIXELS

TEXT = ("name", "start", "file", "class", "predicted")  # columns of names


def late_gains(trainings: Iterable[Sequence[Row]], column: str) -> list[float]:
    """What the last third of the steps brought of a column of evaluations, a value a training.

    Near 0, a longer training would bring little. None are known if a training was not evaluated before that.
    """
    pairs = [(rows[-1], [row for row in rows if row["step"] <= 2 / 3 * rows[-1]["step"]]) for rows in trainings]
    return [last[column] - early[-1][column] for last, early in pairs] if all(early for _, early in pairs) else []


@dataclass(frozen=True)
class Tables:
    """The tables of trainings that differ in their start and in their seed; name: of their folder."""

    parameters: Comparing
    results: list[Row]

    name: ClassVar[str]
    train_all: ClassVar[Any]  # the function that made them

    @property
    def root(self) -> Path:
        """The folder of the tables."""
        return Path(self.parameters.out) / self.name

    @property
    def outdated(self) -> bool:
        """Whether earlier code made the tables."""
        return Folder(self.root).manifest()["code"] != provenance.code_version(self.train_all)

    def table(self, name: str) -> list[Row]:
        """The rows of <name>.csv."""
        return tables.read(self.root / f"{name}.csv", text=TEXT)

    def by_training(self, name: str) -> dict[str, list[Row]]:
        """Training, in predictions.csv also training (best) -> its rows of <name>.csv."""
        found: dict[str, list[Row]] = {}
        for row in self.table(name):
            found.setdefault(row["name"], []).append(row)
        return found

    def of(self, name: str, start: str, **where: Any) -> list[list[Row]]:
        """The rows of <name>.csv of a start's trainings, a list a repeat; where: values of columns of results.csv."""
        rows = self.by_training(name)
        return [rows[row["name"]] for row in self.results if {"start": start, **where}.items() <= row.items()]

    def values(self, column: str, start: str, **where: Any) -> list[float]:
        """A column of results.csv for one start, a value a repeat; empty if there is none; where: as for `of`."""
        values = [row[column] for row in self.results if {"start": start, **where}.items() <= row.items()]
        return [] if "" in values else values

    def reached(self, column: str, **where: Any) -> dict[str, list[float]]:
        """Start -> a column of results.csv, a value a repeat; where: as for `of`."""
        return {start: self.values(column, start, **where) for start in self.parameters.starts}

    def gains(self, column: str, **where: Any) -> dict[str, str]:
        """Start -> its values minus those from scratch, in points, with the interval over the repeats (pairs)."""
        every = self.reached(column, **where)
        return {
            start: intervals.points([one - other for one, other in zip(values, every[FROM_SCRATCH], strict=True)])
            for start, values in every.items()
            if start != FROM_SCRATCH and FROM_SCRATCH in every
        }

    @property
    def counted(self) -> str:
        """The trainings behind the values of a start, in words: their number, and of how many pre-trainings."""
        count, pretrained = self.parameters.repeats, set(self.parameters.starts) != {FROM_SCRATCH}
        trainings = f"{count} fine-tunings" if count > 1 else "one fine-tuning"
        return f"{trainings}{' of one pre-training' * pretrained}"

    def gained_late(self, column: str, **where: Any) -> dict[str, list[float]]:
        """Start -> `late_gains` of a column of evaluations.csv; a start without any is left out; where: as for `of`."""
        every = {start: late_gains(self.of("evaluations", start, **where), column) for start in self.parameters.starts}
        return {start: gains for start, gains in every.items() if gains}

    def difference(self, column: str, **where: Any) -> str:
        """The gains in words, to follow a sentence; empty without starts to compare.

        It ends with the number of trainings and the gain of the last third: a short training compares speeds alone.
        """
        gains, late = self.gains(column, **where), self.gained_late(column, **where)
        parts = [f"{start} {points}" if len(gains) > 1 else points for start, points in gains.items()]
        alone = ", so without an interval" * (self.parameters.repeats == 1)
        brought = ", ".join(f"{start} {100 * np.mean(values):+.1f} points" for start, values in late.items())
        return (
            f": {'; '.join(parts)}, by {self.counted}{' each' * (len(gains) > 1)}{alone}; "
            f"gained in the last third of the steps: {brought or 'unknown, without evaluate_every'}"
        ) * bool(gains)


class Comparison(Tables):
    """The tables of a fine-tuning."""

    parameters: Finetune
    name = "finetune"
    train_all = staticmethod(finetune.train_all)

    def first_repeat(self, name: str, trainings: int | None = None) -> dict[str, list[Row]]:
        """Training -> its rows of <name>.csv, for the first repeat, or for only its first n trainings."""
        rows, names = self.by_training(name), [row["name"] for row in self.results if row["repeat"] == 0]
        return {training: rows[training] for training in names[:trainings]}

    def rates(self, inputs: finetune.Start) -> dict[str, list[float]]:
        """Training -> the learning rate of each of its steps, for the first repeat."""
        found = {}
        for row in self.results:
            if row["repeat"] == 0:
                few = inputs.train.few_shot(row["shots"], seed=self.parameters.seed)
                recipe = replace(inputs.recipe.of_samples(len(few)), learning_rate=row["learning_rate"])
                found[row["name"]] = optimizer.course(recipe)
        return found

    def baselines(self, shots: int) -> dict[str, list[float]]:
        """Baseline -> accuracies for a number of shots, a value a repeat; empty if there are none."""
        found: dict[str, list[float]] = {}
        for row in self.table("baselines") if (self.root / "baselines.csv").is_file() else []:
            if row["shots"] == shots:
                found.setdefault(f"{row['features']}, {row['judge']}", []).append(row["accuracy"])
        return found

    def accuracies(self) -> dict[str, dict[str, list[float]]]:
        """Images a class -> start or baseline -> accuracies, a value a repeat."""
        recipe = self.parameters
        return {
            f"{count or 'all'} images a class": {
                **{f"{start}, fine-tuned": values for start, values in self.reached("accuracy", shots=count).items()},
                **self.baselines(count),
            }
            for count in recipe.shots
        }

    @property
    def fewest(self) -> int:
        """The fewest images a class (0: all): there pre-training matters most."""
        return min(self.parameters.shots, key=lambda shots: shots or np.inf)

    def curves(self, shots: int) -> dict[str, list[list[Row]]]:
        """Start -> the rows of evaluations.csv of each repeat, for a number of shots."""
        starts = dict.fromkeys(row["start"] for row in self.results)
        return {start: self.of("evaluations", start, shots=shots) for start in starts}

    def accuracy_of_each(self) -> dict[str, float]:
        """Training, or training (best) -> its accuracy in results.csv."""
        last = {row["name"]: row["accuracy"] for row in self.results}
        return last | {f"{row['name']} (best)": row["best_accuracy"] for row in self.results}

    def headline(self) -> str:
        """The outcome in a sentence, for the fewest images a class, with the baselines of raw pixels."""
        recipe, shots = self.parameters, self.fewest
        reached = " against ".join(f"{self._mean('accuracy', start, shots)} {start}" for start in recipe.starts)
        raw = {name: values for name, values in self.baselines(shots).items() if name.startswith(RAW_PIXELS)}
        beside = [f"{name} {intervals.mean_of(values)}" for name, values in raw.items()]
        known = ", ".join([*beside, f"chance {1 / self.results[0]['classes']:.1%}"])
        return (
            f"{Path(recipe.data.partition('#')[0]).name}, {shots or 'all'} images a class, {recipe.length()}: {reached}"
            f"{self.difference('accuracy', shots=shots)}; {known}"
        )

    def _mean(self, column: str, start: str, shots: int) -> str:
        """Mean of a group of repeats, with its spread, or of a single one with its interval by the test images."""
        values, images = self.values(column, start, shots=shots), self.results[0]["test_images"]
        if len(values) > 1:
            return intervals.mean_of(values)
        low, high = intervals.of_share(round(values[0] * images), images)
        return f"{values[0]:.1%} (one training, {images} test images: 95 % interval {low:.1%} to {high:.1%})"

    def in_words(self) -> dict[str, str]:
        """Mean and spread of every group of repeats and of every baseline, as name -> value for a reader."""
        words, recipe = {}, self.parameters
        for shots in recipe.shots:
            images = f"{shots or 'all'} images a class"
            for start in recipe.starts:
                for column in ("accuracy", "top5", *(["best_accuracy"] if recipe.evaluate_every else [])):
                    if self.values(column, start, shots=shots):
                        suffix = "" if column == "accuracy" else f", {column.replace('_', ' ')}"
                        words[f"{start}, {images}{suffix}"] = self._mean(column, start, shots)
                if recipe.learning_rates:
                    rate = self.values("learning_rate", start, shots=shots)[0]
                    words[f"{start}, {images}, learning rate chosen"] = f"{rate:g}"
            for start, gains in self.gained_late("accuracy", shots=shots).items():
                words[f"{start}, {images}, gained in the last third"] = intervals.points(gains)
            for name, values in self.baselines(shots).items():
                words[f"{name}, {images}"] = intervals.mean_of(values)
        made = Folder(self.root).manifest()
        return {**words, "trained by code": made["code"]}


class MaskComparison(Tables):
    """The tables of a fine-tuning on masks."""

    parameters: Segment
    name = "segment"
    train_all = staticmethod(segment.train_all)

    def baseline(self) -> Row:
        """The only row of baselines.csv, a baseline without a network."""
        return self.table("baselines")[0]

    def headline(self) -> str:
        """The outcome in a sentence."""
        known, first = self.baseline(), self.results[0]
        reached = [f"{intervals.mean_of(values)} {start}" for start, values in self.reached("mean_iou").items()]
        return (
            f"{Path(self.parameters.data).name}, {self.parameters.length()}, mean IoU of {first['classes']} classes in "
            f"{first['test_scenes']} test scenes: {' against '.join(reached)}{self.difference('mean_iou')}; "
            f"{known['name']} {known['mean_iou']:.1%}"
        )

    def in_words(self) -> dict[str, str]:
        """Mean and spread of every start's repeats, and the baseline, as name -> value for a reader."""
        words = dict[str, str]()
        for column, name in {"mean_iou": "mean IoU", "pixel_accuracy": "pixel accuracy"}.items():
            words |= {f"{start}, {name}": intervals.mean_of(found) for start, found in self.reached(column).items()}
            words[f"{self.baseline()['name']}, {name}"] = f"{self.baseline()[column]:.1%}"
        return {**words, "trained by code": Folder(self.root).manifest()["code"]}

    def masks(self, name: str, start: str) -> np.ndarray:
        """The mask (H, W) int16 that the first training of a start found in the scene of this name."""
        return scenes.read_mask(self.root / f"{start.replace(' ', '-')}_0" / "found" / f"{name}.png")
