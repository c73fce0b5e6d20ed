"""What every registered family promises: those of the package, and a toy from outside."""

import contextlib
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from ofdb_core.base import cluster, filling, manifests, parameters, provenance
from ofdb_core.base.folder import Folder
from ofdb_core.data import scenes
from ofdb_core.families import registry
from ofdb_core.families.drawing import Drawing
from ofdb_core.run import catalogue
from tests.helpers import clients, toy_family

DESCRIBING = {scenes.CLASSES, scenes.METADATA}  # files that list the others


@pytest.fixture(scope="module", params=[*registry.families(), "toy"])
def family(request):
    with toy_family.registered() if request.param == "toy" else contextlib.nullcontext():
        yield registry.families()[request.param]


def values(stage, **changes):
    """The values of a quick run of a stage."""
    known = {name: value for name, value in changes.items() if name in stage.parameters.kinds()}
    return {**stage.small, **known}


def write(family, out, **changes):
    """Run all stages that a family's folders need; returns folder -> (name -> hash)."""
    for stage in catalogue.writers(family):
        stage.write(stage.parameters.of(values(stage, out=str(out), **changes)))
    return files(family, out)


def files(family, out):
    return {name: Folder(out / name).manifest()["files"] for name in folders(family)}


def folders(family):
    return [name for stage in family.stages for name in stage.writes]


@pytest.fixture(scope="module")
def made(family, tmp_path_factory):
    """A folder in which all stages ran."""
    out = tmp_path_factory.mktemp(family.name)
    write(family, out)
    return out


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def is_result(path):
    return not Path(path).name.endswith(".part") and ".manifest." not in Path(path).name


def times(out):
    return {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and is_result(path)}


# ---- the registration


def test_the_last_stage_has_the_parameters_that_the_lab_gives_by_itself(family):
    assert {"out", "seed", "workers", "categories"} <= family.stages[-1].parameters.kinds().keys()
    assert family.example(categories=7, seed=3).categories == 7


def test_a_stage_without_a_notebook_names_its_code(family):
    for stage in family.stages:
        assert stage.parameters.of(values(stage)).code() or stage.name not in registry.served_stages()


def test_every_stage_that_writes_has_its_folders_and_every_source_is_written(family):
    assert all(bool(stage.writes) == bool(stage.write) for stage in family.stages)
    assert {source.folder for source in family.sources} <= set(folders(family))
    assert family.stages[-1].write


def test_the_code_that_samples_depend_on_has_a_version(family):
    assert all(len(provenance.code_version(*source.code())) == 16 for source in family.sources)


# ---- the folders


@pytest.mark.parametrize("workers", [1, 3])
def test_the_files_do_not_depend_on_workers(family, made, tmp_path, workers):
    assert write(family, tmp_path, workers=workers) == files(family, made)
    before = times(tmp_path)
    write(family, tmp_path, workers=2)
    assert times(tmp_path) == before  # complete and unchanged: kept


def test_a_shorter_run_has_the_first_files_and_the_longer_one_goes_on(family, made, tmp_path):
    (counts,) = {stage.counts for stage in family.stages if stage.write}
    fewer, every = write(family, tmp_path, **{counts: 2}), files(family, made)
    for name, hashes in fewer.items():
        of_files = {file: hashed for file, hashed in hashes.items() if file not in DESCRIBING}
        counted = counts == "categories" or name == family.stages[-1].writes[-1]
        assert 0 < len(hashes) < len(every[name]) or not counted
        of_first = every[name].items() if DESCRIBING & set(hashes) else list(every[name].items())[: len(of_files)]
        assert dict(of_first).items() >= of_files.items()
    assert write(family, tmp_path) == every


def test_another_seed_makes_other_images(family, made, tmp_path):
    images = family.stages[-1].writes[-1]
    other, before = write(family, tmp_path, seed=17)[images], files(family, made)[images]
    assert {name for name in other if other[name] == before.get(name)} <= DESCRIBING


def write_and_die(name, out, count):
    """Write a family's folders; die by SIGKILL when the file of this number is in place."""
    write_whole, written = filling.write_whole, []

    def cut_off(path, data, **how):
        write_whole(path, data, **how)
        written.extend([path] if is_result(path) else [])
        if len(written) == count:
            os.kill(os.getpid(), signal.SIGKILL)

    filling.write_whole = cut_off
    with toy_family.registered():
        write(registry.families()[name], out, workers=1)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_run_that_was_killed_goes_on_and_gives_the_same_bytes(family, made, tmp_path, share):
    every = files(family, made)
    count = 2 + int(share * (sum(map(len, every.values())) - 2))
    death = family.name, tmp_path, count
    process = multiprocessing.get_context("spawn").Process(target=write_and_die, args=death, daemon=True)
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL
    left = times(tmp_path)
    assert len(left) == count
    (part,) = tmp_path.glob(f"*.{manifests.PART}")
    root = tmp_path / part.name.removesuffix(f".{manifests.PART}")
    assert "unfinished" in Folder(root).verify()[0]
    assert all(path.name in part.read_text() for path in left if path.is_relative_to(root))
    assert write(family, tmp_path) == every
    assert [Folder(tmp_path / name).verify() for name in every] == [[]] * len(every)
    after = times(tmp_path)
    assert [path for path in left if after[path] != left[path]] == []


