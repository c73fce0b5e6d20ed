import io
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from ofdb_core.data import samples
from ofdb_core.show import plot

IMAGES = np.zeros((2, 4, 4), np.uint8)
ROWS = [{"step": i, "loss": 1.0, "learning_rate": 0.1, "accuracy": 0.5} for i in (1, 2)]
FIGURES = {  # of names, as of classes, data sets and trainings
    "sheet": lambda one, two: plot.sheet(IMAGES, titles=[one, two], title=one),
    "mosaic": lambda one, two: plot.mosaic(samples.Images(IMAGES, [0, 1], [one, two])),
    "histogram": lambda one, two: plot.histogram(
        [1, 2], threshold=1.5, names=(one, two), xlabel=one, ylabel=two, title=one
    ),
    "line": lambda one, two: plot.line(np.arange(2), np.arange(2), xlabel=one, ylabel=two, title=one),
    "training": lambda one, two: plot.training({one: ROWS, two: ROWS}, {one: [0.1, 0.2]}, title=one),
    "accuracy": lambda one, two: plot.accuracy({one: [ROWS, ROWS], two: [ROWS]}, title=one, levels={two: 0.5}),
    "by_class": lambda one, two: plot.by_class(
        {one: [{"class": one, "accuracy": 0.5}, {"class": two, "accuracy": 0.1}]}, title=two
    ),
    "comparison": lambda one, two: plot.comparison(
        {one: {one: [0.5, 0.6], two: [0.1]}}, chance=0.1, xlabel=one, title=two
    ),
    "swept": lambda one, two: plot.swept({one: {one: [0.5, 0.6], two: [0.1]}, two: {one: [0.5]}}),
    "confusion": lambda one, two: plot.confusion({one: np.eye(2, dtype=int)}, classes=[one, two], title=two),
}
NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.lists(st.sampled_from(["$", "\\frac", "\\", "{", "}", "^", "_", "a", "\n"]), max_size=5).map("".join),
)


def drawn(figure):
    data = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph|.*font|Tight|constrained_layout|Matplotlib currently")
        figure.savefig(data, format="png", dpi=30)
    return data.getvalue()


@pytest.mark.slow
@pytest.mark.filterwarnings("error:No artists")
@pytest.mark.parametrize("name", FIGURES)
@how(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)
@given(one=NAMES, two=NAMES)
def test_any_name_can_be_drawn(name, one, two):
    assert drawn(FIGURES[name](one, two)).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", FIGURES)
def test_a_name_is_no_formula(name):
    assert drawn(FIGURES[name](r"$\\frac$", "$x$"))
    assert drawn(FIGURES[name]("$x$", "b")) != drawn(FIGURES[name]("x", "b"))


def test_the_learning_rate_is_drawn_at_every_step_and_where_only_the_log_knows_it_as_dots():
    logged = [{"step": step, "loss": 1.0, "learning_rate": 1e-7} for step in (1, 30)]
    schedule = [*np.linspace(0, 1e-3, 10), *np.linspace(1e-3, 1e-7, 20)]
    _, rate = plot.training({"one": logged, "two": logged}, {"one": schedule}, title="").axes
    whole, dots = rate.lines
    assert whole.get_xdata().tolist() == list(range(1, 31))
    assert list(whole.get_ydata()) == schedule
    assert (dots.get_linestyle(), dots.get_marker(), list(dots.get_xdata())) == ("None", ".", [1, 30])


def test_the_powers_of_ten_are_written_as_such():
    figure = plot.histogram(np.r_[np.zeros(200), 1], threshold=0.5, names=("a", "b"), xlabel="", ylabel="", title="$")
    drawn(figure)
    labels = [label for label in figure.axes[0].get_yticklabels() if "10" in label.get_text()]
    assert labels
    assert all(label.get_parse_math() for label in labels)


def test_a_mosaic_shows_one_picture_of_every_class_in_order():
    shades = np.broadcast_to(np.arange(0, 250, 10, dtype=np.uint8).repeat(2)[:, None, None], (50, 40, 40))
    images = samples.Images(np.ascontiguousarray(shades), np.arange(50) // 2, range(25))
    (axis,) = plot.mosaic(images).axes
    sheet = axis.images[0].get_array()
    assert sheet.shape == (5 * 64, 5 * 64, 3)
    assert sheet[32::64, 32::64, 0].ravel().tolist() == list(range(0, 250, 10))
    assert axis.get_title() == "0 to 24, 25 of 25"


@pytest.mark.parametrize("categories", [1000, 21_000])
def test_the_published_sets_are_shown_whole_in_a_picture_that_a_report_has_room_for(categories):
    images = samples.Images(np.zeros((categories, 8, 8), np.uint8), range(categories), range(categories))
    (axis,) = plot.mosaic(images).axes
    assert max(axis.images[0].get_array().shape) <= 1500  # as gray noise that would be 2.25 MB, of a report's 5
    assert axis.get_title().endswith(f"{categories} of {categories}")


def test_a_mosaic_of_very_many_stays_small(monkeypatch):
    monkeypatch.setattr(plot, "MOSAIC", 64)
    monkeypatch.setattr(plot, "TILE", (16, 96))
    images = samples.Images(np.zeros((30, 8, 8), np.uint8), range(30), range(30))
    (axis,) = plot.mosaic(images).axes
    assert axis.images[0].get_array().shape == (64, 64, 3)
    assert axis.get_title() == "0 to 15, 16 of 30"
