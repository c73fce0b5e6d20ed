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


@pytest.mark.slow
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
    assert "12 samples of 16 x 16 pixels, of stored images: 3 steps of 4." in card
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
    assert "by other code" not in told
    assert (anew.code, anew.outdated) == ("another", False)
    assert Folder(tmp_path / "pretrain").manifest()["parameters"]["weight_decay"] == 0.5


def test_another_recipe_or_other_images_are_trained_anew(data, tmp_path):
    other = tiny.folder_of_shades(tmp_path / "other", n=6)
    digests = set()
    for asked in (settings(data, tmp_path), settings(data, tmp_path, seed=1), settings(other, tmp_path)):
        tiny.trained(asked)
        digests.add(Folder(tmp_path / "pretrain").digest())
    assert len(digests) == 3


def steps_of(folder):
    return [row["step"] for row in tables.read(folder / "log.csv")]


def test_a_finished_training_is_kept_aside_and_comes_back_when_it_is_asked_for_again(data, tmp_path, capsys):
    root, digests = tmp_path / "pretrain", {}
    for seed in (0, 1, 2):
        tiny.trained(settings(data, tmp_path, seed=seed))
        digests[seed] = Folder(root).digest()
    told = capsys.readouterr().out
    assert told.count("pretrain: the finished training (seed 0 -> 1) stays, and is kept aside once the new one is") == 1
    assert f"the training that was finished before is kept as {root}.1" in told
    aside = [Folder(tmp_path / f"pretrain.{n}") for n in (1, 2)]
    assert [folder.digest() for folder in aside] == [digests[0], digests[1]]
    assert not any(folder.verify() for folder in aside)
    tiny.trained(settings(data, tmp_path, seed=0))  # the other seeds were typing errors
    told = capsys.readouterr().out
    assert (
        "pretrain: finished before and kept as pretrain.1; it is back, and the other one is kept as pretrain.3" in told
    )
    assert "peak learning rate" not in told
    found = {path.name: Folder(path).digest() for path in tmp_path.iterdir() if path.is_dir()}
    assert found == {"pretrain": digests[0], "pretrain.2": digests[1], "pretrain.3": digests[2]}


def test_a_finished_training_goes_on_from_its_weights_if_asked_to(data, tmp_path, capsys):
    root = tmp_path / "pretrain"
    first = tiny.trained(settings(data, tmp_path))
    before = Folder(root).digest()
    longer = settings(data, tmp_path, steps=5, changed="continue")
    more = tiny.trained(longer)
    told = capsys.readouterr().out
    assert "pretrain: the finished training goes on from its weights; its optimizer starts afresh" in told
    assert "goes on from step 3 of 5" in told
    assert [row["step"] for row in more.log] == [1, 2, 3, 4, 5]
    assert more.log[:3] == first.log
    assert Folder(root).manifest()["parameters"]["continues"] == before == Folder(tmp_path / "pretrain.1").digest()
    assert before in (root / "README.md").read_text()
    for asked in (longer, settings(data, tmp_path, steps=5)):  # it is finished, however it is asked for
        tiny.trained(asked)
        assert "made before and unchanged, kept" in capsys.readouterr().out
    anew = tiny.trained(settings(data, tmp_path, steps=5, changed="restart"))
    assert "goes on" not in capsys.readouterr().out
    assert anew.log[3:] != more.log[3:]


def test_the_first_of_the_steps_after_a_finished_training_begins_with_its_weights(data, tmp_path):
    tiny.trained(settings(data, tmp_path))
    old, _ = tiny.loaded(tmp_path / "pretrain" / "model.safetensors")
    still = {"learning_rate": 1e-30, "min_learning_rate": 0.0, "warmup_learning_rate": 0.0, "weight_decay": 0.0}
    tiny.trained(settings(data, tmp_path, steps=4, changed="continue", **still))
    new, _ = tiny.loaded(tmp_path / "pretrain" / "model.safetensors")
    assert tiny.same(old.state_dict(), new.state_dict())


def test_what_goes_on_from_a_finished_training_goes_on_after_an_interruption(data, tmp_path, monkeypatch, capsys):
    tiny.trained(settings(data, tmp_path))
    before = Folder(tmp_path / "pretrain").digest()

    def cut_off(*_):
        raise KeyboardInterrupt

    for changed in ("continue", "refuse"):  # once begun, it is the training of these parameters
        with monkeypatch.context() as patch:
            patch.setattr(weights, "to_bytes", cut_off)
            with pytest.raises(KeyboardInterrupt):
                tiny.trained(settings(data, tmp_path, steps=5, changed=changed))
        assert Folder(tmp_path / "pretrain").digest() == before
    assert "goes on from step 5 of 5" in capsys.readouterr().out
    tiny.trained(settings(data, tmp_path, steps=5))
    assert Folder(tmp_path / "pretrain").manifest()["parameters"]["continues"] == before
    assert steps_of(tmp_path / "pretrain") == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("steps", [2, 3])
def test_a_finished_training_of_as_many_steps_is_not_continued(data, tmp_path, steps):
    tiny.trained(settings(data, tmp_path))
    before = Folder(tmp_path / "pretrain").digest()
    asked = settings(data, tmp_path, steps=steps, weight_decay=0.5, changed="continue")
    for refuse in (tiny.trained, pretrain.check):
        with pytest.raises(ValueError, match=rf"steps: {steps} are not more than the 3 of the finished training"):
            refuse(asked)
    pretrain.check(settings(data, tmp_path, steps=5, weight_decay=0.5, changed="continue"))
    assert Folder(tmp_path / "pretrain").digest() == before


def test_a_finished_training_of_another_network_is_not_continued(data, tmp_path):
    tiny.trained(settings(data, tmp_path))
    deeper = {**tiny.VIT, "depth": 2}
    asked = settings(data, tmp_path, steps=5, model_options=deeper, changed="continue")
    with pytest.raises(ValueError, match=r"the state of step 3 is of another training \([^\n]{1,200}\)$"):
        tiny.trained(asked)
    with pytest.raises(ValueError, match=r"changed: what is to be continued is another network .model_options .*depth"):
        pretrain.check(asked)
    pretrain.check(settings(data, tmp_path, steps=5, model_options=deeper, changed="restart"))


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
    assert "pretrain.pretrain(settings, inputs)" in text
    assert f'data = "{data}"' in text
    assert "run.figure" not in text
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Folder(tmp_path / "pretrain").verify() == []
