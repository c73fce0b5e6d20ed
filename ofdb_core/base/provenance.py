"""What made a result: the version of its code, the commit, the packages and the machine.

The version of code follows names, not files: from the functions that compute a result to everything that they use,
definition by definition. It leaves out comments, docstrings, annotations, defaults of parameters (a record has the
values) and the wings that compute nothing.
"""

import ast
import functools
import hashlib
import itertools
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from ofdb_core.base import project

PROJECT = project.PACKAGE.parent  # the package's parent: the checkout, or the folder of all packages
NOTEBOOKS = project.NOTEBOOKS
DISTRIBUTION = "ofdb-lab"  # the name under which pip knows the package
SHARED_NOTEBOOK = "3_render"  # runs the stages that have no notebook of their own
PACKAGES = ("numpy", "numba", "pillow", "matplotlib", "scikit-learn", "torch", "torchvision", "timm", "accelerate")
COMPUTING = ("formulas", "data", "batches", "families", "training", "stages")  # the wings whose code makes results
# modules in them whose code makes none
KEEPING = tuple(f"ofdb_core.training.{name}" for name in ("model_card", "processes", "states", "timm_config"))


def notebook_of(stage: str) -> Path:
    """The notebook file of a stage: the one with its name, or else the one that families share."""
    # looked up, not joined to a path: a name may come from a record, and lead anywhere
    own = {path.stem: path for path in NOTEBOOKS.glob("*.ipynb")}
    return own.get(stage, NOTEBOOKS / f"{SHARED_NOTEBOOK}.ipynb")


@dataclass
class _Module:
    """A module's statements by the name that they define, its imports, and the statements that run on import."""

    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)  # name -> (module, name in it)
    effects: list[ast.stmt] = field(default_factory=list)


class _Bare(ast.NodeTransformer):
    """Removes docstrings, annotations and the values of parameters from a syntax tree."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if _is_text(node) else self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """In an undecorated class, annotated values are defaults of parameters: the record has the values."""
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
        plain = not node.decorator_list and "NamedTuple" not in bases
        for part in node.body:
            if isinstance(part, ast.AnnAssign) and plain:
                part.value = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return self.generic_visit(ast.Assign([node.target], node.value or ast.Constant(None), lineno=0))


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _source(module: str) -> str:
    """The code of a module ('ofdb_core.formulas.ifs', or an outside family's) or of a notebook ('2_render_2d')."""
    if not module.startswith("ofdb_core"):
        if elsewhere := getattr(sys.modules.get(module), "__file__", None):
            return Path(elsewhere).read_text(encoding="utf-8")
        cells = json.loads(notebook_of(module).read_text(encoding="utf-8"))["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells if _counts(cell))
    path = PROJECT / Path(*module.split("."))
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")


def _counts(cell: dict) -> bool:
    """Whether a cell is code, and not the parameters, whose values a record holds anyway."""
    return cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", ())


def _is_module(name: str) -> bool:
    path = PROJECT / Path(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@functools.cache
def _module(name: str) -> _Module:
    tree, found = ast.parse(_source(name)), _Module()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ofdb_core":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                origin = (whole, None) if _is_module(whole) else (str(node.module), alias.name)
                found.imports[alias.asname or alias.name] = origin
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom) or _is_text(statement) or _is_type_checking(statement):
            continue
        names = _defined(statement)
        bare: ast.stmt = _Bare().visit(statement)
        for defined in names:
            found.definitions.setdefault(defined, []).append(bare)
        if not names:
            found.effects.append(bare)
    return found


def _is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _defined(node: ast.stmt) -> list[str]:
    """The names that a statement defines; a function also those in its decorators' calls, as in numba's `overload`."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        calls = [decorator for decorator in node.decorator_list if isinstance(decorator, ast.Call)]
        return [node.name, *(name.id for call in calls for name in call.args if isinstance(name, ast.Name))]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _uses(module: _Module, name: str, statement: ast.stmt) -> Iterator[tuple[str, str | None]]:
    """The definitions that a statement uses, as (module, name); a whole module if it is used as a value."""
    attributes = {node.value: node.attr for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and node.id in module.definitions:
            yield name, node.id
        if isinstance(node, ast.Name) and node.id in module.imports:
            source, inside = module.imports[node.id]
            yield source, inside if inside else attributes.get(node)


@functools.cache
def _read(name: str, statement: ast.stmt) -> tuple[str, frozenset[tuple[str, str | None]]]:
    """A statement of a module as text, and the definitions that it uses; each kernel asks for many of the same."""
    return ast.dump(statement), frozenset(_uses(_module(name), name, statement))


def _is_computing(name: str) -> bool:
    return name.split(".")[1:2] in [[wing] for wing in COMPUTING] and name not in KEEPING


@functools.cache
def code_version(*roots: str | Callable) -> str:
    """Hash of the code that computes a result: of `roots` and of everything that they use.

    roots: functions or classes of ofdb_core, or names of stages, for the cells of their notebooks.
    """
    waiting: list[tuple[str, str | None]] = [
        (root, None) if isinstance(root, str) else (root.__module__, root.__qualname__.split(".")[0]) for root in roots
    ]
    seen: set[tuple[str, str | None]] = set(waiting)
    texts: set[tuple[str, str]] = set()
    while waiting:
        name, inside = waiting.pop()
        module = _module(name)
        whole = itertools.chain.from_iterable(module.definitions.values())
        for statement in (*(module.definitions.get(inside, ()) if inside else whole), *module.effects):
            text, uses = _read(name, statement)
            texts.add((name, text))
            for use in uses:
                if use not in seen and (use[0] == name or _is_computing(use[0])):
                    seen.add(use)
                    waiting.append(use)
    return hashlib.sha256("\n".join(f"{name} {text}" for name, text in sorted(texts)).encode()).hexdigest()[:16]


def commit() -> str | None:
    """The commit of this project's code, with '+' if tracked files differ from it; None if it is unknown.

    It is the checkout's, or the one that pip installed from a repository; never that of another repository around the
    package's environment.
    """
    if project.INSTALLED:
        return _installed_commit()
    if not (PROJECT / ".git").exists():
        return None
    describe = ["describe", "--always", "--exclude=*", "--abbrev=40", "--dirty=+"]  # by its hash, not by a tag
    try:
        found = subprocess.run(["git", "-C", str(PROJECT), *describe], capture_output=True, text=True)
        return found.stdout.strip() or None
    except FileNotFoundError:  # no git
        return None


def _installed_commit() -> str | None:
    """The commit that `pip install git+...` recorded."""
    try:
        noted = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        return json.loads(noted or "{}")["vcs_info"]["commit_id"]
    except (metadata.PackageNotFoundError, KeyError, ValueError):
        return None


@functools.cache
def versions() -> dict[str, str]:
    """Package -> version, for all packages that results depend on, and Python."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


@functools.cache
def machine() -> str:
    """The machine, in words: processor, cores, system."""
    cpuinfo = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*:(.*)", cpuinfo.read_text(encoding="utf-8"), re.M) if cpuinfo.exists() else None
    model = named[1].strip() if named else platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()  # macOS lacks it
    return f"{model}, {cores} cores, {platform.system()} {platform.machine()}"
