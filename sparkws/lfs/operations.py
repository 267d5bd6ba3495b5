"""Comparisons, membership and arithmetic of terms, as Python would answer.

The module is longer than 300 lines because all three rest on what a number is, known or not.
"""

import math
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import polars as pl

from sparkws.lfs.terms import (
    INT64,
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
    either,
    negated,
    over,
    over_two,
    settled,
    truth_of,
)
from sparkws.lfs.texts import holds

COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
}
ARITHMETIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
}
_MIRRORED: Final = {"Lt": "Gt", "LtE": "GtE", "Gt": "Lt", "GtE": "LtE", "Eq": "Eq", "NotEq": "NotEq"}
_PLAIN: Final = (bool, int, float, str, bytes, type(None))
_CONTAINERS: Final = (tuple, list, set, frozenset, dict)
_EXACT: Final = 2**53  # up to it every int is a float
_SMALL: Final = 2**31  # products of what is below it fit
_MOST_VALUES: Final = 32


def is_plain(value: object) -> bool:
    """Whether a value is of builtin types all through, so that what it does is known."""
    if type(value) in _CONTAINERS:
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)  # type: ignore[call-overload]
        return all(is_plain(part) for part in parts)
    return type(value) in _PLAIN


def folded(f: Callable[..., Any], *terms: Const) -> Term:
    """What Python makes of constants."""
    values = [term.value for term in terms]
    if not all(is_plain(value) for value in values):
        raise NotTranslated(f"works with {next(value for value in values if not is_plain(value))!r}")
    try:
        return Const(f(*values))
    except Exception:  # whatever it is, it is raised for each item that comes here
        return Fails()


def compared(name: str, a: Term, b: Term) -> Term:
    """`a == b` and the like; `name` as in `ast`."""
    return over_two(lambda left, right: _compared(name, left, right), a, b)


def is_one(a: Term, b: Term) -> Term:
    """`a is b`, for None, True and False."""
    if not (isinstance(b, Const) and (b.value is None or isinstance(b.value, bool))):
        raise NotTranslated("asks with 'is' for something else than None, True or False")
    value = b.value

    def of_case(term: Term) -> Term:
        if isinstance(term, Const):
            return Const(term.value is value)
        if isinstance(term, Fails):
            return term
        if isinstance(term, Found) and value is None:
            return negated(term.truth)
        if isinstance(term, Truth) and value is not None:
            return term if value else negated(term)
        return settled(False, term)

    return over(of_case, a)


def contained(a: Term, b: Term) -> Term:
    """`a in b`."""
    return over_two(_contained, a, b)


def looked_up(table: Mapping[Any, Any], key: Term, default: Term) -> Term:
    """The value of a key in a constant dictionary."""
    if not is_plain(table):
        raise NotTranslated("looks into a dictionary that holds more than plain values")
    groups: dict[str, tuple[object, list[object]]] = {}
    for one, value in table.items():
        groups.setdefault(f"{type(value).__name__} {value!r}", (value, []))[1].append(one)
    if len(groups) > _MOST_VALUES:
        raise NotTranslated(f"looks into a dictionary with more than {_MOST_VALUES} different values")
    found = default
    for value, keys in groups.values():
        found = either(truth_of(contained(key, Const(tuple(keys)))), Const(value), found)
    return found


def calculated(name: str, a: Term, b: Term) -> Term:
    """`a + b` and the like; `name` as in `ast`."""
    return over_two(lambda left, right: _calculated(name, left, right), a, b)


def as_number(term: Term) -> Whole | Real | None:
    """A number, also one that is known; None for what is none."""
    if isinstance(term, Whole | Real):
        return term
    if isinstance(term, Truth):
        return Whole(term.holds.cast(pl.Int64), 0, 1)
    value = term.value if isinstance(term, Const) else None
    if isinstance(value, int) and INT64[0] <= value <= INT64[1]:
        return Whole(pl.lit(int(value), pl.Int64), int(value), int(value))
    return Real(pl.lit(value, pl.Float64)) if isinstance(value, float) else None


