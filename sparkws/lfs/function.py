"""Labeling functions: what a user writes, with everything that is known about it."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass, field
from datetime import date
from functools import cached_property, partial
from typing import Any, Final, overload

import polars as pl

from sparkws.checks import did_you_mean, first_few
from sparkws.errors import InvalidFunction
from sparkws.grids import Cells, Declared, cell_texts, make_cells
from sparkws.lfs.chains import chain_of, made_by, source_columns
from sparkws.lfs.declarative import Rule
from sparkws.lfs.declared import as_date, check_name, settled_classes, settled_examples, settled_grid
from sparkws.lfs.fingerprint import fingerprint_of
from sparkws.lfs.libraries import runtime_of
from sparkws.lfs.loaded import load_all
from sparkws.lfs.options import Vectorized, check_call, check_columns, record_batch
from sparkws.lfs.preprocess import Preprocessor, check_pre, check_vectorized
from sparkws.lfs.reads import find_reads
from sparkws.lfs.rows import Row


@dataclass(frozen=True, eq=False)
class LabelingFunction:
    """A function of an item that votes for a class or abstains.

    Attributes
    ----------
    name : str
        The name of its column in votes tables.
    f : function, or Rule
        Takes an item (or a frame, if `vectorized`) and the resources as keyword arguments; returns a
        class index, a class name or `ABSTAIN`. A `Rule` is a declarative labeling function.
    resources : dict
        Passed to `f` as keyword arguments; a `Loaded` one is loaded by the workers.
    pre : tuple of Preprocessor
        What runs before `f`, on the item or on the batch; other labeling functions do not see it.
    columns : tuple of str, or None
        What it reads of the source: found from its own and its preprocessors' source where not given,
        None where that does not tell, which means all columns.
    vectorized : {None, "polars", "arrow"}
        Whether `f` takes a `polars.DataFrame` or a `pyarrow.RecordBatch` of many items and returns
        their votes; null abstains.
    classes : tuple of str or int, or None
        Of a multi-label task: the classes that it can vote on, by name or index; None for all.
    deterministic : bool
        Whether it votes alike whenever it gets the same item; one that does not is refused unless it says so.
    soft : tuple of floats, or of vectors, optional
        The grid of a function that votes with a probability: it returns one, of the class with index 1 of two
        classes, or a vector or mapping with one for each class, and votes the nearest cell. A grid of numbers is
        for two classes, its cells are ascending; else a cell is a vector. A cell's probability is what the
        function says of the class all in all, as a calibrated classifier does.
    examples : tuple of (row, vote)
        Items, as mappings or objects with attributes, and what it must vote on them, or the class of what
        it must raise; checked before any job.
    owner, source, valid_from, valid_to
        Shown with it; nothing enforces the dates.

    Raises
    ------
    InvalidFunction
        If anything of this cannot be used as written.
    """

    name: str
    f: Callable[..., Any]
    resources: Mapping[str, Any] = field(default_factory=dict)
    pre: Sequence[Preprocessor] = ()
    _: KW_ONLY
    columns: Sequence[str] | None = None
    vectorized: Vectorized | None = None
    classes: Sequence[str | int] | None = None
    deterministic: bool = True
    soft: Declared | None = None
    examples: Sequence[tuple[Any, Any]] = ()
    owner: str | None = None
    source: str | None = None
    valid_from: str | date | None = None
    valid_to: str | date | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if not callable(self.f):
            raise InvalidFunction(f"{self.name!r} needs a function of an item, got {self.f!r}.")
        settled = {
            "resources": dict(self.resources or {}),
            "pre": check_pre(repr(self.name), self.pre),
            "soft": settled_grid(self.name, self.soft),
            "classes": settled_classes(self.name, self.classes),
            "examples": settled_examples(self.name, self.examples),
            "valid_from": as_date(self.name, "valid_from", self.valid_from),
            "valid_to": as_date(self.name, "valid_to", self.valid_to),
        }
        for attribute, value in settled.items():
            object.__setattr__(self, attribute, value)
        check_vectorized(repr(self.name), self.vectorized, self.pre)
        check_call(repr(self.name), self.f, self.resources)
        object.__setattr__(self, "columns", _columns(self))

    @property
    def kind(self) -> str:
        """`row`, `polars`, `arrow`, or the kind of a declarative one."""
        return self.f.kind if isinstance(self.f, Rule) else self.vectorized or "row"

    @property
    def given(self) -> Sequence[str] | None:
        """What it is given of a batch: the columns that it reads, or the answers that Spark made for it."""
        return self.f.columns if isinstance(self.f, Rule) else self.columns

    @property
    def call(self) -> Callable[[Any], Any]:
        """The function with its resources, which are loaded now if need be, without its preprocessors."""
        return partial(self.f, **load_all(self.resources)) if self.resources else self.f

    @property
    def chain(self) -> tuple[Preprocessor, ...]:
        """The preprocessors in the order in which they run."""
        return chain_of(self.pre)

    @property
    def cells(self) -> Cells | None:
        """The cells of its grid, each a vector over the classes; None where it votes for a class."""
        return None if self.soft is None else make_cells(repr(self.name), self.soft)

    def told(self, vote: int, classes: Sequence[str]) -> str:
        """A vote that does not abstain, as it is told: a class, or the probability of a cell."""
        return repr(classes[vote]) if self.cells is None else cell_texts(self.cells)[vote]

    def __call__(self, x: Any) -> Any:
        """What it returns for one item, or for a frame if it is vectorized.

        `x` is anything that has attributes, or a mapping; preprocessors work on a copy of it.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> @labeling_function(resources={"words": ("great", "superb")})
        ... def lf_praise(x, words):
        ...     return 1 if any(word in x.text for word in words) else -1
        >>> lf_praise(SimpleNamespace(text="a superb film")), lf_praise.columns
        (1, ('text',))
        """
        if self.vectorized is not None:
            frame = x
            for preprocessor in self.chain:
                frame = preprocessor(pl.DataFrame(frame))
            is_frame = isinstance(frame, pl.DataFrame) and self.vectorized == "arrow"
            return self.call(record_batch(frame) if is_frame else frame)
        item = Row(x) if isinstance(x, Mapping) else x
        if self.pre:
            item = copy(item)
        for preprocessor in self.chain:
            item = preprocessor(item)
        return self.call(item)

    @property
    def described(self) -> dict[str, object]:
        """What decides its votes, the versions below it included: not its examples, owner, source and dates."""
        options = {"kind": self.kind, "columns": self.columns, "pre": self.pre, "runtime": runtime_of(self.kind)}
        declared = {"soft": self.soft, "classes": self.classes}
        return {
            "name": self.name,
            "f": self.f,
            "resources": dict(sorted(self.resources.items())),
            **options,
            **{option: value for option, value in declared.items() if value is not None},
        }

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with its code, data, resources, preprocessors and options."""
        return fingerprint_of(self)


