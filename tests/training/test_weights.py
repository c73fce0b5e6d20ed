import json

import huggingface_hub
import pytest
import safetensors.torch
import timm
import torch
from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from ofdb_core.training import networks, weights
from ofdb_core.training.pretrained import Checkpoint
from tests.helpers import tiny
from tests.helpers.hostile import json_values
from tests.helpers.tiny import network, same

VIT = "vit_tiny_patch16_224"
SWIN = "swin_tiny_patch4_window7_224"
SMALL_SWIN = {"patch_size": 2, "embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2], "window_size": 8}
NO_WEIGHTS = torch.int8, torch.uint8, torch.int64, torch.bool, torch.complex64
SEEN = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "crop_pct": 0.9}
NORM = {**SEEN, "classes": ["a", "b", "c", "d"]}
FACTS = {"model": VIT, "options": tiny.VIT, "input_size": 16, "channels": 3, **NORM}


@pytest.fixture
def saved(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(weights.to_bytes(network(), FACTS))
    return tmp_path / "model.safetensors"


def foreign(path, state):
    torch.save({"model": state}, path)
    return path


def distilled(classes=4):
    options = {**tiny.VIT, "depth": 1}
    return networks.build(networks.Shape("deit_tiny_distilled_patch16_224", options, 16), classes, seed=0)


def swin(input_size, classes=4, channels=3):
    return networks.build(networks.Shape(SWIN, SMALL_SWIN, input_size, channels), classes, seed=0)


def test_a_checkpoint_comes_back_as_it_was(saved):
    model, left = tiny.loaded(saved)
    assert left == []
    assert same(model.state_dict(), network().state_dict())
    assert weights.facts_of(saved) == Checkpoint.open(str(saved)).facts == FACTS
    assert same(weights.read(saved), network().state_dict())


@pytest.mark.parametrize("part", ["head.weight", "blocks.0.attn.qkv.weight", "pos_embed", "cls_token"])
@pytest.mark.parametrize("other", [float("nan"), float("inf"), -float("inf"), 1e39, *NO_WEIGHTS], ids=str)
@pytest.mark.parametrize("form", ["ours", "theirs"])
def test_weights_that_no_network_has_are_refused_with_their_name(tmp_path, part, other, form):
    state = dict(network().state_dict())
    if isinstance(other, float):
        state[part] = state[part].double()
        state[part].view(-1)[-1] = other
    else:
        state[part] = state[part].to(other)
    path = tmp_path / "x.safetensors"
    if form == "theirs":
        path = foreign(tmp_path / "x.pth", state)
    else:
        path.write_bytes(weights.with_metadata(safetensors.torch.save(state), {weights.METADATA: json.dumps(FACTS)}))
    with pytest.raises(ValueError, match=rf"{path.name}: {part} (holds values that are not finite|is of torch\.)"):
        tiny.loaded(path, model=VIT, options=tiny.VIT, input_size=16)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_weights_of_another_precision_are_taken(tmp_path, kind):
    state = {name: tensor.to(kind) for name, tensor in network().state_dict().items()}
    model, left = tiny.loaded(foreign(tmp_path / "x.pth", state), model=VIT, options=tiny.VIT, input_size=16)
    assert left == []
    assert all(tensor.dtype == torch.float32 for tensor in model.state_dict().values())


@given(name=st.sampled_from(weights.FACTS), value=json_values, alone=st.booleans())
@how(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_facts_of_another_type_are_a_sentence(tmp_path_factory, name, value, alone):
    path = tmp_path_factory.mktemp("facts") / "x.safetensors"
    facts = json.dumps(value if alone else {**FACTS, name: value})
    path.write_bytes(weights.with_metadata(safetensors.torch.save(network().state_dict()), {weights.METADATA: facts}))
    for use in (weights.facts_of, tiny.loaded):
        try:
            use(path)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017


def test_facts_beyond_all_bounds_are_refused_before_a_network_is_made(tmp_path, monkeypatch):
    facts = json.dumps({**FACTS, "options": {**tiny.VIT, "depth": 10**8}})
    data = weights.with_metadata(safetensors.torch.save(network().state_dict()), {weights.METADATA: facts})
    (tmp_path / "x.safetensors").write_bytes(data)
    monkeypatch.setattr(networks, "outline", None)
    with pytest.raises(ValueError, match=r"x\.safetensors: .*options: .*'depth': 100000000.* is out of range"):
        tiny.loaded(tmp_path / "x.safetensors")


def test_facts_that_are_nested_too_deeply_are_a_sentence(tmp_path):
    path = tmp_path / "x.safetensors"
    state = safetensors.torch.save(network().state_dict())
    path.write_bytes(weights.with_metadata(state, {weights.METADATA: "[" * 10**5}))
    with pytest.raises(ValueError, match="facts in it are not whole"):
        weights.facts_of(path)


def test_timm_loads_a_checkpoint_as_it_is(saved):
    arguments = networks.arguments(networks.Shape(VIT, tiny.VIT, 16), 4)
    model = timm.create_model(VIT, checkpoint_path=saved, **arguments)
    assert same(model.state_dict(), network().state_dict())
    images = torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(model.eval()(images), network().eval()(images))


def test_a_network_with_another_first_layer_than_timms_comes_back(tmp_path):
    options = {"stem_type": "deep", "stem_width": 8}
    model = networks.build(networks.Shape("resnet18", options, 32), 4, seed=0)
    facts = {"model": "resnet18", "options": options, "input_size": 32, "channels": 3, **NORM}
    (tmp_path / "x.safetensors").write_bytes(weights.to_bytes(model, facts))
    again, left = tiny.loaded(tmp_path / "x.safetensors")
    assert left == []
    assert same(again.state_dict(), model.state_dict())


def test_the_same_network_gives_the_same_bytes(saved, tmp_path):
    (tmp_path / "other.safetensors").write_bytes(weights.to_bytes(network(), FACTS))
    assert saved.read_bytes() == (tmp_path / "other.safetensors").read_bytes()


def test_another_number_of_classes_gets_a_new_head(saved):
    model, left = tiny.loaded(saved, classes=7, seed=3)
    assert left == [
        "head.bias: 4 in the file, 7 wanted; drawn anew",
        "head.weight: 4 x 16 in the file, 7 x 16 wanted; drawn anew",
    ]
    assert model(torch.zeros(1, 3, 16, 16)).shape == (1, 7)
    assert torch.equal(model.head.weight, network(classes=7, seed=3).head.weight)
    assert torch.equal(model.patch_embed.proj.weight, network().patch_embed.proj.weight)


def test_positions_are_resized_to_another_input_size(saved):
    model, left = tiny.loaded(saved, input_size=24)
    assert left == ["pos_embed: 1 x 17 x 16 in the file, 1 x 37 x 16 wanted; fitted"]
    assert model(torch.zeros(1, 3, 24, 24)).shape == (1, 4)
    assert torch.equal(model.pos_embed[:, 0], network().pos_embed[:, 0])  # the class token has no place
    assert torch.equal(model.blocks[0].mlp.fc1.weight, network().blocks[0].mlp.fc1.weight)


def test_pixels_that_no_patch_of_a_checkpoint_sees_are_said(saved):
    _, left = tiny.loaded(saved, input_size=18)
    assert "input_size: 18 is no multiple of 4, the side of a patch: 2 of 18 rows and columns" in left[-1]


def test_the_windows_of_swin_are_resized_to_another_input_size(tmp_path):
    path = foreign(tmp_path / "swin.pth", swin(16).state_dict())
    model, left = tiny.loaded(path, model=SWIN, options=SMALL_SWIN, input_size=8)
    table = "attn.relative_position_bias_table"
    assert left == [
        f"layers.0.blocks.0.{table}: 225 x 1 in the file, 49 x 1 wanted; fitted",
        f"layers.1.blocks.0.{table}: 49 x 2 in the file, 9 x 2 wanted; fitted",
        f"layers.1.blocks.1.{table}: 49 x 2 in the file, 9 x 2 wanted; fitted",
    ]
    assert model(torch.zeros(1, 3, 8, 8)).shape == (1, 4)


def test_a_swin_of_the_authors_days_is_loaded(tmp_path):
    """Its downsampling stands at the end of a stage, its head has no fc, and its masks are in the file."""
    state = swin(16).state_dict()
    old = {name.replace("layers.1.downsample", "layers.0.downsample"): tensor for name, tensor in state.items()}
    old = {name.replace("head.fc.", "head."): tensor for name, tensor in old.items()}
    path = foreign(tmp_path / "swin.pth", {**old, "layers.0.blocks.0.attn_mask": torch.zeros(4, 64, 64)})
    model, left = tiny.loaded(path, model=SWIN, options=SMALL_SWIN, input_size=16)
    assert left == ["layers.0.blocks.0.attn_mask: 4 x 64 x 64 in the file, nothing wanted; left out"]
    assert same(model.state_dict(), state)
    model, left = tiny.loaded(path, model=SWIN, options=SMALL_SWIN, input_size=16, classes=3)
    assert [line.split(":")[0] for line in left] == ["head.fc.bias", "head.fc.weight", "layers.0.blocks.0.attn_mask"]


def test_colour_and_grey_networks_learn_from_each_other(saved, tmp_path):
    grey, left = tiny.loaded(saved, channels=1)
    assert left == ["patch_embed.proj.weight: 16 x 3 x 4 x 4 in the file, 16 x 1 x 4 x 4 wanted; fitted"]
    images = torch.rand(2, 1, 16, 16)
    (tmp_path / "grey.safetensors").write_bytes(weights.to_bytes(grey, {**FACTS, "channels": 1}))
    assert tiny.loaded(tmp_path / "grey.safetensors")[1] == []
    colour, left = tiny.loaded(tmp_path / "grey.safetensors", channels=3)
    assert left == ["patch_embed.proj.weight: 16 x 1 x 4 x 4 in the file, 16 x 3 x 4 x 4 wanted; fitted"]
    with torch.inference_mode():
        outputs = [model.eval()(images.expand(-1, n, -1, -1)) for model, n in ((network(), 3), (grey, 1), (colour, 3))]
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-4, atol=1e-5)  # of grey images all think the same
    torch.testing.assert_close(outputs[2], outputs[0], rtol=1e-4, atol=1e-5)


def test_a_distilled_network_gives_a_plain_one_what_fits(tmp_path):
    state = distilled().state_dict()
    path = foreign(tmp_path / "deit.pth", state)
    model, left = tiny.loaded(path, model="deit_tiny_patch16_224", options=tiny.VIT, input_size=16)
    assert left == [
        "dist_token: 1 x 1 x 16 in the file, nothing wanted; left out",
        "head_dist.bias: 4 in the file, nothing wanted; left out",
        "head_dist.weight: 4 x 16 in the file, nothing wanted; left out",
        "pos_embed: 1 x 18 x 16 in the file, 1 x 17 x 16 wanted; fitted",
    ]
    assert torch.equal(model.pos_embed[0], state["pos_embed"][0, [0, *range(2, 18)]])
    assert torch.equal(model.head.weight, state["head.weight"])
    again, left = tiny.loaded(path, model="deit_tiny_distilled_patch16_224", options=tiny.VIT, input_size=16)
    assert left == []
    assert same(again.state_dict(), state)
    left = tiny.loaded(path, model="deit_tiny_distilled_patch16_224", options=tiny.VIT, input_size=16, classes=3)[1]
    assert [line.split(":")[0] for line in left] == ["head.bias", "head.weight", "head_dist.bias", "head_dist.weight"]


def test_a_plain_safetensors_file_needs_the_name_of_its_model(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(network().state_dict(), path)
    with pytest.raises(ValueError, match=r"model: .*does not say which network it holds; give its timm name"):
        tiny.loaded(path)
    model, left = tiny.loaded(path, model=VIT, options=tiny.VIT, input_size=16)
    assert left == []
    assert same(model.state_dict(), network().state_dict())


def test_size_and_channels_of_a_file_without_facts_are_timms(tmp_path):
    state = networks.build(networks.Shape(VIT, {"depth": 1}), 2, seed=0).state_dict()
    model, left = tiny.loaded(foreign(tmp_path / "x.pth", state), model=VIT, options={"depth": 1})
    assert left == []
    assert model.patch_embed.img_size == (224, 224)
    assert model.num_classes == 2


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (VIT, {**tiny.VIT, "depth": 2}, "blocks.1.attn.proj.bias: nothing in the file, 16 wanted"),
        (VIT, {**tiny.VIT, "embed_dim": 32}, "blocks.0.attn.proj.bias: 16 in the file, 32 wanted"),
        (VIT, {**tiny.VIT, "class_token": False, "global_pool": "avg"}, "not the weights of a vit_tiny"),
        ("resnet10t", {}, r"(not the weights of a|model_options: .* is no option of) resnet10t"),
        (SWIN, SMALL_SWIN, "not the weights of a swin_tiny"),
        ("deit_tiny_distilled_patch16_224", tiny.VIT, "not the weights of a deit_tiny_distilled"),
        ("vit_tny", {}, "model: 'vit_tny' is not a timm model"),
    ],
)
def test_weights_of_another_network_are_refused(saved, tmp_path, model, options, message):
    path = foreign(tmp_path / "x.pth", network().state_dict())
    for file in (saved, path):
        with pytest.raises(ValueError, match=message):
            tiny.loaded(file, model=model, options=options, input_size=16, classes=4)


