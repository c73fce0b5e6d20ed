"""Folders of results with a manifest: written whole, continued after an interruption, verified file by file.

<folder>.manifest.json holds what the folder was made from (parameters, code version, package versions) and the SHA-256
of every file. While a folder is being filled the same facts stand in <folder>.manifest.part, one line a file; after an
interruption the files that it lists are kept if their hashes still hold, and the others are made again. A data set
folder is <root>/<category>/<file>.png, which torchvision's ImageFolder and the original's trainers read.
"""

import functools
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ofdb_core.base import manifests, provenance, threads, values
from ofdb_core.base.files import Unreadable, sha256, write_whole
from ofdb_core.base.manifests import MANIFEST, PART, beside, place

Header = dict[str, Any]  # parameters, code and versions
Manifest = dict[str, Any]  # a header with the files: name -> SHA-256
Files = Iterable[tuple[str, Callable[[], bytes]]]  # names, and functions that make the files' bytes


def header(parameters: dict[str, Any], *functions: Callable) -> Header:
    """What a folder is made from; it is made anew when parameters or the code of the functions change."""
    return {"parameters": parameters, "code": provenance.code_version(*functions), "versions": provenance.versions()}


def _same(one: Header, other: Header) -> bool:
    return all(manifests.portable(one.get(key)) == manifests.portable(other.get(key)) for key in ("parameters", "code"))


def is_complete(root: str | Path) -> bool:
    """Whether a folder has a manifest; what it says is not looked at."""
    return place(root, MANIFEST).is_file()


def manifest(root: str | Path) -> Manifest | None:
    """The manifest of a complete folder; None where there is none."""
    path = place(root, MANIFEST)
    if not path.is_file():
        return None
    try:
        facts = json.loads(path.read_text())
        facts["files"].items()
        return facts
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # not JSON or not text, or of something else
        raise Unreadable(f"{path}: not a manifest ({error}); delete {root} and run again") from error


def complete(root: str | Path) -> Manifest:
    """The manifest of a complete folder; an error where the folder is missing or unfinished."""
    facts = manifest(root)
    if facts is None:
        raise FileNotFoundError(f"{root}: no finished data here; run the notebook that writes it first")
    return facts


def digest(root: str | Path) -> str:
    """One hash for all of a complete folder's files; an error where the folder is missing or unfinished.

    Of a training's folder, model cards do not count: they tell its speed, as its notes do. A folder whose images were
    packed anew, and are the same, keeps the one that it had: trainings on them stay what they are.
    """
    facts = complete(root)
    if "digest" in facts:
        return facts["digest"]
    told = {name: hashed for name, hashed in facts["files"].items() if "notes" not in facts or not is_card(name)}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def is_card(name: str) -> bool:
    """Whether a file of a folder is a card for readers of what lies beside it."""
    return name.rpartition("/")[2] == "README.md"


def fingerprint(root: str | Path) -> str:
    """`digest`, or for a folder without a manifest (a user's photographs) one hash of its files' names and sizes.

    For a file (an archive, a checkpoint) it is a hash of the bytes. Linked folders count too: a choice of classes is
    often made of links.
    """
    root = Path(root)
    if root.is_file():
        about = root.stat()
        return _hash(root, about.st_size, about.st_mtime_ns)
    if is_complete(root):
        return digest(root)
    sizes = {name: (root / name).stat().st_size for name in sorted(_names(root, followlinks=True))}
    return hashlib.sha256(json.dumps(sizes).encode()).hexdigest()


@functools.cache
def _hash(path: Path, *_: int) -> str:
    """A file's SHA-256, computed once while its size and time stay: an archive may have a hundred gigabytes."""
    return sha256(path)


def is_current(root: str | Path, head: Header) -> bool:
    """Whether the folder is complete, made from `head`, and passes `verify`."""
    facts = manifest(root)
    return facts is not None and _same(facts, head) and not verify(root)


def made_by(root: str | Path, parameters: dict[str, Any], renamed: Mapping[str, str]) -> str | None:
    """The version of code that made a folder, if it is complete, of these parameters, and passes `verify`.

    renamed: a parameter's name of earlier versions, which may stand in the manifest -> today's.
    """
    facts = manifest(root)
    if facts is None:
        return None
    had = {renamed.get(name, name): value for name, value in facts.get("parameters", {}).items()}
    same = manifests.portable(had) == manifests.portable(parameters)
    return facts.get("code") if same and not verify(root) else None


def is_own(name: str) -> bool:
    """Whether a name below a folder is one that this module keeps for itself and never counts among the files."""
    return name in (MANIFEST, PART) or name.endswith(".part")


def _names(root: str | Path, *, followlinks: bool = False) -> set[str]:
    """The files below root, as names in its manifest; what this module keeps for itself is left out."""
    root = Path(root)
    names: set[str] = set()
    for where, _, files in os.walk(root, followlinks=followlinks):
        below = "" if Path(where) == root else f"{Path(where).relative_to(root).as_posix()}/"
        names.update(f"{below}{file}" for file in files if not is_own(f"{below}{file}"))
    return names


def verify(root: str | Path) -> list[str]:
    """Sentences about every missing, altered or extra file; none where the folder is what its manifest says."""
    try:
        facts = manifest(root)
    except Unreadable as error:
        return [str(error)]
    if facts is None:
        unfinished = place(root, PART).is_file()
        return ["unfinished: its notebook was interrupted; run it again" if unfinished else "no manifest"]
    present, files = _names(root), facts["files"]
    problems = [f"{name}: missing" for name in sorted(files.keys() - present)]
    problems += [f"{name}: not in the manifest" for name in sorted(present - files.keys())]
    altered = [name for name in sorted(files.keys() & present) if sha256(Path(root) / name) != files[name]]
    return problems + [f"{name}: altered" for name in altered]


