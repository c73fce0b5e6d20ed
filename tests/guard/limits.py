"""One attempt: a hostile file is read under limits; it gives a value, a refusal that names it, or a failure."""

import os
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType

from .readers import Reader

SECONDS = 1  # of the processor's time, which a busy machine does not take away
HANGS = 10  # seconds on the clock: it waits for what will never come
BYTES = 500 * 2**20
TEXT = "three years of work"


class _TooLong(BaseException):
    """Raised in what is read, wherever it is."""


def _late(number: int, _: FrameType | None) -> None:
    raise _TooLong("it hangs" if number == signal.SIGALRM else f"it takes more than {SECONDS} s")


@contextmanager
def _limited() -> Iterator[None]:
    """Limits of time and memory around a block of the main thread."""
    status = Path("/proc/self/status").read_text().splitlines()
    used = next(int(line.split()[1]) for line in status if line.startswith("VmData"))
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    handlers = {number: signal.signal(number, _late) for number in (signal.SIGALRM, signal.SIGPROF)}
    resource.setrlimit(resource.RLIMIT_DATA, (used * 1024 + BYTES, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, HANGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _snapshot(root: Path, without: Path | None) -> dict[str, tuple[int, int, int]]:
    """Path -> type, bytes and time of change, of all below root but what is below `without`."""
    found = {}
    for where, folders, files in os.walk(root):
        folders[:] = [name for name in folders if Path(where, name) != without]
        for name in (*folders, *files):
            about = Path(where, name).lstat()
            found[str(Path(where, name))] = (about.st_mode, about.st_size, about.st_mtime_ns)
    return found


def _read(reader: Reader, inside: Path) -> str | None:
    """What went wrong, or None."""
    refusals: tuple[type[Exception], ...] = (ValueError, *reader.also)
    try:
        with _limited():
            reader.read(inside)
    except refusals as error:
        named = any(path.stem in str(error) for path in (inside, *inside.rglob("*")))
        return None if named else f"it does not name the file: {type(error).__name__}: {str(error)[:200]}"
    except MemoryError:
        return f"it takes more than {BYTES >> 20} MB"
    except _TooLong as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return None


def attempt(reader: Reader, rng: Random, place: Path) -> str | None:
    """Read a hostile file of this kind, below `place`; what went wrong, or None.

    It lies in a folder of its own, beside one that its names may lead to and the current one, where nothing may change.
    """
    world, before = place / "world", Path.cwd()
    shutil.rmtree(world, ignore_errors=True)
    inside, outside, here = (world / name for name in ("inside", "outside", "here"))
    for folder in (inside, outside, here):
        folder.mkdir(parents=True)
    (outside / "thesis.txt").write_text(TEXT)
    (outside / "manifest.json").write_text("{}")
    os.chdir(here)
    try:
        reader.write(inside, rng)
        without = inside if reader.writes else None
        found = _snapshot(world, without)
        problem = _read(reader, inside)
        if problem and problem.startswith("it takes more than"):
            problem = _read(reader, inside)  # the first time, something may have been imported or compiled
        return problem if _snapshot(world, without) == found else "something was touched that is not its own"
    finally:
        os.chdir(before)
