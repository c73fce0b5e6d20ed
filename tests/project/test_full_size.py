"""docs/full-size.md: its figures have experiments that exist, and a finished run of their recipe is entered."""

import shutil

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import full_size, pages, published
from benchmarks.published import Figure, Speed
from ofdb_core.base import manifests, provenance, record
from ofdb_core.base.folder import Folder
from ofdb_core.data import real_images, tables
from ofdb_core.run import catalogue, experiments
from ofdb_core.training import networks

FIGURES = published.figures()
RUN_HERE = list({figure.key: figure for figure in FIGURES if figure.finetune}.values())
EXPERIMENT, TUNING = "2d-ofdb-1k/as-released", "finetune/cifar100/as-released"


def figure_of(pretraining, data="CIFAR-100"):
    return next(figure for figure in RUN_HERE if (figure.pretraining, figure.data) == (pretraining, data))


def tuned(row, figure, classes=100, images=10_000):
    """The tables of a fine-tuning that reached what a row says."""
    named = {"start": "pre-trained", "shots": 0, "repeat": 0, "knn": "", "name": "it", **row}
    rows = {
        "results": [{**named, "accuracy": 0.8, "best_accuracy": figure / 100, "best_step": 64_350}],
        "classes": [{"name": "it", "class": f"{i}", "accuracy": 0.8} for i in range(classes)],
        "predictions": [{"name": "it", "file": f"{i}"} for i in range(images)],
    }
    return {f"{name}.csv": tables.to_text(table) for name, table in rows.items()}


def ran(root, stage, experiment, contents, **changes):
    """Let a stage of an experiment have run in a folder, with other values for some parameters."""
    kind = catalogue.stages()[stage]
    parameters = kind.parameters.of({**published.values(experiment, stage), "out": str(root), **changes})
    run = record.Run(stage, parameters)
    run.reads(*parameters.reads())
    for name in kind.writes:
        Folder(root / name).write(manifests.header({}), contents, {})
        run.writes(name)
    run.done()


@pytest.fixture
def pretrained(tmp_path):
    """A run that has pre-trained by a published recipe."""
    root = tmp_path / "pretrained"
    for stage in ("1_search_categories", "2_render_2d"):
        ran(root, stage, EXPERIMENT, {"x": stage})
    ran(root, "4_pretrain", EXPERIMENT, {"model.safetensors": b"weights"}, seed=3)
    return root


@pytest.fixture
def finetuned(tmp_path, pretrained):
    """A function that fine-tunes that network, with other values for some parameters; it returns the run's folder."""

    def run(row=(), *, figure=84.0, classes=100, images=10_000, **changes):
        root = tmp_path / "finetuned"
        given = {"checkpoint": str(pretrained / "pretrain"), **changes}
        ran(root, "5_finetune", TUNING, tuned(dict(row), figure, classes, images), **given)
        return root

    return run


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A copy of the page, which is written in place of the project's, without any results yet."""
    path = tmp_path / "full-size.md"
    shutil.copy(provenance.PROJECT / "docs" / "full-size.md", path)
    monkeypatch.setattr(published, "OURS", tmp_path / "ours.csv")
    own = [(str(path), marks, made) for name, marks, made in pages.TABLES if name == "docs/full-size.md"]
    monkeypatch.setattr(pages, "TABLES", own)
    return path


def row_of(page, command):
    """The cells of the row with a command."""
    (line,) = {line for line in page.read_text().splitlines() if f"`{command}`" in line}
    return [cell.strip() for cell in line.split("|")[1:-1]]


@pytest.mark.parametrize("figure", RUN_HERE, ids=lambda figure: " ".join(figure.key))
def test_a_figure_that_can_be_run_has_experiments_of_its_network_and_data(figure):
    assert {figure.finetune, *filter(None, [figure.pretrain])} <= set(experiments.names())
    if figure.pretrain:
        assert published.values(figure.pretrain, "4_pretrain")["model"] == figure.network
    data = published.values(figure.finetune, "5_finetune")["data"]
    assert data.removeprefix("data/") == figure.data.lower().replace("-", "").replace(" ", "")
    assert figure.data in published.data_sets()


