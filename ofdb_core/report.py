"""The figures and numbers of an experiment on one page: report.html, with its figures inside."""

import base64
import html

from ofdb_core import record

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid #ddd; }
figure { margin: 1.5rem 0; } img { max-width: 100%; } figcaption { color: #555; }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top; }
summary { cursor: pointer; color: #1f6f8b; } .holds { color: #2a7a3b; } code { overflow-wrap: anywhere; }
"""


def _table(pairs):
    rows = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(str(value))}</td></tr>" for name, value in pairs
    )
    return f"<table>{rows}</table>"


def base64_of(path):
    """A file's bytes as text, as a page holds a picture."""
    return base64.b64encode(path.read_bytes()).decode()


def _figure(out, figure):
    data = base64_of(out / figure["file"])
    caption = html.escape(figure["caption"])
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
    )


def _section(out, notebook, entry):
    checks = "".join(f'<li class="holds">holds: {html.escape(check["sentence"])}</li>' for check in entry["checks"])
    seconds = f", {entry['seconds']} s" if "seconds" in entry else ""
    return "\n".join(
        [
            f'<section id="{notebook}"><h2>{notebook}</h2>',
            _table(entry["results"].items()),
            *(_figure(out, figure) for figure in entry["figures"]),
            f"<ul>{checks}</ul>",
            f"<details><summary>parameters and what it ran on{seconds}</summary>",
            _table(entry["parameters"].items()),
            _table([("started", entry["started"]), ("commit", entry["commit"]), ("machine", entry["machine"])]),
            _table(entry["versions"].items()),
            "</details></section>",
        ]
    )


def page(out, title, entries):
    """The page as text. out: the experiment's folder; entries: notebook -> entry of its record."""
    sections = [_section(out, notebook, entry) for notebook, entry in entries.items()]
    links = " · ".join(f'<a href="#{notebook}">{notebook}</a>' for notebook in entries)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    body = f"<h1>{html.escape(title)}</h1><p>{links}</p>{''.join(sections)}"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def write(run):
    """Write report.html into the run's folder, the run's own figures first; return its path."""
    others = {name: entry for name, entry in record.read(run.folder).items() if name != run.notebook}
    path = run.folder / "report.html"
    record.write_whole(path, page(run.folder, run.recipe.title, {run.notebook: run.entry, **others}))
    return path
