"""What a result was made by: the version of its code, the commit, the packages and the machine.

The version of code follows names, not files: from the functions that compute a result to all that these use, definition
by definition. It leaves out what cannot change the result: comments, docstrings, annotations, the names of local
variables, messages (what is raised with or printed), and the wings that only check, keep, show or launch.
"""

import ast
import functools
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from ofdb_core.base import project

PROJECT = project.PACKAGE.parent  # where the package lies: the checkout, or the folder of all packages
NOTEBOOKS = project.NOTEBOOKS
DISTRIBUTION = "ofdb-lab"  # the name under which pip knows the package
SHARED_NOTEBOOK = "3_render"  # runs the stages that have no notebook of their own
PACKAGES = ("numpy", "numba", "pillow", "matplotlib", "scikit-learn", "torch", "torchvision", "timm", "accelerate")
COMPUTING = ("formulas", "data", "batches", "families", "training", "stages")  # the wings whose code makes results
KEEPING = tuple(
    f"ofdb_core.training.{name}" for name in ("checkpoint", "model_card", "processes", "timm_config")
)  # make none
CHECKING = "conflicts"  # the method of a class of parameters that refuses values
SETTING = "setting"  # the function that declares a parameter's default and comment; its value is in the record


def notebook_of(stage: str) -> Path:
    """The notebook file of a stage: of its name, or else the one that serves every family."""
    # looked up, not put together: a name may come from a record, and lead anywhere
    own = {path.stem: path for path in NOTEBOOKS.glob("*.ipynb")}
    return own.get(stage, NOTEBOOKS / f"{SHARED_NOTEBOOK}.ipynb")


@dataclass
class _Module:
    """The statements of a module by the name that they define, what its names import, and what runs on import."""

    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)  # name -> (module, name in it)
    effects: list[ast.stmt] = field(default_factory=list)


class _Bare(ast.NodeTransformer):
    """Takes from a syntax tree what cannot change a result."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [part for part in node.body if getattr(part, "name", "") != CHECKING] or [ast.Pass()]
        return self._without_docstring(node)

    def _without_docstring(self, node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        call = node.value
        declared = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == SETTING
        value = ast.Constant(None) if call is None or declared else call
        return self.generic_visit(ast.Assign([node.target], value, lineno=0))

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        kind = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(kind, None)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print":
            return ast.Pass()
        return self.generic_visit(node)


def _is_text(node: ast.AST) -> bool:
    parts = (node.body, node.orelse) if isinstance(node, ast.IfExp) else ()
    plain = isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    return plain or (bool(parts) and all(map(_is_text, parts)))


def _canonical(function: ast.FunctionDef) -> None:
    """Drop the text that nothing but a message used, and number the local variables by their first appearance."""
    loaded = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    for block in ast.walk(function):
        for node in list(getattr(block, "body", [])) if not isinstance(block, ast.Lambda | ast.IfExp) else ():
            names = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
            if isinstance(node, ast.Assign) and len(names) == 1 and names[0] not in loaded and _is_text(node.value):
                block.body[block.body.index(node)] = ast.Pass()  # type: ignore[attr-defined]
    outside = {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
    stored = [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    stored += [node.name for node in ast.walk(function) if isinstance(node, ast.ExceptHandler) and node.name]
    number = {name: f"_{i}" for i, name in enumerate(dict.fromkeys(stored)) if name not in outside}
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            node.id = number.get(node.id, node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            node.name = number[node.name]


def _source(module: str) -> str:
    """The code of a module ('ofdb_core.formulas.ifs', or a family's elsewhere) or of a notebook ('2_render_2d')."""
    if not module.startswith("ofdb_core"):
        if elsewhere := getattr(sys.modules.get(module), "__file__", None):
            return Path(elsewhere).read_text(encoding="utf-8")
        cells = json.loads(notebook_of(module).read_text(encoding="utf-8"))["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells if _counts(cell))
    path = PROJECT / Path(*module.split("."))
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")


def _counts(cell: dict) -> bool:
    """Whether a cell is code; its parameters are values, which a record holds anyway."""
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
                place = (whole, None) if _is_module(whole) else (str(node.module), alias.name)
                found.imports[alias.asname or alias.name] = place
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom) or _is_docstring(statement) or _is_for_readers(statement):
            continue
        names = _defined(statement)
        bare: ast.stmt = _Bare().visit(statement)
        for function in [node for node in ast.walk(bare) if isinstance(node, ast.FunctionDef)]:
            _canonical(function)
        for defined in names:
            found.definitions.setdefault(defined, []).append(bare)
        if not names:
            found.effects.append(bare)
    _attach_overloads(found)
    return found


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_for_readers(node: ast.stmt) -> bool:
    """Whether it is `if __name__ == "__main__"` or `if TYPE_CHECKING`."""
    names = {name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)} if isinstance(node, ast.If) else ()
    return bool({"__name__", "TYPE_CHECKING"} & set(names))


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _attach_overloads(module: _Module) -> None:
    """A definition that is decorated by way of another (numba's `overload`) belongs to that one."""
    functions = [node for nodes in module.definitions.values() for node in nodes if isinstance(node, ast.FunctionDef)]
    for function in functions:
        for decorator in function.decorator_list:
            for argument in decorator.args if isinstance(decorator, ast.Call) else ():
                if isinstance(argument, ast.Name) and argument.id in module.definitions:
                    module.definitions[argument.id].append(function)


