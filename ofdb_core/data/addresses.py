"""Data by address: a name on a hub, a web address with its SHA-256, or a name of timm's readers become local paths.

hf://OWNER/NAME[@REVISION]      a data set of Hugging Face's hub; REVISION: a branch, tag or commit (main)
https://.../x.zip#sha256=HEX    an archive
hfds/NAME, torch/NAME, ...      what a reader of timm reads, by timm's own names: see `timm_readers`

What is fetched lies in data/ (or `data_root`), whole or not at all, and is not fetched again.
"""

import os
import re
import urllib.parse
from pathlib import Path

from ofdb_core.base import files
from ofdb_core.base.parameters import ParameterError
from ofdb_core.data import archive, download, hub, timm_readers
from ofdb_core.data.timm_readers import READERS

HUB = re.compile(r"hf://([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?", re.ASCII)
WEB = re.compile(r"(https?://[^#]+)(?:#sha256=([0-9a-fA-F]{64}))?")


def is_address(data: str | Path) -> bool:
    """Whether data are an address, not a path or the name of a data set; an existing path never is."""
    text = str(data)
    return text.startswith(("hf:/", "http:/", "https:/", *READERS)) and not os.path.lexists(text)


def problem(address: str) -> str | None:
    """Why an address cannot be used, as a sentence; None if no reason is known. No server is asked."""
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
    """The path of data on this disk: an address is fetched to root, unless it is there; a path stays as it is.

    A ParameterError says what cannot be had, and which file to put where.
    """
    address, root = str(data), Path(root)
    if not is_address(data):
        return Path(data)
    if sentence := problem(address):
        raise ParameterError([sentence])
    if found := HUB.fullmatch(address):
        return hub.fetched(found[1], found[2] or "main", root)
    if found := WEB.fullmatch(address):
        path = root / _file_of(found[1])
        download.have(path, found[1], digest=found[2].lower(), data=address.partition("#")[0])
        return path
    return timm_readers.fetched(address, root)


def _file_of(url: str) -> str:
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path).rpartition("/")[2]
