"""Real scenes, pictures with masks, to fine-tune on: PASCAL VOC 2012 by name, or the user's own.

A folder or archive holds train/ and val/ (or test/), each with images/ and masks/ as `scenes` has them; classes.txt,
beside them or in train/, names the classes.
"""

from pathlib import Path
from typing import Any

from ofdb_core.data import addresses, archive, forms, layout, real_images, scenes, voc
from ofdb_core.data.decoding import WHOLE, Reading
from ofdb_core.data.forms import Part
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
    data: str | Path, root: str | Path | None = None, reading: Reading = WHOLE, cache_bytes: int = GB
) -> list[Pairs]:
    """The scenes to train on and to test on, of the same classes.

    data, root: as for `real_images.images_of`; reading: how pictures are decoded; cache_bytes: for both together. A
    ValueError names every damaged file, files without a partner, or what to fetch by hand.
    """
    check(data)
    root = Path(root) if root else real_images.default_root()
    how: dict[str, Any] = {"reading": reading, "cache_bytes": cache_bytes // 2}
    if data == "voc2012":
        devkit = real_images.voc_devkit(root)
        pairs = (zip(*voc.masked(devkit, part), strict=True) for part in voc.PARTS)
        classes = [scenes.NAME_OF_GROUND, *voc.CLASSES]
        both = [Pairs(pictures, masks, classes, **how) for pictures, masks in pairs]
    else:
        place = addresses.local(data, root)
        train, test = _parts(archive.unpacked(place, root) if archive.is_archive(place) else place)
        named = scenes.classes_in(train.root) or scenes.classes_in(train.root.parent)
        first = Pairs.from_folder(train.root, classes=named, only=train.shards, **how)
        both = [first, Pairs.from_folder(test.root, classes=first.classes, only=test.shards, **how)]
    scenes.require_readable(*both)
    return both


def _parts(place: Path) -> list[Part]:
    """The parts to train on and to test on."""
    found = [*forms.parts(layout.unwrapped(place)).values()][:2]
    if len(found) < 2 or not all(part.shards or forms.of(part.root) == "scenes" for part in found):
        raise ValueError(
            f"data: {place} has no train/ and val/ (or test/) with {forms.IMAGES}/ and {forms.MASKS}/ in each"
        )
    return found
