"""Statistics of a multi-label task: each label is a task of two classes, and all are counted in one pass over votes.

The table of votes has a column for each (LF, class). The patterns of a label are those of its columns alone: there
are few of them, where the patterns of all columns would soon be as many as the items. Moments are those of all
columns at once, of which each label takes a part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from sparkws.checks import check_columns
from sparkws.stats import patterns as pattern_counts
from sparkws.stats.counters import Counters, CountersKernel
from sparkws.stats.patterns import Patterns, PatternsKernel, dump_schema, levels_of
from sparkws.stats.triples import Chosen, choose_triples
from sparkws.vocab import GOLD, ITEM_ID, LABEL, LABEL_CLASSES

# The columns that vote on each class of the task, in the order of the classes. A label without any is not counted.
Labels = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class LabelPatternsKernel:
    """Votes of a multi-label task -> the pattern counts of each label; a `ReduceKernel`.

    Parameters
    ----------
    labels : mapping of str to sequence of str
        The columns that vote on each class, in the order of the classes.
    with_gold : bool
        Read the column `gold` too: the indices of the classes that an item has, NULL where they are not known.
    """

    labels: Labels
    with_gold: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (ITEM_ID, *all_columns(self.labels), *((GOLD,) if self.with_gold else ()))

    @property
    def dump_schema(self) -> pl.Schema:
        """The columns of `dump`: those of the label with the most columns, and the label."""
        return label_schema(self.labels)

    def of_batch(self, batch: pl.DataFrame) -> dict[str, Patterns]:
        """The pattern counts of one batch of votes, by label.

        Raises
        ------
        MissingColumns
            If a function or the key has no column.
        InvalidLabelMatrix
            If a column holds anything but 1, 0, -1 and NULL.
        """
        check_columns("votes", self.columns, batch.columns)
        level = levels_of(batch)  # once: it takes most of the time of a label
        return {
            label: self._kernel(label).of_batch(self._seen(batch, at), level)
            for at, label in enumerate(self.labels)
            if self.labels[label]
        }

    def zero(self) -> dict[str, Patterns]:
        """The pattern counts of no items."""
        return {label: self._kernel(label).zero() for label in self.labels if self.labels[label]}

    def merge(self, a: dict[str, Patterns], b: dict[str, Patterns]) -> dict[str, Patterns]:
        """The pattern counts of the items of both."""
        return {label: pattern_counts.merge(one, b[label]) for label, one in a.items()}

    def dump(self, value: dict[str, Patterns]) -> pl.DataFrame:
        """The rows of all labels; a label of fewer columns has zeros where it has no votes to pack."""
        parts = [counted.rows.with_columns(pl.lit(label).alias(LABEL)) for label, counted in value.items()]
        rows = pl.concat([self.dump_schema.to_frame(), *parts], how="diagonal")
        return rows.with_columns(pl.col(pl.Int64).fill_null(0))

    def load(self, rows: pl.DataFrame) -> dict[str, Patterns]:
        """The pattern counts that `dump` wrote; rows of several dumps add up."""
        check_columns("patterns", self.dump_schema.names(), rows.columns)
        return {label: self._kernel(label).load(rows.filter(pl.col(LABEL) == label)) for label in self.zero()}

    def _kernel(self, label: str) -> PatternsKernel:
        return label_kernel(self.labels[label], with_gold=self.with_gold)

    def _seen(self, batch: pl.DataFrame, at: int) -> pl.DataFrame:
        """The batch with gold that tells whether each item has the class `at`."""
        return batch.with_columns(gold_of(at)) if self.with_gold else batch


@dataclass(frozen=True)
class LabelTableKernel:
    """Rows of summed patterns of all labels -> the same rows, and the counters of each label; a `WriteKernel`."""

    labels: Labels

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(self.schema)

    @property
    def schema(self) -> pl.Schema:
        """The columns of the pattern table."""
        return label_schema(self.labels)

    def run(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Counters]]:
        """The rows of `batch`, and their counters by label."""
        counted = {
            label: kernel.of_batch(batch.filter(pl.col(LABEL) == label)) for label, kernel in self._kernels.items()
        }
        return batch.select(self.columns), counted

    def zero(self) -> dict[str, Counters]:
        """The counters of no items."""
        return {label: kernel.zero() for label, kernel in self._kernels.items()}

    def merge(self, a: dict[str, Counters], b: dict[str, Counters]) -> dict[str, Counters]:
        """The counters of the items of both."""
        return {label: kernel.merge(a[label], b[label]) for label, kernel in self._kernels.items()}

    def dump(self, value: dict[str, Counters]) -> pl.DataFrame:
        """A row for each label."""
        parts = [(label, kernel.dump(value[label])) for label, kernel in self._kernels.items()]
        return pl.concat([rows.with_columns(pl.lit(label).alias(LABEL)) for label, rows in parts])

    def load(self, rows: pl.DataFrame) -> dict[str, Counters]:
        """The counters that `dump` wrote; rows of several dumps add up."""
        return {label: kernel.load(rows.filter(pl.col(LABEL) == label)) for label, kernel in self._kernels.items()}

    @property
    def _kernels(self) -> dict[str, CountersKernel]:
        return {
            label: CountersKernel(tuple(columns), len(LABEL_CLASSES))
            for label, columns in self.labels.items()
            if columns
        }


def all_columns(labels: Labels) -> tuple[str, ...]:
    """The columns of all labels, those of one label side by side."""
    return tuple(column for columns in labels.values() for column in columns)


def label_kernel(columns: Sequence[str], *, with_gold: bool = False) -> PatternsKernel:
    """The kernel that counts one label by itself."""
    return PatternsKernel(tuple(columns), len(LABEL_CLASSES), with_gold=with_gold)


def label_schema(labels: Labels) -> pl.Schema:
    """The columns of stored pattern counts of all labels."""
    widest = max(labels.values(), key=len)
    return pl.Schema({LABEL: pl.String(), **dump_schema(widest, len(LABEL_CLASSES))})


def gold_of(at: int) -> pl.Expr:
    """Whether an item has the class `at`, 1 or 0, from the indices of its classes; NULL where they are not known."""
    return pl.col(GOLD).list.contains(at).cast(pl.Int8)


def label_triples(counters: Mapping[str, Counters], labels: Labels, rng: np.random.Generator) -> Chosen:
    """Triples of columns for third moments, numbered among the columns of all labels: of each label some."""
    chosen, start = [], 0
    for label, columns in labels.items():
        if columns:
            of_label = choose_triples(counters[label].votes, rng)
            chosen += [(start + i, start + j, start + l) for i, j, l in of_label]
        start += len(columns)
    return tuple(chosen)
