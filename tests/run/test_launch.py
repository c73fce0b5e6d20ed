"""Training in processes of its own: one or two, killed, stopped, failing, and what comes out of it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading

import psutil
import pytest
import safetensors.torch

from ofdb_core import __main__ as command
from ofdb_core.base import parameters, provenance, record, signals
from ofdb_core.base.folder import Folder
from ofdb_core.data import tables
from ofdb_core.run import launch, notebook
from tests.helpers import tiny
from tests.helpers.in_process import in_process  # noqa: F401
from tests.helpers.processes import started, until

pytestmark = pytest.mark.slow

SOURCE = provenance.NOTEBOOKS / "4_pretrain.ipynb"
TWO = "--multi_gpu --num_processes 2"
RULES = {"steps": 40, "batch_size": 8, "save_steps": 6, "log_every": 5, "keep": 3, "learning_rate": 1e-3}
RULES |= {"drop_path": 0.2, "model_options": {**tiny.VIT, "depth": 3}, "ema": 0.9, "clip_gradient": 1.0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of eight categories of one image."""
    return tiny.folder_of_shades(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The folder of the uninterrupted training in one process, as a function of the number of processes."""
    made = {}

    def train(processes):
        if processes not in made:
            out = tmp_path_factory.mktemp(f"whole{processes}")
            finish(script_of(data, out), processes)
            made[processes] = out / "pretrain"
        return made[processes]

    return train


def script_of(data, out, **values):
    script = out / "4_pretrain.py"
    launch.export(SOURCE, tiny.pretrain(**{**RULES, **values}, data=data, out=str(out)).values(), script)
    return script


SLOW = """
import time
from ofdb_core.batches import source
quick = source.Batches.raw_batch
source.Batches.raw_batch = lambda *given: (time.sleep(0.05), quick(*given))[1]
"""


def slowed(script):
    """A copy of a script whose training leaves time to stop it, however busy the machine is; its bytes are equal."""
    copy = script.with_name("slow.py")
    copy.write_text(script.read_text().replace(launch.FIRST, launch.FIRST + SLOW))
    return copy


def words(script, processes):
    how = ["-m", "ofdb_core.run.launch", *launch.QUIET, *TWO.split()] if processes == 2 else []
    return [sys.executable, *how, str(script)]


def start(script, processes, **how):
    """A training in a session of its own, as run_all.sh starts it."""
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    how |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return started(words(script, processes), env=environment, **how)


def finish(script, processes):
    with start(script, processes) as process:
        told, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return told


def wait_for_a_state(process, out):
    until(lambda: list(out.glob("checkpoints/pretrain/*.pt")), process)


def same_but_for_rounding(one, other, weights, loss):
    a, b = (safetensors.torch.load_file(root / "model.safetensors") for root in (one, other))
    assert max(float((a[name] - b[name]).abs().max()) for name in a) < weights
    rows, others = (tables.read(root / "log.csv") for root in (one, other))
    assert [row["step"] for row in rows] == [row["step"] for row in others]
    assert max(abs(x["loss"] - y["loss"]) for x, y in zip(rows, others, strict=True)) < loss


def test_two_processes_train_as_one_does_to_rounding(whole):
    assert [Folder(whole(n)).manifest()["notes"]["processes"] for n in (1, 2)] == [1, 2]
    same_but_for_rounding(whole(1), whole(2), weights=1e-4, loss=1e-5)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_training_that_was_killed_ends_with_the_same_bytes(data, whole, tmp_path, processes):
    script = script_of(data, tmp_path)
    with start(slowed(script), processes) as process:
        wait_for_a_state(process, tmp_path)
        process.kill()
        process.communicate(timeout=300)  # the processes that it started, which share its output, die with it
    before = list(tmp_path.glob("checkpoints/pretrain/*.pt"))
    assert before
    told = finish(script, processes)
    assert "goes on from step" in told
    assert Folder(tmp_path / "pretrain").digest() == Folder(whole(processes)).digest()
    assert not (tmp_path / "checkpoints" / "pretrain").exists()


@pytest.mark.parametrize(
    ("processes", "number"), [(1, signal.SIGTERM), (1, signal.SIGINT), (1, signal.SIGUSR1), (2, signal.SIGTERM)]
)
def test_a_training_that_is_asked_to_stop_saves_and_says_so(data, whole, tmp_path, processes, number):
    script = script_of(data, tmp_path)
    with start(slowed(script), processes) as process:
        wait_for_a_state(process, tmp_path)  # so all processes are at work
        process.send_signal(number)
        error = process.communicate(timeout=300)[1]
    assert process.returncode == signals.TO_BE_CONTINUED, error
    (step,) = re.findall(r"to be continued: stopped at step (\d+)", error)[:1]
    assert "Traceback" not in error
    assert max(path.name for path in tmp_path.glob("checkpoints/pretrain/*.pt")).startswith(f"{int(step):09d}")
    finish(script, processes)
    assert Folder(tmp_path / "pretrain").digest() == Folder(whole(processes)).digest()


def test_two_processes_fine_tune_a_head_and_evaluate_as_one_does(tmp_path, data):
    how = {"checkpoint": None, "shots": [0], "repeats": 1, "steps": 6, "batch_size": 8, "evaluate_every": 3}
    how |= {"head_only": True, "baselines": True, "ema": 0.5, "drop_path": 0.2}
    found = []
    for processes in (1, 2):
        out = tmp_path / str(processes)
        tiny.trained(tiny.pretrain(data=data, out=str(out)))
        settings = tiny.finetune(**how, out=str(out))
        script = out / "5_finetune.py"
        launch.export(provenance.NOTEBOOKS / "5_finetune.ipynb", settings.values(), script)
        finish(script, processes)
        found.append([tables.read(out / "finetune" / f"{name}.csv") for name in ("results", "baselines")])
    for ones, others in zip(*found, strict=True):
        for one, other in zip(ones, others, strict=True):
            for name in one.keys() & {"accuracy", "best_accuracy"}:
                assert one[name] == pytest.approx(other[name], abs=0.01)


def test_a_process_that_fails_ends_the_run_with_its_own_error(data, tmp_path, capfd):
    script = script_of(data, tmp_path)
    script.write_text(
        script.read_text() + "\nif int(__import__('os').environ['RANK']):\n    raise RuntimeError('mine')\n"
    )
    with pytest.raises(notebook.NotebookError, match=r"a process of .*4_pretrain.py failed"):
        launch.run(script, TWO)
    error = capfd.readouterr().err
    assert "process 1 of 2 failed" in error
    assert "RuntimeError: mine" in error


def test_a_process_stops_where_accelerate_started_fewer_than_asked_for(monkeypatch):
    monkeypatch.setattr(signals, "die_with_parent", lambda: None)
    monkeypatch.setenv(launch.ASKED, "2")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(SystemExit, match="asks for 2 processes, and accelerate started 1"):
        launch.begin()


def test_options_that_only_accelerate_understands_it_refuses_in_its_own_words(data, tmp_path, capfd):
    options, message = "--multi_gpu --num_processes 2 --tee x", "x does not match"
    launch.check(options)
    with pytest.raises(notebook.NotebookError, match=r"4_pretrain.py failed \(status 1\); its own error is above"):
        launch.run(script_of(data, tmp_path), options)
    error = capfd.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "pretrain").exists()


@pytest.mark.usefixtures("in_process")
def test_a_notebook_shows_what_two_processes_trained(data, whole, params, capfd):
    out = params(**{"4_pretrain": {**tiny.PRETRAIN, **RULES, "data": data}})
    command.main(["tiny", "--out", str(out), "--launch", TWO])
    told = capfd.readouterr().out
    assert "accelerate launch --multi_gpu --num_processes 2" in told
    assert "pretrain: made before and unchanged, kept" in told
    assert record.read(out)["4_pretrain"]["checks"]
    same_but_for_rounding(out / "pretrain", whole(1), weights=1e-4, loss=1e-5)


def test_only_the_first_machine_runs_notebooks():
    assert launch.check("--num_machines 2 --machine_rank 1").machine_rank == 1
    assert launch.check("--num-machines=4 --machine-rank=3").machine_rank == 3
    assert not launch.check("--multi_gpu").machine_rank


@pytest.mark.usefixtures("in_process")
def test_another_machine_trains_what_the_first_one_trains(data, params, monkeypatch):
    out, ran = params(**{"4_pretrain": {**tiny.PRETRAIN, "data": data}}), []
    monkeypatch.setattr(launch, "run", lambda script, options: ran.append(script.name))
    away = ["tiny", "--out", str(out), "--launch", "--num_machines 2 --machine_rank 1 --num_processes 4"]
    command.main(away)
    assert ran == ["4_pretrain.py"]
    assert not record.read(out)
    command.main(["tiny", "--out", str(out)])
    command.main(away)
    assert ran == ["4_pretrain.py"]


def test_a_batch_that_so_many_processes_cannot_share_is_refused_before_anything_runs(data, params):
    out = params(**{"4_pretrain": {**tiny.PRETRAIN, "data": data}})
    with pytest.raises(parameters.ParameterError, match=r"4_pretrain: batch_size: 4 cannot be cut .* for 3 processes"):
        command.main(["tiny", "--out", str(out), "--launch", "--multi_gpu --num_processes 3"])
    assert not out.exists()


@pytest.mark.parametrize(("gpus", "used"), [(0, None), (1, None), (2, 2), (3, 2), (7, 4), (8, 8)])
def test_as_many_gpus_are_used_as_can_share_the_batches(monkeypatch, gpus, used):
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    found = launch.automatic([tiny.pretrain(batch_size=32), tiny.finetune(batch_size=48)])
    assert found == (used and f"--multi_gpu --num_processes {used} --main_process_port 0")


def test_a_notebook_that_a_batch_system_stops_saves_its_training_and_goes_on_with_it(data, params, capfd):
    """It tells every process, so the kernel hears of it twice."""
    out = params(**{"4_pretrain": {**tiny.PRETRAIN, **RULES, "data": data}})
    long = ["-p", "steps", "100000", "-p", "save_steps", "0"]

    def stop():
        told = []
        until(lambda: told.append(capfd.readouterr().out) or "peak learning rate" in "".join(told))
        for process in (*psutil.Process().children(recursive=True), psutil.Process()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    with pytest.raises(signals.Continued, match=r"to be continued: stopped at step .* saved in"):
        command.main(["tiny", "--out", str(out), *long])
    thread.join(300)
    (state,) = out.glob("checkpoints/pretrain/*.pt")
    step = int(state.name[:9])
    command.main(["tiny", "--out", str(out), "-p", "steps", str(step + 2), "-p", "changed", "continue"])
    assert f"goes on from step {step} of {step + 2}" in capfd.readouterr().out


def test_changed_parameters_are_refused_and_told(data, tmp_path):
    settings = tiny.pretrain(**RULES, data=data, out=str(tmp_path))
    script = script_of(data, tmp_path)
    with start(slowed(script), 1) as process:
        wait_for_a_state(process, tmp_path)
        process.kill()
    other = {**settings.values(), "weight_decay": 0.5}
    with pytest.raises(ValueError, match=r"weight_decay 0.05 -> 0.5.*changed continue"):
        tiny.trained(type(settings).of(other))
