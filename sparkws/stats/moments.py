"""Second moments of votes: how often each pair of votes occurs together.

A label model that is fitted from moments costs the same at a thousand items and at a billion. Only votes
that occur have a row: 1,200 functions that vote one of 56 classes each are 1,200 rows, not 67,200.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from sparkws.checks import check_columns, first_few
from sparkws.errors import IncompatibleStatistics
from sparkws.grids import NO_GRIDS, Grids
from sparkws.stats.bits import VoteColumns, columns_of, count_pairs, pack_votes
from sparkws.stats.compatible import check_same_lfs, not_a_part
from sparkws.stats.packing import blocks, key_columns, unpack_keys
from sparkws.stats.patterns import Patterns
from sparkws.vocab import ABSTAIN, N_ITEMS

# Bits of so many outcomes take as much room as the votes; of more the few that occur are found first.
_MOST_OUTCOMES: Final = 8
# What a sparse product takes for each vote and each pair of votes of an item, and what a conjunction with its
# popcount takes for each 64 items of a pair of cells.
_VOTE_NS, _PAIR_NS, _WORD_NS = 100.0, 7.0, 1.0
# Third moments are dumped in the same columns, so that both travel together.
DUMP_SCHEMA: Final = pl.Schema({"a": pl.Int64, "b": pl.Int64, N_ITEMS: pl.Int64})


@dataclass(frozen=True, eq=False)
class Moments:
    """Counts of single votes and of pairs of votes.

    Attributes
    ----------
    lf_names : tuple of str
        The m labeling functions.
    cardinality : int
        The number of classes k.
    n_items : int
        Items seen, with votes or without.
    cells : (c,) int64 array
        The votes that occur, ascending: the vote l of function j is the cell `j * s + l`, where s is the most
        votes that a function can cast: k, or the cells of the longest grid.
    gram : (c, c) int64 array
        Items that got both votes; on the diagonal, that got the vote. Votes of one function exclude each other.
    grids : Grids
        What the votes of the soft functions stand for.
    """

    lf_names: tuple[str, ...]
    cardinality: int
    n_items: int
    cells: NDArray[np.int64]
    gram: NDArray[np.int64]
    grids: Grids = NO_GRIDS

    @property
    def n_outcomes(self) -> int:
        """The most votes s that a function can cast."""
        return self.grids.n_outcomes(self.cardinality)

    @property
    def lf_of(self) -> NDArray[np.int64]:
        """The function of each cell, `(c,)`."""
        return self.cells // self.n_outcomes

    @property
    def vote_of(self) -> NDArray[np.int64]:
        """The vote of each cell, `(c,)` in 0..s-1: a class, or the cell of a grid."""
        return self.cells % self.n_outcomes

    @property
    def label_of(self) -> NDArray[np.int64]:
        """The class that each cell votes for, `(c,)`; -1 where it is for none."""
        classes = self.grids.classes(self.lf_names, self.cardinality)
        return self.vote_of if classes is None else classes[self.lf_of, self.vote_of + 1].astype(np.int64)

    @property
    def says(self) -> NDArray[np.float64] | None:
        """What each vote says of the classes, as `Grids.says`."""
        return self.grids.says(self.lf_names, self.cardinality)

    @cached_property
    def votes(self) -> NDArray[np.int64]:
        """How often each function cast each vote, `(m, s)`."""
        counts = np.zeros(len(self.lf_names) * self.n_outcomes, np.int64)
        counts[self.cells] = np.diagonal(self.gram)
        return counts.reshape(len(self.lf_names), self.n_outcomes)

    def between(self, i: int, j: int) -> NDArray[np.int64]:
        """Items that got each vote of function i and each of function j, `(s, s)`."""
        s = self.n_outcomes
        rows, columns = (slice(*np.searchsorted(self.cells, [lf * s, (lf + 1) * s])) for lf in (i, j))
        counts = np.zeros((s, s), np.int64)
        counts[np.ix_(self.cells[rows] - i * s, self.cells[columns] - j * s)] = self.gram[rows, columns]
        return counts

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Moments):
            return NotImplemented
        same = (self.lf_names, self.cardinality, self.n_items) == (other.lf_names, other.cardinality, other.n_items)
        same = same and self.grids == other.grids
        return same and np.array_equal(self.cells, other.cells) and np.array_equal(self.gram, other.gram)

    __hash__ = None  # type: ignore[assignment]  # arrays have no cheap hash


@dataclass(frozen=True)
class MomentsKernel:
    """Votes -> their moments; a `ReduceKernel`."""

    lf_names: tuple[str, ...]
    cardinality: int
    grids: Grids = NO_GRIDS

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the votes table that are read."""
        return self.lf_names

    @property
    def dump_schema(self) -> pl.Schema:
        """The columns of `dump`."""
        return DUMP_SCHEMA

    def of_batch(self, batch: pl.DataFrame) -> Moments:
        """The moments of one batch of votes; NULL counts as abstained.

        Raises
        ------
        MissingColumns
            If a function has no column.
        InvalidLabelMatrix
            If a column holds anything but -1..k-1 and NULL.
        """
        check_columns("votes", self.columns, batch.columns)
        return self.of_columns(columns_of(batch, self.lf_names, self.cardinality, self.grids))

    def zero(self) -> Moments:
        """The moments of no items."""
        return self._moments(0, np.empty(0, np.int64), np.empty((0, 0), np.int64))

    def merge(self, a: Moments, b: Moments) -> Moments:
        """The moments of the items of both."""
        return merge(a, b)

    def dump(self, value: Moments) -> pl.DataFrame:
        """A row for each pair of votes that occurs, and one without cells for the items."""
        i, j = np.nonzero(np.triu(value.gram))
        pairs = {"a": value.cells[i], "b": value.cells[j], N_ITEMS: value.gram[i, j]}
        total = pl.DataFrame({"a": [None], "b": [None], N_ITEMS: [value.n_items]}, DUMP_SCHEMA)
        return pl.concat([total, pl.DataFrame(pairs, DUMP_SCHEMA)])

    def load(self, rows: pl.DataFrame) -> Moments:
        """The moments that `dump` wrote; rows of several dumps add up.

        Raises
        ------
        MissingColumns
            If a column of the statistic is not there.
        IncompatibleStatistics
            If a cell is none of these functions and classes.
        """
        check_columns("moments", self.dump_schema.names(), rows.columns)
        pairs = rows.filter(pl.col("a").is_not_null())
        a, b, n = (pairs[name].to_numpy() for name in DUMP_SCHEMA)
        cells = np.unique(np.concatenate([a, b]))
        size = len(self.lf_names) * self.grids.n_outcomes(self.cardinality)
        if len(cells) and not 0 <= cells[0] <= cells[-1] < size:
            raise IncompatibleStatistics(
                f"moments of {len(self.lf_names)} functions and {self.cardinality} classes have cells in "
                f"0..{size - 1}, got {int(cells[-1] if cells[0] >= 0 else cells[0])}; count them again from the votes."
            )
        gram = np.zeros((len(cells), len(cells)), np.int64)
        np.add.at(gram, (np.searchsorted(cells, a), np.searchsorted(cells, b)), n)
        n_items = int(rows.filter(pl.col("a").is_null())[N_ITEMS].sum())
        return self._moments(n_items, *_dense(cells, gram + np.triu(gram, 1).T))

    def of_columns(self, columns: VoteColumns) -> Moments:
        """The moments of the votes of these functions; by bits, or sparsely where that is less work."""
        few = columns.n_outcomes <= _MOST_OUTCOMES
        counts = columns.bits.counts if few else columns.count()
        if _is_sparse(counts, columns.n_items):
            return self.of_rows(columns.votes, np.ones(columns.n_items, np.int64))
        if few:
            bits = columns.bits
        else:
            bits = pack_votes(columns.votes, columns.n_outcomes, [np.flatnonzero(of_lf).tolist() for of_lf in counts])
        return self._moments(columns.n_items, bits.cells, count_pairs(bits))

    def of_rows(self, votes: Sequence[NDArray[np.int8]], items: NDArray[np.int64]) -> Moments:
        """The moments of rows that `(n,)` items have each, as a product of sparse matrices of integers."""
        voted = [np.flatnonzero(column != ABSTAIN) for column in votes]
        s = self.grids.n_outcomes(self.cardinality)
        cell = np.concatenate([j * s + votes[j][rows].astype(np.int64) for j, rows in enumerate(voted)])
        row = np.concatenate(voted)
        # The place of each cell among those that occur, without sorting all votes, as `unique` does.
        place = np.zeros(len(votes) * s, np.int64)
        place[cell] = 1
        cells = np.flatnonzero(place)
        place[cells] = np.arange(len(cells))
        shape = (len(items), len(cells))
        ones = sparse.csr_array((np.ones(len(row), np.int64), (row, place[cell])), shape=shape)
        weighted = sparse.csr_array((items[row], (row, place[cell])), shape=shape)
        gram = np.asarray((ones.T @ weighted).toarray(), np.int64)
        return self._moments(int(items.sum()), *_dense(cells, gram))

    def _moments(self, n_items: int, cells: NDArray[np.int64], gram: NDArray[np.int64]) -> Moments:
        return Moments(self.lf_names, self.cardinality, n_items, cells, gram, self.grids)


