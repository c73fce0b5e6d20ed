import base64
import io

import ipywidgets
import numpy as np
from PIL import Image

from ofdb_core.families import registry
from ofdb_core.show import widgets

CONTROLS = (ipywidgets.IntSlider, ipywidgets.Image)


def all_of(box, control):
    return [box] * isinstance(box, control) + [
        widget for child in getattr(box, "children", ()) for widget in all_of(child, control)
    ]


def test_without_an_opengl_library_the_viewer_says_what_to_install(monkeypatch):
    monkeypatch.setattr(widgets, "PROBE", "import os; os.kill(os.getpid(), 11)")
    assert "apt-get install libegl1" in widgets.viewer(np.zeros((3, 3))).data


def test_without_pyvista_the_viewer_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(widgets.importlib.util, "find_spec", lambda name: None)
    assert "pip install -e '.[viewer]'" in widgets.viewer(np.zeros((3, 3))).data


def shown(picture):
    return np.asarray(Image.open(io.BytesIO(picture.value)))


def test_every_family_can_be_looked_through_by_its_parameters():
    families = registry.families()
    box = widgets.browse(families, size=64)
    choice, (number,), (picture,) = all_of(box, ipywidgets.Dropdown)[0], *(all_of(box, one) for one in CONTROLS)
    assert [title for title, _ in choice.options] == [family.title for family in families.values()]
    for family in families.values():
        choice.value, number.value = family, 0
        first = picture.value
        number.value = 1
        assert picture.value != first
        assert (shown(picture) == family.picture(family.example(), 1)).all()
        names = [control.description for control in box.children[0].children[2].children]
        assert set(names) == family.stages[-1].parameters.kinds().keys() - {"out", "categories", "workers"}
        (size,) = (one for one in box.children[0].children[2].children if one.description == "image_size")
        size.value = 48
        assert shown(picture).shape[:2] == (48, 48)


def test_a_notebook_without_a_kernel_shows_the_picture():
    box = widgets.browse({"2d": registry.families()["2d"]}, size=64)
    (picture,) = all_of(box, ipywidgets.Image)
    bundle = box._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == picture.value
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_a_parameter_that_cannot_be_is_refused_in_words_and_the_picture_stays():
    family = registry.families()["2d"]
    box = widgets.browse({"2d": family}, size=64)
    (picture,), (words,) = all_of(box, ipywidgets.Image), all_of(box, ipywidgets.HTML)
    controls = {control.description: control for control in box.children[0].children[2].children}
    good = picture.value
    for name, wrong, told in (("image_size", 3, "image_size: 3"), ("weight", "a lot", "weight: a lot is not a value")):
        right, controls[name].value = controls[name].value, wrong
        assert told in words.value
        assert picture.value == good
        controls[name].value = right
    controls["draw"].value = "point_color"
    assert picture.value != good
    assert "category 0" in words.value


def test_the_numbers_of_a_code_are_controls():
    family = registry.families()["visualatom"]
    box = widgets.browse({"visualatom": family}, size=64)
    (picture,), (words,) = all_of(box, ipywidgets.Image), all_of(box, ipywidgets.HTML)
    (number,) = all_of(box, ipywidgets.IntSlider)
    number.value = 3
    numbers = {control.description: control for control in box.children[0].children[3].children}
    code = family.kind.code_of(family.example(), 3)
    assert {name: control.value for name, control in numbers.items() if name == "vertices"} == {
        "vertices": code.vertices
    }
    numbers["lines"].value = 7
    fewer = family.kind.draw(family.kind.numbers.of({**code.values(), "lines": 7}), 0, 512)
    assert (shown(picture) == fewer).all()
    numbers["lines"].value = 0
    assert "lines: 0 is out of range" in words.value
