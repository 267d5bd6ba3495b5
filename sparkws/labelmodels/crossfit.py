"""What a calibration is worth, measured on items that it was not fitted on: by folds of those with a known class.

A model that was told the known classes (`gold.use: clamp`) is fitted again without those of each fold: it
would seem right about what it was told, and any temperature from that would make it too sure.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.labelmodels.calibration import best_temperature
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.metrics import evaluate
from sparkws.labelmodels.posterior import predict, tempered
from sparkws.stats.patterns import Patterns, collapse, merge, unpack
from sparkws.vocab import ABSTAIN, GOLD, N_ITEMS

N_FOLDS: Final = 10


@dataclass(frozen=True, eq=False)
class Known:
    """What a model says of the items with votes and a known class.

    Attributes
    ----------
    probs : (r, k) float64 array
    gold : (r,) int8 array
    counts : (r,) int64 array
        Items of each row.
    fold : (r,) int64 array in 0..N_FOLDS-1
    """

    probs: NDArray[np.float64]
    gold: NDArray[np.int8]
    counts: NDArray[np.int64]
    fold: NDArray[np.int64]


@dataclass(frozen=True)
class Worth:
    """How far probabilities are from the truth, as they are and corrected.

    Attributes
    ----------
    brier, calibration_error : pair of float
        Of the probabilities as they are, and of those of each fold under the temperature of the others; see
        `metrics.Metrics`.
    """

    brier: tuple[float, float]
    calibration_error: tuple[float, float]

    @property
    def is_gain(self) -> bool:
        """Whether the correction brings probabilities nearer to the truth."""
        return self.brier[1] < self.brier[0]


def known_by_folds(
    model: LabelModel,
    patterns: Patterns,
    rng: np.random.Generator,
    untold: Callable[[Patterns], LabelModel] | None = None,
) -> Known:
    """What a model says of the items whose class is known, dealt out to folds one by one.

    Parameters
    ----------
    model : LabelModel
    patterns : Patterns
        Whole counts with known classes.
    rng : Generator
        Deals.
    untold : function of Patterns, optional
        The fit of a model that is told known classes; each fold then is judged by a fit without its own.
    """
    flat = collapse(patterns)
    L = unpack(flat)
    rows = np.flatnonzero((flat.gold != ABSTAIN) & (L != ABSTAIN).any(axis=1))
    # (r,) items -> (r, folds)
    dealt = rng.multinomial(flat.counts[rows], np.full(N_FOLDS, 1 / N_FOLDS))
    says = np.repeat(model.posterior(L[rows])[:, None], N_FOLDS, axis=1)
    if untold is not None:
        for number in np.flatnonzero(dealt.any(axis=0)):
            says[:, number] = untold(_forget(flat, rows, dealt[:, number])).posterior(L[rows])
    at, fold = np.nonzero(dealt)
    return Known(says[at, fold], flat.gold[rows][at], dealt[at, fold], fold)


def worth_of(known: Known) -> Worth:
    """The measures without a correction, and with corrections that are fitted on other items."""
    corrected = known.probs.copy()
    for number in np.unique(known.fold):
        own, rest = known.fold == number, known.fold != number
        temperature = best_temperature(known.probs[rest], known.gold[rest], known.counts[rest])
        corrected[own] = tempered(known.probs[own], temperature)
    before, after = (evaluate(probs, predict(probs), known.gold, known.counts) for probs in (known.probs, corrected))
    return Worth((before.brier, after.brier), (before.calibration_error, after.calibration_error))


def _forget(flat: Patterns, rows: NDArray[np.int64], items: NDArray[np.int64]) -> Patterns:
    """The counts with the class of some items of some rows unknown."""
    taken = flat.rows[rows].with_columns(pl.Series(N_ITEMS, -items, dtype=pl.Int64))
    given = taken.with_columns(-pl.col(N_ITEMS), pl.lit(ABSTAIN, pl.Int8).alias(GOLD))
    return merge(flat, replace(flat, rows=pl.concat([taken, given])))
