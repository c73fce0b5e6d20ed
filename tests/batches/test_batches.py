import os
import random
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from ofdb_core.base.parameters import ParameterError
from ofdb_core.batches import finish
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Batches, Plain, parts
from ofdb_core.data import samples
from tests.helpers.processes import started, until
from tests.helpers.tiny import SHADES, folder_of, rules, some_images

PLAIN = {
    **{
        "mix_probability": 0.0,
        "label_smoothing": 0.0,
        "auto_augment": None,
        "erasing": 0.0,
        "hflip": 0.0,
        "vflip": 0.0,
    },
    **{"crop_scale": [1.0, 1.0], "crop_ratio": [1.0, 1.0], "interpolation": "bilinear"},
}


def drawn(source, steps=5, workers=0, start=0):
    return [(x.clone(), y.clone()) for x, y in prefetch(source, steps, start=start, workers=workers)]


def same(some, others):
    return len(some) == len(others) and all(
        torch.equal(a, b) for one, other in zip(some, others, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_batches_do_not_depend_on_the_number_of_workers():
    source = Batches(some_images(), rules(), seed=3)
    alone = drawn(source)
    for workers in (1, 2):
        assert same(drawn(source, workers=workers), alone)


@pytest.mark.parametrize("policy", ["rand-m9-mstd0.5-inc1", "augmix-m5-w3", "original-mstd0.5"])
def test_timms_own_chain_takes_every_policy_in_processes(policy):
    source = Batches(some_images(), rules(pipeline="timm", auto_augment=policy), seed=3)
    alone = drawn(source, 3)
    assert same(drawn(source, 3, workers=2), alone)
    assert same([source.batch(step) for step in range(3)], alone)
    if not policy.startswith("rand"):
        with pytest.raises(ParameterError, match=f"'{policy}' is not known here; .* pipeline: timm takes any policy"):
            rules(auto_augment=policy)


def test_a_string_that_timm_cannot_read_is_refused():
    with pytest.raises(ParameterError, match="auto_augment: 'nonsense' is no policy of timm"):
        rules(pipeline="timm", auto_augment="nonsense")


@pytest.mark.parametrize("plain", [True, False])
def test_both_pipelines_show_the_same(plain):
    """Where nothing is drawn, to the byte; else the same on average, in brightness, spread and share of noise."""
    values = {**PLAIN, "input_size": 24} if plain else {"input_size": 24, "mix_probability": 0.0, "erasing": 0.5}
    pixels = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), dtype=np.uint8).repeat(6, 1).repeat(6, 2)
    images = samples.Images(pixels, np.arange(40) % 4, range(4))
    shown = []
    for pipeline in ("ofdb", "timm"):
        source = Batches(images, rules(pipeline=pipeline, batch_size=40, **values), seed=0)
        shown.append(torch.cat([source.batch(step)[0] for step in range(1 if plain else 25)]))
    if plain:
        assert torch.equal(*shown)
    else:
        for measure in (torch.mean, torch.std, lambda x: (x.abs() > 1).float().mean()):
            assert abs(measure(shown[0]) - measure(shown[1])) < 0.03


def test_batches_are_functions_of_seed_and_step():
    source, again = (Batches(some_images(), rules(), seed=3) for _ in range(2))
    first = [source.batch(step) for step in range(4)]
    assert same([again.batch(step) for step in (3, 1, 0, 2)], [first[step] for step in (3, 1, 0, 2)])
    assert not torch.equal(first[0][0], first[1][0])
    assert not torch.equal(Batches(some_images(), rules(), seed=4).batch(0)[0], first[0][0])


def test_a_later_start_gives_the_later_batches():
    source = Batches(some_images(), rules(), seed=3)
    assert same(drawn(source, 5, workers=1, start=3), drawn(source)[3:])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_gpu_gets_the_bits_of_the_cpu(workers):
    source = Batches(some_images(), rules(), seed=3)
    found = [(x.cpu(), y.cpu()) for x, y in prefetch(source, 20, workers=workers, device="cuda")]
    assert same(found, drawn(source, 20))


def test_shapes_and_types_of_a_batch():
    images, targets = Batches(some_images(), rules(), seed=0).batch(0)
    assert images.shape == (6, 3, 16, 16)
    assert targets.shape == (6, 5)
    assert images.dtype == targets.dtype == torch.float32


