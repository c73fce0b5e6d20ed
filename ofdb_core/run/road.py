"""The road: every stage that an experiment may have, in order, and which of them makes a folder."""

from ofdb_core.families import registry
from ofdb_core.families.registry import Stage
from ofdb_core.show.compare import Compare
from ofdb_core.show.report import Report
from ofdb_core.stages import recipes

LEARNING = (
    Stage("4_pretrain", recipes.Pretrain, writes=("pretrain",), check="ofdb_core.stages.pretrain:check"),
    Stage("5_finetune", recipes.Finetune, writes=("finetune",), check="ofdb_core.stages.finetune:check"),
    Stage("6_evaluate", recipes.Evaluate, writes=("evaluation",)),
    Stage("6_report", Report),
    Stage("7_compare_runs", Compare),
)


def stages() -> dict[str, Stage]:
    """Name -> stage, of all families, of learning, and of the report."""
    every = [stage for family in registry.families().values() for stage in family.stages] + [*LEARNING]
    return {stage.name: stage for stage in sorted(every, key=lambda stage: stage.name)}


def maker(folder: str) -> str:
    """The name of the stage that writes a folder."""
    return next(name for name, stage in stages().items() if folder in stage.writes)
