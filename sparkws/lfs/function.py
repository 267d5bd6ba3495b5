"""Labeling functions: what a user writes, with everything that is known about it."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass, field
from datetime import date, datetime
from functools import cached_property, partial
from typing import Any, Final, Literal, overload

from sparkws.checks import did_you_mean, first_few
from sparkws.config import IDENTIFIER
from sparkws.errors import InvalidFunction
from sparkws.lfs.declarative import Rule
from sparkws.lfs.fingerprint import fingerprint_of
from sparkws.lfs.libraries import runtime_of
from sparkws.lfs.preprocess import Preprocessor, chain_of, check_pre
from sparkws.lfs.reads import find_reads
from sparkws.lfs.rows import Row
from sparkws.vocab import RESERVED

Vectorized = Literal["polars", "arrow"]
VECTORIZED: Final = ("polars", "arrow")


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
        Passed to `f` as keyword arguments.
    pre : tuple of Preprocessor
        What runs on the item before `f`; other labeling functions do not see it.
    columns : tuple of str, or None
        What it reads of the source: found from its own and its preprocessors' source where not given,
        None where that does not tell, which means all columns.
    vectorized : {None, "polars", "arrow"}
        Whether `f` takes a `polars.DataFrame` or a `pyarrow.RecordBatch` of many items and returns
        their votes; null abstains.
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
    examples: Sequence[tuple[Any, Any]] = ()
    owner: str | None = None
    source: str | None = None
    valid_from: str | date | None = None
    valid_to: str | date | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not callable(self.f):
            raise InvalidFunction(f"{self.name!r} needs a function of an item, got {self.f!r}.")
        settled = {
            "resources": dict(self.resources or {}),
            "pre": check_pre(repr(self.name), self.pre),
            "examples": _check_examples(self.name, self.examples),
            "valid_from": _as_date(self.name, "valid_from", self.valid_from),
            "valid_to": _as_date(self.name, "valid_to", self.valid_to),
        }
        for attribute, value in settled.items():
            object.__setattr__(self, attribute, value)
        _check_vectorized(self)
        _check_call(self)
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
        """The function with its resources, without its preprocessors."""
        return partial(self.f, **self.resources) if self.resources else self.f

    @property
    def chain(self) -> tuple[Preprocessor, ...]:
        """The preprocessors in the order in which they run."""
        return chain_of(self.pre)

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
        return {"name": self.name, "f": self.f, "resources": dict(sorted(self.resources.items())), **options}

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


_OPTIONS: Final = ("columns", "vectorized", "examples", "owner", "source", "valid_from", "valid_to")


def _name_of(f: Any) -> str:
    return str(getattr(f, "__name__", repr(f)))


def _check_name(name: object) -> None:
    if not isinstance(name, str) or re.fullmatch(IDENTIFIER, name) is None:
        raise InvalidFunction(
            f"{name!r} cannot be the name of a labeling function, because it becomes a column: "
            "use letters, digits and underscores, not starting with a digit."
        )
    if name.lower() in RESERVED:
        raise InvalidFunction(
            f"{name!r} cannot be the name of a labeling function: a column beside its votes has that name."
        )


def _check_vectorized(lf: LabelingFunction) -> None:
    if lf.vectorized is not None and lf.vectorized not in VECTORIZED:
        raise InvalidFunction(
            f"'vectorized' of {lf.name!r} must be one of {list(VECTORIZED)} or None, got {lf.vectorized!r}."
        )
    if lf.vectorized is not None and lf.pre:
        raise InvalidFunction(
            f"{lf.name!r} is vectorized, so it gets many items at once and cannot have the preprocessors "
            f"{first_few([p.name for p in lf.pre])} of single items; do their work inside it."
        )


def _check_call(lf: LabelingFunction) -> None:
    try:
        signature = inspect.signature(lf.f)
    except (TypeError, ValueError):  # a builtin without a signature
        return
    try:
        signature.bind(object(), **lf.resources)
    except TypeError as error:
        raise InvalidFunction(
            f"{lf.name!r} cannot be called with an item and the resources {sorted(lf.resources)}: {error}."
        ) from None


def _check_examples(name: str, examples: object) -> tuple[tuple[Any, Any], ...]:
    """Examples as pairs of a row and what is expected.

    Raises
    ------
    InvalidFunction
        If they are anything else.
    """
    if isinstance(examples, str | Mapping) or not isinstance(examples, Sequence):
        raise InvalidFunction(f"'examples' of {name!r} must be a list of pairs (row, vote), got {examples!r}.")
    for number, example in enumerate(examples, 1):
        if not isinstance(example, tuple | list) or len(example) != 2:
            raise InvalidFunction(f"example {number} of {name!r} must be a pair (row, vote), got {example!r}.")
        row, vote = example
        if not isinstance(row, Mapping) and not hasattr(row, "__dict__"):
            raise InvalidFunction(
                f"the row of example {number} of {name!r} must be a mapping or have attributes, got {row!r}."
            )
        if isinstance(vote, type) and not issubclass(vote, BaseException):
            raise InvalidFunction(
                f"example {number} of {name!r} expects {vote!r}, expected a vote or a class of exceptions."
            )
    return tuple((row, vote) for row, vote in examples)


def _as_date(name: str, option: str, value: object) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidFunction(f"{option!r} of {name!r} must be a date such as '2026-01-31', got {value!r}.") from None


def _columns(lf: LabelingFunction) -> tuple[str, ...] | None:
    """The columns that it is given: those it names, which must hold those that it is seen to read."""
    if isinstance(lf.f, Rule):
        return lf.f.reads
    if isinstance(lf.columns, str):
        raise InvalidFunction(f"'columns' of {lf.name!r} must be a list of names, got {lf.columns!r}.")
    found = _reads(lf) if lf.vectorized is None else None
    if lf.columns is None:
        return None if found is None else tuple(sorted(found))
    named = tuple(dict.fromkeys(lf.columns))
    beyond = sorted((found or frozenset()) - set(named))
    if beyond:
        raise InvalidFunction(f"{lf.name!r} reads {first_few(beyond)} beyond its 'columns' {list(named)}; add them.")
    return named


def _reads(lf: LabelingFunction) -> frozenset[str] | None:
    columns: set[str] = set()
    made: set[str] = set()  # by the preprocessors so far
    for reads in (*(preprocessor.reads for preprocessor in lf.chain), find_reads(lf.f)):
        if reads is None:
            return None
        columns |= reads.columns - made
        made |= reads.sets
    return frozenset(columns)
