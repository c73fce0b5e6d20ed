import io
import os
import stat
import subprocess
import sys
import tarfile
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from ofdb_core.base import filling
from ofdb_core.base.folder import Folder
from ofdb_core.data import archive, samples
from tests.helpers.processes import started, until

FILES = {"set/image/a/1.png": b"one", "set/image/b/1.png": b"two" * 999, "set/image/b/2.png": b""}


def pack(path, files, *, entry_type=None, mode=None, target=""):
    """An archive with these files; entry_type: of a tar entry; mode: of a zip entry, as on Unix; target: of a link."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
            for name, data in files.items():
                info = zipfile.ZipInfo("x")
                info.filename, info.external_attr = name, (mode or 0) << 16
                made.writestr(info, data)
    else:
        with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as made:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.type, info.linkname = entry_type or tarfile.REGTYPE, target
                info.size = len(data) if info.isreg() else 0
                made.addfile(info, io.BytesIO(data))
    return path


def names(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def nothing_but(root, *allowed):
    return {path.name for path in root.iterdir()} == set(allowed)


@pytest.mark.parametrize("ending", [*archive.ENDINGS, ".TGZ"])
def test_an_archive_becomes_a_folder_of_its_name(tmp_path, capsys, ending):
    path = pack(tmp_path / f"2d-ofdb-1k{ending}", FILES)
    for _ in range(2):
        root = archive.unpacked(path, tmp_path / "data")
    assert root == tmp_path / "data" / "2d-ofdb-1k"
    assert {name: (root / name).read_bytes() for name in FILES} == FILES
    assert names(root) == list(FILES)
    assert Folder(root).verify() == []
    assert capsys.readouterr().out.count("complete and unchanged, kept") == 1


def test_a_tar_may_be_packed_whatever_its_ending(tmp_path):
    pack(tmp_path / "x.tar.gz", FILES).rename(tmp_path / "y.tar")
    pack(tmp_path / "x.tar", FILES).rename(tmp_path / "z.tar.gz")
    for name in ("y.tar", "z.tar.gz"):
        assert names(archive.unpacked(tmp_path / name, tmp_path)) == list(FILES)


@pytest.mark.parametrize("ending", archive.ENDINGS)
@pytest.mark.parametrize("name", ["x" * 250, "a/" + "猫" * 85, "d/" * 498 + "x", "./a/./x", "a b/$x$ ", "-x", "~"])
def test_odd_but_legal_names_are_unpacked(tmp_path, ending, name):
    path = pack(tmp_path / f"x{ending}", {f"./{name}": b"data"})
    root = archive.unpacked(path, tmp_path / "data")
    assert (root / name).read_bytes() == b"data"
    assert Folder(root).verify() == []
    root = archive.unpacked(pack(path, {"y": b""}), tmp_path / "data")
    assert [place.name for place in root.iterdir()] == ["y"]  # no empty folders


@pytest.mark.parametrize("ending", archive.ENDINGS)
@pytest.mark.parametrize("name", ["x" * 256, "a/" + "猫" * 86, "d/" * 500 + "x", "."])
def test_names_that_no_file_can_have_are_refused_before_anything_is_written(tmp_path, ending, name):
    path = pack(tmp_path / f"x{ending}", {"fine.png": b"fine", name: b"bad"})
    with pytest.raises(ValueError, match=rf"x{ending}: .* (is too long|is not the name of a file).*nothing was unpack"):
        archive.unpacked(path, tmp_path / "data")
    assert nothing_but(tmp_path, path.name)


@pytest.mark.parametrize("ending", archive.ENDINGS)
@pytest.mark.parametrize(
    "name",
    ["/etc/x", "//x", "../x", "a/../../x", "a/..", "..", "C:/x", "C:x", "c:\\x", "a\\..\\x", "a\n.. x", "a\x85b", "\n"],
)
def test_an_entry_that_leaves_the_folder_is_refused_before_anything_is_written(tmp_path, ending, name):
    path = pack(tmp_path / f"x{ending}", {"fine.png": b"fine", name: b"bad"})
    with pytest.raises(ValueError, match=rf"x{ending}: .* is not a (path inside the folder|file name).*nothing was"):
        archive.unpacked(path, tmp_path / "data")
    assert nothing_but(tmp_path, path.name)


@pytest.mark.parametrize(
    "entry_type", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"?"]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, entry_type):
    path = pack(tmp_path / "x.tar", {"a/1.png": b""}, entry_type=entry_type, target="/etc/passwd")
    with pytest.raises(ValueError, match=r"'a/1\.png' is a link or a device; nothing was unpacked"):
        archive.unpacked(path, tmp_path / "data")
    assert nothing_but(tmp_path, path.name)


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, mode):
    path = pack(tmp_path / "x.zip", {"a/1.png": b"/etc/passwd"}, mode=mode | 0o777)
    with pytest.raises(ValueError, match=r"'a/1\.png' is a link or a device"):
        archive.unpacked(path, tmp_path / "data")
    assert nothing_but(tmp_path, path.name)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("ending", archive.ENDINGS)
@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a/1.png": b"", "a//1.png": b""}, "'a//1.png' is there twice"),
        ({"a/1.png": b"", "./a/1.png": b""}, "'./a/1.png' is there twice"),
        ({"a": b"", "a/1.png": b""}, "'a' is both a file and a folder"),
        ({"a/b/1.png": b"", "a": b""}, "'a' is both a file and a folder"),
        ({}, "holds no files"),
        ({"__MACOSX/a/._1.png": b""}, "holds no files"),
    ],
)
def test_files_that_cannot_lie_side_by_side_are_refused(tmp_path, ending, files, words):
    with pytest.raises(ValueError, match=f"x{ending}: {words}"):
        archive.unpacked(pack(tmp_path / f"x{ending}", files), tmp_path / "data")
    assert nothing_but(tmp_path, f"x{ending}")


def test_a_zip_with_an_entry_without_a_name_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as made:
        made.writestr("y", b"data")
    data = (tmp_path / "x.zip").read_bytes()  # the central directory's length of the name, and the name
    place = data.rindex(b"PK\x01\x02")
    size = int.from_bytes(data[-6:-2], "little")
    entry = data[place : place + 28] + b"\0\0" + data[place + 30 : place + 46]
    end = data[place + 47 :]
    end = end[:12] + (len(entry)).to_bytes(4, "little") + end[16:]
    assert size == place
    (tmp_path / "x.zip").write_bytes(data[:place] + entry + end)
    with pytest.raises(ValueError, match=r"x.zip: '' is not the name of a file; nothing was unpacked"):
        archive.unpacked(tmp_path / "x.zip", tmp_path / "data")


def test_names_that_are_not_unicode_are_refused(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="shift-jis") as made:
        made.addfile(tarfile.TarInfo("猫.png"))
    with pytest.raises(ValueError, match="is not a file name in one line of Unicode"):
        archive.unpacked(path, tmp_path / "data")


@pytest.mark.parametrize("ending", archive.ENDINGS)
def test_what_macos_adds_and_the_folders_own_files_are_left_out(tmp_path, ending):
    extra = ("__MACOSX/a/._1.png", "a/.DS_Store", "a/._1.png", "a/.2.png.77.part")
    path = pack(tmp_path / f"x{ending}", {"./a/1.png": b"1", "猫/ 1.png": b"2", **dict.fromkeys(extra, b"")})
    for _ in range(2):
        root = archive.unpacked(path, tmp_path)
    assert names(root) == ["a/1.png", "猫/ 1.png"]
    assert Folder(root).verify() == []


@pytest.mark.parametrize("ending", archive.ENDINGS)
def test_a_truncated_archive_is_named(tmp_path, ending):
    path = pack(tmp_path / f"x{ending}", FILES)
    whole = path.read_bytes()
    end = 5120 if ending == ".tar" else len(whole)  # of a tar what it says of its files; zeros follow
    for size in (0, 1, 100, end // 5, end // 2, end - 512, end - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=rf"x{ending}: cannot be read .*get it again"):
            archive.unpacked(path, tmp_path / "data")
    assert nothing_but(tmp_path, path.name)


@pytest.mark.parametrize("ending", archive.ENDINGS)
def test_a_damaged_archive_is_named(tmp_path, ending):
    path = pack(tmp_path / f"x{ending}", {f"{i}.png": np.random.default_rng(i).bytes(700) for i in range(9)})
    data = bytearray(path.read_bytes())
    if ending == ".tar":
        data[3 * 1536] ^= 1  # the fourth header; tarfile alone would end there
    else:
        data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"x{ending}: cannot be read"):
        archive.unpacked(path, tmp_path / "data")


def test_an_encrypted_zip_is_named(tmp_path):
    path = pack(tmp_path / "x.zip", {"a.png": b"secret"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\3\4") + 6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.zip: cannot be read .*encrypted"):
        archive.unpacked(path, tmp_path / "data")


@pytest.mark.parametrize("ending", archive.ENDINGS)
def test_an_archive_larger_than_the_disk_is_refused(tmp_path, monkeypatch, ending):
    path = pack(tmp_path / f"x{ending}", {"zeros": bytes(10**6)})
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: type("", (), {"free": 999_999}))
    with pytest.raises(ValueError, match=r"needs 1,000,000 bytes in .*, where 999,999 are free; nothing was unpacked"):
        archive.unpacked(path, tmp_path / "data")
    monkeypatch.setattr(archive, "LARGEST", 99)
    with pytest.raises(ValueError, match="'zeros' has 1,000,000 bytes; at most 99 are allowed"):
        archive.unpacked(path, tmp_path / "data")


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_an_interrupted_unpacking_goes_on(tmp_path, monkeypatch, ending):
    path = pack(tmp_path / f"x{ending}", {f"{i:02}.png": bytes([i]) for i in range(50)})
    written, write_whole = [], filling.write_whole

    def watched(place, data, **options):
        if place.suffix == ".png":
            if len(written) == 20:
                raise KeyboardInterrupt
            written.append(place.name)
        write_whole(place, data, **options)

    monkeypatch.setattr(filling, "write_whole", watched)
    with pytest.raises(KeyboardInterrupt):
        archive.unpacked(path, tmp_path)
    assert "unfinished" in Folder(tmp_path / "x").verify()[0]
    first, written[:] = set(written), [None] * 21
    root = archive.unpacked(path, tmp_path)
    assert Folder(root).verify() == []
    assert set(written[21:]) == {f"{i:02}.png" for i in range(50)} - first


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_at_most_three_files_are_in_memory(tmp_path, monkeypatch, ending):
    """However many cores there are, and however slowly the files are written."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    path = pack(tmp_path / f"x{ending}", {f"{i:02}.png": bytes(10**6) for i in range(20)})
    write_whole = filling.write_whole
    monkeypatch.setattr(filling, "write_whole", lambda *given, **how: (time.sleep(0.005), write_whole(*given, **how)))
    tracemalloc.start()
    archive.unpacked(path, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5.5 * 10**6  # three, and what one is copied through when it is read


@pytest.mark.slow
def test_two_that_unpack_an_archive_take_turns(tmp_path):
    path = pack(tmp_path / "x.zip", {f"{i:04}.png": bytes([i % 256]) * 9999 for i in range(3000)})
    program = "import sys; from ofdb_core.data import archive; archive.unpacked(*sys.argv[1:])"
    words = [sys.executable, "-c", program, str(path), str(tmp_path / "data")]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with started(words, **how) as first:
        until((tmp_path / "data" / "x" / "0009.png").exists, first)
        with started(words, **how) as second, started(words, **how) as third:
            running = first, second, third
            told = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert [text.count("unchanged, kept") for text in told] == [0, 1, 1]
    assert Folder(tmp_path / "data" / "x").verify() == []


def test_another_archive_of_the_name_replaces_the_folder(tmp_path):
    for files in (FILES, {"c/1.png": b"three"}):
        root = archive.unpacked(pack(tmp_path / "x.zip", files), tmp_path)
    assert names(root) == ["c/1.png"]


def test_a_folder_of_the_users_is_not_touched(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "thesis.txt").write_text("years")
    with pytest.raises(FileExistsError, match=r"thesis\.txt"):
        archive.unpacked(pack(tmp_path / "x.zip", FILES), tmp_path)


def test_what_is_no_archive_is_refused(tmp_path):
    names = ("x.rar", ".zip", "...zip", "._x.tar")  # without their endings two of them would be root and its parent
    for name in names:
        (tmp_path / name).touch()
    for name in (*names, "nowhere.zip", ""):
        assert not archive.is_archive(tmp_path / name)
        with pytest.raises(ValueError, match=r"no such archive; allowed is a file that ends in \.zip, \.tar"):
            archive.unpacked(tmp_path / name, tmp_path)


@pytest.mark.parametrize("ending", archive.ENDINGS)
def test_the_class_folders_of_an_archive_are_found(tmp_path, ending):
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "PNG")
    files = {f"2d-ofdb-1k/image/{i:05}/{i:05}.png": file.getvalue() for i in range(3)}
    path = pack(tmp_path / f"2d-ofdb-1k{ending}", {**files, "2d-ofdb-1k/README.md": b"", "__MACOSX/._x": b""})
    images = samples.Images.from_folder(archive.unpacked(path, tmp_path / "data"))
    assert images.classes == ["00000", "00001", "00002"]
