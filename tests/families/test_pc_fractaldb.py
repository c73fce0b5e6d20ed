"""PC-FractalDB: points fill their boxes, the boxes stand apart, and pictures and masks show the points."""

import numpy as np
import pytest

from ofdb_core.data import ply, scenes
from ofdb_core.data.pairs import ScenePairs
from ofdb_core.families import fractal_3d, pc_fractaldb
from ofdb_core.formulas import camera, chaos_game, point_cloud, search, streams
from ofdb_core.formulas.streams import Mersenne

SMALL = pc_fractaldb.Render(images=3, objects=6, model_points=2000, scene_points=6000, image_size=256, instances=7)
SYSTEMS = [(number, search.published(3, number)) for number in range(5)]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes")
    fractal_3d.write_categories(fractal_3d.Render(out=str(root), categories=5))
    pc_fractaldb.write(pc_fractaldb.Render.of({**SMALL.values(), "out": str(root)}))
    return root


@pytest.fixture(scope="module")
def read(out):
    return ScenePairs.from_folders(out / pc_fractaldb.SCENE, out / pc_fractaldb.POINTS)


def test_the_objects_beyond_those_asked_for_are_numpys_poisson_number():
    found = [len(pc_fractaldb.layout(Mersenne(seed), 0, [0], 1)) for seed in range(50)]
    assert found == [np.random.RandomState(seed).poisson(5) for seed in range(50)]


def test_points_fill_the_box_of_their_object(read):
    for i in range(len(read)):
        points, labels = read.points(i)
        boxes = read.boxes(i)
        assert set(labels[:, 1]) == set(range(1, len(boxes) + 1))
        for number, box in enumerate(boxes, 1):
            own = points[labels[:, 1] == number]
            assert set(labels[labels[:, 1] == number, 0]) == {read.classes.index(box["class_name"])}
            c, s = np.cos(box["theta"]), np.sin(box["theta"])
            straight = (own - box["c_pos"]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])  # turned back
            assert (np.abs(straight) <= np.array(box["size"]) / 2 + 1e-9).all()
            assert (np.ptp(straight, axis=0) > 0.5 * np.array(box["size"])).all()
            assert box["c_pos"][2] == box["size"][2] / 2  # on the floor


def test_objects_stand_apart_and_in_the_room(read):
    boxes = read.boxes(0)
    centres = np.array([box["c_pos"][:2] for box in boxes])
    radii = np.array([np.hypot(*box["size"][:2]) / 2 for box in boxes])
    assert np.abs(centres).max() <= pc_fractaldb.ROOM / 2
    gaps = np.linalg.norm(centres[:, None] - centres, axis=2) - radii[:, None] - radii
    assert gaps[~np.eye(len(boxes), dtype=bool)].min() > 0.25 - 1e-9


def test_an_instance_is_its_systems_points_and_a_fifth_of_anothers():
    points = pc_fractaldb.model(SYSTEMS, 2, 4, SMALL)
    assert points.shape == (1599 + 399, 3)
    u = streams.choices(2000, 0, 2, 4)
    own = point_cloud.normalised(chaos_game.orbit(SYSTEMS[2][1], u[:1600])[1:])
    shift = points[:1599] - own
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=1e-12)  # centred otherwise, no more
    noise = points[1599:]
    others = [point_cloud.normalised(chaos_game.orbit(SYSTEMS[k][1], u[1600:])[1:]) for k in (0, 1, 3, 4)]
    assert sum(bool(np.ptp(noise - other, axis=0).max() < 1e-9) for other in others) == 1
    alone = pc_fractaldb.model(SYSTEMS, 2, 4, pc_fractaldb.Render.of({**SMALL.values(), "noise": 0.0}))
    assert alone.shape == (1999, 3)
    assert (pc_fractaldb.model(SYSTEMS, 2, 5, SMALL) != points).any()


def test_the_picture_shows_the_points_upright(read):
    how = {"size": SMALL.image_size, "point_size": 1}
    for i in range(len(read)):
        scene = pc_fractaldb.Scene(SYSTEMS, i, SMALL)
        assert (scene.points == read.points(i)[0]).all()
        view = camera.look_at(scene.rotation).astype(float)
        axes = view[:, :3] @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # right, up, back in the room
        assert np.linalg.det(axes) == pytest.approx(1, abs=1e-5)  # not mirrored
        assert axes[1, 2] > 0.3  # the room's z is up
        right, up, back = axes @ scene.points.T * pc_fractaldb.NEAR + view[:, 3:]
        half = SMALL.image_size / 2
        columns, rows = half + half * camera.ZOOM * right / -back, half - half * camera.ZOOM * up / -back
        lit = np.argwhere(scene.shown(np.ones(len(scene.points)), **how))
        assert 0 < rows.min() < rows.max() < SMALL.image_size  # the camera sees the whole scene
        assert 0 < columns.min() < columns.max() < SMALL.image_size
        found = set(zip(np.floor(rows).astype(int), np.floor(columns).astype(int), strict=True))
        assert len(found ^ set(map(tuple, lit.tolist()))) < 0.1 * len(lit)  # but for rounding at edges


def test_the_mask_has_the_class_of_the_nearest_point(read):
    picture, mask = read.pair(0)
    assert ((picture == 255) == (mask > 0)).all()
    assert set(np.unique(mask)) == {0, *(read.classes.index(box["class_name"]) for box in read.boxes(0))}
    assert read.classes == [scenes.NAME_OF_GROUND, *(f"{number:06d}" for number in range(5))]
    scene = pc_fractaldb.Scene(SYSTEMS, 0, SMALL)
    near = np.linalg.norm(scene.points - scene.points[0], axis=1) < 0.01
    scene.points, scene.labels = scene.points[near][:1].repeat(2, axis=0), np.array([[1, 1], [2, 2]], np.int32)
    eye = camera.look_at(scene.rotation).astype(float)[2, :3] @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    scene.points[1] += eye  # towards the camera
    for numbers in ([1, 2], [2, 1]):
        shown = scene.shown(np.array(numbers), size=64, point_size=3)
        assert (shown == numbers[1]).sum() == 9


def test_files_that_are_missing_or_no_list_of_boxes_are_named(out, tmp_path):
    (tmp_path / "000000.ply").write_bytes(ply.encode(np.eye(3), np.ones((3, 2), np.int32)))
    (tmp_path / "000000.json").write_text("[{")
    with pytest.raises(ValueError, match=r"2 of 3 images have no points, first .*000001\.ply"):
        ScenePairs.from_folders(out / pc_fractaldb.SCENE, tmp_path)
    for number in (1, 2):
        (tmp_path / f"00000{number}.ply").write_bytes(ply.encode(np.eye(3)))
    pairs = ScenePairs.from_folders(out / pc_fractaldb.SCENE, tmp_path)
    assert (pairs.points(0)[1] == 1).all()
    with pytest.raises(ValueError, match=r"000000\.json: cannot be read .*; restore it, or make the folder again"):
        pairs.boxes(0)
    with pytest.raises(ValueError, match=r"a scene has 'format .* property int label, property int instance'"):
        pairs.points(1)
