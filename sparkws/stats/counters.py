"""Counters of the functions: what a report about them says, as exact integers.

They are counted from pattern rows, not from votes, and the kernel reads the pattern *table*, so that
a report needs neither the patterns nor the votes on the driver. The module is longer than 300 lines because
each counter stands in the value, in the kernel that counts it and in its stored form, which must agree.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.checks import check_columns, first_few, parsed_json
from sparkws.errors import IncompatibleStatistics
from sparkws.grids import NO_GRIDS, Grids, classes_voted, grids_from_plain
from sparkws.stats.compatible import check_same_lfs, not_a_part
from sparkws.stats.packing import blocks, key_columns, unpack_keys
from sparkws.stats.patterns import Patterns
from sparkws.vocab import ABSTAIN, GOLD, N_ITEMS


@dataclass(frozen=True, eq=False, kw_only=True)
class Counters:
    """Counts of the votes of m functions over k classes, all int64.

    A function can cast s votes: k, or the cells of the longest grid.

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
    votes : (m, s) array
        How often each function cast each vote.
    overlaps : (m,) array
        Items on which the function voted and another one did.
    conflicts : (m,) array
        Items on which the function voted and another one voted for another class.
    confusion : (m, k, s + 1) array
        `confusion[j, g, l + 1]` items of known class g got vote l from function j, abstentions first.
    gold_items : (k,) array
        Items of each known class.
    faults : (m,) array
        Items on which the function faulted: known where votes are made, and only carried here.
    grids : Grids
        What the votes of the soft functions stand for.
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
    grids: Grids = NO_GRIDS

    @property
    def cardinality(self) -> int:
        """The number of classes k."""
        return len(self.gold_items)

    @property
    def n_gold_classes(self) -> int:
        """The classes of which there are known items."""
        return int((self.gold_items > 0).sum())

    @property
    def correct(self) -> NDArray[np.int64]:
        """Votes of each function for the known class, `(m,)`."""
        return np.asarray(np.trace(self._of_classes(self.confusion)[:, :, 1:], axis1=1, axis2=2), np.int64)

    @property
    def incorrect(self) -> NDArray[np.int64]:
        """Votes of each function for another class than the known one, `(m,)`."""
        known: NDArray[np.int64] = self._of_classes(self.confusion)[:, :, 1:].sum(axis=(1, 2))
        return known - self.correct

    @property
    def votes_for(self) -> NDArray[np.int64]:
        """Votes of each function for each class, `(m, k)`: those of cells are for their most probable class."""
        none = np.zeros((len(self.lf_names), 1), np.int64)
        return self._of_classes(np.concatenate([none, self.votes], axis=1)[:, None])[:, 0, 1:]

    def _of_classes(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counts of votes `(m, x, s + 1)` as those of the classes that they are for, `(m, x, k + 1)`."""
        classes = self.grids.classes(self.lf_names, self.cardinality)
        if classes is None:
            return counts
        summed = np.zeros((*counts.shape[:2], self.cardinality + 1), np.int64)
        for total, of_lf, at in zip(summed, counts, classes + 1, strict=True):
            np.add.at(total.T, at, of_lf.T)
        return summed

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
    grids : Grids
        Of those functions of the table that vote with a probability.
    """

    lf_names: tuple[str, ...]
    cardinality: int
    chosen: tuple[str, ...] | None = None
    grids: Grids = NO_GRIDS

    @property
    def counted(self) -> tuple[str, ...]:
        """The functions that are counted."""
        return self.lf_names if self.chosen is None else self.chosen

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the pattern table that are read."""
        return (*key_columns(self.lf_names, self.grids.n_outcomes(self.cardinality)), GOLD, N_ITEMS)

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
            L = unpack_keys(
                block.select(self.columns[:-2]), len(self.lf_names), self.grids.n_outcomes(self.cardinality)
            )
            if self.chosen is not None:
                L = L[:, [self.lf_names.index(name) for name in self.chosen]]
            part = self._count(L, block[GOLD].to_numpy(), block[N_ITEMS].to_numpy())
            total = merge(total, part)
        return total

    def zero(self) -> Counters:
        """The counters of no items."""
        m, k, s = len(self.counted), self.cardinality, self._n_outcomes
        return Counters(
            lf_names=self.counted,
            n_items=0,
            n_voted=0,
            n_rows=0,
            votes=np.zeros((m, s), np.int64),
            overlaps=np.zeros(m, np.int64),
            conflicts=np.zeros(m, np.int64),
            confusion=np.zeros((m, k, s + 1), np.int64),
            gold_items=np.zeros(k, np.int64),
            faults=np.zeros(m, np.int64),
            grids=self._grids,
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

    @property
    def _grids(self) -> Grids:
        return self.grids.select(self.counted)

    @property
    def _n_outcomes(self) -> int:
        return self._grids.n_outcomes(self.cardinality)

    def _count(self, L: NDArray[np.int8], gold: NDArray[np.int8], counts: NDArray[np.int64]) -> Counters:
        """The counters of `(u, m)` patterns with `(u,)` known classes that `(u,)` items have."""
        m, k, s = len(self.counted), self.cardinality, self._n_outcomes
        u = len(L)
        voted_for = classes_voted(L, self._grids.classes(self.counted, k))
        # (u, m) votes -> (u, k) votes for each class: bincount of row * (k + 1) + class + 1, abstentions dropped
        cells = np.arange(u)[:, None] * (k + 1) + (voted_for.astype(np.int64) + 1)
        of_class = np.bincount(cells.ravel(), minlength=u * (k + 1)).reshape(u, k + 1)[:, 1:]
        n_for_class = of_class.sum(axis=1)
        # A cell may be for no class.
        n_votes = (L != ABSTAIN).sum(axis=1) if self.grids else n_for_class

        votes = np.empty((m, s), np.int64)
        overlaps, conflicts = np.empty(m, np.int64), np.empty(m, np.int64)
        confusion = np.zeros((m, k, s + 1), np.int64)
        known = np.flatnonzero(gold != ABSTAIN)
        for j in range(m):
            rows = np.flatnonzero(L[:, j] != ABSTAIN)
            vote, items = L[rows, j], counts[rows]
            votes[j] = _sum_by(vote, items, s)
            overlaps[j] = items[n_votes[rows] >= 2].sum()
            label = voted_for[rows, j]
            against = (label != ABSTAIN) & (n_for_class[rows] > of_class[rows, label])
            conflicts[j] = items[against].sum()
            cell = gold[known].astype(np.int64) * (s + 1) + L[known, j] + 1
            confusion[j] = _sum_by(cell, counts[known], k * (s + 1)).reshape(k, s + 1)
        return Counters(
            lf_names=self.counted,
            n_items=int(counts.sum()),
            n_voted=int(counts[n_votes > 0].sum()),
            n_rows=u,
            votes=votes,
            overlaps=overlaps,
            conflicts=conflicts,
            confusion=confusion,
            gold_items=_sum_by(gold[known], counts[known], k),
            faults=np.zeros(m, np.int64),
            grids=self._grids,
        )


def of_patterns(patterns: Patterns) -> Counters:
    """The counters of pattern counts that are in memory."""
    return CountersKernel(patterns.lf_names, patterns.cardinality, grids=patterns.grids).of_batch(patterns.rows)


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
    if rest.n_items < 0 or any((np.asarray(getattr(rest, name)) < 0).any() for name in _ARRAYS):
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
    DataError
        If the text is no JSON.
    IncompatibleStatistics
        If the text is not that of counters.
    """
    plain = parsed_json(text, "counters")
    names = {field.name for field in fields(Counters)} - {"grids"}
    if not isinstance(plain, dict) or set(plain) - {"grids"} != names:
        has = first_few(sorted(plain), 12) if isinstance(plain, dict) else type(plain).__name__
        raise IncompatibleStatistics(f"counters in JSON have {sorted(names)}, got {has}.")
    arrays: dict[str, Any] = {name: np.array(plain[name], np.int64) for name in _ARRAYS}
    grids = grids_from_plain(plain.get("grids", {}))
    return Counters(
        lf_names=tuple(plain["lf_names"]), **{name: plain[name] for name in _SCALARS}, **arrays, grids=grids
    )


_SCALARS: Final = ("n_items", "n_voted", "n_rows")
_ARRAYS: Final = ("votes", "overlaps", "conflicts", "confusion", "gold_items", "faults")


def _sum_by(cell: NDArray[np.integer], counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """The exact sum of the counts of each cell; `bincount` with weights would add in floating point."""
    total = np.zeros(size, np.int64)
    np.add.at(total, cell, counts)
    return total


def _combine(a: Counters, b: Counters, sign: int) -> Counters:
    check_same_lfs("counters", a, b)
    return replace(a, **{name: getattr(a, name) + sign * getattr(b, name) for name in (*_SCALARS, *_ARRAYS)})


def _plain(counters: Counters) -> dict[str, object]:
    """The counters as plain values, field by field."""
    plain: dict[str, object] = {}
    for name in ("lf_names", *_SCALARS, *_ARRAYS):
        value = getattr(counters, name)
        plain[name] = value if isinstance(value, int) else np.asarray(value).tolist()
    return {**plain, "grids": counters.grids.to_plain()} if counters.grids else plain
