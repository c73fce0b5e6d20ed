"""Data by address: a name on a hub, a web address with its SHA-256, or a name of timm's readers become local paths.

hf://OWNER/NAME[@REVISION]      a data set of Hugging Face's hub; REVISION: a branch, tag or commit (main)
https://.../x.zip#sha256=HEX    an archive
hfds/NAME, torch/NAME, ...      what a reader of timm reads, by timm's own names: see `READERS`

What is fetched lies in data/ (or `data_root`), whole or not at all, and is not fetched again. Labels that a table holds
become class folders of links there.
"""

import contextlib
import functools
import glob
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image
from tqdm import tqdm

from ofdb_core.base import files, folder
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import PART, header
from ofdb_core.base.parameters import ParameterError
from ofdb_core.data import archive, tables
from ofdb_core.data.decoding import extensions
from ofdb_core.data.forms import CLASSES, PARQUET, PARTS, TAR

PATIENCE = 10  # seconds that a server may be silent
FEW = 3  # files that a refusal names
HUB = re.compile(r"hf://([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?", re.ASCII)
COMMIT = re.compile("[0-9a-f]{40}")
WEB = re.compile(r"(https?://[^#]+)(?:#sha256=([0-9a-fA-F]{64}))?")
READERS = {  # timm's word before a name -> the package that it needs
    **{"hfds/": "datasets", "hfids/": "datasets", "wds/": "webdataset", "tfds/": "tensorflow-datasets"},
    "torch/": "torchvision",
}
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def is_address(data: str | Path) -> bool:
    """Whether data are an address, not a path or the name of a data set; an existing path never is."""
    text = str(data)
    return text.startswith(("hf:/", "http:/", "https:/", *READERS)) and not os.path.lexists(text)


def problem(address: str) -> str | None:
    """Why an address cannot be used, as a sentence; None if nothing is known. Nothing is asked of a server."""
    if address.startswith("hf:"):
        if HUB.fullmatch(address) and ".." not in address:
            return None
        return f"data: {address!r} is no data set of a hub; allowed is hf://OWNER/NAME or hf://OWNER/NAME@REVISION"
    if not address.startswith("http"):
        return None
    found = WEB.fullmatch(address)
    if not found or not found[2]:
        return (
            f"data: {address!r} lacks the SHA-256 of its file, which `sha256sum FILE` prints where it was fetched and "
            "looked at once; then give URL#sha256=HEX"
        )
    name = _file_of(found[1])
    if not name.lower().endswith(archive.ENDINGS) or "/" in name or files.problem_of(name) or name.startswith("."):
        return f"data: {address!r} is no archive; allowed is a file that ends in {', '.join(archive.ENDINGS)}"
    return None


def local(data: str | Path, root: str | Path) -> Path:
    """Where data lie on this disk: an address is fetched to root, if it is not there; a path is itself.

    A ParameterError says what cannot be had, and which file to put where.
    """
    address, root = str(data), Path(root)
    if not is_address(data):
        return Path(data)
    if sentence := problem(address):
        raise ParameterError([sentence])
    if found := HUB.fullmatch(address):
        return _from_hub(found[1], found[2] or "main", root)
    if found := WEB.fullmatch(address):
        path = root / _file_of(found[1])
        have(path, found[1], digest=found[2].lower(), data=address.partition("#")[0])
        return path
    return _by_timm(address, root)


def _file_of(url: str) -> str:
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path).rpartition("/")[2]


# ---- one file


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


# ---- a data set of a hub


def _from_hub(name: str, revision: str, root: Path) -> Path:
    """The folder of a data set at a commit, <owner>--<name>@<commit>, with a manifest.

    A branch or tag becomes the commit that the hub has now; without a network, the one that is here.
    """
    stem, source = name.replace("/", "--"), f"hf://{name}@{revision}"
    found = sorted(root.glob(f"{glob.escape(stem)}@{revision if COMMIT.fullmatch(revision) else '?' * 40}"))
    here, asked = [path for path in found if path.is_dir() and not Folder(path).beside(PART).exists()], False
    try:
        target, asked = root / f"{stem}@{_commit(name, revision)}", True
        if target not in here:
            _download(name, target)
        return target
    except _unreachable() as error:
        if len(here) == 1 and not asked:
            print(f"data: {source}: the hub cannot be asked, so {here[0].name} is taken, which is here")
            return here[0]
        several = f"; {', '.join(path.name for path in here)} are here, name one by its commit" if here else ""
        raise ParameterError(
            [
                f"data: {source} cannot be fetched from {_endpoint()} ({type(error).__name__}: "
                f"{' '.join(str(error).splitlines()[:1])}){several}; connect to a network, or copy {stem}@<commit> "
                f"with its manifest from the data/ of a machine that has fetched it into {root.resolve()}"
            ]
        ) from error


