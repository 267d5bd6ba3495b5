"""What calls in labeling functions give: builtins, methods, `re`; and what columns stand for."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from sparkws.lfs.operations import (
    folded,
    is_plain,
    looked_up,
)
from sparkws.lfs.terms import (
    INT64,
    Column,
    Const,
    Fails,
    Found,
    NotTranslated,
    Real,
    Term,
    Text,
    Truth,
    Whole,
    Words,
    over,
    settled,
    truth_of,
)
from sparkws.lfs.texts import cased, count, finds, holds, length, replaced, stripped
from sparkws.lfs.texttests import TextTest

_BOUNDS: Final = {
    pl.Int8: 2**7,
    pl.Int16: 2**15,
    pl.Int32: 2**31,
    pl.Int64: 2**63,
    pl.UInt8: 2**8,
    pl.UInt16: 2**16,
    pl.UInt32: 2**32,
}
FOLDED: Final = (len, str, int, float, bool, set, frozenset, tuple, list, sorted, min, max, abs, range, re.escape)
SEARCHES: Final = {re.search: "search", re.match: "match", re.fullmatch: "fullmatch"}
_PURE: Final[Mapping[type, frozenset[str]]] = {
    str: frozenset(name for name in dir(str) if not name.startswith("_")),
    dict: frozenset({"get", "keys", "values", "items"}),
    tuple: frozenset({"count", "index"}),
    set: frozenset({"union", "intersection", "difference"}),
    frozenset: frozenset({"union", "intersection", "difference"}),
}


def column_of(name: str, dtype: pl.DataType, asked: dict[str, TextTest]) -> Term:
    """What a column stands for.

    Raises
    ------
    NotTranslated
        For a type whose values are not translated.
    """
    value = pl.col(name)
    if dtype == pl.Null:
        return Const(None)
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        text = value if dtype == pl.String else value.cast(pl.String)
        return Column(name, Text(name, text, asked=asked))
    if dtype == pl.Boolean:
        return Column(name, Truth(value))
    for known, bound in _BOUNDS.items():
        if dtype == known:
            low = -bound if dtype.is_signed_integer() else 0
            return Column(name, Whole(value.cast(pl.Int64), low, min(bound - 1, INT64[1])))
    if dtype in (pl.Float32, pl.Float64):
        return Column(name, Real(value.cast(pl.Float64)))
    raise NotTranslated(f"reads column {name!r}, which is {dtype}")


def method_of(term: Term, name: str, arguments: Sequence[Term]) -> Term:
    """What a method of a value gives."""
    values: list[Any] = [argument.value for argument in arguments if isinstance(argument, Const)]
    are_known = len(values) == len(arguments)
    if isinstance(term, Fails):
        return term
    if isinstance(term, Const):
        return _of_constant(term, name, arguments, are_known=are_known)
    if not isinstance(term, Text):
        raise NotTranslated(f"calls {name}() on what is no text")
    if not are_known:
        raise NotTranslated(f"calls {name}() with what is not constant")
    if name in ("lower", "upper", "casefold") and not values:
        return cased(term, name)  # type: ignore[arg-type]
    if name in ("strip", "lstrip", "rstrip") and (not values or _are_texts(values, 1)):
        return stripped(term, values[0] if values else None, name)  # type: ignore[arg-type]
    if name in ("startswith", "endswith") and len(values) == 1:
        words = values[0] if type(values[0]) is tuple else (values[0],)
        if all(type(word) is str for word in words):
            return holds(term, words, "start" if name == "startswith" else "end")
    if name == "replace" and _are_texts(values, 2):
        return replaced(term, *values)
    if name == "count" and _are_texts(values, 1):
        return count(term, *values)
    if name == "split" and not values:
        return Words(term)
    raise NotTranslated(f"calls {name}(), which is not translated")


def _are_texts(values: Sequence[Any], n: int) -> bool:
    return len(values) == n and all(type(value) is str for value in values)


def _of_constant(term: Const, name: str, arguments: Sequence[Term], *, are_known: bool) -> Term:
    value: Any = term.value
    if value is None:
        return Fails()
    if isinstance(value, re.Pattern) and name in ("search", "match", "fullmatch") and len(arguments) == 1:
        return over(lambda text: _searched(value.pattern, value.flags, name, text), arguments[0])
    if name in _PURE.get(type(value), ()):
        if are_known:
            found = folded(lambda one, *rest: getattr(one, name)(*rest), term, *arguments)  # type: ignore[arg-type]
            is_view = isinstance(found, Const) and name in ("keys", "values", "items")
            return Const(tuple(found.value)) if is_view else found  # type: ignore[union-attr, arg-type]
        if name == "get" and len(arguments) <= 2:
            default = arguments[1] if len(arguments) == 2 else Const(None)
            return looked_up(value, arguments[0], default)
    raise NotTranslated(f"calls {name}() of {type(value).__name__}, which is not translated")


def regex_of(function: Any, arguments: Sequence[Term]) -> Term:
    """What `re.compile`, or one of `SEARCHES`, gives for a pattern that is known."""
    known = [argument.value for argument in arguments if isinstance(argument, Const)]
    if function is re.compile:
        if len(known) == len(arguments) and isinstance(known[0], str):
            try:
                return Const(re.compile(*known))
            except re.error:
                return Fails()
        raise NotTranslated("compiles a pattern that is not constant")
    pattern, *rest = arguments
    value = pattern.value if isinstance(pattern, Const) else None
    flags = [flag.value for flag in rest[1:] if isinstance(flag, Const) and isinstance(flag.value, int)]
    if not rest or len(flags) < len(rest[1:]) or len(flags) > 1 or (flags and isinstance(value, re.Pattern)):
        raise NotTranslated("calls re with arguments that are not translated")
    if isinstance(value, re.Pattern):
        value, flags = value.pattern, [value.flags]
    if not isinstance(value, str):
        raise NotTranslated("looks for a pattern that is not constant")
    flag = int(flags[0]) if flags else 0
    return over(lambda text: _searched(str(value), flag, SEARCHES[function], text), rest[0])


def _searched(pattern: str, flags: int, method: Any, text: Term) -> Term:
    if isinstance(text, Text):
        return finds(text, pattern, flags, method)
    if isinstance(text, Const) and type(text.value) is str:
        return Found(Const(getattr(re.compile(pattern, flags), method)(text.value) is not None))
    if isinstance(text, Words | Found):
        raise NotTranslated("looks for a pattern in what is no text")
    return Fails()


def builtin_of(function: Any, term: Term) -> Term:
    """What `len`, `bool` or `str` of a term gives."""
    if isinstance(term, Fails):
        return term
    if function is bool:
        return truth_of(term)
    if isinstance(term, Const):
        return folded(function, term)
    if function is str and isinstance(term, Text):
        return term
    if function is len and isinstance(term, Text | Words):
        return length(term)
    if function is len and isinstance(term, Whole | Real | Truth):
        return Fails()
    raise NotTranslated(f"calls {function.__name__}() of what is no text")


def is_instance(term: Term, kinds: Any) -> Term:
    """What `isinstance` gives, by the type that every value of a term has."""
    of = {Text: str, Whole: int, Real: float, Truth: bool}.get(type(term))
    if isinstance(term, Fails):
        return term
    if isinstance(term, Const) and is_plain(term.value):
        return Const(isinstance(term.value, kinds))
    if of is None:
        raise NotTranslated("asks for the type of a match or a list of words")
    return settled(issubclass(of, kinds), term)
