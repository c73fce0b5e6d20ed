"""Folders of results with a manifest: written whole, continued after an interruption, verified file by file.

<folder>.manifest.json holds what the folder was made from (parameters, code version, package versions) and the SHA-256
of every file. While a folder is being filled the same facts stand in <folder>.manifest.part, one line a file; after an
interruption the files that it lists are kept if their hashes still hold, and the others are made again. A data set
folder is <root>/<category>/<file>.png, which torchvision's ImageFolder and the original's trainers read.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ofdb_core.base import files, manifests, provenance, threads, values
from ofdb_core.base.files import Unreadable, sha256, write_whole
from ofdb_core.base.manifests import LOCK, MANIFEST, PART, beside, place

ALTERED = "-"  # in PART, in the place of the hash: a listed file that is no longer as it was written

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
    former = head.get("former") or {"digest": "", "content": {}}  # see `_former`
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

    For a file (an archive, a checkpoint) it is a hash of the bytes. Linked folders count too: a choice of classes is
    often made of links.
    """
    root = Path(root)
    if root.is_file():
        about = root.stat()
        return _hash(root, about.st_size, about.st_mtime_ns)
    if is_complete(root):
        return digest(root)
    sizes = {name: entry for name, entry in sorted(files.walk(root, followlinks=True)) if not is_own(name)}
    return hashlib.sha256(json.dumps(sizes).encode()).hexdigest()


@functools.cache
def _hash(path: Path, *_: int) -> str:
    """A file's SHA-256, computed once while its size and time stay: an archive may have a hundred gigabytes."""
    return sha256(path)


def is_current(root: str | Path, head: Header) -> bool:
    """Whether the folder is complete, made from `head`, and passes `verify`."""
    facts = manifest(root)
    return facts is not None and _same(facts, head) and not verify(root)


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


def _names(root: Path) -> set[str]:
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
    present, listed = _names(root), facts["files"]
    problems = [f"{name}: missing" for name in sorted(listed.keys() - present)]
    problems += [f"{name}: not in the manifest" for name in sorted(present - listed.keys())]
    altered = [name for name in sorted(listed.keys() & present) if not files.holds(root / name, listed[name])]
    return problems + [f"{name}: altered" for name in altered]


def _listed(root: Path) -> tuple[Header, dict[str, str]]:
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


def refuse_strangers(root: Path) -> None:
    """An error where the folder holds files that neither its manifest nor an interrupted run has listed.

    Those of an unfinished folder are looked at when all others are made: see `_Filling`.
    """
    if root.is_dir() and not place(root, PART).exists():
        _refuse(root, _names(root) - _listed(root)[1].keys())


def _refuse(root: Path, strange: set[str]) -> None:
    if strange:
        raise FileExistsError(
            f"{root}: holds {min(strange)}, which is not this project's; move it away or choose another folder"
        )


