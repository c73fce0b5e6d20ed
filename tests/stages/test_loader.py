import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from ofdb_core import loader
from ofdb_core.batches.source import Batches
from ofdb_core.data import samples
from ofdb_core.formulas import ifs, search
from tests.helpers import tiny

SMALL = {"batch_size": 4, "input_size": 16, "loader_workers": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny.folder_of_shades(tmp_path_factory.mktemp("data") / "images")


def test_a_loop_of_ones_own_gets_the_batches_of_the_published_recipe(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = loader.batches(data, epochs=2, **SMALL)
    assert (len(found), found.classes) == (4, [f"{i:05d}" for i in range(8)])
    assert (found.recipe.auto_augment, found.recipe.mixup) == ("rand-m9-mstd0.5-inc1", 0.8)
    given = list(found)
    source = Batches(samples.Images.from_folder(data), found.recipe, seed=0)
    for step, (images, targets) in enumerate(given):
        assert (images.shape, targets.shape) == ((4, 3, 16, 16), (4, 8))
        assert all(torch.equal(one, other) for one, other in zip((images, targets), source.batch(step), strict=True))
    model = tiny.network(classes=8)
    functional.cross_entropy(model(given[0][0]), given[0][1]).backward()
    assert not list(tmp_path.iterdir())


def test_targets_are_labels_where_nothing_is_mixed_or_smoothed(data):
    plain = {"mix_probability": 0.0, "label_smoothing": 0.0, "steps": 2}
    targets = np.concatenate([targets.numpy() for _, targets in loader.batches(data, **SMALL, **plain)])
    assert sorted(targets.argmax(axis=1).tolist()) == list(range(8))
    assert (np.sort(targets, axis=1)[:, -2:] == [0, 1]).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batchsize": 4}, r"batchsize: unknown parameter \(did you mean batch_size\?\)"),
        ({"input_size": 2}, "input_size: 2 is out of range"),
        ({"steps": 3, "epochs": 3}, "steps, epochs: 3 and 3 are given"),
        ({"device": "cuda:99", **SMALL}, "device: cuda:99 cannot be used here"),
        ({"device": "graphics card", **SMALL}, "device: graphics card cannot be used here"),
    ],
)
def test_what_cannot_be_used_is_named(data, values, message):
    with pytest.raises(ValueError, match=message):
        loader.batches(data, **values)


def test_data_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ValueError, match="data: 'nowhere' is no folder, archive or file of systems, and none of"):
        loader.batches("nowhere", **SMALL)


@pytest.mark.slow
def test_it_needs_no_notebook_and_nothing_that_runs_one(data, tmp_path):
    code = f"""
import builtins, io, sys
opened, open_file = [], io.open
builtins.open = io.open = lambda path, *words, **named: opened.append(str(path)) or open_file(path, *words, **named)
from ofdb_core import loader
found = loader.batches({data!r}, epochs=1, batch_size=4, input_size=16, loader_workers=0)
print(len(found), [path for path in opened if path.endswith((".ipynb", ".yaml"))])
print([name for name in ("papermill", "nbformat", "jupyter_client", "ofdb_core.run") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["2 []", "[]"]


def test_live_samples_have_their_parameters_in_one_mapping(tmp_path):
    ifs.save(search.published(2, 0), tmp_path / "00000.csv")
    ifs.save(search.published(2, 1), tmp_path / "00001.csv")
    how = {"samples": "live", "steps": 1, **SMALL}
    found = loader.batches(tmp_path, live={"size": 32, "dots": 500, "patches": "pattern"}, **how)
    assert (found.recipe.live["patches"], found.recipe.live["share"]) == ("pattern", 1.0)
    with pytest.raises(ValueError, match=r"live_patches: unknown parameter \(it is called live\.patches here\)"):
        loader.batches(tmp_path, live_patches="pattern", **how)
    with pytest.raises(ValueError, match=r"live\.patchs: no parameter of data: .* \(did you mean patches\?\)"):
        loader.batches(tmp_path, live={"patchs": "pattern"}, **how)


@pytest.mark.slow
def test_a_transform_mixes_pictures_by_torchs_generator(data):
    mix, picture = loader.pixmix(data, beta=4, severity=1), Image.fromarray(np.full((20, 20), 90, np.uint8))
    torch.manual_seed(0)
    found = [mix(picture) for _ in range(20)]
    torch.manual_seed(0)
    assert [np.array_equal(mix(np.asarray(picture)), one) for one in found] == [True] * 20
    assert len({one.tobytes() for one in found}) > 5
    assert mix(Image.new("RGBA", (20, 20))).mode == "RGB"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"round": 4}, r"pixmix_round: unknown parameter \(did you mean pixmix_rounds\?\)"),
        ({"beta": 0}, "pixmix_beta: 0 is out of range"),
        ({"live": {"size": 9}}, "pixmix_live: {'size': 9} needs a pixmix_data that is drawn while training"),
    ],
)
def test_a_transform_refuses_values_by_their_names(data, values, message):
    with pytest.raises(ValueError, match=message):
        loader.pixmix(data, **values)


def test_a_transform_needs_square_pictures_of_bytes(data):
    mix = loader.pixmix(data)
    for picture in (Image.new("L", (20, 30)), np.zeros((20, 20))):
        with pytest.raises(ValueError, match=r"picture: .* given; allowed is uint8 \(S, S\) or \(S, S, 3\)"):
            mix(picture)
    with pytest.raises(ValueError, match=r"nowhere' is no folder, and none of"):
        loader.pixmix(f"{data}/nowhere")
