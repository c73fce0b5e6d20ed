"""The command line: `ofdb`, or run_all.sh in a clone, which sets the environment up first and then calls this."""

from ofdb_core.base import signals
from ofdb_core.base.folder import Folder

if __name__ == "__main__":  # from the first moment on: what is imported below takes time
    signals.end_at_once()

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from ofdb_core.base import files, parameters, project, record
from ofdb_core.run import experiments, notebook
from ofdb_core.run.completion import FOLLOWED

PROGRAM = "ofdb" if Path(sys.argv[0]).stem == "ofdb" or project.INSTALLED else "run_all.sh"
MARK = "\0"  # before such a word, which argparse would take for an option otherwise; no word of a command has it

COMMANDS = """commands in place of an experiment:
  list [EXPERIMENT ...]   the experiments; the parameters of some of them
  cost EXPERIMENT         how long it takes on this machine, and how much disk; a minute or two of measuring
  verify DIR              missing, altered and extra files of a run or a data set
  init DIR                a project of your own: notebooks and parameter files to change, beside runs/ and data/
  lab [OPTIONS]           JupyterLab on the project's notebooks
  site [RUN]              pages of a run, the families, what was measured and the package, for any browser
  test [OPTIONS]          the tests, in a clone
  completion SHELL        a script by which bash or zsh completes this command's words
  schema                  print the JSON Schema of experiments' files, for editors

Without any word the quickstart runs. The exit status is 0 where all is done, 1 where something failed, 2 where the
command was refused before anything ran, 75 where a training was stopped and saved, 130 after Ctrl-C.
"""


def parser() -> argparse.ArgumentParser:
    """The words that the command takes."""
    found = argparse.ArgumentParser(
        prog=PROGRAM, allow_abbrev=False, epilog=COMMANDS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("experiment", help="an experiment, as `list` shows them, or a command below")
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
        "--params", metavar="DIR", type=_unmarked, help="a folder of experiments of your own, beside the project's"
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
        left = left - 1 if left else FOLLOWED.get(word, 0)


def _unmarked(word: str) -> str:
    return word.removeprefix(MARK)


def parsed(words: Iterable[str]) -> argparse.Namespace:
    """The command that the words give."""
    return parser().parse_args([*_marked(words)])


def check(root: str | Path) -> int:
    """Verify every data folder and every run's figures at or below root; print the problems, return their number."""
    root = Path(root)
    told: dict[Path, str | list[str]] = {}
    for results in Folder.below(root):
        told[results.root] = results.verify() or f"{len(results.manifest()['files'])} files, all as written"
    for path in sorted(root.rglob(record.FILE)):
        entries = record.read(path.parent).values()
        bad = [
            f"{name}: missing or altered" for entry in entries for name in record.altered_figures(path.parent, entry)
        ]
        told[path] = bad or f"{sum(len(entry['figures']) for entry in entries)} figures, all as drawn"
    if not told:
        raise experiments.UsageError(f"{root}: no manifest here or below; give a run's folder or a data set's")
    for place, problems in told.items():
        print(f"{place}: {problems}" if isinstance(problems, str) else "\n  ".join([f"{place}:", *problems]))
    return sum(len(problems) for problems in told.values() if not isinstance(problems, str))


def _list(options: argparse.Namespace) -> int:
    from ofdb_core.run import listing

    names, columns = options.names, listing.width()
    for line in listing.parameters(names, columns) if names else [listing.overview(columns)]:
        print(line)
    return 0


def _verify(options: argparse.Namespace) -> int:
    return 1 if check(_one("verify", options.names, "folder")) else 0


def _cost(options: argparse.Namespace) -> int:
    from ofdb_core.run import experiment

    for line in experiment.price(_one("cost", options.names, "experiment"), overrides=options.overrides):
        print(line, flush=True)
    return 0


def _site(options: argparse.Namespace) -> int:
    from ofdb_core.run import site

    if len(options.names) > 1:
        raise experiments.UsageError("site: give the folder of one run, or none for the quickstart's")
    run = Path(*options.names or [project.RUNS / "quickstart"])
    print(f"open {site.write(run, Path(options.out or 'site'))}")
    return 0


def _init(options: argparse.Namespace) -> int:
    from ofdb_core.run import init

    init.run(_one("init", options.names, "folder"))
    return 0


def _completion(words: list[str]) -> int:
    from ofdb_core.run import completion

    if words[:1] == ["words"]:
        print("\n".join(completion.words(words[1:], [*OURS, *RAW])))
    else:
        print(completion.script(_one("completion", words, "shell, bash or zsh")))
    return 0


def _schema(options: argparse.Namespace) -> int:
    from ofdb_core.run import schema

    if options.names:
        raise experiments.UsageError("schema: takes no further word")
    print(json.dumps(schema.schema(), indent=1, ensure_ascii=False))
    return 0


def _one(command: str, names: list[str], what: str) -> str:
    if len(names) != 1:
        raise experiments.UsageError(f"{command}: give one {what}")
    return names[0]


def _lab(words: list[str]) -> NoReturn:
    if not (project.FOLDER / "notebooks").is_dir():
        raise experiments.UsageError(
            f"{project.FOLDER}: has no notebooks; `{PROGRAM} init DIR` makes a project, in which they are"
        )
    own = [str(project.SOURCE / "jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]  # the start page, and no news
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, own))
    _become("-m", "jupyterlab", f"--notebook-dir={project.FOLDER}", *words)


def _test(words: list[str]) -> NoReturn:
    if project.INSTALLED or not (project.SOURCE / "tests").is_dir():
        raise experiments.UsageError("test: the tests are in a clone of the project, not in what pip installs")
    os.chdir(project.SOURCE)
    _become("-m", "pytest", *words)


def _become(*words: str) -> NoReturn:
    os.environ.pop(project.VARIABLE, None)  # a terminal of JupyterLab, or a test, may go to another project
    os.execv(sys.executable, [sys.executable, *words])


OURS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": _list,
    "cost": _cost,
    "verify": _verify,
    "init": _init,
    "site": _site,
    "schema": _schema,
}
RAW: dict[str, Callable[[list[str]], int]] = {"lab": _lab, "test": _test, "completion": _completion}  # of any words


def main(words: list[str]) -> int:
    os.environ["PYTHONSAFEPATH"] = "1"  # kernels, launched trainings and workers import nothing from where they start
    if words and words[0] in RAW:
        return RAW[words[0]](words[1:])
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = ["quickstart", *words]
    options = parsed(words)
    if options.params is not None:
        os.environ[experiments.PARAMS_VARIABLE] = os.path.realpath(options.params)
    if options.experiment in OURS:
        return OURS[options.experiment](options)
    experiments.require(options.experiment, experiments.found(), [*OURS, *RAW])
    from ofdb_core.run import experiment  # which takes longer than all commands above

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
    except (parameters.ParameterError, experiments.UsageError, files.Unreadable) as error:
        print(f"{PROGRAM}: nothing was run:\n{error}", file=sys.stderr)
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


def program() -> NoReturn:
    """The command `ofdb`."""
    signals.end_at_once()
    os.environ.setdefault("PYTHONUTF8", "1")  # for what it starts; its own output is UTF-8, too, whatever the locale
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    end()


def end() -> NoReturn:
    """Run the command of this process's words, and end with its status."""
    os.environ[project.VARIABLE] = str(project.FOLDER)  # of what this starts, wherever that runs
    status = ended(sys.argv[1:])
    signals.ignore()  # it is done, and how it ended is known
    sys.exit(status)


if __name__ == "__main__":
    end()
