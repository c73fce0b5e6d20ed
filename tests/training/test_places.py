"""What `checkpoint` may name: a file, a folder, a repository of a hub; and a network that its file does not name."""

import json
import re

import pytest
import torch

from ofdb_core.base import parameters
from ofdb_core.stages import inference
from ofdb_core.training import guess, networks, places, timm_config, weights
from ofdb_core.training.pretrained import Checkpoint
from tests.helpers import tiny
from tests.helpers.tiny import network, same

VIT = "vit_tiny_patch16_224"
SEEN = {"mean": [0.3] * 3, "std": [0.2] * 3, "interpolation": "bilinear", "crop_pct": 0.9}
FACTS = {"model": VIT, "options": tiny.VIT, "input_size": 16, "channels": 3, **SEEN, "classes": ["a", "b", "c", "d"]}


@pytest.fixture
def root(tmp_path):
    """A folder as timm's own tools leave it: weights whose file holds no facts, and config.json."""
    torch.save(network().state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(timm_config.text(network(), FACTS))
    return tmp_path


@pytest.mark.parametrize(
    "form", ["{root}", "local-dir:{root}", "{root}/pytorch_model.bin", "hf-hub:{hub}", "hf-hub:{hub}@main"]
)
def test_a_network_comes_back_from_any_place(monkeypatch, tmp_path_factory, root, form):
    name = tiny.hub(monkeypatch, tmp_path_factory.mktemp("cache"), root)
    opened = Checkpoint.open(form.format(root=root, hub=name))
    assert opened.facts == FACTS
    model, left = opened.network()
    assert left == []
    assert same(model.state_dict(), network().state_dict())


def test_what_the_user_says_goes_before_what_a_folder_says(root):
    opened = Checkpoint.open(str(root), input_size=24, channels=1)
    assert (opened.facts["input_size"], opened.facts["channels"]) == (24, 1)
    assert opened.network("abcdefg")[0](torch.zeros(1, 1, 24, 24)).shape == (1, 7)


def test_a_file_of_ours_is_believed_more_than_config_json_beside_it(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(weights.to_bytes(network(), FACTS))
    (tmp_path / "config.json").write_text("{}")
    assert Checkpoint.open(str(tmp_path)).facts == FACTS


def test_a_folder_with_nothing_or_too_much_in_it_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the folder .* has no model\.safetensors"):
        places.file_of(tmp_path)
    (tmp_path / "pretrain").mkdir()
    (tmp_path / "pretrain" / "model.safetensors").touch()
    with pytest.raises(ValueError, match=re.escape(f"or other file; {tmp_path / 'pretrain'} has")):
        places.file_of(tmp_path)
    for name in ("a.pth", "b.pth.tar"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"has a\.pth, b\.pth\.tar; name the file"):
        places.file_of(tmp_path)
    (tmp_path / "a.pth").unlink()
    assert places.file_of(tmp_path) == tmp_path / "b.pth.tar"


@pytest.mark.parametrize("said", ["{", "[]", "{}", '{"layers": 3}', '{"architecture": "x", "pretrained_cfg": {}}'])
def test_a_config_of_another_kind_is_named(root, said):
    (root / "config.json").write_text(said)
    with pytest.raises(ValueError, match=r"config\.json: not of timm's kind .* give model"):
        Checkpoint.open(str(root))


@pytest.mark.parametrize("name", ["nobody/nothing", "nobody/nothing@x", "not a name", "a/b/c"])
def test_a_repository_that_cannot_be_fetched_is_refused_in_a_sentence(monkeypatch, tmp_path, root, name):
    tiny.hub(monkeypatch, tmp_path / "cache", root)
    with pytest.raises(ValueError, match=r"hf-hub:.* cannot be fetched here .* give a file or folder"):
        places.file_of(f"hf-hub:{name}")


def test_a_stage_takes_every_form_and_refuses_what_is_none(root, monkeypatch):
    monkeypatch.chdir(root)
    values = {"out": str(root), "data": "digits"}
    for form in (".", "local-dir:.", str(root), "pytorch_model.bin"):
        given = inference.Evaluate.of(inference.Evaluate.located({**values, "checkpoint": form}))
        assert given.checkpoint == str(root / ("pytorch_model.bin" if form.endswith("bin") else "")).rstrip("/")
        assert given.checkpoint in given.reads()
    inference.Evaluate.of({**values, "checkpoint": "hf-hub:someone/net"})
    for form in ("nowhere", "local-dir:nowhere", "hub:x"):
        with pytest.raises(parameters.ParameterError, match=r"checkpoint: .* is neither a file or folder nor"):
            inference.Evaluate.of(inference.Evaluate.located({**values, "checkpoint": form}))


EVERY = [name for names in guess.KNOWN.values() for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_every_known_network_is_known_by_its_shapes(name):
    state = networks.outline(networks.Shape(name)).state_dict()
    found = guess.model(state)
    assert found == name
    other = networks.outline(networks.Shape(name, {}, 256)).state_dict() if name.startswith("vit") else state
    headless = {key: value for key, value in other.items() if "head" not in key and not key.startswith("fc.")}
    assert guess.model(headless) == name


def test_a_file_of_the_authors_says_nothing_and_its_network_is_told(tmp_path, capsys):
    made = networks.build(networks.Shape(VIT), 5, seed=0)
    path = tmp_path / "last.pth.tar"
    torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in made.state_dict().items()}}, path)
    opened = Checkpoint.open(str(path))
    assert f"last.pth.tar: does not say its network; by its shapes it is a {VIT}" in capsys.readouterr().out
    model, left = opened.network()
    assert left == []
    assert same(model.state_dict(), made.state_dict())


def test_what_no_known_network_has_is_asked_for(tmp_path):
    torch.save(network().state_dict(), tmp_path / "x.pth")
    with pytest.raises(ValueError, match="does not say which network it holds; give its timm name"):
        Checkpoint.open(str(tmp_path / "x.pth"))
    assert Checkpoint.open(str(tmp_path / "x.pth"), model=VIT, options=tiny.VIT, input_size=16).network()[1] == []


def test_config_json_claims_nothing_of_the_weights_that_timm_publishes_for_the_network():
    said = json.loads(timm_config.text(network(), FACTS))
    assert not {"license", "tag", "hf_hub_id", "url", "origin_url", "paper_ids"} & {*said, *said["pretrained_cfg"]}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"model_args": {"depth": 10**8}}, "options: .* is out of range"),
        ({"pretrained_cfg": {"input_size": [3, 20000, 24]}}, "input_size: 20000 is out of range"),
        ({"pretrained_cfg": {"input_size": [7, 16, 16]}}, "channels: 7 is not allowed"),
    ],
)
def test_a_config_beyond_all_bounds_is_refused_before_a_network_is_made(root, monkeypatch, change, problem):
    said = json.loads((root / "config.json").read_text())
    for part, values in change.items():
        said[part] |= values
    (root / "config.json").write_text(json.dumps(said))
    monkeypatch.setattr(networks, "outline", None)
    with pytest.raises(ValueError, match=rf"pytorch_model\.bin: {problem}.*in config\.json beside it"):
        Checkpoint.open(str(root))


def test_a_config_of_gigabytes_is_not_read(root):
    with (root / "config.json").open("wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(ValueError, match=r"config\.json: not of timm's kind .*no file of at most 16,777,216 bytes"):
        Checkpoint.open(str(root))
