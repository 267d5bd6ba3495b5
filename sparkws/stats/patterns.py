"""Pattern counts: how many items got each combination of votes.

Every label model of the EM family, and every report about the functions, is a function of these
counts: equal rows are grouped once and everything after iterates over groups. Counts are exact
integers, so they merge in any order and what was added can be subtracted. The module is longer than 300
lines because the counts, the kernel that makes them and their algebra share one layout of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws import hashing
from sparkws.checks import (
    check_cardinality,
    check_columns,
    check_integers,
    check_label_matrix,
    did_you_mean,
    first_few,
)
from sparkws.errors import IncompatibleStatistics, InvalidLabelMatrix, NothingToFit
from sparkws.grids import NO_GRIDS, Grids, classes_voted
from sparkws.stats.compatible import check_same_lfs
from sparkws.stats.packing import check_votes, key_columns, pack, unpack_keys
from sparkws.vocab import ABSTAIN, GOLD, ITEM_ID, LEVEL, N_ITEMS


@dataclass(frozen=True, eq=False)
class Patterns:
    """Counts of the distinct rows of a votes table.

    Attributes
    ----------
    lf_names : tuple of str
        The m labeling functions, in the order of their digits.
    cardinality : int
        The number of classes k.
    rows : DataFrame
        `pattern_0`, `pattern_1`, ... Int64; `gold` Int8, -1 where unknown; `level` Int8, the leading zero
        bits of the key's hash; `n_items` Int64, never zero. Distinct and sorted, so that equal counts are
        equal values and a fit adds in one order. Parts of a statistic may hold negative counts.
    grids : Grids
        What the votes of the soft functions stand for.
    """

    lf_names: tuple[str, ...]
    cardinality: int
    rows: pl.DataFrame
    grids: Grids = NO_GRIDS

    @property
    def n_outcomes(self) -> int:
        """The most votes s that a function can cast: k, or the cells of the longest grid."""
        return self.grids.n_outcomes(self.cardinality)

    @property
    def says(self) -> NDArray[np.float64] | None:
        """What each vote says of the classes, as `Grids.says`."""
        return self.grids.says(self.lf_names, self.cardinality)

    @property
    def n_items(self) -> int:
        """The number of items counted."""
        return int(self.rows[N_ITEMS].sum())

    @property
    def counts(self) -> NDArray[np.int64]:
        """The items of every row, `(u,)`."""
        return self.rows[N_ITEMS].to_numpy()

    @property
    def gold(self) -> NDArray[np.int8]:
        """The known class of every row, `(u,)`, -1 where unknown."""
        return self.rows[GOLD].to_numpy()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Patterns):
            return NotImplemented
        same = (self.lf_names, self.cardinality, self.grids) == (other.lf_names, other.cardinality, other.grids)
        return same and self.rows.equals(other.rows)

    __hash__ = None  # type: ignore[assignment]  # a table has no cheap hash


@dataclass(frozen=True)
class PatternsKernel:
    """Votes -> their pattern counts; a `ReduceKernel`.

    Parameters
    ----------
    lf_names : tuple of str
        The vote columns, at least one.
    cardinality : int
        The number of classes k.
    with_gold : bool
        Read the column `gold` too: a class index, NULL or -1 where unknown.
    grids : Grids
        Of the functions that vote with a probability.
    """

    lf_names: tuple[str, ...]
    cardinality: int
    with_gold: bool = False
    grids: Grids = NO_GRIDS

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (ITEM_ID, *self.lf_names, *((GOLD,) if self.with_gold else ()))

    @property
    def dump_schema(self) -> pl.Schema:
        """The columns of `dump`."""
        return dump_schema(self.lf_names, self.grids.n_outcomes(self.cardinality))

    def of_batch(self, batch: pl.DataFrame, level: pl.Series | None = None) -> Patterns:
        """The pattern counts of one batch of votes.

        Parameters
        ----------
        level : Series, optional
            That of each item, where `levels_of` has been asked already.

        Raises
        ------
        MissingColumns
            If a function or the key has no column.
        InvalidLabelMatrix
            If a column holds anything but -1..k-1 and NULL.
        """
        check_columns("votes", self.columns, batch.columns)
        check_votes(batch, self.columns[1:], self.cardinality, self.grids)
        gold = pl.col(GOLD).fill_null(ABSTAIN).cast(pl.Int8) if self.with_gold else pl.lit(ABSTAIN, pl.Int8)
        level = levels_of(batch) if level is None else level
        packed = pack(self.lf_names, self.grids.n_outcomes(self.cardinality))
        keys = batch.select(*packed, gold.alias(GOLD)).with_columns(level)
        rows = keys.group_by(keys.columns).len(N_ITEMS).cast({N_ITEMS: pl.Int64})
        return Patterns(self.lf_names, self.cardinality, rows.sort(keys.columns), self.grids)

    def zero(self) -> Patterns:
        """The pattern counts of no items."""
        return Patterns(self.lf_names, self.cardinality, self.dump_schema.to_frame(), self.grids)

    def merge(self, a: Patterns, b: Patterns) -> Patterns:
        """The pattern counts of the items of both."""
        return merge(a, b)

    def dump(self, value: Patterns) -> pl.DataFrame:
        """The rows themselves."""
        return value.rows

    def load(self, rows: pl.DataFrame, *, is_whole: bool = False) -> Patterns:
        """The pattern counts that `dump` wrote; rows of several dumps add up.

        Parameters
        ----------
        rows : DataFrame
            In any order, with any repetition.
        is_whole : bool
            The rows are a whole statistic, not a part, so none may be negative.

        Raises
        ------
        MissingColumns
            If a column of the statistic is not there.
        IncompatibleStatistics
            If `is_whole` and a count is negative.
        """
        check_columns("patterns", self.dump_schema.names(), rows.columns)
        summed = _aggregate(rows.select(self.dump_schema.names()))
        value = Patterns(self.lf_names, self.cardinality, summed, self.grids)
        if is_whole:
            _check_not_negative(value)
        return value


def levels_of(batch: pl.DataFrame) -> pl.Series:
    """The level of each item: the leading zero bits of its key's hash."""
    return pl.Series(LEVEL, hashing.levels(hashing.hash_keys(batch[ITEM_ID])))


