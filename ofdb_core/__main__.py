"""The command line: `ofdb`, or run_all.sh in a clone, which sets the environment up first and then calls this."""

from ofdb_core.base import signals

if __name__ == "__main__":  # from the first moment on: what is imported below takes time
    signals.end_at_once()

import io
import locale
import os
import re
import sys
from typing import NoReturn, TextIO

import click

from ofdb_core.base import files, parameters, project
from ofdb_core.run import commands, completion, experiments, notebook
from ofdb_core.run.commands import PROGRAM

ORDERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # to a terminal, in a text


class Output(io.TextIOWrapper):
    """UTF-8 output that escapes control characters, which file names may hold."""

    def write(self, text: str) -> int:
        super().write(ORDERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text))
        return len(text)


def _plain(stream: TextIO) -> TextIO:
    """The output in place of a stream of this process."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    lines = stream.line_buffering
    return Output(stream.detach(), encoding="utf-8", errors="backslashreplace", line_buffering=lines)


def main(words: list[str]) -> int:
    """Run the command that these words name; return its exit status, or raise."""
    os.environ["PYTHONSAFEPATH"] = "1"  # kernels, launched trainings and workers import nothing from where they start
    if instruction := os.environ.get(completion.VARIABLE):
        return completion.answer(commands.command, PROGRAM, instruction)
    with commands.command.make_context(PROGRAM, [*words]) as context:
        return commands.command.invoke(context) or 0


def ended(words: list[str]) -> int:
    """Run `main` and return the exit status; a mistake or an interrupt becomes a message and a status."""
    try:
        status = main(words)
        sys.stdout.flush()
        return status
    except click.exceptions.Exit as error:  # after --help
        return error.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else PROGRAM
        print(f"{PROGRAM}: nothing was run:\n{error.format_message()} See `{path} --help`.", file=sys.stderr)
        return 2
    except (parameters.ParameterError, experiments.UsageError, files.Unreadable) as error:
        print(f"{PROGRAM}: nothing was run:\n{error}", file=sys.stderr)
        return 2
    except notebook.NotebookError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except signals.Continued as error:
        print(f"\n{error}", file=sys.stderr)
        return signals.TO_BE_CONTINUED
    except (KeyboardInterrupt, click.Abort):
        print("\ninterrupted; the same command continues where it stopped", file=sys.stderr)
        return signals.INTERRUPTED
    except BrokenPipeError:  # as of `| head`, which reads no more; what is written is kept
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return signals.NOBODY_READS


def program() -> NoReturn:
    """Run the command in sys.argv, as `ofdb` and run_all.sh do, and exit with its status."""
    signals.end_at_once()
    if os.environ.get("PYTHONUTF8") != "1":  # for what it starts, and itself where it read its words by another locale
        os.environ["PYTHONUTF8"] = "1"
        if locale.getencoding().lower() not in ("utf-8", "utf8") and not sys.flags.utf8_mode:
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    if sys.stdout is None:
        print(f"{PROGRAM}: nothing was run:\nthe output is closed; send it to {os.devnull} instead", file=sys.stderr)
        sys.exit(2)
    sys.stdout, sys.stderr = _plain(sys.stdout), _plain(sys.stderr)
    os.environ[project.VARIABLE] = str(project.FOLDER)  # of what this starts, wherever that runs
    status = ended(sys.argv[1:])
    signals.ignore()  # it is done, and how it ended is known
    sys.exit(status)


if __name__ == "__main__":
    program()
