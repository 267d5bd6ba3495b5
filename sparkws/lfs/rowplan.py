"""What runs on each item before functions of single items: every preprocessor once for all that need it.

Each preprocessor becomes a step that goes on from the item as the preprocessors that it depends on have left
it. Where sources or declarations tell what preprocessors read and set, those that do not touch each other's
values do not depend on each other, and what they set is joined for the functions that ask for several of
them. A preprocessor that may read or set anything goes on from everything that ran before it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from sparkws.errors import InvalidFunction
from sparkws.lfs.ahead import Given
from sparkws.lfs.function import LabelingFunction
from sparkws.lfs.memo import Memo
from sparkws.lfs.preprocess import Preprocessor
from sparkws.lfs.rows import Row, unshared

# What the steps have made of an item so far: its own values come first, an exception stands for what failed.
Made = list[Any]
Chain = tuple[Preprocessor, ...]


@dataclass(frozen=True, eq=False)
class Step:
    """One preprocessor, or the join of two results.

    Attributes
    ----------
    at : int
        The result that it goes on from.
    other : int
        The result that is joined, 0 for a preprocessor.
    names : tuple of str
        What is taken of it.
    memo : Memo or None
        What is known of items with the same values.
    """

    preprocessor: Preprocessor
    at: int
    other: int = 0
    names: tuple[str, ...] = ()
    memo: Memo | None = None


@dataclass(frozen=True, eq=False)
class RowPlan:
    """What runs on every item, in order: steps, then functions, each on one of the results.

    Attributes
    ----------
    steps : tuple of Step
        Step i makes result i + 1; result 0 is the item as it comes.
    groups : tuple of (int, tuple of LabelingFunction)
        The functions that see each result.
    """

    steps: tuple[Step, ...]
    groups: tuple[tuple[int, tuple[LabelingFunction, ...]], ...]


def plan_rows(
    lfs: Iterable[LabelingFunction], schema: pl.Schema | None = None, ahead: Collection[Preprocessor] = ()
) -> RowPlan:
    """The plan of some functions of single items.

    Parameters
    ----------
    schema : Schema, optional
        The columns of the source. What is not known to be plain could be changed in place.
    ahead : collection of Preprocessor
        Those that have run on the batch.
    """
    lfs = tuple(lfs)
    plain = {name for name, dtype in (schema or {}).items() if not dtype.is_nested()}
    for lf in lfs:
        for preprocessor in lf.chain:
            plain -= preprocessor.reads.sets if preprocessor.reads else set()
    planner = _Planner(frozenset(plain), ahead)
    groups: dict[int, list[LabelingFunction]] = {}
    for lf in lfs:
        groups.setdefault(planner.result_of(lf.chain), []).append(lf)
    return RowPlan(tuple(planner.steps), tuple((at, tuple(members)) for at, members in groups.items()))


@dataclass
class _Planner:
    plain: frozenset[str]
    ahead: Collection[Preprocessor]
    steps: list[Step] = field(default_factory=list)
    results: dict[Chain, int] = field(default_factory=lambda: {(): 0})
    runs: dict[tuple[Preprocessor, Chain], int] = field(default_factory=dict)

    def result_of(self, chain: Chain) -> int:
        """The number of the result that shows what all of a chain have set."""
        if chain not in self.results:
            *before, last = chain
            needed = self._needed(last, tuple(before))
            at = self._run(last, needed)
            if len(needed) < len(before):
                left = self.result_of(tuple(before))
                self.steps.append(Step(last, left, at, tuple(sorted(self._changed(last)))))
                at = len(self.steps)
            self.results[chain] = at
        return self.results[chain]

    def _run(self, preprocessor: Preprocessor, needed: Chain) -> int:
        if (preprocessor, needed) not in self.runs:
            at = self.result_of(needed)
            reads = preprocessor.reads
            # What it overwrites counts too: where it was the same already, nothing is seen to be set.
            columns = None if reads is None else tuple(sorted(reads.columns | reads.sets))
            keeps = preprocessor.memoize and preprocessor not in self.ahead
            memo = Memo(preprocessor.entries, columns) if keeps else None
            self.steps.append(Step(preprocessor, at, memo=memo))
            self.runs[preprocessor, needed] = len(self.steps)
        return self.runs[preprocessor, needed]

    def _needed(self, preprocessor: Preprocessor, before: Chain) -> Chain:
        """Those that ran before it and may have changed what it reads or sets, with what these need."""
        if preprocessor.reads is None:
            return before
        needed: list[Preprocessor] = []
        touched = self._touched(preprocessor)
        for place in range(len(before) - 1, -1, -1):
            earlier = before[place]
            if earlier.reads is None:
                return (*before[: place + 1], *needed)
            if touched & self._changed(earlier):
                needed.insert(0, earlier)
                touched |= self._touched(earlier)
        return tuple(needed)

    def _touched(self, preprocessor: Preprocessor) -> frozenset[str]:
        assert preprocessor.reads is not None
        reads = preprocessor.reads
        return reads.sets if preprocessor in self.ahead else reads.columns | reads.sets

    def _changed(self, preprocessor: Preprocessor) -> frozenset[str]:
        """What it sets, and what it reads that could be changed in place."""
        return self._touched(preprocessor) - (self.plain - (preprocessor.reads.sets if preprocessor.reads else set()))


def bind(step: Step, given: Mapping[Preprocessor, Given]) -> Callable[[Made, int], dict[str, Any]]:
    """A step as a function of what was made of an item so far, and of the item's row in the batch."""
    preprocessor, at, memo = step.preprocessor, step.at, step.memo
    if step.other:
        return lambda made, row: _joined(made[at], made[step.other], step.names)
    if preprocessor in given:
        made_before = given[preprocessor]
        return lambda made, row: {**made[at], **made_before.of(row)}
    name, f = preprocessor.name, preprocessor.call
    if memo is None:
        return lambda made, row: _preprocessed(made[at], name, f)
    return lambda made, row: _remembered(made[at], name, f, memo)


def _preprocessed(values: dict[str, Any], name: str, f: Callable[[Any], Any]) -> dict[str, Any]:
    item = f(Row(unshared(values)))
    if not hasattr(item, "__dict__"):
        raise InvalidFunction(f"preprocessor {name!r} returned {item!r}; it must return the item.")
    return dict(vars(item))


def _remembered(values: dict[str, Any], name: str, f: Callable[[Any], Any], memo: Memo) -> dict[str, Any]:
    key = memo.key(values)
    known = None if key is None else memo.get(key)
    if known is not None:
        return {**values, **known}
    after = _preprocessed(values, name, f)
    if key is not None:
        memo.put(key, values, after)
    return after


def _joined(left: dict[str, Any], right: Any, names: tuple[str, ...]) -> dict[str, Any]:
    if isinstance(right, BaseException):
        raise right.with_traceback(None)
    return {**left, **{name: right[name] for name in names if name in right}}
