"""Pictures for a wall and films for a talk: their sizes, their light, their bytes, and what is refused."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from ofdb_core.__main__ import ended
from ofdb_core.data import ply
from ofdb_core.formulas import ifs, search
from ofdb_core.show import explorer, wall

FERN = ifs.parse(
    "0 0 0 0.16 0 0 0.01; 0.85 0.04 -0.04 0.85 0 1.6 0.85;"
    "0.2 -0.26 0.23 0.22 0 1.6 0.07; -0.15 0.28 0.26 0.24 0 0.44 0.07"
)
SOLID = search.published(3, 0)


def opened(data):
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("system", [FERN, search.published(2, 0), search.published(2, 5), SOLID])
def test_a_picture_is_neither_black_nor_burnt_out(system):
    picture = opened(wall.encode(system, ".png", size=300, colours="gray"))
    gray = np.asarray(picture.convert("L"))
    assert max(picture.size) == 300
    assert min(picture.size) >= 75
    lit = gray[gray > 0]
    assert 70 < np.median(lit) < 190
    assert np.mean(lit == 255) < 0.02
    assert gray.max() > 250


def test_equal_arguments_give_equal_bytes_and_another_seed_others(tmp_path):
    how = {"size": 64, "points": 20_000, "frames": 3}
    for form in wall.FORMS:
        system = SOLID if form in (".ply", ".obj") else FERN
        data = wall.encode(system, form, **how)
        assert data == wall.encode(system, form, **how)
        if form != ".svg":
            assert data != wall.encode(system, form, **how, seed=1)
        assert wall.save(system, tmp_path / f"a{form}", **how).read_bytes() == data


def test_more_points_make_a_picture_smoother_and_not_brighter():
    few, many = (
        np.asarray(opened(wall.encode(FERN, ".png", size=128, points=points, colours="gray")).convert("L"), float)
        for points in (128**2 * 20, 128**2 * 400)
    )
    assert abs(np.median(few[few > 0]) - np.median(many[many > 0])) < 30


def test_the_colours_are_those_of_matplotlib():
    image = opened(wall.encode(FERN, ".png", size=64, colours="Greys"))
    assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert wall.palette("viridis")[0].tolist() == [68, 1, 84]
    assert wall.palette("gray")[-1].tolist() == [255] * 3


@pytest.mark.parametrize("form", [".gif", ".webp"])
def test_a_film_turns_a_coefficient_or_a_system_of_space(form):
    for system in (FERN, SOLID):
        film = opened(wall.encode(system, form, size=80, points=20_000, frames=4, turn="d", by=0.1))
        assert film.n_frames == 4
        frames = []
        for i in range(4):
            film.seek(i)
            frames.append(np.asarray(film.convert("RGB"), int))
        assert all(np.abs(frames[i] - frames[0]).mean() > 0.2 for i in (1, 3))


def test_the_film_begins_with_the_system_and_varies_one_coefficient_of_every_map():
    first, most, _, least = (ifs.table(system) for system, _ in wall.views(FERN, 4, turn="b", by=0.5))
    assert (first == ifs.table(FERN)).all()
    assert np.allclose(most[:, 1], 1.5 * first[:, 1])
    assert np.allclose(least[:, 1], 0.5 * first[:, 1])
    assert (np.delete(most, 1, axis=1) == np.delete(first, 1, axis=1)).all()


def test_the_maps_are_labelled_parallelograms():
    root = ET.fromstring(wall.encode(FERN, ".svg", size=200))
    name = "{http://www.w3.org/2000/svg}"
    polygons = [
        [tuple(map(float, point.split(","))) for point in one.get("points").split()]
        for one in root.iter(name + "polygon")
    ]
    assert [len(points) for points in polygons] == [4, *[4, 2] * 4]
    frame, small = np.array(polygons[0]), np.array(polygons[5])
    sides = [np.diff(points[[0, 1, 2]], axis=0) * [1, -1] for points in (frame, small)]
    assert np.allclose(sides[1], sides[0] @ FERN.A[2].T, atol=0.05)
    assert [text.text for text in root.iter(name + "text")] == ["0", "1", "2", "3"]
    width, height = map(float, root.get("viewBox").split()[2:])
    assert all(0 <= x <= width and 0 <= y <= height for points in polygons for x, y in points)


def test_points_of_space_are_those_of_the_model(tmp_path):
    cloud = ply.load(wall.save(SOLID, tmp_path / "a.ply", points=500))
    lines = wall.encode(SOLID, ".obj", points=500).decode().splitlines()
    assert [[float(word) for word in line.split()[1:]] for line in lines] == cloud.tolist()


@pytest.mark.parametrize(
    ("system", "form", "how", "message"),
    [
        (FERN, ".jpg", {}, "'.jpg' is no form of a picture; the file's name ends in one of .png"),
        (FERN, ".png", {"size": 10**6}, "size: 1000000 is out of range"),
        (FERN, ".png", {"points": -1}, "points: -1 is out of range"),
        (FERN, ".png", {"seed": -1}, "seed: -1 is out of range"),
        (FERN, ".png", {"colours": "magmb"}, r"did you mean magma\?"),
        (FERN, ".gif", {"frames": 1}, "frames: 1 is out of range"),
        (FERN, ".gif", {"turn": "g"}, "turn: 'g' is not allowed"),
        (FERN, ".gif", {"turn": "e"}, "turn: e is 0 in every map"),
        (SOLID, ".svg", {}, "3 dimensions given"),
        (FERN, ".ply", {}, "2 dimensions given"),
        (ifs.parse("2 0 0 2 1 1"), ".png", {}, "nothing to draw"),
        (FERN, ".gif", {"by": 3.0}, "nothing to draw; in a film, give a smaller by"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(system, form, how, message):
    with pytest.raises(ValueError, match=message):
        wall.encode(system, form, **how)


def test_a_system_is_named_by_number_by_file_or_by_name(tmp_path):
    assert (wall.system_of("3").A == search.published(2, 3).A).all()
    assert (wall.system_of("3d/1").A == search.published(3, 1).A).all()
    ifs.save(FERN, tmp_path / "fern.csv")
    assert len(wall.system_of(str(tmp_path / "fern.csv"))) == 4
    (tmp_path / "more.ifs").write_text("a { 1 2 3 4 5 6 1 }\nb { 1 2 3 4 5 6 .5\n 1 2 3 4 5 6 .5}")
    assert len(wall.system_of(str(tmp_path), "b")) == 2
    with pytest.raises(ValueError, match=r"name: '' chooses 3 systems of .* it has a, b, fern"):
        wall.system_of(str(tmp_path))


def test_the_commands_write_what_is_asked_and_replace_no_file_of_yours(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ["--size", "64", "--points", "5000"]
    assert ended(["picture", "0", "--out", "a.png", *small]) == 0
    assert ended(["picture", "0", "--out", "a.png", *small, "--seed", "2"]) == 0
    (tmp_path / "b.png").write_bytes(b"mine")
    assert ended(["picture", "0", "--out", "b.png", *small]) == 2
    assert "b.png: is not the lab's" in capsys.readouterr().err
    assert (tmp_path / "b.png").read_bytes() == b"mine"
    assert ended(["picture", "nowhere.csv", "--out", "c.png"]) == 2
    assert "nowhere.csv: no such" in capsys.readouterr().err
    (tmp_path / "two.ifs").write_text("a { .5 0 0 .5 0 0 1 }\nb (3D) { 1 2 3 4 5 6 7 8 9 10 11 12 1 }")
    assert ended(["export", "two.ifs", "--out", "two"]) == 0
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["a.csv", "b.csv"]
    assert ended(["export", "two.ifs", "--out", "two.flame"]) == 2
    assert "b: has 3 dimensions; a flame is a system of the plane" in capsys.readouterr().err


def test_the_widget_saves_pictures_and_systems_beside_its_categories(tmp_path):
    shown = explorer.Explorer(FERN, own=tmp_path / "own")
    rows, save_as = shown.rows, shown._save_as
    assert "a.ifs was saved" in save_as({"rows": rows, "name": "a.ifs"})
    assert ifs.table(ifs.load(tmp_path / "own" / "a.ifs")).tolist() == rows
    assert "a.svg was saved" in save_as({"rows": rows, "name": "a.svg"})
    for name in ("../a.svg", "a.txt", "", "/a.png"):
        with pytest.raises(ValueError, match=r"own|form"):
            save_as({"rows": rows, "name": name})
    assert shown._parse("<flame><xform weight='1' linear='1' coefs='1 2 3 4 5 6'/></flame>") == [[1, 3, 2, 4, 5, 6, 1]]
