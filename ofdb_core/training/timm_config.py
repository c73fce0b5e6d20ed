"""config.json beside a file of weights, for timm (local-dir:FOLDER, hf-hub:OWNER/NAME) and transformers.

With it they build the same network and show it images as in training. Conversely, it replaces the facts that a file
does not hold.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from torch import nn

from ofdb_core.base import files, values
from ofdb_core.training import networks
from ofdb_core.training.networks import Facts
from ofdb_core.training.places import CONFIG, PROCESSOR

LARGEST = 2**24  # bytes of a file, which may name many classes
SCALING: tuple[Literal["mean", "std"], ...] = ("mean", "std")  # of the input


def text(network: nn.Module, facts: Facts) -> str:
    """config.json for a network, as timm and transformers read it.

    timm's own `save_config_for_hf` would add the licence and tag of the weights that timm publishes for the network.
    """
    size, channels, classes = facts["input_size"], facts["channels"], facts["classes"]
    known: Any = network.pretrained_cfg
    seen: dict[str, Any] = {
        "input_size": [channels, size, size],
        "fixed_input_size": bool(known.get("fixed_input_size", False)),
        "interpolation": facts["interpolation"],
        "crop_pct": facts["crop_pct"],
        "crop_mode": "center",
        **{name: facts[name][:channels] for name in SCALING},
        "pool_size": None,
        **{name: known.get(name) for name in ("first_conv", "classifier")},
    }
    arguments = networks.arguments(networks.Shape.of(facts), len(classes))
    del arguments["num_classes"]  # it is on a line above, and transformers would pass it twice
    whole = {
        "architecture": facts["model"].partition(".")[0],
        "num_classes": len(classes),
        "num_features": network.num_features,
        "label_names": classes,
        "model_args": arguments,
        "pretrained_cfg": seen,
    }
    return json.dumps(whole, indent=2) + "\n"


def facts(file: Path, model: str | None = None) -> Facts:
    """The facts in config.json beside a file of weights.

    There are none without such a file, and none if the file names another network than `model`. That of transformers
    does not name the network, but says its classes and its input. A ValueError if the format is neither timm's nor
    theirs, unless the model is known.
    """
    path = file.with_name(CONFIG)
    if not path.is_file():
        return {}
    try:
        said = files.read_json(path, LARGEST)
        if "architecture" not in said and "model_type" in said:
            return _of_transformers(said, file.with_name(PROCESSOR))
        if model not in (None, said["architecture"]):
            return {}
        options = {key: value for key, value in (said.get("model_args") or {}).items() if key not in networks.RESERVED}
        found: Facts = {**networks.facts(str(said["architecture"]), said["pretrained_cfg"]), "options": options}
        if isinstance(names := said.get("label_names"), list):
            found["classes"] = [str(name) for name in names]
        return found
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if model:
            return {}
        raise ValueError(f"{path}: not of timm's kind ({error!r}); give model, or move it away") from error


def _of_transformers(said: Mapping[str, Any], beside: Path) -> Facts:
    """The facts in config.json and, if it is there, preprocessor_config.json of a model of transformers."""
    names = {int(number): str(name) for number, name in (said.get("id2label") or {}).items()}
    found: Facts = {}
    if any(not name.startswith("LABEL_") for name in names.values()):  # or else they are its numbers
        found["classes"] = [names[number] for number in sorted(names)]
    if isinstance(size := said.get("image_size"), int):
        found["input_size"] = size
    seen = files.read_json(beside, LARGEST) or {}
    for name in SCALING:
        known: Any = seen.get(f"image_{name}")
        if not values.refusal(name, known, list[float]):
            found[name] = [float(value) for value in known]
    return found
