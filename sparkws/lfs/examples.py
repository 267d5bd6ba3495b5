"""Examples of labeling functions: items with the votes that they must get, checked before any job."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from reprlib import Repr
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sparkws.errors import ExampleMissed, InvalidFunction, SparkwsError
from sparkws.lfs.ballots import Ballot, ballots_of
from sparkws.lfs.declarative import Rule
from sparkws.lfs.function import LabelingFunction
from sparkws.lfs.kernel import VotesKernel
from sparkws.lfs.limits import TimeLimitExceeded, call_within
from sparkws.lfs.returns import explain_invalid, vote_codes, votes_of_array, votes_of_values
from sparkws.lfs.soft import Refused, cells_of_array, cells_of_values
from sparkws.lfs.voter import until_equal
from sparkws.vocab import ABSTAIN, ITEM_ID

if TYPE_CHECKING:
    from sparkws.lfs.lfset import LFSet

_KEY: Final = "__example__"
_SHORT: Final = Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxdict = 6


@dataclass(frozen=True)
class Miss:
    """An example that a labeling function does not keep.

    Attributes
    ----------
    lf : str
    number : int
        Of the example, from 1.
    row, expected, got : str
        As they are told.
    """

    lf: str
    number: int
    row: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.lf!r} {self.got} on its example {self.number}, {self.row}, expected {self.expected}"


@dataclass(frozen=True)
class Checked:
    """What became of the examples of a set.

    Attributes
    ----------
    n_kept : int
        Examples that are as they say.
    missed : tuple of Miss
    without : tuple of str
        The functions that have no examples.
    """

    n_kept: int
    missed: tuple[Miss, ...]
    without: tuple[str, ...]


def check_examples(
    lfset: "LFSet", classes: Sequence[str], *, time_limit_s: float | None = None, multi_label: bool = False
) -> Checked:
    """Try every function on its examples: by a call, and as it runs over a table.

    Parameters
    ----------
    classes : sequence of str
        The names of the classes, in the order of their indices.
    time_limit_s : float, optional
        Seconds that a function written in Python has for an example; in the main thread on Linux only.
    multi_label : bool
        Items may have several classes.

    Raises
    ------
    InvalidFunction
        If an example expects something that is no vote.
    """
    missed: list[Miss] = []
    ballots = ballots_of(lfset, classes) if multi_label else {}
    for lf in lfset:
        missed += _misses(lf, tuple(classes), time_limit_s, ballots.get(lf.name))
    n = sum(len(lf.examples) for lf in lfset)
    return Checked(n - len(missed), tuple(missed), tuple(lf.name for lf in lfset if not lf.examples))


def refuse_missed(
    lfset: "LFSet", classes: Sequence[str], *, time_limit_s: float | None = None, multi_label: bool = False
) -> None:
    """Stop where a function does not keep its examples.

    Raises
    ------
    ExampleMissed
        For the first example that is missed, with the number of the others.
    InvalidFunction
        If an example expects something that is no vote.
    """
    missed = check_examples(lfset, classes, time_limit_s=time_limit_s, multi_label=multi_label).missed
    if missed:
        more = f"; {len(missed) - 1:,} more are missed, 'sparkws test' shows them" if len(missed) > 1 else ""
        raise ExampleMissed(f"{missed[0]}. Mend the function or the example{more}.")


def _misses(
    lf: LabelingFunction, classes: tuple[str, ...], time_limit_s: float | None, ballot: Ballot | None
) -> Iterator[Miss]:
    if lf.examples and isinstance(lf.f, Rule) and lf.f.answer is not None:
        raise InvalidFunction(f"{lf.name!r} has examples, but only Spark can say how it votes; take them out.")
    for number, (row, expected) in enumerate(lf.examples, 1):
        told = expected.__name__ if isinstance(expected, type) else repr(expected)
        meant = None if isinstance(expected, type) else _meant(lf, number, expected, classes, ballot)
        got = _called(lf, row, classes, time_limit_s, ballot)
        if not _is_kept(got, expected, meant):
            yield Miss(lf.name, number, _shown(row), told, _got(got, classes, lf))
            continue
        in_table = _in_table(lf, row, classes, time_limit_s, ballot)
        if in_table is not _NO_TABLE and in_table != meant:
            got_there = f"{_got(in_table, classes, lf)} as it runs over a table, though not by itself,"
            yield Miss(lf.name, number, _shown(row), told, got_there)


def _meant(
    lf: LabelingFunction, number: int, expected: object, classes: tuple[str, ...], ballot: Ballot | None
) -> object:
    """The vote that an example expects: of a soft function the cell of a probability, of a multi-label task several."""
    meant: object
    if ballot is not None:
        meant, why = ballot.of_value(expected), ballot.explained(expected)
    elif lf.cells is not None:
        votes, refused = cells_of_values(lf.name, [expected], lf.cells, classes)
        meant, why = votes.to_list()[0], str(refused.get(0, "")).partition("expected ")[2]
    else:
        meant = vote_codes(classes).get(expected) if isinstance(expected, Hashable) else None
        why = explain_invalid(expected, classes)
    if meant is None:
        raise InvalidFunction(f"example {number} of {lf.name!r} expects {expected!r}, which is no vote: {why}")
    return meant


def _called(
    lf: LabelingFunction, row: Any, classes: tuple[str, ...], time_limit_s: float | None, ballot: Ballot | None
) -> object:
    """The vote by a call of the function; the exception where it raised or returned no vote."""
    keys = pl.Series(["example"])
    try:
        if lf.vectorized is not None:
            returned = call_within(lf, _frame(row, ()), repr(lf.name), "", time_limit_s, None)
            if ballot is not None:
                return ballot.of_array(returned, keys)[0]
            if lf.cells is not None:
                return _one(*cells_of_array(lf.name, returned, lf.cells, classes, keys))
            return votes_of_array(lf.name, returned, classes, keys)[0]
        if isinstance(lf.f, Rule):
            returned = lf(row)
            returned = ABSTAIN if returned is None else returned
        else:
            returned = call_within(lf, row, repr(lf.name), "on an example", time_limit_s, None)
        if ballot is not None:
            return ballot.of_values([returned], keys)[0]
        if lf.cells is not None:
            return _one(*cells_of_values(lf.name, [returned], lf.cells, classes))
        return votes_of_values(lf.name, [returned], classes, keys)[0]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a function raises: that may be what the example expects
        return error


_NO_TABLE: Final = object()


def _in_table(
    lf: LabelingFunction, row: Any, classes: tuple[str, ...], time_limit_s: float | None, ballot: Ballot | None
) -> object:
    """The vote on the row as a table, None where the function raised; `_NO_TABLE` for values that no table has."""
    try:
        frame = _frame(row, lf.columns or ()).with_columns(pl.lit("example").alias(_KEY))
    except Exception:
        return _NO_TABLE
    from sparkws.lfs.lfset import LFSet  # sets know examples

    def vote(interpreted: frozenset[str]) -> object:
        bound_to = (LFSet([lf]), classes, _KEY, frame.schema)
        multi_label = ballot is not None
        kernel = VotesKernel(*bound_to, time_limit_s=time_limit_s, interpreted=interpreted, multi_label=multi_label)
        votes = kernel.run(frame)[0].drop(ITEM_ID)
        if ballot is None:
            return votes[lf.name][0]
        return None if None in votes.row(0) else votes.row(0, named=True)

    return until_equal(vote)


def _frame(row: Any, columns: Sequence[str]) -> pl.DataFrame:
    """The row as a table; what of its columns an example leaves out is NULL."""
    values = dict(row) if isinstance(row, Mapping) else dict(vars(row))
    return pl.DataFrame([{**dict.fromkeys(columns), **values}], infer_schema_length=None)


def _one(votes: pl.Series, refused: Refused) -> object:
    """The one vote of a soft function, or why it is none."""
    return refused.get(0, votes[0])


def _is_kept(got: object, expected: object, meant: object) -> bool:
    if isinstance(expected, type):
        return isinstance(got, expected) and not isinstance(got, SparkwsError)
    return not isinstance(got, BaseException) and got == meant


def _got(got: object, classes: Sequence[str], lf: LabelingFunction) -> str:
    if isinstance(got, SparkwsError | TimeLimitExceeded):
        return f"failed ({got})"
    if isinstance(got, BaseException):
        return f"raised {type(got).__name__}({str(got)[:200]!r})"
    if got is None:
        return "raised"
    if isinstance(got, Mapping):
        cast = {column: vote for column, vote in got.items() if vote != ABSTAIN}
        return f"voted {cast}" if cast else "abstained"
    return "abstained" if got == ABSTAIN else f"voted {lf.told(int(str(got)), classes)}"


def _shown(row: Any) -> str:
    return _SHORT.repr(dict(row) if isinstance(row, Mapping) else row)
