"""Many independent pieces of work, on the processes and machines of a Dask cluster.

`--cluster` names it: local:4 (processes on this machine), the address of a scheduler (tcp://host:8786), or slurm, pbs
or lsf, for which dask-jobqueue asks by its own configuration. The scheduler starts a piece anew when its worker dies.
What a piece makes depends on its arguments alone: the number of workers, their order and their deaths change nothing.
"""

import contextlib
import itertools
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any

VARIABLE = "OFDB_CLUSTER"  # the address of the scheduler, for the notebooks of a run
QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster"}  # name -> dask-jobqueue's class
TRIES = 3  # of a piece whose function raises an error
# Dask has workers give memory back to the system at once, which makes the arrays of an image 1.4 times as slow.
ALLOCATOR = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}
AHEAD = 4  # pieces for each worker that wait at the scheduler: it holds no list of millions


class PieceError(RuntimeError):
    """Pieces that failed `TRIES` times; the message names them. All others are done."""


def check(asked: str) -> None:
    """Raise a ValueError if the text names no cluster, or the package for it is missing."""
    name, _, count = asked.partition(":")
    fits = (name == "local" and count.isdecimal() and int(count) > 0) or asked in QUEUES or "://" in asked
    if not fits:
        known = "local:N, an address such as tcp://host:8786, slurm, pbs or lsf"
        raise ValueError(f"--cluster {asked}: is no cluster; allowed is {known}")
    package = "dask_jobqueue" if asked in QUEUES else "distributed"
    try:
        __import__(package)
    except ImportError as error:
        raise ValueError(f"--cluster {asked} needs {package}: pip install 'ofdb-lab[cluster]'") from error


@contextlib.contextmanager
def started(asked: str) -> Iterator[None]:
    """A cluster for the `pieces` of this process and of the processes that it starts; it ends with the block."""
    check(asked)
    import dask
    from distributed import LocalCluster

    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(ALLOCATOR))
        if asked.startswith("local:"):
            count = int(asked.partition(":")[2])
            how = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}
            with _deaf():
                local = LocalCluster(n_workers=count, processes=True, silence_logs=logging.CRITICAL, **how)
            opened = stack.enter_context(local)
        elif asked in QUEUES:
            import dask_jobqueue

            opened = stack.enter_context(getattr(dask_jobqueue, QUEUES[asked])())
            opened.adapt(minimum=1, maximum=int(os.environ.get("OFDB_JOBS", "16")))
        else:
            opened = None
        os.environ[VARIABLE] = opened.scheduler_address if opened else asked
        stack.callback(os.environ.pop, VARIABLE)
        dashboard = f", {opened.dashboard_link}" if opened else ""
        print(f"cluster: {os.environ[VARIABLE]}{dashboard}", flush=True)
        yield


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are started here do not notice Ctrl-C: it goes to the whole terminal, and this one ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def address() -> str | None:
    """The scheduler's address; None: all work is done here."""
    return os.environ.get(VARIABLE)


def pieces(function: Callable[..., Any], named: Iterable[tuple[str, tuple[Any, ...]]]) -> Iterator[tuple[str, Any]]:
    """(name, function(*arguments)) of each piece, as it finishes; at the end a PieceError if some failed.

    named: name and arguments of the pieces, which are taken while others run.
    """
    from distributed import Client, as_completed

    failed, names, left = dict[str, BaseException](), dict[Any, str](), iter(named)
    with Client(address()) as client:

        def submitted(count: int) -> Iterator[Any]:
            for name, arguments in itertools.islice(left, count):
                future = client.submit(function, *arguments, pure=False, retries=TRIES - 1)
                names[future] = name
                yield future

        waiting = as_completed(submitted(AHEAD * max(1, len(client.ncores()))))
        for future in waiting:
            name = names.pop(future)
            waiting.update([*submitted(1)])
            if (error := future.exception()) is None:
                yield name, future.result()
            else:
                failed[name] = error
    if failed:
        words = "\n".join(f"  {name}: {error}" for name, error in failed.items())
        raise PieceError(f"{len(failed)} pieces failed {TRIES} times; the others are done:\n{words}")
