"""python -m benchmarks.shipped [RUN]: take a finished pre-training into the package, as ofdb:<name of the run>.

Its weights and config.json, the record of the run that made them, and their model card with `NOTES`. With --card, only
the card of the checkpoint that is there is written anew, from the tables of the old one.
"""

import argparse
import json
import re
from pathlib import Path

from ofdb_core.base import files, manifests, project, record
from ofdb_core.base.folder import Folder
from ofdb_core.show import augmentation
from ofdb_core.stages.recipes import Pretrain
from ofdb_core.training import model_card, places
from ofdb_core.training.pretrained import Checkpoint

CARD = "README.md"
FILES = (places.WEIGHTS, places.CONFIG, CARD)
STAGES = ("1_search_categories", "4_pretrain")
NOTES = {
    "small": """
## Make it again

`./run_all.sh small 1_search_categories 4_pretrain` searches the categories and trains, in an hour or two on two cores,
and `python -m benchmarks.shipped` takes the result into the package. `record.json` beside the weights has the versions,
the machine and the hashes.

## What it is good for, and what was not shown

For trying the road on small pictures of strokes, and as a start of fine-tuning for the same small network. Frozen and
read by all tokens of the middle block, it names scikit-learn's digits and MNIST's (mnist5k), 20 a class to train on,
better than raw pixels and than the same network with random weights. Read by the input of its head, it does not reach
raw pixels on digits.

- It is **one pre-training**, with one seed. Other seeds may do better or worse.
- Digits and mnist5k had served to choose its network and learning rates. On faces, which had not, nothing is shown: its
  features, raw pixels and random weights are alike.
- Fine-tuned on digits, no gain over the same network from scratch is shown.
- Photographs and larger pictures were not tried.
- The accuracy below is on images of its own categories, without augmentation. It says nothing of real pictures.

The numbers, their intervals and the controls are in docs/evidence.md of OFDB Lab.
""",
}


def card(folder):
    """The card of a checkpoint, from the tables of the card that lies beside it, with the notes on its name."""
    old = (folder / CARD).read_text(encoding="utf-8")
    of = {part.split(" ")[1]: part for part in re.findall(r"^\| .+ \| Value \|\n(?:\|.*\n)+", old, re.MULTILINE)}
    cells = {title: re.findall(r"^\| (.+?) \| (.*) \|$", part, re.MULTILINE)[2:] for title, part in of.items()}
    recipe, results, cost = (
        {name: json.loads(value) for name, value in cells[title]} for title in ("Parameter", "Result", "Measured")
    )
    (source,) = re.findall(r"name, of the data: `(.+)`", old)
    return model_card.text(
        Checkpoint.open(str(folder)).facts,
        seen=augmentation.seen(Pretrain.of(recipe), recipe["steps"]),
        recipe=recipe,
        data={"name": Path(recipe["data"]).name, "hash": source},
        results=results,
        cost=cost,
        license=manifests.LICENSE,
        notes=NOTES.get(folder.name, ""),
    )


def write(run):
    """Copy the files of a finished pre-training that are as they were written, and add the notes to its card."""
    results, entries, target = Folder(run / "pretrain"), record.read(run), places.SHIPPED / run.name
    if problems := results.verify(entries["4_pretrain"]["writes"]["pretrain"]):
        raise SystemExit(f"{results.root}: {problems[0]}")
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (target / name).write_bytes((results.root / name).read_bytes())
    kept = {stage: entries[stage] for stage in STAGES if stage in entries}
    (target / record.FILE).write_text(json.dumps(kept, indent=1) + "\n")
    return write_card(target)


def write_card(folder):
    """Write the card anew."""
    files.write_whole(folder / CARD, card(folder))
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shipped", description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, default=project.RUNS / "small")
    parser.add_argument("--card", action="store_true", help="only the card of the checkpoint that is in the package")
    asked = parser.parse_args()
    print(write_card(places.SHIPPED / asked.run.name) if asked.card else write(asked.run))
