"""Votes of a multi-label task -> the labels that are published: what the model of each label says, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from sparkws.labelmodels import labelcounts
from sparkws.labelmodels.doubt import Doubt
from sparkws.labelmodels.kernel import LabelsKernel, labels_schema
from sparkws.labelmodels.labelcounts import LabelCounts
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.posterior import TieBreakPolicy
from sparkws.stats.bylabel import gold_of
from sparkws.vocab import (
    ABSTAIN,
    ABSTAINED,
    CONFIDENCE,
    CONFIDENCE_HIGH,
    CONFIDENCE_LOW,
    CONFIDENCE_SPREAD,
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
    PROBS_HIGH,
    PROBS_LOW,
    PROBS_SPREAD,
    VOTES_VERSION,
)

_OF_PROBS: Final = {
    CONFIDENCE_LOW: PROBS_LOW,
    CONFIDENCE_HIGH: PROBS_HIGH,
    CONFIDENCE_SPREAD: PROBS_SPREAD,
}
_DRAWN: Final = "end of what its probability lies between in nine of ten models of bootstrap samples"
_MEANS: Final = {
    CONFIDENCE_LOW: f"the lower {_DRAWN}",
    CONFIDENCE_HIGH: f"the upper {_DRAWN}",
    CONFIDENCE_SPREAD: "how far its probability lies apart in models without one or another function",
}


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
    doubts : mapping of str to Doubt
        By label; adds columns that tell how sure `probs` are themselves, by default none.
    asked : Doubt
        Whose columns there are, whatever a label has.
    """

    models: Mapping[str, LabelModel | None]
    key_dtype: pl.DataType
    votes_version: int
    model_version: int
    tie_break_policy: TieBreakPolicy = "abstain"
    seed: int = 0
    clamp_gold: bool = False
    doubts: Mapping[str, Doubt] = field(default_factory=dict)
    asked: Doubt = field(default_factory=Doubt)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the votes table that are read."""
        read = [name for model in self.models.values() if model is not None for name in model.lf_names_]
        return (ITEM_ID, *read, *((GOLD,) if self.clamp_gold else ()))

    @property
    def schema(self) -> pl.Schema:
        """The columns of the labels table."""
        named = dict.fromkeys((_OF_PROBS[name] for name in self.asked.schema), pl.List(pl.Float64()))
        return pl.Schema({**labels_schema(self.key_dtype, pl.List(pl.Int32())), **named})

    @property
    def doubt_comments(self) -> dict[str, str]:
        """What the columns mean that tell how sure `probs` are, for who reads the table."""
        return {_OF_PROBS[name]: f"for each class {_MEANS[name]}" for name in self.asked.schema}

    def run(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, LabelCounts]:
        """The labels of a batch of votes, in the same order, and their counts.

        Raises
        ------
        MissingColumns
            If a function of a model has no column.
        InvalidLabelMatrix
            If a vote is none of 1, 0, -1 and NULL.
        """
        parts = [self._part(batch, at, label, model) for at, (label, model) in enumerate(self.models.items())]
        # (n, k): what each label says of each item
        probs, preds, n_votes, faulted, *doubt = (np.stack(columns, axis=1) for columns in zip(*parts, strict=True))
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
                PROBS: _numbers(probs),
                PRED: _lists(has),
                CONFIDENCE: certain,
                N_VOTES: n_votes.sum(axis=1, dtype=np.int32),
                LABEL_STATUS: pl.Series(LABEL_STATUSES, dtype=pl.String).gather(statuses),
                VOTES_VERSION: pl.repeat(self.votes_version, len(batch), dtype=pl.Int64(), eager=True),
                MODEL_VERSION: pl.repeat(self.model_version, len(batch), dtype=pl.Int64(), eager=True),
            }
        )
        sure = {_OF_PROBS[name]: _numbers(told) for name, told in zip(self.asked.schema, doubt, strict=True)}
        made = made.with_columns(**sure)
        rows = made.with_columns(pl.when(pl.Series(voted)).then(pl.col(PROBS, PRED, CONFIDENCE, *sure)))
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

    def _part(self, batch: pl.DataFrame, at: int, label: str, model: LabelModel | None) -> Sequence[NDArray[Any]]:
        """The columns of one label: P(present), prediction, votes, whether a function faulted on an item without any.

        Behind them those that tell how sure P(present) is.
        """
        if self.clamp_gold:
            batch = batch.with_columns(gold_of(at))
        if model is None:
            n = len(batch)
            gold = batch[GOLD].fill_null(ABSTAIN).to_numpy() if self.clamp_gold else np.full(n, ABSTAIN)
            known = np.where(gold == ABSTAIN, np.nan, gold)
            of_gold = {CONFIDENCE_LOW: known, CONFIDENCE_HIGH: known, CONFIDENCE_SPREAD: known * 0}
            told = [of_gold[name] for name in self.asked.schema]
            return known, gold, np.zeros(n, np.int32), np.zeros(n, np.bool_), *told
        kernel = LabelsKernel(
            model=model,
            key_dtype=self.key_dtype,
            votes_version=self.votes_version,
            model_version=self.model_version,
            tie_break_policy=self.tie_break_policy,
            seed=self.seed,
            clamp_gold=self.clamp_gold,
            doubt=self.doubts.get(label, self.asked),
        )
        rows = kernel.run(batch)[0]
        p = rows[PROBS].list.get(PRESENT).fill_null(np.nan).to_numpy()
        return (
            p,
            rows[PRED].fill_null(ABSTAIN).to_numpy(),
            rows[N_VOTES].to_numpy(),
            (rows[LABEL_STATUS] == FAULTED).to_numpy(),
            *self._of_present(rows, p),
        )

    def _of_present(self, rows: pl.DataFrame, p: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """What is told of the more probable of absent and present as what it says of P(present)."""
        told = {name: rows[name].fill_null(np.nan).to_numpy() for name in self.asked.schema}
        if self.asked.replicates is not None:
            low, high, is_absent = told[CONFIDENCE_LOW], told[CONFIDENCE_HIGH], p <= 1 - p
            told |= {
                CONFIDENCE_LOW: np.where(is_absent, 1 - high, low),
                CONFIDENCE_HIGH: np.where(is_absent, 1 - low, high),
            }
        return list(told.values())


def _numbers(columns: NDArray[np.float64]) -> pl.Series:
    """The rows of `(n, k)` as lists, NULL for NaN."""
    return pl.Series(columns.ravel()).fill_nan(None).reshape(columns.shape).arr.to_list()


def _lists(has: NDArray[np.bool_]) -> pl.Series:
    """The columns that are true in each row of `(n, k)`, ascending."""
    # Not by `concat_list` of polars, which takes twenty times as long.
    ends = np.concatenate([[0], np.cumsum(has.sum(axis=1))])
    values = pa.array(np.nonzero(has)[1].astype(np.int32))
    return pl.Series(pl.from_arrow(pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), values)))
