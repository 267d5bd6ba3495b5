"""Counters of the functions: what a report about them says, as exact integers.

They are counted from pattern rows, not from votes, and the kernel reads the pattern *table*, so that
a report needs neither the patterns nor the votes on the driver.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.checks import check_columns, first_few
from sparkws.errors import IncompatibleStatistics
from sparkws.stats.compatible import check_same_lfs, not_a_part
from sparkws.stats.packing import blocks, key_columns, unpack_keys
from sparkws.stats.patterns import Patterns
from sparkws.vocab import ABSTAIN, GOLD, N_ITEMS


@dataclass(frozen=True, eq=False, kw_only=True)
class Counters:
    """Counts of the votes of m functions over k classes, all int64.

    Attributes
    ----------
    lf_names : tuple of str
        The m labeling functions.
    n_items : int
        Items counted.
    n_voted : int
        Items with at least one vote.
    n_rows : int
        Pattern rows read.
    votes : (m, k) array
        Votes of each function for each class.
    overlaps : (m,) array
        Items on which the function voted and another one did.
    conflicts : (m,) array
        Items on which the function voted and another one voted for another class.
    confusion : (m, k, k + 1) array
        `confusion[j, g, l + 1]` items of known class g got vote l from function j, abstentions first.
    gold_items : (k,) array
        Items of each known class.
    faults : (m,) array
        Items on which the function faulted: known where votes are made, and only carried here.
    """

    lf_names: tuple[str, ...]
    n_items: int
    n_voted: int
    n_rows: int
    votes: NDArray[np.int64]
    overlaps: NDArray[np.int64]
    conflicts: NDArray[np.int64]
    confusion: NDArray[np.int64]
    gold_items: NDArray[np.int64]
    faults: NDArray[np.int64]

    @property
    def cardinality(self) -> int:
        """The number of classes k."""
        return len(self.gold_items)

    @property
    def correct(self) -> NDArray[np.int64]:
        """Votes of each function for the known class, `(m,)`."""
        return np.asarray(np.trace(self.confusion[:, :, 1:], axis1=1, axis2=2), np.int64)

    @property
    def incorrect(self) -> NDArray[np.int64]:
        """Votes of each function for another class than the known one, `(m,)`."""
        known: NDArray[np.int64] = self.confusion[:, :, 1:].sum(axis=(1, 2))
        return known - self.correct

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Counters):
            return NotImplemented
        return _plain(self) == _plain(other)

    __hash__ = None  # type: ignore[assignment]  # arrays have no cheap hash


@dataclass(frozen=True)
class CountersKernel:
    """Pattern rows -> counters; a `ReduceKernel` over the pattern table.

    Parameters
    ----------
    lf_names : tuple of str
        The functions of the table, in the order of their digits.
    cardinality : int
        The number of classes k.
    chosen : tuple of str, optional
        Count as if there were these functions only.
    """

    lf_names: tuple[str, ...]
    cardinality: int
    chosen: tuple[str, ...] | None = None

    @property
    def counted(self) -> tuple[str, ...]:
        """The functions that are counted."""
        return self.lf_names if self.chosen is None else self.chosen

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the pattern table that are read."""
        return (*key_columns(self.lf_names, self.cardinality), GOLD, N_ITEMS)

    @property
    def dump_schema(self) -> pl.Schema:
        """The columns of `dump`."""
        return pl.Schema({"counters": pl.String()})

    def of_batch(self, batch: pl.DataFrame) -> Counters:
        """The counters of some pattern rows.

        Raises
        ------
        MissingColumns
            If these are not the rows of these functions' patterns.
        """
        check_columns("patterns", self.columns, batch.columns)
        total = self.zero()
        for block in blocks(batch, len(self.lf_names)):
            L = unpack_keys(block.select(self.columns[:-2]), len(self.lf_names), self.cardinality)
            if self.chosen is not None:
                L = L[:, [self.lf_names.index(name) for name in self.chosen]]
            part = _count(L, block[GOLD].to_numpy(), block[N_ITEMS].to_numpy(), self.counted, self.cardinality)
            total = merge(total, part)
        return total

    def zero(self) -> Counters:
        """The counters of no items."""
        m, k = len(self.counted), self.cardinality
        return Counters(
            lf_names=self.counted,
            n_items=0,
            n_voted=0,
            n_rows=0,
            votes=np.zeros((m, k), np.int64),
            overlaps=np.zeros(m, np.int64),
            conflicts=np.zeros(m, np.int64),
            confusion=np.zeros((m, k, k + 1), np.int64),
            gold_items=np.zeros(k, np.int64),
            faults=np.zeros(m, np.int64),
        )

    def merge(self, a: Counters, b: Counters) -> Counters:
        """The counters of the items of both."""
        return merge(a, b)

    def dump(self, value: Counters) -> pl.DataFrame:
        """`value` as one row of JSON."""
        return pl.DataFrame({"counters": [to_json(value)]}, self.dump_schema)

    def load(self, rows: pl.DataFrame) -> Counters:
        """The counters that `dump` wrote; rows of several dumps add up.

        Raises
        ------
        IncompatibleStatistics
            If they are of other functions or classes.
        """
        check_columns("counters", self.dump_schema.names(), rows.columns)
        total = self.zero()
        for text in rows["counters"]:
            total = merge(total, from_json(text))
        return total


