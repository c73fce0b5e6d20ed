"""Systems go to the files of other programs and come back, bit for bit."""

import numpy as np
import pytest

from ofdb_core.base.folder import Folder
from ofdb_core.data import system_export
from ofdb_core.formulas import ifs, search


@pytest.fixture
def systems(tmp_path):
    for i in range(3):
        ifs.save(search.published(2, i), tmp_path / "mine" / f"name {i}.csv") if i else (tmp_path / "mine").mkdir()
    ifs.save(ifs.parse("0.5 0 0 0.5 1 1"), tmp_path / "mine" / "dot.csv")
    return tmp_path / "mine"


def same(one, other):
    assert list(ifs.names(one).values()) == list(ifs.names(other).values())
    for (_, first), (_, second) in zip(ifs.load_folder(one), ifs.load_folder(other), strict=True):
        assert np.array_equal(ifs.table(first), ifs.table(second))


@pytest.mark.parametrize("out", ["all.ifs", "all.FLAME", "below/more/all.ifs", "csv"])
def test_every_form_is_read_back_and_written_again(systems, tmp_path, out):
    before = {path: path.read_bytes() for path in systems.iterdir()}
    for _ in range(2):
        written = system_export.export(systems, tmp_path / out)
        same(systems, written)
    assert {path: path.read_bytes() for path in systems.iterdir()} == before
    same(system_export.export(written, tmp_path / "again"), systems)
    assert Folder(tmp_path / "again").verify() == []


def test_a_flame_shows_its_system(systems, tmp_path):
    text = system_export.export(systems, tmp_path / "a.flame").read_text()
    assert text.count('size="1000 1000"') == 3
    assert 'center="0.0 0.0" scale="500.0"' in text  # of a system that is one point


def test_one_system_is_a_csv_file_and_more_are_refused(systems, tmp_path):
    one = system_export.export(systems / "name 1.csv", tmp_path / "b.csv")
    assert one.read_bytes() == (systems / "name 1.csv").read_bytes()
    for out in ("a.csv", "a.txt"):
        with pytest.raises(ValueError, match=r"cannot hold 3 systems; give a name that ends in \.ifs or \.flame"):
            system_export.export(systems, tmp_path / out)
    with pytest.raises(ValueError, match="holds the systems themselves"):
        system_export.export(systems, tmp_path / "mine")
    (tmp_path / "thesis.ifs").write_text("mine")
    with pytest.raises(FileExistsError, match=r"thesis\.ifs"):
        system_export.export(systems, tmp_path / "thesis.ifs")
