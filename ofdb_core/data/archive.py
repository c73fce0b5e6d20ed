"""Data sets in archives, as their authors publish them: .zip, .tar, .tar.gz and .tgz become folders.

An archive is not trusted: all its entries are checked before anything is written. It is refused if an entry is not a
plain file or folder inside the target. (tarfile's own `filter` is missing from early releases of 3.11.)
"""

import contextlib
import functools
import gzip
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from ofdb_core.base import files, folder
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import Header, header
from ofdb_core.data.forms import ENDINGS, is_archive

FILE, FOLDER, OTHER = "file", "folder", "other"  # types of an entry
LARGEST = 2**30  # bytes of one file, which is held in memory
BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(OSError, EOFError, ValueError, RuntimeError),  # RuntimeError: a zip is encrypted, or packed in an unknown way
)

Entry = tuple[str, str, int, Callable[[], bytes]]  # name; FILE, FOLDER or OTHER; bytes; reader, called before the next


def named(path: Path) -> str:
    """The name of an archive's folder: its own without the ending."""
    return path.name[: -len(next(end for end in ENDINGS if path.name.lower().endswith(end)))]


def unpacked(path: str | Path, root: str | Path) -> Path:
    """The folder <root>/<name of the archive> with the archive's files, as a Path.

    It is filled like any folder of results: whole or not at all, by one process at a time, continued after an
    interruption, and kept while it is complete, unchanged and of the same archive (by SHA-256). At most three files, of
    LARGEST bytes each, are in memory: one is read while one is written and one waits. Files of macOS are left out. A
    ValueError names the archive if it is damaged, needs more room than the disk has, or holds an entry that must not be
    written: one that leaves the folder, is a link or a device, or has the name of another; or the folder of results in
    it that is not as its manifest says. Then nothing is left.
    """
    path, root = Path(path), Path(root)
    if not is_archive(path):
        raise ValueError(f"{path}: no such archive; allowed is a file that ends in {', '.join(ENDINGS)}")
    target = Folder(root / named(path))
    if target.is_kept(made_from := head(path)):
        return target.root
    sizes = _sizes(path)
    root.mkdir(parents=True, exist_ok=True)
    needed = sum(size for name, size in sizes.items() if not (target.root / name).is_file())
    if needed > (free := shutil.disk_usage(root).free):
        raise ValueError(f"{path}: needs {needed:,} bytes in {root}, where {free:,} are free; nothing was unpacked")
    try:
        target.fill(made_from, _files(path, sizes), total=len(sizes), workers=1)
        _require_proven(target)
    except ValueError:  # its bytes are damaged
        target.discard()
        raise
    return target.root


def _require_proven(target: Folder) -> None:
    """Raise a ValueError if a folder of results in an unpacked one does not have the files of its manifest."""
    there = target.manifest()["files"]
    for inside in Folder.below(target.root):
        if inside.root != target.root and inside.is_complete():
            below = inside.root.relative_to(target.root).as_posix()
            for name, hashed in inside.manifest()["files"].items():
                if there.get(f"{below}/{name}") != hashed:
                    raise ValueError(
                        f"{target.root.name}/{below}/{name}: missing or altered in the archive; get it again"
                    )


def head(path: Path) -> Header:
    """What the folder of an archive is made from."""
    return header({"archive": folder.fingerprint(path)}, unpacked, license=None)


def _sizes(path: Path) -> dict[str, int]:
    """Name -> bytes of an archive's files, after a check of all entries; names are relative, with single '/'."""
    sizes: dict[str, int] = {}
    folders: set[str] = set()
    for entry, entry_type, size, _ in _entries(path):
        name = PurePosixPath(entry).as_posix()
        twice = "is there twice" if entry_type == FILE and name in sizes else None
        if problem := _problem(entry, name, entry_type, size) or twice:
            raise ValueError(f"{path}: {entry!r} {problem}; nothing was unpacked")
        if entry_type == FILE and not _is_left_out(name):
            sizes[name] = size
            folders.update(str(parent) for parent in PurePosixPath(name).parents)
        elif entry_type == FOLDER:
            folders.add(name)
    if not sizes:
        raise ValueError(f"{path}: holds no files")
    if both := sorted(folders & sizes.keys()):
        raise ValueError(f"{path}: {both[0]!r} is both a file and a folder; nothing was unpacked")
    return sizes


def _problem(entry: str, name: str, entry_type: str, size: int) -> str | None:
    """The reason why an entry must not be written, as the end of a sentence; None if it may be."""
    if entry_type == OTHER:
        return "is a link or a device"
    if (entry_type, name) != (FOLDER, ".") and (problem := files.problem_of(entry) or files.problem_of(name)):
        return problem
    return f"has {size:,} bytes; at most {LARGEST:,} are allowed" if size > LARGEST else None


def _is_left_out(name: str) -> bool:
    *folders, file = name.split("/")
    return "__MACOSX" in folders or file == ".DS_Store" or file.startswith("._") or files.is_temporary(name)


def _files(path: Path, sizes: dict[str, int]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The files to write, for `Folder.fill`; they are read here, one after another, as a packed tar needs it."""
    for entry, _, _, read in _entries(path):
        if (name := PurePosixPath(entry).as_posix()) in sizes:
            with _named(path):
                data = read()
            yield name, functools.partial(bytes, data)


def _entries(path: Path) -> Iterator[Entry]:
    """The entries of an archive, in order."""
    with _named(path):
        yield from _zip_entries(path) if path.name.lower().endswith(".zip") else _tar_entries(path)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn the errors of a broken archive into a ValueError that names the archive."""
    try:
        yield
    except BROKEN as error:
        raise ValueError(f"{path}: cannot be read ({error}); it is damaged or incomplete, get it again") from error


def _zip_entries(path: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)  # 0: not made on Unix
            entry_type = OTHER if not plain else FOLDER if info.filename.endswith("/") else FILE
            yield info.filename, entry_type, info.file_size, functools.partial(archive.read, info)


def _read(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    """The bytes of a plain file in a tar."""
    file = archive.extractfile(info)
    assert file is not None  # None only for an entry that is not a plain file
    return file.read()


def _tar_entries(path: Path) -> Iterator[Entry]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # or else it keeps them all
            entry_type = FILE if info.isreg() else FOLDER if info.isdir() else OTHER
            yield info.name, entry_type, info.size, functools.partial(_read, archive, info)
        # tarfile also stops, silently, at a header that it cannot read; only zeros may follow the last one
        rest = stream.read(tarfile.BLOCKSIZE)
        if len(rest) < tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it has no end")
        while rest:
            if rest.strip(b"\0"):
                raise tarfile.ReadError("bad header")
            rest = stream.read(2**20)
