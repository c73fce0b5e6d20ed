import numpy as np
import pytest
import torch

from ofdb_core.base.parameters import ParameterError
from ofdb_core.batches import finish, mixing
from ofdb_core.batches.recipe import View
from ofdb_core.batches.source import Batches
from tests.helpers.tiny import rules, some_images


@pytest.mark.parametrize("mixing", [{"mixup": 0.8, "cutmix": 0.0}, {"mixup": 0.0, "cutmix": 1.0}, {}])
def test_mixed_targets_sum_to_one(mixing):
    source = Batches(some_images(), rules(batch_size=7, **mixing), seed=0)
    for step in range(8):
        targets = source.batch(step)[1]
        assert torch.allclose(targets.sum(dim=1), torch.ones(7), atol=1e-6)
        assert (targets >= 0.1 / 5 - 1e-6).all()


def mixed(recipe, pictures, key=0, smoothing=0.0):
    """Pictures (B, S, S) of one gray each, mixed: images (B, C, S, S) in units of their grays, and targets (B, B)."""
    count, size = pictures.shape[:2]
    view = {"input_size": size, "channels": 1, "interpolation": "bicubic", "crop_pct": 1.0}
    given = finish.RawBatch(
        torch.from_numpy(pictures)[..., None],
        torch.arange(count),
        torch.zeros(count, 4, dtype=torch.int32),
        torch.zeros(count, dtype=torch.int32),
        *map(torch.from_numpy, mixing.draw(recipe, count, size, [key])),
    )
    made = finish.ToNetwork(View.of({**view, "mean": [0.0] * 3, "std": [1 / 255] * 3}), (count, smoothing))
    return made(given)


def numbered(count, size=16):
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, size, size)).copy()


def test_cutmix_targets_are_the_shares_of_pixels():
    sides = set()
    for key in range(40):
        images, targets = mixed(rules(mixup=0.0), numbered(4), key)
        for i in range(4):
            shares = [(images[i].round() == other).float().mean() for other in range(4)]
            assert torch.allclose(targets[i], torch.tensor(shares), atol=1e-6)
        rows = (images[0, 0].round() == 1).any(dim=1)
        if not (rows[0] or rows[-1]):
            sides.add(int(rows.sum()))
    assert len(sides) > 3
    assert all(side % 2 == 0 for side in sides)  # the original's box, where no edge cuts it


def test_mixup_mixes_images_as_targets():
    images, targets = mixed(rules(cutmix=0.0), numbered(5))
    assert torch.allclose(images[:, 0, 0, 0], targets @ torch.arange(5.0), atol=1e-4)
    assert ((targets > 0).sum(dim=1) == torch.tensor([2, 2, 2, 2, 1])).all()  # the odd one stays alone


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_each_group_draws_its_mixing_for_itself(groups):
    recipe = rules(batch_size=16, mix_groups=groups)
    drawn = mixing.draw(recipe, 16, 16, [3, 1])
    each = {tuple(map(float, (*drawn.boxes[i], drawn.shares[i], drawn.weights[i]))) for i in range(16)}
    assert len(each) == groups
    for places in np.split(np.arange(16), groups):
        assert len(np.unique(drawn.weights[places])) == 1


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(ParameterError, match="mix_groups: 4 groups of pairs do not fit batch_size: 12"):
        rules(batch_size=12, mix_groups=4)


def test_no_mixing_leaves_smoothed_labels():
    source = Batches(some_images(), rules(mix_probability=0.0), seed=0)
    targets = source.batch(0)[1]
    assert torch.equal(targets.argmax(dim=1), torch.as_tensor(source.images.labels[source.ids(0)]))
    assert torch.allclose(targets.max(dim=1).values, torch.tensor(0.9 + 0.1 / 5))


def test_mix_probability_is_the_share_of_mixed_groups():
    mixed = [(mixing.draw(rules(mix_probability=0.3), 6, 16, [key]).weights != 1).any() for key in range(400)]
    assert 0.2 < np.mean(mixed) < 0.4
