"""A model card: what a checkpoint is, how timm loads it, and what it was made from, as the README.md of its folder."""

import json
from collections.abc import Mapping
from typing import Any

from ofdb_core.training import networks, weights

HEADER = """---
library_name: timm
pipeline_tag: image-classification
tags:
- image-classification
- timm
- formula-driven-supervised-learning
---
"""


def text(facts: weights.Facts, *, file: str, recipe: Mapping[str, Any], data: str, results: Mapping[str, Any]) -> str:
    """The card as Markdown with a header for model hubs; it depends on nothing but its arguments.

    facts: of the checkpoint, as in `weights.FACTS`; file: the checkpoint's name beside the card; recipe: parameter ->
    value; data: the hash, or the name, of what the network learned from; results: name -> value, as accuracy or loss.
    """
    name, size, channels, classes = (facts[key] for key in ("model", "input_size", "channels", "classes"))
    shape = {"options": facts["options"], "input_size": size, "channels": channels}
    return f"""{HEADER}
# {name}, {len(classes)} classes

A network of OFDB Lab. It takes images of {size} x {size} pixels with {channels} channel{"s" * (channels > 1)}, scaled
to 0..1, less the mean {facts["mean"]} and over the standard deviation {facts["std"]}.

## Use

```python
{_call(name, file, networks.arguments(name, len(classes), **shape))}
```

The file's metadata holds these facts and the names of the classes, in the order of the outputs, as JSON under
`{weights.METADATA}`.

## Results

{_table("Result", results)}

## Recipe

{_table("Parameter", recipe)}

## Data

The network learned from the data with this SHA-256, or of this name: `{data}`
"""


def _call(name: str, file: str, arguments: Mapping[str, Any]) -> str:
    given = {"checkpoint_path": file, **arguments}
    words = ", ".join([repr(name), *(f"{key}={value!r}" for key, value in given.items())])
    return f"import timm\n\nmodel = timm.create_model({words}).eval()"


def _table(title: str, values: Mapping[str, Any]) -> str:
    cells = ((str(key), json.dumps(value).replace("|", "\\|")) for key, value in values.items())
    return "\n".join([f"| {title} | Value |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in cells)])
