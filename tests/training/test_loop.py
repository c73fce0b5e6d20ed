import shutil
import sys

import numpy as np
import pytest
import torch

from ofdb_core.batches.source import Batches
from ofdb_core.training import evaluation, loop, networks, optimizer, precision, progress, states
from tests.helpers import tiny
from tests.helpers.tiny import network, same

PLAIN = {"mix_probability": 0.0, "auto_augment": None, "erasing": 0.0, "label_smoothing": 0.0}


def trained(settings, images=None, seed=0, model=None):
    model, images = model or network(), images or tiny.shades()
    rows = loop.fit(model, Batches(images, settings, seed=seed), settings, seed=seed)
    return model, rows


def state_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.slow
def test_training_learns_what_can_be_learned():
    settings = tiny.pretrain(
        steps=60, batch_size=8, reference_batch=8, learning_rate=1e-2, crop_scale=[0.5, 1.0], **PLAIN
    )
    model, rows = trained(settings)
    assert rows[0]["loss"] == pytest.approx(np.log(4), rel=0.2)
    assert rows[-1]["loss"] < 0.3
    predicted = evaluation.predict(model, tiny.shades(), settings)
    assert (predicted == tiny.shades().labels).all()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_whatever_the_workers():
    first, rows = trained(tiny.pretrain(drop_path=0.2))
    again, others = trained(tiny.pretrain(drop_path=0.2, loader_workers=2))
    assert same(state_of(first), state_of(again))
    assert [row["loss"] for row in rows] == [row["loss"] for row in others]
    assert not same(state_of(first), state_of(trained(tiny.pretrain(drop_path=0.2), seed=1)[0]))


@pytest.mark.slow
def test_training_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(tiny.pretrain())
    assert torch.equal(torch.rand(3), expected)


def test_the_log_has_a_row_at_the_start_each_log_every_steps_and_at_the_end():
    _, rows = trained(tiny.pretrain(steps=5, log_every=2))
    assert [row["step"] for row in rows] == [1, 2, 4, 5]
    assert [row["step"] for row in trained(tiny.pretrain(steps=3, log_every=100))[1]] == [1, 3]
    assert set(progress.LOGGED) < rows[0].keys()
    assert all(row["images_per_second"] > 0 and 0 <= row["data_share"] <= 1 for row in rows)


def test_the_bar_says_what_the_newest_row_says():
    row = {"step": 7, "loss": 1.23456, "learning_rate": 2e-4, "images_per_second": 321.4, "data_share": 0.25}
    assert progress.in_words(row) == "loss 1.235, lr 2.0e-04, 25% waiting, 321 images/s"


def test_progress_in_a_log_file_is_lines(monkeypatch, capsys):
    monkeypatch.setenv("TQDM_MININTERVAL", "0")
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    with progress.bar("it", 0, 3, shown=True) as bar:
        for _ in range(3):
            bar.update()
    told = capsys.readouterr().err
    assert "\r" not in told
    lines = dict.fromkeys(line.split("|")[0] for line in told.splitlines())  # the last one comes twice
    assert [*lines] == [f"it: {share:>3}%" for share in (0, 33, 67, 100)]


@pytest.mark.parametrize(("seconds", "every"), [(5.0, 1), (0.5, 4), (0.001, 10)])
def test_processes_ask_each_other_as_often_as_their_steps_allow(monkeypatch, seconds, every):
    class Two:
        """Two processes that take the same time, of which the other wishes nothing."""

        num_processes, device, asked = 2, "cpu", 0

        def reduce(self, votes, _):
            self.asked += 1
            return votes + votes * torch.tensor([0.0] * (len(votes) - 1) + [1.0])

    clock, two = [0.0], Two()
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    vote, heard = loop.Vote(two), []
    for step in range(1, 42):
        clock[0] += seconds
        heard += [step for wish in vote(step > 20, False) if wish]
    assert two.asked == 1 + 40 // every
    assert heard[0] <= 20 + every


def test_the_learning_rate_warms_up_and_falls_along_a_cosine():
    settings = tiny.pretrain(
        steps=12, warmup_steps=4, learning_rate=1e-3, min_learning_rate=1e-5, warmup_learning_rate=0.0
    )
    rates = [row["learning_rate"] for row in trained(settings)[1]]
    assert rates[:4] == pytest.approx([0.0, 0.25e-3, 0.5e-3, 0.75e-3])
    expected = [1e-5 + (1e-3 - 1e-5) * (1 + np.cos(np.pi * step / 12)) / 2 for step in range(4, 12)]
    assert rates[4:] == pytest.approx(expected)