def _uses(module: _Module, name: str, statement: ast.stmt) -> Iterator[tuple[str, str | None]]:
    """The definitions that a statement uses, as (module, name); a whole module where it is used as a value."""
    attributes = {node.value: node.attr for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and node.id in module.definitions:
            yield name, node.id
        elif isinstance(node, ast.Name) and node.id in module.imports:
            place, inside = module.imports[node.id]
            yield place, inside if inside else attributes.get(node)


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
        whole = [statement for statements in module.definitions.values() for statement in statements]
        wanted = whole if inside is None else module.definitions.get(inside, [])
        for statement in [*wanted, *module.effects]:
            texts.add((name, ast.dump(statement)))
            for use in _uses(module, name, statement):
                if use not in seen and (use[0] == name or _is_computing(use[0])):
                    seen.add(use)
                    waiting.append(use)
    return hashlib.sha256("\n".join(f"{name} {text}" for name, text in sorted(texts)).encode()).hexdigest()[:16]


def commit() -> str | None:
    """The commit of this project's code, with '+' where tracked files differ from it; None where it is not known.

    It is that of the checkout, or the one that pip installed from a repository, and never that of another repository in
    which the package may lie with its environment.
    """

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", "-C", str(PROJECT), *words], capture_output=True, text=True)

    if project.INSTALLED:
        return _installed_commit()
    try:
        found = git("rev-parse", "--show-toplevel", "HEAD")
        top, _, head = found.stdout.strip().rpartition("\n")
        if found.returncode or Path(top).resolve() != PROJECT.resolve():
            return None
        return head + ("+" if git("diff", "--quiet", "HEAD").returncode else "")
    except FileNotFoundError:  # no git
        return None


def _installed_commit() -> str | None:
    """The commit that `pip install git+...` noted."""
    try:
        noted = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        return json.loads(noted or "{}")["vcs_info"]["commit_id"]
    except (metadata.PackageNotFoundError, KeyError, ValueError):
        return None


@functools.cache
def versions() -> dict[str, str]:
    """Package -> version of what results depend on, Python included."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


@functools.cache
def machine() -> str:
    """The machine, in words: processor, cores, system."""
    model = platform.processor() or platform.machine()
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()  # macOS has it not
    return f"{model}, {cores} cores, {platform.system()} {platform.machine()}"
