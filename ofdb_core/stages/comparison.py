"""The tables of a fine-tuning, arranged for figures, for the record and for a sentence."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ofdb_core.base import provenance
from ofdb_core.base.folder import Folder
from ofdb_core.data import tables
from ofdb_core.data.tables import Row
from ofdb_core.stages import finetune
from ofdb_core.stages.recipes import FROM_SCRATCH, Finetune
from ofdb_core.training import intervals, optimizer
from ofdb_core.training.baselines import RAW_PIXELS


@dataclass(frozen=True)
class Comparison:
    """The tables of a comparison, arranged for figures and for the record."""

    parameters: Finetune
    results: list[Row]

    @property
    def root(self) -> Path:
        """The folder of the tables."""
        return Path(self.parameters.out) / "finetune"

    @property
    def outdated(self) -> bool:
        """Whether earlier code made the tables."""
        return Folder(self.root).manifest()["code"] != provenance.code_version(finetune.train_all)

    def table(self, name: str) -> list[Row]:
        """The rows of <name>.csv."""
        return tables.read(self.root / f"{name}.csv")

    def first_repeat(self, name: str, trainings: int | None = None) -> dict[str, list[Row]]:
        """Training -> its rows of <name>.csv, for the first repeat, or for only its first n trainings."""
        rows, names = self.table(name), [row["name"] for row in self.results if row["repeat"] == 0]
        return {training: [row for row in rows if row["name"] == training] for training in names[:trainings]}

    def rates(self, given: finetune.Start) -> dict[str, list[float]]:
        """Training -> the learning rate of each of its steps, for the first repeat."""
        found = {}
        for row in self.results:
            if row["repeat"] == 0:
                few = given.train.few_shot(row["shots"], seed=self.parameters.seed)
                recipe = replace(given.recipe.of_samples(len(few)), learning_rate=row["learning_rate"])
                found[row["name"]] = optimizer.course(recipe)
        return found

    def values(self, column: str, start: str, shots: int) -> list[float]:
        """A column of results.csv for one start and number of shots, a value a repeat; empty if there is none."""
        values = [row[column] for row in self.results if (row["start"], row["shots"]) == (start, shots)]
        return [] if "" in values else values

    def baselines(self, shots: int) -> dict[str, list[float]]:
        """Baseline -> accuracies for a number of shots, a value a repeat; empty if there are none."""
        found: dict[str, list[float]] = {}
        for row in self.table("baselines") if (self.root / "baselines.csv").is_file() else []:
            if row["shots"] == shots:
                found.setdefault(f"{row['features']}, {row['judge']}", []).append(row["accuracy"])
        return found

    def accuracies(self) -> dict[str, dict[str, list[float]]]:
        """Images a class -> start or baseline -> accuracies, a value a repeat."""
        given = self.parameters
        return {
            f"{count or 'all'} images a class": {
                **{f"{start}, fine-tuned": self.values("accuracy", start, count) for start in given.starts},
                **self.baselines(count),
            }
            for count in given.shots
        }

    @property
    def fewest(self) -> int:
        """The fewest images a class (0: all): there pre-training matters most."""
        return min(self.parameters.shots, key=lambda shots: shots or np.inf)

    def curves(self, shots: int) -> dict[str, list[list[Row]]]:
        """Start -> the rows of evaluations.csv of each repeat, for a number of shots."""
        rows, found = self.table("evaluations"), dict[str, list[list[Row]]]()
        for result in self.results:
            if result["shots"] == shots:
                own = [row for row in rows if row["name"] == result["name"]]
                found.setdefault(result["start"], []).append(own)
        return found

    def predictions(self) -> dict[str, list[Row]]:
        """Training, or training (best) -> its rows of predictions.csv, with class and predicted, one for each image."""
        rows = tables.read(self.root / "predictions.csv", text=finetune.NAMES)
        return {
            name: [row for row in rows if row["name"] == name] for name in dict.fromkeys(row["name"] for row in rows)
        }

    def reached(self) -> dict[str, float]:
        """Training, or training (best) -> its accuracy in results.csv."""
        last = {row["name"]: row["accuracy"] for row in self.results}
        return last | {f"{row['name']} (best)": row["best_accuracy"] for row in self.results}

    def headline(self) -> str:
        """The outcome in a sentence, for the fewest images a class, with the baselines of raw pixels."""
        given, shots = self.parameters, self.fewest
        reached = " against ".join(f"{self._mean('accuracy', start, shots)} {start}" for start in given.starts)
        raw = {name: values for name, values in self.baselines(shots).items() if name.startswith(RAW_PIXELS)}
        beside = [f"{name} {intervals.mean_of(values)}" for name, values in raw.items()]
        known = ", ".join([*beside, f"chance {1 / self.results[0]['classes']:.1%}"])
        return (
            f"{Path(given.data.partition('#')[0]).name}, {shots or 'all'} images a class, {given.length()}: {reached}"
            f"{self._difference(shots)}; {known}"
        )

    def differences(self, shots: int) -> dict[str, str]:
        """Start -> its accuracy minus that from scratch, in points, with the interval over the repeats (pairs)."""
        starts = self.parameters.starts
        if FROM_SCRATCH not in starts:
            return {}
        every = {start: self.values("accuracy", start, shots) for start in starts}
        untrained = every.pop(FROM_SCRATCH)
        return {
            start: intervals.points([one - other for one, other in zip(values, untrained, strict=True)])
            for start, values in every.items()
        }

    def _difference(self, shots: int) -> str:
        found = self.differences(shots)
        parts = [f"{start} {points}" if len(found) > 1 else points for start, points in found.items()]
        return f": {'; '.join(parts)}" if parts else ""

    def _mean(self, column: str, start: str, shots: int) -> str:
        """Mean of a group of repeats, with its spread, or of a single one with its interval by the test images."""
        values, images = self.values(column, start, shots), self.results[0]["test_images"]
        if len(values) > 1:
            return intervals.mean_of(values)
        low, high = intervals.of_share(round(values[0] * images), images)
        return f"{values[0]:.1%} (one training, {images} test images: 95 % interval {low:.1%} to {high:.1%})"

    def gained_late(self, shots: int) -> dict[str, list[float]]:
        """Start -> the accuracy gained in the last third of the steps, a value a repeat, for a number of shots.

        Near 0, a longer training would bring little. Empty without evaluations before that.
        """
        gains = {}
        for start, repeats in self.curves(shots).items():
            early = [[row for row in rows if row["step"] <= 2 / 3 * rows[-1]["step"]] for rows in repeats]
            if all(early):
                pairs = zip(repeats, early, strict=True)
                gains[start] = [rows[-1]["accuracy"] - before[-1]["accuracy"] for rows, before in pairs]
        return gains

    def in_words(self) -> dict[str, str]:
        """Mean and spread of every group of repeats and of every baseline, as name -> value for a reader."""
        words, given = {}, self.parameters
        for shots in given.shots:
            images = f"{shots or 'all'} images a class"
            for start in given.starts:
                for column in ("accuracy", "top5", *(["best_accuracy"] if given.evaluate_every else [])):
                    if self.values(column, start, shots):
                        suffix = "" if column == "accuracy" else f", {column.replace('_', ' ')}"
                        words[f"{start}, {images}{suffix}"] = self._mean(column, start, shots)
                if given.learning_rates:
                    rate = self.values("learning_rate", start, shots)[0]
                    words[f"{start}, {images}, learning rate chosen"] = f"{rate:g}"
            for start, gains in self.gained_late(shots).items():
                words[f"{start}, {images}, gained in the last third"] = intervals.points(gains)
            for name, values in self.baselines(shots).items():
                words[f"{name}, {images}"] = intervals.mean_of(values)
        made = Folder(self.root).manifest()
        return {**words, "trained by code": made["code"]}
