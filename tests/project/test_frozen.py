import numpy as np
import pytest
import torch

from benchmarks import frozen
from ofdb_core.run import parameter_files
from tests.helpers import tiny


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    settings = tiny.pretrain(data=tiny.folder_of_shades(root / "images"), out=str(root), milestones=[2])
    tiny.trained(settings)
    (root / "4_pretrain.yaml").write_text(parameter_files.to_yaml(settings.values()))
    return root


class Told(torch.nn.Module):
    """A network whose features are what a function makes of the mean gray of each image."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward_features(self, batch):
        return self.function(batch.mean(dim=(1, 2, 3)))

    def forward_head(self, features, pre_logits):
        return features


def test_features_that_are_the_same_within_a_category_are_compact_and_random_ones_are_not(run, monkeypatch):
    given = frozen.weights_of(run)[1]
    one_hot = torch.eye(len(given.samples.classes))
    seen = {}
    batch = frozen.Batches.batch

    def noted(self, step, part=0):
        images, targets = batch(self, step, part)
        seen["labels"] = targets.argmax(dim=1)
        return images, targets

    monkeypatch.setattr(frozen.Batches, "batch", noted)
    assert frozen.compactness(Told(lambda gray: one_hot[seen["labels"]]), given) == pytest.approx(1)
    random = frozen.compactness(Told(lambda gray: torch.randn(len(gray), 200)), given)
    assert abs(random) < 0.1


@pytest.mark.slow
def test_a_run_is_measured_from_random_weights_to_the_end(run):
    rows = frozen.measure(run, ["digits"], shots=2, draws=2)
    assert {row["samples"] for row in rows} == {"", 0, 8, 12}
    assert {row["reading"] for row in rows} == {"raw pixels", *frozen.READINGS}
    assert len(rows) == 2 * 2 * (1 + 3 * len(frozen.READINGS))
    assert np.mean([row["accuracy"] for row in rows if row["reading"] == "raw pixels"]) > 0.3
    assert all(-0.2 <= float(row["compactness"]) <= 1 for row in rows if row["samples"] != "")
    assert frozen.curves(rows).axes[0].get_title() == "digits, 2 images a class"


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="no run of 4_pretrain"):
        frozen.weights_of(tmp_path)
    settings = tiny.pretrain(data=tiny.folder_of_shades(tmp_path / "images"))
    (tmp_path / "4_pretrain.yaml").write_text(parameter_files.to_yaml(settings.values()))
    with pytest.raises(SystemExit, match="no weights yet"):
        frozen.weights_of(tmp_path)