def test_a_deeper_network_is_not_cut_short(tmp_path):
    path = foreign(tmp_path / "x.pth", network(depth=2).state_dict())
    with pytest.raises(ValueError, match=r"x\.pth: not .*; blocks\.1\.attn\.proj\.bias: 16 in the file, nothing"):
        tiny.loaded(path, model=VIT, options=tiny.VIT, input_size=16)


def test_weights_of_nothing_known_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"x\.pth: not the weights of .*blocks.0.attn.proj.bias: nothing in"):
        tiny.loaded(foreign(tmp_path / "x.pth", {"zz": torch.zeros(1)}), model=VIT, options=tiny.VIT, classes=2)


def test_bad_checkpoints_are_named(saved, tmp_path):
    for read in (weights.facts_of, weights.read, tiny.loaded):
        with pytest.raises(ValueError, match="none: no such checkpoint"):
            read(tmp_path / "none")
    data = saved.read_bytes()
    for size in (0, 4, 100, len(data) - 100):
        saved.write_bytes(data[:size])
        for read in (weights.facts_of, weights.read, tiny.loaded):
            with pytest.raises(ValueError, match=r"model\.safetensors: not a whole safetensors file"):
                read(saved)
    saved.write_bytes(safetensors.torch.save({"x": torch.zeros(1)}))
    for path in (saved, foreign(tmp_path / "x.pth", network().state_dict())):
        assert weights.facts_of(path) is None
        with pytest.raises(ValueError, match=f"{path.name} does not say which network it holds"):
            Checkpoint.open(str(path))
    saved.write_bytes(safetensors.torch.save({"x": torch.zeros(1)}, {weights.METADATA: "{}"}))
    for read in (weights.facts_of, tiny.loaded):
        with pytest.raises(ValueError, match="facts in it are not whole"):
            read(saved)


