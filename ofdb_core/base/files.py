"""Files: names that stay in their folder, files written whole or not at all, hashes, locks, JSON from elsewhere."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LONGEST_PART, LONGEST = 255, 1000  # bytes of one part of a name (what Linux allows), and of a whole name
LARGEST_JSON = 2**30  # bytes
TEMPORARY = re.compile(r"\.(.*)\.\d+\.part", re.DOTALL)  # the name of a file that is being written: see `temporary`
DRIVE = re.compile("[A-Za-z]:")  # Windows'
NO_WRITING = (errno.EACCES, errno.EPERM, errno.EROFS)


class Unreadable(ValueError):
    """A record or manifest that cannot be read; the message names it and says what to do."""


def problem_of(name: object) -> str | None:
    """What is wrong with the name of a file below a folder, as the end of a sentence; None if nothing is.

    Every name that comes from a file (an archive, a manifest, a record) goes through here before it is used.
    """
    if not isinstance(name, str) or name in ("", "."):
        return "is not the name of a file"
    if name.startswith("/") or "\\" in name or DRIVE.match(name) or ".." in name.split("/"):
        return "is not a path inside the folder"
    if "\0" in name or name.splitlines() != [name] or name != name.encode(errors="ignore").decode():
        return "is not a file name in one line of Unicode"
    if len(name.encode()) > LONGEST or any(len(part.encode()) > LONGEST_PART for part in name.split("/")):
        return f"is too long: at most {LONGEST_PART} bytes in each part and {LONGEST} in all are allowed"
    return None


def inside(root: str | Path, name: object) -> Path:
    """The path of a file below root by its name; a ValueError if the name or a link leads out of root.

    The root may be a link, and so may the file (writing replaces the link), but no folder between them.
    """
    root = Path(root)
    if problem := problem_of(name):
        raise ValueError(f"{root}: {name!r} {problem}")
    path = root / str(name)
    for folder in path.parents[: len(path.parents) - len(root.parents) - 1]:
        if folder.is_symlink():
            raise ValueError(f"{folder}: a link to another folder, in which nothing is written; replace it by a folder")
    return path


def walk(root: Path, *, followlinks: bool) -> Iterator[tuple[str, os.stat_result | str]]:
    """Every file below root with its status, by one system call each; a broken link has its own status.

    followlinks: enter linked folders; else they count as files. Each folder is entered once: if links lead to it again,
    the name of its first visit replaces the status.
    """
    waiting, entered = [("", root)] if root.is_dir() else [], dict[tuple[int, int], str]()
    while waiting:
        below, folder = waiting.pop()
        about = folder.stat()
        if (first := entered.setdefault((about.st_dev, about.st_ino), below)) != below:
            yield below, first
            continue
        with contextlib.suppress(PermissionError), os.scandir(folder) as inside:  # such as a disk's lost+found
            for entry in sorted(inside, key=lambda entry: entry.name):
                link = entry.is_symlink()
                if (followlinks and Path(entry).is_dir()) if link else entry.is_dir():
                    waiting.append((f"{below}{entry.name}/", folder / entry.name))
                else:
                    yield f"{below}{entry.name}", entry.stat(follow_symlinks=not link or Path(entry).exists())


def bytes_of(path: Path) -> int:
    """The size in bytes of a file, or of all files in a folder; a link counts as itself."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(about.st_size for _, about in walk(path, followlinks=False) if not isinstance(about, str))


def sha256(path: str | Path) -> str:
    """Hex SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def holds(path: Path, hashed: str) -> bool:
    """Whether a path is a plain file (or a link to one) with this SHA-256; a pipe or device is not read."""
    return path.is_file() and sha256(path) == hashed


def held(root: str | Path, name: str, hashed: str) -> Path | None:
    """The path of a file below root, if it holds what was written and no link leads there."""
    try:
        path = inside(root, name)
    except ValueError:
        return None
    return path if holds(path, hashed) else None


def read_bytes(path: Path, most: int = LARGEST_JSON) -> bytes:
    """The bytes of a file; a ValueError if it is a pipe, a device or a folder, or has more than `most`."""
    if not path.is_file() or path.stat().st_size > most:
        raise ValueError(f"no file of at most {most:,} bytes")
    return path.read_bytes()


def read_json(path: Path, most: int = LARGEST_JSON) -> Any:
    """The content of a JSON file, or None if there is no file; a ValueError if it is not JSON, or has more bytes."""
    if not path.exists():
        return None
    try:
        return json.loads(read_bytes(path, most))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def temporary(path: Path) -> Path:
    """The hidden file beside `path` that is written first and then renamed; its name is never too long."""
    return path.with_name(f".{stem_of_temporary(path.name)}.{os.getpid()}.part")


def stem_of_temporary(name: str) -> str:
    """The part of a file's name that its temporary file keeps."""
    return name.encode(errors="surrogateescape")[:200].decode(errors="ignore")


def is_temporary(name: str) -> bool:
    """Whether a name below a folder is that of a temporary file."""
    return TEMPORARY.fullmatch(name.rpartition("/")[2]) is not None


def remove_temporary(folder: Path, is_ours: Callable[[str], Any]) -> None:
    """Remove the temporary files of killed processes from a folder, if is_ours(`stem_of_temporary`)."""
    for path in folder.glob(".*.part"):
        if (found := TEMPORARY.fullmatch(path.name)) and is_ours(found[1]) and not path.is_dir():
            path.unlink(missing_ok=True)


def write_whole(path: str | Path, data: bytes | memoryview | str, *, durable: bool = False) -> None:
    """Write bytes or text so that the file appears whole or not at all, even if the process dies or the disk fills.

    durable: wait until the bytes are on the disk, so that a power cut cannot empty the file: for manifests and records,
    which say that other files are complete.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = temporary(path)
    try:
        part.unlink(missing_ok=True)  # left by an earlier process with this id, or a link that someone put there
        with part.open("xb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        problem = f"cannot write {path} ({error.strerror}); what was written before is kept"
        raise OSError(error.errno, problem) from error


@contextlib.contextmanager
def locked(path: Path, *, wait: str | None) -> Iterator[None]:
    """Hold a lock file, which one process or thread at a time can hold; it is removed at the end.

    wait: the sentence to print before waiting for another holder; None: raise BlockingIOError instead. If the file
    cannot be written, nobody can write beside it either: with `wait`, the caller goes on without the lock.
    """
    lock = _lock(path, wait)
    try:
        yield
    finally:
        if lock is not None:
            path.unlink(missing_ok=True)
            os.close(lock)


def _lock(path: Path, wait: str | None) -> int | None:
    """The open and locked file; None if it cannot be written and `wait` is a sentence."""
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if wait is None or error.errno not in NO_WRITING:
                raise
            return None
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if wait is None:
                    raise
                print(wait, flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)  # the last holder removed it, and another may have made a new one
