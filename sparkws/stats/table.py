"""Pattern counts, added up -> the pattern table and what reports say of it, in one pass."""

from dataclasses import dataclass

import polars as pl

from sparkws.grids import NO_GRIDS, Grids
from sparkws.stats.counters import Counters, CountersKernel
from sparkws.stats.patterns import dump_schema


@dataclass(frozen=True)
class PatternTableKernel:
    """Rows of summed patterns -> the same rows, and the counters of the functions; a `WriteKernel`.

    Each combination of votes, class and level must be in one row only, or `Counters.n_rows` counts it twice.
    """

    lf_names: tuple[str, ...]
    cardinality: int
    grids: Grids = NO_GRIDS

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(self.schema)

    @property
    def schema(self) -> pl.Schema:
        """The columns of the pattern table."""
        return dump_schema(self.lf_names, self.grids.n_outcomes(self.cardinality))

    def run(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, Counters]:
        """The rows of `batch`, and their counters."""
        return batch.select(self.columns), self._counting.of_batch(batch)

    def zero(self) -> Counters:
        """The counters of no items."""
        return self._counting.zero()

    def merge(self, a: Counters, b: Counters) -> Counters:
        """The counters of the items of both."""
        return self._counting.merge(a, b)

    def dump(self, value: Counters) -> pl.DataFrame:
        """`value` as rows of plain types."""
        return self._counting.dump(value)

    def load(self, rows: pl.DataFrame) -> Counters:
        """The counters that `dump` wrote."""
        return self._counting.load(rows)

    @property
    def _counting(self) -> CountersKernel:
        return CountersKernel(self.lf_names, self.cardinality, grids=self.grids)
