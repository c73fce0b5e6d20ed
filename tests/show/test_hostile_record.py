"""A record that comes from elsewhere: its report holds what was drawn, as text and pictures, and nothing else."""

import copy
import json
import re

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from ofdb_core.base import files, record
from ofdb_core.run import verify
from ofdb_core.show import report
from tests.helpers.hostile import any_name, json_values

PICTURE = b"a picture"
SCRIPT = "\"'><script>&"


def entry(file="figures/a.png"):
    figure = {"file": file, "caption": "A figure.", "sha256": files.hashlib.sha256(PICTURE).hexdigest()}
    return {
        "parameters": {"size": 3},
        "code": "0",
        "commit": None,
        "versions": {"python": "3"},
        "machine": "one",
        "started": "2026-01-01T00:00:00+00:00",
        "reads": {"categories": "0"},
        "writes": {"images": "0"},
        "figures": [figure],
        "checks": [{"sentence": "It holds.", "holds": True}],
        "results": {"accuracy": 0.5},
        "seconds": 1.5,
    }


def record_of(root, notebooks):
    (root / "figures").mkdir(parents=True, exist_ok=True)
    (root / "figures" / "a.png").write_bytes(PICTURE)
    (root / record.FILE).write_text(json.dumps({"notebooks": notebooks}))
    return root


def leaves(value, path=()):
    """The paths of all texts, numbers and names of a nested value."""
    if isinstance(value, dict):
        for key in value:
            yield (*path, key, None)  # the name itself
            yield from leaves(value[key], (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, (*path, i))
    else:
        yield path


def replaced(value, path, new):
    value = copy.deepcopy(value)
    *above, last = path if path[-1] is not None else path[:-1]
    place = value
    for key in above:
        place = place[key]
    if path[-1] is None:
        place[new] = place.pop(last)
    else:
        place[last] = new
    return value


@pytest.mark.parametrize("path", list(leaves({"2_render_2d": entry()})), ids=str)
def test_every_value_of_a_record_is_text_on_the_page(tmp_path, path):
    root = record_of(tmp_path, replaced({"2_render_2d": entry()}, path, SCRIPT))
    try:
        page = report.page(root, "title", record.read(root))
    except ValueError:
        return  # refused as no record, or as a figure that was not drawn
    assert "<script" not in page
    assert page.count("<img") == 1


@how(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(name=st.one_of(any_name, st.sampled_from(["../secret.txt", "figures/../../secret.txt", "figures/linked.png"])))
def test_a_report_holds_no_file_but_what_was_drawn(tmp_path_factory, name):
    tmp_path = tmp_path_factory.mktemp("hostile")
    (tmp_path / "secret.txt").write_text("secret")
    root = record_of(tmp_path / "run", {"2_render_2d": entry(name)})
    (root / "figures" / "linked.png").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(ValueError, match=re.escape(str(root))):
        report.page(root, "title", record.read(root))


@how(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(path=st.sampled_from(list(leaves({"2_render_2d": entry()}))), value=json_values, shorter=st.integers(0, 2))
def test_a_malformed_record_is_a_sentence(tmp_path_factory, path, value, shorter):
    """Wherever it is wrong: for the report, for `verify`, and for a run, which asks what is to be done."""
    path = path[: max(len(path) - shorter, 1)]
    if path[-1] is None and not isinstance(value, str):
        path = path[:-1]
    root = record_of(tmp_path_factory.mktemp("malformed"), replaced({"2_render_2d": entry()}, path, value))
    for use in (
        lambda: report.page(root, "title", record.read(root)),
        lambda: verify.check(root),
        lambda: record.digest_of(root, "6_report", record.FILE),
    ):
        try:
            use()
        except ValueError as error:
            assert str(root) in str(error)  # noqa: PT017


def test_a_record_that_is_no_plain_file_is_a_sentence(tmp_path):
    (tmp_path / record.FILE).symlink_to("/dev/zero")
    with pytest.raises(files.Unreadable, match=r"record\.json: not a record of a run \(no file"):
        record.read(tmp_path)
