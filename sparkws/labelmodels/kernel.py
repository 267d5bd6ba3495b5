"""Votes -> the labels that are published, and counts of them."""

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws import hashing
from sparkws.checks import check_columns
from sparkws.labelmodels import labelcounts
from sparkws.labelmodels.doubt import Doubt
from sparkws.labelmodels.labelcounts import LabelCounts
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.posterior import TieBreakPolicy, predict
from sparkws.stats.packing import check_votes, key_columns, pack, unpack_keys
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
    PROBS,
    VOTES_VERSION,
)


def labels_schema(key_dtype: pl.DataType, pred_dtype: pl.DataType) -> pl.Schema:
    """The columns that every labels table has, for this type of keys and of predictions."""
    return pl.Schema(
        {
            ITEM_ID: key_dtype,
            PROBS: pl.List(pl.Float64()),
            PRED: pred_dtype,
            CONFIDENCE: pl.Float64(),
            N_VOTES: pl.Int32(),
            LABEL_STATUS: pl.String(),
            VOTES_VERSION: pl.Int64(),
            MODEL_VERSION: pl.Int64(),
        }
    )


@dataclass(frozen=True, kw_only=True)
class LabelsKernel:
    """Rows of the votes table -> rows of the labels table; a `WriteKernel`.

    An item with votes gets `probs`, `confidence` (the highest of them) and `pred`. A tie under the policy
    `abstain` leaves `pred` NULL: the item is still `labeled`, by its probabilities. An item without any
    vote gets no probabilities; its status is `fault` if a function of the model faulted on it, else
    `abstain`. Held gold is written as certain, with status `gold`, whether the item has votes or not.

    Parameters
    ----------
    model : LabelModel
        Fitted; reads the columns `model.lf_names_` only.
    key_dtype : polars data type
        The type of the keys.
    votes_version, model_version : int
        Written beside every label.
    tie_break_policy, seed : str, int
        See `posterior.predict`.
    clamp_gold : bool
        Read the column `gold` (class index, NULL or -1 where unknown) and hold it.
    n_outcomes : int, optional
        The most classes that a column has votes for, where columns are of several tasks; the model's by default.
    known : tuple of str
        Columns of the model that hold known classes of other tasks: evidence, but not counted as votes.
    doubt : Doubt
        Adds columns that tell how sure the confidence itself is; by default none.
    """

    model: LabelModel
    key_dtype: pl.DataType
    votes_version: int
    model_version: int
    tie_break_policy: TieBreakPolicy = "abstain"
    seed: int = 0
    clamp_gold: bool = False
    n_outcomes: int | None = None
    known: tuple[str, ...] = ()
    doubt: Doubt = field(default_factory=Doubt)

    @property
    def lf_names(self) -> tuple[str, ...]:
        """The functions whose votes are read."""
        return self.model.lf_names_

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the votes table that are read."""
        return (ITEM_ID, *self.lf_names, *((GOLD,) if self.clamp_gold else ()))

    @property
    def schema(self) -> pl.Schema:
        """The columns of the labels table."""
        return pl.Schema({**labels_schema(self.key_dtype, pl.Int32()), **self.doubt.schema})

    def run(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, LabelCounts]:
        """The labels of a batch of votes, in the same order, and their counts.

        Raises
        ------
        MissingColumns
            If a function of the model has no column.
        InvalidLabelMatrix
            If a vote or a gold class is outside -1..k-1.
        """
        check_columns("votes", self.columns, batch.columns)
        check_votes(batch, self.lf_names, self.n_outcomes or self.model.cardinality, self.model.grids_)
        if self.clamp_gold:
            check_votes(batch, (GOLD,), self.model.cardinality)
        index, L = self._distinct(batch)
        probs = self.model.posterior(L)
        is_vote = [name not in self.known for name in self.lf_names]
        n_votes = (L[:, is_vote] != ABSTAIN).sum(axis=1).astype(np.int32)
        gold = self._gold(batch)

        preds = self._predict(batch, index, probs)
        status = np.where(n_votes[index] > 0, LABEL_STATUSES.index(LABELED), self._silent_status(batch, n_votes[index]))
        status[gold != ABSTAIN] = LABEL_STATUSES.index(GOLD_LABEL)
        preds[gold != ABSTAIN] = gold[gold != ABSTAIN]

        # Held gold: k more rows of probabilities, one-hot and beyond doubt, below those of the patterns.
        table = np.concatenate([probs, np.eye(self.model.cardinality)])
        doubt = pl.concat([self.doubt.of(self.model, L, probs), self.doubt.of_gold(self.model.cardinality)])
        row = np.where(gold != ABSTAIN, len(probs) + gold, index)
        rows = self._rows(batch[ITEM_ID], table, doubt, row, preds, n_votes[index], status)
        of_class = np.bincount(preds[preds != ABSTAIN], minlength=self.model.cardinality)
        return rows, labelcounts.count(status, of_class, rows[CONFIDENCE])

    def zero(self) -> LabelCounts:
        """The counts of no labels."""
        return labelcounts.zero(self.model.cardinality)

    def merge(self, a: LabelCounts, b: LabelCounts) -> LabelCounts:
        """The counts of the labels of both."""
        return labelcounts.merge(a, b)

    def dump(self, value: LabelCounts) -> pl.DataFrame:
        """`value` as rows `(counter, value)`."""
        return labelcounts.dump(value)

    def load(self, rows: pl.DataFrame) -> LabelCounts:
        """The counts that `dump` wrote; rows of several dumps add up."""
        return labelcounts.load(rows, self.model.cardinality)

    @property
    def _largest(self) -> int:
        return self.n_outcomes or self.model.grids_.n_outcomes(self.model.cardinality)

    def _distinct(self, batch: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """The distinct votes `(u, m)` of a batch, and which of them each row has `(n,)`."""
        s = self._largest
        names = list(key_columns(self.lf_names, s))
        keys = batch.select(pack(self.lf_names, s))
        distinct = keys.unique(names, maintain_order=True).with_row_index("row")
        index = keys.join(distinct, on=names, how="left", maintain_order="left")["row"].to_numpy()
        return index.astype(np.int64), unpack_keys(distinct.select(names), len(self.lf_names), s)

    def _predict(self, batch: pl.DataFrame, index: NDArray[np.int64], probs: NDArray[np.float64]) -> NDArray[np.int32]:
        preds = predict(probs)[index]
        if self.tie_break_policy == "random":
            # Only tied items need the hash of their key, and they are few.
            tied = np.flatnonzero((preds == ABSTAIN) & ~np.isnan(probs[index, 0]))
            if len(tied):
                hashes = hashing.hash_keys(batch[ITEM_ID].gather(tied))
                preds[tied] = predict(probs[index[tied]], hashes, "random", self.seed)
        return preds

    def _silent_status(self, batch: pl.DataFrame, n_votes: NDArray[np.int32]) -> NDArray[np.int64]:
        """The status that each row has if it has no votes."""
        status = np.full(len(n_votes), LABEL_STATUSES.index(ABSTAINED), np.int64)
        if any(batch[name].null_count() for name in self.lf_names):
            faulted = batch.select(pl.any_horizontal(pl.col(self.lf_names).is_null())).to_series().to_numpy()
            status[faulted] = LABEL_STATUSES.index(FAULTED)
        return status

    def _gold(self, batch: pl.DataFrame) -> NDArray[np.int64]:
        if not self.clamp_gold:
            return np.full(batch.height, ABSTAIN, np.int64)
        return batch[GOLD].fill_null(ABSTAIN).cast(pl.Int64).to_numpy()

    def _rows(
        self,
        keys: pl.Series,
        table: NDArray[np.float64],
        doubt: pl.DataFrame,
        row: NDArray[np.int64],
        preds: NDArray[np.int32],
        n_votes: NDArray[np.int32],
        status: NDArray[np.int64],
    ) -> pl.DataFrame:
        # Labels of the distinct patterns are made once and gathered for all rows.
        silent = np.isnan(table[:, 0])
        patterns = pl.DataFrame(
            {
                PROBS: pl.Series(table, dtype=pl.Array(pl.Float64, table.shape[1])).arr.to_list(),
                CONFIDENCE: pl.Series(table.max(axis=1)),
                **doubt.to_dict(),
            }
        ).with_columns(pl.when(~pl.Series(silent)).then(pl.all()))
        names = pl.Series(LABEL_STATUSES, dtype=pl.String)
        return (
            patterns.select(pl.all().gather(row))
            .with_columns(
                keys.cast(self.key_dtype).alias(ITEM_ID),
                pl.Series(PRED, preds).replace(ABSTAIN, None),
                pl.Series(N_VOTES, n_votes),
                names.gather(status).alias(LABEL_STATUS),
                pl.lit(self.votes_version, pl.Int64).alias(VOTES_VERSION),
                pl.lit(self.model_version, pl.Int64).alias(MODEL_VERSION),
            )
            .select(self.schema.names())
        )
