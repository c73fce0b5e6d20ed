"""The length of a training in epochs, and what of its parameters is only checked or shown."""

import pytest
from PIL import Image

from ofdb_core.base import parameters
from ofdb_core.base.folder import Folder
from ofdb_core.data import tables
from ofdb_core.run import parameter_files
from ofdb_core.stages import finetune, pretrain, recipes
from ofdb_core.training import loop, optimizer
from tests.helpers import tiny

EPOCHS = {"steps": None, "epochs": 2, "warmup_steps": None, "warmup_epochs": 0.5}


def test_epochs_are_steps_when_the_samples_are_counted():
    asked = tiny.pretrain(**EPOCHS, batch_size=4)
    found = asked.of_samples(10)
    assert (found.steps, found.warmup_steps, found.epochs, found.warmup_epochs) == (5, 1, None, None)
    assert asked.length() == "2 epochs"
    assert tiny.pretrain(steps=1234).length() == "1,234 steps"
    assert tiny.pretrain(**{**EPOCHS, "augmentation_repeats": 3}).of_samples(10).steps == 5
    assert tiny.pretrain(**{**EPOCHS, "epochs": 0.01, "warmup_epochs": 0}).of_samples(10).steps == 1


def test_the_published_epochs_of_imagenet_are_the_published_steps():
    asked = tiny.finetune(
        **{**EPOCHS, "epochs": 300, "warmup_epochs": 5, "batch_size": 1024, "augmentation_repeats": 3}
    )
    found, published = asked.of_samples(1_281_167), parameter_files.values("finetune/imagenet1k", "5_finetune")
    assert (found.steps, found.warmup_steps) == (published["steps"], published["warmup_steps"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 3}, "steps, epochs: 3 and 3 are given; give one of the two, and null for the other"),
        ({"steps": None}, "steps, epochs: neither has a value"),
        ({"warmup_steps": None}, "warmup_steps, warmup_epochs: neither has a value"),
    ],
)
def test_exactly_one_of_steps_and_epochs_is_given(values, message):
    with pytest.raises(parameters.ParameterError, match=message):
        tiny.pretrain(**values)


def test_a_warm_up_that_leaves_no_step_is_refused_before_the_training(tmp_path):
    data = tiny.folder_of_shades(tmp_path / "images")
    asked = tiny.pretrain(data=data, **{**EPOCHS, "epochs": 1, "warmup_steps": 9, "warmup_epochs": None})
    with pytest.raises(
        parameters.ParameterError, match=r"9 leaves no step of the 2 steps .* smaller warmup_steps or warmup_epochs"
    ):
        pretrain.start(asked)


def test_a_word_of_the_command_takes_the_place_of_the_other(params):
    out = params(**{"4_pretrain": {"data": "images", "warmup_steps": None, "warmup_epochs": 2}})
    asked = parameter_files.checked("tiny", ["4_pretrain"], [("epochs", "20")], out)["4_pretrain"]
    assert (asked.steps, asked.epochs, asked.warmup_steps, asked.warmup_epochs) == (None, 20, None, 2)
    again = parameter_files.checked("tiny", ["4_pretrain"], [("warmup_steps", "7")], out)["4_pretrain"]
    assert (again.steps, again.epochs, again.warmup_steps, again.warmup_epochs) == (312500, None, 7, None)
    with pytest.raises(parameters.ParameterError, match="steps, epochs: 9 and 20 are given"):
        parameter_files.checked("tiny", ["4_pretrain"], [("epochs", "20"), ("steps", "9")], out)


@pytest.mark.parametrize(("classes", "wanted"), [(2, 0.75), (5, 0.6), (10, 0.55), (32, 0.3125), (1000, 0.01)])
def test_what_is_required_can_be_reached_by_any_number_of_classes(classes, wanted):
    assert tiny.pretrain(required_gain=10).required_accuracy(classes) == pytest.approx(wanted)


def test_a_single_class_is_refused_before_the_training(tmp_path):
    data = tiny.folder_of_shades(tmp_path / "images", n=1)
    Image.linear_gradient("L").save(tmp_path / "images" / "00000" / "x.png")  # flat images are another refusal
    with pytest.raises(ValueError, match="images has one class, 00000; a network learns to tell several apart"):
        pretrain.start(tiny.pretrain(data=data))


def test_a_finished_training_is_kept_when_a_check_or_the_log_changes(tmp_path, monkeypatch, capsys):
    how = {"data": tiny.folder_of_shades(tmp_path / "images"), "out": str(tmp_path)}
    made = tiny.trained(tiny.pretrain(**how))
    monkeypatch.setattr(loop, "fit", None)
    assert tiny.trained(tiny.pretrain(**how, required_gain=3.0, log_every=2, tracker="tensorboard")).log == made.log
    assert "pretrain: made before and unchanged, kept" in capsys.readouterr().out
    assert "required_gain" not in Folder(tmp_path / "pretrain").manifest()["parameters"]
    assert recipes.Pretrain.display_only == ("required_gain",)
    asked = tiny.pretrain(**how)
    assert "required_gain" in asked.identity()  # the notebook checks again
    assert "required_gain" not in asked.makes()


def test_the_schedule_gives_the_rate_of_every_step_of_a_training(tmp_path):
    recipe = tiny.pretrain(data=tiny.folder_of_shades(tmp_path / "images"), out=str(tmp_path), steps=9, warmup_steps=4)
    rates = optimizer.course(recipe)
    assert [row["learning_rate"] for row in tiny.trained(recipe).log] == rates
    assert rates[0] == recipe.warmup_learning_rate < rates[1] < rates[4] > rates[8]


@pytest.mark.slow
def test_fine_tuning_takes_size_and_channels_from_the_checkpoint_and_counts_the_epochs_of_its_shots(tmp_path):
    tiny.trained(tiny.pretrain(data=tiny.folder_of_shades(tmp_path / "images"), out=str(tmp_path), channels=1))
    how = {"checkpoint": str(tmp_path / "pretrain"), "out": str(tmp_path), "repeats": 1, "shots": [1, 2], **EPOCHS}
    asked = tiny.finetune(**how, input_size=None, channels=None)
    assert finetune.start(asked).recipe.input_size == 16
    done = tiny.compared(asked)
    steps = {name: rows[-1]["step"] for name, rows in done.first_repeat("log").items()}
    assert steps["pre-trained, 1 a class, repeat 0"] == 5  # 2 epochs of 10 digits by 4
    assert steps["from scratch, 2 a class, repeat 0"] == 10
    rates = done.rates(finetune.start(asked))
    assert {name: len(found) for name, found in rates.items()} == steps
    assert all(
        row["learning_rate"] == rates[name][row["step"] - 1] for name in rates for row in done.first_repeat("log")[name]
    )
    assert tables.read(done.root / "results.csv") == done.results
    again = tiny.compared(tiny.finetune(**how, input_size=16, channels=1))  # the same, in so many words
    assert again.results == done.results
