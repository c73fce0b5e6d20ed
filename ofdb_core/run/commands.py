"""The words of the command line, as click reads them.

A command imports what it needs when it runs, so that `--help`, `list` and completion answer at once.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from ofdb_core.base import project
from ofdb_core.run import completion, data_commands, experiments
from ofdb_core.run.completion import FILE, PATH
from ofdb_core.run.experiments import UsageError, refusals

PROGRAM = "ofdb" if Path(sys.argv[0]).stem == "ofdb" or project.INSTALLED else "run_all.sh"
DEFAULT = "quickstart"  # the experiment that runs when none is named
HELP = ["-h", "--help"]
EPILOG = """Exit status: 0 all is done; 1 a notebook, a check or a file failed; 2 refused, before anything ran; 75 a
training was stopped and its state saved, or a batch system ended the run; 130 Ctrl-C ended it; 141 the output went to a
program that ended, as head does. After the last three the same command goes on."""


class Words(click.Group):
    """The commands. Any other word is the name of an experiment; without a word the quickstart runs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if (not args and not ctx.resilient_parsing) or (args and args[0].startswith("-") and args[0] not in HELP):
            args = [DEFAULT, *args]
        ctx.meta[completion.WORDS] = [*args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        return super().get_command(ctx, cmd_name) or experiment

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        experiment.format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = completion.experiment(ctx, None, incomplete)
        return [*super().shell_complete(ctx, incomplete), *map(CompletionItem, names)]


def _use_params(_context: click.Context, _option: click.Parameter, folder: str | None) -> None:
    if folder is not None:
        os.environ[experiments.PARAMS_VARIABLE] = os.path.realpath(folder)


PARAMS = click.option(
    "--params", expose_value=False, callback=_use_params, **PATH, help="A folder with experiments of your own."
)
OVERRIDES = click.option(
    *("-p", "overrides"), nargs=2, multiple=True, metavar="NAME VALUE", shell_complete=completion.parameter,
    help="Another value for a parameter, in every notebook that has it (notebook.NAME: in one). Repeatable.",
)  # fmt: skip
CLUSTER = click.option(
    "--cluster", metavar="WHERE", help="A Dask cluster for many pieces: local:N, tcp://host:port, slurm, pbs or lsf."
)
NOTEBOOKS = click.argument("names", nargs=-1, metavar="[NOTEBOOK ...]", shell_complete=completion.notebook)
PASSED_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}  # for words of another program

Overrides = tuple[tuple[str, str], ...]


@contextlib.contextmanager
def _on(where: str | None) -> Iterator[None]:
    """A cluster for what a command does, if one is asked for."""
    if where is None:
        yield
        return
    from ofdb_core.base import cluster

    with refusals():
        cluster.check(where)
    with cluster.started(where):
        yield


@click.group(cls=Words, context_settings={"help_option_names": HELP}, epilog=EPILOG, options_metavar="",
             subcommand_metavar="[EXPERIMENT [NOTEBOOK ...] [OPTIONS] | COMMAND ...]")  # fmt: skip
def command() -> None:
    """Run an experiment, as `list` shows them, or only some of its notebooks; without a word, the quickstart."""


for each in data_commands.COMMANDS:
    command.add_command(each)


@click.command()
@NOTEBOOKS
@OVERRIDES
@click.option("--out", **PATH, help="Where results go (default: runs/<experiment>).")
@PARAMS
@click.option(
    "--launch", metavar="OPTIONS", help="Train in processes, by these options of accelerate launch, in one word."
)
@CLUSTER
@click.pass_context
def experiment(
    context: click.Context, names: tuple[str, ...], overrides: Overrides, out: str, launch: str, cluster: str | None
) -> None:
    """Run an experiment, or only the notebooks that are named, as 2_render_2d."""
    name = str(context.info_name)
    experiments.require(name, experiments.found(), command.commands)
    from ofdb_core.run import experiment

    with _on(cluster):
        experiment.run(name, names, overrides=overrides, out=out, options=launch)


@command.command("list")
@click.argument("name", required=False, metavar="[EXPERIMENT]", shell_complete=completion.experiment)
@NOTEBOOKS
@click.option("--against", metavar="EXPERIMENT", shell_complete=completion.experiment, help="Show what differs.")
@click.option("--yaml", is_flag=True, help="Print the parameters of one NOTEBOOK as a flat YAML file.")
@OVERRIDES
@PARAMS
def list_(name: str | None, names: tuple[str, ...], against: str | None, yaml: bool, overrides: Overrides) -> None:
    """Show the experiments, or the parameters of one or of some of its notebooks."""
    from ofdb_core.run import listing

    columns = listing.width()
    if overrides and not yaml:
        raise UsageError("list: -p requires --yaml")
    if name and yaml and len(names) == 1:
        print(listing.as_yaml(name, *names, overrides), end="")
    elif name and against and not names:
        print(listing.differences(name, against, columns))
    elif yaml or against:
        raise UsageError("list: give EXPERIMENT NOTEBOOK --yaml, or EXPERIMENT --against ANOTHER")
    else:
        for line in listing.parameters(name, names, columns) if name else [listing.overview(columns)]:
            print(line)


