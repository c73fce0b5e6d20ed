"""An experiment: the notebooks for which params/<experiment>/ has a file, run in order.

A folder within an experiment's is a variant of it, as 2d-ofdb-1k/vit-base: it has all of the experiment's parameters
and holds those that differ.

All parameters of all notebooks are checked before the first one starts. A notebook that is done, and whose parameters,
inputs and code are unchanged, is skipped.
"""

import ast
import contextlib
import fcntl
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from ofdb_core import execution, folder, launch, recipe, record

NOTEBOOKS = record.PROJECT / "notebooks"
PARAMS = record.PROJECT / "params"


@dataclass(frozen=True)
class Stage:
    """A notebook: the class of its parameters, which knows what it reads, and the folders that it writes."""

    recipe: type
    writes: tuple = ()


STAGES = {
    "0_explore_ifs": Stage(recipe.Explore),
    "1_search_categories": Stage(recipe.Search, writes=("categories",)),
    "2_render_2d": Stage(recipe.Render2D, writes=("images",)),
    "3_render_3d": Stage(recipe.Render3D, writes=("categories3d", "models", "views")),
    "3_render_visualatom": Stage(recipe.RenderVisualAtom, writes=("visualatom",)),
    "4_pretrain": Stage(recipe.Pretrain, writes=("pretrain",)),
    "5_finetune": Stage(recipe.Finetune, writes=("finetune",)),
    "6_evaluate": Stage(recipe.Evaluate, writes=("evaluation",)),
    "6_report": Stage(recipe.Report),
}


class UsageError(ValueError):
    """A command that cannot be carried out; the message says what to do."""


def names():
    """The experiments and their variants: folders of params/ that hold parameter files."""
    return sorted({path.parent.relative_to(PARAMS).as_posix() for path in PARAMS.glob("*/**/*.yaml")})


def notebooks(experiment):
    """The notebooks of an experiment, in order."""
    if experiment not in names():
        raise UsageError(
            f"{experiment}: no such experiment{recipe.nearest(experiment, names())}; there are {', '.join(names())}"
        )
    found = sorted({path.stem for place in _places(experiment) for path in place.glob("*.yaml")})
    for name in found:
        if name not in STAGES:
            raise UsageError(f"params/{experiment}: {name}.yaml: no such notebook{recipe.nearest(name, STAGES)}")
    return found


def _places(experiment):
    """The folders of an experiment's parameters: its own last, before it those of what it is a variant of."""
    words = experiment.split("/")
    return [PARAMS.joinpath(*words[: i + 1]) for i in range(len(words))]


def defaults(notebook):
    """Parameter name -> (value, comment), from the notebook's `parameters` cell."""
    from papermill import inspect_notebook

    found = inspect_notebook(str(NOTEBOOKS / f"{notebook}.ipynb"))
    return {name: (ast.literal_eval(about["default"]), about["help"]) for name, about in found.items()}


def changes(experiment, notebook):
    """Parameter name -> value, from params/<experiment>/<notebook>.yaml and those of what it is a variant of."""
    changed = {}
    for path in (place / f"{notebook}.yaml" for place in _places(experiment)):
        if not path.exists():
            continue
        name = f"params/{path.relative_to(PARAMS)}"
        try:
            found = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise UsageError(f"{name}: not YAML ({error})") from error
        if not isinstance(found or {}, dict):
            raise UsageError(f"{name}: must hold lines 'name: value'")
        changed |= found or {}
    return changed