def of_patterns(patterns: Patterns) -> Moments:
    """The moments of items whose pattern counts are in memory: the same as those of their votes."""
    kernel = MomentsKernel(patterns.lf_names, patterns.cardinality, patterns.grids)
    total = kernel.zero()
    names = key_columns(patterns.lf_names, patterns.n_outcomes)
    for block in blocks(patterns.rows, len(patterns.lf_names)):
        L = unpack_keys(block.select(names), len(patterns.lf_names), patterns.n_outcomes)
        total = merge(total, kernel.of_rows(list(L.T), block[N_ITEMS].to_numpy()))
    return total


def merge(a: Moments, b: Moments) -> Moments:
    """The moments of the items of both.

    Raises
    ------
    IncompatibleStatistics
        If functions or classes differ.
    """
    return _combine(a, b, 1)


def subtract(total: Moments, part: Moments) -> Moments:
    """The moments of the items of `total` that are not in `part`.

    Raises
    ------
    IncompatibleStatistics
        If functions or classes differ, or `part` counts something that `total` never saw.
    """
    rest = _combine(total, part, -1)
    if rest.n_items < 0 or (rest.gram < 0).any():
        raise not_a_part(part.n_items, total.n_items)
    return rest


def select(moments: Moments, lf_names: Sequence[str]) -> Moments:
    """The moments of the same items under these functions only, in this order.

    Raises
    ------
    IncompatibleStatistics
        If a function was not counted.
    """
    unknown = [name for name in lf_names if name not in moments.lf_names]
    if unknown:
        raise IncompatibleStatistics(
            f"the moments do not count {first_few(unknown)}; they count {first_few(moments.lf_names, 12)}."
        )
    grids = moments.grids.select(lf_names)
    s = grids.n_outcomes(moments.cardinality)
    wanted = np.array([moments.lf_names.index(name) for name in lf_names], np.int64)
    # (f, s) old cells of the new functions -> their places among the cells that occur
    old = (wanted[:, None] * moments.n_outcomes + np.arange(s)).ravel()
    places = np.searchsorted(moments.cells, old)
    found = np.flatnonzero(np.isin(old, moments.cells))
    gram = moments.gram[np.ix_(places[found], places[found])]
    return Moments(tuple(lf_names), moments.cardinality, moments.n_items, found, gram, grids)


