"""The explorer of 2D systems as a widget: its picture is computed in the browser, by one module of plain JavaScript."""

from pathlib import Path

MODULE = Path(__file__).with_suffix(".js")
STYLE = Path(__file__).with_suffix(".css")
