import errno
import json
import os
import re

import pytest

from ofdb_core.base import files, folder, manifests, record
from ofdb_core.base.folder import Folder
from tests.helpers import tiny


def head(**parameters):
    return manifests.header(parameters, "raster")


def texts(names, made=None):
    def make(name):
        if made is not None:
            made.append(name)
        return f"this is {name}".encode()

    return [(name, lambda name=name: make(name)) for name in names]


def fill(root, names, *, made=None, **parameters):
    return Folder(root).fill(head(**parameters), texts(names, made), total=len(names), workers=1)


def test_a_filled_folder_has_its_files_and_a_manifest_that_verifies(tmp_path):
    manifest = fill(tmp_path / "a", ["x/1.txt", "2.txt"], size=3)
    assert manifest == Folder(tmp_path / "a").manifest()
    assert list(manifest["files"]) == ["2.txt", "x/1.txt"]
    assert manifest["files"]["2.txt"] == files.sha256(tmp_path / "a" / "2.txt")
    assert manifest["parameters"] == {"size": 3}
    assert manifest["versions"]["numpy"]
    assert Folder(tmp_path / "a").verify() == []


def test_verify_finds_missing_extra_and_altered_files(tmp_path):
    fill(tmp_path, ["1.txt", "2.txt", "3.txt"])
    (tmp_path / "1.txt").unlink()
    (tmp_path / "2.txt").write_text("this is 2.tx")
    (tmp_path / "new.txt").touch()
    assert Folder(tmp_path).verify() == ["1.txt: missing", "new.txt: not in the manifest", "2.txt: altered"]


def test_a_complete_folder_is_kept(tmp_path):
    fill(tmp_path, ["1.txt"], size=3)
    made = []
    fill(tmp_path, ["1.txt"], made=made, size=3)
    assert made == []


def test_a_damaged_folder_is_repaired_file_by_file(tmp_path):
    whole = fill(tmp_path, ["1.txt", "2.txt", "3.txt"])
    (tmp_path / "1.txt").unlink()
    (tmp_path / "2.txt").write_text("")
    made = []
    assert fill(tmp_path, ["1.txt", "2.txt", "3.txt"], made=made)["files"] == whole["files"]
    assert made == ["1.txt", "2.txt"]
    assert Folder(tmp_path).verify() == []


def test_other_parameters_make_everything_anew_and_leave_nothing_old(tmp_path):
    fill(tmp_path, ["1.txt", "2.txt"], size=3)
    made = []
    fill(tmp_path, ["1.txt"], made=made, size=4)
    assert made == ["1.txt"]
    assert not (tmp_path / "2.txt").exists()
    assert Folder(tmp_path).verify() == []


def test_a_failure_keeps_what_was_written_and_the_next_run_goes_on(tmp_path):
    def fail():
        raise RuntimeError("no")

    names = ["1.txt", "2.txt", "3.txt"]
    with pytest.raises(RuntimeError, match="no"):
        Folder(tmp_path).fill(head(), [*texts(names[:2]), ("3.txt", fail)], total=3, workers=1)
    assert not Folder(tmp_path).is_complete()
    assert "unfinished" in Folder(tmp_path).verify()[0]
    with pytest.raises(FileNotFoundError, match="no finished data"):
        Folder(tmp_path).digest()
    made = []
    fill(tmp_path, names, made=made)
    assert made == ["3.txt"]
    assert Folder(tmp_path).verify() == []


def test_a_line_that_was_cut_off_is_made_again(tmp_path):
    fill(tmp_path, ["1.txt", "2.txt"])
    lines = [json.dumps(head()), f"{files.sha256(tmp_path / '1.txt')} 1.txt", files.sha256(tmp_path / "2.txt")[:9]]
    Folder(tmp_path).beside(manifests.PART).write_text("\n".join(lines))
    Folder(tmp_path).beside(manifests.MANIFEST).unlink()
    made = []
    fill(tmp_path, ["1.txt", "2.txt"], made=made)
    assert made == ["2.txt"]


