"""The figures and numbers of an experiment on one page: report.html, with its figures inside."""

import base64
import html
from pathlib import Path

from ofdb_core import record

LEADING = ("5_finetune_comparison", "2_render_2d_contact_sheet")  # figures: what came of it, and from what
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid #ddd; } h2 small { font-weight: normal; color: #888; }
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


def _section(out, notebook, entry, above):
    """One notebook, without the figures that are shown above."""
    checks = "".join(f'<li class="holds">holds: {html.escape(check["sentence"])}</li>' for check in entry["checks"])
    seconds = f", {entry['seconds']} s" if "seconds" in entry else ""
    return "\n".join(
        [
            f'<section id="{notebook}"><h2>{html.escape(record.heading(notebook))} <small>{notebook}</small></h2>',
            _table(entry["results"].items()),
            *(_figure(out, figure) for figure in entry["figures"] if figure not in above),
            f"<ul>{checks}</ul>",
            f"<details><summary>parameters and what it ran on{seconds}</summary>",
            _table(entry["parameters"].items()),
            _table([("started", entry["started"]), ("commit", entry["commit"]), ("machine", entry["machine"])]),
            _table(entry["versions"].items()),
            "</details></section>",
        ]
    )


def page(out, title, entries):
    """The page as text, its strongest figures first. out: the experiment's folder; entries: notebook -> its record."""
    figures = {Path(figure["file"]).stem: figure for entry in entries.values() for figure in entry["figures"]}
    above = [figures[name] for name in LEADING if name in figures]
    sections = [_section(out, notebook, entry, above) for notebook, entry in entries.items()]
    links = " · ".join(f'<a href="#{notebook}">{notebook}</a>' for notebook in entries)
    holding = sum(check["holds"] for entry in entries.values() for check in entry["checks"])
    last = list(entries.values())[-1]
    about = html.escape(f"{holding} checks hold · {last['started'][:10]} · commit {last['commit']} · {last['machine']}")
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    first = "".join(_figure(out, figure) for figure in above)
    body = f"<h1>{html.escape(title)}</h1><p>{about}</p>{first}<p>{links}</p>{''.join(sections)}"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def write(run):
    """Write report.html into the run's folder, with the run itself in its place among the others; return its path."""
    entries = {**record.read(run.folder), run.notebook: run.entry}
    path = run.folder / "report.html"
    record.write_whole(path, page(run.folder, run.recipe.title, dict(sorted(entries.items()))))
    return path
