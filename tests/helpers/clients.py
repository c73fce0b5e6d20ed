"""Optional packages that tests read results with, or work on a cluster by."""

import importlib
import os
from types import ModuleType

import pytest


def client(name: str) -> ModuleType:
    """A module of others; a test without it is skipped, but not in .ci/run."""
    if os.environ.get("OFDB_CLIENTS") != "required":
        pytest.importorskip(name, reason=f"{name} is not installed: pip install -r requirements-clients.txt")
    return importlib.import_module(name)
