"""Images in class folders, <root>/<class>/<file>: which folders are classes, and which files are theirs."""

import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ofdb_core.data import forms, shards
from ofdb_core.data.decoding import extensions, unread

FEW = 3  # classes that a sentence names


def unwrapped(root: str | Path, endings: Iterable[str] | None = None) -> Path:
    """The folder, root or below it, that holds the class folders, or parts such as train/; wrappers are skipped.

    Published sets come as <name>/image/<class>/<file>. A wrapper holds a single folder, which itself holds folders, and
    neither holds a file with one of the endings (None: those of images): a single folder with such files is a class.
    """
    root, endings, entered = Path(root), tuple(endings or extensions()), set()
    while True:
        entered.add(root.resolve())
        inside = list(_scanned(root))
        folders = [entry for entry in inside if entry.is_dir()]
        if len(folders) != 1 or any(_counts(entry, endings) for entry in inside):
            return root
        below = list(_scanned(folders[0]))
        is_class = any(_counts(entry, endings) for entry in below) or not any(entry.is_dir() for entry in below)
        if is_class or Path(folders[0]).resolve() in entered:  # or a link leads up again
            return root
        root /= folders[0].name


def _scanned(folder: str | os.PathLike[str]) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder, in any order, without broken links, hidden entries and what macOS leaves."""
    with os.scandir(folder) as entries:
        for entry in entries:
            hidden = entry.name.startswith(".") or entry.name == "__MACOSX"
            if not hidden and (not entry.is_symlink() or Path(entry).exists()):
                yield entry


def _counts(entry: os.DirEntry[str], endings: tuple[str, ...]) -> bool:
    return entry.name.lower().endswith(endings) and entry.is_file()


def _below(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """The files in a folder and the folders below it, in any order."""
    for entry in _scanned(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path)
        elif entry.is_file():
            yield entry


def _others(entries: Iterable[os.DirEntry[str]], endings: tuple[str, ...]) -> Counter[str]:
    """The endings of the files that are not read, and their numbers."""
    return Counter(Path(entry.name).suffix.lower() for entry in entries if not _counts(entry, endings))


def class_files(
    root: str | Path, what: str, endings: Iterable[str], classes: Sequence[str] = (), *, beside: str | None = None
) -> tuple[list[Path], list[int], list[str]]:
    """Paths, labels and class names of the files in `class_folders`; a class without a file is a ValueError.

    classes: names that the folders may have; a class may then lack a folder or a file, which is printed. Files with
    other endings, and files outside the class folders, are counted and printed; beside: the ending of files that
    belong to the others.
    """
    endings, paths, labels, others = tuple(endings), list[Path](), list[int](), Counter[str]()
    folders = class_folders(root, what, endings)
    names = [*classes] or [folder.name for folder in folders]
    numbers = {name: label for label, name in enumerate(names)}
    for folder in folders:
        entries = list(_below(folder))
        files = sorted(Path(entry.path) for entry in entries if _counts(entry, endings))
        for file in files:
            require_unicode(folder, file.name)
        if not classes:
            _require_files(folder, what, endings, len(files))
        paths += files
        labels += [numbers[folder.name]] * len(files)
        others += _others(entries, endings)
    _require_files(Path(root), what, endings, len(paths))
    if lacking := sorted({*names} - {names[label] for label in set(labels)}):
        print(f"{root}: holds no {what} of {few(lacking)}")
    if beside:
        others.pop(beside, None)
    if others:
        print(f"{root}: not read, by the endings of the files: {unread(others)}")
    if outside := sum(_counts(entry, endings) for entry in _scanned(folders[0].parent)):
        print(
            f"{folders[0].parent}: not read, because they are in no class folder: {outside} {what}{'s' * (outside > 1)}"
        )
    return paths, labels, names


def _require_files(folder: Path, what: str, endings: tuple[str, ...], count: int) -> None:
    if not count:
        others = unread(_others(_below(folder), endings))
        there = f" ({others})" if others else ""
        raise ValueError(
            f"{folder}: holds no {what}, by the endings of its files{there}; put one there or remove the folder"
        )


def require_images(folder: Path, shots: int) -> None:
    """Raise a ValueError if a folder holds no image, or fewer than `shots`; no further names are read."""
    images = (entry for entry in _below(folder) if _counts(entry, extensions()))
    count = sum(1 for _ in itertools.islice(images, max(shots, 1)))
    _require_files(folder, "image", extensions(), count)
    require_shots(shots, folder.name, count)


def class_names(root: str | Path, *, only: Sequence[Path] = (), shots: int | None = None) -> list[str]:
    """The classes of `Images.from_folder`, by names alone; a ValueError if one has no image, or fewer than `shots`.

    shots: None: the images are not counted.
    """
    if found := only or forms.shards(root):
        _, labels, names = shards.images(found)
        for name, count in zip(names, np.bincount(labels).tolist(), strict=True):
            require_shots(shots or 0, name, count)
        return names
    folders = class_folders(root, "image", extensions())
    for folder in folders if shots is not None else ():
        require_images(folder, shots or 0)
    return [folder.name for folder in folders]


def class_folders(root: str | Path, what: str, endings: Iterable[str]) -> list[Path]:
    """The class folders of <root>/<class>/<file>, sorted by name; hidden ones are left out, and files not read.

    Wrappers around the class folders are skipped: see `unwrapped`. what: the content of a file, for errors; endings: of
    the files, in lower case.
    """
    root, endings = Path(root), tuple(endings)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; {what}s are read from <folder>/<class>/<file>")
    root = unwrapped(root, endings)
    folders = sorted(root / entry.name for entry in _scanned(root) if entry.is_dir())
    if not folders:
        raise ValueError(f"{root}: has no class folders; {what}s are read from <folder>/<class>/<file>")
    for folder in folders:
        require_unicode(root, folder.name)
    return folders


def require_unicode(root: Path, name: str) -> None:
    """Raise a ValueError if the name of a file or folder below root cannot be written to a table or a record."""
    if name != name.encode(errors="ignore").decode():
        raise ValueError(f"{root}: the name {name!r} is not Unicode; give it another one")


def require_shots(shots: int, name: str, count: int) -> None:
    """Raise a ValueError if a class has fewer images than a choice needs."""
    if not 0 <= shots <= count:
        raise ValueError(f"shots: {shots} is out of range; class {name} has {count} images (0: all)")


def few(names: Sequence[str]) -> str:
    """The number of classes, and the first few, in words."""
    more = ", ..." * (len(names) > FEW)
    return f"{len(names)} class{'es' * (len(names) > 1)}: {', '.join(names[:FEW])}{more}"