def of_patterns(patterns: Patterns) -> Counters:
    """The counters of pattern counts that are in memory."""
    return CountersKernel(patterns.lf_names, patterns.cardinality).of_batch(patterns.rows)


def merge(a: Counters, b: Counters) -> Counters:
    """The counters of the items of both.

    Raises
    ------
    IncompatibleStatistics
        If functions or classes differ.
    """
    return _combine(a, b, 1)


def subtract(total: Counters, part: Counters) -> Counters:
    """The counters of the items of `total` that are not in `part`.

    Raises
    ------
    IncompatibleStatistics
        If functions or classes differ, or `part` counts something that `total` never saw.
    """
    rest = _combine(total, part, -1)
    if rest.n_items < 0 or any((np.asarray(getattr(rest, field.name)) < 0).any() for field in fields(rest)[1:]):
        raise not_a_part(part.n_items, total.n_items)
    return rest


def with_faults(counters: Counters, faults: Mapping[str, int]) -> Counters:
    """The counters with the faults of some functions set.

    Raises
    ------
    IncompatibleStatistics
        If a function is not among the counted ones.
    """
    unknown = sorted(set(faults) - set(counters.lf_names))
    if unknown:
        raise IncompatibleStatistics(
            f"faults of {first_few(unknown)}, which are not counted here; the counters are of "
            f"{first_few(counters.lf_names, 12)}."
        )
    both = [faults.get(name, int(before)) for name, before in zip(counters.lf_names, counters.faults, strict=True)]
    return replace(counters, faults=np.array(both, np.int64))


def to_json(counters: Counters) -> str:
    """The counters as JSON; `from_json` gives them back."""
    return json.dumps(_plain(counters), separators=(",", ":"))


def from_json(text: str) -> Counters:
    """The counters that `to_json` wrote.

    Raises
    ------
    IncompatibleStatistics
        If the text is not that of counters.
    """
    plain = json.loads(text)
    names = {field.name for field in fields(Counters)}
    if not isinstance(plain, dict) or set(plain) != names:
        has = first_few(sorted(plain), 12) if isinstance(plain, dict) else type(plain).__name__
        raise IncompatibleStatistics(f"counters in JSON have {sorted(names)}, got {has}.")
    arrays: dict[str, Any] = {name: np.array(plain[name], np.int64) for name in _ARRAYS}
    return Counters(lf_names=tuple(plain["lf_names"]), **{name: plain[name] for name in _SCALARS}, **arrays)


_SCALARS: Final = ("n_items", "n_voted", "n_rows")
_ARRAYS: Final = ("votes", "overlaps", "conflicts", "confusion", "gold_items", "faults")


def _count(
    L: NDArray[np.int8], gold: NDArray[np.int8], counts: NDArray[np.int64], lf_names: Sequence[str], cardinality: int
) -> Counters:
    """The counters of `(u, m)` patterns with `(u,)` known classes that `(u,)` items have."""
    m, k = len(lf_names), cardinality
    u = len(L)
    # (u, m) votes -> (u, k) votes for each class: bincount of row * (k + 1) + vote + 1, abstentions dropped
    cells = np.arange(u)[:, None] * (k + 1) + (L.astype(np.int64) + 1)
    of_class = np.bincount(cells.ravel(), minlength=u * (k + 1)).reshape(u, k + 1)[:, 1:]
    n_votes = of_class.sum(axis=1)

    votes = np.empty((m, k), np.int64)
    overlaps, conflicts = np.empty(m, np.int64), np.empty(m, np.int64)
    confusion = np.zeros((m, k, k + 1), np.int64)
    known = np.flatnonzero(gold != ABSTAIN)
    for j in range(m):
        rows = np.flatnonzero(L[:, j] != ABSTAIN)
        vote, items = L[rows, j], counts[rows]
        votes[j] = _sum_by(vote, items, k)
        overlaps[j] = items[n_votes[rows] >= 2].sum()
        conflicts[j] = items[n_votes[rows] > of_class[rows, vote]].sum()
        cell = gold[known].astype(np.int64) * (k + 1) + L[known, j] + 1
        confusion[j] = _sum_by(cell, counts[known], k * (k + 1)).reshape(k, k + 1)
    return Counters(
        lf_names=tuple(lf_names),
        n_items=int(counts.sum()),
        n_voted=int(counts[n_votes > 0].sum()),
        n_rows=u,
        votes=votes,
        overlaps=overlaps,
        conflicts=conflicts,
        confusion=confusion,
        gold_items=_sum_by(gold[known], counts[known], k),
        faults=np.zeros(m, np.int64),
    )


def _sum_by(cell: NDArray[np.integer], counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """The exact sum of the counts of each cell; `bincount` with weights would add in floating point."""
    total = np.zeros(size, np.int64)
    np.add.at(total, cell, counts)
    return total


def _combine(a: Counters, b: Counters, sign: int) -> Counters:
    check_same_lfs("counters", a, b)
    return replace(a, **{f.name: getattr(a, f.name) + sign * getattr(b, f.name) for f in fields(a)[1:]})


def _plain(counters: Counters) -> dict[str, object]:
    """The counters as plain values, field by field."""
    plain: dict[str, object] = {}
    for field in fields(counters):
        value = getattr(counters, field.name)
        plain[field.name] = value if isinstance(value, int) else np.asarray(value).tolist()
    return plain
