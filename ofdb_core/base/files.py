"""Files written whole or not at all, and their hashes."""

import hashlib
import os
from pathlib import Path


class Unreadable(ValueError):
    """A record or a manifest that is none any more; the message names it and says what to do."""


def sha256(path: str | Path) -> str:
    """Hex SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: str | Path, data: bytes | memoryview | str, *, durable: bool = False) -> None:
    """Write bytes or text so that the file appears whole or not at all, even if the process dies or the disk fills.

    durable: wait until it is on the disk, so that a power cut cannot empty it: for what says that others are complete.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(
            error.errno, f"cannot write {path} ({error.strerror}); what was written before is kept"
        ) from error