def test_a_loss_that_is_not_finite_names_step_rate_and_samples():
    class Broken(Batches):
        def raw_batch(self, step, part=0):
            raw = super().raw_batch(step, part)
            return raw._replace(shares=raw.shares * (float("nan") if step == 1 else 1.0))

    settings = tiny.pretrain()
    source = Broken(tiny.shades(), settings, seed=0)
    with pytest.raises(ValueError, match=r"loss is nan at step 2 \(learning rate .*samples \[\d, \d, \d, \d\]"):
        loop.fit(network(), source, settings, seed=0)


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match=r"adamv.*did you mean adam"):
        optimizer.check("adamv")


@pytest.mark.parametrize("name", ["FSDP", "DEEPSPEED", "MEGATRON_LM", "PARALLELISM_CONFIG", "SAGEMAKER"])
def test_an_environment_that_asks_accelerate_for_more_is_refused(monkeypatch, name):
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "True")
    with pytest.raises(ValueError, match=f"^the environment variable ACCELERATE_USE_{name} is true, and not supported"):
        loop.check(tiny.pretrain(data="images", out="out"))


def test_the_environment_does_not_divide_the_loss(monkeypatch):
    plain, _ = trained(tiny.pretrain(optimizer="sgd"))
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    assert same(state_of(plain), state_of(trained(tiny.pretrain(optimizer="sgd"))[0]))


def test_precision_is_what_the_device_has():
    assert precision.resolve("fp32", "cpu") == "fp32"
    assert precision.resolve("auto", "cpu") in ("fp32", "bf16")
    with pytest.raises(ValueError, match="precision: 'fp16' is not possible on this cpu"):
        precision.resolve("fp16", "cpu")


def test_a_build_of_torch_without_onednn_computes_in_fp32(monkeypatch):
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: False)
    monkeypatch.delattr("torch.ops.mkldnn._is_mkldnn_bf16_supported", raising=False)
    assert precision.resolve("auto", "cpu") == precision.resolve("auto", "mps") == "fp32"
    with precision.autocast("auto", "mps"):  # which a machine without one takes as well, as it is not enabled
        pass


def test_rates_are_scaled_by_the_batch(capsys):
    settings = tiny.pretrain(reference_batch=512, batch_size=256, learning_rate=1e-3, device_batch=64)
    assert optimizer.rates(settings) == pytest.approx((5e-4, 5e-6, 5e-7))
    trained(tiny.pretrain(reference_batch=8, learning_rate=1e-3))
    assert "peak learning rate 0.0005 for 4 images a step" in capsys.readouterr().out


def test_parts_of_a_batch_train_as_the_whole_does_to_rounding():
    how = {"steps": 10, "drop_path": 0.3, "batch_size": 8, "mixup": 0.8}
    whole, rows = trained(tiny.pretrain(**how), model=network(depth=3, drop_path=0.3))
    parts, others = trained(tiny.pretrain(**how, device_batch=2), model=network(depth=3, drop_path=0.3))
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in others], abs=1e-5)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_averaged_weights_are_the_average():
    seen = []

    class Spy(Batches):
        def raw_batch(self, step, part=0):
            seen.append(state_of(model))
            return super().raw_batch(step, part)

    settings, model = tiny.pretrain(ema=0.75, steps=4, optimizer="sgd", learning_rate=0.5), network()
    loop.fit(model, Spy(tiny.shades(), settings, seed=0), settings, seed=0)
    raw, _ = trained(tiny.pretrain(steps=4, optimizer="sgd", learning_rate=0.5))
    average = seen[0]
    for weights in [*seen[1:], state_of(raw)]:
        average = {name: 0.75 * average[name] + 0.25 * weights[name] for name in average}
    assert all(torch.allclose(tensor, average[name], atol=1e-6) for name, tensor in model.state_dict().items())


def test_a_gradient_is_clipped():
    how = {"steps": 1, "warmup_steps": 0, "optimizer": "momentum", "learning_rate": 1.0, "weight_decay": 0.0}
    before = network().state_dict()
    after = trained(tiny.pretrain(**how, clip_gradient=1e-3))[0].state_dict()
    moved = torch.cat([(after[name] - before[name]).flatten() for name in before]).norm()
    assert float(moved) == pytest.approx(1e-3, rel=0.01)


def test_layer_decay_slows_the_first_layers():
    how = {"steps": 1, "warmup_steps": 0, "optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 0.0}
    before = network(depth=3).state_dict()
    after = trained(tiny.pretrain(**how, layer_decay=0.5), model=network(depth=3))[0].state_dict()
    moved = {name: float((after[name] - before[name]).abs().max()) for name in before}
    assert moved["head.weight"] == pytest.approx(1e-3, rel=0.01)
    assert moved["blocks.2.mlp.fc1.weight"] == pytest.approx(5e-4, rel=0.01)
    assert moved["blocks.0.mlp.fc1.weight"] == pytest.approx(1.25e-4, rel=0.01)


def test_only_the_head_learns_of_a_frozen_trunk():
    model = network()
    networks.freeze_trunk(model)
    before = state_of(model)
    trained(tiny.pretrain(learning_rate=0.1), model=model)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"head.weight", "head.bias"}


