"""Cells in processes of their own: at once, failing, stopped, killed, and as tasks of a job array."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
import torch
from test_sweep import CHAIN, grid

from ofdb_core import __main__ as command
from ofdb_core.base import cluster, signals
from ofdb_core.data import tables
from ofdb_core.run import experiments, notebook, sweep
from tests.helpers import processes, tiny

CELL = "import os, pathlib, signal, sys, time\nname = sys.argv[-1]\nroot = pathlib.Path(os.environ['ROOT'])\n"


@pytest.fixture
def program(params, monkeypatch, tmp_path):
    """A function that takes the program of a cell, and returns the cells 0 to 3."""
    monkeypatch.setenv("ROOT", str(tmp_path))

    def of(code):
        monkeypatch.setattr(sweep, "PROCESS", CELL + code)
        return grid(seeds=4, out=params(**CHAIN))

    return of


def test_a_failed_cell_is_named_with_its_reason_and_the_others_are_finished(program, capsys):
    cells = program("print('at work'); sys.exit('it broke' if name == 'tiny_seed=1' else 0)")
    assert sweep.make_all(cells, ["sweep"], 1) == {"tiny_seed=1": "it broke"}
    assert capsys.readouterr().out.count(": done") == 3
    assert (cells[1].out / sweep.LOG).read_text() == "at work\n"


def test_a_cluster_makes_the_cells_and_names_those_that_fail(program, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "pieces", lambda make, named: ((name, make(*arguments)) for name, arguments in named))
    cells = program("print('at work'); sys.exit('it broke' if name == 'tiny_seed=1' else 0)")
    assert sweep.make_on_cluster(cells, ["sweep"]) == {"tiny_seed=1": "it broke"}
    assert capsys.readouterr().out.count(": done") == 3
    assert (cells[1].out / sweep.LOG).read_text() == "at work\n"


def test_cells_are_made_at_once_and_share_cores_and_gpus(program, monkeypatch, tmp_path):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(sweep.os, "cpu_count", lambda: 8)
    share = "os.environ['OMP_NUM_THREADS'] + ' ' + os.environ['CUDA_VISIBLE_DEVICES']"
    wait = f"(root / name).write_text({share})\nend = time.time() + 300\n"
    wait += "while len(list(root.glob('tiny_seed*'))) < 4 and time.time() < end: time.sleep(0.01)\n"
    assert sweep.make_all(program(f"{wait}sys.exit(time.time() >= end)"), ["sweep"], 4) == {}
    assert sorted(path.read_text() for path in tmp_path.glob("tiny_seed*")) == ["2 5", "2 5", "2 7", "2 7"]


@pytest.mark.parametrize(
    ("gpus", "cores", "words", "jobs"),
    [
        (0, 2, [], 1),
        (0, 1, [], 1),
        (0, 8, [], 4),
        (0, 64, [], 5),
        (1, 64, [], 1),
        (4, 2, [], 4),
        (4, 64, ["--jobs", "2"], 2),
    ],
)
def test_as_many_cells_run_at_once_as_suit_the_machine(params, monkeypatch, capsys, gpus, cores, words, jobs):
    out, asked = params(**CHAIN), list[int]()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(sweep.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(sweep.experiment, "check_possible", lambda *_: None)
    monkeypatch.setattr(
        sweep, "make_all", lambda waiting, _, at_once: asked.append(at_once) or {one.name: "no" for one in waiting}
    )
    with pytest.raises(notebook.NotebookError):
        command.main(["sweep", "tiny", "--seeds", "5", "--out", str(out), *words])
    assert asked == [jobs]
    assert f"5 cells, 0 of them done before; {jobs} at once\n" in capsys.readouterr().out


def test_a_sweep_that_is_stopped_stops_its_cells_and_starts_no_more(program, tmp_path):
    code = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n(root / name).touch()\nsignal.pause()"
    cells = program(code)

    def stop():
        processes.until(lambda: list(tmp_path.glob("tiny_seed*")))
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    with pytest.raises(signals.Continued, match="the same command goes on"):
        sweep.make_all(cells, ["sweep"], 1)
    assert len(list(tmp_path.glob("tiny_seed*"))) == 1


def test_a_job_array_runs_a_cell_for_each_task_and_passes_signals_on(params, monkeypatch, tmp_path, capsys):
    out, script = params(**CHAIN), tmp_path / "array.sh"
    program = tmp_path / "o'clock python"
    waits = 'trap "echo warned; exit 75" USR1\necho "$OFDB_PARAMS:$@"\nsleep 300 >/dev/null 2>&1 & wait'
    program.write_text(f"#!/bin/sh\n{waits}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sweep.sys, "executable", str(program))
    monkeypatch.setenv("OFDB_PARAMS", "my params")
    monkeypatch.setattr(sweep.experiments, "roots", lambda: [tmp_path / "params"])
    command.main(
        ["sweep", "tiny", "-p", "4_pretrain.mean", "[0, 0, 0],[1, 1, 1]", "--out", str(out), "--array", str(script)]
    )
    assert "2 cells" in capsys.readouterr().out
    assert not out.exists()
    text = script.read_text()
    assert "@" not in text.replace("USR1@120", "")
    assert "#SBATCH --array=0-1\n" in text
    assert "#PBS -J 0-1\n" in text
    # The cell has ended before the shell comes back from the trap, as it may on a busy machine.
    monkeypatch.setenv("BASH_FUNC_kill%%", '() { builtin kill "$@"; set -- $?; sleep 0.5; return $1; }')
    with processes.started(["bash", script, "1"], stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline()
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.read() == "warned\n"
        assert process.wait(300) == 75
    words = f"-P -m ofdb_core sweep tiny -p 4_pretrain.mean [0, 0, 0],[1, 1, 1] --out {out} --cell 1\n"
    assert said == f"my params:{words}"


SMALL = {"3_render_1p-frac": tiny.SMALL["3_render_1p-frac"], "4_pretrain": {**tiny.PRETRAIN, "data": "1p-frac"}}


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_where_it_was(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(experiments.PARAMS_VARIABLE, "")  # to be as it was after the test
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "tiny.yaml").write_text(
        "".join(f"{name}: {json.dumps(own)}\n" for name, own in SMALL.items())
    )
    out, axis = tmp_path / "out", ("4_pretrain.learning_rate", "0.001,0.1")
    words = ["sweep", "tiny", "--params", str(tmp_path / "params"), "--out", str(out), "-p", *axis]
    with processes.started([sys.executable, "-m", "ofdb_core", *words], stdout=subprocess.PIPE, text=True) as process:
        assert any(line.endswith(": done\n") for line in process.stdout)  # until the first is
        process.kill()
    began = {path: path.stat().st_mtime_ns for path in out.glob("stages/*/record.json")}
    command.main(words)
    assert "2 cells, 1 of them done before" in capsys.readouterr().out
    assert [row[axis[0]] for row in tables.read(out / "sweep.csv")] == [0.001, 0.1]
    made = {path: path.stat().st_mtime_ns for path in out.glob("stages/*/record.json")}
    assert sorted(path.parent.name.partition("-")[0] for path in made) == ["3_render_1p", *["4_pretrain"] * 2]
    assert len(began) >= 2
    assert began.items() <= made.items()  # nothing is made twice
    command.main(words)
    assert "2 cells, 2 of them done before" in capsys.readouterr().out
