import contextlib
import functools
import hashlib
import importlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest

from ofdb_core import __main__ as command
from ofdb_core.base import cluster, filling, threads
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import header
from ofdb_core.run.experiments import UsageError
from tests.helpers import clients


def made(i, seconds=0.0):
    time.sleep(seconds)
    return hashlib.sha256(str(i).encode()).digest() * i


def files_of(root, makers, workers=0):
    return Folder(root).fill(header({}, made), makers, total=len(makers), workers=workers)["files"]


@pytest.mark.parametrize("asked", ["local", "local:0", "local:x", "host", "slurm:3"])
def test_what_is_no_cluster_is_refused(asked):
    with pytest.raises(ValueError, match=f"--cluster {asked}: is no cluster; allowed is"):
        cluster.check(asked)


def test_a_cluster_without_its_package_is_refused_before_anything_runs(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dask_jobqueue", None)
    with pytest.raises(UsageError, match=r"--cluster slurm needs dask_jobqueue: pip install"):
        command.main(["quickstart", "--cluster", "slurm"])


def test_what_is_shared_on_the_way_to_a_worker_is_made_there_once():
    once = threads.Once(functools.partial(made, 3))
    assert once() == made(3)
    one, other = pickle.loads(pickle.dumps((once, once)))
    assert one is other
    assert one() == made(3)


def test_workers_leave_ctrl_c_to_the_process_that_starts_them(monkeypatch):
    asked = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    told, before = list[bytes](), signal.getsignal(signal.SIGINT)

    class Local(contextlib.nullcontext):
        """A cluster that asks a process what it does at Ctrl-C, where dask's starts its workers."""

        scheduler_address = dashboard_link = "nowhere"

        def __init__(self, **_):
            super().__init__(self)
            told.append(subprocess.check_output([sys.executable, "-c", asked]))

    config = types.SimpleNamespace(set=contextlib.nullcontext)
    monkeypatch.setitem(sys.modules, "dask", types.SimpleNamespace(config=config))
    monkeypatch.setitem(sys.modules, "distributed", types.SimpleNamespace(LocalCluster=Local))
    with cluster.started("local:1"):
        assert told == [b"True\n"]
        assert signal.getsignal(signal.SIGINT) is before


def test_a_worker_moves_a_file_that_was_made_elsewhere(tmp_path):
    (tmp_path / "part").write_bytes(b"x")
    hashes = filling.written(tmp_path / "there", {"a/x.bin": lambda: tmp_path / "part"}, ours=[])
    assert hashes == {"a/x.bin": hashlib.sha256(b"x").hexdigest()}
    assert (tmp_path / "there" / "a" / "x.bin").read_bytes() == b"x"
    assert not (tmp_path / "part").exists()


@pytest.mark.slow
def test_workers_that_die_pause_and_join_late_make_the_bytes_of_one_machine(tmp_path, monkeypatch):
    """Three processes: one killed, one stopped for good, and a fourth that joins; then a folder with all files done."""
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL", "20s")
    importlib.import_module("dask").config.refresh()
    monkeypatch.setattr(filling, "PIECE", 3)
    makers = [(f"{i:03d}/x.bin", functools.partial(made, i, 0.1)) for i in range(90)]
    expected = files_of(tmp_path / "here", makers)
    dask = clients.client("distributed")
    with dask.LocalCluster(3, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as found:
        monkeypatch.setenv(cluster.VARIABLE, found.scheduler_address)
        pids = [worker.process.pid for worker in found.workers.values()]

        def harm():
            while len(list((tmp_path / "there").rglob("*.bin"))) < 10:
                time.sleep(0.05)
            os.kill(pids[0], signal.SIGKILL)
            os.kill(pids[1], signal.SIGSTOP)
            found.scale(4)

        threading.Thread(target=harm, daemon=True).start()
        try:
            assert files_of(tmp_path / "there", makers) == expected
        finally:
            with contextlib.suppress(ProcessLookupError):  # it was given up and replaced
                os.kill(pids[1], signal.SIGKILL)
    assert Folder(tmp_path / "there").verify() == []


def failing(i):
    with Path(os.environ["TRIES"]).open("a") as tries:
        tries.write(f"{i}\n")
    raise ValueError(f"number {i} cannot be made")


@pytest.mark.slow
def test_a_piece_that_fails_three_times_is_named_and_the_rest_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIES", str(tmp_path / "tries"))
    monkeypatch.setattr(filling, "PIECE", 1)
    clients.client("distributed")
    makers = {f"{i}/x.bin": functools.partial(failing if i == 5 else made, i) for i in range(8)}
    with cluster.started("local:2"):
        with pytest.raises(cluster.PieceError, match=r"(?s)1 pieces failed 3 times.*5/x\.bin.*number 5 cannot be made"):
            files_of(tmp_path / "there", [*makers.items()])
        assert len(list((tmp_path / "there").rglob("*.bin"))) == 7
        makers["5/x.bin"] = functools.partial(made, 5)  # the same command goes on
        assert files_of(tmp_path / "there", [*makers.items()]) == files_of(tmp_path / "here", [*makers.items()], 1)
    assert (tmp_path / "tries").read_text() == "5\n" * 3
