"""The one idea that carries everything: a kernel is a pure function on a columnar batch.

A batch is a `polars.DataFrame`. A kernel names the columns that it reads and does one of three
things with a batch: map it to another batch, fold it into a statistic, or both in one pass. The
engine carries any of them over a Delta table; a notebook calls them directly.

A statistic is a value with `zero` and `merge`; merging is associative and commutative with `zero`
as identity, so the order and the number of batches cannot change a result. `dump` writes it as rows
of plain types and `load` reads it back: that is how it travels and how it is stored.
"""

from typing import Protocol, TypeVar

import polars as pl

S = TypeVar("S")


class MapKernel(Protocol):
    """Batch -> batch, row for row, in the same order."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, without repetition."""
        ...

    @property
    def schema(self) -> pl.Schema:
        """The columns that come out."""
        ...

    def __call__(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The rows for the rows of `batch`."""
        ...


class Statistic(Protocol[S]):
    """How the values of a statistic combine and travel."""

    def zero(self) -> S:
        """The statistic of no rows."""
        ...

    def merge(self, a: S, b: S) -> S:
        """The statistic of the rows of both."""
        ...

    def dump(self, value: S) -> pl.DataFrame:
        """`value` as rows of plain types."""
        ...

    def load(self, rows: pl.DataFrame) -> S:
        """The value that `dump` wrote."""
        ...


class ReduceKernel(Statistic[S], Protocol[S]):
    """Batch -> statistic."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, without repetition."""
        ...

    def of_batch(self, batch: pl.DataFrame) -> S:
        """The statistic of one batch."""
        ...


class WriteKernel(Statistic[S], Protocol[S]):
    """Batch -> rows to publish and a small statistic of them, in one pass."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, without repetition."""
        ...

    @property
    def schema(self) -> pl.Schema:
        """The columns of the rows."""
        ...

    def run(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, S]:
        """The rows for the rows of `batch`, in the same order, and their statistic."""
        ...
