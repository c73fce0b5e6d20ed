"""What a run writes, opened as each client's documentation says: the same pixels, labels, points and predictions.

The clients are optional (pip install -r requirements-clients.txt); .ci/run has them, and there none of this is skipped.
"""

import glob
import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image

from ofdb_core.base import provenance
from ofdb_core.data import croissant, forms, packing, ply, samples, scenes, tables
from ofdb_core.families import registry
from ofdb_core.show import wall
from tests.helpers import tiny
from tests.helpers.clients import client

pytestmark = pytest.mark.slow

FAMILIES = {"2d": {}, "2d-color": {"draw": "patch_color"}, "3d": {}, "visualatom": {"image_size": 512}, "1p-frac": {}}
COLUMNS = {
    "parquet": ("image", "label"),
    "webdataset": ("png", "cls"),
}  # form -> image and label, as `datasets` has them
SEEN = {"mean": [0.1] * 3, "std": [0.3] * 3, "interpolation": "bilinear", "crop_pct": 0.8}  # unlike timm's own


@pytest.fixture(scope="module", params=FAMILIES)
def images(request, tmp_path_factory):
    """The folder of images of a small run, and what is in it: (pixels (H, W, 3), class) in the order of the files."""
    out, family = tmp_path_factory.mktemp("run"), registry.families()[request.param.removesuffix("-color")]
    for stage in family.stages:
        if stage.write:
            values = {"seed": 0, "workers": 0, "categories": 3, "out": str(out), **FAMILIES[request.param]}
            known = stage.parameters.kinds()
            small = {name: value for name, value in {**stage.small, **values}.items() if name in known}
            stage.write(stage.parameters.of(small))
    root = out / family.stages[-1].writes[-1]
    croissant.write(root, family.title)
    found = samples.Images.from_folder(root)
    pixels = [np.asarray(Image.fromarray(found.pixels(i)).convert("RGB")) for i in range(len(found))]
    assert all(shown.any() for shown in pixels)
    return root, [(shown, found.classes[label]) for shown, label in zip(pixels, found.labels, strict=True)]


def same(shown, pixels):
    """Whether an array (H, W), (1, H, W), (H, W, 3) or (3, H, W) is the picture (H, W, 3), value for value."""
    shown = np.asarray(shown)
    if shown.ndim == 3 and shown.shape[0] in (1, 3):
        shown = np.moveaxis(shown, 0, -1)
    shown = shown if shown.ndim == 3 else shown[..., None]
    return shown.dtype == np.uint8 and (shown == pixels).all()


def test_datasets_of_hugging_face_read_pictures_with_their_masks(tmp_path):
    datasets, family = client("datasets"), registry.families()["segrcdb"]
    family.stages[-1].write(family.example(**{**family.stages[-1].small, "out": str(tmp_path)}))
    root = tmp_path / "segrcdb"
    read = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(tmp_path / "kept"), split="train")
    opened = scenes.Pairs.from_folder(root)
    assert len(read) == len(opened) == 4
    for i, row in enumerate(read):
        picture, mask = opened.pair(i)
        assert (np.asarray(row["image"]) == picture).all()
        assert (np.asarray(row["mask"]) == mask).all()


@pytest.mark.parametrize("form", ["numpy", "torch", None])
def test_datasets_of_hugging_face_read_the_images(images, tmp_path, monkeypatch, form):
    datasets = client("datasets")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    root, wanted = images
    read = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(tmp_path), split="train")
    names = read.features["label"].names
    assert len(read) == len(wanted)
    for row, (pixels, label) in zip(read.with_format(form), wanted, strict=True):
        assert names[int(row["label"])] == label
        assert same(row["image"], pixels)


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_datasets_of_hugging_face_read_what_is_packed(images, tmp_path, monkeypatch, form):
    datasets = client("datasets")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    root, wanted = images
    packed = packing.pack(root, form, tmp_path / "packed")
    shards = [str(path) for path in forms.shards(packed)]
    read = datasets.load_dataset(form, data_files=shards, cache_dir=str(tmp_path), split="train")
    classes, column, label = sorted({name for _, name in wanted}), *COLUMNS[form]
    found = [(classes[int(row[label])], np.asarray(row[column].convert("RGB")).tobytes()) for row in read]
    assert sorted(found) == sorted((name, pixels.tobytes()) for pixels, name in wanted)


