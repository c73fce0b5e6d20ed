import json

import pytest
from browser import browser, tab  # noqa: F401
from hypothesis import settings
from lab import lab  # noqa: F401

from ofdb_core.run import experiments

settings.register_profile("ours", deadline=None, derandomize=True)  # no timing, and the same cases in every run
settings.load_profile("ours")


def pytest_collection_modifyitems(items):
    for item in items:
        if "slow" not in item.keywords:
            item.add_marker("fast")


@pytest.fixture
def params(tmp_path, monkeypatch):
    """A function that makes an experiment `tiny` from notebook -> parameters, in a params folder of its own."""
    monkeypatch.setattr(experiments, "PARAMS", tmp_path / "params")

    def make(**notebooks):
        folder = tmp_path / "params" / "tiny"
        folder.mkdir(parents=True, exist_ok=True)
        for name, values in notebooks.items():
            (folder / f"{name}.yaml").write_text(values if isinstance(values, str) else json.dumps(values))
        return tmp_path / "out"

    return make
