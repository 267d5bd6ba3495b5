"""Preprocessors: what several labeling functions want to know of an item, computed once for all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property, partial
from typing import Any, Final, overload

import polars as pl

from sparkws.checks import did_you_mean, first_few
from sparkws.errors import InvalidFunction
from sparkws.lfs.chains import chain_of, check_materialized, check_options
from sparkws.lfs.fingerprint import fingerprint_of
from sparkws.lfs.libraries import runtime_of
from sparkws.lfs.loaded import load_all
from sparkws.lfs.made import check_makes, made_columns
from sparkws.lfs.memo import DEFAULT_ENTRIES
from sparkws.lfs.options import VECTORIZED, Vectorized, check_call, check_columns, record_batch
from sparkws.lfs.reads import Reads, find_reads
from sparkws.lfs.rows import Row


@dataclass(frozen=True, eq=False)
class Preprocessor:
    """A function that gets an item, sets attributes on it and returns it; or gets a batch and returns columns.

    Attributes
    ----------
    name : str
        How messages call it.
    f : function of an item, or of a batch
        Called with the resources as keyword arguments.
    pre : tuple of Preprocessor
        What runs before it.
    resources : dict
        Passed to `f`; a `Loaded` one is loaded by the workers.
    columns : tuple of str, or None
        What it reads; where not given, found from the source of a function of items, and None, which means
        everything, where that does not tell.
    makes : dict, or None
        The columns that it sets and their types: of polars, `object` for anything of Python, None for whatever
        comes. A function of batches has to name them.
    vectorized : {None, "polars", "arrow"}
        Whether `f` gets a `polars.DataFrame` or a `pyarrow.RecordBatch` of many items. It returns a frame, or a
        dict of columns, with a row for each item in the same order. In a column of objects an exception is the
        fault of that item alone.
    memoize : bool or int
        Whether results are kept for items with the same values, and how many of them; for functions of items.
    materialize : bool
        Whether a run keeps the results in the table `prep_<name>` of the workspace and makes each of them once,
        for every different input and state of the code; for functions that read columns of the source and make
        columns of named types.
    reads : Reads or None
        The columns that it reads and sets; None where neither it nor its source tells.

    Raises
    ------
    InvalidFunction
        If anything of this cannot be used as written.
    """

    name: str
    f: Callable[..., Any]
    pre: Sequence["Preprocessor"] = ()
    resources: Mapping[str, Any] = field(default_factory=dict)
    _: KW_ONLY
    columns: Sequence[str] | None = None
    makes: Mapping[str, Any] | Sequence[str] | None = None
    vectorized: Vectorized | None = None
    memoize: bool | int = False
    materialize: bool = False
    reads: Reads | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not callable(self.f):
            raise InvalidFunction(f"{self} needs a function of an item, got {self.f!r}.")
        object.__setattr__(self, "pre", check_pre(str(self), self.pre))
        object.__setattr__(self, "resources", dict(self.resources or {}))
        if self.makes is not None:
            object.__setattr__(self, "makes", check_makes(str(self), self.makes))
        if self.columns is not None:
            object.__setattr__(self, "columns", check_columns(str(self), self.columns))
        check_vectorized(str(self), self.vectorized, self.pre)
        check_call(str(self), self.f, self.resources)
        check_options(self)
        object.__setattr__(self, "reads", _reads_of(self))
        if self.materialize:
            check_materialized(self)

    def __str__(self) -> str:
        return f"preprocessor {self.name!r}"

    @property
    def call(self) -> Callable[[Any], Any]:
        """The function with its resources, which are loaded now if need be."""
        return partial(self.f, **load_all(self.resources)) if self.resources else self.f

    @property
    def made(self) -> dict[str, Any]:
        """The columns that it is said to set, and their types."""
        return {} if self.makes is None else check_makes(str(self), self.makes)

    @property
    def runs_first(self) -> bool:
        """Whether its results are there before any item is looked at: it takes batches, or a table holds them."""
        return self.vectorized is not None or self.materialize

    @property
    def stored(self) -> dict[str, str]:
        """Columns of a source that hold its results: for each column that it makes, and of "" why it failed."""
        return {name: f"__sparkws_{self.name}_{name}" for name in (*self.made, "")}

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change with its code, resources and options, and the versions below it."""
        return fingerprint_of(self, runtime_of(self.vectorized or "row"))

    @property
    def entries(self) -> int:
        """The most results that are kept."""
        return DEFAULT_ENTRIES if self.memoize is True else int(self.memoize)

    def __call__(self, x: Any) -> Any:
        """The item, or the frame of items, with what this preprocessor sets."""
        if self.vectorized is None:
            return self.call(x)
        if isinstance(x, pl.DataFrame):
            return x.with_columns(self._made_of(x if self.columns is None else x.select(self.columns)))
        item = Row(x) if isinstance(x, Mapping) else x
        read = {name: [value] for name, value in vars(item).items() if self.columns is None or name in self.columns}
        for name, value in self._made_of(pl.DataFrame(read)).row(0, named=True).items():
            if isinstance(value, BaseException):
                raise value
            setattr(item, name, value)
        return item

    def _made_of(self, frame: pl.DataFrame) -> pl.DataFrame:
        returned = self.call(frame if self.vectorized == "polars" else record_batch(frame))
        return made_columns(str(self), self.made, returned, frame.height)

    @property
    def described(self) -> dict[str, object]:
        """What decides what it sets."""
        told: dict[str, object] = {"name": self.name, "f": self.f, "pre": self.pre}
        makes = [[name, str(dtype)] for name, dtype in self.made.items()]
        options = {"resources": self.resources, "columns": self.columns, "makes": makes, "kind": self.vectorized}
        return {**told, **{name: value for name, value in options.items() if value}}


