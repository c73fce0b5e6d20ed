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

from ofdb_core import loading, recipe

SHADES = np.random.default_rng(0).integers(0, 256, (30, 20), dtype=np.uint8)


@pytest.fixture
def rules():
    """A function that makes a small training recipe with other values for some fields."""
    values = {
        **{"out": "runs", "seed": 0, "input_size": 16, "steps": 3, "batch_size": 6, "workers": 0, "log_every": 1},
        **{"optimizer": "adamw", "learning_rate": 1e-3, "min_learning_rate": 1e-5, "warmup_learning_rate": 1e-6},
        **{"warmup_steps": 1, "weight_decay": 0.05, "drop_path": 0.0, "label_smoothing": 0.1, "precision": "no"},
        **{"mixup": 0.8, "cutmix": 1.0, "mix_probability": 1.0, "mix_switch": 0.5},
        **{"crop_scale": [0.3, 1.0], "crop_ratio": [0.75, 1.3333], "interpolation": "bicubic", "crop_pct": 1.0},
        **{"mean": [0.5] * 3, "std": [0.5] * 3, "hflip": 0.5, "vflip": 0.5, "erasing": 0.5},
        "auto_augment": "rand-m9-mstd0.5-inc1",
    }
    return lambda **other: recipe.Training.of({**values, **other})


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


def some_images(n=10, classes=5, shape=(24, 24)):
    pixels = np.random.default_rng(1).integers(0, 256, (n, *shape), dtype=np.uint8)
    return loading.Images(pixels, np.arange(n) % classes, range(classes))


def batches(source, steps=5, workers=0, start=0):
    return [(x.clone(), y.clone()) for x, y in loading.prefetch(source, steps, start=start, workers=workers)]


def same(some, others):
    return len(some) == len(others) and all(
        torch.equal(a, b) for one, other in zip(some, others, strict=True) for a, b in zip(one, other, strict=True)
    )


def folder_of(root, **files):
    for name, picture in files.items():
        (root / "a").mkdir(exist_ok=True)
        picture.save(root / "a" / f"{name}.png")
    return root


def test_batches_do_not_depend_on_the_number_of_workers(rules):
    source = loading.Batches(some_images(), rules(), seed=3)
    alone = batches(source)
    for workers in (1, 2):
        assert same(batches(source, workers=workers), alone)


def test_batches_are_functions_of_seed_and_step(rules):
    source, again = (loading.Batches(some_images(), rules(), seed=3) for _ in range(2))
    first = [source.batch(step) for step in range(4)]
    assert same([again.batch(step) for step in (3, 1, 0, 2)], [first[step] for step in (3, 1, 0, 2)])
    assert not torch.equal(first[0][0], first[1][0])
    assert not torch.equal(loading.Batches(some_images(), rules(), seed=4).batch(0)[0], first[0][0])


def test_a_later_start_gives_the_later_batches(rules):
    source = loading.Batches(some_images(), rules(), seed=3)
    assert same(batches(source, 5, workers=1, start=3), batches(source)[3:])


def test_shapes_and_types_of_a_batch(rules):
    images, targets = loading.Batches(some_images(), rules(), seed=0).batch(0)
    assert images.shape == (6, 3, 16, 16)
    assert targets.shape == (6, 5)
    assert images.dtype == targets.dtype == torch.float32


