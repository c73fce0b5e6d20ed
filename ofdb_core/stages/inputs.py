"""The parameters that name what a stage starts from: data, labels in a table, a checkpoint."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ofdb_core.base import project
from ofdb_core.base.parameters import NotebookParameters
from ofdb_core.base.values import Folder, Options, Place
from ofdb_core.data import addresses, label_table, real_images
from ofdb_core.training import places


class Fetched(NotebookParameters):
    """The folder for data that are fetched from an address or unpacked."""

    no_effect: ClassVar[tuple[str, ...]] = ("data_root",)

    data_root: Folder | None = None
    """Folder for what is downloaded or unpacked; null: data/ in the project."""

    def located_data(self) -> tuple[tuple[str, Path], ...]:
        """(address, path on this disk) of each of `data` that is an address; they are fetched first."""
        root, data = Path(self.data_root or project.DATA), getattr(self, "data", "")
        each = data if isinstance(data, list) else [data]
        return tuple((one, addresses.local(one, root)) for one in each if addresses.is_address(one))

    def place(self) -> str:
        """The value of `data`, or, of fetched data, their path."""
        data = getattr(self, "data", "")
        return str(dict(self.located_data()).get(data, data))

    def reads(self) -> tuple[str, ...]:
        return (*super().reads(), *(str(path) for _, path in self.located_data()))


class Labelled(Fetched):
    """Pictures with classes, which a table may hold."""

    labels: Place | None = None
    """A CSV file with the columns file and label, for pictures in no class folders; or a column of Parquet files."""

    def located_data(self) -> tuple[tuple[str, Path], ...]:
        found, data = super().located_data(), getattr(self, "data", "")
        if self.labels is None:
            return found
        place = dict(found).get(data, Path(data))
        return ((data, label_table.labelled(place, self.labels, self.data_root or project.DATA)),)

    def conflicts(self) -> Iterator[str]:
        data = getattr(self, "data", "")
        if self.labels and not (Path(data).exists() or addresses.is_address(data)):
            yield f"labels: {self.labels} are for pictures in a folder or archive, which data: {data} is not"


class Starting(Fetched):
    """The checkpoint to start from, and the real images."""

    checkpoint: Place | None = None
    """A file or folder, ofdb:small, timm:NAME or hf-hub:OWNER/NAME; null: the network of notebook 4."""
    model: str | None = None
    """The checkpoint's timm model; null: as the file says (the authors' files do not)."""
    model_options: Options = {}
    """Further arguments for timm; {}: as the file says."""
    data: Place = "digits"
    """Folder or archive of train/<class>/ and val/<class>/; or digits, cifar10, cifar100, voc2012."""

    @classmethod
    def located(cls, values: Mapping[str, Any], base: Path = Path()) -> dict[str, Any]:
        """As in any stage; a folder may follow local-dir:, as in timm."""
        path = values.get("checkpoint")
        plain = path.removeprefix(places.FOLDER) if isinstance(path, str) else path
        return super().located({**values, **({"checkpoint": plain} if "checkpoint" in values else {})}, base)

    def checkpoint_path(self) -> str:
        """The `checkpoint`, or that of notebook 4."""
        return self.checkpoint or str(Path(self.out) / "pretrain" / "model.safetensors")

    def inputs(self) -> tuple[str, ...]:
        return () if self.checkpoint else ("pretrain",)

    def conflicts(self) -> Iterator[str]:
        path = self.checkpoint
        if path is not None and path.partition(":")[0] != "timm" and not places.is_place(path):
            known = f"timm:<model>, hf-hub:<owner>/<name> or {', '.join(places.shipped())}"
            yield f"checkpoint: {path!r} is neither a file or folder nor {known}"


def refusal(data: str, check: Callable[[str], None] = real_images.check) -> Iterator[str]:
    """The sentence that refuses data of real images, if any."""
    try:
        check(data)
    except ValueError as error:
        yield str(error)
