"""The site: static pages of docs/, a run's notebooks as they ran, its report, the gallery, the explorer, the package.

Sphinx builds it, with the settings of docs/conf.py. Its pages work from a folder, offline, or on any static host.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

from ofdb_core.base import files, project, record
from ofdb_core.base.own import Own
from ofdb_core.families import registry
from ofdb_core.run.experiments import UsageError, refusals
from ofdb_core.show import gallery, pages, report

DATA = project.DATA / "site"  # the gallery's images, kept for the next time
MANY = ("2d", "3d", "visualatom", "1p-frac")  # families of which the gallery shows `CATEGORIES`; of others `FEW`
CATEGORIES, FEW = 1000, 100
TILE, PICTURES = 72, 4  # of the gallery: pixels of a tile, and the most tiles of a category
LIST = ".site"  # in a site: the list of its files
PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs", "results")  # what is copied unchanged
GROUP = re.compile(r"^\| \*\*(\w+)\*\* \| (.+) \|$", re.MULTILINE)  # of pages, in README.md
LINK = re.compile(r"\[([^]]+)\]\(([\w./-]+)\.md\)")
PICTURE = ("image/svg+xml", "image/png", "image/jpeg")  # what a page keeps of an output, beside its text
FENCE = re.compile(r"([`~:]{3,}\s*)\{")  # of a directive, by which a cell could read files, import code or write HTML
WIDGET = "application/vnd.jupyter.widget-view+json"
HOME = '<p><a href="index.html">OFDB Lab</a></p>'
RUN = '<a href="report.html">The report</a> says what came of it. Here are the notebooks, as they ran.'
PACKAGE = "`ofdb_core` has nine wings, each of which imports only those below it; here from the top to the bottom."
MADE = {"Use": ("run", "gallery", "live"), "Reference": ("reference",)}  # group -> pages that only the site has


def write(run: Path, site: Path, *, categories: int = CATEGORIES) -> Path:
    """Build the site of a finished run in a folder; return its first page.

    categories: in the gallery, of each family of `MANY`. A UsageError if the run has no record, or `site` is no site.
    """
    entries = record.read(run)
    if not entries:
        raise UsageError(f"{run}: no finished run; ./run_all.sh makes the quickstart's, or name another")
    if not (project.SOURCE / "docs" / "conf.py").is_file():
        raise UsageError("site: needs a clone of the project; pip does not install the pages")
    if importlib.util.find_spec("sphinx") is None:
        raise UsageError("site: needs Sphinx: pip install -e '.[docs]'")
    require_own(site)
    with tempfile.TemporaryDirectory() as folder:
        laid, built = Path(folder, "laid"), Path(folder, "built")
        _lay_out(laid, run, entries, categories)
        command = ["-m", "sphinx", "-q", "-j", "auto", "-c", str(laid / "docs"), str(laid), str(built)]
        if subprocess.run([sys.executable, *command]).returncode:
            raise UsageError("site: Sphinx failed; its messages are above")
        replace(site, built)
    return site / "index.html"


def require_own(site: Path, names: Iterable[str] = ()) -> None:
    """Raise a UsageError if a folder is no site, or holds a file that is not as the site's was written."""
    own = Own(site, LIST)
    with refusals():
        if site.exists() and not own.listed() and (not site.is_dir() or any(site.iterdir())):
            raise UsageError(f"{site}: is not empty and no site; give another --out")
        own.refuse_others([*own.listed(), *names])


def replace(site: Path, built: Path) -> None:
    """Replace the site's former files, and nothing else, with what was built."""
    names = sorted(name for name, _ in files.walk(built, followlinks=False))
    require_own(site, names)
    own = Own(site, LIST)
    own.remove(sorted(own.listed().keys() - set(names)))
    for name in names:
        own.write(name, (built / name).read_bytes())


def _lay_out(root: Path, run: Path, entries: dict[str, record.Entry], categories: int) -> None:
    """Fill a folder with the input of Sphinx: the project's pages at their paths, and the generated ones."""
    root.mkdir()
    for name in PAGES:
        source = project.SOURCE / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, root / name)
    for page in root.glob("docs/*.md"):
        page.write_text(page.read_text(encoding="utf-8").replace("../README.md", "../index.md"), encoding="utf-8")
    ran = [stage for stage in entries if (run / f"{stage}.ipynb").is_file()]
    for stage in ran:
        copy_notebook(run / f"{stage}.ipynb", root / "notebooks" / f"{stage}.ipynb")
    wings = _wings()
    for wing in wings:
        files.write_whole(root / "reference" / f"{wing}.md", _reference(wing))
    title = entries.get("6_report", {"parameters": {}})["parameters"].get("title", run.name)
    whole = report.page(run, title, entries, explorer=True).replace(pages.TOP, pages.TOP + HOME, 1)
    files.write_whole(root / "docs" / "extra" / "report.html", whole)
    parts = ("gallery", "Gallery", _gallery(categories)), ("live", "Live explorer", _explorer(run))
    for name, heading, body in parts:
        files.write_whole(root / f"{name}.md", f"---\nhide-toc: true\n---\n# {heading}\n")
        files.write_whole(root / "docs" / "embedded" / f"{name}.html", body)
    files.write_whole(root / "run.md", _page(title, RUN, "notebooks", ran))
    files.write_whole(root / "reference.md", _page("The package", PACKAGE, "reference", wings))
    files.write_whole(root / "index.md", _index())


