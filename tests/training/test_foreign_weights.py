import argparse
import json
import os
import pickle
import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import VisionTransformer

from ofdb_core.training import foreign_weights, guess, networks, timm_config
from ofdb_core.training.pretrained import Checkpoint
from tests.helpers import tiny
from tests.helpers.tiny import network, same

LIKE_TINY = {"model": "vit_tiny_patch16_224", "options": tiny.VIT}


def write(path, content, **how):
    torch.save(content, path, **how)
    return path


def swap(names, *pairs):
    """The tensors under other names: what another library would have written."""
    for ours, theirs in pairs:
        names = {name.replace(ours, theirs): tensor for name, tensor in names.items()}
    return names


def authors(state):
    """What the original's trainer saves, and timm's: the weights beside much that nobody needs here."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))])
    rest = {"epoch": 3, "optimizer": optimizer.state_dict(), "lr_scheduler": {"last": 0.1}, "scaler": None}
    odd = {"args": argparse.Namespace(lr=0.1), "metric": np.float64(0.5), "seen": np.arange(3)}
    return {**rest, **odd, "model": OrderedDict(state)}


FORMS = {
    "bare": lambda state: state,
    "model": authors,
    "state_dict": lambda state: {"state_dict": state, "arch": "vit"},
    "module.": lambda state: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
    "compiled": lambda state: {f"_orig_mod.{name}": tensor for name, tensor in state.items()},
    "averaged": lambda state: {"state_dict_ema": state},
    "model before its average": lambda state: {"model_ema": network(seed=1).state_dict(), "model": state},
    "classy": lambda state: {"classy_state_dict": {"base_model": {"model": {"trunk": state, "heads": {}}}}},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("zipped", [True, False])
def test_the_weights_are_found_in_every_form(tmp_path, form, zipped):
    state = network().state_dict()
    path = write(tmp_path / "last.pth.tar", FORMS[form](state), _use_new_zipfile_serialization=zipped)
    assert same(foreign_weights.read(path), state)
    found, left = tiny.loaded(path, **LIKE_TINY, input_size=16)
    assert same(found.state_dict(), state)
    assert left == []


def test_the_names_of_vissl_become_those_of_timm(tmp_path):
    state = network().state_dict()
    trunk = swap(state, ("cls_token", "class_token"), ("pos_embed", "pos_embedding"))
    trunk = {name: tensor for name, tensor in trunk.items() if not name.startswith("head.")}
    content = {"classy_state_dict": {"base_model": {"model": {"trunk": trunk, "heads": {}}, "meters": {}}}}
    path = write(tmp_path / "vissl.torch", content)
    with pytest.raises(ValueError, match=r"classes: .*vissl\.torch has no head of a vit_tiny"):
        tiny.loaded(path, **LIKE_TINY, input_size=16)
    found, left = tiny.loaded(path, **LIKE_TINY, input_size=16, classes=4)
    assert left == [
        "head.bias: nothing in the file, 4 wanted; drawn anew",
        "head.weight: nothing in the file, 4 x 16 wanted; drawn anew",
    ]
    assert same(found.state_dict(), state)


def classy(state):
    """torchvision's names as ClassyVision had them before, whose positions are (n, 1, dim)."""
    pairs = [("encoder_layer_", "layer_"), ("mlp.0", "mlp.linear_1"), ("mlp.3", "mlp.linear_2")]
    state = swap(state, *pairs)
    return {**state, "encoder.pos_embedding": state["encoder.pos_embedding"].transpose(0, 1)}


@pytest.mark.parametrize("form", [dict, classy])
def test_a_vision_transformer_of_torchvision_gives_the_same_outputs_in_timm(tmp_path, form):
    torch.manual_seed(0)
    theirs = VisionTransformer(
        image_size=16, patch_size=4, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=64, num_classes=4
    ).eval()
    torch.nn.init.normal_(theirs.heads.head.weight)
    path = write(tmp_path / "vit.pth", form(theirs.state_dict()))
    options = {**LIKE_TINY["options"], "depth": 2}
    ours, left = tiny.loaded(path, model="vit_tiny_patch16_224", options=options, input_size=16)
    assert left == []
    images = torch.rand(3, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(images), theirs(images), rtol=1e-5, atol=1e-5)


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [os.system, eval, print, getattr])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_hostile_file_is_refused_and_nothing_of_it_is_run(tmp_path, function, zipped):
    trace = tmp_path / "trace"
    argument = f"touch {trace}" if function is os.system else f"open({str(trace)!r}, 'w')"
    content = {"model": network().state_dict(), "args": Hostile(function, argument)}
    path = write(tmp_path / "x.pth", content, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=rf"x\.pth: refused, it wants \S*{function.__name__} to be run"):
        foreign_weights.read(path)
    (tmp_path / "y.pth").write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r"y\.pth: refused|y\.pth: not a whole file"):
        foreign_weights.read(tmp_path / "y.pth")
    assert not trace.exists()