class _Filling:
    """A folder at work: what its files are, each listed with its hash before it is written.

    Only what was listed, and still has its hash, is ever removed, and only what was listed is replaced by other bytes.
    kept: name -> hash of the files of an earlier run with the same head. The lines of `PART` are the header and, for
    each file, its hash and its name.
    """

    def __init__(self, root: Path, head: Header) -> None:
        self.root, self.head = root, head
        refuse_strangers(root)
        made_from, listed = _listed(root)
        self._remove_halves(listed)
        whole = {name: hashed for name, hashed in listed.items() if files.holds(files.inside(root, name), hashed)}
        altered = {name for name in listed if name not in whole and (root / name).exists()}
        self.kept = whole if _same(made_from, head) else {}
        for name in whole.keys() - self.kept.keys():
            self.remove(name)
        lines = [json.dumps(head), *(f"{hashed} {name}" for name, hashed in self.kept.items())]
        write_whole(beside(root, PART), "\n".join([*lines, *(f"{ALTERED} {name}" for name in altered), ""]))
        for former in (root / PART, root / MANIFEST, beside(root, MANIFEST)):
            former.unlink(missing_ok=True)
        self._listed, self._done = listed.keys(), dict[str, str]()
        self._one_by_one = threading.Lock()
        self._lines = beside(root, PART).open("a", encoding="utf-8")

    def _remove_halves(self, listed: dict[str, str]) -> None:
        """Remove what a killed process left half-written."""
        about = [beside(self.root, name) for name in (MANIFEST, PART)]
        folders = {about[0].parent: {files.beginning(path.name) for path in about}, self.root: {MANIFEST, PART}}
        for name in listed:
            path = files.inside(self.root, name)
            folders.setdefault(path.parent, set()).add(files.beginning(path.name))
        for where, beginnings in folders.items():
            files.remove_halves(where, beginnings.__contains__)

    def remove(self, name: str) -> None:
        """Remove a file, and the folders around it that it leaves empty."""
        path = self.root / name
        path.unlink()
        for where in path.parents[: len(Path(name).parents) - 1]:
            if any(where.iterdir()):
                break
            where.rmdir()

    def put(self, name: str, data: bytes | Path) -> None:
        """List a file, and write it, or move it here from where it lies."""
        path = files.inside(self.root, name)
        hashed = sha256(data) if isinstance(data, Path) else hashlib.sha256(data).hexdigest()
        if name not in self._listed and path.exists() and path.stat().st_size and not files.holds(path, hashed):
            _refuse(self.root, {name})  # a power cut may have emptied it, or lost its line: then it may be replaced
        with self._one_by_one:
            self._lines.write(f"{hashed} {name}\n")
            self._lines.flush()
        if isinstance(data, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(data, path)
        else:
            write_whole(path, data)
        self._done[name] = hashed

    def keep(self, name: str) -> None:
        """Keep a file of an earlier run."""
        self._done[name] = self.kept[name]

    def close(self) -> None:
        """Close the file of the lines."""
        self._lines.close()

    def finish(self, **notes: Any) -> Manifest:
        """Remove what an earlier run had beside these files, and write the manifest."""
        for name in self.kept.keys() - self._done.keys():
            self.remove(name)
        self.close()
        _refuse(self.root, _names(self.root) - self._done.keys())
        head = {**self.head, "parameters": manifests.portable(self.head["parameters"])}
        former = head.pop("former", None)
        if former and former["content"] == _content(self.root, self._done):
            head["digest"] = former["digest"]
        made = {**manifests.about(self.root), **head, **notes, "files": dict(sorted(self._done.items()))}
        write_whole(beside(self.root, MANIFEST), manifests.text(made), durable=True)
        beside(self.root, PART).unlink(missing_ok=True)
        return made


def fill(
    root: str | Path,
    head: Header,
    made: Files,
    *,
    total: int,
    workers: int = 0,
    label: str = "",
) -> Manifest:
    """Make the files of a folder, in threads; return its manifest.

    head: see `header`; made: pairs of a name and a function without arguments that returns its bytes; total: their
    number, for the progress line; workers: threads, 0 for one a core, which hold the bytes of one file each. Files of
    an earlier, interrupted run with the same head are kept where their hashes hold; files made from something else are
    removed first. Where the folder is complete and made from the same head, nothing is done. While another process
    fills it, this one waits.
    """
    values.whole(workers=workers)
    root, workers = Path(root), workers or os.cpu_count() or 1
    if (complete := _current(root, head)) is not None:
        return complete
    root.mkdir(parents=True, exist_ok=True)
    with files.locked(beside(root, LOCK), wait=f"{root}: waiting for another run, which is at work here"):
        if (complete := _current(root, head)) is not None:
            return complete
        former = _former(root, head)
        with (
            contextlib.closing(_Filling(root, {**head, "former": former} if former else head)) as filling,
            tqdm(total=total, desc=label or root.name, unit="file") as bar,
        ):

            def make(name: str, function: Callable[[], bytes]) -> None:
                filling.put(name, function())
                bar.update()

            def tasks() -> Iterator[Callable[[], None]]:
                for name, function in made:
                    if name in filling.kept:
                        filling.keep(name)
                        bar.update()
                    else:
                        yield functools.partial(make, name, function)

            for _ in threads.results(tasks(), workers):
                pass
            return filling.finish()


def _current(root: Path, head: Header) -> Manifest | None:
    """The manifest of a folder in which there is nothing to do."""
    if not is_current(root, head):
        return None
    print(f"{root}: complete and unchanged, kept")
    manifests.settle(root)
    return complete(root)


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


def write(root: str | Path, head: Header, contents: Mapping[str, bytes | str | Path], notes: dict[str, Any]) -> None:
    """Fill a folder with these contents: bytes or text, or the path of a file that is moved there.

    notes: what is worth keeping but differs from run to run, as a training's speed; no part of the folder's digest.
    """
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(_Filling(root, head)) as filling:
        for name, data in contents.items():
            filling.put(name, data.encode() if isinstance(data, str) else data)
        filling.finish(notes=notes)
