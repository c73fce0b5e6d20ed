"""What ran: parameters, seed, versions, commit, and the hashes of what was read and written.

A notebook opens a `Run`, hands it figures, checks and results, and ends with `done`, which writes the notebook's entry
in <out>/record.json. The next run reads this entry to see whether there is anything to do.
"""

import datetime
import hashlib
import io
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from ofdb_core.base import files, folder, manifests, provenance, values
from ofdb_core.base.own import Own
from ofdb_core.base.parameters import NotebookParameters

if TYPE_CHECKING:
    from IPython.display import SVG, Image
    from matplotlib.figure import Figure as Drawn

FILE = "record.json"
NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
DOTS = 125  # pixels an inch of a figure: a quarter more than on most screens


class Figure(TypedDict):
    """A figure's file, below the experiment's folder, its caption and its hash."""

    file: str
    caption: str
    sha256: str


class Check(TypedDict):
    """A check, and whether it held."""

    sentence: str
    holds: bool


class Headline(TypedDict):
    """The sentence that matters most, and the file of its figure."""

    sentence: str
    figure: str


class Entry(TypedDict):
    """What the record holds of a notebook; `reads` and `writes` are digests by name."""

    parameters: dict[str, Any]
    code: str
    commit: str | None
    versions: dict[str, str]
    machine: str
    started: str
    seconds: NotRequired[float]
    reads: dict[str, str]
    writes: dict[str, str]
    outdated: NotRequired[str]
    figures: list[Figure]
    checks: list[Check]
    headline: NotRequired[Headline]
    results: dict[str, Any]


class CheckError(AssertionError):
    """A notebook's check against an independent number failed."""


