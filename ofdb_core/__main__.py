"""The command line behind run_all.sh: `python -m ofdb_core <experiment> [notebook ...]`, `list`, `verify`."""

from ofdb_core.base import signals

if __name__ == "__main__":  # from the first moment on: what is imported below takes seconds
    signals.end_at_once()

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ofdb_core.base import files, folder, manifests, parameters, provenance, record
from ofdb_core.base.values import describe
from ofdb_core.run import experiment, notebook, parameter_files, road, site

VALUES = {"-p": 2, "--out": 1, "--launch": 1}  # how many words follow, whatever sign these begin with
MARK = "\0"  # before such a word, which argparse would take for an option otherwise; no word of a command has it


def parser() -> argparse.ArgumentParser:
    """The words that the command takes."""
    found = argparse.ArgumentParser(prog="run_all.sh", allow_abbrev=False)
    found.add_argument("experiment", help="a folder of params/, or list, verify or site")
    found.add_argument("names", nargs="*", metavar="notebook", help="run only these, for instance 2_render_2d")
    found.add_argument("--out", metavar="DIR", type=_unmarked, help="where results go (default: runs/<experiment>)")
    found.add_argument(
        "-p",
        dest="overrides",
        nargs=2,
        action="append",
        default=[],
        type=_unmarked,
        metavar=("NAME", "VALUE"),
        help="another value for a parameter, in every notebook that has it (or notebook.name for one)",
    )
    found.add_argument(
        "--launch",
        dest="options",
        metavar="OPTIONS",
        type=_unmarked,
        help="train in several processes, by these options of accelerate launch, as one word",
    )
    return found


def _marked(words: Iterable[str]) -> Iterator[str]:
    left = 0
    for word in words:
        yield MARK + word if left else word
        left = left - 1 if left else VALUES.get(word, 0)


def _unmarked(word: str) -> str:
    return word.removeprefix(MARK)


def parsed(words: Iterable[str]) -> argparse.Namespace:
    """The command that the words give."""
    return parser().parse_args([*_marked(words)])


def show(names: list[str]) -> None:
    """Print the experiments and their notebooks, or the parameters of the named experiments."""
    for name in names or parameter_files.names():
        print(f"{name}: {' '.join(parameter_files.notebooks(name))}")
        for stage in parameter_files.notebooks(name) if names else ():
            changed, kinds = parameter_files.settings(name, stage), road.stages()[stage].parameters.kinds()
            print(f"\n  {stage}")
            for parameter, (value, comment) in parameter_files.defaults(stage).items():
                mark, origin = " ", ""
                if parameter in changed:
                    mark, value, origin = "*", changed[parameter].value, f" <- {changed[parameter].origin}"
                print(f"  {mark} {parameter} = {value!r:<24} {comment} [{describe(kinds[parameter])}]{origin}")
    if names:
        print("\n  * set by the file behind the arrow; the others are the notebook's own")


def check(root: str | Path) -> int:
    """Verify every data folder and every run's figures at or below root; print the problems, return their number."""
    root = Path(root)
    told: dict[Path, str | list[str]] = {}
    for place in manifests.below(root):
        told[place] = folder.verify(place) or f"{len(folder.complete(place)['files'])} files, all as written"
    for path in sorted(root.rglob(record.FILE)):
        entries = record.read(path.parent).values()
        bad = [
            f"{name}: missing or altered" for entry in entries for name in record.altered_figures(path.parent, entry)
        ]
        told[path] = bad or f"{sum(len(entry['figures']) for entry in entries)} figures, all as drawn"
    if not told:
        raise parameter_files.UsageError(f"{root}: no manifest here or below; give a run's folder or a data set's")
    for place, problems in told.items():
        print(f"{place}: {problems}" if isinstance(problems, str) else "\n  ".join([f"{place}:", *problems]))
    return sum(len(problems) for problems in told.values() if not isinstance(problems, str))


def main(words: list[str]) -> int:
    os.environ["PYTHONSAFEPATH"] = "1"  # kernels, launched trainings and workers import nothing from where they start
    options = parsed(words)
    if options.experiment == "list":
        show(options.names)
        return 0
    if options.experiment == "verify":
        if len(options.names) != 1:
            raise parameter_files.UsageError("verify: give one folder")
        return 1 if check(options.names[0]) else 0
    if options.experiment == "site":
        if len(options.names) > 1:
            raise parameter_files.UsageError("site: give the folder of one run, or none for the quickstart's")
        run = Path(*options.names or [provenance.PROJECT / "runs" / "quickstart"])
        print(f"open {site.write(run, Path(options.out or 'site'))}")
        return 0
    experiment.run(
        options.experiment, options.names, overrides=options.overrides, out=options.out, options=options.options
    )
    return 0


def ended(words: list[str]) -> int:
    """The status that `main` ends with, whatever ends it."""
    try:
        status = main(words)
        sys.stdout.flush()
        return status
    except (parameters.ParameterError, parameter_files.UsageError, files.Unreadable) as error:
        print(f"run_all.sh: nothing was run:\n{error}", file=sys.stderr)
        return 2
    except notebook.NotebookError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except signals.Continued as error:
        print(f"\n{error}", file=sys.stderr)
        return signals.TO_BE_CONTINUED
    except KeyboardInterrupt:
        print("\ninterrupted; the same command continues where it stopped", file=sys.stderr)
        return signals.INTERRUPTED
    except BrokenPipeError:  # as of `| head`, which reads no more; what is written is kept
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return signals.NOBODY_READS


if __name__ == "__main__":
    status = ended(sys.argv[1:])
    signals.ignore()  # it is done, and how it ended is known
    sys.exit(status)
