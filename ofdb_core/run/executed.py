"""An executed notebook as a page: its words, code and outputs, with nothing that another place would have to give."""

from pathlib import Path
from typing import Any

from ofdb_core.show import pages

WIDGET = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
LIVE = '<p class="lead">A widget, live in JupyterLab. Without a kernel: <a href="../gallery.html">the gallery</a>.</p>'
STILL = '<img src="data:image/png;base64,{}" alt="the widget as it first appeared">'
STYLE = """
.notebook { max-width: 62rem; } .notebook h1 { margin-top: 1rem; } .notebook table { margin: .5rem 0; }
.highlight { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; margin: .6rem 0; }
.highlight pre { margin: 0; padding: .6rem .8rem; line-height: 1.45; }
:is(.jp-InputPrompt, .jp-OutputPrompt, .prompt, .anchor-link) { display: none; }
:is(.jp-OutputArea-output, .output) { overflow-x: auto; }
:is(.jp-OutputArea-output, .output) pre { color: var(--faint); margin: .3rem 0; padding: 0; white-space: pre; }
"""


def page(path: Path, title: str) -> str:
    """The page of a notebook file; title: plain words."""
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.read(path, as_version=4)
    state = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if WIDGET in output.get("data", {}):
                model = output["data"].pop(WIDGET)["model_id"]
                picture = output["data"].get("image/png") or _picture(state, model)
                output["data"] = {"text/html": (STILL.format(pages.escape(picture.strip())) if picture else "") + LIVE}
    notebook.metadata.pop("widgets", None)
    body, _ = HTMLExporter(template_name="basic", embed_images=True).from_notebook_node(notebook)
    body = body.replace(str(path.parent.resolve()), path.parent.resolve().name)  # where the run lay is nobody's concern
    return pages.page(title, f'<main class="notebook">{body}</main>', style=STYLE + _colours())


def _picture(state: dict[str, Any], model: str) -> str:
    """The first picture in a widget, as it was stored, a PNG as base64; nothing where it has none."""
    waiting, seen = [model], set[str]()
    while waiting:
        name = waiting.pop(0)
        about = state.get(name)
        if about is None or name in seen:
            continue
        seen.add(name)
        for buffer in about.get("buffers", ()):
            if about.get("model_name") == "ImageModel" and buffer.get("encoding") == "base64":
                return str(buffer["data"])
        waiting += [child.removeprefix("IPY_MODEL_") for child in about["state"].get("children", ())]
    return ""


def _colours() -> str:
    """Of code, light and dark."""
    from pygments.formatters import HtmlFormatter

    light, dark = (
        HtmlFormatter(style=name, nobackground=True).get_style_defs(".highlight") for name in ("default", "github-dark")
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