def _compared(name: str, a: Term, b: Term) -> Term:
    if isinstance(a, Fails) or isinstance(b, Fails):
        return Fails()
    if isinstance(a, Const) and isinstance(b, Const):
        return folded(COMPARISONS[name], a, b)
    if isinstance(a, Found | Words) or isinstance(b, Found | Words):
        raise NotTranslated("compares a match or a list of words")
    if isinstance(a, Const):
        return _compared(_MIRRORED[name], b, a)
    if isinstance(a, Text):
        return _text_compared(name, a, b)
    number = as_number(a)
    assert number is not None
    if isinstance(b, Const):
        if not is_plain(b.value):
            raise NotTranslated(f"compares with {b.value!r}")
        if not isinstance(b.value, int | float):
            return _of_other_type(name, a, b)
        return _bounded(name, number, b.value)
    if isinstance(b, Text):
        return _of_other_type(name, a, b)
    other = as_number(b)
    assert other is not None
    if isinstance(number, Whole) and isinstance(other, Whole):
        return Truth(COMPARISONS[name](number.value, other.value))
    return _floats(name, _as_real(number), _as_real(other))


def _of_other_type(name: str, a: Term, b: Term) -> Term:
    return settled(name == "NotEq", a, b) if name in ("Eq", "NotEq") else Fails()


def _text_compared(name: str, a: Text, b: Term) -> Term:
    if isinstance(b, Const) and isinstance(b.value, str) and type(b.value) is str:
        if name in ("Eq", "NotEq"):
            equal = holds(a, [b.value], "whole")
            return equal if name == "Eq" else negated(equal)
        if any("\ud800" <= character <= "\udfff" for character in b.value):
            raise NotTranslated(f"compares with {b.value!r}, which is no text that can be written")
        if a.case is None:
            return Truth(COMPARISONS[name](a.source, pl.lit(b.value)))
    elif isinstance(b, Const) and not is_plain(b.value):
        raise NotTranslated(f"compares with {b.value!r}")
    elif not isinstance(b, Text):
        return _of_other_type(name, a, b)
    elif a.case is None and b.case is None:
        return Truth(COMPARISONS[name](a.source, b.source))
    raise NotTranslated("compares texts of changed case")


def _bounded(name: str, number: Whole | Real, bound: int | float) -> Term:
    """A number compared with one that is known."""
    if isinstance(bound, float) and math.isnan(bound):
        return settled(name == "NotEq", number)
    if isinstance(number, Real):
        try:
            exact = float(bound)
        except OverflowError:
            exact = math.nan
        if exact != bound:
            raise NotTranslated(f"compares a float with {bound!r}, which is none")
        return _floats(name, number, Real(pl.lit(exact, pl.Float64)))
    is_between = isinstance(bound, float) and (math.isinf(bound) or not bound.is_integer())
    if is_between and name in ("Eq", "NotEq"):
        return settled(name == "NotEq", number)
    if is_between and not math.isinf(bound):
        # An int above 3.5 is one above 3; one below it is at most 3.
        name, bound = {"Gt": "Gt", "GtE": "Gt", "Lt": "LtE", "LtE": "LtE"}[name], math.floor(bound)
    if not INT64[0] <= bound <= INT64[1]:
        return settled(bool(COMPARISONS[name](0, bound)), number)
    return Truth(COMPARISONS[name](number.value, pl.lit(int(bound), pl.Int64)))


def _floats(name: str, a: Real, b: Real) -> Truth:
    """In Python nothing is equal to NaN, nor above or below it; polars puts it above all."""
    is_number = a.value.is_not_nan() & b.value.is_not_nan()
    holds_true = COMPARISONS["Eq" if name == "NotEq" else name](a.value, b.value) & is_number
    # NaN beside a NULL settles nothing: false and unknown would be false.
    is_decided = a.value.is_not_null() & b.value.is_not_null()
    return Truth(pl.when(is_decided).then(~holds_true if name == "NotEq" else holds_true))


def _as_real(number: Whole | Real) -> Real:
    if isinstance(number, Real):
        return number
    return Real(_within(number, _EXACT).value.cast(pl.Float64))


