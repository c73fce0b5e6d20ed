"""Fine-tuning: the pre-trained network and the same network from scratch learn real images, on equal terms.

Both get the same recipe, images, order and augmentation; they differ in the weights that they start from. What it
leaves in its folder: results.csv (a row a training), log.csv and predictions.csv (of all test images by each training).
"""

from pathlib import Path

import numpy as np

from ofdb_core import digits, folder, loading, networks, record, samples, train, weights

STARTS = ("pre-trained", "from scratch")


def images_of(data):
    """Training and test images, as `samples.Images`: scikit-learn's digits, or a folder's train/ and val/."""
    if data == "digits":
        return [samples.Images(*digits.split(part), digits.CLASSES) for part in ("train", "test")]
    train_images, test_images = (samples.Images.from_folder(Path(data) / part) for part in ("train", "val"))
    if train_images.classes != test_images.classes:
        odd = sorted(set(train_images.classes) ^ set(test_images.classes))
        raise ValueError(f"{data}: train/ and val/ must hold the same classes; {odd[0]} is in one of them only")
    return [train_images, test_images]


def compare(recipe, checkpoint, root):
    """Fine-tune by a `recipe.Finetune`, once for each start, number of shots and repeat; return results.csv's rows.

    A row has start, shots (images a class, 0: all), repeat, accuracy (share of the test images) and name, which is the
    training's column in predictions.csv. A folder that holds the same comparison, finished, is read instead.
    """
    root = Path(root)
    source = {"checkpoint": record.sha256(checkpoint)}
    if recipe.data != "digits":
        source["data"] = folder.fingerprint(recipe.data)
    head = folder.header({**recipe.identity(), **source}, "finetune")
    if folder.is_current(root, head):
        print(f"{root}: compared before and unchanged, kept")
    else:
        folder.begin(root, head)
        _compare(recipe, checkpoint, root, head)
    return record.read_csv(root / "results.csv")


def _compare(recipe, checkpoint, root, head):
    train_images, test_images = images_of(recipe.data)
    results, logs, predictions, speeds = [], [], {"label": test_images.labels.tolist()}, {}
    for shots in recipe.shots:
        for repeat in range(recipe.repeats):
            few = train_images.few_shot(shots, seed=recipe.seed + repeat)
            for start in STARTS:
                name = f"{start}, {shots or 'all'} a class, repeat {repeat}"
                model = _network(recipe, checkpoint, start, len(few.classes), recipe.seed + repeat)
                source = loading.Batches(few, recipe, seed=recipe.seed + repeat)
                log = train.fit(model, source, recipe, seed=recipe.seed + repeat, title=name)
                predicted, _ = train.evaluate(model, test_images, recipe)
                accuracy = float(np.mean(predicted == test_images.labels))
                print(f"{name}: {accuracy:.1%} of {len(test_images)} test images")
                results.append({"start": start, "shots": shots, "repeat": repeat, "accuracy": accuracy, "name": name})
                logs += [{"name": name, **{key: row[key] for key in train.LOGGED}} for row in log]
                predictions[name], speeds[name] = predicted.tolist(), train.speed(log)
    record.write_csv(root / "results.csv", results)
    record.write_csv(root / "log.csv", logs)
    columns = zip(*predictions.values(), strict=True)
    record.write_csv(root / "predictions.csv", [dict(zip(predictions, column, strict=True)) for column in columns])
    folder.seal(root, head, notes=speeds)


def _network(recipe, checkpoint, start, classes, seed):
    if start == "pre-trained":
        return weights.load(checkpoint, classes=classes, drop_path=recipe.drop_path, seed=seed)[0]
    known = weights.facts(checkpoint)
    shape = {key: known[key] for key in ("options", "input_size", "channels")}
    return networks.build(known["model"], classes, **shape, drop_path=recipe.drop_path, seed=seed)