@overload
def labeling_function(name: Callable[..., Any], /) -> LabelingFunction: ...


@overload
def labeling_function(
    name: str | None = None,
    resources: Mapping[str, Any] | None = None,
    pre: Sequence[Preprocessor] | None = None,
    *,
    columns: Sequence[str] | None = None,
    vectorized: Vectorized | None = None,
    classes: Sequence[str | int] | None = None,
    deterministic: bool = True,
    soft: Declared | None = None,
    examples: Sequence[tuple[Any, Any]] = (),
    owner: str | None = None,
    source: str | None = None,
    valid_from: str | date | None = None,
    valid_to: str | date | None = None,
) -> Callable[[Callable[..., Any]], LabelingFunction]: ...


def labeling_function(
    name: str | Callable[..., Any] | None = None,
    resources: Mapping[str, Any] | None = None,
    pre: Sequence[Preprocessor] | None = None,
    **options: Any,
) -> LabelingFunction | Callable[[Callable[..., Any]], LabelingFunction]:
    """A labeling function made of the decorated function; with or without parentheses.

    The parameters are the attributes of `LabelingFunction`; the name is the function's own if omitted.
    """
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise InvalidFunction(
            f"labeling_function takes no {unknown[0]!r}; its options are {['name', 'resources', 'pre', *_OPTIONS]}."
            f"{did_you_mean(unknown[0], _OPTIONS)}"
        )
    if name is not None and not isinstance(name, str):
        return LabelingFunction(_name_of(name), name)
    return lambda f: LabelingFunction(str(name or _name_of(f)), f, resources or {}, pre or (), **options)


_OPTIONS: Final = (
    "columns",
    "vectorized",
    "classes",
    "deterministic",
    "soft",
    "examples",
    "owner",
    "source",
    "valid_from",
    "valid_to",
)


def _name_of(f: Any) -> str:
    return str(getattr(f, "__name__", repr(f)))


def _columns(lf: LabelingFunction) -> tuple[str, ...] | None:
    """What it and its preprocessors read of the source; it names at least what it is itself seen to read."""
    if isinstance(lf.f, Rule):
        return lf.f.reads
    named = None if lf.columns is None else check_columns(repr(lf.name), lf.columns)
    found = find_reads(lf.f) if lf.vectorized is None else None
    of_pre = source_columns(lf.chain)
    # What an unknown preprocessor sets is not known either.
    made = made_by(lf.chain)
    own = None if found is None else found.columns - made
    if named is not None:
        beyond = sorted((own or frozenset()) - set(named)) if of_pre is not None else []
        if beyond:
            raise InvalidFunction(
                f"{lf.name!r} reads {first_few(beyond)} beyond its 'columns' {list(named)}; add them."
            )
        read = [name for name in named if name not in made]
        return tuple(dict.fromkeys([*read, *sorted(of_pre or ())]))
    return None if own is None or of_pre is None else tuple(sorted(own | of_pre))
