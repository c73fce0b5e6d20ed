"""Every stage: what its notebook needs from earlier ones, and what names of parameters mean."""

import json

import pytest

from ofdb_core.base import manifests, provenance
from ofdb_core.base.folder import Folder
from ofdb_core.run import catalogue
from tests.helpers import tiny


def test_names_mean_one_thing_in_all_notebooks():
    """A name's meaning differs where its comments share no word but those that any has."""
    searching = [name for name, stage in catalogue.stages().items() if "search_seed" in stage.parameters.kinds()]
    assert searching == ["0_explore_ifs", "1_search_categories", "3_render_3d"]
    assert "seed" not in catalogue.stages()["1_search_categories"].parameters.kinds()
    comments = [catalogue.stages()[name].parameters.comments()["search_seed"] for name in searching]
    assert all(comment.startswith("Seed of the one stream of candidates") for comment in comments)
    points = {name for name, stage in catalogue.stages().items() if "points" in stage.parameters.kinds()}
    served = {f"3_render_{name}" for name in ("1p-frac", "fractaldb", "noise", "scattered")}
    assert points == {"0_explore_ifs", "2_render_2d", *served}  # dots of a picture


def test_a_notebook_says_what_it_lacks_and_what_makes_it(tmp_path):
    def lacking(stage, **values):
        with pytest.raises(ValueError, match="first") as error:
            catalogue.ready(tiny.of(stage, out=str(tmp_path), **values))
        return str(error.value)

    assert lacking("2_render_2d") == f"{tmp_path}/categories is missing or unfinished; run 1_search_categories first"
    assert lacking("4_pretrain").endswith("images is missing or unfinished; run 2_render_2d first, or give data")
    assert lacking("4_pretrain", data="models", samples="live").endswith("run 3_render_3d first, or give data")
    assert lacking("5_finetune").endswith(
        "pretrain is missing or unfinished; run 4_pretrain first, or give a checkpoint"
    )
    assert lacking("6_evaluate").endswith("run 4_pretrain first, or give a checkpoint")
    assert "nothing has run here" in lacking("6_report")
    tiny.ran(tmp_path)
    report = tiny.of("6_report", out=str(tmp_path))
    assert catalogue.ready(report) is report


@pytest.mark.parametrize("whose", ["the run's own", "another's"])
def test_an_altered_input_is_refused_unless_it_is_made_again(tmp_path, whose):
    root = tmp_path / "out" / "categories"
    files = [(f"{i:05d}.csv", lambda i=i: b"0.5,0,0,0.5,0,0,1\n" * (i + 1)) for i in range(2)]
    Folder(root).fill(manifests.header({}, "raster"), files, total=2)
    own = whose == "the run's own"
    asked = tmp_path / "out" if own else tmp_path / "elsewhere"
    render = tiny.of("2_render_2d", out=str(asked), **({} if own else {"systems": str(root)}))
    assert catalogue.missing(render) is None
    (root / "00000.csv").write_text("0.6,0,0,0.5,0,0,1\n")
    maker = "run 1_search_categories again, which makes it anew" if own else "run again what made it"
    altered = f"{root} is not as it was written (00000.csv: altered); undo that, or {maker}"
    assert catalogue.missing(render) == altered
    assert (catalogue.missing(render, ["1_search_categories"]) is None) == own
    (root / "00001.csv").unlink()
    assert "(00001.csv: missing, and 1 more)" in catalogue.missing(render)
    (root / "00001.csv").write_bytes(files[1][1]())
    (root / "00000.csv").write_bytes(files[0][1]())
    assert catalogue.missing(render) is None


@pytest.mark.parametrize("stage", [name for name, stage in catalogue.stages().items() if stage.parameters().inputs()])
def test_a_notebook_that_reads_a_folder_asks_for_it_in_its_first_cell(stage):
    cells = json.loads(provenance.notebook_of(stage).read_text())["cells"]
    assert "settings = catalogue.ready(" in "".join(cells[2]["source"])