def test_what_stands_for_harmless_objects_does_nothing(tmp_path):
    before = set(torch.serialization.get_safe_globals())
    path = write(tmp_path / "x.pth", {"w": torch.ones(1), "args": argparse.Namespace(a=1), "x": np.int64(3)})
    assert foreign_weights.read(path).keys() == {"w"}
    assert set(torch.serialization.get_safe_globals()) == before  # the exceptions are for this one reading


@pytest.mark.parametrize("zipped", [True, False])
def test_files_that_are_cut_off_are_named(tmp_path, zipped):
    path = write(tmp_path / "x.pth", authors(network().state_dict()), _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    for size in [0, 1, 2, 100, len(data) // 2, len(data) - 300]:
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match=r"x\.pth: (not a whole file of weights|refused)"):
            foreign_weights.read(path)


@pytest.mark.parametrize(
    "content",
    [{}, [1, 2], {"model": {}, "epoch": 3}, {"model": {"w": 1}}, torch.ones(2), {"w": torch.eye(2).to_sparse()}],
)
def test_a_file_without_weights_says_where_they_were_looked_for(tmp_path, content):
    with pytest.raises(ValueError, match=r"x\.pth: holds no weights; they are looked for in .*state_dict"):
        foreign_weights.read(write(tmp_path / "x.pth", content))


def test_a_file_that_leads_in_circles_comes_to_an_end(tmp_path):
    circle = {}
    circle["model"] = circle
    with pytest.raises(ValueError, match="holds no weights"):
        foreign_weights.read(write(tmp_path / "x.pth", circle))


def within(prefix, state):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def trunk(state):
    return {name: tensor for name, tensor in state.items() if not name.startswith("head.")}


def dino(state, other):
    """As its trainer saves both networks, each with a head of its own."""
    head = {"head.mlp.0.weight": torch.ones(8, 16)}
    student = {**within("module.backbone.", trunk(other)), **within("module.", head)}
    return {"student": student, "teacher": {**within("backbone.", trunk(state)), **head}, "optimizer": {}, "epoch": 3}


def moco(learns, follows):
    def content(state, other):
        heads = {"head.0.weight": torch.ones(8, 16)}
        both = {**within(f"module.{follows}.", trunk(other)), **within(f"module.{learns}.", {**trunk(state), **heads})}
        return {"state_dict": {**both, "module.queue": torch.ones(8, 4)}, "arch": "vit"}

    return content


def mae(state, _):
    decoder = {"mask_token": torch.ones(1, 1, 8), "decoder_pos_embed": torch.ones(1, 17, 8)}
    return {"model": {**trunk(state), **decoder, "decoder_blocks.0.attn.qkv.weight": torch.ones(24, 8)}}


def swav(state, _):
    heads = {"projection_head.0.weight": torch.ones(8, 16), "prototypes.weight": torch.ones(9, 8)}
    return {f"module.{name}": tensor for name, tensor in {**trunk(state), **heads}.items()}


HALVES = {
    "DINO": (dino, r"teacher\.backbone: .* left out, of which student\.module\.backbone is the other half"),
    "MoCo v2": (
        moco("encoder_q", "encoder_k"),
        r"encoder_q: .* left out, of which encoder_k is the other half",
    ),
    "MoCo v3": (
        moco("base_encoder", "momentum_encoder"),
        r"base_encoder: .* momentum_encoder is the other half",
    ),
    "SwAV": (swav, r"projection_head\S+ and the like, of no part of the network: 2 weights are left out"),
    "MAE": (mae, r"(decoder|mask)\w+.* and the like, of no part of the network: 3 weights are left out"),
    "Lightning": (lambda state, _: {"state_dict": within("model.", trunk(state)), "epoch": 3}, None),
    "wrapped twice": (lambda state, _: {"net": within("module.backbone.", trunk(state)), "acc": 0.5}, None),
    "model_state_dict": (lambda state, _: {"model_state_dict": trunk(state), "loss": 0.5}, None),
    "two dictionaries": (lambda state, other: {"target_encoder": other, "encoder": trunk(state)}, "^encoder: "),
}


@pytest.mark.parametrize("form", HALVES)
def test_a_prefix_is_left_out_and_of_two_halves_one_is_taken_and_named(tmp_path, form):
    make, said = HALVES[form]
    state, other = network().state_dict(), network(seed=1).state_dict()
    path = write(tmp_path / "x.pth", make(state, other))
    found, lines = tiny.loaded(path, **LIKE_TINY, input_size=16, classes=4)
    assert same(trunk(found.state_dict()), trunk(state))
    lines = [line for line in lines if not line.startswith("head.")]
    assert len(lines) == (said is not None)
    assert said is None or re.search(said, lines[0])


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18", "swin_tiny_patch4_window7_224"])
@pytest.mark.parametrize("prefix", ["", "model.", "module.encoder_q."])
def test_the_network_is_guessed_under_any_prefix(name, prefix):
    shapes = networks.outline(networks.Shape(name)).state_dict()
    other = {"decoder_pos_embed": shapes[next(iter(shapes))]} if not prefix else within("module.encoder_k.", shapes)
    assert guess.model({**other, **within(prefix, shapes)}) == name


def transformers_names(state, late):
    """A vision transformer of timm as transformers saves it, or, with its names from release 5 on, as it is there."""
    found = {}
    for name, tensor in state.items():
        if ".attn.qkv." in name:
            words = (
                [f"{one}_proj" for one in "qkv"] if late else ["attention.query", "attention.key", "attention.value"]
            )
            thirds = zip(words, tensor.chunk(3), strict=True)
            found |= {name.replace("attn.qkv", f"attention.{word}"): third for word, third in thirds}
        else:
            found[name] = tensor
    pairs = [
        ("attn.proj", "attention.o_proj" if late else "attention.output.dense"),
        *([] if late else [("mlp.fc1", "intermediate.dense"), ("mlp.fc2", "output.dense")]),
        *(("norm1", "layernorm_before"), ("norm2", "layernorm_after"), ("norm.", "vit.layernorm.")),
        *(("blocks.", "vit.layers." if late else "vit.encoder.layer."), ("head.", "classifier.")),
        *(("cls_token", "vit.embeddings.cls_token"), ("pos_embed", "vit.embeddings.position_embeddings")),
        ("patch_embed.proj", "vit.embeddings.patch_embeddings.projection"),
    ]
    return swap(found, *pairs)


@pytest.mark.parametrize("late", [False, True])
def test_a_folder_of_transformers_is_read(tmp_path, late):
    state = network(depth=2).state_dict()
    save_file(
        {name: tensor.clone() for name, tensor in transformers_names(state, late).items()},
        tmp_path / "model.safetensors",
    )
    config = {"model_type": "vit", "image_size": 16, "id2label": {"1": "b", "0": "a", "3": "d", "2": "c"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1] * 3, "image_std": [0.2] * 3}))
    opened = Checkpoint.open(str(tmp_path), model="vit_tiny_patch16_224", options={**tiny.VIT, "depth": 2})
    assert (opened.facts["classes"], opened.facts["input_size"]) == (["a", "b", "c", "d"], 16)
    assert (opened.facts["mean"], opened.facts["std"]) == ([0.1] * 3, [0.2] * 3)
    found, lines = opened.network()
    assert lines == []
    assert same(found.state_dict(), state)


def test_classes_that_transformers_only_numbers_have_no_names(tmp_path):
    config = {"model_type": "vit", "id2label": {"0": "LABEL_0", "1": "LABEL_1"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert timm_config.facts(tmp_path / "model.safetensors") == {}


def test_a_config_of_another_kind_is_refused_and_the_advice_can_be_followed(tmp_path):
    write(tmp_path / "x.pth", network().state_dict())
    (tmp_path / "config.json").write_text('{"layers": 3}')
    with pytest.raises(ValueError, match=r"config\.json: not of timm's kind .*; give model, or move it away"):
        tiny.loaded(tmp_path / "x.pth", input_size=16)
    assert tiny.loaded(tmp_path / "x.pth", **LIKE_TINY, input_size=16)[1] == []
