"""The card of a packed data set, beside its shards: README.md with the head that hubs read, and Croissant."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCardData

from ofdb_core.base import folder
from ofdb_core.base.folder import Folder
from ofdb_core.base.listed import CARD
from ofdb_core.base.manifests import LICENSE
from ofdb_core.data import croissant, forms

TAGS = ["formula-driven-supervised-learning", "ofdb-lab"]  # of what is made here
SIZES = {  # images below -> the hub's word
    **{10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M", 10**7: "1M<n<10M"},
    **{10**8: "10M<n<100M", 10**9: "100M<n<1B"},
}
SHOWN = 20  # classes that a card names


def makers(
    root: Path, shards: Sequence[Path], classes: list[str], endings: Counter[str], *, masks: bool
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name and maker of croissant.json and README.md, which are made after the shards beside them.

    root: the folder that was packed; endings: of its images -> their number. The files depend on the images alone.
    Scenes have no croissant.json, which has no word for masks beside their pictures.
    """
    facts = Folder(root).manifest() if Folder(root).is_complete() else None
    license = facts and facts.get("license", LICENSE)
    count, kind = endings.total(), "segmentation" if masks else "classification"
    about = f"{count:,} images {'with masks of' if masks else 'of'} {len(classes):,} classes"
    if facts:
        about += f", made by OFDB Lab from {json.dumps(facts['parameters'], sort_keys=True)}"
    title = str(facts.get("name", root.name)) if facts else root.name

    def described() -> bytes:
        return croissant.of_shards(shards, sorted(endings), title=title, about=about, license=license).encode()

    def card() -> bytes:
        head: dict[str, Any] = {"license": license.lower()} if license else {}
        head |= {"pretty_name": title, "task_categories": [f"image-{kind}"]}
        head |= {"size_categories": [next((word for most, word in SIZES.items() if count < most), "n>1T")]}
        head |= {"tags": TAGS} if facts else {}
        head |= {"configs": [{"config_name": "default", "data_files": _splits(shards[0])}]}
        source = f"Packed from a folder with the fingerprint `{folder.fingerprint(root)}`."
        return _text(shards[0].suffix, head, about, license, classes, source).encode()

    if not masks:
        yield croissant.CROISSANT, described
    yield CARD, card


def _splits(shard: Path) -> list[dict[str, str]]:
    """The shards of each part beside this one, by the hub's names of parts."""
    names, ending = {"val": "validation"}, shard.suffix
    found = [{"split": names.get(name, name), "path": f"{name}-*{ending}"} for name in forms.parts(shard.parent)]
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