@pytest.fixture
def publisher(monkeypatch):
    """timm's published weights without a network: those of the same model, drawn from seed 5."""
    create = timm.create_model

    def fetched(name, pretrained=False, **how):
        if not pretrained:
            return create(name, **how)
        return networks.build(networks.Shape(name), 1000, seed=5)

    monkeypatch.setattr(timm, "create_model", fetched)
    monkeypatch.setattr(huggingface_hub, "model_info", lambda *_, **__: None)


@pytest.mark.parametrize(("path", "how"), [("timm", {"model": "test_vit"}), ("timm:test_vit", {})])
def test_timms_own_weights_are_taken(publisher, path, how):
    model, left = tiny.loaded(path, **how, classes=3, input_size=64)
    assert [line.split(":")[0] for line in left] == ["head.bias", "head.weight", "pos_embed"]
    published = networks.build(networks.Shape("test_vit"), 1000, seed=5)
    assert torch.equal(model.blocks[0].mlp.fc1.weight, published.blocks[0].mlp.fc1.weight)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


@pytest.mark.parametrize(("path", "how"), [("timm", {"model": "resnet10t"}), ("timm:resnet10t", {})])
def test_what_timm_publishes_has_facts_but_no_names_of_classes(path, how):
    assert Checkpoint.open(path, **how).facts == {
        **{"model": "resnet10t", "options": {}, "input_size": 176, "channels": 3},
        **{"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        **{"interpolation": "bicubic", "crop_pct": 0.875},
    }


@pytest.mark.parametrize("error", [HTTPError("no"), LocalEntryNotFoundError("no"), OfflineModeIsEnabled("no")])
@pytest.mark.parametrize("place", ["asking", "fetching"])
def test_without_a_network_the_published_weights_are_refused(monkeypatch, error, place):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(huggingface_hub, "model_info", fails if place == "asking" else lambda *_, **__: None)
    monkeypatch.setattr(timm, "create_model", fails)
    with pytest.raises(ValueError, match=r"test_vit: timm's weights cannot be fetched here .*connect to a network"):
        tiny.loaded("timm:test_vit")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("timm", "model: '' is not a timm model"),
        ("timm:test_vitt", r"is not a timm model \(did you mean test_vit"),
        ("timm:test_vit.none", r"'test_vit.none' is not a timm model; with weights there are test_vit\.r160_in1k"),
        ("timm:botnet50ts_256", "timm publishes no weights of this model"),
    ],
)
def test_what_timm_does_not_publish_is_refused(path, message):
    with pytest.raises(ValueError, match=message):
        tiny.loaded(path)
