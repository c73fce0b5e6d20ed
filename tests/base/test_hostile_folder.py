"""Folders that come from elsewhere: what a manifest says, or what lies in the way, hurts nothing outside."""

import contextlib
import hashlib
import json
import os
import re
import threading

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from test_folder import fill, head

from ofdb_core.base import files, folder, manifests
from ofdb_core.base.folder import Folder
from tests.helpers.hostile import any_name, json_values
from tests.helpers.processes import until

# names as a hostile file may give them: parts that climb, links that stand in the folder, and anything at all


@contextlib.contextmanager
def neighbours(tmp_path_factory):
    """A folder `out/images` beside a victim, and a link to it; at the end, the victim is as it was."""
    root = tmp_path_factory.mktemp("hostile")
    (root / "victim").mkdir()
    (root / "victim" / "thesis.txt").write_text("years")
    images = root / "out" / "images"
    images.mkdir(parents=True)
    (images / "linked").symlink_to(root / "victim")
    (images / "mine.txt").write_text("of the user")
    yield images
    assert (images / "mine.txt").read_text() == "of the user"
    assert sorted(path.name for path in root.iterdir()) == ["out", "victim"]
    assert {path.name: path.read_text() for path in (root / "victim").iterdir()} == {"thesis.txt": "years"}