@command.command()
@click.argument("name", metavar="EXPERIMENT", shell_complete=completion.experiment)
@NOTEBOOKS
@OVERRIDES
@PARAMS
def cost(name: str, names: tuple[str, ...], overrides: Overrides) -> None:
    """Measure how long an experiment takes here, and its disk."""
    from ofdb_core.run import experiment

    for line in experiment.price(name, names, overrides=overrides):
        print(line, flush=True)


@command.command()
@click.argument("name", metavar="EXPERIMENT", shell_complete=completion.experiment)
@NOTEBOOKS
@click.option(
    *("-p", "overrides"), nargs=2, multiple=True, metavar="NAME VALUES", shell_complete=completion.parameter,
    help="Values for a parameter, with commas between them; one for all cells, or a cell for each. Repeatable.",
)  # fmt: skip
@click.option("--seeds", type=click.IntRange(1, 1000), help="Seeds of pre-training and fine-tuning for each cell.")
@click.option(
    "--jobs", type=click.IntRange(1, 1000), help="Cells at once (default: one for each GPU, else for each two cores)."
)
@click.option("--out", **PATH, help="Where results go (default: runs/<experiment>/sweeps/<parameters>).")
@PARAMS
@click.option("--cell", metavar="N", help="Only this cell, by its number or its folder's name.")
@click.option("--array", **FILE, help="Write a job array for SLURM or PBS to this file, and run nothing.")
@CLUSTER
def sweep(name: str, names: tuple[str, ...], overrides: Overrides, cluster: str | None, **how: Any) -> None:
    """Run an experiment for values of parameters, and seeds."""
    from ofdb_core.run import sweep

    with _on(cluster):
        sweep.run(name, names, overrides=overrides, **how)


@command.command()
@click.argument("run", metavar="[RUN]", default=project.RUNS / DEFAULT, shell_complete=completion.path)
@click.option("--out", default="site", **PATH, help="Where the pages go (default: site).")
def site(run: str | Path, out: str) -> None:
    """Write a finished run (runs/quickstart) as pages."""
    from ofdb_core.run import site

    print(f"open {site.write(Path(run), Path(out))}")


@command.command()
@click.argument("folder", **PATH)
def init(folder: str) -> None:
    """Make a project of your own: notebooks and parameters."""
    from ofdb_core.run import init

    init.run(folder)


@command.command(context_settings=PASSED_ON, add_help_option=False)
@click.argument("words", nargs=-1, metavar="", shell_complete=completion.path)
def lab(words: tuple[str, ...]) -> NoReturn:
    """Open JupyterLab on the project's notebooks."""
    if not (project.FOLDER / "notebooks").is_dir():
        raise UsageError(f"{project.FOLDER}: has no notebooks; `{PROGRAM} init DIR` makes a project, which has them")
    own = [str(project.SOURCE / "jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]  # the start page, and no news
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, own))
    _become("-m", "jupyterlab", f"--notebook-dir={project.FOLDER}", *words)


@command.command(context_settings=PASSED_ON, add_help_option=False)
@click.argument("words", nargs=-1, metavar="", shell_complete=completion.path)
def test(words: tuple[str, ...]) -> NoReturn:
    """Run the tests, with options of pytest; in a clone."""
    if project.INSTALLED or not (project.SOURCE / "tests").is_dir():
        raise UsageError("test: the tests are in a clone of the project, not in what pip installs")
    os.chdir(project.SOURCE)
    _become("-m", "pytest", *words)


def _become(*words: str) -> NoReturn:
    os.environ.pop(project.VARIABLE, None)  # a terminal of JupyterLab, or a test, may go to another project
    os.execv(sys.executable, [sys.executable, *words])


@command.command("completion")
@click.argument("shell", metavar="SHELL", type=click.Choice(completion.SHELLS))
def completion_(shell: str) -> None:
    """Print the script that lets bash, zsh or fish complete."""
    print(completion.script(shell, command))


@command.command()
def schema() -> None:
    """Print the JSON Schema of experiments' files, for editors."""
    from ofdb_core.run import schema

    print(json.dumps(schema.schema(), indent=1, ensure_ascii=False))


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME ...]", shell_complete=completion.path)
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
def clean(names: tuple[str, ...], yes: bool) -> None:
    """Show what takes space here, or remove what is named."""
    from ofdb_core.run import clean

    if not names:
        print(clean.table())
    elif yes or sys.stdin.isatty():
        clean.remove(names, agreed=lambda question: yes or click.confirm(question))
    else:
        raise UsageError("clean: this is no terminal, so clean cannot ask; give --yes")