@pytest.mark.parametrize("batch_size", [3, 4, 10, 23])
def test_every_sample_is_used_equally_often(rules, batch_size):
    source = loading.Batches(some_images(), rules(batch_size=batch_size), seed=0)
    ids = np.concatenate([source.ids(step) for step in range(10 * batch_size)])  # a whole number of epochs
    assert set(Counter(ids.tolist()).values()) == {len(ids) // 10}
    for epoch in ids.reshape(-1, 10):
        assert sorted(epoch) == list(range(10))
    assert not np.array_equal(ids[:10], ids[10:20])


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_split_the_batch_of_one(rules, processes):
    images = some_images()
    whole = loading.Batches(images, rules(batch_size=12), seed=2)
    parts = [
        loading.Batches(images, rules(batch_size=12), seed=2, process=i, processes=processes) for i in range(processes)
    ]
    for step in range(6):
        for one, other in zip(whole.batch(step), zip(*[part.batch(step) for part in parts], strict=True), strict=True):
            assert torch.equal(one, torch.cat(other))


def test_a_batch_that_processes_cannot_share_is_refused(rules):
    with pytest.raises(ValueError, match="batch_size: 6 cannot be split over 4 processes"):
        loading.Batches(some_images(), rules(), seed=0, processes=4)
    with pytest.raises(ValueError, match="batch_size: 6 cannot be split over 2 processes, each part even"):
        loading.Batches(some_images(), rules(), seed=0, processes=2)


def test_the_callers_generators_are_left_alone(rules):
    source = loading.Batches(some_images(), rules(), seed=0)
    drawn = []
    for work in (lambda: None, lambda: batches(source), lambda: batches(source, workers=1)):
        random.seed(5)
        np.random.seed(5)
        torch.manual_seed(5)
        work()
        drawn.append((random.random(), np.random.random(), torch.rand(1).item()))
    assert drawn[0] == drawn[1] == drawn[2]


@pytest.mark.parametrize("mixing", [{"mixup": 0.8, "cutmix": 0.0}, {"mixup": 0.0, "cutmix": 1.0}, {}])
def test_mixed_targets_sum_to_one(rules, mixing):
    source = loading.Batches(some_images(), rules(batch_size=7, **mixing), seed=0)
    for step in range(8):
        targets = source.batch(step)[1]
        assert torch.allclose(targets.sum(dim=1), torch.ones(7), atol=1e-6)
        assert (targets >= 0.1 / 5 - 1e-6).all()


def test_cutmix_targets_are_the_shares_of_pixels(rules):
    images = torch.arange(4.0)[:, None, None, None].expand(4, 3, 16, 16).clone()
    for seed in range(20):
        mixed, targets = loading.mix(
            images.clone(), torch.eye(4), rules(mixup=0.0, batch_size=4), np.random.default_rng(seed)
        )
        for i in range(4):
            shares = [(mixed[i] == other).float().mean() for other in range(4)]
            assert torch.allclose(targets[i], torch.tensor(shares), atol=1e-6)


def test_mixup_mixes_images_as_targets(rules):
    images = torch.eye(5)[:, :, None, None].expand(5, 5, 16, 16).clone()
    mixed, targets = loading.mix(images, torch.eye(5), rules(cutmix=0.0), np.random.default_rng(0))
    assert torch.allclose(mixed[:, :, 0, 0], targets)
    assert ((targets > 0).sum(dim=1) == torch.tensor([2, 2, 2, 2, 1])).all()  # the odd one stays alone


def test_no_mixing_leaves_smoothed_labels(rules):
    source = loading.Batches(some_images(), rules(mix_probability=0.0), seed=0)
    targets = source.batch(0)[1]
    assert torch.equal(targets.argmax(dim=1), torch.as_tensor(source.images.labels[source.ids(0)]))
    assert torch.allclose(targets.max(dim=1).values, torch.tensor(0.9 + 0.1 / 5))


def test_mix_probability_is_the_share_of_mixed_batches(rules):
    targets = torch.eye(6)
    mixed = [
        not torch.equal(
            loading.mix(torch.zeros(6, 3, 16, 16), targets, rules(mix_probability=0.3), np.random.default_rng(i))[1],
            targets,
        )
        for i in range(400)
    ]
    assert 0.2 < np.mean(mixed) < 0.4


def test_normalisation_is_the_recipes(rules):
    images = loading.Images(np.full((2, 16, 16), 255, np.uint8), [0, 1], "ab")
    how = rules(mean=[0.5, 0.4, 0.0], std=[0.5, 0.2, 2.0], batch_size=2, **PLAIN)
    expected = torch.tensor([1.0, 3.0, 0.5])
    shown = loading.Batches(images, how, seed=0).batch(0)[0]
    assert torch.allclose(shown.mean(dim=(0, 2, 3)), expected)
    assert torch.allclose(next(loading.in_order(images, how))[0].mean(dim=(0, 2, 3)), expected)
    assert (loading.to_pixels(shown, how) == 255).all()


def test_strongest_augmentation_is_survived(rules):
    how = rules(auto_augment="rand-m10-n6-inc1", batch_size=32)  # posterize then keeps no bit, which Pillow refuses
    source = loading.Batches(some_images(), how, seed=0)
    assert all(torch.isfinite(source.batch(step)[0]).all() for step in range(4))


def test_evaluation_goes_through_the_images_in_order(rules):
    images = some_images(n=13, classes=4)
    found = list(loading.in_order(images, rules(batch_size=5)))
    assert [len(x) for x, _ in found] == [5, 5, 3]
    assert torch.cat([y for _, y in found]).tolist() == images.labels.tolist()


def test_crop_pct_is_the_share_of_the_side_that_evaluation_sees(rules):
    pixels = np.zeros((1, 32, 32), np.uint8)
    pixels[0, :4] = 255  # an edge that a crop of half the side leaves out
    images = loading.Images(pixels, [0], "a")
    shown = {
        share: next(loading.in_order(images, rules(crop_pct=share, interpolation="bilinear")))[0]
        for share in (0.5, 1.0)
    }
    assert shown[1.0].max() > 0
    assert shown[0.5].max() == -1


def test_files_of_the_same_pixels_are_the_same_in_every_mode(tmp_path):
    binary = Image.fromarray((SHADES > 127).astype(np.uint8) * 127)
    palette = Image.fromarray((SHADES > 127).astype(np.uint8))
    palette.putpalette([0, 0, 0, 127, 127, 127])
    folder_of(tmp_path, gray=binary, rgb=binary.convert("RGB"), palette=palette)
    palette.save(tmp_path / "a" / "one_bit.png", bits=1)
    images = loading.Images.from_folder(tmp_path)
    expected = np.repeat(np.asarray(binary)[..., None], 3, axis=2)
    assert len(images) == 4
    for i in range(4):
        assert np.array_equal(np.asarray(images.picture(i).convert("RGB")), expected)
        assert images.pixels(i).shape == (30, 20)  # one channel


def test_colour_stays_colour(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    images = loading.Images.from_folder(folder_of(tmp_path, x=Image.fromarray(colours)))
    assert np.array_equal(images.pixels(0), colours)


def test_sixteen_bit_gray_keeps_its_high_byte(tmp_path):
    images = loading.Images.from_folder(folder_of(tmp_path, x=Image.fromarray(SHADES.astype(np.uint16) * 256 + 7)))
    assert np.array_equal(images.pixels(0), SHADES)


def test_files_give_the_batches_of_arrays(rules, tmp_path):
    images = some_images(n=4, classes=2)
    for i in range(4):
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        Image.fromarray(images.pixels(i)).save(tmp_path / "ab"[i % 2] / f"{i}.png")
    order = [0, 2, 1, 3]  # class by class
    arrays = loading.Images(images.items[order], images.labels[order], "ab")
    sources = [loading.Batches(x, rules(), seed=0) for x in (arrays, loading.Images.from_folder(tmp_path))]
    assert same(*[batches(source) for source in sources])


def test_folders_are_sorted_and_hidden_files_left_out(tmp_path):
    picture = Image.fromarray(SHADES)
    for name in ("b/2.png", "b/10.JPG", "a/x.bmp", "a/.hidden.png", ".git/x.png", "b/.cache/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture.save(tmp_path / name)
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "a" / "notes.txt").write_text("x")
    images = loading.Images.from_folder(tmp_path)
    assert images.classes == ["a", "b"]
    assert [path.name for path in images.items] == ["x.bmp", "10.JPG", "2.png"]
    assert images.labels.tolist() == [0, 1, 1]


def test_decoded_files_are_kept_up_to_the_budget(tmp_path, monkeypatch):
    folder_of(tmp_path, **{name: Image.fromarray(SHADES) for name in "abc"})
    read, decode = [], loading.decode
    monkeypatch.setattr(loading, "decode", lambda path: read.append(path.stem) or decode(path))
    images = loading.Images.from_folder(tmp_path, cache_bytes=2 * SHADES.nbytes)
    for i in (0, 1, 2, 0, 1, 2):
        images.pixels(i)
    assert "".join(read) == "abcc"


@pytest.mark.parametrize("damage", ["truncated", "flipped", "text", "empty"])
def test_corrupt_image_is_named(rules, tmp_path, damage):
    folder_of(tmp_path, good=Image.fromarray(SHADES), bad=Image.fromarray(SHADES))
    path = tmp_path / "a" / "bad.png"
    data = path.read_bytes()
    flipped = data[:20] + bytes([data[20] ^ 255]) + data[21:]
    path.write_bytes(
        {"truncated": data[: len(data) // 2], "flipped": flipped, "text": b"no image", "empty": b""}[damage]
    )
    source = loading.Batches(loading.Images.from_folder(tmp_path), rules(), seed=0)
    for workers in (0, 1):
        with pytest.raises(ValueError, match=r"a/bad.png: cannot be read as an image .* restore or delete it"):
            batches(source, workers=workers)


def test_folders_without_images_are_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        loading.Images.from_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has no class folders"):
        loading.Images.from_folder(tmp_path)
    folder_of(tmp_path, x=Image.fromarray(SHADES))
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match="b: holds no image"):
        loading.Images.from_folder(tmp_path)


def test_arrays_that_are_no_images_are_refused():
    good = np.zeros((2, 4, 4), np.uint8)
    for items, labels, words in [
        (good.astype(float), [0, 1], "items: float64"),
        (good[0], [0, 1], r"items: uint8 \(4, 4\) given"),
        (good, [0], "labels: shape"),
        (good, [0, 2], "labels: 0 to 2 given; allowed is 0 to 1"),
        (good[:0], [], "items: empty"),
    ]:
        with pytest.raises(ValueError, match=words):
            loading.Images(items, labels, "ab")


def test_few_shots_are_drawn_for_each_class_by_the_seed():
    images = some_images(n=50)
    few, again, other = (images.few_shot(4, seed=seed) for seed in (1, 1, 2))
    assert np.bincount(few.labels).tolist() == [4] * 5
    assert np.array_equal(few.items, again.items)
    assert not np.array_equal(few.items, other.items)
    more = images.few_shot(6, seed=1)
    assert {image.tobytes() for image in few.items} < {image.tobytes() for image in more.items}
    assert len(images.few_shot(0, seed=1)) == 50


def test_more_shots_than_images_are_refused():
    with pytest.raises(ValueError, match="shots: 11 is out of range; class 0 has 10 images"):
        some_images(n=50).few_shot(11, seed=0)


INTERRUPTED = """
import sys, time, numpy as np
from ofdb_core import loading
class Slow:
    def batch(self, step):
        time.sleep(0.01)
        return np.zeros(3)
for step, _ in enumerate(loading.prefetch(Slow(), 10**9, workers=2)):
    if step == 2:
        print("working", flush=True)
"""


def test_ctrl_c_ends_the_workers_too():
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "working\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    error = process.communicate(timeout=60)[1]
    assert error.count("Traceback") == 1
    assert error.rstrip().endswith("KeyboardInterrupt")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody is left