def _within(number: Whole, limit: int) -> Whole:
    """An int that is undecided where it is not between -limit and limit."""
    if -limit <= number.low and number.high <= limit:
        return number
    value = pl.when(number.value.is_between(-limit, limit)).then(number.value)
    return Whole(value, max(number.low, -limit), min(number.high, limit))


def _contained(a: Term, b: Term) -> Term:
    if isinstance(a, Fails) or isinstance(b, Fails):
        return Fails()
    if isinstance(a, Const) and isinstance(b, Const):
        return folded(lambda one, many: one in many, a, b)
    if isinstance(b, Text | Words):
        if isinstance(a, Const) and type(a.value) is str:
            return holds(b if isinstance(b, Text) else b.text, [a.value], "anywhere" if isinstance(b, Text) else "word")
        if isinstance(a, Const) and is_plain(a.value):
            return Fails() if isinstance(b, Text) else settled(False, b)
        raise NotTranslated("asks whether one value that is not constant is in another")
    if not isinstance(b, Const):
        return Fails()
    if isinstance(b.value, str | bytes) or not is_plain(b.value):
        raise NotTranslated(f"asks whether something is in {type(b.value).__name__} {b.value!r:.40}")
    if not isinstance(b.value, Collection):
        return Fails()
    if isinstance(a, Text):
        return holds(a, [value for value in b.value if type(value) is str], "whole")
    number = as_number(a)
    if number is None:
        raise NotTranslated("looks for a match or a list of words")
    values = [value for value in b.value if isinstance(value, int | float)]
    if any(isinstance(value, float) and math.isnan(value) for value in values):
        raise NotTranslated("looks for a number among some with NaN")
    if isinstance(number, Real):
        floats = [float(value) for value in values if -_EXACT <= value <= _EXACT or isinstance(value, float)]
        if len(floats) < len(values):
            raise NotTranslated("looks for a float among ints of many digits")
        return Truth(number.value.is_in(pl.Series(floats, dtype=pl.Float64).implode())) if floats else settled(False, a)
    ints = [int(value) for value in values if not (isinstance(value, float) and not value.is_integer())]
    ints = [value for value in ints if INT64[0] <= value <= INT64[1]]
    return Truth(number.value.is_in(pl.Series(ints, dtype=pl.Int64).implode())) if ints else settled(False, a)


def _calculated(name: str, a: Term, b: Term) -> Term:
    if isinstance(a, Fails) or isinstance(b, Fails):
        return Fails()
    if isinstance(a, Const) and isinstance(b, Const):
        return folded(ARITHMETIC[name], a, b)
    left, right = as_number(a), as_number(b)
    if left is None or right is None:
        if (isinstance(a, Const) and a.value is None) or (isinstance(b, Const) and b.value is None):
            return Fails()
        raise NotTranslated("calculates with something else than numbers")
    if isinstance(left, Whole) and isinstance(right, Whole) and name != "Div":
        return _whole(name, left, right)
    x, y = _as_real(left), _as_real(right)
    if name in ("Add", "Sub", "Mult"):
        return Real(ARITHMETIC[name](x.value, y.value))
    if name == "Div":
        divisor = y.value
        if isinstance(b, Const):
            # By a number polars multiplies with its reciprocal, which rounds otherwise: it gets a column of it.
            divisor = x.value.is_not_null().cast(pl.Float64) * y.value
        return Real(pl.when(divisor != 0).then(x.value / divisor))  # Python raises at zero
    raise NotTranslated("divides floats without a remainder")


def _whole(name: str, a: Whole, b: Whole) -> Term:
    a, b = _within(a, _SMALL), _within(b, _SMALL)
    if name in ("FloorDiv", "Mod"):
        if not 0 < b.low == b.high or a.low < 0:
            raise NotTranslated("divides ints other than a length or a count by a positive constant")
        if name == "Mod":
            return Whole(a.value % b.value, 0, b.high - 1)
        return Whole(a.value // b.value, 0, a.high)
    f = ARITHMETIC[name]
    ends = [f(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return Whole(f(a.value, b.value), min(ends), max(ends))
