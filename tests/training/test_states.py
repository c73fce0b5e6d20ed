import os
import re
import subprocess
import sys

import pytest
import torch

from ofdb_core.base import folder
from ofdb_core.training import states

ABOUT = {"parameters": {"steps": 10, "learning_rate": 0.1}, "code": "abc"}


def store(root, about=ABOUT, **how):
    return states.Store(root / "states", about, **how)


def filled(root, steps=(1, 2, 3), **how):
    found = store(root, **how)
    for step in steps:
        found.save(step, {"step": step, "tensor": torch.full((4,), float(step)), "rows": [{"loss": 0.5, "name": "a"}]})
    return found


def test_the_newest_state_comes_back_as_it_was(tmp_path):
    filled(tmp_path)
    state = store(tmp_path).newest()
    assert state["step"] == 3
    assert torch.equal(state["tensor"], torch.full((4,), 3.0))
    assert state["rows"] == [{"loss": 0.5, "name": "a"}]


def test_without_states_there_is_none(tmp_path):
    assert store(tmp_path).newest() is None


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_last_few_are_kept(tmp_path, keep):
    files = filled(tmp_path, steps=(1, 5, 20, 100), keep=keep).files()
    assert [int(path.name.partition("-")[0]) for path in files] == [1, 5, 20, 100][-keep:]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_state_is_named_and_the_one_before_it_used(tmp_path, capsys, damage):
    path = filled(tmp_path).files()[-1]
    data = path.read_bytes()
    path.write_bytes({"truncated": data[:-9], "flipped": data[:200] + b"\x01\x02" + data[202:], "empty": b""}[damage])
    found = store(tmp_path)
    assert found.newest()["step"] == 2
    assert f"{path}: damaged" in capsys.readouterr().out
    found.save(3, {"step": 3})
    assert path not in found.files()
    assert found.newest() == {"step": 3}


def test_only_damaged_states_are_none(tmp_path):
    for path in filled(tmp_path).files():
        path.write_bytes(b"")
    assert store(tmp_path).newest() is None


def test_other_parameters_are_refused_with_the_difference(tmp_path):
    filled(tmp_path)
    other = {"parameters": {"steps": 10, "learning_rate": 0.2, "new": 1}, "code": "abd"}
    with pytest.raises(ValueError, match=r"learning_rate 0.1 -> 0.2; new None -> 1; code abc -> abd.*changed continue"):
        store(tmp_path, other)
    assert store(tmp_path).newest()["step"] == 3


def test_other_parameters_continue_or_restart_when_told_to(tmp_path):
    filled(tmp_path)
    other = {**ABOUT, "parameters": {"steps": 20}}
    assert store(tmp_path, other, changed="continue").newest()["step"] == 3
    assert store(tmp_path, other, changed="restart").newest() is None


def test_nothing_saved_yet_is_nothing_to_refuse(tmp_path):
    states.clear(filled(tmp_path).root)
    assert store(tmp_path, {**ABOUT, "code": "other"}).newest() is None


def test_a_state_with_code_in_it_is_refused(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'executed'}",)

    filled(tmp_path).save(4, {"step": 4, "hostile": Hostile()})
    with pytest.raises(ValueError, match=r"\.pt: no state of a training .*; move it away"):
        store(tmp_path).newest()
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("state", [None, [], 3, {}, {"step": "3"}, torch.zeros(3)], ids=str)
def test_what_is_no_state_is_a_sentence(tmp_path, state):
    filled(tmp_path).save(4, state)
    with pytest.raises(ValueError, match=r"\.pt: no state of a training .*; move it away"):
        store(tmp_path).newest()


@pytest.mark.parametrize(
    "about", ["", "{}", "[]", "null", "3", '{"parameters": []}', "[" * 10**5, '{"code": 1}', "\xff"]
)
def test_what_does_not_say_what_the_states_belong_to_is_a_sentence(tmp_path, about):
    (filled(tmp_path).root / states.ABOUT).write_bytes(about.encode("latin-1"))
    with pytest.raises(ValueError, match=r"about\.json: cannot be read .*; move .*states away"):
        store(tmp_path)


def test_what_kills_left_of_states_is_removed_by_the_next_one(tmp_path):
    found = filled(tmp_path)
    for i in range(3):
        (found.root / f".00000000{i}-{i:016x}.pt.{i}.part").write_bytes(b"half a state")
    (found.root / ".about.json.1.part").touch()
    found.save(4, {"step": 4})
    assert sorted(path.name for path in found.root.iterdir()) == [*(path.name for path in found.files()), "about.json"]


def test_only_states_are_removed(tmp_path):
    folder = filled(tmp_path).root
    (folder / "trial").mkdir()
    (folder / "trial" / "000000001-0123456789abcdef.pt").touch()
    (folder / "linked").symlink_to(tmp_path)
    others = [folder / "thesis.txt", folder / "1-thesis.pt", folder / ".thesis.1.part", tmp_path / "1-0123.pt"]
    for path in others:
        path.write_text("years")
    states.clear(folder)
    assert all(path.read_text() == "years" for path in others)
    assert sorted(path.name for path in folder.iterdir()) == [".thesis.1.part", "1-thesis.pt", "linked", "thesis.txt"]
    for path in (*others[:3], folder / "linked"):
        path.unlink()
    states.clear(folder)
    assert not folder.exists()


FULL = """
import resource, sys, torch
from pathlib import Path
from ofdb_core.base import folder
from ofdb_core.training import states
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = states.Store(Path(sys.argv[1]), {"parameters": {}, "code": ""})
store.save(1, {"step": 1, "x": torch.zeros(10)})
store.save(2, {"step": 2, "x": torch.zeros(100_000)})
"""


@pytest.mark.slow
def test_a_full_disk_leaves_the_older_states(tmp_path):
    told = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "s")], capture_output=True, text=True)
    assert told.returncode
    assert "what was written before is kept" in told.stderr
    found = states.Store(tmp_path / "s", {"parameters": {}, "code": ""})
    assert found.newest()["step"] == 1
    assert len(list((tmp_path / "s").iterdir())) == 2  # and about.json; no half-written file


def test_files_of_the_users_that_changed_are_counted_and_named(tmp_path):
    data = tmp_path / "photos"
    (data / "a").mkdir(parents=True)
    for i in range(3):
        (data / "a" / f"{i}.png").write_bytes(b"0" * (i + 1))

    def about():
        return {"parameters": {"data": str(data), "source": ["w", folder.fingerprint(data)]}, "code": "abc"}

    def changes():
        with pytest.raises(ValueError, match="unfinished training of other parameters or code") as error:
            store(tmp_path, about())
        return re.search(r"code: (.*?)\. Continue it", str(error.value))[1]

    filled(tmp_path, about=about())
    (data / "a" / "1.png").unlink()
    assert changes() == "1 file removed (a/1.png)"
    (data / "a" / "0.png").write_bytes(b"00000")
    (data / "a" / "8.png").touch()
    (data / "a" / "9.png").touch()
    assert changes() == "1 file removed (a/1.png), 2 files added (a/8.png), 1 file altered (a/0.png)"
    assert store(tmp_path, about(), changed="continue").newest()["step"] == 3
    states.clear(tmp_path / "states")
    assert not (tmp_path / "states").exists()
