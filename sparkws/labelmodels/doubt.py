"""How sure the probability of a label is itself, from models that the same votes could have given.

For each distinct row of votes: what the probability of its most probable class lies between in models of
bootstrap samples, and how far it lies apart in models without one or another function.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.trust import of_class, quantiles, spread_of, votes_of
from sparkws.vocab import ABSTAIN, CONFIDENCE_HIGH, CONFIDENCE_LOW, CONFIDENCE_SPREAD

_DRAWN: Final = "end of what the confidence lies between in nine of ten models of bootstrap samples"
_MEANS: Final = {
    CONFIDENCE_LOW: f"the lower {_DRAWN}",
    CONFIDENCE_HIGH: f"the upper {_DRAWN}",
    CONFIDENCE_SPREAD: "how far the confidence lies apart in models without one or another function",
}


@dataclass(frozen=True, eq=False)
class Doubt:
    """The models beside one, and the columns that they make.

    Attributes
    ----------
    replicates : sequence of label models or None
        Fitted to bootstrap samples; empty leaves their columns NULL, None leaves them out.
    without : sequence of label models or None
        Fitted without one of the functions, likewise.
    """

    replicates: Sequence[LabelModel] | None = None
    without: Sequence[LabelModel] | None = None

    @property
    def schema(self) -> pl.Schema:
        """The columns of `of`."""
        names = [] if self.replicates is None else [CONFIDENCE_LOW, CONFIDENCE_HIGH]
        names += [] if self.without is None else [CONFIDENCE_SPREAD]
        return pl.Schema(dict.fromkeys(names, pl.Float64()))

    @property
    def comments(self) -> dict[str, str]:
        """What the columns mean, for who reads the table."""
        return {name: _MEANS[name] for name in self.schema}

    def of(self, model: LabelModel, L: NDArray[np.int8], probs: NDArray[np.float64]) -> pl.DataFrame:
        """The columns for rows of votes `(u, m)` with the probabilities `(u, k)` that the model gives them.

        Of tied classes the first is looked at. NULL in rows without a label.
        """
        top = np.where(np.isnan(probs[:, 0]), ABSTAIN, np.nan_to_num(probs).argmax(axis=1))
        found: dict[str, NDArray[np.float64]] = {}
        nothing = np.full(len(L), np.nan)
        if self.replicates is not None:
            told = [of_class(again.posterior(L), top) for again in self.replicates]
            found[CONFIDENCE_LOW], found[CONFIDENCE_HIGH] = quantiles(np.array(told)).T if told else (nothing, nothing)
        if self.without is not None:
            told = [of_class(other.posterior(votes_of(other, model, L)), top) for other in self.without]
            found[CONFIDENCE_SPREAD] = spread_of([of_class(probs, top), *told]) if told else nothing
        return pl.DataFrame(found, self.schema).fill_nan(None)

    def of_gold(self, cardinality: int) -> pl.DataFrame:
        """The columns for `cardinality` rows of a class that is known."""
        certain = {CONFIDENCE_LOW: 1.0, CONFIDENCE_HIGH: 1.0, CONFIDENCE_SPREAD: 0.0}
        return pl.DataFrame({name: np.full(cardinality, certain[name]) for name in self.schema}, self.schema)
