"""A file of the web: fetched whole or not at all, compared by its digest, and continued after an interruption."""

import contextlib
import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from ofdb_core.base import files, folder
from ofdb_core.base.parameters import ParameterError

PATIENCE = 10  # seconds that a server may be silent


def have(path: Path, url: str, *, digest: str | None, data: str, algorithm: str = "sha256") -> None:
    """Fetch a file, unless it is there; continue where an interrupted download stopped.

    digest: of the file, by the algorithm; None: not compared. data: what it is for, in errors. A ParameterError if the
    file that is there, or that comes, is another, or if it does not come.
    """
    title = {"sha256": "SHA-256"}.get(algorithm, algorithm.upper())
    if path.exists():
        found = folder.fingerprint(path) if algorithm == "sha256" else _digest(path, algorithm)
        if digest not in (None, found):
            raise ParameterError(
                [
                    f"data: {path} is there, but its {title} is {found}, and that of {data} is {digest}; move it away "
                    "and run again"
                ]
            )
        return
    made = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{(digest or '')[:12]}.part")
    try:
        with files.locked(
            part.with_suffix(".lock"), wait=f"{path.parent}: waiting for another run, which fetches {data}"
        ):
            if not path.exists():
                _fetch(url, part)
                if digest not in (None, found := _digest(part, algorithm)):
                    part.unlink()
                    raise ParameterError([f"data: {url} gives a file whose {title} is {found}, not {digest}"])
                part.replace(path)
    except (OSError, http.client.HTTPException) as error:
        kept = part.stat().st_size if part.exists() else 0
        if not kept:
            part.unlink(missing_ok=True)
        goes_on = f"; {kept:,} bytes have come, and the same command goes on" if kept else ""
        raise ParameterError(
            [
                f"data: {data} cannot be downloaded from {url} ({error}){goes_on}; put {path.name} ({title} {digest}) "
                f"into {path.parent.resolve()} and run again"
            ]
        ) from error
    finally:
        if made:
            with contextlib.suppress(OSError):  # there is something in it
                path.parent.rmdir()


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _fetch(url: str, part: Path) -> None:
    """Write what a server sends to the end of a file, if the server can begin there, else to a new one."""
    had = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={had}-", "User-Agent": "ofdb-lab"} if had else {})
    try:
        answer = urllib.request.urlopen(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:  # all had come
            return
        raise
    with answer, part.open("ab" if answer.status == http.client.PARTIAL_CONTENT else "wb") as file:
        begins, length = file.tell(), answer.headers.get("Content-Length")
        with tqdm(desc=url, unit="B", unit_scale=True, delay=2, total=int(length) if length else None) as bar:
            while block := answer.read(2**18):
                file.write(block)
                bar.update(len(block))
        if length and file.tell() - begins != int(length):
            raise ConnectionError(f"cut off after {file.tell():,} bytes")
