import io

import ipywidgets
import numpy as np
import pytest
from PIL import Image

from ofdb_core.families import registry
from ofdb_core.formulas import search
from ofdb_core.show import widgets

CONTROLS = (ipywidgets.Dropdown, ipywidgets.IntSlider, ipywidgets.Image)


@pytest.fixture(scope="module")
def system():
    return next(search.first(1, search.candidates_2d())).system


def all_of(box, control):
    return [box] * isinstance(box, control) + [
        widget for child in getattr(box, "children", ()) for widget in all_of(child, control)
    ]


def test_knobs_have_a_slider_for_each_coefficient_and_draw_what_they_say(system):
    box = widgets.knobs(system, points=2000, size=64)
    (picture,), (words,) = all_of(box, ipywidgets.Image), all_of(box, ipywidgets.Label)
    sliders, first = all_of(box, ipywidgets.FloatSlider), picture.value
    assert len(sliders) == 1 + 6 * len(system)
    sliders[0].value = 0.2
    assert picture.value != first
    assert words.value.startswith("filling rate")
    for slider in sliders[1:]:
        slider.value = 1.5
    assert "runs off to infinity" in words.value
    all_of(box, ipywidgets.Button)[0].click()
    assert picture.value == first


def test_the_turntable_shows_another_side_for_each_turn():
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (500, 3))
    box = widgets.turntable(points, size=64)
    (picture,) = all_of(box, ipywidgets.Image)
    names = [slider.description for slider in all_of(box, ipywidgets.FloatSlider)]
    assert names == ["1, about Y (°)", "2, about Z (°)", "3, about Y (°)"]
    seen = {picture.value}
    for slider in all_of(box, (ipywidgets.FloatSlider, ipywidgets.IntSlider)):
        slider.value = 2
        seen.add(picture.value)
    assert len(seen) == 5


def test_without_an_opengl_library_the_viewer_says_what_to_install(monkeypatch):
    monkeypatch.setattr(widgets, "PROBE", "import os; os.kill(os.getpid(), 11)")
    assert "apt-get install libegl1" in widgets.viewer(np.zeros((3, 3))).data


def test_without_pyvista_the_viewer_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(widgets.importlib.util, "find_spec", lambda name: None)
    assert "pip install -e '.[viewer]'" in widgets.viewer(np.zeros((3, 3))).data


def test_every_family_can_be_looked_through():
    families = registry.families()
    box = widgets.browse(families, size=64)
    (choice,), (number,), (picture,) = (all_of(box, control) for control in CONTROLS)
    assert [title for title, _ in choice.options] == [family.title for family in families.values()]
    for family in families.values():
        choice.value, number.value = family, 0
        first = picture.value
        number.value = 1
        assert picture.value != first
        shown = np.asarray(Image.open(io.BytesIO(picture.value)))
        assert (shown == family.picture(family.example(), 1)).all()
