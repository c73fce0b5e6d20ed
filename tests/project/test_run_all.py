"""The shell command around it all: what it passes on, what it answers, and how it ends."""

import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml

from ofdb_core.base import provenance, signals
from ofdb_core.run import commands
from tests.helpers import tiny
from tests.helpers.processes import started, until

pytestmark = pytest.mark.slow

COMMAND = provenance.PROJECT / "run_all.sh"


@pytest.fixture
def ready(tmp_path):
    """Environment in which run_all.sh has nothing to set up: these tests' own Python as an active conda environment."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    return {**os.environ, "CONDA_PREFIX": str(tmp_path), "CONDA_DEFAULT_ENV": "ofdb-lab"}


def call(ready, *words, **how):
    return subprocess.run([COMMAND, *words], env=ready, capture_output=True, text=True, **how)


def in_a_session(ready, *words):
    """The command, started as from a terminal: in a session of its own, which Ctrl-C reaches as a whole."""
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    return started([COMMAND, *words], env=ready, **how)


def test_help_tells_all_words(ready):
    told = call(ready, "--help").stdout
    assert all(word in told for word in ("--out DIR", "-p NAME VALUE", "--launch OPTIONS", "--params DIR", "status"))
    assert all(f"\n  {word} " in told for word in commands.command.commands)


def test_help_needs_no_environment(tmp_path):
    (tmp_path / "docs").mkdir()
    for name in ("run_all.sh", "docs/commands.md", "requirements.txt", "requirements-torch.txt", "pyproject.toml"):
        shutil.copy(COMMAND.parent / name, tmp_path / name)
    alone = {name: value for name, value in os.environ.items() if name != "CONDA_DEFAULT_ENV"}
    told = subprocess.run([tmp_path / "run_all.sh", "--help"], capture_output=True, text=True, check=True, env=alone)
    assert all(f"\n    ./run_all.sh {word}" in told.stdout for word in commands.command.commands)
    assert not (tmp_path / ".venv").exists()


def test_it_works_from_any_folder_and_passes_words_on(ready, tmp_path):
    told = call(ready, "list", cwd=tmp_path)
    assert told.returncode == 0
    assert "\nquickstart " in told.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["quickstrt"], "no such experiment (did you mean quickstart?)"),
        (["-p", "categoris", "3"], "unknown parameter"),
        (
            ["quickstart", "2_render_2d", "-p", "draw", "dots"],
            "draw: 'dots' is not allowed; allowed is one of patch_gray",
        ),
        (
            ["quickstart", "5_finetune", "--out", "/tmp/nothing/here"],
            "pretrain is missing or unfinished; run 4_pretrain first",
        ),
        (["quickstart", "-p", "seed"], "Option '-p' requires 2 arguments. See `run_all.sh --help`."),
        (["quickstart", "--out"], "Option '--out' requires an argument."),
        (
            ["quickstart", "--oot", "here"],
            "No such option '--oot'. Did you mean '--out'? See `run_all.sh quickstart --help`.",
        ),
        (["verify"], "Missing argument 'DIR'. See `run_all.sh verify --help`."),
        (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'."),
        (["schema", "further"], "Got unexpected extra argument (further)"),
        (["cost", "quickstart", "2_rendr_2d"], "no notebook of quickstart (did you mean 2_render_2d?)"),
        (["6_report", "--out", "/dev/null/here"], "no such experiment"),
        (["quickstart", "6_report", "--out", "/dev/null/here"], "nothing can be written here (Not a directory)"),
    ],
)
def test_mistakes_end_with_status_2_and_say_what_to_do(ready, words, message):
    told = call(ready, *words)
    assert told.returncode == 2
    assert message in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("delay", [None, 0, 0.03, 0.1, 0.3, 1.0])
def test_a_batch_systems_signal_ends_a_run_that_starts_with_75(ready, tmp_path, number, delay):
    """The signal waits for Python (delay: None), or comes so many seconds later, when Python may have ended."""
    python, begun, sent = tmp_path / "bin" / "python", tmp_path / "begun", tmp_path / "sent"
    held = "" if delay is not None else f"read word <{sent}\n"  # in the shell itself: dash lets signals in as it forks
    os.mkfifo(sent)
    python.write_text(f"#!/bin/sh\n: >{begun}\n{held}" + python.read_text().partition("\n")[2])
    with started([COMMAND, "list", "quickstart"], env=ready, stdout=subprocess.DEVNULL) as process:
        until(begun.exists, process)
        time.sleep(delay or 0)
        process.send_signal(number)
        if held:
            sent.write_text("word\n")
    assert process.returncode == signals.TO_BE_CONTINUED or (delay is not None and process.returncode == 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_ends_the_setting_up_too(tmp_path, number):
    for name in ("run_all.sh", "requirements.txt", "requirements-torch.txt", "pyproject.toml"):
        (tmp_path / name).write_text(COMMAND.read_text() if name == "run_all.sh" else "")
    (tmp_path / "run_all.sh").chmod(0o755)
    (tmp_path / "bin").mkdir()
    begun, python = tmp_path / "begun", tmp_path / "bin" / "python3"
    python.write_text(f'#!/bin/sh\n[ "$2" = venv ] || exit 0\ntouch {begun}\nexec sleep 60\n')
    python.chmod(0o755)
    alone = {name: value for name, value in os.environ.items() if name != "CONDA_DEFAULT_ENV"}
    alone["PATH"] = f"{python.parent}:{alone['PATH']}"
    with started([tmp_path / "run_all.sh", "list"], env=alone) as process:
        until(begun.exists, process)
        process.send_signal(number)
    assert process.returncode == (130 if number == signal.SIGINT else signals.TO_BE_CONTINUED)


def test_any_locale_will_do(ready, tmp_path):
    """Python reads and writes ASCII here, unless it is told otherwise."""
    ascii_only = {**ready, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    out = tmp_path / "Übung $x$"
    words = ["2d-ofdb-1k", "1_search_categories", "-p", "categories", "2", "--out", str(out)]
    told = subprocess.run([COMMAND, *words], env=ascii_only, capture_output=True, encoding="utf-8")
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"results are in {out}" in told.stdout
    read = "from ofdb_core.base import provenance; print(provenance.code_version('1_search_categories'))"
    subprocess.run([sys.executable, "-c", read], env=ascii_only, check=True)


@pytest.mark.parametrize("words", [["list"], ["list", "quickstart"], ["verify", "."]])
def test_a_reader_that_ends_early_is_no_error(ready, tmp_path, words):
    (tmp_path / "set").mkdir()
    (tmp_path / "set.manifest.json").write_text('{"files": {}, "parameters": {}, "code": ""}')
    with subprocess.Popen(
        [COMMAND, *words], env=ready, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, text=True
    ) as process:
        process.stdout.close()
        told = process.stderr.read()
    assert process.returncode == 141
    assert told == ""


def test_ctrl_c_ends_at_once_and_the_same_command_goes_on(ready, tmp_path):
    words = ["2d-ofdb-1k", "1_search_categories", "--out", str(tmp_path / "out"), "-p", "categories", "150"]
    with in_a_session(ready, *words) as process:
        until(lambda: len(list(tmp_path.glob("out/categories/*.csv"))) >= 5, process, seconds=300)
        os.killpg(process.pid, signal.SIGINT)
        told = process.communicate(timeout=300)[0]
    assert process.returncode == 130
    assert "the same command continues where it stopped" in told
    assert "Traceback" not in told
    again = call(ready, *words)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "holds: the first 100 files are the published ones" in again.stdout


PROGRAM = """import pathlib, sys, time
print("runs", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
print("ends", flush=True)
"""
PYPROJECT = """[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "program"
version = "1"
[tool.setuptools]
packages = ["ofdb_core"]
"""


def bare_path(place):
    """A PATH of Python and what every system has: macOS has no flock, no sha256sum and no `env --block-signal`."""
    place.mkdir()
    for name in ("bash", "cat", "cksum", "dirname"):
        (place / name).symlink_to(shutil.which(name))
    for name, text in (("python3", f'exec {sys._base_executable} "$@"'), ("env", '[ "$1" = bash ] && exec "$@"')):
        (place / name).write_text(f"#!/bin/sh\n{text}\n")
        (place / name).chmod(0o755)
    return str(place)


def test_an_environment_is_kept_while_the_pins_are_and_never_renewed_under_a_run(tmp_path):
    names = "run_all.sh", "requirements.txt", "requirements-torch.txt", "pyproject.toml"
    program, pins, torch, project = (tmp_path / name for name in names)
    package, main = (tmp_path / "ofdb_core" / name for name in ("__init__.py", "__main__.py"))
    package.parent.mkdir()
    texts = {pins: "", torch: "", project: PYPROJECT, package: "", main: PROGRAM, program: COMMAND.read_text()}
    for path, text in texts.items():
        path.write_text(text)
    program.chmod(0o755)
    alone = {name: value for name, value in os.environ.items() if name not in ("CONDA_DEFAULT_ENV", "PYTHONPATH")}
    setuptools = importlib.metadata.distribution("setuptools").locate_file("")  # which the pins would install
    alone |= {"PYTHONPATH": f"{tmp_path}{os.pathsep}{setuptools}", "PATH": bare_path(tmp_path / "bin")}
    how = {"env": alone, "text": True, "stdout": subprocess.PIPE, "cwd": tmp_path}

    def lines(*words):
        return subprocess.run([program, *words], check=True, **how).stdout.splitlines()

    *told, runs, ends = lines("--cpu", "/")
    assert (runs, ends) == ("runs", "ends")
    assert told[0].startswith("setting up .venv, once: downloads 0.4 GB of packages, then torch")
    assert lines("/") == ["runs", "ends"]
    (tmp_path / "link").symlink_to(tmp_path)  # the same project by another path
    linked = subprocess.run([tmp_path / "link" / program.name, "/"], check=True, **how)
    assert linked.stdout.splitlines() == ["runs", "ends"]
    known, end = (tmp_path / ".venv" / "pins").read_text(), tmp_path / "end"
    with started([program, end], **how) as running:
        assert running.stdout.readline() == "runs\n"
        pins.write_text("# changed\n")
        with started([program, "/"], **how) as waiting:
            assert waiting.stdout.readline() == "waiting for another run to leave .venv ...\n"
            time.sleep(0.5)  # time to renew it, if nothing held it back
            assert (tmp_path / ".venv" / "pins").read_text() == known
            assert running.poll() is None
            end.touch()
            assert waiting.stdout.readline().startswith("setting up .venv")
            assert running.wait(300) == 0
            assert waiting.stdout.read().endswith("runs\nends\n")
        assert waiting.returncode == 0


def test_a_training_that_is_asked_to_stop_is_saved_and_goes_on(ready, tmp_path):
    values = {**tiny.PRETRAIN, "data": tiny.folder_of_shades(tmp_path / "data"), "steps": 600, "log_every": 50}
    overrides = [word for name, value in values.items() for word in ("-p", name, yaml.safe_dump(value).strip(" .\n"))]
    words = ["2d-ofdb-1k", "4_pretrain", "--out", str(tmp_path / "out"), *overrides]
    with in_a_session(ready, *words) as process:
        told = ""
        while "peak learning rate" not in told:
            told += (line := process.stdout.readline())
            assert line, told
        process.send_signal(signal.SIGTERM)
        told += process.communicate(timeout=400)[0]
    assert process.returncode == signals.TO_BE_CONTINUED, told
    assert "4_pretrain: to be continued: stopped at step" in told
    assert "Traceback" not in told
    again = call(ready, *words)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "pre-training: goes on from step" in again.stdout


HOSTILE = """import pathlib
pathlib.Path({mark!r}).mkdir(exist_ok=True)
(pathlib.Path({mark!r}) / __name__).touch()
raise SystemExit("a module of the current folder ran: " + __name__)
"""


def test_no_module_of_the_current_folder_or_of_the_results_is_imported(ready, tmp_path):
    """Neither by run_all.sh nor by what it starts: a kernel, `accelerate launch`, its processes, their workers."""
    here, out, mark = (tmp_path / name for name in ("here", "out", "mark"))
    installed = importlib.metadata.packages_distributions()
    for place in (here, out):
        place.mkdir()
        for name in {*sys.stdlib_module_names, *installed, "ofdb_core", "sitecustomize", "usercustomize"}:
            (place / f"{name}.py").write_text(HOSTILE.format(mark=str(mark)))
    values = {**tiny.PRETRAIN, "data": tiny.folder_of_shades(tmp_path / "data"), "loader_workers": 1}
    overrides = [word for name, value in values.items() for word in ("-p", name, yaml.safe_dump(value).strip(" .\n"))]
    told = call(ready, "list", cwd=here)
    assert (told.returncode, list(tmp_path.glob("mark/*"))) == (0, []), told.stdout + told.stderr
    two = ["--launch", "--multi_gpu --num_processes 2", *overrides]
    told = call({**ready, "OMP_NUM_THREADS": "1"}, "2d-ofdb-1k", "4_pretrain", "--out", str(out), *two, cwd=here)
    assert list(tmp_path.glob("mark/*")) == []
    assert told.returncode == 0, told.stdout + told.stderr
    assert "made before and unchanged, kept" in told.stdout  # launched, and then shown by the notebook
