"""Pattern rows -> what their soft labels add up to: the E-step of EM over a table that is too long for one machine.

Floating point depends on the order of adding, so expectations are added as integers: multiples of a unit
of 2^-30 item. Any partitioning in any order then gives one answer, bit for bit.
"""

from dataclasses import dataclass, fields
from functools import reduce
from math import ceil
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.checks import check_columns
from sparkws.grids import NO_GRIDS, Grids
from sparkws.labelmodels.em import Expected, Rows, add_up, clamp, e_step, make_rows
from sparkws.labelmodels.estimate import majority_shares
from sparkws.labelmodels.posterior import FLOOR, log_table
from sparkws.stats.packing import blocks, key_columns, unpack_keys
from sparkws.vocab import GOLD, N_ITEMS

_FINEST_BITS: Final = 30
_SUM_BITS: Final = 62  # one bit less than int64 has, for what rounding adds


@dataclass(frozen=True, eq=False, kw_only=True)
class Sums:
    """Expectations of some items, as integers.

    Attributes
    ----------
    n_items : int
        Items that were read.
    log_likelihood : int
        Multiples of 2^-log_bits.
    votes : (m * s, k) int64 array
    mass, voted : (k,) int64 array
        As in `em.Expected`, multiples of 2^-item_bits.
    """

    n_items: int
    log_likelihood: int
    votes: NDArray[np.int64]
    mass: NDArray[np.int64]
    voted: NDArray[np.int64]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sums):
            return NotImplemented
        return all(np.array_equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    __hash__ = None  # type: ignore[assignment]  # arrays have no cheap hash


@dataclass(frozen=True, eq=False, kw_only=True)
class ExpectationsKernel:
    """Pattern rows -> sums of their soft labels under some tables; a `ReduceKernel` over the pattern table.

    Parameters
    ----------
    lf_names : tuple of str
        The functions of the patterns.
    taking_part : tuple of str
        Those m of them that the model reads, in its order.
    cardinality : int
        The number of classes k.
    n_items : int
        Items of the whole table, from which the unit follows: 2^-30 below 2^32 items, twice as coarse for
        each time twice as many, so that no sum can leave 64 bits.
    cpt : (m, k + 1, k) float64 array or None
        P(vote | class), abstain row first. None: majority vote's soft labels, uniform where there is no
        vote, and no log-likelihood.
    class_balance : (k,) float64 array
    use_abstain : bool
        Whether abstaining is evidence.
    clamp_gold : bool
        Hold items with a known class; if not, the known classes are not even read.
    grids : Grids
        Of those functions of the patterns that vote with a probability.
    """

    lf_names: tuple[str, ...]
    taking_part: tuple[str, ...]
    cardinality: int
    n_items: int
    cpt: NDArray[np.float64] | None
    class_balance: NDArray[np.float64]
    use_abstain: bool
    clamp_gold: bool
    grids: Grids = NO_GRIDS

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the pattern table that are read."""
        keys = key_columns(self.lf_names, self.grids.n_outcomes(self.cardinality))
        return (*keys, *((GOLD,) if self.clamp_gold else ()), N_ITEMS)

    @property
    def dump_schema(self) -> pl.Schema:
        """The columns of `dump`."""
        numbers = pl.List(pl.Int64())
        return pl.Schema(
            {"n_items": pl.Int64(), "log_likelihood": pl.Int64(), "votes": numbers, "mass": numbers, "voted": numbers}
        )

    @property
    def item_bits(self) -> int:
        """Expectations are multiples of 2^-item_bits of an item."""
        return min(_FINEST_BITS, _SUM_BITS - self.n_items.bit_length())

    @property
    def log_bits(self) -> int:
        """The log-likelihood is a multiple of 2^-log_bits."""
        if self.cpt is None:
            return _FINEST_BITS
        factors = log_table(self.cpt, use_abstain=self.use_abstain)
        lowest = float(np.abs(factors).max(axis=(1, 2)).sum() - np.log(max(self.class_balance.min(), FLOOR)))
        return min(_FINEST_BITS, _SUM_BITS - (self.n_items * ceil(lowest)).bit_length())

    def of_batch(self, batch: pl.DataFrame) -> Sums:
        """The sums of some pattern rows.

        Raises
        ------
        MissingColumns
            If these are not the rows of these functions' patterns.
        """
        check_columns("patterns", self.columns, batch.columns)
        return reduce(self.merge, map(self._of_block, blocks(batch, len(self.lf_names))), self.zero())

    def zero(self) -> Sums:
        """The sums of no items."""
        m, k, s = len(self.taking_part), self.cardinality, self._n_outcomes
        none = np.zeros(k, np.int64)
        return Sums(n_items=0, log_likelihood=0, votes=np.zeros((m * s, k), np.int64), mass=none, voted=none)

    def merge(self, a: Sums, b: Sums) -> Sums:
        """The sums of the items of both."""
        return Sums(**{f.name: getattr(a, f.name) + getattr(b, f.name) for f in fields(a)})

    def dump(self, value: Sums) -> pl.DataFrame:
        """`value` as one row."""
        row = {f.name: [np.ravel(getattr(value, f.name)).tolist()] for f in fields(value)}
        return pl.DataFrame({**row, "n_items": value.n_items, "log_likelihood": value.log_likelihood}, self.dump_schema)

    def load(self, rows: pl.DataFrame) -> Sums:
        """The sums that `dump` wrote; rows of several dumps add up.

        Raises
        ------
        MissingColumns
            If a column of the statistic is not there.
        """
        check_columns("expectations", self.dump_schema.names(), rows.columns)
        parts = (
            Sums(
                n_items=row["n_items"],
                log_likelihood=row["log_likelihood"],
                votes=np.array(row["votes"], np.int64).reshape(-1, self.cardinality),
                mass=np.array(row["mass"], np.int64),
                voted=np.array(row["voted"], np.int64),
            )
            for row in rows.iter_rows(named=True)
        )
        return reduce(self.merge, parts, self.zero())

    def expected(self, value: Sums) -> Expected:
        """The expectations in items."""
        votes, mass, voted = (
            np.ldexp(sums.astype(np.float64), -self.item_bits) for sums in (value.votes, value.mass, value.voted)
        )
        return Expected(votes=votes, mass=mass, voted=voted)

    def log_likelihood(self, value: Sums) -> float:
        """The log-likelihood of the items under the tables."""
        return value.log_likelihood * 2.0**-self.log_bits

    @property
    def _n_outcomes(self) -> int:
        return self.grids.select(self.taking_part).n_outcomes(self.cardinality)

    def _of_block(self, block: pl.DataFrame) -> Sums:
        n_outcomes = self.grids.n_outcomes(self.cardinality)
        keys = block.select(key_columns(self.lf_names, n_outcomes))
        chosen = [self.lf_names.index(name) for name in self.taking_part]
        L = unpack_keys(keys, len(self.lf_names), n_outcomes)[:, chosen]
        counts = block[N_ITEMS].to_numpy()
        rows = make_rows(L, counts, block[GOLD].to_numpy() if self.clamp_gold else None, self._n_outcomes)
        q, log_sum = self._soft_labels(rows, L)
        votes, mass, voted = add_up(rows, _integers(rows.counts[:, None] * q, self.item_bits))
        return Sums(
            n_items=int(counts.sum()),
            log_likelihood=int(_integers(rows.counts * log_sum, self.log_bits).sum()),
            votes=votes,
            mass=mass,
            voted=voted,
        )

    def _soft_labels(self, rows: Rows, L: NDArray[np.int8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self.cpt is None:
            says = self.grids.select(self.taking_part).says(self.taking_part, self.cardinality)
            return clamp(majority_shares(L, self.cardinality, says), rows.gold), np.zeros(len(L))
        return e_step(rows, self.cpt, self.class_balance, use_abstain=self.use_abstain)


def _integers(expected: NDArray[np.float64], bits: int) -> NDArray[np.int64]:
    """The nearest multiples of 2^-bits."""
    return np.rint(np.ldexp(expected, bits)).astype(np.int64)