def test_a_figure_for_comparison_names_no_experiment_and_one_that_stands_twice_is_the_same():
    assert not any(figure.pretrain for figure in FIGURES if not figure.finetune)
    assert len({(*figure.key, figure.figure, figure.pretrain, figure.finetune) for figure in FIGURES}) == len(
        {figure.key for figure in FIGURES}
    )


def test_a_published_mean_is_that_of_the_published_figures():
    """To rounding: the paper's own figures have one digit."""
    for group in published.groups("transfer"):
        *own, last = group
        if last.data == published.MEAN:
            assert last.figure == pytest.approx(sum(figure.figure for figure in own) / len(own), abs=0.1)


def test_experiments_of_one_recipe_are_one_to_the_table():
    """So a whole run of an experiment counts, too, and not only the commands of the page."""

    def recipe(experiment):
        return full_size.published_recipe(experiment, "5_finetune")

    for whole in ("2d-ofdb-1k/as-released", "visualatom-1k/published"):
        assert recipe(whole) == recipe("finetune/cifar10/as-released")
    for whole in ("ablation-augmentation/2d/pattern", "1p-frac/as-released"):
        assert recipe(whole) == recipe(TUNING)


@pytest.mark.parametrize("network", published.networks())
def test_the_operations_and_weights_of_a_network_are_counted(network):
    model, counter = networks.outline(networks.Shape(network, {}, 224)).eval(), FlopCounterMode(display=False)
    with torch.device("meta"), torch.no_grad(), counter:
        model(torch.zeros(1, 3, 224, 224))
    weights = sum(weight.numel() for weight in model.parameters())
    assert published.networks()[network][1:] == (weights, counter.get_total_flops())


@pytest.mark.parametrize(
    ("stage", "cases"),
    [
        ("2_render_2d", ["render_2d"]),
        ("3_render_3d", ["models_3d", "views_3d"]),
        ("3_render_visualatom", ["render_visualatom"]),
    ],
)
def test_the_size_of_images_is_that_of_the_benchmark(stage, cases):
    (size,) = [row["mb"] for row in tables.read(published.FOLDER / "images.csv") if row["stage"] == stage]
    rows = [row for case in cases for row in tables.read(published.RESULTS / f"{case}.csv") if row["size"] == 1000]
    assert size == pytest.approx(sum(row["disk_mb"] for row in rows), rel=0.01)


def test_a_speed_is_measured_or_follows_from_another_network_or_from_a_data_sheet(monkeypatch):
    tiny, base = "vit_tiny_patch16_224", "vit_base_patch16_224"
    ratio = published.networks()[base].forward_flops / published.networks()[tiny].forward_flops
    monkeypatch.setattr(published, "measured_speeds", lambda: {("GPU", tiny): Speed(1400.0, "a GPU", True)})
    assert published.speed("GPU", tiny) == (1400, "a GPU", True)
    assert published.speed("GPU", base) == (pytest.approx(1400 / ratio), "a GPU", False)
    assert published.speed("CPU", base) is None
    monkeypatch.setattr(published, "measured_speeds", dict)
    images, device, measured = published.speed("GPU", tiny)
    assert images == pytest.approx(0.1 * 312e12 / (3 * published.networks()[tiny].forward_flops))
    assert "data sheet" in device
    assert not measured


def costs_in_the_table(figure, command):
    """Million images, hours on a CPU and on a GPU, and disk, in the row of a command."""
    (row,) = [line for line in published.table(figure.table).splitlines() if f"| `{command}` |" in line]
    return row.strip("| ").split(" | ")[-4:]


