"""Third moments of votes: how often three functions vote together as they do, for some triples of functions.

Pairs leave the class balance open; three votes that are independent given the class tell it. All triples
of many functions would be too many, and some are enough, so they are chosen before the votes are read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.checks import check_columns, first_few
from sparkws.errors import IncompatibleStatistics
from sparkws.grids import NO_GRIDS, Grids
from sparkws.stats.bits import VoteColumns, columns_of, count_bits, count_common, in_threads
from sparkws.stats.moments import DUMP_SCHEMA, Moments
from sparkws.stats.packing import blocks, key_columns, unpack_keys
from sparkws.stats.patterns import Patterns
from sparkws.vocab import N_ITEMS

MOST_TRIPLES: Final = 100
# Up to so many outcomes, conjunctions of bits are less work than counting the votes of one item after another: for
# two classes a tenth, for five two thirds.
_MOST_VOTES_BY_BITS: Final = 5
_MOST_CELLS: Final = 1 << 21  # of all triples together: 16 MiB

Chosen = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, eq=False)
class Triples:
    """Counts of the votes of three functions at a time, abstentions included.

    Attributes
    ----------
    lf_names : tuple of str
        The m labeling functions.
    cardinality : int
        The number of classes k.
    chosen : tuple of (int, int, int)
        The functions of each of the t triples, ascending.
    n_items : int
        Items seen, with votes or without.
    counts : (t, s + 1, s + 1, s + 1) int64 array
        `counts[r, a + 1, b + 1, c + 1]` items got the votes a, b, c from the functions of triple r,
        abstentions first. Each triple adds up to `n_items`. A function can cast s votes: k, or the cells of
        the longest grid.
    grids : Grids
        What the votes of the soft functions stand for.
    """

    lf_names: tuple[str, ...]
    cardinality: int
    chosen: Chosen
    n_items: int
    counts: NDArray[np.int64]
    grids: Grids = NO_GRIDS

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Triples):
            return NotImplemented
        return _kind(self) == _kind(other) and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]  # arrays have no cheap hash


@dataclass(frozen=True)
class TriplesKernel:
    """Votes -> third moments of the chosen triples; a `ReduceKernel`."""

    lf_names: tuple[str, ...]
    cardinality: int
    chosen: Chosen
    grids: Grids = NO_GRIDS

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the votes table that are read."""
        return tuple(self.lf_names[j] for j in sorted({j for triple in self.chosen for j in triple}))

    @property
    def dump_schema(self) -> pl.Schema:
        """The columns of `dump`."""
        return DUMP_SCHEMA

    def of_batch(self, batch: pl.DataFrame) -> Triples:
        """The third moments of one batch of votes; NULL counts as abstained.

        Raises
        ------
        MissingColumns
            If a function has no column.
        InvalidLabelMatrix
            If a column holds anything but -1..k-1 and NULL.
        """
        check_columns("votes", self.columns, batch.columns)
        return self.of_columns(columns_of(batch, self.columns, self.cardinality, self.grids))

    def of_columns(self, columns: VoteColumns, pairs: Moments | None = None) -> Triples:
        """The third moments of votes, those of all that is in `columns`; `pairs` are their second moments, if known."""
        place = {name: at for at, name in enumerate(columns.lf_names)}
        at = {lf: place[self.lf_names[lf]] for triple in self.chosen for lf in triple}
        if columns.n_outcomes <= _MOST_VOTES_BY_BITS:
            return self._count_bits(columns, at, pairs)
        return self._count(
            {lf: columns.votes[own].astype(np.int64) + 1 for lf, own in at.items()}, None, columns.n_items
        )

    def of_patterns(self, patterns: Patterns) -> Triples:
        """The third moments of items whose pattern counts are in memory: the same as those of their votes.

        Raises
        ------
        IncompatibleStatistics
            If functions or classes differ.
        """
        if (patterns.lf_names, patterns.cardinality, patterns.grids) != (self.lf_names, self.cardinality, self.grids):
            raise IncompatibleStatistics(
                f"patterns of {first_few(patterns.lf_names)} and {patterns.cardinality} classes, expected "
                f"{first_few(self.lf_names)} and {self.cardinality}; count the patterns of these functions."
            )
        total = self.zero()
        names = key_columns(self.lf_names, self._n_outcomes)
        for block in blocks(patterns.rows, len(self.lf_names)):
            L = unpack_keys(block.select(names), len(self.lf_names), self._n_outcomes).astype(np.int64)
            items = block[N_ITEMS].to_numpy()
            total = merge(total, self._count(dict(enumerate(L.T + 1)), items, int(items.sum())))
        return total

    def zero(self) -> Triples:
        """The third moments of no items."""
        counts = np.zeros((len(self.chosen), *[self._n_outcomes + 1] * 3), np.int64)
        return Triples(self.lf_names, self.cardinality, self.chosen, 0, counts, self.grids)

    def merge(self, a: Triples, b: Triples) -> Triples:
        """The third moments of the items of both."""
        return merge(a, b)

    def dump(self, value: Triples) -> pl.DataFrame:
        """A row for each triple `a` and its votes `b` to base s + 1 that occur, and one without them for the items."""
        flat = value.counts.reshape(len(self.chosen), (self._n_outcomes + 1) ** 3)
        triple, votes = np.nonzero(flat)
        total = pl.DataFrame({"a": [None], "b": [None], N_ITEMS: [value.n_items]}, DUMP_SCHEMA)
        return pl.concat([total, pl.DataFrame({"a": triple, "b": votes, N_ITEMS: flat[triple, votes]}, DUMP_SCHEMA)])

    def load(self, rows: pl.DataFrame) -> Triples:
        """The third moments that `dump` wrote; rows of several dumps add up."""
        check_columns("triples", self.dump_schema.names(), rows.columns)
        counted = rows.filter(pl.col("a").is_not_null())
        value = self.zero()
        flat = value.counts.reshape(len(self.chosen), (self._n_outcomes + 1) ** 3)
        np.add.at(flat, (counted["a"].to_numpy(), counted["b"].to_numpy()), counted[N_ITEMS].to_numpy())
        n_items = int(rows.filter(pl.col("a").is_null())[N_ITEMS].sum())
        counts = flat.reshape(value.counts.shape)
        return Triples(self.lf_names, self.cardinality, self.chosen, n_items, counts, self.grids)

    @property
    def _n_outcomes(self) -> int:
        return self.grids.n_outcomes(self.cardinality)

    def _count_bits(self, columns: VoteColumns, at: Mapping[int, int], pairs: Moments | None) -> Triples:
        """From the votes of each function and where they are."""
        size = columns.n_outcomes + 1
        words = {lf: columns.bits.of_lf(own) for lf, own in at.items()}
        once = {lf: count_bits(of_one) for lf, of_one in words.items()}

        def thrice(span: range) -> list[NDArray[np.int64]]:
            triples = (self.chosen[row] for row in span)
            return [count_common(words[i][:, None, None], words[j][:, None], words[l]) for i, j, l in triples]

        parts = in_threads(thrice, len(self.chosen), columns.n_items * columns.n_outcomes**3 // 8)
        distinct = {pair for triple in self.chosen for pair in combinations(triple, 2)}
        if pairs is None:
            twice = {(i, j): count_common(words[i][:, None], words[j]) for i, j in distinct}
        else:
            twice = {(i, j): pairs.between(i, j) for i, j in distinct}
        counts = np.zeros((len(self.chosen), size, size, size), np.int64)
        for triple, (i, j, l), of_three in zip(counts, self.chosen, chain.from_iterable(parts), strict=True):
            # First 0 is any outcome; what votes take from there leaves the abstentions.
            triple[0, 0, 0] = columns.n_items
            triple[1:, 0, 0], triple[0, 1:, 0], triple[0, 0, 1:] = once[i], once[j], once[l]
            triple[1:, 1:, 0], triple[1:, 0, 1:], triple[0, 1:, 1:] = twice[i, j], twice[i, l], twice[j, l]
            triple[1:, 1:, 1:] = of_three
            for axis in range(3):
                along = np.moveaxis(triple, axis, 0)
                along[0] -= along[1:].sum(axis=0)
        return Triples(self.lf_names, self.cardinality, self.chosen, columns.n_items, counts, self.grids)

    def _count(self, digits: dict[int, NDArray[np.int64]], items: NDArray[np.int64] | None, n_items: int) -> Triples:
        """From `(n,)` digits (vote + 1) of each function, and how many items each row stands for, None for one."""
        base = self._n_outcomes + 1
        counts = np.zeros((len(self.chosen), base**3), np.int64)
        for triple, (i, j, l) in zip(counts, self.chosen, strict=True):
            cell = (digits[i] * base + digits[j]) * base + digits[l]
            if items is None:
                triple += np.bincount(cell, minlength=base**3)
            else:
                np.add.at(triple, cell, items)  # exactly, where weights of bincount would be floats
        shape = (len(self.chosen), base, base, base)
        return Triples(self.lf_names, self.cardinality, self.chosen, n_items, counts.reshape(shape), self.grids)


def choose_triples(votes: NDArray[np.int64], rng: np.random.Generator, n_triples: int = MOST_TRIPLES) -> Chosen:
    """Distinct triples of functions drawn at random, more often of those that vote often.

    Parameters
    ----------
    votes : (m, s) int64 array
        How often each function cast each vote.
    rng : Generator
    n_triples : int
        At most so many; fewer where there are no more, or where classes are so many that their counts
        would take more than 16 MiB.

    Examples
    --------
    >>> choose_triples(np.array([[5, 5], [5, 5], [0, 0], [5, 5]]), np.random.default_rng(0))
    ((0, 1, 3),)
    """
    s = votes.shape[1]
    often = votes.sum(axis=1).astype(np.float64)
    voting = np.flatnonzero(often)
    f = len(voting)
    most = min(n_triples, f * (f - 1) * (f - 2) // 6, max(1, _MOST_CELLS // (s + 1) ** 3))
    if f < 3:
        return ()
    share = often[voting] / often.sum()
    found: dict[tuple[int, int, int], None] = {}
    # Triples that are left may all be rare: after so many draws the first that are missing are taken.
    for _ in range(20 * most):
        if len(found) == most:
            break
        i, j, l = sorted(rng.choice(voting, size=3, replace=False, p=share).tolist())
        found[i, j, l] = None
    if len(found) < most:
        for i, j, l in combinations(voting.tolist(), 3):
            if len(found) == most:
                break
            found[i, j, l] = None
    return tuple(sorted(found))


def merge(a: Triples, b: Triples) -> Triples:
    """The third moments of the items of both.

    Raises
    ------
    IncompatibleStatistics
        If functions, classes or triples differ.
    """
    if _kind(a) != _kind(b):
        raise IncompatibleStatistics(
            f"third moments of different functions, classes or triples: {first_few(a.lf_names)} and "
            f"{first_few(b.lf_names)}, {len(a.chosen)} and {len(b.chosen)} triples; count one of them again."
        )
    return replace(a, n_items=a.n_items + b.n_items, counts=a.counts + b.counts)


def select(triples: Triples, lf_names: Sequence[str]) -> Triples:
    """The third moments of the triples of these functions only, which keep their order.

    Raises
    ------
    IncompatibleStatistics
        If a function was not counted, or the order is another one.
    """
    if [name for name in triples.lf_names if name in set(lf_names)] != list(lf_names):
        raise IncompatibleStatistics(
            f"third moments of {first_few(triples.lf_names, 12)} cannot be those of {first_few(lf_names, 12)}; name "
            "functions that were counted, in the order of the counts."
        )
    place = {triples.lf_names.index(name): at for at, name in enumerate(lf_names)}
    kept = [row for row, triple in enumerate(triples.chosen) if all(j in place for j in triple)]
    chosen = tuple((place[i], place[j], place[l]) for i, j, l in (triples.chosen[row] for row in kept))
    grids = triples.grids.select(lf_names)
    votes = slice(grids.n_outcomes(triples.cardinality) + 1)
    counts = triples.counts[kept][:, votes, votes, votes]
    return Triples(tuple(lf_names), triples.cardinality, chosen, triples.n_items, counts, grids)


def _kind(triples: Triples) -> tuple[object, ...]:
    return triples.lf_names, triples.cardinality, triples.chosen, triples.grids
