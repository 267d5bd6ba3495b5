"""Votes of a multi-label task -> the labels that are published: what the model of each label says, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from sparkws.labelmodels import labelcounts
from sparkws.labelmodels.kernel import LabelsKernel, labels_schema
from sparkws.labelmodels.labelcounts import LabelCounts
from sparkws.labelmodels.posterior import LabelModel, TieBreakPolicy
from sparkws.stats.bylabel import gold_of
from sparkws.vocab import (
    ABSTAIN,
    ABSTAINED,
    CONFIDENCE,
    FAULTED,
    GOLD,
    GOLD_LABEL,
    ITEM_ID,
    LABEL_STATUS,
    LABEL_STATUSES,
    LABELED,
    MODEL_VERSION,
    N_VOTES,
    PRED,
    PRESENT,
    PROBS,
    VOTES_VERSION,
)


@dataclass(frozen=True, kw_only=True)
class MultiLabelsKernel:
    """Rows of the votes table of a multi-label task -> rows of the labels table; a `WriteKernel`.

    `probs` holds P(the item has the class) for each class, NULL where no function voted on it. `pred` lists the
    classes that are more probable than not, ascending; it may be empty. A tie is none of them under the policy
    `abstain`. `confidence` is that of the least certain label that was decided, the higher of P and 1 - P;
    `n_votes` counts the votes on all classes. An item on which nobody voted has no probabilities; its status is
    `fault` if a function of a model faulted on it, else `abstain`. Held gold is certain.

    Parameters
    ----------
    models : mapping of str to LabelModel or None
        The fitted model of each label, in the order of the classes; None for one that nobody votes on.
    key_dtype, votes_version, model_version, tie_break_policy, seed
        See `LabelsKernel`.
    clamp_gold : bool
        Read the column `gold` (indices of the classes of an item, NULL where unknown) and hold it.
    """

    models: Mapping[str, LabelModel | None]
    key_dtype: pl.DataType
    votes_version: int
    model_version: int
    tie_break_policy: TieBreakPolicy = "abstain"
    seed: int = 0
    clamp_gold: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the votes table that are read."""
        read = [name for model in self.models.values() if model is not None for name in model.lf_names_]
        return (ITEM_ID, *read, *((GOLD,) if self.clamp_gold else ()))

    @property
    def schema(self) -> pl.Schema:
        """The columns of the labels table."""
        return labels_schema(self.key_dtype, pl.List(pl.Int32()))

    def run(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, LabelCounts]:
        """The labels of a batch of votes, in the same order, and their counts.

        Raises
        ------
        MissingColumns
            If a function of a model has no column.
        InvalidLabelMatrix
            If a vote is none of 1, 0, -1 and NULL.
        """
        parts = [self._part(batch, at, model) for at, model in enumerate(self.models.values())]
        # (n, k): what each label says of each item
        probs, preds, n_votes, faulted = (np.stack(columns, axis=1) for columns in zip(*parts, strict=True))
        decided = ~np.isnan(probs)
        voted, has = decided.any(axis=1), preds == PRESENT
        statuses = np.full(len(batch), LABEL_STATUSES.index(ABSTAINED), np.int64)
        statuses[faulted.any(axis=1)] = LABEL_STATUSES.index(FAULTED)
        statuses[voted] = LABEL_STATUSES.index(LABELED)
        if self.clamp_gold:
            statuses[batch[GOLD].is_not_null().to_numpy()] = LABEL_STATUSES.index(GOLD_LABEL)
        certain = np.where(decided, np.maximum(probs, 1 - probs), np.inf).min(axis=1, initial=np.inf)
        made = pl.DataFrame(
            {
                ITEM_ID: batch[ITEM_ID].cast(self.key_dtype),
                PROBS: pl.Series(probs.ravel()).fill_nan(None).reshape((len(batch), len(parts))).arr.to_list(),
                PRED: _lists(has),
                CONFIDENCE: certain,
                N_VOTES: n_votes.sum(axis=1, dtype=np.int32),
                LABEL_STATUS: pl.Series(LABEL_STATUSES, dtype=pl.String).gather(statuses),
                VOTES_VERSION: pl.repeat(self.votes_version, len(batch), dtype=pl.Int64(), eager=True),
                MODEL_VERSION: pl.repeat(self.model_version, len(batch), dtype=pl.Int64(), eager=True),
            }
        )
        rows = made.with_columns(pl.when(pl.Series(voted)).then(pl.col(PROBS, PRED, CONFIDENCE)))
        return rows, labelcounts.count(statuses, has.sum(axis=0), rows[CONFIDENCE])

    def zero(self) -> LabelCounts:
        """The counts of no labels."""
        return labelcounts.zero(len(self.models))

    def merge(self, a: LabelCounts, b: LabelCounts) -> LabelCounts:
        """The counts of the labels of both."""
        return labelcounts.merge(a, b)

    def dump(self, value: LabelCounts) -> pl.DataFrame:
        """`value` as rows `(counter, value)`."""
        return labelcounts.dump(value)

    def load(self, rows: pl.DataFrame) -> LabelCounts:
        """The counts that `dump` wrote; rows of several dumps add up."""
        return labelcounts.load(rows, len(self.models))

    def _part(self, batch: pl.DataFrame, at: int, model: LabelModel | None) -> Sequence[NDArray[Any]]:
        """Of one label P(present), the prediction, the votes, and whether a function faulted on an item without any."""
        if self.clamp_gold:
            batch = batch.with_columns(gold_of(at))
        if model is None:
            n = len(batch)
            gold = batch[GOLD].fill_null(ABSTAIN).to_numpy() if self.clamp_gold else np.full(n, ABSTAIN)
            return np.where(gold == ABSTAIN, np.nan, gold), gold, np.zeros(n, np.int32), np.zeros(n, np.bool_)
        kernel = LabelsKernel(
            model=model,
            key_dtype=self.key_dtype,
            votes_version=self.votes_version,
            model_version=self.model_version,
            tie_break_policy=self.tie_break_policy,
            seed=self.seed,
            clamp_gold=self.clamp_gold,
        )
        rows = kernel.run(batch)[0]
        return (
            rows[PROBS].list.get(PRESENT).fill_null(np.nan).to_numpy(),
            rows[PRED].fill_null(ABSTAIN).to_numpy(),
            rows[N_VOTES].to_numpy(),
            (rows[LABEL_STATUS] == FAULTED).to_numpy(),
        )


def _lists(has: NDArray[np.bool_]) -> pl.Series:
    """The columns that are true in each row of `(n, k)`, ascending."""
    # Not by `concat_list` of polars, which takes twenty times as long.
    ends = np.concatenate([[0], np.cumsum(has.sum(axis=1))])
    values = pa.array(np.nonzero(has)[1].astype(np.int32))
    return pl.Series(pl.from_arrow(pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), values)))
