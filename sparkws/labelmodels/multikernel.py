"""Votes of a multi-label task -> the labels that are published: what the model of each label says, side by side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from sparkws.labelmodels import labelcounts
from sparkws.labelmodels.kernel import LabelsKernel
from sparkws.labelmodels.labelcounts import LabelCounts
from sparkws.labelmodels.posterior import LabelModel, TieBreakPolicy
from sparkws.stats.bylabel import gold_of
from sparkws.vocab import (
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
        return pl.Schema(
            {
                ITEM_ID: self.key_dtype,
                PROBS: pl.List(pl.Float64()),
                PRED: pl.List(pl.Int32()),
                CONFIDENCE: pl.Float64(),
                N_VOTES: pl.Int32(),
                LABEL_STATUS: pl.String(),
                VOTES_VERSION: pl.Int64(),
                MODEL_VERSION: pl.Int64(),
            }
        )

    def run(self, batch: pl.DataFrame) -> tuple[pl.DataFrame, LabelCounts]:
        """The labels of a batch of votes, in the same order, and their counts.

        Raises
        ------
        MissingColumns
            If a function of a model has no column.
        InvalidLabelMatrix
            If a vote is none of 1, 0, -1 and NULL.
        """
        places = range(len(self.models))
        ours = pl.DataFrame([column for part in self._parts(batch) for column in part])
        probs = [pl.col(f"p{at}") for at in places]
        # A tie has no prediction, and neither has a label that nobody voted on.
        has = [pl.when(pl.col(f"y{at}") == PRESENT).then(pl.lit(at, pl.Int32)) for at in places]
        voted = pl.any_horizontal(p.is_not_null() for p in probs)
        known = batch[GOLD].is_not_null() if self.clamp_gold else pl.lit(False)
        status = (
            pl.when(known)
            .then(pl.lit(LABEL_STATUSES.index(GOLD_LABEL)))
            .when(voted)
            .then(pl.lit(LABEL_STATUSES.index(LABELED)))
            .when(pl.any_horizontal(pl.col(f"f{at}") for at in places))
            .then(pl.lit(LABEL_STATUSES.index(FAULTED)))
            .otherwise(pl.lit(LABEL_STATUSES.index(ABSTAINED)))
        )
        made = ours.select(
            pl.when(voted).then(pl.concat_list(probs)).alias(PROBS),
            pl.when(voted).then(pl.concat_list(has).list.drop_nulls()).alias(PRED),
            pl.min_horizontal(pl.max_horizontal(p, 1 - p) for p in probs).alias(CONFIDENCE),
            pl.sum_horizontal(pl.col(f"n{at}") for at in places).cast(pl.Int32).alias(N_VOTES),
            status.alias("status"),
        )
        statuses = made["status"].to_numpy().astype(np.int64)
        of_class = ours.select(expression.count().alias(str(at)) for at, expression in enumerate(has)).row(0)
        rows = made.with_columns(
            batch[ITEM_ID].cast(self.key_dtype),
            pl.Series(LABEL_STATUSES, dtype=pl.String).gather(statuses).alias(LABEL_STATUS),
            pl.lit(self.votes_version, pl.Int64).alias(VOTES_VERSION),
            pl.lit(self.model_version, pl.Int64).alias(MODEL_VERSION),
        ).select(self.schema.names())
        return rows, labelcounts.count(statuses, np.array(of_class, np.int64), rows[CONFIDENCE])

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

    def _parts(self, batch: pl.DataFrame) -> Iterator[list[pl.Series]]:
        """For each label P(present), the prediction, the votes, and whether a fault is why there are none."""
        for at, model in enumerate(self.models.values()):
            names = [f"p{at}", f"y{at}", f"n{at}", f"f{at}"]
            if model is None:
                gold = batch.select(gold_of(at)).to_series() if self.clamp_gold else None
                empty = pl.DataFrame({GOLD: gold} if gold is not None else {GOLD: [None] * len(batch)}, {GOLD: pl.Int8})
                yield empty.select(
                    pl.col(GOLD).cast(pl.Float64).alias(names[0]),
                    pl.col(GOLD).cast(pl.Int32).alias(names[1]),
                    pl.lit(0, pl.Int32).alias(names[2]),
                    pl.lit(False).alias(names[3]),
                ).get_columns()
                continue
            kernel = LabelsKernel(
                model=model,
                key_dtype=self.key_dtype,
                votes_version=self.votes_version,
                model_version=self.model_version,
                tie_break_policy=self.tie_break_policy,
                seed=self.seed,
                clamp_gold=self.clamp_gold,
            )
            rows = kernel.run(batch.with_columns(gold_of(at)) if self.clamp_gold else batch)[0]
            yield rows.select(
                pl.col(PROBS).list.get(PRESENT).alias(names[0]),
                pl.col(PRED).alias(names[1]),
                pl.col(N_VOTES).alias(names[2]),
                (pl.col(LABEL_STATUS) == FAULTED).alias(names[3]),
            ).get_columns()
