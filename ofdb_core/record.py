"""What ran: parameters, seed, versions, commit, and the hashes of what was read and written.

A notebook opens a `Run`, gives it its figures, checks and results, and closes it with `done`, which writes its entry in
<out>/record.json. The same entry tells the next run whether there is anything to do.
"""

import ast
import csv
import datetime
import functools
import hashlib
import io
import json
import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path

import ofdb_core

FILE = "record.json"
PROJECT = Path(ofdb_core.__file__).resolve().parents[1]
PACKAGES = ("numpy", "numba", "pillow", "matplotlib", "scikit-learn", "torch", "torchvision", "timm", "accelerate")


class CheckError(AssertionError):
    """A notebook's check against an independent number did not hold."""


class Unreadable(ValueError):
    """A record or a manifest that is none any more; the message names it and says what to do."""


def sha256(path):
    """Hex SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path, data, *, durable=False):
    """Write bytes or text so that the file appears whole or not at all, even if the process dies or the disk fills.

    durable: wait until it is on the disk, so that a power cut cannot empty it: for what says that others are complete.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(
            error.errno, f"cannot write {path} ({error.strerror}); what was written before is kept"
        ) from error


def csv_text(rows):
    """Dictionaries of the same keys as the text of a CSV file with a header."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def write_csv(path, rows):
    """Write dictionaries of the same keys as a CSV file with a header, whole or not at all."""
    write_whole(path, csv_text(rows))


def read_csv(path):
    """The rows of a CSV file as dictionaries; numbers are numbers again."""
    with Path(path).open(newline="") as file:
        return [{key: _number(text) for key, text in row.items()} for row in csv.DictReader(file)]


def _number(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _source(name):
    """The code of a module of ofdb_core ('raster') or of a notebook ('2_render_2d'), without comments."""
    notebook = PROJECT / "notebooks" / f"{name}.ipynb"
    if notebook.exists():
        cells = json.loads(notebook.read_text())["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return (PROJECT / "ofdb_core" / f"{name}.py").read_text()


def heading(notebook):
    """The first line of a notebook, in which it says what it is about."""
    cells = json.loads((PROJECT / "notebooks" / f"{notebook}.ipynb").read_text())["cells"]
    return cells[0]["source"][0].lstrip("# ").strip()


def _imports(tree):
    """The modules of ofdb_core that a syntax tree imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "ofdb_core":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ofdb_core."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("ofdb_core.")}
    return found


@functools.cache
def code_version(name):
    """Hash of the code of a module or notebook and of all of ofdb_core that it imports; comments do not count."""
    seen, waiting = {}, {name}
    while waiting:
        module = waiting.pop()
        tree = ast.parse(_source(module))
        seen[module] = ast.dump(tree)
        waiting |= {used for used in _imports(tree) if used not in seen}
    return hashlib.sha256("".join(seen[module] for module in sorted(seen)).encode()).hexdigest()[:16]


def commit():
    """The commit of the project, with '+' where tracked files differ from it; None outside a git checkout."""

    def git(*words):
        return subprocess.run(["git", "-C", PROJECT, *words], capture_output=True, text=True)

    try:
        head = git("rev-parse", "HEAD")
        return (
            head.stdout.strip() + ("+" if git("diff", "--quiet", "HEAD").returncode else "")
            if not head.returncode
            else None
        )
    except FileNotFoundError:  # no git
        return None


@functools.cache
def versions():
    """Package -> version of what results depend on, Python included."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


@functools.cache
def machine():
    """The machine, in words: processor, cores, system."""
    model = platform.processor() or platform.machine()
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.machine()}"


def read(out):
    """The record of an experiment's folder: notebook -> entry; empty where none is."""
    path = Path(out) / FILE
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text())["notebooks"]
    except (ValueError, KeyError, TypeError) as error:  # not JSON or not text, or JSON of something else
        raise Unreadable(f"{path}: not a record of a run ({error}); move it away and run again") from error


def altered_figures(out, entry):
    """The files of an entry's figures that are missing or not as they were drawn."""
    figures = {figure["file"]: figure["sha256"] for figure in entry["figures"]}
    return [name for name in figures if not (out / name).is_file() or sha256(out / name) != figures[name]]


def others(out, notebook):
    """One hash for the record's entries of all other notebooks: what the report is made from."""
    entries = {name: entry for name, entry in read(out).items() if name != notebook}
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


class Run:
    """One notebook at work: its folder, figures, checks, results, and what it reads and writes."""

    def __init__(self, notebook, recipe):
        self.folder = Path(recipe.out).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.notebook = notebook
        self.recipe = recipe
        self.began = time.time()
        self.entry = {
            "parameters": recipe.values(),
            "code": code_version(notebook),
            "commit": commit(),
            "versions": versions(),
            "machine": machine(),
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "reads": {},
            "writes": {},
            "figures": [],
            "checks": [],
            "results": {},
        }

    def figure(self, figure, name, caption):
        """Save a matplotlib figure as figures/<notebook>_<name>.png and return the picture, for a notebook to show."""
        from IPython.display import Image

        path = self.folder / "figures" / f"{self.notebook}_{name}.png"
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=100, bbox_inches="tight", metadata={"Software": None})
        write_whole(path, image.getvalue())
        name = str(path.relative_to(self.folder))
        self.entry["figures"].append({"file": name, "caption": caption, "sha256": sha256(path)})
        return Image(data=image.getvalue())

    def check(self, sentence, holds):
        """Record a check and fail where it does not hold."""
        self.entry["checks"].append({"sentence": sentence, "holds": bool(holds)})
        print(f"{'holds' if holds else 'FAILS'}: {sentence}")
        if not holds:
            raise CheckError(sentence)

    def results(self, **numbers):
        """Numbers for the report and for whoever reads the record."""
        self.entry["results"].update(numbers)

    def reads(self, name, digest):
        self.entry["reads"][name] = digest

    def writes(self, name, digest):
        self.entry["writes"][name] = digest

    def done(self):
        """Write the entry into record.json."""
        self.entry["seconds"] = round(time.time() - self.began, 1)
        notebooks = read(self.folder)
        notebooks[self.notebook] = self.entry
        text = json.dumps({"notebooks": dict(sorted(notebooks.items()))}, indent=1)
        write_whole(self.folder / FILE, text + "\n", durable=True)
        print(f"done in {self.entry['seconds']} s; the record is {self.folder / FILE}")
