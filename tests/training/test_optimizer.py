import pytest

from ofdb_core.training import networks, optimizer
from tests.helpers import tiny

POSITIONS = {"pos_embed", "cls_token"}


def decays(model, **values):
    """Parameter name -> its weight decay."""
    built, _ = optimizer.build(model, tiny.pretrain(weight_decay=0.05, **values))
    by_id = {id(weight): group["weight_decay"] for group in built.param_groups for weight in group["params"]}
    return {name: by_id[id(weight)] for name, weight in model.named_parameters()}


@pytest.mark.parametrize("layer_decay", [1.0, 0.75])
def test_positions_and_class_token_are_decayed_where_that_is_asked_for(layer_decay):
    model = tiny.network(depth=2)
    exempt, decayed = (decays(model, layer_decay=layer_decay, decay_positions=asked) for asked in (False, True))
    assert {name for name in exempt if exempt[name] != decayed[name]} == POSITIONS
    assert {exempt[name] for name in POSITIONS} == {0.0}
    assert {decayed[name] for name in POSITIONS} == {0.05}
    for name, weight in model.named_parameters():
        if name not in POSITIONS:
            assert exempt[name] == (0.05 if weight.ndim > 1 else 0.0)


def test_the_share_of_vit_tiny_that_is_exempt_is_that_of_the_reference():
    model = networks.build(networks.Shape("vit_tiny_patch16_224"), 1000, seed=0)
    assert sum(dict(model.named_parameters())[name].numel() for name in POSITIONS) == 38_016
    assert {decays(model)[name] for name in POSITIONS} == {0.0}


def test_a_network_without_exemptions_is_decayed_as_ever():
    model = tiny.torch.nn.Linear(3, 2)
    assert decays(model) == decays(model, decay_positions=True) == {"weight": 0.05, "bias": 0.0}


def test_rates_that_are_for_the_batch_itself_are_used_as_they_stand():
    settings = tiny.pretrain(batch_size=256, reference_batch=256, learning_rate=1e-3)
    assert optimizer.rates(settings) == pytest.approx((1e-3, 1e-5, 1e-6))


def test_sgd_is_nesterovs_as_timms_is():
    built, _ = optimizer.build(tiny.network(), tiny.of("5_finetune", **{**tiny.FINETUNE, "optimizer": "sgd"}))
    assert {(group["momentum"], group["nesterov"]) for group in built.param_groups} == {(0.9, True)}


def test_a_class_token_begins_near_zero_where_the_original_draws_it_as_the_positions():
    model = networks.build(networks.Shape("vit_tiny_patch16_224"), 1000, seed=0)
    drawn = {name: float(model.state_dict()[name].std()) for name in POSITIONS}
    assert drawn["pos_embed"] == pytest.approx(0.02, rel=0.05)
    assert drawn["cls_token"] == pytest.approx(1e-6, rel=0.3)  # as docs/differences.md says
