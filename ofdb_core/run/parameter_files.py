"""The parameters of an experiment's stages: defaults, what its files change, and what the command line changes.

See `experiments` for what an experiment builds upon, `plain_yaml` for how values are written.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ofdb_core.base import project
from ofdb_core.base.parameters import NotebookParameters, ParameterError, suggestion
from ofdb_core.base.values import nearest, shown
from ofdb_core.run import catalogue, experiments, plain_yaml
from ofdb_core.run.experiments import UsageError


class Setting(NamedTuple):
    """A value, and where it was set: an experiment's file; None: it is the default."""

    value: Any
    origin: str | None = None


def notebooks(experiment: str, only: Collection[str] = ()) -> list[str]:
    """The stages of an experiment, or only some of them, in order."""
    known, found = catalogue.stages(), experiments.stages(experiment)
    for one in experiments.lineage(experiment):
        for stage in one.sections:
            if stage not in known:
                raise UsageError(f"{one.origin}: {stage}: no stage{nearest(stage, [*known, *experiments.WORDS])}")
    if not found:
        variants = ", ".join(name for name in experiments.names() if name.startswith(f"{experiment}/"))
        hint = f"its variants are {variants}" if variants else "give it a section for each, as `6_report: {}`"
        raise UsageError(f"{experiment}: has no stage of its own; {hint}")
    for stage in only:
        if stage not in found:
            raise UsageError(f"{stage}: no notebook of {experiment}{nearest(stage, found)}; it has {', '.join(found)}")
    return [stage for stage in found if not only or stage in only]


def settings(experiment: str, stage: str) -> dict[str, Setting]:
    """Parameter name -> value and origin, of all parameters of a stage, and of names that are no parameters."""
    parameters = catalogue.stages()[stage].parameters
    values, origins = parameters.defaults(), dict[str, str]()
    for one in experiments.lineage(experiment):
        section = one.sections.get(stage, {})
        if "out" in section:
            raise UsageError(f"{one.origin}: {stage}: out is not allowed here; give --out DIR")
        before, values = values, parameters.layered(values, section)
        changed = {name for name in values if values[name] != before.get(name)}
        origins |= dict.fromkeys(changed | {name.partition(".")[0] for name in section}, one.origin)
    return {name: Setting(value, origins.get(name)) for name, value in values.items()}


def values(experiment: str, stage: str) -> dict[str, Any]:
    """Parameter name -> value, as `settings`."""
    return {name: setting.value for name, setting in settings(experiment, stage).items()}


def takers(name: str, chosen: Iterable[str]) -> list[str]:
    """The stages that `-p name` reaches: all that have the parameter, or the one that `stage.name` names."""
    stage, short = _split(name)
    able = [one for one in chosen if short != "out" and catalogue.stages()[one].parameters.kind(short) is not None]
    return [one for one in able if stage in ("", one)]


def _split(name: str) -> tuple[str, str]:
    """The stage, where `-p name` names one, and the parameter."""
    stage, _, short = name.partition(".")
    return (stage, short) if stage in catalogue.stages() else ("", name)


def checked(
    experiment: str, chosen: Sequence[str], overrides: Iterable[tuple[str, str]], out: Path
) -> dict[str, NotebookParameters]:
    """Stage -> checked parameters, for the chosen stages.

    overrides: (name, text) pairs, each for its `takers`; a path in a pair starts at the current folder, one in a file
    at the project's. All mistakes of all stages are reported in one ParameterError, before anything runs.
    """
    classes = {stage: catalogue.stages()[stage].parameters for stage in chosen}
    problems, overridden = [], {stage: dict[str, Any]() for stage in chosen}
    for name, text in overrides:
        stage, short = _split(name)
        if not takers(name, chosen):
            hint = suggestion(short, [classes[stage]] if stage in classes else list(classes.values()))
            problems.append(f"-p {name}: unknown parameter of {', '.join(chosen)}{hint}")
        for taker in takers(name, chosen):
            try:
                value = plain_yaml.value_of(text, classes[taker].kind(short))
                overridden[taker] |= classes[taker].located({short: value}, Path())
            except ValueError as error:
                problems.append(f"-p {name}: {shown(text)} cannot be read ({error})")
    accepted = {}
    for stage, parameters in classes.items():
        own = parameters.located(values(experiment, stage), project.FOLDER) | {"out": str(out)}
        own = parameters.layered(own, overridden[stage])
        if own.get("tracker", "none") != "none" and own["tracker_group"] is None:
            own["tracker_group"] = experiment
        try:
            accepted[stage] = parameters.of(own)
        except ParameterError as error:
            for one in error.problems:  # what -p gives has no file
                problems.append(f"{stage}: {one}{'' if overridden[stage] else _origin(one, experiment, stage)}")
        except OSError as error:  # a file that a parameter names
            problems.append(f"{stage}: {error}")
    if problems:
        raise ParameterError(dict.fromkeys(problems))
    return accepted


def _origin(problem: str, experiment: str, stage: str) -> str:
    """The file that sets the value which a sentence is about, as its end."""
    setting = settings(experiment, stage).get(problem.partition(":")[0].partition(".")[0], Setting(None))
    return f" ({setting.origin or experiments.lineage(experiment)[-1].origin})"


class _Dumper(yaml.SafeDumper):
    """Writes all text in quotes, so that '1e-3' stays text for every reader."""


_Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'"))


def to_yaml(values: Mapping[str, Any]) -> str:
    """Parameters as a flat YAML file, which papermill's own `-f` takes."""
    style: dict[str, Any] = {"default_flow_style": True, "allow_unicode": True, "width": 10**6}
    texts = {name: yaml.dump(value, Dumper=_Dumper, **style) for name, value in values.items()}
    return "".join(f"{name}: {text.rstrip().removesuffix('...').rstrip()}\n" for name, text in texts.items())
