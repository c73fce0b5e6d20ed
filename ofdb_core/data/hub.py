"""Data sets of Hugging Face's hub, fetched at a commit to <owner>--<name>@<commit>."""

import contextlib
import functools
import glob
import re
import shutil
from pathlib import Path, PurePosixPath

from ofdb_core.base import files
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import PART, header
from ofdb_core.base.parameters import ParameterError
from ofdb_core.data.download import PATIENCE
from ofdb_core.data.forms import CLASSES, PARQUET, PARTS, TAR

COMMIT = re.compile("[0-9a-f]{40}")


def fetched(name: str, revision: str, root: Path) -> Path:
    """The folder of a data set at a commit, <owner>--<name>@<commit>, with a manifest.

    A branch or tag becomes the commit that the hub has now; without a network, the one that is here.
    """
    stem, source = name.replace("/", "--"), f"hf://{name}@{revision}"
    found = sorted(root.glob(f"{glob.escape(stem)}@{revision if COMMIT.fullmatch(revision) else '?' * 40}"))
    here, asked = [path for path in found if path.is_dir() and not Folder(path).beside(PART).exists()], False
    try:
        target, asked = root / f"{stem}@{commit_of(name, revision)}", True
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
def commit_of(name: str, revision: str) -> str:
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
