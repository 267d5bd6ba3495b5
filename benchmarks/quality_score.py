"""How often soft labels are right, and by how much one model is above another on the same items."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparkws.labelmodels.posterior import hits

RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """A difference of two accuracies on the same items, and its 95 % interval by bootstrap over the items."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def hits_of(probs: NDArray[np.float64], gold: NDArray[np.int8]) -> NDArray[np.float64]:
    """How right each item is, `(n,)`: a tie in its share, and what a model left open in that of a guess.

    Parameters
    ----------
    probs : (n, k) or (r, n, k) float64 array
        Of one run or of several, which are averaged; NaN where a model says nothing.
    gold : (n,) int8 array in 0..k-1
    """
    runs = probs[None] if probs.ndim == 2 else probs
    filled = np.where(np.isnan(runs), 1 / runs.shape[2], runs)
    return np.asarray(np.mean([hits(run, gold) for run in filled], axis=0), np.float64)


def difference(ours: NDArray[np.float64], theirs: NDArray[np.float64], rng: np.random.Generator) -> Difference:
    """By how much `ours` is right more often than `theirs`, both hits `(n,)` of the same items."""
    values, counts = np.unique(np.round(ours - theirs, 12), return_counts=True)
    # Items whose difference is the same are interchangeable: how many of each are drawn says all.
    drawn = rng.multinomial(counts.sum(), counts / counts.sum(), size=RESAMPLES) @ values / counts.sum()
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Difference(float((ours - theirs).mean()), float(low), float(high))
