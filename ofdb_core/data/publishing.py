"""A folder to a hub: a data set, packed where it is many files, or a checkpoint.

What is sent is compared with what the hub has, by SHA-256 or git's hash of each file, and goes in commits of a few
files. So a push that was interrupted goes on, and a second one of the same folder sends nothing.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ofdb_core.base import files, units
from ofdb_core.base.folder import Folder
from ofdb_core.base.listed import CARD
from ofdb_core.data import croissant, decoding, forms, layout, packing

FORM = "webdataset"  # that class folders are packed in
AT_ONCE = 50  # files of a commit; the hub's advice: below 100
MOST = 10_000  # files that go as they are; the hub's advice: below 10,000 in a folder
LOG_IN = "log in by `hf auth login`, with a token that may write (huggingface.co/settings/tokens), or set HF_TOKEN"


class Refused(ValueError):
    """What the hub or the folder does not allow; the message says what to do."""


@dataclass(frozen=True)
class Push:
    """What a push would send, and where to.

    root: the folder; kind: dataset or model; everything: name -> size of its files; new: those that the hub lacks or
    has otherwise; private: None where the repository exists.
    """

    root: Path
    repository: str
    kind: str
    everything: dict[str, int]
    new: list[str]
    exists: bool
    private: bool

    @property
    def address(self) -> str:
        """The address at which it can be seen."""
        return f"{_api().endpoint}/{'datasets/' * (self.kind == 'dataset')}{self.repository}"

    def lines(self) -> Iterator[str]:
        """What would be sent, in words, for the question to the user."""
        size = units.size(sum(self.everything[name] for name in self.new))
        there = f"; {len(self.everything) - len(self.new)} are there already" if self.exists else ""
        yield f"{self.root} as a {self.kind} to {self.address}:"
        yield from (f"  {name}  {units.size(self.everything[name])}" for name in self.new[:10])
        if len(self.new) > 10:
            yield f"  ... and {len(self.new) - 10} more"
        seen = "only those you let see it" if self.private else "everyone can see it"
        yield f"{len(self.new)} files, {size}{there}; {'the repository exists' if self.exists else 'a new one'}: {seen}"


def check(repository: str) -> None:
    """Raise a Refused error unless this can be a repository's name, and the hub knows who is logged in."""
    from huggingface_hub.errors import HFValidationError, HTTPError, LocalTokenNotFoundError
    from huggingface_hub.utils import validate_repo_id

    api = _api()
    try:
        validate_repo_id(repository)
        if repository.count("/") != 1:
            raise HFValidationError("it has no owner")
        api.whoami()
    except HFValidationError as error:
        raise Refused(f"{repository!r} is no name of a repository, as OWNER/NAME: {error}") from error
    except LocalTokenNotFoundError as error:
        raise Refused(f"{api.endpoint}: nobody is logged in here; {LOG_IN}") from error
    except (HTTPError, OSError) as error:
        raise Refused(_refused(api, error) or _unreachable(api, error)) from error


def prepared(root: str | Path, form: str = FORM) -> Path:
    """The folder to send: itself if it holds shards or a checkpoint; of class folders, the packed form beside it."""
    root = Path(root).resolve()
    if not root.is_dir():
        raise Refused(f"{root}: no such folder")
    if _is_checkpoint(root) or forms.shards(root):
        return root
    try:
        layout.class_folders(root, "image", decoding.extensions())
    except ValueError as error:
        raise Refused(f"{root}: neither images in class folders, shards, nor a checkpoint ({error})") from error
    target = root.with_name(f"{root.name}{forms.PACKED[form]}")
    if not target.exists():
        print(f"{root}: class folders are packed first, as {target.name}", flush=True)
    return packing.pack(root, form)


def _is_checkpoint(root: Path) -> bool:
    return (root / "config.json").is_file() and any(root.glob("*.safetensors"))


def _api() -> Any:
    from huggingface_hub import HfApi

    return HfApi()


def look(root: Path, repository: str, *, private: bool = False) -> Push:
    """Compare a folder with a repository of a hub; nothing is sent. A Refused error if it cannot be sent."""
    from huggingface_hub.errors import HTTPError, RepositoryNotFoundError

    own, api = Folder(root), _api()
    if own.is_complete():
        own.proven()
    names = sorted(name for name in own.names() if not any(part.startswith(".") for part in name.split("/")))
    if not names or len(names) > MOST:
        raise Refused(f"{root}: holds {len(names):,} files; 1 to {MOST:,} can be pushed, pack more of them first")
    kind = "model" if _is_checkpoint(root) else "dataset"
    try:
        about = api.repo_info(repository, repo_type=kind)
        listed = {one.path: one for one in api.list_repo_tree(repository, repo_type=kind, recursive=True)}
    except RepositoryNotFoundError:
        about, listed = None, {}
    except (HTTPError, OSError) as error:
        raise Refused(_unreachable(api, error)) from error
    new = [name for name in names if not _is_there(root, name, listed.get(name), f"{kind}s/{repository}")]
    sizes = {name: (root / name).stat().st_size for name in names}
    return Push(root, repository, kind, sizes, new, about is not None, about.private if about else private)


def _refused(api: Any, error: Exception) -> str | None:
    """What to do where a hub answers that one may not; None if that is not its answer."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"{api.endpoint}: refuses the token that is used here; {LOG_IN}" if status in (401, 403) else None


def _unreachable(api: Any, error: Exception) -> str:
    return f"{api.endpoint}: cannot be asked ({type(error).__name__}: {' '.join(str(error).splitlines()[:1])})"


def _is_there(root: Path, name: str, remote: Any, place: str) -> bool:
    """Whether the hub's file of this name has the same bytes."""
    data = _in_place(root, name, place)
    if getattr(remote, "size", None) != (len(data) if data is not None else (root / name).stat().st_size):
        return False
    if remote.lfs:
        return remote.lfs.sha256 == (
            hashlib.sha256(data).hexdigest() if data is not None else files.sha256(root / name)
        )
    data = (root / name).read_bytes() if data is None else data
    return remote.blob_id == hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _in_place(root: Path, name: str, place: str) -> bytes | None:
    """The bytes of a file that says where it lies, once it lies there; None: it is sent as it is."""
    if name == croissant.CROISSANT:
        return (root / name).read_bytes().replace(b'"url": "./"', f'"url": "{_api().endpoint}/{place}"'.encode())
    if name == CARD:
        return (root / name).read_bytes().replace(b"OWNER/NAME", place.partition("/")[2].encode())
    return None


def send(push: Push) -> str:
    """Send what is new, in commits of a few files; return the commit that the hub has then."""
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub.errors import HTTPError

    api, place = _api(), f"{push.kind}s/{push.repository}"
    try:
        if not push.exists:
            api.create_repo(push.repository, repo_type=push.kind, private=push.private, exist_ok=True)
        for begin in range(0, len(push.new), AT_ONCE):
            names = push.new[begin : begin + AT_ONCE]
            added = [CommitOperationAdd(name, _in_place(push.root, name, place) or push.root / name) for name in names]
            message = f"Add {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            api.create_commit(push.repository, added, commit_message=message, repo_type=push.kind)
        return api.repo_info(push.repository, repo_type=push.kind).sha
    except (HTTPError, OSError, RuntimeError) as error:
        goes_on = f"{_unreachable(api, error)}; the same command goes on with what is not there yet"
        raise Refused(_refused(api, error) or goes_on) from error
