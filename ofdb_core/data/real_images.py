"""Real images to fine-tune on: a set known by name, or the user's own, in a folder or an archive.

digits      scikit-learn's, which need no download; see `digits`
cifar10, cifar100   torchvision's, 50,000 images to train on and 10,000 to test on, 32 x 32 pixels
voc2012     the objects of PASCAL VOC 2012; see `voc`

A folder holds train/<class>/<file> and val/<class>/<file> (or test/), with files of any format that Pillow reads.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ofdb_core.base import files, folder, project
from ofdb_core.base.values import nearest
from ofdb_core.data import addresses, archive, download, forms, layout, samples, voc
from ofdb_core.data.decoding import WHOLE, Reading
from ofdb_core.data.samples import Images

ARRAYS = ("digits", "cifar10", "cifar100")  # data sets known by name and held in memory
NAMES = (*ARRAYS, "voc2012")  # all data sets known by name

FEW = 3  # classes that a refusal names


def check(data: str | Path) -> None:
    """Raise a ValueError unless `images_of` takes data; an archive is not opened, which would take long."""
    if data in NAMES or archive.is_archive(data):
        return
    if addresses.is_address(data):
        if sentence := addresses.problem(str(data)):
            raise ValueError(sentence)
        return
    if not Path(data).is_dir():
        names, endings = ", ".join(NAMES), ", ".join(archive.ENDINGS)
        raise ValueError(
            f"data: {str(data)!r} is none of {names}, and no folder or archive ({endings}) with train/ and val/, nor "
            f"hf://OWNER/NAME or another address{nearest(str(data), NAMES)}"
        )
    _parts(data)


def default_root() -> Path:
    """The default folder for downloaded and unpacked data."""
    return project.DATA


def images_of(
    data: str | Path, root: str | Path | None = None, train: Reading = WHOLE, test: Reading = WHOLE
) -> list[Images]:
    """The images to train on and to test on, two `samples.Images` of the same classes.

    data: one of NAMES, or the path of a folder or archive; root: the folder for downloaded, unpacked or cut-out
    data (None: `default_root`); it is created when needed. Existing data are not downloaded again. If several processes
    ask for the same data and root, one fetches or unpacks them, and the others wait. train, test: how the files of each
    are decoded. A ValueError says what is missing, or, after a failed download, the file to fetch by hand and its
    folder.
    """
    check(data)
    root = Path(root) if root else default_root()
    if data == "digits":
        from ofdb_core.data import digits  # it imports scikit-learn

        return [samples.Images(*digits.split(part), digits.CLASSES) for part in ("train", "test")]
    if data in ("cifar10", "cifar100"):
        return _cifar(str(data), root)
    parts = _parts(_fetched(data, root))
    classes = _classes(parts)
    both = [
        samples.Images.from_folder(parts[0].root, reading=train, only=parts[0].shards),
        samples.Images.from_folder(parts[1].root, reading=test, only=parts[1].shards, classes=classes),
    ]
    samples.require_readable(*both)
    return [samples.look_at(images) for images in both]


def _fetched(data: str | Path, root: Path) -> Path:
    """The folder of data that are not held in memory, unpacked or cut out."""
    if data == "voc2012":
        return _voc(root)
    place = addresses.local(data, root)
    return archive.unpacked(place, root) if archive.is_archive(place) else place


def classes_of(data: str | Path, root: str | Path | None = None, *, shots: int = 0) -> list[str]:
    """The classes of data; a ValueError if `images_of` refuses, or a class has fewer images than `shots`.

    Data are fetched first, as in `images_of`. In a folder only names of files are read, up to `shots` of each class.
    """
    if data in ARRAYS:
        return images_of(data, root)[0].few_shot(shots, seed=0).classes
    check(data)
    parts = _parts(_fetched(data, Path(root or default_root())))
    classes = _classes(parts, shots)
    if not parts[1].shards:
        layout.require_images(parts[1].root, 0)
    return classes


def fingerprint(data: str | Path) -> str:
    """One hash of an archive or of a folder's files; for a set known by name, whose bytes are checked, the name."""
    return str(data) if data in NAMES else folder.fingerprint(data)


def _parts(place: str | Path) -> list[forms.Part]:
    """The parts of a data set to train on and to test on."""
    parts = [*forms.parts(layout.unwrapped(place)).values()][:2]
    if len(parts) < 2:
        raise ValueError(
            f"data: {place} has no train/<class>/ and val/<class>/ (or test/<class>/), nor shards named train-*, val-*"
        )
    return parts


def _classes(parts: list[forms.Part], shots: int | None = None) -> list[str]:
    """The classes to train on; a ValueError if the second part has another, or the first fewer images than `shots`."""
    train, test = parts
    classes = layout.class_names(train.root, only=train.shards, shots=shots)
    known = layout.class_names(test.root, only=test.shards)
    if strange := [name for name in known if name not in classes]:
        few = f"{', '.join(strange[:FEW])}{', ...' * (len(strange) > FEW)}"
        raise ValueError(f"{train.root.parent}: {test.name}/ has classes that {train.name}/ lacks: {few}")
    return classes


def _cifar(data: str, root: Path) -> list[Images]:
    from torchvision import datasets

    dataset = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[data]

    def parts(*, unpack: bool) -> list[Images]:
        found = [dataset(root, train=train, download=unpack) for train in (True, False)]
        return [samples.Images(part.data, part.targets, part.classes) for part in found]

    with contextlib.suppress(RuntimeError):  # not here, or not whole
        return parts(unpack=False)
    with _archive(data, root, url=dataset.url, filename=dataset.filename, md5=dataset.tgz_md5):
        return parts(unpack=True)


def _voc(root: Path) -> Path:
    voc.cut_out(voc_devkit(root), objects := root / "voc2012-objects")
    return objects


def voc_devkit(root: Path) -> Path:
    """The folder VOCdevkit/VOC2012 below root, downloaded where it is missing or incomplete."""
    from torchvision import datasets

    source = datasets.voc.DATASET_YEAR_DICT["2012"]
    devkit = root / source["base_dir"]
    if not voc.is_complete(devkit):
        with _archive("voc2012", root, url=source["url"], filename=source["filename"], md5=source["md5"]):
            datasets.VOCDetection(root, year="2012", download=True)
    return devkit


@contextlib.contextmanager
def _archive(data: str, root: Path, *, url: str, filename: str, md5: str) -> Iterator[None]:
    """Have the archive that torchvision unpacks, and let no other process unpack it meanwhile."""
    download.have(root / filename, url, digest=md5, data=data, algorithm="md5")
    with files.locked(root / f".{data}.lock", wait=f"{root}: waiting for another run, which unpacks {data}"):
        yield
