"""config.json beside a file of weights, for timm (local-dir:FOLDER, hf-hub:OWNER/NAME) and transformers.

With it they build the same network and show it images as in training. Conversely, it replaces the facts that a file
does not hold.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ofdb_core.training import networks
from ofdb_core.training.places import CONFIG


def text(network: nn.Module, facts: Mapping[str, Any]) -> str:
    """config.json for a network, as timm and transformers read it; facts: as in `weights.FACTS`.

    timm's own `save_config_for_hf` would add the licence and tag of the weights that timm publishes for the network.
    """
    size, channels, classes = (facts[key] for key in ("input_size", "channels", "classes"))
    known: Any = network.pretrained_cfg
    seen = {
        "input_size": [channels, size, size],
        "fixed_input_size": bool(known.get("fixed_input_size", False)),
        **{name: facts[name] for name in ("interpolation", "crop_pct")},
        "crop_mode": "center",
        **{name: facts[name][:channels] for name in ("mean", "std")},
        "pool_size": None,
        **{name: known.get(name) for name in ("first_conv", "classifier")},
    }
    shape = networks.Shape(facts["model"], facts["options"], size, channels)
    arguments = networks.arguments(shape, len(classes))
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


def facts(file: Path) -> dict[str, Any]:
    """The facts in config.json beside a file of weights, by the names of `weights.FACTS`; none without such a file.

    A ValueError if its format is not timm's.
    """
    path = file.with_name(CONFIG)
    if not path.is_file():
        return {}
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        options = {key: value for key, value in (said.get("model_args") or {}).items() if key not in networks.RESERVED}
        found = {**networks.facts(str(said["architecture"]), said["pretrained_cfg"]), "options": options}
        if isinstance(names := said.get("label_names"), list):
            found["classes"] = [str(name) for name in names]
        return found
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not of timm's kind ({error!r}); give model, or move it away") from error
