"""The job scripts of jobs/, run with batch systems that only write down what they are asked for."""

import re
import shlex
import subprocess

import pytest

from ofdb_core.base import provenance, signals
from ofdb_core.run import launch, parameter_files
from tests.helpers import words as command

pytestmark = pytest.mark.slow

JOBS = provenance.PROJECT / "jobs"
SCRIPTS = sorted(JOBS.glob("*.sh"))
KINDS = ("slurm", "pbs")
WORDS = {
    "pre-training": ["2d-ofdb-1k", "4_pretrain", "-p", "milestones", "[80000, 160000]"],
    "fine-tuning": ["finetune/cifar10", "-p", "checkpoint", "timm:vit_tiny_patch16_224"],
}
STUBS = {
    "run_all.sh": 'for word; do printf "%s\\0" "$word"; done >"$TOLD/run.$RANK"; exit "$STATUS"',
    "scontrol": 'case $1 in show) printf "%s\\n" one two ;; *) echo "$@" >"$TOLD/again" ;; esac',
    "qsub": 'echo "$@" >"$TOLD/again"',
    # what srun and mpirun do, one machine after another: the command, after their own options, with a rank for each
    "srun": """while [ "${1#-}" != "$1" ]; do shift; done
        for ((i = 0; i < SLURM_JOB_NUM_NODES; i++)); do SLURM_NODEID=$i "$@"; done""",
    "mpirun": """machines=$2
        while [ "$1" != bash ]; do shift; done
        for ((i = 0; i < machines; i++)); do OMPI_COMM_WORLD_RANK=$i "$@"; done""",
}


@pytest.fixture
def submit(tmp_path):
    """Run a job as its batch system would, in a project of stubs; `status` is what run_all.sh ends with."""
    (tmp_path / "jobs").mkdir()
    for path in SCRIPTS:
        (tmp_path / "jobs" / path.name).write_text(path.read_text(encoding="utf-8"))
        (tmp_path / "jobs" / path.name).chmod(0o755)
    for name, lines in STUBS.items():
        place = tmp_path / name if name == "run_all.sh" else tmp_path / "bin" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"#!/bin/bash\n{lines}\n")
        place.chmod(0o755)
    (tmp_path / "nodes").write_text("one\ntwo\n")

    def run(kind, words, *, machines=2, gpus=8, status=0, cwd=tmp_path):
        (tmp_path / "nodes").write_text("".join(f"{name}\n" for name in ("one", "two")[:machines]))
        script = (tmp_path / "jobs" / f"{kind}.sh").read_text(encoding="utf-8")
        spooled = tmp_path / "spool"  # batch systems run a copy
        spooled.write_text(re.sub(r"^GPUS=\d+", f"GPUS={gpus}", script, flags=re.MULTILINE))
        environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "TOLD": str(tmp_path), "STATUS": str(status)}
        slurm = {"SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_NUM_NODES": str(machines), "SLURM_JOB_ID": "12345"}
        slurm |= {"SLURM_GPUS_ON_NODE": str(gpus), "SLURM_CPUS_PER_TASK": "64"}
        pbs = {"PBS_O_WORKDIR": str(cwd), "PBS_NODEFILE": str(tmp_path / "nodes"), "PBS_JOBID": "12345.server"}
        pbs["WORDS"] = shlex.join(words)
        given = words if kind == "slurm" else []
        environment |= slurm if kind == "slurm" else pbs
        return subprocess.run(
            ["bash", str(spooled), *given], cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )

    run.told = lambda rank: (tmp_path / f"run.{rank}").read_text().split("\0")[:-1]
    run.again = tmp_path / "again"
    return run


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_bash(path):
    assert subprocess.run(["bash", "-n", str(path)], capture_output=True, check=True).stderr == b""
    assert path.stat().st_mode & 0o111