@how(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(names=st.lists(any_name, min_size=1, max_size=3), unfinished=st.booleans(), right=st.booleans())
def test_no_name_of_a_manifest_leads_out_of_its_folder(tmp_path_factory, names, unfinished, right):
    hashed = hashlib.sha256(b"years").hexdigest() if right else "0" * 64
    with neighbours(tmp_path_factory) as root:
        if unfinished:
            lines = [json.dumps(head()), *(f"{hashed} {name}" for name in names)]
            Folder(root).beside(manifests.PART).write_text("\n".join(lines) + "\n")
        else:
            Folder(root).beside(manifests.MANIFEST).write_text(
                json.dumps({**head(), "files": dict.fromkeys(names, hashed)})
            )
        with pytest.raises((ValueError, FileExistsError), match=re.escape(str(root))):
            fill(root, ["1.txt"], other=1)


@how(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(name=any_name)
def test_nothing_is_written_outside_the_folder(tmp_path_factory, name):
    with neighbours(tmp_path_factory) as root, contextlib.suppress(ValueError, OSError):
        Folder(root).write(head(), {name: "bad"}, {})
    with neighbours(tmp_path_factory) as root:
        Folder(root).beside(manifests.PART).touch()
        with contextlib.suppress(ValueError, OSError):
            Folder(root).write(head(), {name: "bad"}, {})


def test_files_that_nobody_listed_outlive_an_unfinished_folder(tmp_path):
    Folder(tmp_path).beside(manifests.PART).write_text(json.dumps(head()) + "\n")
    for name in ("thesis.txt", "1.txt", ".thesis.txt.77.part"):
        (tmp_path / name).write_text("years")
    with pytest.raises(FileExistsError, match=r"holds 1\.txt, which is not this project's"):
        fill(tmp_path, ["1.txt"])
    (tmp_path / "1.txt").write_text("")  # as a power cut leaves it
    with pytest.raises(FileExistsError, match=r"holds thesis\.txt, which is not this project's"):
        fill(tmp_path, ["1.txt"])
    (tmp_path / "thesis.txt").rename(tmp_path.parent / "thesis.txt")
    fill(tmp_path, ["1.txt"])
    assert (tmp_path / ".thesis.txt.77.part").read_text() == "years"


def test_a_listed_file_that_was_altered_is_replaced_but_never_removed(tmp_path):
    fill(tmp_path, ["1.txt", "2.txt"])
    (tmp_path / "1.txt").write_text("better")
    (tmp_path / "2.txt").write_text("better")
    with pytest.raises(FileExistsError, match=r"2\.txt"):
        fill(tmp_path, ["1.txt"], size=4)
    assert (tmp_path / "1.txt").read_text() == "this is 1.txt"
    assert (tmp_path / "2.txt").read_text() == "better"
    (tmp_path / "2.txt").unlink()
    fill(tmp_path, ["1.txt"], size=4)


OWN = [f"a.{name}" for name in (manifests.MANIFEST, manifests.PART, manifests.LOCK)]


@pytest.mark.parametrize("name", [*OWN, "a/.1.txt.{}.part"])
def test_a_link_in_the_place_of_an_own_file_is_not_followed(tmp_path, name):
    (tmp_path / "thesis.txt").write_text("years")
    (tmp_path / "a").mkdir()
    (tmp_path / name.format(os.getpid())).symlink_to(tmp_path / "thesis.txt")
    with contextlib.suppress(ValueError, OSError):
        fill(tmp_path / "a", ["1.txt"])
    assert (tmp_path / "thesis.txt").read_text() == "years"


def test_what_kills_left_half_written_is_removed(tmp_path):
    root = tmp_path / "a"
    fill(root, ["x/1.txt", f"x/{'y' * 250}"])
    for name in ("1.txt", "y" * 200, "mine"):
        (root / "x" / f".{name}.1.part").touch()
    (tmp_path / ".a.manifest.json.1.part").touch()
    (tmp_path / ".b.manifest.json.1.part").touch()  # of another folder
    fill(root, ["x/1.txt"], size=4)
    assert sorted(path.name for path in (root / "x").iterdir()) == [".mine.1.part", "1.txt"]
    assert [path.name for path in root.iterdir()] == ["x"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.manifest.json.1.part", "a", "a.manifest.json"]


def test_folders_that_are_left_empty_go_too_however_deep(tmp_path):
    fill(tmp_path, ["a/b/c/1.txt", "a/2.txt"])
    fill(tmp_path, ["a/2.txt"], size=4)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["2.txt"]


def test_two_that_fill_a_folder_take_turns(tmp_path, capsys):
    made, began, told = [], threading.Event(), []

    def says(sentence):
        told.append(capsys.readouterr().out)
        return sentence in "".join(told)

    def slow():
        began.set()
        made.append(1)
        until(lambda: len(made) > 1 or says("waiting for another run"))  # the other has run into this one
        return b"1"

    def work():
        Folder(tmp_path).fill(head(), [("1.txt", slow)], total=1, workers=1)

    one, other = (threading.Thread(target=work, daemon=True) for _ in range(2))
    one.start()
    assert began.wait(300)
    other.start()
    one.join(300)
    other.join(300)
    assert made == [1]
    assert Folder(tmp_path).verify() == []
    assert [path.name for path in tmp_path.iterdir()] == ["1.txt"]
    assert says("waiting for another run")
    assert says("complete and unchanged, kept")


@pytest.mark.parametrize("follow", [True, False])
def test_links_in_circles_and_to_nowhere_have_a_fingerprint(tmp_path, follow):
    for depth in range(30):  # by every path, there would be 2**30 folders
        place = tmp_path / f"level{depth}"
        place.mkdir()
        for name in ("x", "y"):
            (place / name).symlink_to(tmp_path / f"level{depth + 1}")
    (tmp_path / "level0" / "up").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert folder.fingerprint(tmp_path) == folder.fingerprint(tmp_path)
    assert len(dict(files.walk(tmp_path, followlinks=follow))) < 100


@pytest.mark.parametrize("kind", ["pipe", "zero", "folder", "nowhere", "huge"])
@pytest.mark.parametrize("name", ["1.txt", manifests.MANIFEST, manifests.PART])
def test_verify_reads_plain_files_only(tmp_path, kind, name, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_JSON", 9999)
    fill(tmp_path, ["1.txt", "2.txt"])
    path = tmp_path / name if name == "1.txt" else Folder(tmp_path).beside(name)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":
        path.touch()
        os.truncate(path, 10000)
    else:
        path.symlink_to({"zero": "/dev/zero", "nowhere": "nowhere"}[kind])
    assert Folder(tmp_path).verify() or name == manifests.PART


@how(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    facts=st.one_of(
        json_values, st.fixed_dictionaries({}, optional=dict.fromkeys(("files", "parameters", "code"), json_values))
    ),
    name=st.sampled_from([manifests.MANIFEST, manifests.PART]),
)
def test_a_malformed_manifest_is_a_sentence(tmp_path_factory, facts, name):
    root = tmp_path_factory.mktemp("malformed")
    Folder(root).beside(name).write_text(json.dumps(facts) + "\n0 1.txt\n" * (name == manifests.PART))
    assert all(isinstance(problem, str) for problem in Folder(root).verify())
    with contextlib.suppress(files.Unreadable):
        Folder(root).made_by({}, {})
        fill(root, ["1.txt"])
        assert Folder(root).verify() == []


@pytest.mark.parametrize("text", ["null", "0", "[]", '""', "true"])
def test_json_that_is_no_mapping_is_a_sentence(tmp_path, text):
    Folder(tmp_path).beside(manifests.MANIFEST).write_text(text)
    for use in (lambda root: Folder(root).manifest(), lambda root: Folder(root).digest(), folder.fingerprint):
        with pytest.raises(files.Unreadable, match="not a manifest"):
            use(tmp_path)


def test_json_that_is_nested_too_deeply_is_a_sentence(tmp_path):
    Folder(tmp_path).beside(manifests.MANIFEST).write_text("[" * 10**6)
    assert "nested too deeply" in Folder(tmp_path).verify()[0]
