"""Parameters: the fields of a class, which are their one home.

    class View(Parameters):
        input_size: Annotated[int, Range(8, 4096)] = 224
        '''Pixels, each side, that the network sees.'''

A field has a type with its range, a default, and below it a docstring with meaning, unit and source. A class is put
together from groups, by inheritance: a function takes the group that it needs, and a notebook and `-p` see one flat
list. A notebook's `parameters` cell shows the few that a reader turns first; params/<experiment>.yaml holds what an
experiment changes. All values are checked when the parameters are made, and all mistakes are reported at once.
"""

import ast
import copy
import dataclasses
import functools
import inspect
import itertools
import os
import textwrap
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from ofdb_core.base import project
from ofdb_core.base.values import SEEDS, Folder, Place, Range, arms, nearest, problem, refusal

ENTRY = bool | int | float | str | list | dict | None  # the type of an entry in a mapping with free names
INJECTED = "# Parameters\n"  # the first line of the cell that papermill injects
OWN = "# Turn these first"  # how the first line of a notebook's own cell of parameters begins
RAN = "# as run in {!r}; in a copy elsewhere, out needs another folder\n"  # the second line, once a run is done


class ParameterError(ValueError):
    """Parameters that cannot be used; `problems` holds one sentence for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


@typing.dataclass_transform(frozen_default=True, kw_only_default=True)
class Parameters:
    """A group of checked parameters; every subclass is a frozen, keyword-only dataclass."""

    no_effect: ClassVar[tuple[str, ...]] = ()  # fields on which no result depends
    display_only: ClassVar[tuple[str, ...]] = ()  # fields of checks and figures, on which no folder depends
    exclusive: ClassVar[tuple[tuple[str, str], ...]] = ()  # two fields of which one has a value, the other None
    renamed: ClassVar[dict[str, str]] = {}  # a field's former name -> today's

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __init_subclass__(cls) -> None:
        for name in inspect.get_annotations(cls):
            if isinstance(value := vars(cls).get(name), list | dict) and name not in vars(Parameters):
                setattr(cls, name, dataclasses.field(default_factory=functools.partial(copy.deepcopy, value)))
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    def __post_init__(self) -> None:
        sentences = [problem(name, getattr(self, name), kind) for name, kind in self.kinds().items()]
        if problems := [sentence for sentence in sentences if sentence] or [*self._conflicts()]:
            raise ParameterError(problems)

    def _conflicts(self) -> Iterator[str]:
        """The sentences of all groups, from the base up, each once."""
        parts: list[Any] = [part for part in reversed(type(self).__mro__) if "conflicts" in vars(part)]
        yield from dict.fromkeys(sentence for part in parts for sentence in part.conflicts(self))

    def conflicts(self) -> Iterator[str]:
        """A sentence for each set of values that are allowed alone but not together; each group has its own."""
        for one, other in self.pairs():
            values = getattr(self, one), getattr(self, other)
            if (values[0] is None) == (values[1] is None):
                state = "neither has a value" if values[0] is None else f"{values[0]!r} and {values[1]!r} are given"
                yield f"{one}, {other}: {state}; give one of the two, and null for the other"

    def falling(self, *names: str) -> Iterator[str]:
        """A sentence for each named pair of numbers whose first is above its second."""
        for name in names:
            low, high = getattr(self, name)
            if low > high:
                yield f"{name}: {[low, high]} must rise"

    @classmethod
    @functools.cache
    def kinds(cls) -> Mapping[str, Any]:
        """Field name -> annotated type: the folder first, then the class's own fields, then those of its groups."""
        hints = typing.get_type_hints(cls, include_extras=True)
        fields = {field.name for field in dataclasses.fields(cls)}
        named = (name for part in cls.__mro__ for name in inspect.get_annotations(part))
        return {name: hints[name] for name in dict.fromkeys(("out", *named)) if name in fields}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Field name -> default, of the fields that have one."""
        missing, found = dataclasses.MISSING, {}
        for name, field in cls.__dataclass_fields__.items():
            found[name] = field.default if field.default_factory is missing else field.default_factory()
        return {name: found[name] for name in cls.kinds() if found[name] is not missing}

    @classmethod
    @functools.cache
    def comments(cls) -> dict[str, str]:
        """Field name -> its docstring, in one line."""
        found = dict.fromkeys(cls.kinds(), "")
        for part in reversed(cls.__mro__):
            if issubclass(part, Parameters):
                tree: Any = ast.parse(textwrap.dedent(inspect.getsource(part)))
                for field, text in itertools.pairwise(tree.body[0].body):
                    if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                        found[ast.unparse(field.target)] = " ".join(ast.literal_eval(text.value).split())
        return found

    @classmethod
    def entries(cls, name: str, values: Mapping[str, Any] | None = None) -> Sequence[type["Parameters"]]:
        """The classes whose fields a mapping field may hold (with `values`: does hold); none: any names."""
        return ()

    @classmethod
    def kind(cls, name: str) -> Any:
        """The type of a parameter, or of an entry such as `live.patches`; None if there is no such parameter."""
        field, _, entry = name.partition(".")
        kind, parts = cls.kinds().get(field), cls.entries(field)
        if not entry:
            return kind
        if not parts:
            return ENTRY if kind is not None and arms(kind) == {dict} else None
        return next((part.kinds()[entry] for part in parts if entry in part.kinds()), None)

    @classmethod
    def take(cls, names: Mapping[str, Any], *, besides: Collection[str] = ()) -> Self:
        """The parameters in a notebook's `globals()`; a field without a value there has its default.

        A name that the notebook's own cell or papermill's sets is refused unless it is a field or one of `besides`.
        """
        wanted = {*cls.kinds(), *_assigned(names)} - set(besides)
        return cls.of({name: names[name] for name in wanted if name in names})

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The parameters in a dictionary; a name that is no field is refused."""
        known = cls.kinds()
        if strange := [name for name in values if name not in known]:
            raise ParameterError(f"{name}: unknown parameter{suggestion(name, [cls])}" for name in strange)
        if missing := [name for name in known if name not in values and name not in cls.defaults()]:
            raise ParameterError(f"{name}: missing from the parameters" for name in missing)
        return cls(**values)

    @classmethod
    def renames(cls) -> dict[str, str]:
        """A field's former name -> today's."""
        return {old: new for part in cls.__mro__ for old, new in vars(part).get("renamed", {}).items()}

    @classmethod
    def pairs(cls) -> list[tuple[str, str]]:
        """The pairs of fields of which exactly one has a value."""
        return [pair for part in cls.__mro__ for pair in vars(part).get("exclusive", ())]

    @classmethod
    def layered(cls, lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
        """The values of `lower`, changed by those of `upper`.

        A value for one of a pair removes the other's; a name such as `live.patches` changes an entry of a mapping.
        """
        found = dict(lower)
        for name, value in upper.items():
            field, _, entry = name.partition(".")
            mapping = found.get(field)
            if entry and isinstance(mapping, Mapping):
                found[field] = {**mapping, entry: value}
            else:
                found[name] = value
        for pair in cls.pairs():
            for name, other in (pair, pair[::-1]):
                if upper.get(name) is not None and other in lower and other not in upper:
                    found[other] = None
        return found

    def values(self) -> dict[str, Any]:
        """Field name -> value."""
        values = dataclasses.asdict(self)
        return {name: values[name] for name in self.kinds()}

    def changes(self) -> dict[str, Any]:
        """The values that are not the defaults."""
        usual = self.defaults()
        return {name: value for name, value in self.values().items() if name not in usual or value != usual[name]}

    def _without(self, *kinds: str) -> dict[str, Any]:
        left_out = {name for part in type(self).__mro__ for kind in kinds for name in vars(part).get(kind, ())}
        return {name: value for name, value in self.values().items() if name not in left_out}

    def identity(self) -> dict[str, Any]:
        """The values that the results depend on: all but folders, workers and what is saved meanwhile."""
        return self._without("no_effect")

    def makes(self) -> dict[str, Any]:
        """The values that a folder of results depends on: `identity` without what is only checked or shown."""
        return self._without("no_effect", "display_only")


def _last_cell(names: Mapping[str, Any], beginning: str) -> str:
    """The last cell that ran and begins so, from a notebook's `globals()`; empty if there is none."""
    return next((cell for cell in reversed(names.get("In", ())) if cell.startswith(beginning)), "")


def _assigned(names: Mapping[str, Any]) -> list[str]:
    """The names that the notebook's own cell of parameters and papermill's give values."""
    tree = ast.parse(f"{_last_cell(names, OWN)}\n{_last_cell(names, INJECTED)}")
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def suggestion(name: str, classes: Sequence[type[Parameters]]) -> str:
    """The field of these classes that an unknown name may mean, as the end of a sentence."""
    renamed = [new for parameters in classes if (new := parameters.renames().get(name))]
    if renamed:
        return f" (it is called {renamed[0]} here)"
    field, _, entry = name.partition(".")
    if entry:
        parts = [part for parameters in classes for part in parameters.entries(field)]
        return nearest(name, {f"{field}.{known}" for part in parts for known in part.kinds()})
    return nearest(name, {known for parameters in classes for known in parameters.kinds()} - {"out"})


class NotebookParameters(Parameters):
    """The parameters of a notebook that an experiment runs."""

    no_effect: ClassVar[tuple[str, ...]] = ("out",)

    out: str = "runs/lab"
    """The experiment's folder: results, figures and the record go there."""

    @classmethod
    def take(cls, names: Mapping[str, Any], *, besides: Collection[str] = ()) -> Self:
        """As in any group; a path starts at the project's folder, wherever the notebook runs."""
        values = {**cls.defaults(), **names}
        if isinstance(out := values["out"], str):
            values["out"] = out = str(project.located(out))
            if RAN.format(out) in _last_cell(names, INJECTED) and os.path.realpath(".") != out:
                raise ParameterError([f"out: {out} is of the run that this notebook is a copy of; give another folder"])
        return super().take(cls.located(values, project.FOLDER), besides=besides)

    def inputs(self) -> tuple[str, ...]:
        """The folders of the experiment that the notebook reads; other notebooks write them."""
        return ()

    def code(self) -> tuple[Callable, ...]:
        """Functions that the result depends on, besides those that the notebook's cells name."""
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
        """Whether text for a `Place` is an existing path, not the name of a data set."""
        if not isinstance(value, str) or value in cls.data_names():
            return False
        try:
            return (base / value).exists()
        except (OSError, ValueError):  # the name is too long, or a folder may not be read
            return False

    @classmethod
    def located(cls, values: Mapping[str, Any], base: Path = Path()) -> dict[str, Any]:
        """The values, with paths from `base` made absolute: each `Folder`, and each `Place` that exists."""

        def absolute(value: Any) -> Any:
            if isinstance(value, list):
                return [absolute(entry) for entry in value]
            return os.path.realpath(base / value) if cls._is_place(value, base) else value

        folders = [name for name in cls._places(Folder) if isinstance(values.get(name), str)]
        kept = {name for name in folders if not refusal(name, values[name], cls.kinds()[name])}
        places = {name: absolute(values[name]) for name in cls._places(Place) if name in values}
        return {**values, **places, **{name: os.path.realpath(base / values[name]) for name in kept}}

    def reads(self) -> tuple[str, ...]:
        """What the notebook reads: folders of the experiment, and the user's files and folders."""
        values = [getattr(self, name) for name in self._places(Place)]
        each = [entry for value in values for entry in (value if isinstance(value, list) else [value])]
        return (*self.inputs(), *(value for value in each if self._is_place(value, Path(self.out))))


class StageParameters(NotebookParameters):
    """Parameters of a notebook that draws random numbers; the seed of a search is a separate parameter."""

    seed: Annotated[int, Range(0, SEEDS)] = 0
    """Seed of all random draws."""
