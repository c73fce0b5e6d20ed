"""docs/new-family.md: its family is one, as it stands there."""

import re

import numpy as np
import pytest
from PIL import Image

from ofdb_core.base import provenance
from ofdb_core.base.folder import Folder
from ofdb_core.families import registry
from ofdb_core.families.drawing import Drawing
from ofdb_core.run import experiments, parameter_files

TEXT = (provenance.PROJECT / "docs" / "new-family.md").read_text(encoding="utf-8")


@pytest.fixture
def carpet(tmp_path, monkeypatch):
    """The family of the page, among the registered ones."""
    path = tmp_path / "carpet.py"
    path.write_text(re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1])
    monkeypatch.setenv(registry.FAMILIES_VARIABLE, str(path))
    found = registry.families.__wrapped__()
    monkeypatch.setattr(registry, "families", lambda: found)
    return found["carpet"]


def test_it_draws_and_writes_its_images(carpet, tmp_path):
    how = carpet.example(out=str(tmp_path), categories=3, image_size=30)
    carpet.stages[0].write(how)
    assert Folder(tmp_path / "carpet").verify() == []
    images = [np.asarray(Image.open(tmp_path / "carpet" / f"{i:05d}" / f"{i:05d}_0000.png")) for i in range(3)]
    assert all(np.array_equal(image, carpet.picture(how, i)) for i, image in enumerate(images))
    assert len({image.tobytes() for image in images}) == 3
    assert all(held for _, held in carpet.goldens())


def test_training_draws_it_live(carpet, tmp_path):
    carpet.stages[0].write(carpet.example(out=str(tmp_path), categories=3, image_size=30))
    samples = Drawing(samples="live", live={"size": 32}).opened("carpet-codes", tmp_path / "carpet-codes")
    assert len(samples) == 3
    assert samples.pixels(1, 5).shape == (32, 32)
    assert any((samples.pixels(1, key) != samples.pixels(1, 5)).any() for key in range(5))


def test_its_experiment_is_one(carpet, tmp_path, monkeypatch):
    (text,) = re.findall(r"```yaml\n# params/carpets\.yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "carpets.yaml").write_text(text)
    monkeypatch.setenv(experiments.PARAMS_VARIABLE, str(tmp_path / "mine"))
    chosen = parameter_files.notebooks("carpets")
    assert chosen == ["3_render_carpet", "4_pretrain", "5_finetune"]
    found = parameter_files.checked("carpets", chosen, [], tmp_path)
    assert (found["3_render_carpet"].instances, found["4_pretrain"].data) == (10, "carpet")
