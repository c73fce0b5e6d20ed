"""HTML pages in one style, each a single file with its styles, pictures, data and JavaScript (js/)."""

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

TOP = '<div class="page">'  # around everything on a page
IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)  # an import from another file of js/
WHOLE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><link rel="icon" href="data:,"><style>
$style</style></head><body>$top$body</div></body></html>
"""
)
SCRIPT = Template(
    """<script type="importmap">$map</script>
<script type="application/json" id="data">$data</script>
<script type="module">
const data = JSON.parse(document.getElementById("data").textContent);
$code
</script>
"""
)

Text = str  # HTML; all words in it are escaped


def own(name: str) -> str:
    """The text of a file in this folder, such as page.css."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def module(name: str) -> str:
    """A file of js/ and all that it imports, joined to the text of one module.

    Neither a widget nor a page opened from a disk can import other files. In one module, no two files may define the
    same name at their top level.
    """
    texts: dict[str, str] = {}

    def add(name: str) -> None:
        text = own(f"js/{name}")
        for other in IMPORT.findall(text):
            if other not in texts:
                add(other)
        texts[name] = IMPORT.sub("", text)

    add(name)
    return "".join(texts.values())


def page(title: str, body: Text) -> Text:
    """A whole page. title: plain words."""
    return WHOLE.substitute(title=escape(title), style=own("page.css"), top=TOP, body=body)


def script(modules: Iterable[str], code: str, data: Any) -> Text:
    """Code that runs in a page and can use `data`; modules: files of js/, which it imports by their stems."""
    urls = {Path(name).stem: as_data(module(name).encode(), "text/javascript;charset=utf-8") for name in modules}
    return SCRIPT.substitute(map=as_json({"imports": urls}), data=as_json(data), code=code)


def as_data(data: bytes, kind: str) -> str:
    """A data: address with these bytes; kind: their media type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def as_json(value: Any) -> str:
    """JSON that can be put into a script of a page: nothing in it ends the script."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def table(rows: Iterable[Sequence[object]], heads: Sequence[str] = ()) -> Text:
    """Rows of plain words or numbers, the first cell as heading. A table too wide for a phone scrolls by itself."""
    top = f"<thead><tr>{''.join(f'<th>{escape(name)}</th>' for name in heads)}</tr></thead>" if heads else ""
    lines = "".join(f"<tr><th>{escape(first)}</th>{_cells(rest)}</tr>" for first, *rest in rows)
    return f'<div class="scroll"><table>{top}<tbody>{lines}</tbody></table></div>'


def _cells(row: Iterable[object]) -> Text:
    return "".join(f"<td>{escape(value)}</td>" for value in row)


def escape(value: object) -> Text:
    """Text as HTML, with its special characters escaped."""
    return html.escape(str(value))


def numbers(values: Mapping[str, object]) -> Text:
    """Names and values as large cards."""
    cards = (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in values.items())
    return f'<dl class="numbers">{"".join(cards)}</dl>'


def figure(address: str, caption: Text, *, wide: bool = False) -> Text:
    """A picture and its caption. On a phone a wide one keeps its size and scrolls by itself."""
    kind = ' class="wide"' if wide else ""
    return f'<figure{kind}><img src="{address}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'


def contents(links: Mapping[str, str]) -> Text:
    """A table of contents, beside the page or, on a small screen, folded above it. links: anchor -> words."""
    entries = "".join(f'<li><a href="#{escape(anchor)}">{escape(words)}</a></li>' for anchor, words in links.items())
    return f'<nav class="contents"><details><summary>Contents</summary><ul>{entries}</ul></details></nav>'
