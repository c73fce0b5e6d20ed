"""A file is written only where there is none, or one that the lab wrote and can prove."""

import os
from pathlib import Path

import pytest

from ofdb_core.base import files, own
from ofdb_core.base.own import Own


def test_what_the_lab_wrote_is_written_again(tmp_path):
    mine = Own(tmp_path)
    for text in ("one", "two", "one", "three"):
        assert mine.write("a/page.html", text).read_text() == text
    assert list(mine.listed()) == ["a/page.html"]
    assert mine.altered() == []


@pytest.mark.parametrize("left", ["mine", "a link", "a link to nowhere", "a folder", "was the lab's"])
def test_a_file_of_somebody_elses_is_refused_by_name_and_stays(tmp_path, left):
    path, elsewhere = tmp_path / "page.html", tmp_path / "elsewhere"
    if left == "was the lab's":
        Own(tmp_path).write("page.html", "the lab's")
    if left == "a folder":
        path.mkdir()
    elif "link" in left:
        path.symlink_to(elsewhere)
    else:
        path.write_text("mine")
    if left == "a link":
        elsewhere.write_text("mine")
    before = {each.name: each.is_symlink() or (each.is_file() and each.read_text()) for each in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match=r"page.html: is not the lab's, .* move it away or"):
        Own(tmp_path).write("page.html", "new")
    after = {each.name: each.is_symlink() or (each.is_file() and each.read_text()) for each in tmp_path.iterdir()}
    assert after == before
    assert elsewhere.exists() == (left == "a link")


def test_nothing_is_written_through_a_linked_folder(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "figures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="a link to another folder, in which nothing is written"):
        Own(tmp_path / "run").write("figures/a.svg", "x")
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("whole", [True, False])
def test_what_a_killed_process_left_is_the_labs(tmp_path, whole):
    mine = Own(tmp_path)
    mine.write("page.html", "old")
    mine.note("page.html", "0" * 64)  # it was killed before the file was replaced
    assert mine.altered() == ["page.html"]
    if not whole:  # or even before the line was
        mine.list.write_bytes(mine.list.read_bytes()[:-20])
    assert mine.write("page.html", "new").read_text() == "new"
    assert mine.altered() == []


@pytest.mark.parametrize("hashed", ["-", "", "0" * 64])
def test_a_line_in_the_list_is_no_proof_without_the_hash_of_the_file(tmp_path, hashed):
    mine = Own(tmp_path)
    (tmp_path / "x.ipynb").write_text("with my notes")
    mine.note("x.ipynb", hashed)
    with pytest.raises(FileExistsError, match=r"x.ipynb: is not the lab's"):
        mine.write("x.ipynb", "new")
    assert (tmp_path / "x.ipynb").read_text() == "with my notes"
    assert mine.altered() == ["x.ipynb"]


def test_a_list_of_somebody_elses_is_refused(tmp_path):
    for text in ("my notes", f"{own.HEAD}\n{'0' * 64} {'x' * own.LARGEST}"):
        (tmp_path / own.LIST).write_text(text)
        with pytest.raises(files.Unreadable, match=r"\.written: is not the lab's list"):
            Own(tmp_path).write("page.html", "x")
    (tmp_path / own.LIST).unlink()
    for make in (lambda path: path.symlink_to(tmp_path / "elsewhere"), os.mkfifo, Path.mkdir):
        make(tmp_path / own.LIST)
        with pytest.raises(files.Unreadable, match=r"\.written: is no plain file"):
            Own(tmp_path).write("page.html", "x")
        (tmp_path / own.LIST).rename(tmp_path / f"had{len(list(tmp_path.iterdir()))}")
    assert not (tmp_path / "elsewhere").exists()


def test_only_what_is_as_it_was_written_is_removed(tmp_path):
    mine = Own(tmp_path)
    for name in ("a", "b", "c"):
        mine.write(name, name)
    (tmp_path / "b").write_text("mine")
    (tmp_path / "c").unlink()
    mine.remove(["a", "c"])
    assert list(mine.listed()) == ["b"]
    with pytest.raises(FileExistsError, match="b: is not the lab's"):
        mine.remove(["b"])
    assert (tmp_path / "b").read_text() == "mine"


def test_what_is_behind_a_link_is_altered_and_not_read(tmp_path):
    mine = Own(tmp_path / "run")
    mine.write("figures/a.svg", "a")
    (tmp_path / "run" / "figures").rename(tmp_path / "elsewhere")
    (tmp_path / "run" / "figures").symlink_to(tmp_path / "elsewhere")
    assert mine.altered() == ["figures/a.svg"]


def test_where_nothing_can_be_written_the_file_that_was_asked_for_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match=r"cannot write .*page\.html \(\S"):
        Own(tmp_path / "file" / "folder").write("page.html", "page")