def test_hours_and_disk_follow_from_images_speed_and_files(monkeypatch):
    monkeypatch.setattr(published, "speed", lambda kind, network: Speed(1000.0, "it", kind == "CPU"))
    pretrained, tuned = figure_of("VisualAtom-1k"), figure_of("2D-OFDB-1k")
    images, cpu, gpu, disk = costs_in_the_table(pretrained, published.pretraining_command(pretrained))
    assert (images, cpu, gpu) == ("300", "83", "≈ 83")  # 1,171,800 x 256
    assert disk == "60 GB"  # a thousand instances of each category
    images, cpu, _, disk = costs_in_the_table(tuned, published.tuning_command(tuned))
    assert (images, cpu) == ("50", "14")  # with a hundred evaluations of 10,000 images
    assert disk == "180 MB"


def test_a_finished_run_is_entered_and_stands_in_the_page(page, finetuned, pretrained):
    command = published.tuning_command(figure_of("2D-OFDB-1k"))
    assert row_of(page, command)[:3] == ["CIFAR-100", "84.0", ""]
    full_size.enter(finetuned(figure=84.27, seed=5, loader_workers=2, precision="bf16"))
    (row,) = published.ours()
    assert (published.FOLDER / "ours.csv").read_text().splitlines()[0] == ",".join(row)
    record_of = {name: record.read(pretrained.parent / name) for name in ("pretrained", "finetuned")}
    entry, before = record_of["finetuned"]["5_finetune"], record_of["pretrained"]["4_pretrain"]
    assert (row["best"], row["last"], row["best_step"]) == (84.27, 80, 64_350)
    assert (row["steps"], row["seed"], row["pretrain_steps"], row["pretrain_seed"]) == (65_000, 5, 240_000, 3)
    assert (row["commit"], row["pretrain_commit"]) == (entry["commit"], before["commit"])
    assert (row["machine"], row["date"]) == (entry["machine"], entry["started"][:10])
    assert f"torch={entry['versions']['torch']}" in row["versions"]
    assert row_of(page, command)[2] == "84.3 (last 80.0)"
    assert "1 of " in published.progress()


def test_the_same_training_is_entered_once_and_another_seed_beside_it(page, finetuned):
    for seed, figure in ((0, 80.0), (0, 84.0), (1, 86.0)):
        full_size.enter(finetuned(figure=figure, seed=seed))
    assert [row["best"] for row in published.ours()] == [84, 86]
    assert row_of(page, published.tuning_command(figure_of("2D-OFDB-1k")))[2] == "85.0 ± 1.4 of 2 (last 80.0 ± 0.0)"


def test_a_whole_experiments_own_fine_tuning_is_entered(page, pretrained):
    ran(pretrained, "5_finetune", EXPERIMENT, tuned({}, 96.5, 10), checkpoint=None)
    (row,) = full_size.enter(pretrained)
    assert (row["pretraining"], row["data"], row["best"]) == ("2D-OFDB-1k", "CIFAR-10", "96.50")


def test_a_training_from_scratch_needs_no_pretraining_here(page, finetuned):
    root = finetuned({"start": "from scratch"}, checkpoint="timm:vit_tiny_patch16_224", starts=["from scratch"])
    (row,) = full_size.enter(root)
    assert (row["pretraining"], row["pretrain_steps"], row["pretrain_commit"]) == ("none", "", "")


