import subprocess
import sys
import tarfile

import pytest
import timm
import torch

from ofdb_core.base import provenance
from ofdb_core.base.folder import Folder
from ofdb_core.data import tables
from ofdb_core.run import launch
from ofdb_core.stages import pretrain
from ofdb_core.training import evaluation, weights
from tests.helpers import tiny


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny.folder_of_shades(tmp_path_factory.mktemp("data") / "images")


def settings(data, out, **values):
    return tiny.pretrain(data=data, out=str(out), **values)


def test_pretraining_leaves_a_checkpoint_its_card_a_log_and_predictions(data, tmp_path):
    asked = settings(data, tmp_path)
    made = tiny.trained(asked)
    assert [row["step"] for row in made.log] == [1, 2, 3]
    assert made.predicted.shape == (8,)
    assert made.speed["images_per_second"] > 0
    assert made.in_words()["processes"] == 1
    root = tmp_path / "pretrain"
    assert Folder(root).verify() == []
    model, left = tiny.loaded(root / "model.safetensors")
    assert left == []
    given = pretrain.start(asked)
    assert (evaluation.predict(model, given.samples, asked) == made.predicted).all()
    card = (root / "README.md").read_text()
    assert given.fingerprint in card
    assert '"vit_tiny_patch16_224"' in card


def test_timm_loads_the_checkpoint_as_it_is(data, tmp_path):
    tiny.trained(settings(data, tmp_path))
    path = tmp_path / "pretrain" / "model.safetensors"
    how = {**tiny.VIT, "img_size": 16, "num_classes": 8}
    model = timm.create_model("vit_tiny_patch16_224", checkpoint_path=str(path), **how).eval()
    x = torch.rand(2, 3, 16, 16)
    assert torch.equal(model(x), tiny.loaded(path)[0].eval()(x))


def test_the_same_recipe_gives_the_same_bytes_and_is_not_trained_twice(data, tmp_path, capsys):
    for name in "abb":
        tiny.trained(settings(data, tmp_path / name))
    assert Folder(tmp_path / "a" / "pretrain").digest() == Folder(tmp_path / "b" / "pretrain").digest()
    assert capsys.readouterr().out.count("pretrain: made before and unchanged, kept") == 1


def test_a_finished_training_outlives_its_code_until_it_is_to_restart(data, tmp_path, monkeypatch, capsys):
    made = tiny.trained(settings(data, tmp_path))
    digest = Folder(tmp_path / "pretrain").digest()
    assert not made.outdated
    monkeypatch.setattr(provenance, "code_version", lambda *_: "another")
    capsys.readouterr()
    kept = tiny.trained(settings(data, tmp_path))
    told = capsys.readouterr().out
    assert f"finished before, by other code ({made.code}; today's is another), and kept; -p changed restart" in told
    assert "peak learning rate" not in told
    assert (kept.code, kept.outdated) == (made.code, True)
    assert kept.log == made.log
    assert Folder(tmp_path / "pretrain").manifest()["code"] == made.code
    anew = tiny.trained(settings(data, tmp_path, changed="restart"))
    assert "peak learning rate" in capsys.readouterr().out
    assert (anew.code, anew.outdated) == ("another", False)
    assert Folder(tmp_path / "pretrain").digest() == digest


def test_a_finished_training_of_other_code_does_not_stand_for_other_parameters(data, tmp_path, monkeypatch, capsys):
    tiny.trained(settings(data, tmp_path))
    monkeypatch.setattr(provenance, "code_version", lambda *_: "another")
    capsys.readouterr()
    anew = tiny.trained(settings(data, tmp_path, weight_decay=0.5))
    told = capsys.readouterr().out
    assert "peak learning rate" in told
    assert "kept" not in told
    assert (anew.code, anew.outdated) == ("another", False)
    assert Folder(tmp_path / "pretrain").manifest()["parameters"]["weight_decay"] == 0.5


def test_another_recipe_or_other_images_are_trained_anew(data, tmp_path):
    other = tiny.folder_of_shades(tmp_path / "other", n=6)
    digests = set()
    for asked in (settings(data, tmp_path), settings(data, tmp_path, seed=1), settings(other, tmp_path)):
        tiny.trained(asked)
        digests.add(Folder(tmp_path / "pretrain").digest())
    assert len(digests) == 3


def test_a_training_that_ended_before_its_files_were_written_is_not_done_again(data, tmp_path, monkeypatch, capsys):
    def cut_off(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(weights, "to_bytes", cut_off)
        with pytest.raises(KeyboardInterrupt):
            tiny.trained(settings(data, tmp_path))
    assert not (tmp_path / "pretrain").exists()
    tiny.trained(settings(data, tmp_path))
    assert "goes on from step 3 of 3" in capsys.readouterr().out
    assert Folder(tmp_path / "pretrain").verify() == []
    assert not (tmp_path / "checkpoints" / "pretrain").exists()


def test_a_finished_training_stays_until_the_next_is_finished(data, tmp_path, monkeypatch):
    tiny.trained(settings(data, tmp_path))
    digest = Folder(tmp_path / "pretrain").digest()
    with monkeypatch.context() as patch:
        patch.setattr(pretrain.progress, "speed", lambda log: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tiny.trained(settings(data, tmp_path, seed=1))
    assert Folder(tmp_path / "pretrain").verify() == []
    assert Folder(tmp_path / "pretrain").digest() == digest


def test_a_folder_with_other_files_is_refused_before_the_training(data, tmp_path):
    (tmp_path / "pretrain").mkdir()
    (tmp_path / "pretrain" / "mine.txt").write_text("precious")
    with pytest.raises(FileExistsError, match=r"mine.txt, which is not this project's"):
        tiny.trained(settings(data, tmp_path))
    assert not (tmp_path / "checkpoints").exists()


def test_an_archive_is_trained_on_as_its_folder_is(data, tmp_path):
    archive = tmp_path / "ofdb.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(data, "2d-ofdb/image")
    tiny.trained(settings(str(archive), tmp_path / "a", data_root=str(tmp_path / "unpacked")))
    tiny.trained(settings(data, tmp_path / "b"))
    one, other = (tables.read(tmp_path / name / "pretrain" / "log.csv") for name in "ab")
    assert one == other


@pytest.mark.slow
def test_the_exported_script_has_the_parameters_and_no_figures(data, tmp_path):
    script = tmp_path / "4_pretrain.py"
    launch.export(provenance.NOTEBOOKS / "4_pretrain.ipynb", settings(data, tmp_path).values(), script)
    text = script.read_text()
    assert "pretrain.pretrain(settings, given)" in text
    assert f'data = "{data}"' in text
    assert "run.figure" not in text
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Folder(tmp_path / "pretrain").verify() == []
