"""What a sample costs on one core: from an image to its place in a normalised and mixed batch, beside timm's chain.

The baseline is what timm's own loader does with the same images and recipe: its transforms of a PIL image, a batch of
float32 tensors, its Mixup. That both augment alike is what tests/batches/test_chain.py is for: they
draw different numbers.
"""

import functools
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from benchmarks import prepared
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Batches
from ofdb_core.data.samples import Images
from ofdb_core.run import parameter_files
from ofdb_core.stages import recipes

# isort: split
from timm.data import Mixup, create_transform

SLOW = 3  # batches of the baseline


def recipe_of(experiment, stage, settings, **values):
    """The published recipe of an experiment, with a batch of 32."""
    return settings.of({**parameter_files.values(experiment, stage), "batch_size": 32, **values})


def _by_timm(images, recipe, batches):
    """Seconds for one sample: augmented, stacked and mixed by timm."""
    rules: dict[str, Any] = {"color_jitter": None, **prepared.timms_augmentation(recipe)}
    chain = create_transform(recipe.input_size, **rules)
    mixing = Mixup(num_classes=len(images.classes), **prepared.timms_mixing(recipe))

    def batch(step):
        ids = [(step * recipe.batch_size + i) % len(images) for i in range(recipe.batch_size)]
        pictures = [chain(Image.fromarray(images.pixels(i, i)).convert("RGB")) for i in ids]
        return mixing(torch.stack(pictures), torch.as_tensor(images.labels[ids]))

    batch(0)
    began = time.perf_counter()
    for step in range(batches):
        batch(step)
    return (time.perf_counter() - began) / (batches * recipe.batch_size)


