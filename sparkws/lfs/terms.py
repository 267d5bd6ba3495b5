"""What an expression of a labeling function stands for: a value that is known, or what polars computes for each row.

A NULL that polars computes means "ask Python": there the function would raise, or has a value that is not
decided natively. None, which is a value, never stands for itself in an expression: a column that may hold it
is two cases, `Column`. The module is longer than 300 lines because the kinds of terms and what joins them are one
algebra: a new kind has to be thought of in each of its functions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import polars as pl

from sparkws.lfs.characters import CasingName, escaped
from sparkws.lfs.texttests import TextTest

INT64: Final = (-(2**63), 2**63 - 1)
_MOST_CASES: Final = 64
_LONGEST_PATTERN: Final = 60_000


class NotTranslated(Exception):
    """A function stays Python; says why, as the end of a sentence."""


@dataclass(frozen=True)
class Const:
    """A value that is known when the function is compiled."""

    value: object


@dataclass(frozen=True)
class Fails:
    """Python raises here, or has to be asked."""


@dataclass(frozen=True, eq=False)
class Truth:
    """A bool.

    Attributes
    ----------
    holds : Expr of Boolean
    is_sure : bool
        It is never NULL.
    question : Question or None
        What it is the answer to, if it is nothing else.
    """

    holds: pl.Expr
    is_sure: bool = False
    question: "Question | None" = None


@dataclass(frozen=True, eq=False)
class Question:
    """A question to a column of texts, and where all that are asked are noted, by the names of their answers."""

    test: TextTest
    asked: dict[str, TextTest]

    @property
    def answer(self) -> Truth:
        """What it says."""
        self.asked[self.test.name] = self.test
        return Truth(self.test.expression, question=self)


@dataclass(frozen=True, eq=False)
class Found:
    """A match object where `truth` holds, and None where it does not."""

    truth: "Truth | Const"


@dataclass(frozen=True, eq=False)
class Whole:
    """An int, as an expression of Int64, between two bounds."""

    value: pl.Expr
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Real:
    """A float, as an expression of Float64."""

    value: pl.Expr


@dataclass(frozen=True, eq=False)
class Text:
    """A str that comes from a column.

    Attributes
    ----------
    column : str
    source : Expr
        The text before its case was changed.
    is_column : bool
        `source` is the column itself, so questions to it can be shared.
    case : {None, "lower", "upper", "casefold"}
        How its case was changed.
    unstripped : Text or None
        What it was before blanks at its ends were taken away, if that is all that was done to it.
    asked : dict
        Where questions are noted.
    """

    column: str
    source: pl.Expr
    is_column: bool = True
    case: CasingName | None = None
    unstripped: "Text | None" = None
    asked: dict[str, TextTest] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class Words:
    """The list that `str.split()` gives."""

    text: Text


@dataclass(frozen=True, eq=False)
class Either:
    """One of two, by a condition."""

    condition: Truth
    then: "Term"
    otherwise: "Term"


@dataclass(frozen=True, eq=False)
class Column:
    """The value of a column: None where it is NULL, else `inner`, which is NULL there."""

    name: str
    inner: "Term"

    @property
    def is_none(self) -> Truth:
        """Whether it is None."""
        return Truth(pl.col(self.name).is_null(), is_sure=True)


Term: TypeAlias = Const | Fails | Truth | Found | Whole | Real | Text | Words | Either | Column
NOTHING: Final = pl.lit(None, pl.Boolean)


def over(f: Callable[[Term], Term], term: Term, *, may_fail: bool = False) -> Term:
    """`f` of a term, case by case; unless it may fail, it must not do so for all values of a column."""
    if isinstance(term, Either):
        return either(term.condition, over(f, term.then, may_fail=may_fail), over(f, term.otherwise, may_fail=may_fail))
    if not isinstance(term, Column):
        return f(term)
    of_none, inner = f(Const(None)), over(f, term.inner, may_fail=may_fail)
    if isinstance(inner, Fails) and not may_fail:
        raise NotTranslated(f"raises wherever {term.name!r} is not None")
    # Where the column is NULL, whatever is computed from it is NULL too, which says to ask.
    if isinstance(of_none, Fails) and isinstance(inner, Truth | Whole | Real | Text | Words | Found):
        return inner
    return either(term.is_none, of_none, inner)


def over_two(f: Callable[[Term, Term], Term], a: Term, b: Term) -> Term:
    """`f` of two terms, case by case."""
    # Where one is None, the other may be whatever it is.
    return over(lambda left: over(lambda right: f(left, right), b, may_fail=left == Const(None)), a)


def either(condition: Truth | Const | Fails, then: Term, otherwise: Term) -> Term:
    """`then` where the condition holds, else `otherwise`."""
    if isinstance(condition, Fails):
        return condition
    if isinstance(condition, Const):
        return then if condition.value else otherwise
    if condition.is_sure and isinstance(then, Const | Fails) and then == otherwise and _is_same(then, otherwise):
        return then
    whole = _as_whole(then), _as_whole(otherwise)
    if whole[0] is not None and whole[1] is not None:
        bounds = min(whole[0].low, whole[1].low), max(whole[0].high, whole[1].high)
        return Whole(choose(condition, whole[0].value, whole[1].value), *bounds)
    if _is_truth(then) and _is_truth(otherwise):
        is_sure = condition.is_sure and all(getattr(part, "is_sure", True) for part in (then, otherwise))
        return Truth(choose(condition, boolean(then), boolean(otherwise)), is_sure)
    if isinstance(then, Found) and isinstance(otherwise, Found):
        return Found(_truth_or_const(either(condition, then.truth, otherwise.truth)))
    if isinstance(then, Truth | Whole | Real) and isinstance(otherwise, Fails):
        return _undecided_where(Truth(~condition.holds, condition.is_sure), then)
    if isinstance(otherwise, Truth | Whole | Real) and isinstance(then, Fails):
        return _undecided_where(condition, otherwise)
    found = Either(condition, then, otherwise)
    if _n_cases(found) > _MOST_CASES:
        raise NotTranslated("has too many cases")
    return found


def choose(condition: Truth, then: pl.Expr, otherwise: pl.Expr) -> pl.Expr:
    """One of two expressions; NULL where the condition is."""
    if condition.is_sure:
        return pl.when(condition.holds).then(then).otherwise(otherwise)
    return pl.when(condition.holds).then(then).when(~condition.holds).then(otherwise)


def truth_of(term: Term) -> Truth | Const | Fails:
    """What `bool` of it is."""
    found = over(_truth, term)
    if isinstance(found, Truth | Const | Fails):
        return found
    # Cases that differ in whether they are known, which only a constant of bool does.
    assert isinstance(found, Either)
    return Truth(choose(found.condition, boolean(truth_of(found.then)), boolean(truth_of(found.otherwise))))


def boolean(term: Term) -> pl.Expr:
    """A Truth, a constant or a failure as an expression."""
    if isinstance(term, Truth):
        return term.holds
    return NOTHING if isinstance(term, Fails) else pl.lit(bool(term.value))  # type: ignore[union-attr]


def unknown(term: Term) -> pl.Expr | None:
    """Where Python has to be asked because the term is evaluated; None if nowhere."""
    if isinstance(term, Const | Column):
        return None
    if isinstance(term, Fails):
        return pl.lit(True)
    if isinstance(term, Truth):
        return None if term.is_sure else term.holds.is_null()
    if isinstance(term, Whole | Real):
        return term.value.is_null()
    if isinstance(term, Text):
        return term.source.is_null()
    if isinstance(term, Words):
        return unknown(term.text)
    if isinstance(term, Found):
        return unknown(term.truth)
    parts = [pl.lit(False) if (part := unknown(case)) is None else part for case in (term.then, term.otherwise)]
    return choose(term.condition, *parts).fill_null(True)


def settled(value: bool, *terms: Term) -> Truth | Const:
    """A constant, where the terms can be evaluated."""
    wheres = [where for term in terms if (where := unknown(term)) is not None]
    if not wheres:
        return Const(value)
    return Truth(pl.when(pl.any_horizontal(wheres)).then(NOTHING).otherwise(pl.lit(value)))


def negated(term: Truth | Const | Fails) -> Truth | Const | Fails:
    """`not` of it."""
    if isinstance(term, Const):
        return Const(not term.value)
    return Truth(~term.holds, term.is_sure) if isinstance(term, Truth) else term


def both(a: Truth | Const | Fails, b: Truth | Const | Fails) -> Truth | Const | Fails:
    """`a and b` of bools: b is only asked for where a holds."""
    if not isinstance(a, Truth):
        return a if isinstance(a, Fails) or not a.value else b
    if isinstance(b, Const) and b.value:
        return a
    if a.is_sure:
        return Truth(a.holds & boolean(b), isinstance(b, Const) or (isinstance(b, Truth) and b.is_sure))
    # Where a is NULL the condition is not met, and a, NULL, is what comes out.
    return Truth(pl.when(a.holds).then(boolean(b)).otherwise(a.holds))


def one_of(a: Truth | Const | Fails, b: Truth | Const | Fails) -> Truth | Const | Fails:
    """`a or b` of bools: b is only asked for where a does not hold."""
    if isinstance(a, Truth) and isinstance(b, Truth) and a.question is not None and b.question is not None:
        together = _together(a.question, b.question)
        if together is not None:
            return together.answer
    return negated(both(negated(a), negated(b)))


def _together(a: Question, b: Question) -> Question | None:
    """Whether one or the other, as one question; both are undecided in the same texts, those that are NULL."""
    pattern = f"{_regex(a.test)}|{_regex(b.test)}"
    if a.test.column != b.test.column or len(pattern) > _LONGEST_PATTERN:
        return None
    are_known = a.test.needles and b.test.needles
    needles = tuple(dict.fromkeys((*a.test.needles, *b.test.needles))) if are_known else ()
    return Question(TextTest(a.test.column, pattern, "regex", needles), a.asked)


def _regex(test: TextTest) -> str:
    if test.form == "regex":
        return test.pattern
    change = test.form == "ascii_case"
    return "".join(
        f"[{c.lower()}{c.upper()}]" if change and c.isascii() and c.isalpha() else escaped(c) for c in test.pattern
    )


def _undecided_where(condition: Truth, term: Truth | Whole | Real) -> Term:
    if isinstance(term, Truth):
        return Truth(choose(condition, NOTHING, term.holds))
    value = choose(condition, pl.lit(None, pl.Int64 if isinstance(term, Whole) else pl.Float64), term.value)
    return Whole(value, term.low, term.high) if isinstance(term, Whole) else Real(value)


def _truth(term: Term) -> Term:
    if isinstance(term, Const):
        return Const(bool(term.value))
    if isinstance(term, Whole | Real):
        return Truth(term.value != 0)  # NaN is true, in Python as here
    if isinstance(term, Text):
        return Truth(term.source != "")  # no change of case makes a text empty
    if isinstance(term, Found):
        return term.truth
    if isinstance(term, Truth | Fails):
        return term
    raise NotTranslated("asks whether a list has anything in it")


def _truth_or_const(term: Term) -> Truth | Const:
    assert isinstance(term, Truth | Const)
    return term


def _is_truth(term: Term) -> bool:
    return isinstance(term, Truth) or (isinstance(term, Const) and isinstance(term.value, bool))


def _as_whole(term: Term) -> Whole | None:
    if isinstance(term, Whole):
        return term
    if isinstance(term, Const) and type(term.value) is int and INT64[0] <= term.value <= INT64[1]:
        return Whole(pl.lit(term.value, pl.Int64), term.value, term.value)
    return None


def _is_same(a: Term, b: Term) -> bool:
    """Whether equal constants are of one type: True is not 1, and 1.0 neither."""
    values = getattr(a, "value", None), getattr(b, "value", None)
    return type(values[0]) is type(values[1]) and repr(values[0]) == repr(values[1])


def _n_cases(term: Term) -> int:
    if isinstance(term, Either):
        return _n_cases(term.then) + _n_cases(term.otherwise)
    return _n_cases(term.inner) + 1 if isinstance(term, Column) else 1
