import numpy as np
import pytest
import torch
from timm.layers import drop
from torch import nn

from ofdb_core.training import drop_path
from tests.helpers import tiny


def layers(rate=0.5, count=3, scale_by_keep=True):
    return nn.Sequential(*[nn.Sequential(drop.DropPath(rate, scale_by_keep)) for _ in range(count)])


def test_every_layer_of_a_network_is_replaced_and_its_weights_stay():
    model = tiny.network(depth=3, drop_path=0.3)
    assert any(isinstance(module, drop.DropPath) for module in model.modules())
    before = model.state_dict().keys()
    drop_path.DropPaths(model, seed=0, batch_size=4)
    assert not any(isinstance(module, drop.DropPath) for module in model.modules())
    assert model.state_dict().keys() == before


def test_the_parts_of_a_batch_drop_what_the_whole_drops():
    model = layers()
    drops, x = drop_path.DropPaths(model, seed=1, batch_size=8), torch.ones(8, 5, 3)
    drops.draw(4, slice(0, 8), "cpu")
    whole = model(x)
    found = []
    for first in range(0, 8, 2):
        drops.draw(4, slice(first, first + 2), "cpu")
        found.append(model(x[first : first + 2]))
    assert torch.equal(torch.cat(found), whole)
    drops.draw(5, slice(0, 8), "cpu")
    assert not torch.equal(model(x), whole)


@pytest.mark.parametrize(("scale_by_keep", "value"), [(True, 2.0), (False, 1.0)])
def test_the_share_that_is_dropped_is_the_rate(scale_by_keep, value):
    model = layers(0.5, 1, scale_by_keep)
    drop_path.DropPaths(model, seed=0, batch_size=4000).draw(0, slice(0, 4000), "cpu")
    out = model(torch.ones(4000, 1)).numpy()
    assert set(np.unique(out)) == {0.0, value}
    assert np.mean(out == 0) == pytest.approx(0.5, abs=0.03)


def test_evaluation_drops_nothing():
    model = layers().eval()
    drop_path.DropPaths(model, seed=0, batch_size=4).draw(0, slice(0, 4), "cpu")
    assert torch.equal(model(torch.ones(4, 2)), torch.ones(4, 2))


def test_a_batch_that_is_regrouped_within_drops_as_timm_does():
    model = layers(0.5, 1)
    drop_path.DropPaths(model, seed=0, batch_size=4).draw(0, slice(0, 4), "cpu")
    torch.manual_seed(0)
    ours = model(torch.ones(16, 2))
    torch.manual_seed(0)
    assert torch.equal(ours, drop.drop_path(torch.ones(16, 2), 0.5, True))