@pytest.mark.parametrize("batch_size", [3, 4, 10, 23])
def test_every_sample_is_used_equally_often(batch_size):
    source = Batches(some_images(), rules(batch_size=batch_size), seed=0)
    ids = np.concatenate([source.ids(step) for step in range(10 * batch_size)])  # a whole number of epochs
    assert set(Counter(ids.tolist()).values()) == {len(ids) // 10}
    for epoch in ids.reshape(-1, 10):
        assert sorted(epoch) == list(range(10))
    assert not np.array_equal(ids[:10], ids[10:20])


def whole_and_pieces(processes, device_batch=0):
    """A batch of twelve, and the same in pieces: each process's parts, one after another."""
    images, recipe = some_images(), rules(batch_size=12, device_batch=device_batch)
    sources = [Batches(images, recipe, seed=2, share=(i, processes)) for i in range(processes)]
    pieces = [source.batch(3, part) for source in sources for part in range(source.parts)]
    ids = np.concatenate([source.ids(3, part) for source in sources for part in range(source.parts)])
    source = Batches(images, rules(batch_size=12), seed=2)
    return (*source.batch(3), source.ids(3)), (*(torch.cat(tensors) for tensors in zip(*pieces, strict=True)), ids)


@pytest.mark.parametrize(("processes", "device_batch"), [(2, 0), (3, 0), (1, 4), (2, 2), (1, 5)])
def test_the_pieces_of_a_batch_make_the_whole(processes, device_batch):
    whole, pieces = whole_and_pieces(processes, device_batch)
    assert torch.equal(whole[0], pieces[0])
    assert torch.equal(whole[1], pieces[1])
    assert np.array_equal(whole[2], pieces[2])


def test_a_share_is_cut_into_the_fewest_parts_that_fit():
    plain = {"batch_size": 24, "mix_probability": 0.0}
    assert [parts(rules(**plain, device_batch=most)) for most in (0, 24, 23, 8, 7, 1)] == [1, 1, 2, 3, 4, 24]
    assert parts(rules(batch_size=24, device_batch=3)) == 12  # mixed in pairs, so each part is even


@pytest.mark.parametrize(("values", "processes"), [({}, 4), ({}, 2), ({"device_batch": 1}, 1)])
def test_a_batch_that_cannot_be_cut_is_refused(values, processes):
    with pytest.raises(ValueError, match=r"batch_size: 6 cannot be cut into equal parts.*samples are mixed in pairs"):
        parts(rules(**values), processes)


def test_a_network_of_one_channel_gets_gray_pictures():
    images = samples.Images(np.full((2, 16, 16, 3), (255, 0, 0), np.uint8), [0, 1], "ab")
    recipe = rules(channels=1, mean=[0.0] * 3, std=[1.0] * 3, batch_size=2, **PLAIN)
    shown = Batches(images, recipe, seed=0).batch(0)[0]
    assert shown.shape == (2, 1, 16, 16)
    assert torch.allclose(shown, torch.tensor(76 / 255))
    assert torch.allclose(Plain(images, recipe).batch(0)[0], torch.tensor(76 / 255))
    assert finish.to_pixels(shown, recipe).shape == (2, 16, 16, 3)


def test_processes_share_the_images_to_evaluate():
    images = some_images(n=7)
    shares = [Plain(images, rules(), share=(i, 3)) for i in range(3)]
    assert [source.ids(0).tolist() for source in shares] == [[0, 3, 6], [1, 4], [2, 5]]


def test_the_callers_generators_are_left_alone():
    source = Batches(some_images(), rules(), seed=0)
    numbers = []
    for work in (lambda: None, lambda: drawn(source), lambda: drawn(source, workers=1)):
        random.seed(5)
        np.random.seed(5)
        torch.manual_seed(5)
        work()
        numbers.append((random.random(), np.random.random(), torch.rand(1).item()))
    assert numbers[0] == numbers[1] == numbers[2]


@pytest.mark.parametrize(("batch_size", "repeats"), [(12, 3), (8, 3), (6, 2), (4, 8)])
def test_each_image_stands_so_many_times_in_a_batch(batch_size, repeats):
    images = some_images(n=24)
    source = Batches(images, rules(batch_size=batch_size, augmentation_repeats=repeats), seed=1)
    ids = np.concatenate([source.ids(step) for step in range(24 * repeats)])[: 24 * repeats]
    assert set(Counter(ids.tolist()).values()) == {repeats}  # in as many steps as one epoch has without, times repeats
    for number in range(24):
        places = np.flatnonzero(ids == number)
        assert np.ptp(places) < max(batch_size, repeats)
    if batch_size >= 2 * repeats:
        assert all(source.ids(step)[0] != source.ids(step)[1] for step in range(20))  # partners
    batch = source.batch(0)[0]
    assert len({picture.numpy().tobytes() for picture in batch}) == batch_size  # each augmented anew


def test_normalisation_is_the_recipes():
    images = samples.Images(np.full((2, 16, 16), 255, np.uint8), [0, 1], "ab")
    recipe = rules(mean=[0.5, 0.4, 0.0], std=[0.5, 0.2, 2.0], batch_size=2, **PLAIN)
    expected = torch.tensor([1.0, 3.0, 0.5])
    shown = Batches(images, recipe, seed=0).batch(0)[0]
    assert torch.allclose(shown.mean(dim=(0, 2, 3)), expected)
    assert torch.allclose(Plain(images, recipe).batch(0)[0].mean(dim=(0, 2, 3)), expected)
    assert (finish.to_pixels(shown, recipe) == 255).all()


def test_strongest_augmentation_is_survived():
    recipe = rules(auto_augment="rand-m10-n6-inc1", batch_size=32)  # posterize then keeps no bit, which Pillow refuses
    source = Batches(some_images(), recipe, seed=0)
    assert all(torch.isfinite(source.batch(step)[0]).all() for step in range(4))


def test_evaluation_goes_through_the_images_in_order():
    images = some_images(n=13, classes=4)
    source = Plain(images, rules(batch_size=5))
    received = list(prefetch(source, len(source)))
    assert [len(x) for x, _ in received] == [5, 5, 3]
    assert torch.cat([y for _, y in received]).tolist() == images.labels.tolist()


def test_crop_pct_is_the_share_of_the_side_that_evaluation_sees():
    pixels = np.zeros((1, 32, 32), np.uint8)
    pixels[0, :4] = 255  # an edge that a crop of half the side leaves out
    images = samples.Images(pixels, [0], "a")
    shown = {share: Plain(images, rules(crop_pct=share, interpolation="bilinear")).batch(0)[0] for share in (0.5, 1.0)}
    assert shown[1.0].max() > 0
    assert shown[0.5].max() == -1


def test_files_give_the_batches_of_arrays(tmp_path):
    images = some_images(n=4, classes=2)
    for i in range(4):
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        Image.fromarray(images.pixels(i)).save(tmp_path / "ab"[i % 2] / f"{i}.png")
    order = [0, 2, 1, 3]  # class by class
    arrays = samples.Images(images.items[order], images.labels[order], "ab")
    sources = [Batches(x, rules(), seed=0) for x in (arrays, samples.Images.from_folder(tmp_path))]
    assert same(*[drawn(source) for source in sources])


@pytest.mark.parametrize("damage", ["truncated", "flipped", "text", "empty"])
def test_corrupt_image_is_named(tmp_path, damage):
    folder_of(tmp_path, good=Image.fromarray(SHADES), bad=Image.fromarray(SHADES))
    path = tmp_path / "a" / "bad.png"
    data = path.read_bytes()
    flipped = data[:20] + bytes([data[20] ^ 255]) + data[21:]
    path.write_bytes(
        {"truncated": data[: len(data) // 2], "flipped": flipped, "text": b"no image", "empty": b""}[damage]
    )
    source = Batches(samples.Images.from_folder(tmp_path), rules(), seed=0)
    for workers in (0, 1):
        with pytest.raises(ValueError, match=r"a/bad.png: cannot be read as an image .* restore or delete it"):
            drawn(source, workers=workers)


INTERRUPTED = """
import sys, time, torch
from ofdb_core.batches.prefetch import prefetch
class Slow:
    parts, parallel = 1, {parallel}
    def finish(self, raw):
        return raw
    def raw_batch(self, step, part):
        time.sleep(0.01)
        return [torch.zeros(3)]
for step, _ in enumerate(prefetch(Slow(), 10**9, workers=2)):
    if step == 2:
        print("working", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("parallel", [True, False])
def test_ctrl_c_ends_the_workers_too(parallel):
    with started(
        [sys.executable, "-c", INTERRUPTED.format(parallel=parallel)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout.readline() == "working\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
        error = process.communicate(timeout=300)[1]
    assert error.count("\nKeyboardInterrupt") == 1  # a worker's thread may miss the main process, in other words
    assert error.rstrip().endswith("KeyboardInterrupt")
    until(lambda: not is_left(process.pid))  # what has closed its output may take a moment to be gone


def is_left(group):
    try:
        os.killpg(group, 0)
        return True
    except ProcessLookupError:
        return False
