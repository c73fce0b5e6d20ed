"""Real scenes, pictures with masks, to fine-tune on: PASCAL VOC 2012 by name, or the user's own.

A folder or archive holds train/ and val/ (or test/), each with images/ and masks/ as `scenes` has them; classes.txt,
beside them or in train/, names the classes.
"""

from pathlib import Path
from typing import Any

from ofdb_core.data import addresses, archive, real_images, samples, scenes, voc
from ofdb_core.data.decoding import Ground
from ofdb_core.data.samples import GB
from ofdb_core.data.scenes import Pairs

NAMES = ("voc2012",)  # sets known by name


def check(data: str | Path) -> None:
    """Raise a ValueError unless `scenes_of` takes data; an archive is not opened, which would take long."""
    if addresses.is_address(data):
        if problem := addresses.problem(str(data)):
            raise ValueError(problem)
        return
    if data in NAMES or archive.is_archive(data):
        return
    if not Path(data).is_dir():
        raise ValueError(f"data: {str(data)!r} is not voc2012, and no folder or archive of train/ and val/ with masks")
    _parts(Path(data))


def scenes_of(
    data: str | Path, root: str | Path | None = None, ground: Ground = "white", cache_bytes: int = GB
) -> list[Pairs]:
    """The scenes to train on and to test on, of the same classes.

    data: one of NAMES, or the path of a folder or archive; root, ground: as for `real_images.images_of`; cache_bytes:
    for both together. A ValueError names every damaged file, files without a partner, or what to fetch by hand.
    """
    check(data)
    root = Path(root) if root else real_images.default_root()
    how: dict[str, Any] = {"ground": ground, "cache_bytes": cache_bytes // 2}
    if data == "voc2012":
        devkit = real_images.voc_devkit(root)
        pairs = (zip(*voc.masked(devkit, part), strict=True) for part in voc.PARTS)
        classes = [scenes.NAME_OF_GROUND, *voc.CLASSES]
        parts = [Pairs(pictures, masks, classes, **how) for pictures, masks in pairs]
    else:
        place = archive.unpacked(data, root) if archive.is_archive(data) else Path(data)
        train, test = _parts(place)
        named = scenes.classes_in(train) or scenes.classes_in(train.parent)
        first = Pairs.from_folder(train, classes=named, **how)
        parts = [first, Pairs.from_folder(test, classes=first.classes, **how)]
    scenes.require_readable(*parts)
    return parts


def _parts(place: Path) -> list[Path]:
    """The folders of the scenes to train on and to test on."""
    inside = samples.unwrapped(place)
    found = [inside / name for name in ("train", "val", "test") if scenes.are_in(inside / name)]
    if len(found) < 2 or found[0].name != "train":
        raise ValueError(
            f"data: {place} has no train/ and val/ (or test/) with {scenes.IMAGES}/ and {scenes.MASKS}/ in each"
        )
    return found[:2]
