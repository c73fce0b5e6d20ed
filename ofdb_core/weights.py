"""Weights as files: a network and the facts that it needs to be used again, in one safetensors file."""

import json
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open

from ofdb_core import networks, record

FACTS = ("model", "options", "input_size", "mean", "std", "classes")  # of a checkpoint's network
METADATA = "ofdb"  # the key of the facts in a checkpoint's metadata


def to_bytes(model, facts):
    """The weights as the bytes of a safetensors file, with `facts` (all of FACTS, or more) in its metadata."""
    if missing := [name for name in FACTS if name not in facts]:
        raise ValueError(f"facts: {', '.join(missing)} missing; a checkpoint needs {', '.join(FACTS)}")
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    return _with_metadata(safetensors.torch.save(tensors), {"format": "pt", METADATA: json.dumps(facts)})


def _with_metadata(data, metadata):
    """The bytes of a safetensors file with metadata; the library itself would write its entries in a random order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps({"__metadata__": metadata, **json.loads(data[8:end])}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def facts(path):
    """What `save` was told about a checkpoint's network; a ValueError where the file is missing, cut off or foreign."""
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, "pt") as file:
            found = json.loads((file.metadata() or {})[METADATA])
            return {**found, **{name: found[name] for name in FACTS}}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error}); make it again") from error
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: a safetensors file, but without this project's facts ({error})") from error


def load(path, *, classes=None, drop_path=0.0, seed=0):
    """The network of a checkpoint, and the names of the weights that were not taken from it.

    classes: the number that is wanted; where it is not the checkpoint's, the head is drawn from the seed as in `build`.
    """
    known = facts(path)
    wanted = len(known["classes"]) if classes is None else classes
    shape = {"options": known["options"], "input_size": known["input_size"]}
    model = networks.build(known["model"], wanted, **shape, drop_path=drop_path, seed=seed)
    tensors, own = safetensors.torch.load_file(path), model.state_dict()
    heads = model.pretrained_cfg["classifier"]
    heads = tuple(f"{name}." for name in ([heads] if isinstance(heads, str) else heads))
    fit = {name for name in own.keys() & tensors.keys() if own[name].shape == tensors[name].shape}
    left = sorted((own.keys() | tensors.keys()) - fit)
    if strange := [name for name in left if not name.startswith(heads) or wanted == len(known["classes"])]:
        raise ValueError(f"{path}: {strange[0]} does not suit a {known['model']} with options {known['options']}")
    model.load_state_dict({name: tensors[name] for name in fit}, strict=False)
    return model, left
