"""Systems of one's own, a folder of CSV files: they are rendered, drawn while training, and never written to."""

import numpy as np
import pytest

from ofdb_core.base import folder
from ofdb_core.base.folder import Folder
from ofdb_core.data import samples
from ofdb_core.families import fractal_2d, registry
from ofdb_core.formulas import ifs, search
from ofdb_core.run import experiment
from ofdb_core.stages import pretrain
from tests.helpers import tiny
from tests.helpers.in_process import in_process  # noqa: F401

FERN = """a,b,c,d,e,f,p
0,0,0,0.16,0,0,0.01
0.85,0.04,-0.04,0.85,0,1.6,0.85
0.2,-0.26,0.23,0.22,0,1.6,0.07
-0.15,0.28,0.26,0.24,0,0.44,0.07
"""
LIVE = {"size": 48, "dots": 1000}


@pytest.fixture
def own(tmp_path):
    """A folder with a fern that was typed, and a saved category."""
    root = tmp_path / "plants"
    root.mkdir()
    (root / "fern.csv").write_text(FERN)
    (root / "._fern.csv").write_bytes(b"\0of macOS")
    ifs.save(search.published(2, 0), root / "My bush.csv")
    return root


def render(out, own, **values):
    small = {"image_size": 48, "points": 1000, "weight": 1.0, "systems": str(own)}
    return tiny.of("2_render_2d", **{"out": str(out), **small, **values})


def test_the_names_of_the_files_are_the_classes_and_the_folder_stays_as_it_is(own, tmp_path):
    before, hashed = sorted(own.iterdir()), folder.fingerprint(own)
    asked = render(tmp_path / "run", own)
    fractal_2d.check(asked)
    fractal_2d.write(asked)
    assert samples.Images.from_folder(tmp_path / "run" / "images").classes == ["My bush", "fern"]
    assert (sorted(own.iterdir()), folder.fingerprint(own)) == (before, hashed)
    assert asked.inputs() == ()
    assert list(tmp_path.glob("plants*")) == [own]


@pytest.mark.parametrize(
    ("rows", "values", "message"),
    [
        ("1.5,0,0,1.5,0,0,0.5\n1.5,0,0,1.5,1,0,0.5\n", {"points": 9000}, r"wild\.csv: its orbit does not stay finite"),
        ("0.5,0,0,0.5,0,0,0.5\n0.2,0,0,0.5,0,0,0.5\n", {}, r"wild\.csv: its orbit has no extent"),
        (FERN, {"categories": 9}, "categories: 9 is out of range; .* at most 3"),
        (FERN, {"weight": 1e9, "points": 9000}, "its orbit does not stay finite"),
    ],
)
def test_what_gives_no_picture_is_refused_before_anything_is_drawn(own, tmp_path, rows, values, message):
    (own / "wild.csv").write_text(rows)
    with pytest.raises(ValueError, match=message):
        fractal_2d.check(render(tmp_path, own, **values))
    if "wild" in message:
        fractal_2d.check(render(tmp_path, own, categories=2, **values))  # which leaves it out


def test_another_system_beside_it_leaves_an_image_as_it_is(own, tmp_path):
    for name in "ab":
        fractal_2d.write(render(tmp_path / name, own))
        (own / "0.csv").write_text(FERN)
    one, other = (tmp_path / name / "images" / fractal_2d.image_name("fern") for name in "ab")
    assert one.read_bytes() == other.read_bytes()


def test_other_names_are_another_data_set(own, tmp_path):
    asked = render(tmp_path, own)
    fractal_2d.write(asked)
    digest = Folder(tmp_path / "images").digest()
    (own / "fern.csv").rename(own / "Farn.csv")
    fractal_2d.write(asked)
    assert Folder(tmp_path / "images").digest() != digest


def test_what_the_weight_does_is_said_where_it_is_met(own, tmp_path, capsys):
    fractal_2d.write(render(tmp_path, own, weight=0.2))
    assert "coefficient a of every map is multiplied by 0.2, as 2D-OFDB does by 0.2" in capsys.readouterr().out
    pretrain.start(tiny.pretrain(data=str(own), samples="live", live=LIVE))
    assert "multiplied by 0.2" in capsys.readouterr().out
    fractal_2d.write(render(tmp_path, own))
    pretrain.start(tiny.pretrain(data=str(own), samples="live", live={**LIVE, "weight": 1.0}))
    assert "multiplied" not in capsys.readouterr().out


def test_what_is_drawn_while_training_is_what_is_rendered(own, tmp_path):
    fractal_2d.write(render(tmp_path, own))
    stored = samples.Images.from_folder(tmp_path / "images")
    live = pretrain.start(tiny.pretrain(data=str(own), samples="live", live={**LIVE, "weight": 1.0})).samples
    assert live.classes == stored.classes
    assert all((live.pixels(i) == stored.pixels(i)).all() for i in range(2))


def test_another_coefficient_of_as_many_digits_is_another_folder(own):
    before = folder.fingerprint(own)
    (own / "fern.csv").write_text(FERN.replace("0.16", "0.17"))
    assert folder.fingerprint(own) != before


