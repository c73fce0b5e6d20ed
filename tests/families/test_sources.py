"""What training relies on, whatever it draws its samples from: every source of every family."""

import pickle
import shutil

import pytest
import test_families
import torch

from ofdb_core.base import parameters
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Batches
from ofdb_core.data import samples
from ofdb_core.families import coded, registry, segrcdb
from tests.helpers import tiny

EVERY = {source.folder: family for family in registry.families().values() for source in family.sources}
FOR_MASKS = {
    **{"task": "segmentation", "pipeline": "ofdb", "mix_probability": 0.0, "label_smoothing": 0.0},
    **{"auto_augment": None, "erasing": 0.0},
}
LIVE = {"patches": "both", "views": 4, "delta": 0.05, "weights": 0.1}  # of these, what a source takes


@pytest.fixture(scope="module", params=EVERY)
def opened(request, tmp_path_factory):
    """A function that opens a source, whose folder lies alone, by a recipe with these values; and it gives both."""
    name, made = request.param, tmp_path_factory.mktemp("made")
    test_families.write(EVERY[name], made)
    root = shutil.copytree(made / name, tmp_path_factory.mktemp("alone") / name)
    source = registry.sources()[name]
    live = {}
    if source.live:
        known = source.live.kinds()
        live = {"samples": "live", "live": {entry: value for entry, value in LIVE.items() if entry in known}}

    def open_samples(**values):
        masks = FOR_MASKS if source.masks else {}
        recipe = tiny.pretrain(data=name, **live, **{**values, **masks})
        return recipe.samples_in(root), recipe

    return open_samples


def same(some, others):
    pairs = (pair for two in zip(some, others, strict=True) for pair in zip(*two, strict=True))
    return all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("pipeline", ["ofdb", "timm"])
def test_batches_can_be_sent_to_a_process_that_starts_anew(opened, pipeline):
    """As on macOS, and everywhere from Python 3.14 on; where processes are forks this would not be seen."""
    source = Batches(*opened(pipeline=pipeline), seed=1)
    assert same([source.batch(0)], [pickle.loads(pickle.dumps(source)).batch(0)])


def test_batches_do_not_depend_on_threads_processes_or_where_they_begin(opened):
    how = {"batch_size": 8, "mix_groups": 2, "augmentation_repeats": 2}
    source, again = (Batches(*opened(**how), seed=1) for _ in range(2))
    every = list(prefetch(source, 4))
    assert same(every, prefetch(again, 4, workers=3))
    assert same(every[3:], prefetch(Batches(*opened(**how), seed=1), 4, start=3, workers=2))
    shares = [Batches(*opened(**how), seed=1, share=(i, 2)).batch(2) for i in range(2)]
    assert same(every[2:3], [[torch.cat(parts) for parts in zip(*shares, strict=True)]])


def test_what_is_kept_in_memory_is_as_much_as_is_allowed_and_changes_nothing(opened):
    sources = [Batches(*opened(cache_gb=allowed), seed=1) for allowed in (1.0, 0.0)]
    every = [list(prefetch(source, 4)) for source in sources]
    assert same(*every)
    held, bare = (len(pickle.dumps(source.images)) for source in sources)
    drawn = isinstance(sources[0].images, coded.LiveCodes | segrcdb.LiveScenes)
    assert held > bare or drawn  # which keeps no pictures
    assert bare == len(pickle.dumps(opened(cache_gb=0.0)[0]))


@pytest.mark.parametrize("name", registry.sources())
def test_a_source_without_images_is_refused_where_images_are_evaluated(name):
    if registry.sources()[name].live or registry.sources()[name].masks:
        with pytest.raises(
            parameters.ParameterError, match=f"data: {name} holds no images of one class each; those .* are images, "
        ):
            tiny.of("6_evaluate", data=name)
    else:
        assert tiny.of("6_evaluate", data=name).inputs() == ("pretrain", name)


def test_threads_share_one_cache(tmp_path, monkeypatch):
    read, decode = [], samples.decode
    monkeypatch.setattr(samples, "decode", lambda path, **how: read.append(path) or decode(path, **how))
    recipe = tiny.pretrain(data=tiny.folder_of_shades(tmp_path, 16))
    source = Batches(recipe.opened(recipe.data, tmp_path), recipe, seed=0)
    for _ in range(2):  # passes over the 16 images
        assert len(list(prefetch(source, 4, workers=8))) == 4
    assert len(read) == len(set(read)) == 16