def test_croissant_is_iterated(images):
    mlc = client("mlcroissant")
    root, wanted = images
    read = mlc.Dataset(str(root.with_name(f"{root.name}.{croissant.CROISSANT}")))
    assert not read.metadata.ctx.issues.errors
    records = [(one["samples/label"].decode(), one["samples/image"]) for one in read.records("samples")]
    found = sorted((label, np.asarray(picture).tobytes()) for label, picture in records)
    assert found == sorted((label, pixels.tobytes()) for pixels, label in wanted)
    said = read.metadata
    for told in (said.name, said.description, said.license, said.version, said.url, said.date_published, said.creators):
        assert told


def test_torchvision_and_whoever_opens_a_file_without_converting_it(images):
    root, wanted = images
    read = torchvision.datasets.ImageFolder(root)
    for (picture, label), (path, _), (pixels, name) in zip(read, read.samples, wanted, strict=True):
        assert (read.classes[label], same(picture, pixels)) == (name, True)
        assert same(Image.open(path), pixels)


def test_the_originals_trainer_finds_the_label_of_a_folder_in_its_name(images):
    """Of 3D-OFDB: every name in the class root is a category's number, and one view of it is drawn."""
    root, wanted = images
    found = {}
    for folder in glob.glob(str(root / "*")):  # noqa: PTH207
        files = sorted(glob.glob(f"{folder}/*.png"))  # noqa: PTH207
        found[int(Path(folder).name)] = np.asarray(Image.open(files[0]).convert("RGB"))
    assert sorted(found) == sorted({int(label) for _, label in wanted})
    first = {int(label): pixels for pixels, label in reversed(wanted)}
    assert all((found[label] == first[label]).all() for label in found)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    out, family = tmp_path_factory.mktemp("run"), registry.families()["3d"]
    stage = family.stages[-1]
    stage.write(family.example(**{**stage.small, "out": str(out), "categories": 1}))
    (path,) = (out / "models").glob("*/*.ply")
    return path


def test_plyfile_and_trimesh_read_every_bit_of_the_points(model_file):
    points = ply.load(model_file)
    vertices = client("plyfile").PlyData.read(str(model_file))["vertex"]
    assert (np.column_stack([vertices[axis] for axis in "xyz"]) == points).all()
    assert (client("trimesh").load(str(model_file)).vertices == points).all()


def test_trimesh_opens_the_points_of_a_picture_and_of_a_labelled_scene_and_writes_gltf(tmp_path):
    trimesh, system = client("trimesh"), wall.system_of("3d/4")
    points = ply.load(wall.save(system, tmp_path / "points.ply", points=500))
    (tmp_path / "scene.ply").write_bytes(ply.encode(points, np.ones((len(points), 2), np.int32)))
    wall.save(system, tmp_path / "points.obj", points=500)
    for name in ("points.ply", "points.obj", "scene.ply"):
        cloud = trimesh.load(str(tmp_path / name))
        assert (cloud.vertices == points).all()
        assert cloud.export(file_type="glb").startswith(b"glTF")


