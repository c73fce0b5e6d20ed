"""Settings of the site for Sphinx. `./run_all.sh site` (ofdb_core/run/site.py) lays its pages out and builds them."""

import os
import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math import latex2mathml

os.environ["NUMBA_DISABLE_JIT"] = "1"  # so that Sphinx meets kernels as functions, with their signatures

project = html_title = "OFDB Lab"
extensions = ["myst_nb", "sphinx.ext.autodoc"]
suppress_warnings = ["myst.xref_missing"]  # of files that only a clone has; tests/pages/test_pages.py tries links

nb_execution_mode = "off"  # notebooks are shown as they ran
nb_ipywidgets_js = {}  # a widget is a picture here
nb_merge_streams = True
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
highlight_language = "bash"  # of a page's indented blocks, which are commands

default_role = "code"  # docstrings write `name`
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
add_module_names = False

html_theme = "furo"
html_static_path = ["_static"]
html_extra_path = ["extra"]  # pages that are whole by themselves
html_css_files = ["site.css"]
# A page that is opened as a file may read no other, so its search shows titles alone.
html_js_files = [(None, {"body": 'DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== "file:";'})]
html_copy_source = False
html_show_sphinx = html_show_copyright = False
html_math_renderer = "mathml"

EMBEDDED = Path(__file__).parent / "embedded"  # HTML of ours that Sphinx does not read: docname -> its page's end
PLAIN = re.compile(r"(`[^`]*`)|([*|]|(?<=\w)_(?=\W|$))")  # in a docstring: code, or a mark of reStructuredText


def setup(app):
    app.add_html_math_renderer("mathml", (_inline_math, None), (_block_math, None))
    app.connect("doctree-read", _take_no_html)
    app.connect("autodoc-process-docstring", _plain_docstring)
    app.connect("html-page-context", _embed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline_math(translator, node):
    translator.body.append(latex2mathml.tex2mathml(node.astext()))
    raise nodes.SkipNode


def _block_math(translator, node):
    translator.body.append(f'<div class="math">{latex2mathml.tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def _take_no_html(app, document):
    """HTML in a notebook is shown as words: whoever ran it may have written a script."""
    if app.env.docname.startswith("notebooks/"):
        for node in [*document.findall(nodes.raw)]:
            node.replace_self(nodes.literal(text=node.astext()))


def _plain_docstring(app, kind, name, thing, options, lines):
    """A docstring is plain words with `code`."""
    lines[:] = [PLAIN.sub(lambda found: found[1] or f"\\{found[2]}", line) for line in lines]


def _embed(app, name, template, context, document):
    path = EMBEDDED / f"{name}.html"
    if path.is_file():
        context["body"] += path.read_text(encoding="utf-8")