def _endpoint() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT


def _unreachable() -> tuple[type[Exception], ...]:
    from huggingface_hub.errors import HTTPError

    return (HTTPError, OSError)


@functools.cache
def _commit(name: str, revision: str) -> str:
    """The commit that a hub has for a revision; asked once, so that all of a run has the same."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    if COMMIT.fullmatch(revision):
        return revision
    try:
        return HfApi().dataset_info(name, revision=revision, timeout=PATIENCE).sha or revision
    except RevisionNotFoundError as error:
        raise ParameterError([f"data: hf://{name} has no revision {revision}"]) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ParameterError(
            [
                f"data: hf://{name}: {_endpoint()} has no such data set, or it is not open to you; mind its name, or "
                "log in by `hf auth login`"
            ]
        ) from error


def _download(name: str, target: Path) -> None:
    """Fetch a data set at a commit to a hidden folder, from which an interrupted download goes on; then move it."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    part, commit = target.with_name(f".{target.name}.part"), target.name.rpartition("@")[2]
    made = not target.parent.exists()
    part.mkdir(parents=True, exist_ok=True)
    wait = f"{target.parent}: waiting for another run, which fetches {name}"
    try:
        with files.locked(target.with_name(f".{target.name}.lock"), wait=wait):
            if Folder(target).is_complete():
                return
            listed = HfApi().list_repo_tree(name, repo_type="dataset", revision=commit, recursive=True)
            expected = {about.path: about.lfs for about in listed if hasattr(about, "lfs")}  # folders have none
            snapshot_download(name, repo_type="dataset", revision=commit, local_dir=part)
            for path, large in expected.items():
                if not (part / path).is_file() or (large and files.sha256(part / path) != large.sha256):
                    (part / path).unlink(missing_ok=True)
                    raise ConnectionError(f"{path} came damaged; run again")
            head = header({"hub": _endpoint(), "name": name, "commit": commit}, _arranged, license=None)
            Folder(target).write(head, _arranged(part, name), {})
            shutil.rmtree(part)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ParameterError([f"data: hf://{name} has no revision {commit}, or it is not open to you"]) from error
    finally:
        if part.exists() and not any(file.is_file() for file in part.rglob("*")):
            shutil.rmtree(part)
        if made:
            with contextlib.suppress(OSError):
                target.parent.rmdir()


def _split(path: PurePosixPath) -> str:
    """The folder of `forms.PARTS` that a shard belongs to, by its name or that of a folder around it."""
    words = {word for part in path.parts for word in re.split("[^a-z]+", part.lower())}
    return next((split for split, names in PARTS.items() if words.intersection(names)), "train")


def _arranged(root: Path, name: str) -> dict[str, Path]:
    """Name -> path of the files of a data set: shards of several splits in train/, val/ and test/, of one at the top.

    Without shards everything stays where it is, but hidden files.
    """
    paths = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    paths = {below: path for below, path in paths.items() if not any(part.startswith(".") for part in below.split("/"))}
    shards = {below: _split(PurePosixPath(below)) for below in paths if below.endswith((TAR, PARQUET))}
    if not shards:
        return dict(paths)
    splits, arranged = {*shards.values()}, dict[str, Path]()
    for below, split in shards.items():
        for path in (paths[below], paths[below].with_name(CLASSES)):
            new = f"{split}/{path.name}" if len(splits) > 1 else path.name
            if path.is_file() and arranged.setdefault(new, path) != path and path.name != CLASSES:
                shutil.rmtree(root)
                raise ParameterError(
                    [
                        f"data: hf://{name} holds several sets ({below} and others); fetch one by `hf download {name} "
                        "--repo-type dataset --local-dir DIR`, and give its folder"
                    ]
                )
    return {**{below: path for below, path in paths.items() if "/" not in below and below not in shards}, **arranged}


# ---- what timm reads


@functools.cache
def _by_timm(address: str, root: Path) -> Path:
    """A folder with the pictures that a reader of timm gives, train/<class>/<file> and val/<class>/<file>."""
    import timm

    target = Folder(root / address.replace("/", "--"))
    head = header({"reader": address, "timm": timm.__version__}, _pictures, license=None)
    if target.is_kept(head):
        return target.root
    parts = {"train": _read(address, root, "train"), "val": _read(address, root, "validation", "val", "test")}
    target.fill(head, _pictures(parts), total=sum(map(len, parts.values())), workers=1)
    return target.root


