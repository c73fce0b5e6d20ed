import math

import numpy as np
import pytest
from PIL import Image

from ofdb_core.formulas import camera
from ofdb_core.show import view
from ofdb_core.show.turntable import Turntable

POINTS = np.random.default_rng(0).uniform(-0.5, 0.5, (500, 3))


def test_a_view_is_saved_as_the_camera_sees_it(tmp_path):
    path = view.save(POINTS, tmp_path / "new" / "mine.png", turns=(0, 90, 10), size=64, point_size=2)
    seen = camera.render(
        np.asfortranarray(POINTS, np.float32), camera.rotation(np.radians([0, 90, 10])), size=64, point_size=2
    )
    assert (np.asarray(Image.open(path).convert("L")) == seen * 255).all()
    first = path.read_bytes()
    assert view.save(POINTS, path, turns=(0, 90, 10), size=64, point_size=2).read_bytes() == first


def test_the_button_keeps_what_the_turntable_shows(tmp_path):
    turned = Turntable(POINTS)
    button, words = view.button(turned, tmp_path).children
    turned.angles, turned.point_size = [0.0, math.radians(-30), 0.0], 3
    button.click()
    kept = tmp_path / "view_0_-30_0_3px.png"
    assert words.value == f"kept as {kept}"
    seen = camera.render(turned.cloud(), camera.rotation([0, math.radians(-30), 0]), size=view.SIDE, point_size=3)
    assert (np.asarray(Image.open(kept).convert("L")) == seen * 255).all()


def test_a_point_of_other_sizes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="point_size"):
        view.save(POINTS, tmp_path / "x.png", point_size=9)