def value_of(text):
    """The value of a `-p name text`: YAML, where 1e-4 is a number too."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def recipes(experiment, chosen, overrides, out):
    """Notebook -> checked recipe, for the chosen notebooks.

    overrides: (name, text) pairs; a name goes to every chosen notebook that has it, `notebook.name` to that one. All
    mistakes of all notebooks are reported in one RecipeError, before anything runs.
    """
    values, known = {}, {}
    for notebook in chosen:
        known[notebook] = {name: value for name, (value, _) in defaults(notebook).items()}
        values[notebook] = {**known[notebook], **changes(experiment, notebook), "out": str(out)}
    problems = []
    for name, text in overrides:
        notebook, _, short = name.rpartition(".")
        takers = [taker for taker in chosen if short in known[taker] and notebook in ("", taker)]
        if not takers or short == "out":
            every = {parameter for taker in chosen for parameter in known[taker]} - {"out"}
            problems.append(f"-p {name}: unknown parameter of {', '.join(chosen)}{recipe.nearest(short, every)}")
        for taker in takers:
            values[taker][short] = value_of(text)
    checked = {}
    for notebook in chosen:
        try:
            kind = STAGES[notebook].recipe
            checked[notebook] = kind.of(kind.located(values[notebook]))
        except recipe.RecipeError as error:
            problems += [f"{notebook}: {problem}" for problem in error.problems]
    if problems:
        raise recipe.RecipeError(problems)
    return checked


def reason(notebook, checked, out):
    """Why a notebook must run, in words; None where it is done and parameters, inputs and code are unchanged."""
    entry = record.read(out).get(notebook)
    if entry is None or not (out / f"{notebook}.ipynb").exists():
        return "it has not run yet"
    wanted, had = checked.identity(), entry["parameters"]
    changed = [name for name in wanted if wanted[name] != had.get(name)]
    if changed:
        return "changed: " + ", ".join(f"{name} {had.get(name)} -> {wanted[name]}" for name in changed)
    if entry["code"] != record.code_version(notebook):
        return "its code changed"
    for name, digest in entry["reads"].items():
        now = record.others(out, notebook) if name == record.FILE else folder.fingerprint(out / name)
        if now != digest:
            return f"{name} changed"
    for name, digest in entry["writes"].items():
        problems = folder.verify(out / name)
        if problems or folder.digest(out / name) != digest:
            return f"{name} is not as it was written ({problems[0] if problems else 'another run wrote it'})"
    for figure in entry["figures"]:
        path = out / figure["file"]
        if not path.exists() or record.sha256(path) != figure["sha256"]:
            return f"{figure['file']} is missing or altered"
    return None


@contextlib.contextmanager
def _alone(out):
    """Hold an experiment's folder, so that two runs never write to it at once."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{out}: another run is at work here; wait for it, or give another --out") from error
        yield


def _check_inputs(chosen, checked, out):
    """Refuse a notebook whose input neither lies in `out` nor is made by a notebook that runs before it."""
    made = set()
    for notebook in chosen:
        for name in checked[notebook].inputs():
            if name not in made and not (out / name / folder.MANIFEST).exists():
                maker = next(maker for maker, stage in STAGES.items() if name in stage.writes)
                raise UsageError(f"{notebook}: {out / name} is missing or unfinished; run {maker} first")
        made |= set(STAGES[notebook].writes)


def _check_possible(checked):
    problems = []
    for notebook, wanted in checked.items():
        try:
            wanted.check_possible()
        except ValueError as error:
            problems.append(f"{notebook}: {error}")
    if problems:
        raise recipe.RecipeError(problems)


def _launch(notebook, checked, out, options):
    """Train by a notebook's script in several processes; the notebook then finds the training done."""
    script = out / f"{notebook}.py"
    launch.export(NOTEBOOKS / f"{notebook}.ipynb", checked.values(), script)
    print(f"{notebook}: accelerate launch {options} {script}", flush=True)
    try:
        launch.run(script, options)
    except launch.LaunchError as error:
        raise execution.NotebookError(f"{notebook}: {error}") from error


def run(experiment, only=(), *, overrides=(), out=None, options=None):
    """Run an experiment's notebooks, or only some of them, into `out` (runs/<experiment> where it is None).

    options: of `accelerate launch`, for the notebooks that train; where they are None and the machine has several GPUs,
    all of these are used. On the machines of a cluster other than the first, only these trainings run.
    """
    every = notebooks(experiment)
    for notebook in only:
        if notebook not in every:
            raise UsageError(
                f"{notebook}: no notebook of {experiment}{recipe.nearest(notebook, every)}; it has {', '.join(every)}"
            )
    chosen = [notebook for notebook in every if not only or notebook in only]
    out = Path(out).resolve() if out else record.PROJECT / "runs" / experiment
    checked = recipes(experiment, chosen, overrides, out)
    _check_inputs(chosen, checked, out)
    _check_possible({notebook: wanted for notebook, wanted in checked.items() if reason(notebook, wanted, out)})
    launched = [notebook for notebook in chosen if launch.is_launched(NOTEBOOKS / f"{notebook}.ipynb")]
    options = options or (launch.automatic() if launched else None)
    if options and launch.machine_rank(options):
        for notebook in launched:
            _launch(notebook, checked[notebook], out, options)
        return
    began = time.time()
    with _alone(out):
        for notebook in chosen:
            why = reason(notebook, checked[notebook], out)
            if why is None:
                print(f"{notebook}: done before; parameters, inputs and code are unchanged: skipped", flush=True)
                continue
            print(f"{notebook}: runs ({why})", flush=True)
            if options and notebook in launched:
                _launch(notebook, checked[notebook], out, options)
            source, result = NOTEBOOKS / f"{notebook}.ipynb", out / f"{notebook}.ipynb"
            execution.execute(source, checked[notebook].values(), result)
    print(f"{experiment}: {len(chosen)} notebooks in {time.time() - began:.0f} s; results are in {out}")
    if (out / "report.html").exists():
        print(f"{experiment}: open {out / 'report.html'}")
