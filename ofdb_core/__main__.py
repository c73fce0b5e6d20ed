"""The command line behind run_all.sh: `python -m ofdb_core <experiment> [notebook ...]`, `list`, `verify`."""

import argparse
import sys
from pathlib import Path

from ofdb_core import execution, experiment, folder, recipe, signals


def parser():
    found = argparse.ArgumentParser(prog="run_all.sh", allow_abbrev=False)
    found.add_argument("experiment", help="a folder of params/, or list, or verify")
    found.add_argument("names", nargs="*", metavar="notebook", help="run only these, for instance 2_render_2d")
    found.add_argument("--out", metavar="DIR", help="where results go (default: runs/<experiment>)")
    found.add_argument(
        "-p",
        dest="overrides",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="another value for a parameter, in every notebook that has it (or notebook.name for one)",
    )
    found.add_argument(
        "--launch",
        dest="options",
        metavar="OPTIONS",
        help="train in several processes, by these options of accelerate launch, as one word",
    )
    return found


def show(names):
    """Print the experiments and their notebooks, or the parameters of the named experiments."""
    for name in names or experiment.names():
        print(f"{name}: {' '.join(experiment.notebooks(name))}")
        for notebook in experiment.notebooks(name) if names else ():
            changed, kinds = experiment.changes(name, notebook), experiment.STAGES[notebook].recipe.kinds()
            print(f"\n  {notebook}")
            for parameter, (value, comment) in experiment.defaults(notebook).items():
                mark = "*" if parameter in changed else " "
                value = changed.get(parameter, value)
                print(f"  {mark} {parameter} = {value!r:<24} {comment} [{recipe.describe(kinds[parameter])}]")
    if names:
        print("\n  * set by the experiment; the others are the notebook's own")


def check(root):
    """Verify every folder with a manifest at or below root; print the problems and return their number."""
    root = Path(root)
    found = sorted({path.parent for name in (folder.MANIFEST, folder.PART) for path in root.rglob(name)})
    if not found:
        raise experiment.UsageError(f"{root}: no manifest.json here or below; give a run's folder or a data set's")
    problems = [(place, problem) for place in found for problem in folder.verify(place)]
    for place in found:
        bad = [problem for at, problem in problems if at == place]
        print(
            f"{place}: "
            + ("\n  ".join(["", *bad]) if bad else f"{len(folder.manifest(place)['files'])} files, all as written")
        )
    return len(problems)


def main(words):
    options = parser().parse_args(words)
    if options.experiment == "list":
        show(options.names)
        return 0
    if options.experiment == "verify":
        if len(options.names) != 1:
            raise experiment.UsageError("verify: give one folder")
        return 1 if check(options.names[0]) else 0
    how = {"overrides": options.overrides, "out": options.out, "options": options.options}
    experiment.run(options.experiment, options.names, **how)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (recipe.RecipeError, experiment.UsageError) as error:
        print(f"run_all.sh: nothing was run:\n{error}", file=sys.stderr)
        sys.exit(2)
    except execution.NotebookError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(1)
    except signals.Continued as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(signals.TO_BE_CONTINUED)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command continues where it stopped", file=sys.stderr)
        sys.exit(130)