def test_pyvista_narrows_the_points_to_single_precision(model_file):
    """As docs/data.md says; `ply.load` reads them whole."""
    read = importlib.import_module("pyvista").read(str(model_file)).points
    assert read.dtype == np.float32
    assert (read == ply.load(model_file).astype(np.float32)).all()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a trained network, its images, and its predictions (n,) by our own evaluation."""
    out = tmp_path_factory.mktemp("trained")
    data = tiny.folder_of_shades(out / "images")
    how = {**SEEN, "steps": 150, "batch_size": 8, "learning_rate": 0.01, "auto_augment": None, "erasing": 0.0}
    how |= {"mixup": 0.0, "cutmix": 0.0, "crop_scale": [0.8, 1.0], "hflip": 0.0, "vflip": 0.0}
    tiny.trained(tiny.pretrain(data=data, out=str(out), **how))
    rows = tables.read(out / "pretrain" / "predictions.csv")
    predicted = np.array([row["predicted"] for row in rows])
    assert np.mean(predicted == [row["label"] for row in rows]) > 0.5  # so that a wrong view of the images shows
    return out / "pretrain", Path(data), predicted


def logits(model, batch):
    with torch.inference_mode():
        found = model(batch)
    return found.logits if hasattr(found, "logits") else found


@pytest.mark.parametrize("place", ["local-dir", "hf-hub"])
def test_timm_makes_the_network_and_its_view_of_the_images(trained, tmp_path, monkeypatch, place):
    folder, data, predicted = trained
    name = tiny.hub(monkeypatch, tmp_path, folder) if place == "hf-hub" else folder
    model = timm.create_model(f"{place}:{name}", pretrained=True).eval()
    seen = timm.data.resolve_data_config({}, model=model)
    assert {key: list(seen[key]) if key in ("mean", "std") else seen[key] for key in SEEN} == SEEN
    read = timm.data.create_dataset("", root=str(data))
    loader = timm.data.create_loader(
        read,
        input_size=seen["input_size"],
        batch_size=4,
        use_prefetcher=False,
        num_workers=0,
        **{key: seen[key] for key in SEEN},
    )
    found = torch.cat([logits(model, batch) for batch, _ in loader]).argmax(dim=1)
    assert (found.numpy() == predicted).all()
    assert sorted(read.reader.class_to_idx) == model.pretrained_cfg["label_names"]


def test_a_user_of_timm_fine_tunes_it_for_other_classes(trained):
    model = timm.create_model(f"local-dir:{trained[0]}", pretrained=True, num_classes=5)
    assert model(torch.zeros(1, 3, 16, 16)).shape == (1, 5)


def exports():
    """The two programs in docs/data.md that export a network."""
    page = (provenance.PROJECT / "docs" / "data.md").read_text(encoding="utf-8")
    return [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "export(" in block]


def test_an_exported_network_gives_the_same_outputs(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"model": timm.create_model(f"local-dir:{trained[0]}", pretrained=True, exportable=True).eval()}
    exec(exports()[0], names)
    images = torch.randn(3, 3, 16, 16)
    found = torch.export.load("model.pt2").module()(images)
    torch.testing.assert_close(found, names["model"](images))
    client("onnx")
    exec(exports()[1], names)
    session = client("onnxruntime").InferenceSession("model.onnx")
    (outputs,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    torch.testing.assert_close(torch.from_numpy(outputs), names["model"](images), rtol=1e-4, atol=1e-5)


def test_timm_gives_features_and_resizes_positions(trained):
    how = {"pretrained": True, "features_only": True, "out_indices": [0]}  # its only layer
    maps = timm.create_model(f"local-dir:{trained[0]}", **how)(torch.zeros(1, 3, 16, 16))
    assert {tuple(found.shape) for found in maps} == {(1, 16, 4, 4)}
    larger = timm.create_model(f"local-dir:{trained[0]}", pretrained=True, img_size=32)
    assert larger(torch.zeros(1, 3, 32, 32)).shape == (1, 8)


def test_transformers_make_the_network_and_its_view_of_the_images(trained):
    transformers = client("transformers")
    folder, data, predicted = trained
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    model = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    read = torchvision.datasets.ImageFolder(data)
    found = [int(logits(model, processor(picture)["pixel_values"]).argmax()) for picture, _ in read]
    assert found == predicted.tolist()
    assert [model.config.id2label[i] for i in range(len(read.classes))] == read.classes
    told = transformers.pipeline("image-classification", model=model, image_processor=processor)(read[0][0])
    assert told[0]["label"] == read.classes[predicted[0]]
