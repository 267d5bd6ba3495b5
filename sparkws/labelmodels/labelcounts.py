"""Counts of the labels that were published, and how they add up and travel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.checks import check_columns
from sparkws.errors import IncompatibleStatistics
from sparkws.vocab import CONFIDENCE, GOLD_LABEL, LABEL_STATUSES, LABELED

# Expectations are summed over workers as multiples of this, so that the order of adding changes nothing.
CONFIDENCE_UNIT: Final = 2.0**-30
DUMP_SCHEMA: Final = pl.Schema({"counter": pl.String(), "value": pl.Int64()})


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """What labels were published.

    Attributes
    ----------
    statuses : (4,) int64 array
        Items of each status, in the order of `vocab.LABEL_STATUSES`.
    preds : (k,) int64 array
        Items predicted as each class.
    confidence : int
        The sum of the confidences in multiples of 2^-30.
    """

    statuses: NDArray[np.int64]
    preds: NDArray[np.int64]
    confidence: int

    @property
    def n_items(self) -> int:
        """The items that have a row."""
        return int(self.statuses.sum())

    @property
    def by_status(self) -> dict[str, int]:
        """The items of each status."""
        return dict(zip(LABEL_STATUSES, self.statuses.tolist(), strict=True))

    @property
    def mean_confidence(self) -> float | None:
        """The mean confidence of the items that have probabilities; None if there is none."""
        n = int(self.statuses[LABEL_STATUSES.index(LABELED)] + self.statuses[LABEL_STATUSES.index(GOLD_LABEL)])
        return self.confidence * CONFIDENCE_UNIT / n if n else None

    def to_plain(self, classes: Sequence[str]) -> dict[str, Any]:
        """What a report says of them, as plain values."""
        return {
            "statuses": self.by_status,
            "preds": dict(zip(classes, self.preds.tolist(), strict=True)),
            "mean_confidence": self.mean_confidence,
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelCounts):
            return NotImplemented
        same = np.array_equal(self.statuses, other.statuses) and np.array_equal(self.preds, other.preds)
        return same and self.confidence == other.confidence

    __hash__ = None  # type: ignore[assignment]  # arrays have no cheap hash


def zero(cardinality: int) -> LabelCounts:
    """The counts of no labels of k classes."""
    return LabelCounts(np.zeros(len(LABEL_STATUSES), np.int64), np.zeros(cardinality, np.int64), 0)


def count(statuses: NDArray[np.int64], preds: NDArray[np.int64], confidence: pl.Series) -> LabelCounts:
    """The counts of `(n,)` labels.

    Parameters
    ----------
    statuses : (n,) int64 array
        The place of each status in `vocab.LABEL_STATUSES`.
    preds : (k,) int64 array
        Items predicted as each class.
    confidence : (n,) Series
        NULL where there is none.
    """
    units = (confidence / CONFIDENCE_UNIT).round().cast(pl.Int64).sum()
    of_status = np.bincount(statuses, minlength=len(LABEL_STATUSES)).astype(np.int64)
    return LabelCounts(of_status, preds.astype(np.int64), int(units))


def merge(a: LabelCounts, b: LabelCounts) -> LabelCounts:
    """The counts of the labels of both."""
    return LabelCounts(a.statuses + b.statuses, a.preds + b.preds, a.confidence + b.confidence)


def dump(value: LabelCounts) -> pl.DataFrame:
    """`value` as rows `(counter, value)`."""
    names = [*LABEL_STATUSES, *(f"pred_{label}" for label in range(len(value.preds))), CONFIDENCE]
    values = [*value.statuses.tolist(), *value.preds.tolist(), value.confidence]
    return pl.DataFrame({"counter": names, "value": values}, DUMP_SCHEMA)


def load(rows: pl.DataFrame, cardinality: int) -> LabelCounts:
    """The counts that `dump` wrote; rows of several dumps add up.

    Raises
    ------
    IncompatibleStatistics
        If these are not counts of labels over k classes.
    """
    check_columns("label counts", DUMP_SCHEMA.names(), rows.columns)
    cells = dict.fromkeys(dump(zero(cardinality))["counter"], 0)
    for name, value in rows.select("counter", "value").iter_rows():
        if name not in cells:
            raise IncompatibleStatistics(
                f"label counts have no {name!r} for {cardinality} classes; count the labels again."
            )
        cells[name] += value
    values = list(cells.values())
    n = len(LABEL_STATUSES)
    return LabelCounts(np.array(values[:n], np.int64), np.array(values[n:-1], np.int64), values[-1])