def test_gradient_checkpointing_changes_nothing_but_memory():
    plain, _ = trained(tiny.pretrain(drop_path=0.2), model=network(depth=3, drop_path=0.2))
    saving, _ = trained(
        tiny.pretrain(drop_path=0.2, gradient_checkpointing=True), model=network(depth=3, drop_path=0.2)
    )
    assert same(state_of(plain), state_of(saving))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_trains_the_same_to_rounding():
    settings = {"drop_path": 0.2, "steps": 4}
    plain, _ = trained(tiny.pretrain(**settings), model=network(depth=2, drop_path=0.2))
    compiled, _ = trained(tiny.pretrain(**settings, compile=True), model=network(depth=2, drop_path=0.2))
    assert compiled._compiled_call_impl is None
    for one, other in zip(plain.parameters(), compiled.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_compiling_without_a_compiler_is_refused(monkeypatch):
    monkeypatch.setenv("CXX", "/nowhere/g++")
    with pytest.raises(ValueError, match="compile: true needs a C"):
        loop.check(tiny.pretrain(compile=True))


def store(root, settings, **how):
    return states.Store(root, {"parameters": settings.identity(), "code": "c"}, **how)


class Ends(Batches):
    """A source that is killed at a step."""

    def __init__(self, *words, at, **how):
        super().__init__(*words, **how)
        self.at = at

    def raw_batch(self, step, part=0):
        if step == self.at:
            raise RuntimeError("killed")
        return super().raw_batch(step, part)


@pytest.mark.parametrize("values", [{}, {"ema": 0.9, "optimizer": "sgd"}, {"log_every": 5, "device_batch": 2}])
@pytest.mark.parametrize("at", [3, 5, 7])
def test_a_training_that_ended_early_goes_on_to_the_same_weights_and_log(tmp_path, values, at):
    settings = tiny.pretrain(steps=8, drop_path=0.2, save_steps=2, **values)
    whole, rows = trained(settings, model=network(depth=2, drop_path=0.2))
    with pytest.raises(RuntimeError, match="killed"):
        loop.fit(
            network(depth=2, drop_path=0.2),
            Ends(tiny.shades(), settings, seed=0, at=at),
            settings,
            seed=0,
            store=store(tmp_path, settings),
        )
    again = network(depth=2, drop_path=0.2, seed=5)  # its weights come from the state
    source = Batches(tiny.shades(), settings, seed=0)
    others = loop.fit(again, source, settings, seed=0, store=store(tmp_path, settings))
    assert same(state_of(whole), state_of(again))
    assert [[row[key] for key in progress.LOGGED] for row in rows] == [
        [row[key] for key in progress.LOGGED] for row in others
    ]


def test_a_state_of_another_network_is_refused(tmp_path):
    settings = tiny.pretrain()
    source = Batches(tiny.shades(), settings, seed=0)
    loop.fit(network(), source, settings, seed=0, store=store(tmp_path, settings))
    with pytest.raises(ValueError, match="the state of step 3 is of another training"):
        loop.fit(network(depth=2), source, settings, seed=0, store=store(tmp_path, settings))


def test_more_steps_continue_and_fewer_are_refused(tmp_path):
    settings = tiny.pretrain()
    source = Batches(tiny.shades(), settings, seed=0)
    loop.fit(network(), source, settings, seed=0, store=store(tmp_path, settings))
    longer = tiny.pretrain(steps=5, weight_decay=0.3)
    rows = loop.fit(network(), source, longer, seed=0, store=store(tmp_path, longer, changed="continue"))
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="steps: 4 are fewer than the 5 that were trained"):
        loop.fit(network(), source, tiny.pretrain(steps=4), seed=0, store=store(tmp_path, settings, changed="continue"))


def test_a_loss_that_is_not_finite_names_the_last_good_state(tmp_path):
    class Broken(Batches):
        def raw_batch(self, step, part=0):
            raw = super().raw_batch(step, part)
            return raw._replace(shares=raw.shares * (float("nan") if step == 5 else 1.0))

    settings = tiny.pretrain(steps=8, save_steps=2, log_every=100)
    source = Broken(tiny.shades(), settings, seed=0)
    with pytest.raises(ValueError, match=r"loss is nan at step 6 .*last good state: .*000000004-.*pt"):
        loop.fit(network(), source, settings, seed=0, store=store(tmp_path, settings))


def test_a_batch_that_leaves_gpus_idle_is_said():
    assert "each of 16 GPUs gets 16 images a step" in loop.starving(256, 16, "cuda")
    assert "8 of them would be about as fast" in loop.starving(256, 16, "cuda")
    assert [loop.starving(*how) for how in ((256, 8, "cuda"), (16, 1, "cuda"), (8, 2, "cpu"))] == [None] * 3