def _is_sparse(counts: NDArray[np.int64], n: int) -> bool:
    """Whether a sparse product is less work than conjunctions, by how many of n items got each vote."""
    n_votes = int(counts.sum())
    # Items that have equally many votes have the fewest pairs of them; few sets have many more.
    sparsely = _VOTE_NS * n_votes + _PAIR_NS * n_votes**2 / max(n, 1)
    return bool(sparsely < _WORD_NS * np.count_nonzero(counts) ** 2 / 2 * n / 64)


def _combine(a: Moments, b: Moments, sign: int) -> Moments:
    check_same_lfs("moments", a, b)
    cells = np.union1d(a.cells, b.cells)
    gram = np.zeros((len(cells), len(cells)), np.int64)
    for part, factor in ((a, 1), (b, sign)):
        at = np.searchsorted(cells, part.cells)
        gram[np.ix_(at, at)] += factor * part.gram
    return Moments(a.lf_names, a.cardinality, a.n_items + sign * b.n_items, *_dense(cells, gram), a.grids)


def _dense(cells: NDArray[np.int64], gram: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Without the cells that nothing is counted in, so that equal counts are equal values."""
    occurs = np.flatnonzero(gram.any(axis=1))
    return (cells, gram) if len(occurs) == len(cells) else (cells[occurs], gram[np.ix_(occurs, occurs)])