def of_matrix(
    L: NDArray[np.int8],
    lf_names: Sequence[str],
    cardinality: int,
    gold: NDArray[np.int8] | None = None,
    grids: Grids = NO_GRIDS,
) -> Patterns:
    """The pattern counts of a label matrix that is in memory; without keys, so all of level 0.

    Parameters
    ----------
    L : (n, m) int8 array in {-1, 0..k-1}
    lf_names : sequence of m str
    cardinality : int
    gold : (n,) int8 array in {-1, 0..k-1}, optional
        The known classes, -1 where unknown.
    grids : Grids
        Of the functions whose votes are cells of a grid.

    Raises
    ------
    InvalidLabelMatrix
        If `L` or `gold` is or holds anything else, or has another shape, or two functions have one name.
    ConfigError
        If there are fewer than two classes, or too many.
    """
    check_cardinality(cardinality)
    check_label_matrix(L, lf_names, cardinality, grids)
    known = np.full(len(L), ABSTAIN, np.int8) if gold is None else gold
    check_integers(known, "gold")
    if known.shape != (len(L),):
        raise InvalidLabelMatrix(
            f"gold has shape {known.shape}, expected ({len(L)},), a class or -1 for each row of L."
        )
    check_label_matrix(known[:, None], [GOLD], cardinality)
    votes = pl.DataFrame([pl.Series(name, L[:, j], dtype=pl.Int8) for j, name in enumerate(lf_names)])
    rows = votes.select(pack(lf_names, grids.n_outcomes(cardinality))).with_columns(
        pl.Series(GOLD, known, dtype=pl.Int8),
        pl.lit(0, pl.Int8).alias(LEVEL),
        pl.lit(1, pl.Int64).alias(N_ITEMS),
    )
    return Patterns(tuple(lf_names), cardinality, _aggregate(rows), grids)


def dump_schema(lf_names: Sequence[str], n_outcomes: int) -> pl.Schema:
    """The columns of stored pattern counts of functions that can cast so many votes."""
    keys = dict.fromkeys(key_columns(lf_names, n_outcomes), pl.Int64())
    return pl.Schema({**keys, GOLD: pl.Int8(), LEVEL: pl.Int8(), N_ITEMS: pl.Int64()})


def unpack(patterns: Patterns) -> NDArray[np.int8]:
    """The votes of every row of the counts, `(u, m)` in -1..s-1."""
    keys = patterns.rows.select(key_columns(patterns.lf_names, patterns.n_outcomes))
    return unpack_keys(keys, len(patterns.lf_names), patterns.n_outcomes)