def _read(address: str, root: Path, *splits: str) -> Any:
    """timm's data set of the first of these splits that there is."""
    from timm.data import create_dataset

    prefix, _, name = address.partition("/")
    place = root / name if prefix == "wds" else root  # shards are not fetched; the others fetch to the folder
    for split in splits:
        try:
            return create_dataset(address, str(place), split=split, download=True, input_img_mode=None)  # type: ignore[arg-type]
        except ImportError as error:
            raise ParameterError([f"data: {address} needs a package: pip install {READERS[f'{prefix}/']}"]) from error
        except Exception as error:  # each reader has its own
            failed = error
    named, reason = " or ".join(splits), f"{type(failed).__name__}: {failed}"
    raise ParameterError([f"data: timm cannot read {address}, split {named}, in {place} ({reason})"]) from failed


def _pictures(parts: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """<part>/<class>/<number>.<ending> and what gives the file's bytes, of data sets of pictures and labels.

    A file is as it was, where the reader has it; other pictures become PNG.
    """
    for part, pairs in parts.items():
        reader, count = getattr(pairs, "reader", pairs), 0
        names = {number: name for name, number in (getattr(reader, "class_to_idx", None) or {}).items()}
        source = map(reader.__getitem__, range(len(reader))) if hasattr(reader, "__getitem__") else pairs
        for picture, label, *_ in source:
            data, ending = _file(picture)
            name = str(names.get(int(label), int(label))).replace("/", "_")
            yield f"{part}/{name}/{count:07d}.{ending}", functools.partial(bytes, data)
            count += 1
        if count != (len(pairs) or count):
            raise ParameterError([f"data: {part}: timm's reader gave {count} pictures of {len(pairs)}"])


def _file(picture: Any) -> tuple[bytes, str]:
    """The bytes of a picture's file, and their ending."""
    if not isinstance(picture, Image.Image):
        data = picture.read()
        with Image.open(io.BytesIO(data)) as opened:
            return data, str(opened.format).lower()
    file = io.BytesIO()
    (picture if picture.mode in PNG_MODES else picture.convert("RGB")).save(file, "PNG")
    return file.getvalue(), "png"


# ---- labels from a table


def labelled(place: Path, table: str | Path, root: str | Path) -> Path:
    """A folder of links to the pictures in a folder, <label>/<file>, by a CSV file with the columns file and label.

    file: a name below the folder; train/x.png becomes train/<label>/x.png, likewise in val/ and test/. A ParameterError
    names files that are listed and missing, listed twice, or there and not listed.
    """
    place, root = place.resolve(), Path(root)
    if archive.is_archive(place):
        place = archive.unpacked(place, root)
    try:
        rows = tables.read(table, text=("file", "label"))
    except (ValueError, OSError) as error:
        raise ParameterError([f"labels: {error}"]) from error
    if not rows or not {"file", "label"} <= rows[0].keys():
        raise ParameterError([f"labels: {table}: has no rows, or no columns file and label in its first line"])
    if not place.is_dir():
        raise ParameterError([f"labels: {place} is no folder of pictures"])
    listed = Counter(row["file"] for row in rows)
    there = {name for name, _ in files.walk(place, followlinks=True) if name.lower().endswith(extensions())}
    there = {name for name in there if not any(part.startswith(".") for part in name.split("/"))}
    wrong = {
        f"missing from {place}": [name for name in listed if name not in there],
        "listed twice": [name for name, count in listed.items() if count > 1],
        f"in {place} and not listed": sorted(there - listed.keys()),
        "without a label that can name a folder": [row["file"] for row in rows if not _names_a_folder(row["label"])],
    }
    if problems := [f"labels: {table}: {_few(names)} {what}" for what, names in wrong.items() if names]:
        raise ParameterError(problems)
    links = {_with_label(PurePosixPath(row["file"]), row["label"]): str(place / row["file"]) for row in rows}
    digest = hashlib.sha256(json.dumps(links).encode()).hexdigest()[:12]
    target, part = root / f"{place.name}-labels-{digest}", root / f".{place.name}-labels-{digest}.{os.getpid()}.part"
    if not target.is_dir():
        for name, source in links.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).symlink_to(source)
        with contextlib.suppress(FileExistsError):  # another process was first
            part.rename(target)
        shutil.rmtree(part, ignore_errors=True)
    return target


def _names_a_folder(label: str) -> bool:
    return "/" not in label and not label.startswith(".") and files.problem_of(label) is None


def _with_label(file: PurePosixPath, label: str) -> str:
    first = file.parts[:1] if len(file.parts) > 1 and file.parts[0] in PARTS else ()
    return str(PurePosixPath(*first, label, *file.parts[len(first) :]))


def _few(names: list[str]) -> str:
    more = f" and {len(names) - FEW} more" * (len(names) > FEW)
    return f"{', '.join(names[:FEW])}{more} {'is' if len(names) == 1 else 'are'}"
