"""The package on one page: its modules, wing by wing, and the public functions and classes, from their docstrings."""

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator

from ofdb_core.base import project
from ofdb_core.show import pages

STYLE = """
.api pre.doc { font: inherit; white-space: pre-wrap; margin: .25rem 0 1rem; color: var(--faint); }
.api h4 { margin: 1.25rem 0 0; font-weight: 400; } .api h4 b { color: var(--accent); }
"""
Defined = ast.FunctionDef | ast.ClassDef


def page() -> str:
    """The page as text."""
    links, sections = {}, []
    for wing in _wings():
        for path in sorted((project.PACKAGE / wing).glob("*.py")):
            name = wing if path.stem == "__init__" else f"{wing}.{path.stem}"
            links[name] = name
            sections.append(_module(name, ast.parse(path.read_text(encoding="utf-8"))))
    body = (
        '<h1>The package</h1><p class="lead">Nine wings, each of which imports '
        "only those below it; here from the top to the bottom.</p>"
    )
    return pages.page(
        "The package",
        f'<div class="sided">{pages.contents(links)}<main class="api">{body}{"".join(sections)}</main></div>',
        style=STYLE,
    )


def _wings() -> list[str]:
    """The wings in their order, as import-linter is told it; by name in an installed package."""
    settings = project.SOURCE / "pyproject.toml"
    if not settings.is_file():
        return sorted(path.name for path in project.PACKAGE.iterdir() if (path / "__init__.py").is_file())
    contracts = tomllib.loads(settings.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    return next(contract["layers"] for contract in contracts if contract["type"] == "layers")


def _module(name: str, tree: ast.Module) -> str:
    parts = [f'<section id="{name}"><h2>ofdb_core.{name}</h2>{_words(tree)}']
    for node in tree.body:
        if isinstance(node, Defined) and not node.name.startswith("_"):
            parts.append(_entry(node))
            parts += [_entry(inner, f"{node.name}.") for inner in _methods(node)]
    return "".join([*parts, "</section>"])


def _methods(node: Defined) -> Iterator[Defined]:
    if isinstance(node, ast.ClassDef):
        yield from (
            inner
            for inner in node.body
            if isinstance(inner, Defined) and not inner.name.startswith("_") and ast.get_docstring(inner)
        )


def _entry(node: Defined, before: str = "") -> str:
    if isinstance(node, ast.ClassDef):
        fields = [
            ast.unparse(part.target) + ": " + ast.unparse(part.annotation)
            for part in node.body
            if isinstance(part, ast.AnnAssign)
        ]
        given = f"({', '.join(fields)})" if fields else ""
    else:
        given = f"({ast.unparse(node.args)})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")
    kind = "class " if isinstance(node, ast.ClassDef) else ""
    return f"<h4><code>{kind}<b>{before}{node.name}</b>{pages.escape(given)}</code></h4>{_words(node)}"


def _words(node: ast.Module | Defined) -> str:
    words = ast.get_docstring(node)
    if not words:
        return ""
    flowing = re.sub(r"(?<!\n)\n(?![\n\s*|-])", " ", inspect.cleandoc(words))  # lines were broken for an editor's width
    return f'<pre class="doc">{pages.escape(flowing)}</pre>'
