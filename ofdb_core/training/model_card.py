"""A model card, the README.md of a checkpoint's folder: the network, its use, its recipe and its data."""

import json
from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from torch import nn

from ofdb_core.base import manifests
from ofdb_core.training import timm_config, weights
from ofdb_core.training.networks import Facts
from ofdb_core.training.processes import Contents

TASK = "image-classification"
CREATED = "timm.create_model('local-dir:.', checkpoint_path={!r})"
TAGS = (TASK, "timm", "transformers", "formula-driven-supervised-learning")


def beside(model: nn.Module, facts: Facts, **about: Any) -> Contents:
    """The files beside a network's weights: config.json for timm, and the card; about: as for `text`."""
    return {"config.json": timm_config.text(model, facts), "README.md": text(facts, **about)}


def text(
    facts: Facts,
    *,
    seen: str,
    recipe: Mapping[str, Any],
    data: Mapping[str, str],
    results: Mapping[str, Any],
    cost: Mapping[str, Any],
    license: str | None = None,
    base_model: str | None = None,
    others: Mapping[str, str] | None = None,
    notes: str = "",
) -> str:
    """The card as Markdown with a header for model hubs; it depends on nothing but its arguments.

    facts: of model.safetensors beside the card; seen: the samples of the training, in words;
    recipe: parameter -> value; data: `name` and `hash` of the training data; results: name -> value, accuracies
    (shares) and others; cost: measurements of the training, such as seconds and hardware; license: SPDX, None if it
    depends on the images; base_model: the name of the published weights that it started from; others: further files of
    weights -> their description; notes: more sections.
    """
    name, classes = facts["model"], facts["classes"]
    size, channels = facts["input_size"], facts["channels"]
    more = [f"\n\n{what}: `{CREATED.format(file)}`" for file, what in (others or {}).items()]
    return f"""---
{_header(facts, data["name"], results, license, base_model)}
---

# {name}, {f"{len(classes)} classes" if classes else "without a head"}

A network of OFDB Lab. It takes images of {size} x {size} pixels with {channels} channel{"s" * (channels > 1)}, scaled
to 0..1, less the mean {facts["mean"][:channels]} and over the standard deviation {facts["std"][:channels]}.

## Use

In this folder, or with `hf-hub:OWNER/NAME` for `local-dir:.` where it was pushed to a hub:

```python
import timm

model = timm.create_model("local-dir:.", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))  # of a PIL image in RGB
```

```python
from transformers import AutoImageProcessor, AutoModelForImageClassification

processor = AutoImageProcessor.from_pretrained(".")
model = AutoModelForImageClassification.from_pretrained(".")
```

The names of the classes, in the order of the outputs, are `label_names` in `config.json`, and in the metadata of
`model.safetensors`, as JSON under `{weights.METADATA}`.{"".join(more)}

## What the training saw

{f"{len(classes):,} classes. " if classes else ""}{seen}
{notes}
## Results

{_table("Result", results)}

## Recipe

{_table("Parameter", manifests.portable(recipe))}

## Data and licence

The network learned from {data["name"]}; SHA-256, or name, of the data: `{data["hash"]}`.
{f"Licence: {license}." if license else "The licence of the images that it learned from applies; it is not known here."}

## What the training took

{_table("Measured", {"hours": round(cost["seconds"] / 3600, 4), **cost})}
"""


def _header(facts: Facts, data: str, results: Mapping[str, Any], license: str | None, base_model: str | None) -> str:
    """The metadata as YAML; hubs show the results whose names hold 'accuracy'."""
    known = {key: value for key, value in results.items() if value is not None and "accuracy" in key}
    shown = [EvalResult(TASK, data, data, "accuracy", value, metric_name=key) for key, value in known.items()]
    about: dict[str, Any] = {"base_model": base_model, "license": license, "eval_results": shown or None}
    usual: dict[str, Any] = {"library_name": "timm", "pipeline_tag": TASK, "tags": list(TAGS)}
    return ModelCardData(model_name=facts["model"], **about, **usual).to_yaml().strip()


def _table(title: str, values: Mapping[str, Any]) -> str:
    cells = ((str(key), json.dumps(value).replace("|", "\\|")) for key, value in values.items())
    return "\n".join([f"| {title} | Value |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in cells)])
