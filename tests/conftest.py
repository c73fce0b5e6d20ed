import json
import textwrap

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
    """A function that makes an experiment `tiny` from stage -> parameters or their YAML, in a params folder alone."""
    monkeypatch.setattr(experiments, "PARAMS", tmp_path / "params")
    (tmp_path / "params").mkdir()

    def make(**sections):
        texts = {name: said if isinstance(said, str) else json.dumps(said) for name, said in sections.items()}
        lines = [f"{name}:\n{textwrap.indent(text, '  ')}\n" for name, text in texts.items()]
        (tmp_path / "params" / "tiny.yaml").write_text("".join(lines))
        return tmp_path / "out"

    return make