def test_files_of_others_are_never_removed(tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(FileExistsError, match=r"thesis\.txt"):
        fill(tmp_path, ["1.txt"])
    assert (tmp_path / "thesis.txt").read_text() == "years"


def test_a_full_disk_is_named_and_leaves_no_half_file(tmp_path, monkeypatch):
    fill(tmp_path, ["1.txt"])

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match=r"cannot write .*2\.txt \(No space left on device\)"):
            files.write_whole(tmp_path / "2.txt", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["1.txt"]
    assert Folder(tmp_path).verify() == []


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b'{"files": []}', b"\xff\xfe"])
def test_a_broken_manifest_is_named(tmp_path, junk):
    Folder(tmp_path).beside(manifests.MANIFEST).write_bytes(junk)
    assert re.search(
        r"manifest\.json: not a manifest .*; move it and .* away and run again", Folder(tmp_path).verify()[0]
    )
    with pytest.raises(files.Unreadable, match="not a manifest"):
        Folder(tmp_path).digest()


def test_the_digest_depends_on_the_files_and_not_on_the_notes(tmp_path):
    for name, notes in (("a", {"seconds": 1}), ("b", {"seconds": 2})):
        Folder(tmp_path / name).write(head(), {"1.txt": "one"}, notes)
    assert Folder(tmp_path / "a").digest() == Folder(tmp_path / "b").digest()
    assert Folder(tmp_path / "b").manifest()["notes"] == {"seconds": 2}


def test_the_fingerprint_of_a_foreign_folder_changes_with_its_files(tmp_path):
    (tmp_path / "a.jpg").write_text("1")
    before = folder.fingerprint(tmp_path)
    (tmp_path / "b.jpg").write_text("1")
    assert folder.fingerprint(tmp_path) != before


def test_the_fingerprint_of_a_choice_of_linked_folders_changes_with_their_files(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "chosen").mkdir()
    (tmp_path / "chosen" / "a").symlink_to(tmp_path / "store")
    before = folder.fingerprint(tmp_path / "chosen")
    (tmp_path / "store" / "a.jpg").write_text("1")
    assert folder.fingerprint(tmp_path / "chosen") != before


def test_verify_names_a_folder_that_is_another_than_it_was(tmp_path):
    fill(tmp_path / "a", ["1.txt"])
    before = Folder(tmp_path / "a").digest()
    assert Folder(tmp_path / "a").verify(before) == []
    fill(tmp_path / "a", ["1.txt", "2.txt"], size=4)
    assert Folder(tmp_path / "a").verify() == []
    assert Folder(tmp_path / "a").verify(before) == ["another run wrote it"]


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        ([], "it is not a mapping"),
        ({"code": "x"}, "parameters is missing"),
        ({"parameters": {}, "code": 3}, "code has a wrong type"),
        ({"parameters": {}, "code": "x", "versions": {"numpy": 2}}, "versions has a wrong type"),
    ],
)
def test_a_header_of_another_shape_is_refused(head, sentence):
    with pytest.raises(ValueError, match=sentence):
        manifests.check_header(head)


def test_a_run_notes_the_digests_of_what_it_reads_and_writes(tmp_path):
    fill(tmp_path / "out" / "images", ["1.txt"])
    (tmp_path / "photos").mkdir()
    run = record.Run("0_explore_ifs", tiny.of("0_explore_ifs", out=str(tmp_path / "out")))
    run.reads("images", str(tmp_path / "photos"))
    run.writes("images", outdated=True)
    digest = Folder(tmp_path / "out" / "images").digest()
    assert run.entry["reads"] == {"images": digest, "../photos": folder.fingerprint(tmp_path / "photos")}
    assert (run.entry["writes"], run.entry["outdated"]) == ({"images": digest}, "images")


