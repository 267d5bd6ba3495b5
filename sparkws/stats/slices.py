"""Pattern counts of slices: of each, what the counts would be if there were no other items.

Whatever follows from pattern counts, so also counters and moments, follows for each slice. Slices may overlap.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from sparkws.checks import check_columns, did_you_mean, first_few
from sparkws.errors import IncompatibleStatistics
from sparkws.grids import NO_GRIDS, Grids
from sparkws.stats import patterns as counting
from sparkws.stats.patterns import Patterns, PatternsKernel
from sparkws.vocab import MEMBER, SLICE, slice_column

Sliced = Mapping[str, Patterns]


@dataclass(frozen=True)
class SlicesKernel:
    """Votes, and who belongs to slices -> the pattern counts of each slice; a `ReduceKernel`.

    Parameters
    ----------
    lf_names : tuple of str
    cardinality : int
        The number of classes k.
    slices : tuple of str
        The slice s has the column `slice_s`: 1 in it.
    with_gold : bool
        Read the column `gold` too.
    grids : Grids
        Of those functions that vote with a probability.
    """

    lf_names: tuple[str, ...]
    cardinality: int
    slices: tuple[str, ...]
    with_gold: bool = False
    grids: Grids = NO_GRIDS

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (*self._counting.columns, *map(slice_column, self.slices))

    @property
    def dump_schema(self) -> pl.Schema:
        """The columns of `dump`."""
        return pl.Schema({SLICE: pl.String(), **self._counting.dump_schema})

    def of_batch(self, batch: pl.DataFrame) -> Sliced:
        """The pattern counts of each slice in one batch of votes.

        Raises
        ------
        MissingColumns
            If a function, a slice or the key has no column.
        InvalidLabelMatrix
            If a column holds anything but -1..k-1 and NULL.
        """
        check_columns("votes", self.columns, batch.columns)
        members = {name: batch.filter(pl.col(slice_column(name)) == MEMBER) for name in self.slices}
        return {name: self._counting.of_batch(rows) for name, rows in members.items()}

    def zero(self) -> Sliced:
        """The pattern counts of no items."""
        return {name: self._counting.zero() for name in self.slices}

    def merge(self, a: Sliced, b: Sliced) -> Sliced:
        """The pattern counts of the items of both."""
        return {name: counting.merge(a[name], b[name]) for name in self.slices}

    def dump(self, value: Sliced) -> pl.DataFrame:
        """The rows of all slices, told apart by a column."""
        rows = [value[name].rows.select(pl.lit(name).alias(SLICE), pl.all()) for name in self.slices]
        return pl.concat([self.dump_schema.to_frame(), *rows])

    def load(self, rows: pl.DataFrame, *, is_whole: bool = False) -> Sliced:
        """The pattern counts that `dump` wrote; rows of several dumps add up.

        Raises
        ------
        MissingColumns
            If a column of the statistic is not there.
        IncompatibleStatistics
            If there are rows of another slice, or `is_whole` and a count is negative.
        """
        check_columns("patterns of slices", self.dump_schema.names(), rows.columns)
        strange = sorted(set(rows[SLICE].unique()) - set(self.slices))
        if strange:
            raise IncompatibleStatistics(
                f"the patterns are of the slices {first_few(strange)}, expected {first_few(self.slices, 12)}."
                f"{did_you_mean(strange[0], self.slices)}"
            )
        parts = {name: rows.filter(pl.col(SLICE) == name).drop(SLICE) for name in self.slices}
        return {name: self._counting.load(part, is_whole=is_whole) for name, part in parts.items()}

    @property
    def _counting(self) -> PatternsKernel:
        return PatternsKernel(self.lf_names, self.cardinality, self.with_gold, grids=self.grids)


def subtract(total: Sliced, part: Sliced) -> Sliced:
    """The pattern counts of the items of `total` that are not in `part`, for each slice.

    Raises
    ------
    IncompatibleStatistics
        If slices, functions or classes differ, or `part` counts something that `total` never saw.
    """
    if set(total) != set(part):
        only_one = sorted(set(total) ^ set(part))
        raise IncompatibleStatistics(f"only one of the statistics counts the slices {first_few(only_one)}; recount it.")
    return {name: counting.subtract(total[name], part[name]) for name in total}
