"""Systems as books and other programs write them are read, and what is written is read back bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofdb_core.formulas import ifs, streams, system_files

MAPS = ["0.5 0 0 0.5 0 0", "0.5 0 0 0.5 0.5 0", "0.5 0 0 0.5 0.25 0.5"]
TRIANGLE = np.array([[float(word) for word in line.split()] for line in MAPS])
FRACTINT = """; from a collection
comment { Text that is no system }
binary
  { ; comment allowed here
  .5 .0 .0 .5 -2.563477 -0.000003 .333333 ; and here
  .5 .0 .0 .5  2.436544 -0.000003 .333333
  .0 -.5 .5 .0 4.873085  7.563492 .333333
}
Levy Dragon {; without p, with commas
   0.5, -0.5,  0.5,  0.5,  0,  0
   0.5,  0.5, -0.5,  0.5,  0.5,  0.5
}
fern { 0 0 0 .16 0 0 .01 .85 .04 -.04
 .85 0 1.6 .85 .2 -.26 .23 .22 0 1.6 .07 -.15 .28 .26 .24 0 .44 .07 }
3dfern (3D) {
   .00  .00 0 .0 .18 .0 0  0.0 0.00 0 0.0 0 .01
   .85  .00 0 .0 .85 .1 0 -0.1 0.85 0 1.6 0 .85
   .20 -.20 0 .2 .20 .0 0  0.0 0.30 0 0.8 0 .07
  -.20  .20 0 .2 .20 .0 0  0.0 0.30 0 0.8 0 .07
}
"""
FLAME = """<?xml version="1.0" encoding="UTF-8"?>
<Flames name="some"><flame name="a &amp; b/c" size="640 480" palette="15">
   <xform weight="2" color="0" symmetry="0.5" linear="1" coefs="1 2 3 4 5 6" opacity="1" chaos="1 1"/>
   <xform weight="1" linear3D="0.5" coefs="0.5 0 0 0.5 1 0" post="1 0 0 1 0 0" spherical="0" name="second"/>
   <palette count="256" format="RGB">FFFFFF</palette>
