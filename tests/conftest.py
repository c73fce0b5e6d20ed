import json
import os
import sys
import textwrap

import pytest
from hypothesis import settings

# For this process and those that tests start: compiled modules are kept, and networks as small as the tests' train in
# one thread, since more would wait for each other longer than they work.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("OMP_NUM_THREADS", "1")

from ofdb_core.run import experiments  # noqa: E402
from tests.helpers.browser import browser, tab  # noqa: E402, F401
from tests.helpers.hub import hub  # noqa: E402, F401
from tests.helpers.lab import lab  # noqa: E402, F401

settings.register_profile("ours", deadline=None, derandomize=True)  # no timing, and the same cases in every run
settings.load_profile("ours")


def pytest_collection_modifyitems(items):
    """Mark the fast tests, and order the files: those with slow tests first, so that none of these starts last.

    Among them the upper wings come first: tests/base runs a copy of the project, with the kernels compiled until then.
    """
    files = list(dict.fromkeys(item.path for item in items))
    slow = {item.path for item in items if "slow" in item.keywords}
    items.sort(key=lambda item: (item.path not in slow, -files.index(item.path)))
    for item in items:
        if "slow" not in item.keywords:
            item.add_marker("fast")


# ---- the fast tier stays fast

LONG = 5  # seconds


def processor_time():
    """Seconds that this process, and those that it has waited for, have kept a processor busy."""
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    before = processor_time()
    try:
        return (yield)
    finally:
        item.user_properties.append(("processor", processor_time() - before))


pytest_runtest_call = pytest_runtest_setup


def pytest_terminal_summary(terminalreporter):
    """Name the fast tests that are not. A busy machine does not matter; what a test is the first to compile does."""
    took = [
        (sum(value for name, value in report.user_properties if name == "processor"), report.nodeid)
        for report in terminalreporter.stats.get("passed", [])
        if "fast" in report.keywords
    ]
    if long := sorted((one for one in took if one[0] > LONG), reverse=True):
        terminalreporter.section(f"fast tests of more than {LONG} s: make them smaller, or mark them slow")
        for seconds, name in long:
            terminalreporter.write_line(f"{seconds:5.1f} s of a processor  {name}")


# ---- fixtures


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


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A function that writes a file of a folder of the user's own, which --params names."""
    monkeypatch.setenv(experiments.PARAMS_VARIABLE, str(tmp_path / "mine"))

    def write(name, text=""):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return write