@pytest.mark.parametrize("machines", [1, 2])
@pytest.mark.parametrize("work", WORDS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_machine_gets_the_words_and_options_that_the_command_takes(submit, kind, work, machines, tmp_path):
    assert submit(kind, WORDS[work], machines=machines).returncode == 0
    ports = set()
    for rank in range(machines):
        options = command.parsed(submit.told(rank))
        assert [options.experiment, *options.names] == [word for word in WORDS[work][:2] if word != "-p"]
        chosen = options.names or parameter_files.notebooks(options.experiment)
        parameter_files.checked(options.experiment, chosen, options.overrides, tmp_path)
        assert options.overrides == [WORDS[work][-2:]]
        how = launch.check(options.options)
        assert (how.num_machines, how.machine_rank, how.num_processes) == (machines, rank, 8 * machines)
        assert (how.multi_gpu, how.main_process_ip) == (True, "one")
        ports.add(how.main_process_port)
    assert len(ports) == 1


def test_words_are_words_and_no_program(submit, tmp_path):
    words = ["quickstart", "-p", "title", 'it\'s $(touch "$TOLD/harmed") `date` ; *']
    assert submit("pbs", words, machines=1).returncode == 0
    assert submit.told(0)[:4] == words
    assert not (tmp_path / "harmed").exists()


def test_a_quote_that_is_not_closed_starts_nothing(submit, tmp_path, monkeypatch):
    monkeypatch.setattr(shlex, "join", "".join)
    told = submit("pbs", ["quickstart -p title 'mine"], machines=1)
    assert told.returncode == 2
    assert "quote" in told.stderr
    assert not (tmp_path / "run.0").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_one_gpu_is_one_process_that_meets_no_other(submit, kind):
    assert submit(kind, WORDS["pre-training"], machines=1, gpus=1).returncode == 0
    how = launch.check(command.parsed(submit.told(0)).options)
    assert (how.num_processes, bool(how.multi_gpu), how.main_process_ip) == (1, False, None)


@pytest.mark.parametrize("status", [0, 1, 2, signals.TO_BE_CONTINUED, signals.INTERRUPTED])
@pytest.mark.parametrize("kind", KINDS)
def test_a_training_that_was_stopped_is_submitted_again_and_no_other(submit, kind, status):
    assert submit(kind, WORDS["pre-training"], status=status).returncode == status
    assert submit.again.exists() == (status == signals.TO_BE_CONTINUED)
    if submit.again.exists():
        assert submit.again.read_text() == {"slurm": "requeue 12345\n", "pbs": "-v WORDS jobs/pbs.sh\n"}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_warning_reaches_the_training(submit, kind, tmp_path):
    """Under PBS by `timeout`; SLURM warns each process itself, so nothing may stand before the training."""
    (tmp_path / "run_all.sh").write_text(
        f"#!/bin/bash\ntrap \"trap '' USR1; exit {signals.TO_BE_CONTINUED}\" USR1\n"
        'touch "$TOLD/ready"\nfor ((i = 0; i < 600; i++)); do read -rt 0.1 <> <(:); done\n'
    )
    if kind == "pbs":
        path = tmp_path / "jobs" / "pbs.sh"
        path.write_text(re.sub(r"SECONDS_TO_RUN=\d+", "SECONDS_TO_RUN=3", path.read_text()))
        launcher, lines = "mpirun", 'while [ "$1" != bash ]; do shift; done\nOMPI_COMM_WORLD_RANK=0 exec "$@"'
    else:
        launcher = "srun"
        lines = """while [ "${1#-}" != "$1" ]; do shift; done
            SLURM_NODEID=0 "$@" & until [ -e "$TOLD/ready" ]; do sleep 0.1; done
            kill -USR1 $!; wait $!"""
    (tmp_path / "bin" / launcher).write_text(f"#!/bin/bash\n{lines}\n")
    told = submit(kind, WORDS["pre-training"])
    assert told.returncode == signals.TO_BE_CONTINUED, told.stderr
    assert submit.again.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing_is_said(submit, kind, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for words, cwd in (([], tmp_path), (WORDS["pre-training"], tmp_path / "elsewhere")):
        told = submit(kind, words, cwd=cwd)
        assert told.returncode == 2
        assert "from the project's folder: " in told.stderr


def directives(kind, mark):
    text = (JOBS / f"{kind}.sh").read_text(encoding="utf-8")
    head = text[: re.search(r"^[^#\n]", text, re.MULTILINE).start()]  # batch systems read no further
    assert text.count(f"\n{mark} ") == head.count(f"\n{mark} ")
    return re.findall(rf"^{mark} (.+)$", head, re.MULTILINE)


def test_slurm_is_asked_for_a_task_on_each_machine_a_warning_and_another_try():
    asked = dict(word.removeprefix("--").partition("=")[::2] for word in directives("slurm", "#SBATCH"))
    assert asked["ntasks-per-node"] == "1"
    assert asked["signal"] == "USR1@120"
    assert {"requeue", "nodes", "gpus-per-node", "cpus-per-task", "time"} <= set(asked)


def test_pbs_is_asked_for_what_the_script_counts_with():
    text, asked = (JOBS / "pbs.sh").read_text(encoding="utf-8"), " ".join(directives("pbs", "#PBS"))
    hours, minutes, seconds = map(int, re.search(r"walltime=(\d+):(\d+):(\d+)", asked).groups())
    assert int(re.search(r"SECONDS_TO_RUN=(\d+)", text)[1]) == 3600 * hours + 60 * minutes + seconds - 300
    assert re.search(r"ngpus=(\d+)", asked)[1] == re.search(r"^GPUS=(\d+)", text, re.MULTILINE)[1]
    assert "mpiprocs=1" in asked


@pytest.mark.parametrize("kind", KINDS)
def test_the_commands_in_its_comment_are_ones_that_would_run(kind, tmp_path):
    text = (JOBS / f"{kind}.sh").read_text(encoding="utf-8")
    given = re.findall(
        r"^#     sbatch (?:--\S+ )*jobs/slurm.sh (.+)$|^#     export WORDS=\"(.+)\";", text, re.MULTILINE
    )
    assert len(given) == 2
    for words in given:
        options = command.parsed(shlex.split("".join(words)))
        assert set(options.names) <= set(parameter_files.notebooks(options.experiment))
