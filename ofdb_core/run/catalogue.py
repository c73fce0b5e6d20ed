"""Every stage that an experiment may have, in order, and what each needs from earlier ones."""

from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

from ofdb_core.base import record
from ofdb_core.base.folder import Folder, summary
from ofdb_core.base.parameters import NotebookParameters
from ofdb_core.families import registry
from ofdb_core.families.registry import Family, Stage
from ofdb_core.show import compare, gallery, report
from ofdb_core.show.report import Report
from ofdb_core.stages import inference, recipes

LEARNING = (
    Stage("4_pretrain", recipes.Pretrain, writes=("pretrain",), check="ofdb_core.stages.pretrain:check"),
    Stage("5_finetune", recipes.Finetune, writes=("finetune",), check="ofdb_core.stages.finetune:check"),
    Stage("5_segment", recipes.Segment, writes=("segment",), check="ofdb_core.stages.segment:check"),
    Stage("6_evaluate", inference.Evaluate, writes=("evaluation",), check="ofdb_core.stages.evaluate:check"),
    Stage("6_predict", inference.Predict, writes=("predictions",), check="ofdb_core.stages.predict:check"),
    Stage("6_report", Report, pages=(report.PAGE, gallery.PAGE)),
    Stage("7_compare_runs", compare.Compare, pages=(compare.PAGE,)),
)


def stages() -> dict[str, Stage]:
    """Name -> stage, of all families, of learning, and of the report."""
    every = [stage for family in registry.families().values() for stage in family.stages] + [*LEARNING]
    return {stage.name: stage for stage in sorted(every, key=lambda stage: stage.name)}


def maker(name: str) -> str:
    """The name of the stage that writes a folder."""
    return next(stage.name for stage in stages().values() if name in stage.writes)


def writers(family: Family) -> list[Stage]:
    """A family's stages that write, after those of others that write what they read."""
    own = [stage for stage in family.stages if stage.write]
    read = {name for stage in own for name in stage.parameters().inputs()}
    needed = {maker(name) for name in read} - {stage.name for stage in own}
    return [stage for name, stage in stages().items() if name in needed] + own


def missing(parameters: NotebookParameters, before: Collection[str] = ()) -> str | None:
    """A sentence that names a missing or altered input and what makes it, unless the stages `before` do, or None."""
    out = Path(parameters.out)
    if isinstance(parameters, Report):
        done = record.read(out).keys() - {stage.name for stage in LEARNING if stage.parameters is Report}
        nothing = f"{out}: nothing has run here, so there is nothing to report; run another notebook first"
        return None if before or done else nothing
    made = {name for stage in before for name in stages()[stage].writes}
    for name in parameters.reads():
        if name in made:
            continue
        results, own = Folder(out / name), name in parameters.inputs()
        if results.is_complete() and (problems := results.verify()):
            again = f"run {maker(name)} again, which makes it anew" if own else "run again what made it"
            return f"{results.root} is not as it was written ({summary(problems)}); undo that, or {again}"
        if own and not results.is_complete():
            given = {"a checkpoint": hasattr(parameters, "checkpoint") and name == "pretrain"}
            given["data"] = getattr(parameters, "data", None) == name
            instead = "".join(f", or give {what}" for what, able in given.items() if able)
            return f"{out / name} is missing or unfinished; run {maker(name)} first{instead}"
    return None


Given = TypeVar("Given", bound=NotebookParameters)


def ready(parameters: Given) -> Given:
    """The parameters of a notebook, if its inputs are there; else a ValueError says what makes them."""
    if sentence := missing(parameters):
        raise ValueError(sentence)
    return parameters
