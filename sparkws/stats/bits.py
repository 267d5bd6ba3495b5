"""Votes as bits: a row for each vote that occurs and a bit for each item, so that 64 items are counted at once.

The conjunction of two rows holds the items that got both votes, and the bits that are set in it count them.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.grids import NO_GRIDS, Grids
from sparkws.stats.packing import votes_of

T = TypeVar("T")

WORDS_PER_BLOCK: Final = 4096  # 32 KiB a row of bits: more leave the caches, and fewer cost as many calls of numpy
_FEWEST_BYTES: Final = 1 << 18  # what a thread of its own is worth


@dataclass(frozen=True, eq=False)
class VoteBits:
    """Which items got which votes.

    Attributes
    ----------
    n_outcomes : int
        The most votes s that a function can cast.
    cells : (c,) int64 array
        The votes that occur, ascending: the vote l of function j is the cell `j * s + l`.
    counts : (c,) int64 array
        The items that got each vote.
    words : (c, w) uint64 array
        A bit for each of the n items, in w = ceil(n / 64) words; what is left of the last one is zeros.
    """

    n_outcomes: int
    cells: NDArray[np.int64]
    counts: NDArray[np.int64]
    words: NDArray[np.uint64]

    def of_lf(self, lf: int) -> NDArray[np.uint64]:
        """The bits of all votes that a function can cast, `(s, w)`; zeros where it casts fewer than others can."""
        own = slice(*np.searchsorted(self.cells, [lf * self.n_outcomes, (lf + 1) * self.n_outcomes]))
        if own.stop - own.start == self.n_outcomes:
            return self.words[own]
        words = np.zeros((self.n_outcomes, self.words.shape[1]), np.uint64)
        words[self.cells[own] - lf * self.n_outcomes] = self.words[own]
        return words


@dataclass(frozen=True, eq=False)
class VoteColumns:
    """Votes in memory, whose bits are made once for all that is counted from them.

    Attributes
    ----------
    lf_names : tuple of str
        The m labeling functions.
    votes : tuple of (n,) int8 arrays
        Those of each function.
    n_outcomes : int
        The most votes s that a function can cast.
    sizes : tuple of int
        How many votes each function can cast, at most s.
    """

    lf_names: tuple[str, ...]
    votes: tuple[NDArray[np.int8], ...]
    n_outcomes: int
    sizes: tuple[int, ...]

    @property
    def n_items(self) -> int:
        """The items n."""
        return len(self.votes[0])

    @cached_property
    def bits(self) -> VoteBits:
        """Which items got which votes."""
        return pack_votes(self.votes, self.n_outcomes, [range(size) for size in self.sizes])

    def count(self) -> NDArray[np.int64]:
        """How many items got each vote of each function, `(m, s)`, without making bits."""
        # Comparing with one vote after another is several times faster than `bincount` for the few that there are.
        counts = np.zeros((len(self.votes), self.n_outcomes), np.int64)
        for of_lf, votes, size in zip(counts, self.votes, self.sizes, strict=True):
            of_lf[:size] = [np.count_nonzero(votes == vote) for vote in range(size)]
        return counts


def columns_of(
    batch: pl.DataFrame, lf_names: tuple[str, ...], cardinality: int, grids: Grids = NO_GRIDS
) -> VoteColumns:
    """The votes of some functions in a batch; NULL counts as abstained.

    Raises
    ------
    InvalidLabelMatrix
        If a column holds anything but -1..k-1, or the cells of its grid, and NULL.
    """
    votes = votes_of(batch, lf_names, cardinality, grids)
    return VoteColumns(lf_names, tuple(votes), grids.n_outcomes(cardinality), grids.sizes(lf_names, cardinality))


def pack_votes(votes: Sequence[NDArray[np.int8]], n_outcomes: int, wanted: Sequence[Sequence[int]]) -> VoteBits:
    """The bits of those votes of each function that are wanted and occur.

    Parameters
    ----------
    votes : m (n,) int8 arrays in {-1, 0..s-1}
        Those of each function on the n items; at least one array.
    n_outcomes : int
        The most votes s that a function can cast.
    wanted : m sequences of int
        The votes of each function that get a row of bits, ascending.

    Examples
    --------
    >>> bits = pack_votes([np.array([1, -1, 1], np.int8)], 2, [[0, 1]])
    >>> bits.cells.tolist(), bits.counts.tolist(), bits.words.tolist()
    ([1], [2], [[5]])
    """
    n = len(votes[0])
    chosen = [(lf, vote) for lf, of_lf in enumerate(wanted) for vote in of_lf]
    words = np.zeros((len(chosen), -(-n // 64)), np.uint64)
    octets = words.view(np.uint8)[:, : -(-n // 8)]

    def of_rows(rows: range) -> NDArray[np.uint32]:
        same = np.empty(n, np.bool_)
        for row in rows:
            lf, vote = chosen[row]
            octets[row] = np.packbits(np.equal(votes[lf], vote, out=same), bitorder="little")  # the quicker order
        return count_bits(words[rows.start : rows.stop])

    counts = np.concatenate(in_threads(of_rows, len(chosen), n)).astype(np.int64)
    cells = np.array([lf * n_outcomes + vote for lf, vote in chosen], np.int64)
    occurs = np.flatnonzero(counts)
    if len(occurs) < len(chosen):
        cells, counts, words = cells[occurs], counts[occurs], words[occurs]
    return VoteBits(n_outcomes, cells, counts, words)


def count_pairs(bits: VoteBits) -> NDArray[np.int64]:
    """How many items got each two of the votes that occur, `(c, c)` int64; on the diagonal, each vote.

    Parameters
    ----------
    bits : VoteBits
        The bits `(c, w)` of c votes.
    """
    c = len(bits.cells)
    # Votes of one function exclude each other: a row meets those of the functions behind its own.
    behind = np.searchsorted(bits.cells, (bits.cells // bits.n_outcomes + 1) * bits.n_outcomes).tolist()

    def of_words(span: range) -> NDArray[np.int64]:
        upper = np.zeros((c, c), np.int64)
        for start in range(span.start, span.stop, WORDS_PER_BLOCK):
            block = bits.words[:, start : min(start + WORDS_PER_BLOCK, span.stop)]
            # Room that is taken anew for each row costs a fifth of the time.
            both, octets = np.empty(block.shape, np.uint64), np.empty(block.shape, np.uint8)
            for row in range(behind.index(c) if c else 0):
                rest = slice(behind[row], None)
                np.bitwise_and(block[row], block[rest], out=both[rest])
                upper[row, rest] += _sum(np.bitwise_count(both[rest], out=octets[rest]))
        return upper

    upper = reduce(np.add, in_threads(of_words, bits.words.shape[1], 8 * c))
    gram: NDArray[np.int64] = upper + upper.T
    np.fill_diagonal(gram, bits.counts)
    return gram


def count_common(*words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many bits words `(..., w)` have in common; the axes before the last are broadcast."""
    total = np.zeros(np.broadcast_shapes(*(part.shape[:-1] for part in words)), np.int64)
    for start in range(0, words[0].shape[-1], WORDS_PER_BLOCK):
        total += count_bits(reduce(np.bitwise_and, (part[..., start : start + WORDS_PER_BLOCK] for part in words)))
    return total


def count_bits(words: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """The bits that are set along the last axis of at most 2^26 words."""
    return _sum(np.bitwise_count(words))


def in_threads(work: Callable[[range], T], length: int, bytes_each: int) -> list[T]:
    """What work makes of parts of 0..length-1, in as many threads as polars has: in one within tasks of Spark.

    Parameters
    ----------
    work : function of range
        Called once for each part, from several threads at a time.
    length : int
        How many things there are, as rows or words of bits.
    bytes_each : int
        What work reads of one of them: few bytes are not worth threads.

    Returns
    -------
    list
        In the order of the parts.
    """
    n_parts = max(1, min(pl.thread_pool_size(), length, length * bytes_each // _FEWEST_BYTES))
    if n_parts == 1:
        return [work(range(length))]
    cuts = [length * part // n_parts for part in range(n_parts + 1)]
    with ThreadPoolExecutor(n_parts) as pool:
        return list(pool.map(work, [range(start, stop) for start, stop in pairwise(cuts)]))


def _sum(octets: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The sums along the last axis, in half the time that they take in 64 bits."""
    return np.asarray(np.add.reduce(octets, axis=-1, dtype=np.uint32), np.uint32)