def _listed(root: Path) -> tuple[Header, dict[str, str]]:
    """What the folder was made from, and name -> hash of its files, from its manifest or an interrupted run's lines."""
    facts = manifest(root)
    if facts:
        return facts, facts["files"]
    part = place(root, PART)
    first, *lines = part.read_text().splitlines() or [""] if part.is_file() else [""]
    try:
        head = json.loads(first)
    except json.JSONDecodeError:  # there is none, or it was killed before the first line was whole
        return {}, {}
    pairs = [line.split(" ", 1) for line in lines if line.count(" ") == 1]
    return head, {name: hashed for hashed, name in pairs}


def refuse_strangers(root: Path) -> list[str]:
    """The files that an interrupted run left without noting them; others that are not this module's are an error."""
    strange = sorted(_names(root) - _listed(root)[1].keys())
    if strange and not place(root, PART).is_file():
        raise FileExistsError(
            f"{root}: holds {strange[0]}, which is not this project's; move it away or choose another folder"
        )
    return strange


def begin(root: Path, head: Header) -> dict[str, str]:
    """Clear what a run for `head` cannot use, and return name -> hash of the files that it can keep.

    Only this module's own files are removed; in a complete folder any other file is an error.
    """
    root.mkdir(parents=True, exist_ok=True)
    for left in root.rglob(".*.part"):  # half-written when a process was killed
        left.unlink()
    strange = refuse_strangers(root)
    made_from, listed = _listed(root)
    kept = {}
    for name in [*listed, *strange]:
        if _same(made_from, head) and name in listed and _holds(root / name, listed[name]):
            kept[name] = listed[name]
        else:
            _remove(root, name)
    lines = "".join(f"{hashed} {name}\n" for name, hashed in kept.items())
    write_whole(beside(root, PART), json.dumps(head) + "\n" + lines)
    for former in (root / PART, root / MANIFEST, beside(root, MANIFEST)):
        former.unlink(missing_ok=True)
    return kept


def _remove(root: Path, name: str) -> None:
    """Remove a file, and its folder where nothing else is in it."""
    path = root / name
    path.unlink(missing_ok=True)
    if path.parent != root and path.parent.is_dir() and not any(path.parent.iterdir()):
        path.parent.rmdir()


def _holds(path: Path, hashed: str) -> bool:
    return path.is_file() and sha256(path) == hashed


def fill(
    root: str | Path,
    head: Header,
    files: Files,
    *,
    total: int,
    workers: int = 0,
    label: str = "",
) -> Manifest:
    """Make the files of a folder, in threads; return its manifest.

    head: see `header`; files: pairs of a name and a function without arguments that returns its bytes; total: their
    number, for the progress line; workers: threads, 0 for one a core. Files of an earlier, interrupted run with the
    same head are kept where their hashes hold; files made from something else are removed first. Where the folder is
    complete and made from the same head, nothing is done.
    """
    values.whole(workers=workers)
    root, workers = Path(root), workers or os.cpu_count() or 1
    if is_current(root, head):
        print(f"{root}: complete and unchanged, kept")
        manifests.settle(root)
        return complete(root)
    former = _former(root, head)
    kept = begin(root, {**head, "former": former} if former else head)
    done: dict[str, str] = {}

    with beside(root, PART).open("a") as lines, tqdm(total=total, desc=label or root.name, unit="file") as bar:
        one_by_one = threading.Lock()

        def note(name: str, hashed: str, line: str) -> None:
            with one_by_one:
                done[name] = hashed
                lines.write(line)
                lines.flush()
                bar.update()

        def make(name: str, function: Callable[[], bytes]) -> None:
            data = function()
            write_whole(root / name, data)
            hashed = hashlib.sha256(data).hexdigest()
            note(name, hashed, f"{hashed} {name}\n")

        def tasks() -> Iterator[Callable[[], None]]:
            for name, function in files:
                if name in kept:
                    note(name, kept[name], "")  # its line is there
                else:
                    yield functools.partial(make, name, function)

        for _ in threads.results(tasks(), workers):
            pass
    for name in kept.keys() - done.keys():  # of an earlier run with more files
        _remove(root, name)
    if former and former["content"] == _content(root, done):
        head = {**head, "digest": former["digest"]}
    return _finish(root, head, done)


def _former(root: Path, head: Header) -> dict[str, Any] | None:
    """The digest and the content of a complete folder of the same parameters that other code made, or is making anew.

    None where there is none, or where it does not pass `verify`.
    """
    facts = manifest(root)
    if facts is None:
        made_from = _listed(root)[0]
        return made_from.get("former") if _same(made_from, head) else None
    if _same({**facts, "code": head["code"]}, head) and not verify(root):
        return {"digest": digest(root), "content": _content(root, facts["files"])}
    return None


def _content(root: Path, names: Iterable[str]) -> dict[str, str]:
    return {name: manifests.content(root / name) for name in names}


def seal(root: str | Path, head: Header, notes: dict[str, Any]) -> Manifest:
    """Write the manifest of a folder whose files are all there (a training's); return it.

    notes: what is worth keeping but differs from run to run, as its speed; no part of the folder's digest.
    """
    root = Path(root)
    return _finish(root, {**head, "notes": notes}, {name: sha256(root / name) for name in _names(root)})


def _finish(root: Path, head: Header, files: dict[str, str]) -> Manifest:
    parameters = manifests.portable(head["parameters"])
    made = {**manifests.about(root), **head, "parameters": parameters, "files": dict(sorted(files.items()))}
    write_whole(beside(root, MANIFEST), manifests.text(made), durable=True)
    beside(root, PART).unlink(missing_ok=True)
    return made