def measure(images, recipe, samples, *, finished=True, pictures=None):
    """n samples of a recipe's batches; finished: normalised and mixed, else the bytes that go to a GPU.

    pictures: those of PixMix, which the baseline does without.
    """
    torch.set_num_threads(1)
    source = Batches(images, recipe, seed=0, pictures=pictures)
    steps = max(1, samples // recipe.batch_size)
    for i in range(len(images)):
        images.pixels(i)  # decoded, or its table made
    source.batch(0)
    slow = _by_timm(images, recipe, SLOW)
    raw_batches = (source.raw_batch(step) for step in range(steps))
    began = time.perf_counter()
    for _ in prefetch(source, steps) if finished else raw_batches:
        pass
    seconds = time.perf_counter() - began
    return prepared.Measured(seconds, steps * recipe.batch_size, "sample", slow)


def _stored(root, samples, experiment="2d-ofdb-1k", *, finished=True):
    recipe = recipe_of(experiment, "4_pretrain", recipes.Pretrain)
    return measure(Images.from_folder(root), recipe, samples, finished=finished)


def stored_2d(samples, *, finished=True):
    """Stored images of the released 2D-OFDB, 362 px, by the published recipe."""
    return _stored(prepared.released(1000), samples, finished=finished)


def _live(root, samples, experiment="2d-ofdb-1k", **values):
    recipe = recipe_of(experiment, "4_pretrain", recipes.Pretrain, samples="live", **values)
    return measure(recipe.opened(recipe.data, root), recipe, samples)


def stored_1p(samples):
    """Stored images of the published 1p-frac, 512 px."""
    return _stored(prepared.perturbations(1000) / "1p-frac", samples, "1p-frac")


def live_1p(samples, *, patches="pattern"):
    """Images of the published 1p-frac, each with patches of its own, from its systems' files."""
    root = prepared.perturbations(1000) / "1p-frac-codes"
    return _live(root, samples, "1p-frac", data="1p-frac-codes", live={"patches": patches})


def live_2d(samples, *, patches="pattern"):
    """Images of the released 2D-OFDB, each with patches of its own, from its categories' files."""
    return _live(prepared.categories(1000), samples, data="categories", live={"patches": patches})


def live_3d(samples):
    """Views of the released 3D-OFDB's models, from anywhere."""
    return _live(prepared.models(1000), samples, data="models")


def rgb(side, *, pixmix=False):
    """512 samples of photographs' size and kind: noise in colour, side x side, by the recipe of fine-tuning.

    pixmix: each is mixed with fractals that are drawn from their systems for it alone.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (64, side // 8, side // 8, 3), dtype=np.uint8)
    large = np.stack(
        [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)) for one in pixels]
    )
    live = {"size": 252, "patches": "pattern"}  # before its crop to 224 pixels
    mixed = {"mix_pictures": "pixmix", "pixmix_data": str(prepared.categories(100)), "pixmix_live": live}
    recipe = recipe_of("finetune/cifar10", "5_finetune", recipes.Finetune, **(mixed if pixmix else {}))
    images = Images(large, np.arange(64) % 10, range(10))
    return measure(images, recipe, 512, pictures=recipe.mixing_pictures(recipe.out))


def photo(samples):
    """n crops for fine-tuning, of photographs of 12 megapixels that no cache keeps; the baseline decodes them whole.

    The photograph is scikit-learn's china.jpg, enlarged, with noise. In place of memory: MB of a decoded picture.
    """
    small = load_sample_image("china.jpg")[:, :-71]  # 4 : 3
    large = np.asarray(Image.fromarray(small).resize((4000, 3000), Image.Resampling.BICUBIC)).astype(float)
    noisy = large + np.random.default_rng(0).normal(0, 3, large.shape)
    torch.set_num_threads(1)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    megabytes = {}
    with tempfile.TemporaryDirectory() as root:
        path = Path(root) / "photo.jpg"
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=92)
        for turn, draft in itertools.product(range(1 + SLOW), (True, False)):
            recipe = recipe_of("finetune/cifar10", "5_finetune", recipes.Finetune, draft=draft, batch_size=4)
            images = Images([path] * 4, [0, 1, 0, 1], range(2), cache_bytes=0, reading=recipe.reading_crops())
            source, steps = Batches(images, recipe, seed=0), max(1, samples // (4 * SLOW)) if turn else 1
            began = time.perf_counter()
            for step in range(steps):
                source.batch(step)
            if turn:  # the first one compiles
                seconds[draft].append((time.perf_counter() - began) / (4 * steps))
            megabytes[draft] = images.pixels(0).nbytes / 1e6
    ours, theirs = (float(np.median(seconds[draft])) for draft in (True, False))
    held = megabytes[True], megabytes[False]
    return prepared.Measured(ours * samples, samples, "sample", theirs, memory_mb=held)


def memory(workers):
    """What n workers hold of 1,000 images: threads of ours, and processes of timm's chain as in its loader.

    Eight epochs of the crop alone, to 16 px, so that each process meets nearly every image.
    """
    how = {"input_size": 16, "auto_augment": None, "erasing": 0.0, "mix_probability": 0.0}
    root, held, seconds = prepared.released(1000), [], []
    for pipeline in ("ofdb", "timm"):
        images = Images.from_folder(root)
        recipe = recipe_of("2d-ofdb-1k", "4_pretrain", recipes.Pretrain, pipeline=pipeline, **how)
        source, steps = Batches(images, recipe, seed=0), 8 * workers * len(images) // (2 * recipe.batch_size)
        before, began, most = prepared.memory_mb(), time.perf_counter(), 0.0
        for step, _ in enumerate(prefetch(source, steps, workers=workers), 1):
            if step % (steps // 4) == 0:
                most = max(most, prepared.memory_mb())
        held.append(most - before)
        seconds.append(time.perf_counter() - began)
        del images, source
    samples = steps * recipe.batch_size
    return prepared.Measured(seconds[0], samples, "sample", seconds[1] / samples, memory_mb=tuple(held))


CASES: dict[str, tuple[Callable[..., prepared.Measured], list[int]]] = {
    "sample_stored_2d": (stored_2d, [4000]),
    "sample_stored_2d_bytes": (functools.partial(stored_2d, finished=False), [4000]),
    "sample_live_2d": (live_2d, [4000]),
    "sample_live_2d_texture": (functools.partial(live_2d, patches="texture"), [4000]),
    "sample_live_2d_both": (functools.partial(live_2d, patches="both"), [4000]),
    "sample_live_3d": (live_3d, [4000]),
    "sample_stored_1p-frac": (stored_1p, [4000]),
    "sample_live_1p-frac": (live_1p, [4000]),
    "sample_live_1p-frac_both": (functools.partial(live_1p, patches="both"), [4000]),
    "sample_rgb": (rgb, [32, 500]),
    "sample_rgb_pixmix": (functools.partial(rgb, pixmix=True), [32, 500]),
    "sample_photo": (photo, [60]),
    "sample_memory": (memory, [8]),
}
