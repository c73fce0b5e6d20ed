"""Folders of results with a manifest: what they are made from, whether they are whole, verified file by file.

`writing` fills them.

<folder>.manifest.json holds what the folder was made from (parameters, code version, package versions) and the SHA-256
of every file. While a folder is being filled the same facts stand in <folder>.manifest.part, one line a file; after an
interruption the files that it lists are kept if their hashes still hold, and the others are made again. A data set
folder is <root>/<category>/<file>.png, which torchvision's ImageFolder and the original's trainers read.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ofdb_core.base import files, manifests, provenance
from ofdb_core.base.files import Unreadable, sha256
from ofdb_core.base.manifests import MANIFEST, PART, place

Header = dict[str, Any]  # parameters, code and versions
Manifest = dict[str, Any]  # a header with the files: name -> SHA-256
Files = Iterable[tuple[str, Callable[[], bytes]]]  # names, and functions that make the files' bytes


def header(parameters: dict[str, Any], *functions: Callable) -> Header:
    """What a folder is made from; it is made anew when parameters or the code of the functions change."""
    return {"parameters": parameters, "code": provenance.code_version(*functions), "versions": provenance.versions()}


def same(one: Header, other: Header) -> bool:
    """Whether two headers have the same parameters and code; versions of packages may differ."""
    return all(manifests.portable(one.get(key)) == manifests.portable(other.get(key)) for key in ("parameters", "code"))


def is_complete(root: str | Path) -> bool:
    """Whether a folder has a manifest; what it says is not looked at."""
    return place(root, MANIFEST).is_file()


def manifest(root: str | Path) -> Manifest | None:
    """The manifest of a complete folder; None where there is none."""
    path = place(root, MANIFEST)
    if not path.exists():
        return None
    try:
        facts = files.read_json(path)
        _check(facts, facts["files"])
        return facts
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # not JSON or not text, or of something else
        raise Unreadable(f"{path}: not a manifest ({error}); delete {root} and run again") from error


def _check(head: Any, listed: Any) -> None:
    """An error unless these can be a header, and name -> hash of files that lie in one folder."""
    check_header(head)
    for name, hashed in listed.items():
        if (problem := files.problem_of(name)) or not isinstance(hashed, str):
            raise ValueError(f"{name!r} {problem or 'has no hash'}")


def check_header(head: Any) -> None:
    """A ValueError unless this, which a file held, can be a header."""
    if not isinstance(head, dict):
        raise ValueError("it is not a mapping")
    texts = all(isinstance(head.get(name, ""), str) for name in ("code", "digest"))
    if not isinstance(head.get("parameters", {}), dict) or not texts:
        raise ValueError("its parameters or its code are something else")
    former = head.get("former") or {"digest": "", "content": {}}  # see `writing._former`
    if not isinstance(former, dict) or [type(former.get(name)) for name in ("digest", "content")] != [str, dict]:
        raise ValueError("what it was before is something else")


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

    Of a folder of tables alone it is one of their names and bytes: another coefficient has as many digits. For a file
    (an archive, a checkpoint) it is a hash of the bytes. Linked folders count too: a choice of classes is often made of
    links.
    """
    root = Path(root)
    if root.is_file():
        about = root.stat()
        return _hash(root, about.st_size, about.st_mtime_ns)
    if is_complete(root):
        return digest(root)
    sizes = {name: entry for name, entry in sorted(files.walk(root, followlinks=True)) if not is_own(name)}
    if sizes and all(name.lower().endswith(".csv") and (root / name).is_file() for name in sizes):
        sizes = {name: sha256(root / name) for name in sizes}
    return hashlib.sha256(json.dumps(sizes).encode()).hexdigest()


@functools.cache
def _hash(path: Path, *_: int) -> str:
    """A file's SHA-256, computed once while its size and time stay: an archive may have a hundred gigabytes."""
    return sha256(path)


def is_current(root: str | Path, head: Header) -> bool:
    """Whether the folder is complete, made from `head`, and passes `verify`."""
    facts = manifest(root)
    return facts is not None and same(facts, head) and not verify(root)


def made_by(
    root: str | Path, parameters: dict[str, Any], recorded: Callable[[Mapping[str, Any]], dict[str, Any]] = dict
) -> str | None:
    """The version of code that made a folder, if it is complete, of these parameters, and passes `verify`.

    recorded: turns the manifest's parameters, which an earlier version may have written, into today's.
    """
    facts = manifest(root)
    if facts is None:
        return None
    same = manifests.portable(recorded(facts.get("parameters", {}))) == manifests.portable(parameters)
    return facts.get("code") if same and not verify(root) else None


def is_own(name: str) -> bool:
    """Whether a name below a folder is one that this module keeps for itself and never counts among the files."""
    return name in (MANIFEST, PART) or name.endswith(".part")


def names(root: Path) -> set[str]:
    """All that is no folder below root, by name; what this module keeps for itself is left out."""
    return {name for name, _ in files.walk(root, followlinks=False) if not is_own(name)}


def verify(root: str | Path) -> list[str]:
    """Sentences about every missing, altered or extra file; none where the folder is what its manifest says."""
    root = Path(root)
    try:
        facts = manifest(root)
    except Unreadable as error:
        return [str(error)]
    if facts is None:
        unfinished = place(root, PART).exists()
        return ["unfinished: its notebook was interrupted; run it again" if unfinished else "no manifest"]
    present, listed = names(root), facts["files"]
    problems = [f"{name}: missing" for name in sorted(listed.keys() - present)]
    problems += [f"{name}: not in the manifest" for name in sorted(present - listed.keys())]
    altered = [name for name in sorted(listed.keys() & present) if not files.holds(root / name, listed[name])]
    return problems + [f"{name}: altered" for name in altered]


def listed_in(root: Path) -> tuple[Header, dict[str, str]]:
    """What the folder was made from, and name -> hash of its files, from its manifest or an interrupted run's lines."""
    facts = manifest(root)
    if facts:
        return facts, facts["files"]
    part = place(root, PART)
    if not part.is_file():
        return {}, {}
    first, *lines = part.read_bytes().decode(errors="replace").splitlines() or [""]
    pairs = [line.split(" ", 1) for line in lines if " " in line]
    listed = {name: hashed for hashed, name in pairs if not files.problem_of(name)}  # the last line may be cut off
    try:
        head = json.loads(first)
        check_header(head)
    except (ValueError, RecursionError):  # there is none, or the machine stopped before the first line was whole
        return {}, listed
    return head, listed
