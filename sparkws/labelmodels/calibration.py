"""Probabilities that say how often they are right, corrected on items with a known class.

A label model that takes dependent functions for independent counts the same evidence twice, so its
probabilities are too extreme: the order of the classes may be right while .99 means .8. One number, the
temperature, takes that back (Guo et al., ICML 2017): probabilities are raised to 1 / temperature and
normalized. It changes no prediction and needs few known classes.
"""

from copy import copy
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from sparkws.checks import check_same_rows
from sparkws.errors import ConfigError, NothingToFit
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.posterior import FLOOR, normalize, tempered
from sparkws.vocab import ABSTAIN

M = TypeVar("M", bound=LabelModel)

FEWEST_KNOWN: Final = 20  # below it, chance would decide how sure the labels are
_MOST: Final = 20.0  # times hotter or colder
# Known classes that speak for a temperature of 1: a handful of dev labels that all are right must not make
# every probability certain.
_PSEUDO_ITEMS: Final = 10.0
_PRIOR_WIDTH: Final = 1.0  # of the logarithm of the temperature


@dataclass(frozen=True)
class Calibration:
    """The correction of the probabilities of a label model.

    Attributes
    ----------
    temperature : float
        Above 1 where the model was too sure; 1 changes nothing.
    n_known : int
        The items with votes and a known class that it was fitted on.
    """

    temperature: float = 1.0
    n_known: int = 0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"a temperature must be above 0, got {self.temperature!r}.")

    def __call__(self, probs: NDArray[np.float64]) -> NDArray[np.float64]:
        """The corrected probabilities `(n, k)`; rows of NaN stay.

        Examples
        --------
        >>> Calibration(2.0)(np.array([[0.9, 0.1], [0.5, 0.5]])).round(3).tolist()
        [[0.75, 0.25], [0.5, 0.5]]
        """
        return tempered(probs, self.temperature)


def calibrate(probs: NDArray[np.float64], gold: NDArray[np.int8], counts: NDArray[np.int64]) -> Calibration:
    """The temperature under which the known classes are most probable, drawn a little towards 1.

    Parameters
    ----------
    probs : (u, k) float64 array
        A model's probabilities, NaN in rows without a label.
    gold : (u,) int8 array
        Known classes, -1 where unknown.
    counts : (u,) int64 array
        Items of each row.

    Raises
    ------
    NothingToFit
        If fewer than `FEWEST_KNOWN` items have both.
    IncompatibleStatistics
        If these are not arrays of the same rows.
    """
    check_same_rows({"probs": probs, "gold": gold, "counts": counts})
    known = (gold != ABSTAIN) & ~np.isnan(probs[:, 0])
    n = int(counts[known].sum())
    if n < FEWEST_KNOWN:
        raise NothingToFit(
            f"calibration needs at least {FEWEST_KNOWN} items with votes and a known class, got {n}; add dev labels, "
            "or set label_model.calibrate: false."
        )
    return Calibration(best_temperature(probs[known], gold[known], counts[known]), n)


def calibrated(model: M, calibration: Calibration) -> M:
    """A copy of a fitted model whose probabilities are corrected."""
    corrected = copy(model)
    corrected.temperature_ = calibration.temperature
    return corrected


def best_temperature(probs: NDArray[np.float64], gold: NDArray[np.int8], counts: NDArray[np.int64]) -> float:
    """The temperature for rows that all have probabilities `(r, k)` and a known class `(r,)`, however few."""
    scores, right, weights = np.log(np.maximum(probs, FLOOR)), gold.astype(np.int64), counts.astype(np.float64)

    def loss(log_temperature: float) -> float:
        hot = scores / np.exp(log_temperature)
        _, log_sum = normalize(hot)
        surprise = float(weights @ (log_sum - hot[np.arange(len(right)), right]))
        return surprise + _PSEUDO_ITEMS / 2 * (log_temperature / _PRIOR_WIDTH) ** 2

    widest = float(np.log(_MOST))
    found = minimize_scalar(loss, bounds=(-widest, widest), method="bounded", options={"xatol": 1e-8})
    return float(np.exp(found.x))
