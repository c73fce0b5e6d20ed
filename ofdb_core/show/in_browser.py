"""Widgets that a JavaScript module of js/ draws in the browser (by anywidget)."""

import base64
from pathlib import Path
from typing import Any

import anywidget

STYLE = Path(__file__).with_name("explorer.css")


class InBrowser(anywidget.AnyWidget):
    """A widget that shows a still picture if its notebook is read without a kernel."""

    _css = STYLE

    def png(self) -> bytes:
        """The still picture, as the bytes of a PNG file."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        return {**data, "image/png": base64.b64encode(self.png()).decode()}, metadata