def test_a_missing_and_an_altered_file_are_noticed_and_made_again(family, copy):
    every = files(family, copy)
    for name, hashes in every.items():
        missing, altered = list(hashes)[:2]
        (copy / name / missing).unlink()
        data = bytearray((copy / name / altered).read_bytes())
        data[-1] ^= 1  # the size stays
        (copy / name / altered).write_bytes(data)
        assert Folder(copy / name).verify() == [f"{missing}: missing", f"{altered}: altered"]
    assert write(family, copy) == every
    assert [Folder(copy / name).verify() for name in every] == [[]] * len(every)


# ---- bad input


def test_values_of_the_wrong_type_are_refused_by_name(family):
    for stage in family.stages:
        for name in stage.parameters.kinds():
            with pytest.raises(parameters.ParameterError, match=rf"^{name}: 1j is not allowed; allowed is "):
                stage.parameters.of({**values(stage), name: 1j})


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", -1), ("seed", 2**32), ("workers", -1), ("categories", 0), ("image_size", 0)],
)
def test_values_out_of_range_are_refused_by_name(family, name, value):
    stages = [stage for stage in family.stages if name in stage.parameters.kinds()]
    assert stages
    for stage in stages:
        with pytest.raises(ValueError, match=f"^{name}: {value} is out of range; allowed is a whole number, at least"):
            stage.parameters.of({**values(stage), name: value})


# ---- the pictures and the samples


def test_goldens_hold(family):
    sentences = dict(family.goldens())
    assert sentences
    assert all(sentences.values()), sentences


def test_a_picture_shows_a_category(family):
    example = family.example()
    pictures = [family.picture(example, category) for category in (0, 1)]
    for pixels in pictures:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 2 or pixels.shape[2:] == (3,)
        assert pixels.max() > pixels.min()
    assert (pictures[0] != pictures[1]).any()
    assert (family.picture(example, 1) == pictures[1]).all()


def drawing(way, source):
    sizes = {"size": 32} if way == "live" and source.live and "size" in source.live.kinds() else {}
    return Drawing(samples=way, live=sizes)


def check_scenes(opened):
    assert len(opened) > 1
    for key in (None, 5):
        (picture, mask), again = (opened.pair(len(opened) - 1, key) for _ in range(2))
        assert picture.dtype == np.uint8
        assert mask.dtype == np.int16
        assert picture.shape[:2] == mask.shape
        assert scenes.NO_CLASS <= mask.min() < mask.max() < len(opened.classes)
        assert (picture == again[0]).all()
        assert (mask == again[1]).all()


def test_pictures_with_a_ground_have_masks(family, made, tmp_path):
    for source in (source for source in family.sources if not source.masks):
        way = "live" if source.live else "all"
        how = drawing(way, source)
        root = shutil.copytree(made / source.folder, tmp_path / source.folder / source.folder)
        if source.ground is None:
            with pytest.raises(ValueError, match=f"data: {source.folder} has no masks, and no ground"):
                how.opened_scenes(source.folder, root)
            continue
        opened, plain = (
            how.opened_scenes(source.folder, root),
            how.opened(source.folder, root),
        )
        check_scenes(opened)
        assert opened.classes == [scenes.NAME_OF_GROUND, *plain.classes]
        for i in (0, len(plain) - 1):
            (picture, mask), pixels = opened.pair(i, 7), plain.pixels(i, 7)
            assert (picture == pixels).all()
            lit = (np.atleast_3d(pixels) != source.ground).any(axis=2)  # no pixel, if a shape lies outside
            assert (mask == np.where(lit, plain.labels[i] + 1, 0)).all()


def test_training_can_draw_samples_from_every_source(family, made, tmp_path):
    for source in family.sources:
        root = shutil.copytree(made / source.folder, tmp_path / source.folder / source.folder)
        categories = sorted(
            {name.split("/")[0].split(".")[0] for name in Folder(made / source.folder).manifest()["files"]}
        )
        for way in ("all", "one", "live"):
            if bool(source.live) != (way == "live"):
                with pytest.raises(ValueError, match=f"samples: {way} does not suit data: {source.folder}"):
                    drawing(way, source).opened(source.folder, root)
                continue
            if source.masks:
                check_scenes(drawing(way, source).opened_scenes(source.folder, root))
                continue
            opened = drawing(way, source).opened(source.folder, root)
            assert opened.classes == categories
            assert set(opened.labels.tolist()) == set(range(len(categories)))
            assert len(opened) == len(opened.labels) >= len(categories)
            for key in (None, 5):
                views = [opened.pixels(len(opened) - 1, key) for _ in range(2)]
                assert views[0].dtype == np.uint8
                assert (views[0] == views[1]).all()


# ---- on a cluster


@pytest.fixture(scope="session")
def workers():
    """The address of a cluster of one process."""
    distributed = clients.client("distributed")
    how = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with distributed.LocalCluster(1, **how) as found:
        yield found.scheduler_address


@pytest.mark.slow
def test_a_cluster_draws_what_threads_draw(family, made, tmp_path, monkeypatch, workers):
    if family.name == "toy":
        pytest.skip("a file that was registered by this test's process alone")
    monkeypatch.setenv(cluster.VARIABLE, workers)
    assert write(family, tmp_path) == files(family, made)
