"""The card of a packed data set, beside its shards: README.md with the head that hubs read, and Croissant."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCardData

from ofdb_core.base import files, folder
from ofdb_core.base.folder import CARD, Folder
from ofdb_core.base.manifests import LICENSE
from ofdb_core.data import croissant, forms, scenes, shards

TAGS = ["formula-driven-supervised-learning", "ofdb-lab"]  # of what is made here
SIZES = {  # images below -> the hub's word
    **{10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M", 10**7: "1M<n<10M"},
    **{10**8: "10M<n<100M", 10**9: "100M<n<1B"},
}
SHOWN = 20  # classes that a card names


def write(out: Path, root: Path) -> None:
    """Write README.md and croissant.json into a folder of shards; root: the folder that was packed.

    The files depend on the images alone. README.md is written last: with it the folder is complete. Scenes have no
    croissant.json, which has no word for masks beside their pictures.
    """
    paths = forms.shards(out)
    masks = forms.has_masks(paths[0])
    if masks:
        images, classes = [picture for picture, _ in shards.pairs(paths)], scenes.classes_in(out)
    else:
        images, _, classes = shards.images(paths)
    facts = Folder(root).manifest() if Folder(root).is_complete() else None
    license = facts and facts.get("license", LICENSE)
    about = f"{len(images):,} images {'with masks of' if masks else 'of'} {len(classes):,} classes"
    if facts:
        about += f", made by OFDB Lab from {json.dumps(facts['parameters'], sort_keys=True)}"
    title = str(facts.get("name", root.name)) if facts else root.name
    if not masks:
        endings = sorted({image.name.rpartition(".")[2] for image in images})
        text = croissant.of_shards(paths, endings, title=title, about=about, license=license)
        files.write_whole(out / croissant.CROISSANT, text)
    head: dict[str, Any] = {"license": license.lower()} if license else {}
    head |= {"pretty_name": title, "task_categories": [f"image-{'segmentation' if masks else 'classification'}"]}
    head |= {"size_categories": [next((word for most, word in SIZES.items() if len(images) < most), "n>1T")]}
    head |= {"tags": TAGS} if facts else {}
    head |= {"configs": [{"config_name": "default", "data_files": _splits(out, paths[0].suffix)}]}
    files.write_whole(out / CARD, _text(paths[0].suffix, head, about, license, classes, of(root)))


def of(root: Path) -> str:
    """The sentence of a card that says which images were packed."""
    return f"Packed from a folder with the fingerprint `{folder.fingerprint(root)}`."


def is_of(out: Path, root: Path) -> bool:
    """Whether a folder of shards is complete and holds the images of these class folders."""
    return (out / CARD).is_file() and of(root) in (out / CARD).read_text(encoding="utf-8")


def _splits(out: Path, ending: str) -> list[dict[str, str]]:
    """The shards of each part, by the hub's names of parts."""
    names = {"val": "validation"}
    found = [{"split": names.get(name, name), "path": f"{name}-*{ending}"} for name in forms.parts(out)]
    return found or [{"split": "train", "path": f"*{ending}"}]


def _text(ending: str, head: dict[str, Any], about: str, license: str | None, classes: list[str], source: str) -> str:
    builder = {forms.TAR: "webdataset", forms.PARQUET: "parquet"}[ending]
    named = ", ".join(classes[:SHOWN]) + ", ..." * (len(classes) > SHOWN)
    terms = f"Licence: {license}." if license else "Licence: that of the images; name it in the head of this file."
    names = (
        f" The numbers of the classes (`cls`) are the lines of `{forms.CLASSES}`, from 0."
        if ending == forms.TAR
        else ""
    )
    return f"""---
{DatasetCardData(**head).to_yaml().strip()}
---

# {head["pretty_name"]}

{about}.

```python
from datasets import load_dataset

images = load_dataset("{builder}", data_files="*{ending}", split="train")  # in this folder
images = load_dataset("OWNER/NAME", split="train")  # from a hub
```

Training with OFDB Lab: `-p data hf://OWNER/NAME`, or this folder as `data`.

Classes: {named}.{names}

{terms}

{source}
"""
