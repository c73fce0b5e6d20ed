"""The command line behind run_all.sh: `python -m ofdb_core <experiment> [notebook ...]`, `list`, `verify`."""

import argparse
import sys
from pathlib import Path

from ofdb_core import execution, experiment, folder, recipe, record, signals
from ofdb_core.kinds import describe


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
                print(f"  {mark} {parameter} = {value!r:<24} {comment} [{describe(kinds[parameter])}]")
    if names:
        print("\n  * set by the experiment; the others are the notebook's own")


def check(root):
    """Verify every data folder and every run's figures at or below root; print the problems, return their number."""
    root, told = Path(root), {}
    for place in sorted({path.parent for name in (folder.MANIFEST, folder.PART) for path in root.rglob(name)}):
        told[place] = folder.verify(place) or f"{len(folder.manifest(place)['files'])} files, all as written"
    for path in sorted(root.rglob(record.FILE)):
        entries = record.read(path.parent).values()
        bad = [
            f"{name}: missing or altered" for entry in entries for name in record.altered_figures(path.parent, entry)
        ]
        told[path] = bad or f"{sum(len(entry['figures']) for entry in entries)} figures, all as drawn"
    if not told:
        raise experiment.UsageError(f"{root}: no manifest.json here or below; give a run's folder or a data set's")
    for place, problems in told.items():
        print(f"{place}: {problems}" if isinstance(problems, str) else "\n  ".join([f"{place}:", *problems]))
    return sum(len(problems) for problems in told.values() if not isinstance(problems, str))


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
    except (recipe.RecipeError, experiment.UsageError, record.Unreadable) as error:
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