def watched(monkeypatch):
    """The names of the files that are read from now on, as they are; files of any age are taken for settled."""
    read, holds = [], files.holds
    monkeypatch.setattr(files, "holds", lambda path, hashed: read.append(path.name) or holds(path, hashed))
    monkeypatch.setattr(folder, "TICK", -(10**12))
    return read


def test_what_did_not_change_is_read_once(tmp_path, monkeypatch):
    fill(tmp_path / "a", ["1.txt", "2.txt"])
    read = watched(monkeypatch)
    assert [Folder(tmp_path / "a").verify() for _ in range(3)] == [[]] * 3
    assert read == ["1.txt", "2.txt"]
    assert Folder(tmp_path / "a").verify(anew=True) == []
    assert read[2:] == ["1.txt", "2.txt"]
    (tmp_path / "a" / "2.txt").touch()
    assert Folder(tmp_path / "a").verify() == Folder(tmp_path / "a").verify() == []
    assert read[4:] == ["2.txt"]


def test_an_altered_file_is_noticed_whatever_its_time_says(tmp_path, monkeypatch):
    fill(tmp_path / "a", ["1.txt", "2.txt"])
    read, path = watched(monkeypatch), tmp_path / "a" / "1.txt"
    assert Folder(tmp_path / "a").verify() == []
    before = path.stat()
    path.write_text("that is 1.txt")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    for _ in range(2):
        assert Folder(tmp_path / "a").verify() == ["1.txt: altered"]
    assert read[2:] == ["1.txt"] * 2
    with pytest.raises(folder.Altered, match=r"a: not as it was written \(1\.txt: altered\); undo that, or run again"):
        folder.fingerprint(tmp_path / "a")
    path.write_text("this is 1.txt")
    assert folder.fingerprint(tmp_path / "a") == Folder(tmp_path / "a").digest()
    path.unlink()
    with pytest.raises(folder.Altered, match=r"1\.txt: missing"):
        folder.fingerprint(tmp_path / "a")


def test_another_manifest_makes_a_folder_be_read_again(tmp_path, monkeypatch):
    fill(tmp_path / "a", ["1.txt"])
    read = watched(monkeypatch)
    assert Folder(tmp_path / "a").verify() == []
    path = Folder(tmp_path / "a").beside("manifest.json")
    path.write_text(path.read_text().replace(files.sha256(tmp_path / "a" / "1.txt"), "0" * 64))
    assert Folder(tmp_path / "a").verify() == ["1.txt: altered"]
    assert read == ["1.txt"] * 2


def test_what_has_just_changed_is_read_again(tmp_path, monkeypatch):
    fill(tmp_path / "a", ["1.txt"])
    read = watched(monkeypatch)
    monkeypatch.setattr(folder, "TICK", 10**12)
    assert [Folder(tmp_path / "a").verify() for _ in range(2)] == [[]] * 2
    assert read == ["1.txt"] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.manifest.json"]


@pytest.mark.parametrize("junk", [b"", b"[1]", b"\xff", b'{"1.txt": 3}', b"[" * 10**5, None])
def test_a_broken_note_of_what_was_read_is_not_used(tmp_path, monkeypatch, junk):
    fill(tmp_path / "a", ["1.txt"])
    note = Folder(tmp_path / "a").beside("manifest.seen")
    note.mkdir() if junk is None else note.write_bytes(junk)
    read = watched(monkeypatch)
    assert Folder(tmp_path / "a").verify() == []
    assert read == ["1.txt"]


def test_a_moved_folder_takes_nothing_beside_it_along(tmp_path, monkeypatch):
    fill(tmp_path / "a", ["1.txt"])
    watched(monkeypatch)
    assert Folder(tmp_path / "a").verify() == []
    Folder(tmp_path / "a").move(tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "b.manifest.json"]
    assert Folder(tmp_path / "b").verify() == []