def test_a_folder_of_systems_is_refused_where_it_is_to_hold_images(own):
    pretrain.check(tiny.pretrain(data=str(own), samples="live", live=LIVE))
    with pytest.raises(ValueError, match="whose files are rendered while training: give samples: live"):
        pretrain.check(tiny.pretrain(data=str(own)))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("fern.csv", FERN.replace("0.85\n", "-0.85\n"), "fern.csv: a probability .* is negative"),
        ("notes.csv", "day,text\n1,rain\n", "notes.csv, line 1: .* is no row of numbers"),
        ("a.csv", "1,2,3\n", "a.csv, line 1: 3 numbers; a map has 6"),
        ("0007.csv", FERN, "0007.csv and 7.csv are one number; give one of them another name"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_before_anything_runs(own, tmp_path, name, text, message):
    (own / "7.csv").write_text(FERN)
    (own / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        fractal_2d.check(render(tmp_path, own))


def test_no_folder_and_systems_of_space_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        fractal_2d.check(render(tmp_path, "nowhere"))
    ifs.save(search.published(3, 0), tmp_path / "solid.csv")
    with pytest.raises(ValueError, match="holds systems of 3 dimensions; 2 are needed"):
        fractal_2d.check(render(tmp_path, tmp_path))
    assert registry.source_of("x", tmp_path).folder == "categories3d"


def test_a_first_line_and_a_mark_of_order_change_nothing(own, tmp_path):
    (tmp_path / "plain.csv").write_text(FERN.partition("\n")[2])
    (tmp_path / "marked.csv").write_text("\ufeff" + FERN.replace("a,b", "A, B"))
    tables = [ifs.table(ifs.load(path)) for path in (own / "fern.csv", *sorted(tmp_path.glob("*.csv")))]
    assert all(np.array_equal(table, tables[0]) for table in tables)


def test_the_numbers_of_published_names_are_their_own():
    assert [ifs.number_of(name) for name in ("00000", "000123", "7")] == [0, 123, 7]
    assert 0 <= ifs.number_of("fern") < 2**32
    assert ifs.number_of("9" * 30) < 2**32


FRACTINT = """fern {
  0 0 0 .16 0 0 .01
  .85 .04 -.04 .85 0 1.6 .85
  .2 -.26 .23 .22 0 1.6 .07
  -.15 .28 .26 .24 0 .44 .07
}
dot { .5 0 0 .5 1 1
 .4 0 0 .4 1.2 1.2 }
cube (3D) { .5 0 0 0 .5 0 0 0 .5 0 0 0 .5
 .5 0 0 0 .5 0 0 0 .5 1 0 0 .5 }
"""


def test_a_file_of_many_systems_stands_in_place_of_a_folder(own, tmp_path, capsys):
    path = tmp_path / "some.ifs"
    path.write_text(FRACTINT)
    asked = render(tmp_path, path)
    fractal_2d.check(asked)
    fractal_2d.write(asked)
    told = capsys.readouterr().out
    assert f"{path}: 1 of 3 systems have 3 dimensions, not 2, and are left out" in told
    assert f"{path}, system dot: lights 0.0" in told
    assert "less than a straight line" in told
    stored = samples.Images.from_folder(tmp_path / "images")
    assert stored.classes == ["dot", "fern"]
    fractal_2d.write(render(tmp_path / "one", own / "fern.csv"))
    one, many = (root / "images" / fractal_2d.image_name("fern") for root in (tmp_path / "one", tmp_path))
    assert one.read_bytes() == many.read_bytes()
    assert "lights" not in capsys.readouterr().out
    trained = tiny.pretrain(data=str(path), samples="live", live={**LIVE, "weight": 1.0})
    pretrain.check(trained)
    live = pretrain.start(trained).samples
    assert live.classes == stored.classes
    assert all((live.pixels(i) == stored.pixels(i)).all() for i in range(2))
    with pytest.raises(ValueError, match="whose files are rendered while training: give samples: live"):
        pretrain.check(tiny.pretrain(data=str(path)))
    with pytest.raises(ValueError, match="categories: 3 is out of range"):
        fractal_2d.write(render(tmp_path, path, categories=3))


def test_another_coefficient_in_a_file_of_many_is_another_folder(tmp_path):
    (tmp_path / "some.ifs").write_text(FRACTINT)
    before = [folder.fingerprint(place) for place in (tmp_path, tmp_path / "some.ifs")]
    (tmp_path / "some.ifs").write_text(FRACTINT.replace(".16", ".17"))
    assert all(
        folder.fingerprint(place) != had for place, had in zip((tmp_path, tmp_path / "some.ifs"), before, strict=True)
    )


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_the_experiment_refuses_its_placeholder_and_takes_a_folder(own, tmp_path, capsys):
    with pytest.raises(ValueError, match="2_render_2d: data/systems: no such folder"):
        experiment.run("own-systems", ["2_render_2d"], out=tmp_path / "run")
    for _ in range(2):
        experiment.run("own-systems", ["2_render_2d"], overrides=[("systems", str(own))], out=tmp_path / "run")
    assert "2_render_2d: done before; parameters, inputs and code are unchanged" in capsys.readouterr().out
    (own / "fern.csv").write_text(FERN.replace("0.16", "0.17"))
    experiment.run("own-systems", ["2_render_2d"], overrides=[("systems", str(own))], out=tmp_path / "run")
    assert "plants changed" in capsys.readouterr().out