</flame><flame><xform weight="0.25" linear="1" coefs="1 0 0 1 0 0"/></flame></Flames>
"""
SEPARATED = [" ", "  ", "\t", ",", ", ", ";", " ; "]


@pytest.mark.parametrize("between", SEPARATED)
@pytest.mark.parametrize("p", ["", "0.33", "1", "0.333333333333"])
def test_every_written_form_of_the_sierpinski_triangle_is_read(tmp_path, between, p):
    lines = [between.join([*line.split(), *p.split()]) for line in MAPS]
    (tmp_path / "triangle.csv").write_text("\r\n".join(lines))
    named = between.join("ABCDEF") + (between + "Prob") * bool(p)
    forms = ["\n".join(lines), "\n".join([named, *lines]), "# as printed\n\n" + "\n".join(lines) + "\n"]
    for system in (ifs.load(tmp_path / "triangle.csv"), *map(ifs.parse, forms)):
        table = ifs.table(system)
        assert (table[:, :6] == TRIANGLE).all()
        assert np.allclose(table[:, 6], 1 / 3, atol=1e-15)


def test_columns_come_in_the_order_of_their_names_and_spreadsheets_may_have_decimal_commas():
    given = [["p", "f", "e", "d", "c", "b", "a"], *np.column_stack([TRIANGLE, [0.25, 0.5, 0.25]])[:, ::-1].tolist()]
    text = "\n".join(" ".join(map(str, row)) for row in given)
    assert (ifs.table(ifs.parse(text))[:, :6] == TRIANGLE).all()
    assert ifs.parse(text).p.tolist() == [0.25, 0.5, 0.25]
    commas = "\n".join(line.replace(" ", ";").replace(".", ",") for line in MAPS)
    assert (ifs.table(ifs.parse(commas))[:, :6] == TRIANGLE).all()


@pytest.mark.parametrize("numbered", ["w", "Map"])
def test_a_table_copied_from_a_book_or_a_page_is_read(numbered):
    rows = [f"f{i} {line} 0.5" for i, line in enumerate(["0.85 0.04 \N{MINUS SIGN}0.04 0.85 0 1.6", MAPS[0]])]
    text = "\n".join([f"\ufeff{numbered} a b c d e f p", *rows])
    assert ifs.table(ifs.parse(text))[0].tolist() == [0.85, 0.04, -0.04, 0.85, 0, 1.6, 0.5]
    with pytest.raises(ValueError, match="line 3: 6 numbers, and 7 before"):
        ifs.parse("\n".join([*text.split("\n")[:2], f"f1 {MAPS[0]}"]))


def test_what_is_done_to_p_is_said_once(tmp_path, capsys):
    (tmp_path / "printed.csv").write_text("\n".join(f"{line} 0.33" for line in MAPS))
    (tmp_path / "several.ifs").write_text("a { 0 0 0 1 0 0 .5 }\nb { 1 0 0 1 0 0 1 }\nc { 1 0 0 1 0 0 2 }")
    for _ in range(2):
        ifs.load_folder(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"{tmp_path / 'several.ifs'}: p of a (and of 1 more) adds up to 0.5, so each p is divided by the sum",
        f"{tmp_path / 'printed.csv'}: p adds up to 0.99, so each p is divided by the sum",
    ]


def test_a_fractint_file_holds_many_systems_of_the_plane_and_of_space(tmp_path):
    (tmp_path / "some.ifs").write_bytes(FRACTINT.replace("\n", "\r\n").encode() + b"\x1a\0")
    systems = ifs.read(tmp_path / "some.ifs")
    assert list(systems) == ["binary", "Levy Dragon", "fern", "3dfern"]
    assert [(len(system), system.d) for system in systems.values()] == [(3, 2), (2, 2), (4, 2), (4, 3)]
    assert systems["fern"].A[3].tolist() == [[-0.15, 0.28], [0.26, 0.24]]
    assert systems["Levy Dragon"].p.tolist() == [0.5, 0.5]
    assert systems["3dfern"].A[1].tolist() == [[0.85, 0, 0], [0, 0.85, 0.1], [0, -0.1, 0.85]]
    assert systems["3dfern"].t[1].tolist() == [0, 1.6, 0]
    assert list(ifs.names(tmp_path / "some.ifs").values()) == sorted(systems)
    assert [number for number, _ in ifs.load_folder(tmp_path)] == [ifs.number_of(name) for name in sorted(systems)]
    with pytest.raises(ValueError, match=r"some\.ifs: holds 4 systems, and one is needed"):
        ifs.load(tmp_path / "some.ifs")


def test_the_linear_maps_of_a_flame_are_read_column_by_column():
    tables = system_files.tables(FLAME, "x.flame", "x")
    assert list(tables) == ["a & b_c", "x-1"]
    assert np.allclose(tables["a & b_c"], [[1, 3, 2, 4, 5, 6, 2], [0.25, 0, 0, 0.25, 0.5, 0, 1]])
    assert tables["x-1"].tolist() == [[1, 0, 0, 1, 0, 0, 0.25]]
    assert ifs.parse(f"<flame>{XFORM}{XFORM}</flame>").p.tolist() == [0.5, 0.5]


XFORM = '<xform weight="1" linear="1" coefs="1 0 0 1 0 0"/>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"<flame>\n{XFORM}{XFORM[:-2]} julian='0.3'/></flame>",
            "line 2: flame '', xform 1: julian='0.3': only linear",
        ),
        (XFORM.join(["<flame name='a'>", "<finalxform/></flame>"]), "flame 'a', finalxform 1: changes the maps"),
        (f"<flame>{XFORM}<symmetry kind='3'/></flame>", "symmetry 1: changes the maps"),
        (f"<flame>{XFORM[:-2]} post='0 0 0 0 0 0'/></flame>", "xform 0: post='0 0 0 0 0 0'"),
        (f"<flame>{XFORM[:-2]} chaos='1 0'/></flame>", "xform 0: chaos='1 0'"),
        (f"<flame>{XFORM[:-2]} plotmode='off'/></flame>", "plotmode='off' is no number"),
        (f"<flame>{XFORM.replace('linear', 'color')}</flame>", 'needs weight="w", coefs="a c b d e f" and linear="1"'),
        (f"<flame>{XFORM.replace('1 0 0', '1 x 0')}</flame>", "coefs='1 x 0 1 x 0' is no number"),
        (f"<flame>{XFORM.replace('1 0 0', '1e400 0 0')}</flame>", "not finite"),
        ("<flame name='empty'/>", "flame 'empty' has no xform"),
        ("<flames/>", "holds no system"),
        ("<flame>", "not the XML of a flame"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><flame/>", "not the XML of a flame"),
        ("<flame name='&b;'/>", "undefined entity"),
        (f"<flame>{XFORM}</flame>" * 2 + f"<flame name='f-1'>{XFORM}</flame>", "a second system is named f-1"),
        (f"<flame name='{'n' * 300}'>{XFORM}</flame>", "the name 'nnn.* is too long"),
        ("x {\n 1 2 3 4 5 6 7\n 1 2 3 }", "line 1, system 'x': 10 numbers are no maps of 7, or of 6 in a line"),
        ("x {\n 1 2 3 4 5 6 7 8 9 10 11 12\n }", "marks a system of space"),
        ("x (3D) { 1 2 3 4 5 6 7 }", "7 numbers are no maps of 13"),
        ("\n\nx { one }", "line 3, system 'x': 'one' holds something that is no number"),
        ("x { }", "0 numbers"),
        ("x { 1 2 3 4 5 6", "line 1: a system is begun with { and not ended"),
        ("x {1 2 3 4 5 6}\nx {1 2 3 4 5 6}", "line 2: a second system is named x"),
        ("x {1 2 3 4 5 6 -1}\ny {1 2 3 4 5 6}", "system x: a probability"),
        ("a\n" + "7 {1 2 3 4 5 6}\n07 {1 2 3 4 5 6}", r"f\.ifs: 07 and 7 are one number"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_bad_file_of_many_systems_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / "f.ifs"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        ifs.load_folder(path)
    assert str(path) in str(error.value)


def test_hostile_sizes_end_in_a_sentence_or_in_time(tmp_path, monkeypatch):
    path = tmp_path / "f.flame"
    path.write_bytes(b"x" * (system_files.MOST_BYTES_OF_MANY + 1))
    with pytest.raises(ValueError, match="67,108,865 bytes; at most"):
        ifs.read(path)
    for text in ("<a>" * 200_000, "x{" * 100_000, "{}" * 100_000, "<flame/>" * 10_000, ";" * 100_000, "a" * 10**6):
        with pytest.raises(ValueError, match="text"):
            ifs.parse(text)
    monkeypatch.setattr(system_files, "MOST_SYSTEMS", 10)
    with pytest.raises(ValueError, match="line 11: more than 10 systems; divide the file"):
        ifs.parse("\n".join(f"n{i} {{ 1 2 3 4 5 6 }}" for i in range(12)))


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3]))
def test_what_is_written_is_read_back_bit_for_bit(tmp_path_factory, seed, d):
    tables = {f"n {i}": ifs.table(ifs.sample(streams.Mersenne([seed, i]), d)) for i in range(3)}
    texts = {"x.ifs": system_files.to_fractint(tables)}
    if d == 2:
        texts["x.flame"] = system_files.to_flame(tables, {name: [[-1, -1], [1, 1]] for name in tables})
    for name, text in texts.items():
        path = tmp_path_factory.getbasetemp() / name
        path.write_text(text)
        again = ifs.read(path)
        assert {name: ifs.table(system).tolist() for name, system in again.items()} == {
            name: table.tolist() for name, table in tables.items()
        }