def test_a_folder_of_real_images_may_have_any_name(page, finetuned, tmp_path):
    for name in ("train/a", "train/b", "val/a", "val/b"):
        (tmp_path / "mine" / name).mkdir(parents=True)
    recipe = {**published.values("finetune/flowers", "5_finetune"), "data": str(tmp_path / "mine")}
    del recipe["checkpoint"], recipe["out"]
    (row,) = full_size.enter(finetuned(figure=97.5, classes=102, images=6_149, **recipe))
    assert row["data"] == "Flowers"
    with pytest.raises(SystemExit, match=r"5_finetune\.data: 17 classes, published 102"):
        full_size.enter(finetuned(figure=97.5, classes=17, images=6_149, **recipe))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 6500}, "5_finetune.steps: 6500, published 65000"),
        ({"learning_rate": 0.02, "vflip": 0.5}, "learning_rate: 0.02, published 0.01\n.*vflip: 0.5, published 0.0"),
        ({"checkpoint": "timm:vit_tiny_patch16_224"}, "was not pre-trained here"),
        ({"row": {"shots": 20}}, "published: all images"),
        ({"images": 50}, "50 test images, published 10000"),
    ],
)
def test_a_fine_tuning_of_another_recipe_is_refused_with_the_difference(page, finetuned, changes, message):
    with pytest.raises(SystemExit, match=message):
        full_size.enter(finetuned(**changes))
    assert not published.ours()


@pytest.mark.parametrize(
    ("stage", "changes", "message"),
    [
        ("4_pretrain", {"steps": 100, "warmup_steps": 5}, "4_pretrain.warmup_steps: 5, published 15\n|steps: 100"),
        ("4_pretrain", {"model": "vit_small_patch16_224"}, "network: vit_small_patch16_224, published vit_tiny"),
        ("2_render_2d", {"points": 1000}, "2_render_2d.points: 1000, published 200000"),
    ],
)
def test_a_foreign_pretraining_is_refused_with_the_difference(page, pretrained, finetuned, stage, changes, message):
    ran(pretrained, stage, EXPERIMENT, {"x": "others"}, **changes)
    if stage != "4_pretrain":  # it read the images of before
        with pytest.raises(SystemExit, match="4_pretrain read images before 2_render_2d wrote it anew"):
            full_size.enter(finetuned())
        ran(pretrained, "4_pretrain", EXPERIMENT, {"model.safetensors": b"weights"})
    with pytest.raises(SystemExit, match=message) as error:
        full_size.enter(finetuned())
    assert "differs from 2D-OFDB-1k on CIFAR-100, the nearest published recipe" in str(error.value)


def test_a_run_that_is_not_finished_is_refused(page, pretrained, finetuned):
    with pytest.raises(SystemExit, match="5_finetune has not run to its end"):
        full_size.enter(pretrained)
    root = finetuned()
    whole = (root / "finetune" / "results.csv").read_text()
    (root / "finetune" / "results.csv").write_text(whole.replace("0.84", "0.99"))
    with pytest.raises(SystemExit, match=r"results\.csv: altered; run 5_finetune again"):
        full_size.enter(root)
    (root / "finetune" / "results.csv").write_text(whole)
    ran(pretrained, "4_pretrain", EXPERIMENT, {"model.safetensors": b"trained again"})
    with pytest.raises(SystemExit, match="has changed since it was read"):
        full_size.enter(root)
    (pretrained / record.FILE).unlink()
    with pytest.raises(SystemExit, match="is not what a pre-training of this project left"):
        full_size.enter(root)
    assert not published.ours()


def test_the_mean_of_a_pretraining_is_there_once_all_its_data_sets_are(page):
    group = next(group for group in published.groups("transfer") if group[0].pretraining == "2D-OFDB-1k")
    own = [figure for figure in group if figure.data != published.MEAN]
    rows = [_reached(figure, 80.0 + i) for i, figure in enumerate(own)]
    tables.write(published.OURS, rows[:-1])
    assert "| mean of the 7 | 87.2 |  |" in published.table("transfer")
    tables.write(published.OURS, rows)
    pages.write_tables()
    assert "| mean of the 7 | 87.2 | 83.0 |" in page.read_text()


def _reached(figure: Figure, best):
    return {**dict(zip(("pretraining", "network", "data"), figure.key, strict=True)), "best": best, "last": best}


def test_what_is_not_downloaded_needs_a_folder():
    for figure in RUN_HERE:
        named = published.values(figure.finetune, "5_finetune")["data"] in real_images.NAMES
        assert ("-p data DIR" in published.tuning_command(figure)) != named