def unpack_classes(patterns: Patterns) -> NDArray[np.int8]:
    """The class that every vote is for, `(u, m)` in -1..k-1: -1 also where a cell is for none."""
    return classes_voted(unpack(patterns), patterns.grids.classes(patterns.lf_names, patterns.cardinality))


def merge(a: Patterns, b: Patterns) -> Patterns:
    """The pattern counts of the items of both.

    Raises
    ------
    IncompatibleStatistics
        If functions or classes differ.
    """
    check_same_lfs("patterns", a, b)
    return replace(a, rows=_aggregate(pl.concat([a.rows, b.rows])))


def subtract(total: Patterns, part: Patterns) -> Patterns:
    """The pattern counts of the items of `total` that are not in `part`.

    Raises
    ------
    IncompatibleStatistics
        If functions or classes differ, or `part` counts something that `total` never saw.
    """
    check_same_lfs("patterns", total, part)
    taken = part.rows.with_columns(-pl.col(N_ITEMS))
    rest = replace(total, rows=_aggregate(pl.concat([total.rows, taken])))
    _check_not_negative(rest)
    return rest


def at_level(patterns: Patterns, level: int) -> Patterns:
    """The counts of the items of this level or more: a sample of 2^-level of all items."""
    return replace(patterns, rows=patterns.rows.filter(pl.col(LEVEL) >= level))


def with_counts(patterns: Patterns, counts: NDArray[np.int64]) -> Patterns:
    """The same rows with other counts `(u,)`, without those that count nothing."""
    rows = patterns.rows.with_columns(pl.Series(N_ITEMS, counts, dtype=pl.Int64)).filter(pl.col(N_ITEMS) != 0)
    return replace(patterns, rows=rows)


def collapse(patterns: Patterns, *, keep_gold: bool = True) -> Patterns:
    """The counts summed over levels, and over gold classes unless they are kept: fewer rows, all of level 0."""
    flat = patterns.rows.with_columns(pl.lit(0, pl.Int8).alias(LEVEL))
    if not keep_gold:
        flat = flat.with_columns(pl.lit(ABSTAIN, pl.Int8).alias(GOLD))
    return replace(patterns, rows=_aggregate(flat))


def select(patterns: Patterns, lf_names: Sequence[str]) -> Patterns:
    """The counts that the same items have under these functions only, in this order.

    Raises
    ------
    NothingToFit
        If no function is left.
    IncompatibleStatistics
        If a function was not counted.
    """
    if not lf_names:
        raise NothingToFit(f"none of {first_few(patterns.lf_names)} takes part; at least one labeling function must.")
    unknown = sorted(set(lf_names) - set(patterns.lf_names), key=list(lf_names).index)
    if unknown:
        raise IncompatibleStatistics(
            f"the patterns do not count {first_few(unknown)}; they count {first_few(patterns.lf_names, 12)}."
            f"{did_you_mean(unknown[0], patterns.lf_names)}"
        )
    if tuple(lf_names) == patterns.lf_names:
        return patterns
    L = unpack(patterns)
    place = {name: j for j, name in enumerate(patterns.lf_names)}
    votes = pl.DataFrame({name: L[:, place[name]] for name in lf_names})
    grids = patterns.grids.select(lf_names)
    keys = votes.select(pack(lf_names, grids.n_outcomes(patterns.cardinality)))
    rows = keys.hstack(patterns.rows.select(GOLD, LEVEL, N_ITEMS))
    return Patterns(tuple(lf_names), patterns.cardinality, _aggregate(rows), grids)


def _aggregate(rows: pl.DataFrame) -> pl.DataFrame:
    keys = [name for name in rows.columns if name != N_ITEMS]
    return rows.group_by(keys).agg(pl.col(N_ITEMS).sum()).filter(pl.col(N_ITEMS) != 0).sort(keys)


def _check_not_negative(patterns: Patterns) -> None:
    negative = patterns.rows.filter(pl.col(N_ITEMS) < 0)
    if negative.height:
        raise IncompatibleStatistics(
            f"{negative.height:,} patterns would count fewer than no items, the first {negative[N_ITEMS][0]:,}: "
            "something was taken away that had not been added. Count the patterns again from the votes."
        )