def read(out: str | Path) -> dict[str, Entry]:
    """The record of an experiment's folder: notebook -> entry; empty if there is none."""
    path = Path(out) / FILE
    try:
        found = files.read_json(path)
        if found is None:
            return {}
        for notebook, entry in found["notebooks"].items():
            _check(notebook, entry)
        return found["notebooks"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # not JSON, not text, or of another shape
        raise files.Unreadable(f"{path}: not a record of a run ({error}); move it away and run again") from error


def write(out: Path, notebooks: Mapping[str, Entry]) -> None:
    """Write the record of an experiment's folder: notebook -> entry."""
    whole = {"name": out.name, **manifests.dated(), "notebooks": dict(sorted(notebooks.items()))}
    data = manifests.text(whole)  # what it replaces is a record, since it was read
    Own(out).note(FILE, hashlib.sha256(data.encode()).hexdigest())
    files.write_whole(out / FILE, data, durable=True)


def _check(notebook: str, entry: Entry) -> None:
    """Raise ValueError unless this is a notebook's entry with files in the record's folder."""
    if flaw := values.flaw(entry, Entry):
        raise ValueError(f"{notebook}: {flaw}")
    figures = [figure["file"] for figure in entry["figures"]]
    headline = [entry["headline"]["figure"]] if "headline" in entry else []
    for name in [notebook, *entry["writes"], *figures, *headline]:
        if problem := files.problem_of(name):
            raise ValueError(f"{name!r} {problem}")


def picture(out: Path, figure: Figure) -> bytes | None:
    """The bytes of a figure; None if the file is missing or altered."""
    path = files.held(out, figure["file"], figure["sha256"])
    return path.read_bytes() if path else None


def altered_figures(out: Path, entry: Entry) -> list[str]:
    """The files of an entry's figures that are missing or altered."""
    return [figure["file"] for figure in entry["figures"] if picture(out, figure) is None]


def digest_of(out: Path, notebook: str, name: str) -> str:
    """One hash of what a notebook reads; of the record itself, only the entries of the notebooks before it count."""
    if name != FILE:
        return folder.fingerprint(out / name)
    before = {other: entry for other, entry in read(out).items() if other < notebook}
    return hashlib.sha256(json.dumps(before, sort_keys=True).encode()).hexdigest()


def _saved(figure: "Drawn", kind: str, metadata: dict[str, Any]) -> bytes:
    import matplotlib

    data = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": ""}):  # text stays text; the same ids each time
        figure.savefig(data, format=kind, dpi=DOTS, bbox_inches="tight", transparent=True, metadata=metadata)
    return data.getvalue()


def svg(figure: "Drawn") -> bytes:
    """A figure as the bytes of an SVG file; characters that XML forbids, as in a name, become a mark."""
    text = _saved(figure, "svg", {"Date": None, "Creator": None}).decode()
    return NO_XML.sub("\ufffd", text).encode()


def _png(figure: "Drawn") -> bytes:
    """A figure as the bytes of a small PNG file: without colour it has one channel beside the transparency."""
    from PIL import Image

    picture: Image.Image = Image.open(io.BytesIO(_saved(figure, "png", {"Software": None})))
    data = io.BytesIO()
    red, green, blue, _ = picture.split()
    if red.tobytes() == green.tobytes() == blue.tobytes():
        picture = picture.convert("LA")
    picture.save(data, "PNG", optimize=True, dpi=(DOTS, DOTS))
    return data.getvalue()


class Run:
    """One notebook at work: its folder, figures, checks, results, and what it reads and writes."""

    def __init__(self, notebook: str, parameters: NotebookParameters) -> None:
        self.folder = Path(parameters.out).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.notebook = notebook
        self.began = time.time()
        self.entry: Entry = {
            "parameters": manifests.portable(parameters.values(), self.folder),
            "code": provenance.code_version(notebook, *parameters.code()),
            "commit": provenance.commit(),
            "versions": provenance.versions(),
            "machine": provenance.machine(),
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "reads": {},
            "writes": {},
            "figures": [],
            "checks": [],
            "results": {},
        }

    def figure(self, figure: "Drawn", name: str, caption: str) -> "Image | SVG":
        """Save a matplotlib figure as figures/<notebook>_<name> and return the picture, for a notebook to show.

        A figure with images is saved as PNG; one of lines alone as SVG, sharp at any size.
        """
        from IPython.display import SVG, Image
        from matplotlib.image import AxesImage

        has_images = bool(figure.findobj(AxesImage))
        name = f"figures/{self.notebook}_{name}.{'png' if has_images else 'svg'}"
        data = _png(figure) if has_images else svg(figure)
        Own(self.folder).write(name, data)
        self.entry["figures"].append({"file": name, "caption": caption, "sha256": hashlib.sha256(data).hexdigest()})
        if not has_images:
            return SVG(data=data)
        return Image(data=data, width=int.from_bytes(data[16:20], "big") * 100 // DOTS)  # in pixels at 100 an inch

    def check(self, sentence: str, holds: bool) -> None:
        """Record a check, and raise CheckError if it does not hold."""
        self.entry["checks"].append({"sentence": sentence, "holds": bool(holds)})
        print(f"{'holds' if holds else 'FAILS'}: {sentence}")
        if not holds:
            raise CheckError(sentence)

    def results(self, **numbers: object) -> None:
        """Record numbers for the report and for readers of the record."""
        self.entry["results"].update(manifests.portable(numbers, self.folder))

    def headline(self, sentence: str) -> None:
        """Record the sentence that matters most; the notebook's last figure so far illustrates it."""
        self.entry["headline"] = {"sentence": sentence, "figure": self.entry["figures"][-1]["file"]}
        print(sentence)

    def reads(self, *names: str) -> None:
        """Record the digests of inputs: folders or files below the experiment's folder, or paths."""
        for name in names:
            digest = digest_of(self.folder, self.notebook, name)
            self.entry["reads"][manifests.portable(name, self.folder)] = digest

    def writes(self, *names: str, outdated: bool = False) -> None:
        """Record the digests of folders that were written; outdated: kept, though made by earlier code."""
        for name in names:
            if outdated:
                self.entry["outdated"] = name
            results = folder.Folder(self.folder / name)
            self.entry["writes"][name] = results.digest()
            if (manifest := results.beside(manifests.MANIFEST)).parent == self.folder:  # or else of a linked folder
                Own(self.folder).note(manifest.name, files.sha256(manifest))

    def done(self) -> None:
        """Write the entry into record.json."""
        self.entry["seconds"] = round(time.time() - self.began, 1)
        write(self.folder, {**read(self.folder), self.notebook: self.entry})
        print(f"done in {self.entry['seconds']} s; the record is {self.folder / FILE}")