def _page(title: str, words: str, folder: str, names: Iterable[str]) -> str:
    """A page that links to the pages of a folder."""
    return f"# {pages.escape(' '.join(title.split()))}\n\n{words}\n{_contents(f'{folder}/{name}' for name in names)}"


def _contents(names: Iterable[str], *options: str) -> str:
    return "\n".join(["", "```{toctree}", *options, *names, "```", ""])


def _index() -> str:
    """README.md with the navigation: its groups of pages, and the pages that only the site has."""
    text = (project.SOURCE / "README.md").read_text(encoding="utf-8")
    parts = [text]
    for group, links in GROUP.findall(text):
        names = [f"{words} <{name}>" for words, name in LINK.findall(links)]
        parts.append(_contents([*names, *MADE.get(group, ())], f":caption: {group}", ":hidden:"))
    return "".join(parts)


def _reference(wing: str) -> str:
    """A page of a wing's modules and their public functions and classes, as Sphinx's autodoc fills it."""
    parts = [f"# {wing}\n", _automodule(f"ofdb_core.{wing}")]
    for path in sorted((project.PACKAGE / wing).glob("[!_]*.py")):
        parts += [f"## {wing}.{path.stem}\n", _automodule(f"ofdb_core.{wing}.{path.stem}", "   :members:")]
    return "\n".join(parts)


def _automodule(*lines: str) -> str:
    return "\n".join(["```{eval-rst}", f".. automodule:: {lines[0]}", *lines[1:], "```", ""])


def _wings() -> list[str]:
    """The wings in their order, as import-linter knows it."""
    settings = tomllib.loads((project.SOURCE / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    return next(contract["layers"] for contract in contracts if contract["type"] == "layers")


def copy_notebook(path: Path, target: Path) -> None:
    """Copy an executed notebook with only its pictures and words: no widget, HTML, directive or path from here."""
    import nbformat

    try:
        notebook = nbformat.reads(files.read_bytes(path).decode(), as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # what nbformat stumbles over has any error
        raise UsageError(f"{path}: no notebook as it ran ({type(error).__name__}); run it again") from error
    notebook.metadata = {"kernelspec": {"name": "python3"}, "language_info": {"name": "python"}}  # no order to run it
    for cell in notebook.cells:
        cell.metadata = {"tags": cell.metadata.get("tags", [])}
        if cell.cell_type == "markdown":
            cell.source = FENCE.sub(r"\1", cell.source)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    for data in (output["data"] for output in outputs):
        words = "a widget, live in JupyterLab" if WIDGET in data else data.get("text/plain", "")
        for kind in data.keys() - {*PICTURE}:
            del data[kind]
        data["text/plain"] = words
    nowhere = str(path.parent.resolve())
    text = nbformat.writes(notebook).replace(nowhere, path.parent.resolve().name)
    files.write_whole(target, text.encode(errors="replace"))  # JSON can hold half a character


def _gallery(categories: int) -> str:
    """The gallery of all families, by their published values: `categories` of `MANY`, and at most `FEW` of others."""
    few, drawn = min(categories, FEW), {}
    known = registry.families()
    many = ", ".join(known[name].title for name in MANY)
    print(f"drawing {categories} categories of {many}, and {few} of others, in {DATA}, once", flush=True)
    for family in known.values():
        number = categories if family.name in MANY else few
        for stage in family.stages:
            if stage.write:
                counts = {"categories": number, stage.counts: number, "instances": PICTURES}
                fewer = counts.keys() & {name for name, value in stage.parameters.defaults().items() if value != 1}
                parameters = stage.parameters.of({"out": str(DATA), **{name: counts[name] for name in fewer}})
                stage.write(parameters)
        drawn[family.name] = parameters
    sets = gallery.of_folder(DATA, drawn, side=TILE, pictures=PICTURES)
    return gallery.part([{**each, "files": None} for each in sets])


def _explorer(run: Path) -> str:
    """The explorer of the run's systems, or of the published ones if it has none in the plane."""
    return report.explorer_of(gallery.systems(run) or gallery.systems(DATA))