def check_pre(owner: str, pre: Sequence[object] | None) -> tuple[Preprocessor, ...]:
    """`pre` as a tuple of preprocessors.

    Raises
    ------
    InvalidFunction
        If it is not a list, holds something else, or a function of batches behind one of items.
    """
    if isinstance(pre, Preprocessor) or (pre is not None and not isinstance(pre, Sequence)):
        raise InvalidFunction(f"'pre' of {owner} must be a list of preprocessors, got {pre!r}.")
    checked: list[Preprocessor] = []
    for entry in pre or ():
        if not isinstance(entry, Preprocessor):
            raise InvalidFunction(f"'pre' of {owner} holds {entry!r}; decorate it with @preprocessor.")
        checked.append(entry)
    of_items: str | None = None
    for preprocessor in chain_of(checked):
        if not preprocessor.runs_first:
            of_items = preprocessor.name
        elif of_items is not None:
            raise InvalidFunction(
                f"'pre' of {owner} has {preprocessor.name!r}, which runs before any item is looked at, "
                f"behind {of_items!r}, which "
                "runs on single items; put it first, and do not let it need what the other sets."
            )
    return tuple(checked)


def check_vectorized(owner: str, vectorized: object, pre: Sequence[Preprocessor]) -> None:
    """Refuse an unknown kind of batch, and preprocessors of single items before a function of batches.

    Raises
    ------
    InvalidFunction
        With what was asked for.
    """
    if vectorized is None:
        return
    if vectorized not in VECTORIZED:
        raise InvalidFunction(f"'vectorized' of {owner} must be one of {list(VECTORIZED)} or None, got {vectorized!r}.")
    of_items = [preprocessor.name for preprocessor in chain_of(pre) if preprocessor.vectorized is None]
    if of_items:
        raise InvalidFunction(
            f"{owner} is vectorized, so it gets many items at once and cannot have the preprocessors "
            f"{first_few(of_items)} of single items; do their work inside it, or make them vectorized."
        )


def _reads_of(preprocessor: Preprocessor) -> Reads | None:
    """What it reads and sets: as it says, or else as its source tells."""
    columns, makes = preprocessor.columns, preprocessor.makes
    if preprocessor.vectorized is not None:
        return None if columns is None else Reads(frozenset(columns), frozenset(makes or ()))
    found = find_reads(preprocessor.f, returns_item=True)
    if found is not None:
        for option, said, seen in (("columns", columns, found.columns), ("makes", makes, found.sets)):
            beyond = sorted(seen - set(said)) if said is not None else []
            if beyond:
                verb = "reads" if option == "columns" else "sets"
                raise InvalidFunction(
                    f"{preprocessor} {verb} {first_few(beyond)} beyond its {option!r} {list(said or ())}; add them."
                )
    if columns is None or makes is None:
        if found is None:
            return None
        return Reads(frozenset(columns or found.columns), frozenset(makes or found.sets))
    return Reads(frozenset(columns), frozenset(makes))


@overload
def preprocessor(name: Callable[..., Any], /) -> Preprocessor: ...


@overload
def preprocessor(
    name: str | None = None,
    pre: Sequence[Preprocessor] | None = None,
    *,
    resources: Mapping[str, Any] | None = None,
    columns: Sequence[str] | None = None,
    makes: Mapping[str, Any] | Sequence[str] | None = None,
    vectorized: Vectorized | None = None,
    memoize: bool | int = False,
    materialize: bool = False,
) -> Callable[[Callable[..., Any]], Preprocessor]: ...


def preprocessor(
    name: str | Callable[..., Any] | None = None,
    pre: Sequence[Preprocessor] | None = None,
    **options: Any,
) -> Preprocessor | Callable[[Callable[..., Any]], Preprocessor]:
    """A preprocessor made of the decorated function; with or without parentheses.

    The parameters are the attributes of `Preprocessor`; the name is the function's own if omitted. It runs
    once for an item, or for a batch, whatever the number of labeling functions that ask for it. With
    `memoize=True` the results of the last 100,000 different items are kept as well, in at most 64 MiB of
    every worker that is at work on them, which helps where texts come again and the function is slow. It
    must then depend on nothing but what it reads; only plain data is kept (text, numbers, dates, lists of them).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> @preprocessor
    ... def with_words(x):
    ...     x.words = x.text.split()
    ...     return x
    >>> with_words(SimpleNamespace(text="so good")).words
    ['so', 'good']

    A model gets whole batches:

    >>> import polars as pl
    >>> @preprocessor(vectorized="polars", columns=["text"], makes={"n_words": pl.Int64})
    ... def counted(frame):
    ...     return {"n_words": frame["text"].str.split(" ").list.len()}
    >>> counted(SimpleNamespace(text="so good")).n_words
    2
    """
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise InvalidFunction(
            f"preprocessor takes no {unknown[0]!r}; its options are {['name', 'pre', *_OPTIONS]}."
            f"{did_you_mean(unknown[0], _OPTIONS)}"
        )
    if name is not None and not isinstance(name, str):
        return Preprocessor(_name_of(name), name)
    return lambda f: Preprocessor(str(name or _name_of(f)), f, pre or (), **options)


_OPTIONS: Final = ("resources", "columns", "makes", "vectorized", "memoize", "materialize")


def _name_of(f: Any) -> str:
    return str(getattr(f, "__name__", repr(f)))
