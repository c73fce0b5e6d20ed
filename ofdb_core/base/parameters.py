"""Parameters of a notebook: the name, type and range of each, checked whole when they are made.

The values themselves stand in the notebook's `parameters` cell (with a comment each) and in params/<experiment>/, which
holds only what an experiment changes. A class of parameters is put together from groups, by inheritance: a function
takes the group that it needs, and a notebook and `-p` see one flat list.
"""

import dataclasses
import os
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from ofdb_core.base import project
from ofdb_core.base.values import SEEDS, Folder, Place, Range, nearest, problem, refusal


class ParameterError(ValueError):
    """Parameters that cannot be used; `problems` holds one sentence for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def setting(default: Any, comment: str) -> Any:
    """A field with its default and a comment, for parameters whose notebook does not name them."""
    return dataclasses.field(default=default, metadata={"comment": comment})


@dataclass(frozen=True)
class Parameters:
    """A group of checked parameters; a subclass has a field, with type and range, for each."""

    unseen: ClassVar[tuple[str, ...]] = ()  # fields on which no result depends
    shown: ClassVar[tuple[str, ...]] = ()  # fields of a notebook's checks and figures, on which no folder depends
    either: ClassVar[tuple[tuple[str, str], ...]] = ()  # two fields of which exactly one has a value, the other None
    renamed: ClassVar[dict[str, str]] = {}  # the name of earlier versions -> today's
    earlier: ClassVar[dict[str, Any]] = {}  # a field that earlier versions lacked -> what they did

    def __post_init__(self) -> None:
        sentences = [problem(name, getattr(self, name), kind) for name, kind in self.kinds().items()]
        problems = [sentence for sentence in sentences if sentence] or list(self.conflicts())
        if problems:
            raise ParameterError(problems)

    def conflicts(self) -> Iterator[str]:
        """Sentences about values that are allowed alone but not together."""
        for one, other in self.pairs():
            values = getattr(self, one), getattr(self, other)
            if (values[0] is None) == (values[1] is None):
                given = "neither has a value" if values[0] is None else f"{values[0]!r} and {values[1]!r} are given"
                yield f"{one}, {other}: {given}; give one of the two, and null for the other"

    def falling(self, *names: str) -> Iterator[str]:
        """A sentence for each of these pairs whose first number is above the second."""
        for name in names:
            low, high = getattr(self, name)
            if low > high:
                yield f"{name}: {[low, high]} must rise"

    @classmethod
    def kinds(cls) -> dict[str, Any]:
        """Field name -> annotated type, in order."""
        hints = typing.get_type_hints(cls, include_extras=True)
        return {field.name: hints[field.name] for field in dataclasses.fields(cls)}

    @classmethod
    def take(cls, names: Mapping[str, Any]) -> Self:
        """The parameters in a notebook's `globals()`: each field's value by its name."""
        return cls._made(names)

    @classmethod
    def _made(cls, names: Mapping[str, Any]) -> Self:
        fields = [field.name for field in dataclasses.fields(cls)]
        if missing := [name for name in fields if name not in names]:
            raise ParameterError(f"{name}: missing from the parameters" for name in missing)
        return cls(**{name: names[name] for name in fields})

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The parameters of a dictionary, where a name that is no field is refused."""
        known = cls.kinds()
        if strange := [name for name in values if name not in known]:
            raise ParameterError(f"{name}: unknown parameter{suggestion(name, [cls])}" for name in strange)
        return cls._made(values)

    @classmethod
    def renames(cls) -> dict[str, str]:
        """The name of a field in earlier versions -> today's."""
        return {old: new for part in cls.__mro__ for old, new in vars(part).get("renamed", {}).items()}

    @classmethod
    def pairs(cls) -> list[tuple[str, str]]:
        """The pairs of fields of which exactly one has a value."""
        return [pair for part in cls.__mro__ for pair in vars(part).get("either", ())]

    @classmethod
    def layered(cls, lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
        """The values of `lower`, changed by those of `upper`, where one of a pair takes the other's place."""
        found = {**lower, **upper}
        for pair in cls.pairs():
            for name, other in (pair, pair[::-1]):
                if upper.get(name) is not None and other in lower and other not in upper:
                    found[other] = None
        return found

    @classmethod
    def recorded(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values in a record, which an earlier version may have written, as today's version would have."""
        lacked = {name: value for part in cls.__mro__ for name, value in vars(part).get("earlier", {}).items()}
        return {**lacked, **{cls.renames().get(name, name): value for name, value in values.items()}}

    @classmethod
    def defaults(cls) -> dict[str, tuple[Any, str]]:
        """Field name -> (value, comment), of the fields that are declared by `setting`."""
        fields = [field for field in dataclasses.fields(cls) if field.default is not dataclasses.MISSING]
        return {field.name: (field.default, field.metadata.get("comment", "")) for field in fields}

    @classmethod
    def default_values(cls) -> dict[str, Any]:
        """Field name -> value, as `defaults`."""
        return {name: value for name, (value, _) in cls.defaults().items()}

    def values(self) -> dict[str, Any]:
        """Field name -> value."""
        return dataclasses.asdict(self)

    @classmethod
    def _without(cls, values: Mapping[str, Any], *kinds: str) -> dict[str, Any]:
        left_out = {name for part in cls.__mro__ for kind in kinds for name in vars(part).get(kind, ())}
        return {name: value for name, value in values.items() if name not in left_out}

    def identity(self) -> dict[str, Any]:
        """The values that the results depend on: all but where they lie, who makes them and what is saved meanwhile."""
        return self._without(self.values(), "unseen")

    def makes(self) -> dict[str, Any]:
        """The values that a folder of results depends on: `identity` without what is only checked or shown."""
        return self._without(self.identity(), "shown")

    @classmethod
    def made_from(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """What today's version would have as `makes`, of the values in a folder's manifest, whichever version's."""
        return cls._without(cls.recorded(values), "unseen", "shown")


def suggestion(name: str, classes: Sequence[type[Parameters]]) -> str:
    """What an unknown name may stand for among these classes' fields, as the end of a sentence."""
    renamed = [new for parameters in classes if (new := parameters.renames().get(name))]
    every = {field.name for parameters in classes for field in dataclasses.fields(parameters)} - {"out"}
    return f" (it is called {renamed[0]} here)" if renamed else nearest(name, every)


@dataclass(frozen=True)
class NotebookParameters(Parameters):
    """The parameters of a notebook that an experiment runs."""

    unseen: ClassVar[tuple[str, ...]] = ("out",)

    out: str  # the experiment's folder

    @classmethod
    def take(cls, names: Mapping[str, Any]) -> Self:
        """As of any group; a path starts at the project's folder, wherever the notebook runs."""
        values = {name: names[name] for name in cls.kinds() if name in names}
        if isinstance(out := values.get("out"), str):
            values["out"] = str(project.located(out))
        return cls._made(cls.located(values, project.FOLDER))

    def inputs(self) -> tuple[str, ...]:
        """The folders of the experiment that the notebook reads; other notebooks write them."""
        return ()

    def code(self) -> tuple[Callable, ...]:
        """Functions that the result depends on beside those that the notebook's cells name."""
        return ()

    @classmethod
    def data_names(cls) -> tuple[str, ...]:
        """Values of a `Place` that are names of data sets, not paths."""
        return ()

    @classmethod
    def _places(cls, kind: Any) -> list[str]:
        return [name for name, annotated in cls.kinds().items() if kind in (annotated, *typing.get_args(annotated))]

    @classmethod
    def _is_place(cls, value: object, base: Path) -> bool:
        """Whether text for a `Place` is the path of something, and not the name of a data set."""
        if not isinstance(value, str) or value in cls.data_names():
            return False
        try:
            return (base / value).exists()
        except (OSError, ValueError):  # too long a name, or no folder that may be looked into
            return False

    @classmethod
    def located(cls, values: Mapping[str, Any], base: Path = Path()) -> dict[str, Any]:
        """The values with absolute paths, from base on, for each `Folder`, and each `Place` where something lies."""
        folders = [name for name in cls._places(Folder) if isinstance(values.get(name), str)]
        places = [name for name in cls._places(Place) if cls._is_place(values.get(name), base)]
        kept = {name for name in (*folders, *places) if not refusal(name, values[name], cls.kinds()[name])}
        return {**values, **{name: os.path.realpath(base / values[name]) for name in kept}}

    def reads(self) -> tuple[str, ...]:
        """What the notebook reads: folders of the experiment, and files and folders of the user's."""
        given = [getattr(self, name) for name in self._places(Place)]
        return (*self.inputs(), *(value for value in given if self._is_place(value, Path(self.out))))


@dataclass(frozen=True)
class StageParameters(NotebookParameters):
    """The same of a notebook with random numbers of its own; the seed of a search has a name of its own."""

    seed: Annotated[int, Range(0, SEEDS)]
