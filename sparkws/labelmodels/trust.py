"""How far a fitted model can be trusted: what chance among the items, and each single function, would change.

The bootstrap draws as many items again from the pattern counts and fits again: its intervals shrink with
the items. Leaving a function out and fitting again shows what does not shrink: how much labels hang on one
function that may be wrong.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sparkws.errors import ConfigError
from sparkws.labelmodels.guard import estimated_accuracy
from sparkws.labelmodels.heldout import Fit
from sparkws.labelmodels.posterior import LabelModel, predict
from sparkws.stats.patterns import Patterns, collapse, select, unpack, with_counts
from sparkws.vocab import ABSTAIN

COVERED: Final = 0.9  # of an interval
MOST_LEFT_OUT: Final = 50


@dataclass(frozen=True, eq=False)
class Intervals:
    """What other items of the same kind could have given, 90 % of the time.

    Attributes
    ----------
    n_replicates : int
    accuracy : (m, 2) float64 array
        Lower and upper end of P(right | voted) of each function; NaN where a model has no tables.
    class_balance : (k, 2) float64 array
    confidence : (u, 2) float64 array
        Of the probability of each pattern's predicted class; NaN in patterns without a prediction.
    steady : (u,) float64 array
        The share of the replicates in which the prediction of a pattern is that of the model.
    """

    n_replicates: int
    accuracy: NDArray[np.float64]
    class_balance: NDArray[np.float64]
    confidence: NDArray[np.float64]
    steady: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What the labels would be without one of the functions.

    Attributes
    ----------
    names : tuple of str
        The functions that were left out, one at a time: the busiest `MOST_LEFT_OUT`.
    changed : (f,) float64 array
        The share of the labeled items that another class, or none, is predicted for without the function.
    spread : (u,) float64 array
        How far the probability of a pattern's predicted class lies apart without one or another function,
        NaN in patterns without a vote.
    """

    names: tuple[str, ...]
    changed: NDArray[np.float64]
    spread: NDArray[np.float64]


def bootstrap(
    fit: Fit, model: LabelModel, patterns: Patterns, rng: np.random.Generator, n_replicates: int = 50
) -> Intervals:
    """Intervals from fits to items drawn again.

    Parameters
    ----------
    fit : function of Patterns
        The same fit as that of `model`, which may start from it.
    model : LabelModel
        Fitted from `patterns`.
    patterns : Patterns
        Whole counts, with the u rows of the result.
    rng : Generator
    n_replicates : int
        At least 2.

    Raises
    ------
    ConfigError
        For fewer than two replicates.
    """
    if n_replicates < 2:
        raise ConfigError(f"a bootstrap needs at least 2 replicates, got {n_replicates}.")
    L, counts = unpack(patterns), patterns.counts
    preds = predict(model.posterior(L))
    # One class of each pattern, in half the room of a float64: replicates of all classes may be gigabytes.
    confidence = np.empty((n_replicates, len(L)), np.float32)
    accuracy = np.full((n_replicates, L.shape[1]), np.nan)
    balance = np.empty((n_replicates, model.cardinality))
    steady = np.zeros(len(L))
    for replicate in range(n_replicates):
        drawn = rng.multinomial(counts.sum(), counts / counts.sum())
        again = fit(with_counts(patterns, drawn))
        probs = again.posterior(L)
        confidence[replicate] = _of_predicted(probs, preds)
        steady += predict(probs) == preds
        balance[replicate] = again.class_balance_
        if again.cpt_ is not None:
            accuracy[replicate] = estimated_accuracy(again.cpt_, again.class_balance_)[0]
    return Intervals(
        n_replicates, _interval(accuracy), _interval(balance), _interval(confidence), steady / n_replicates
    )


def leave_one_out(fit: Fit, model: LabelModel, patterns: Patterns) -> LeftOut:
    """What the labels would be without each function, from as many fits.

    Parameters
    ----------
    fit : function of Patterns
        The same fit as that of `model`, from the counts of fewer functions.
    model : LabelModel
        Fitted from `patterns`.
    patterns : Patterns
        Whole counts.
    """
    L, counts = unpack(patterns), patterns.counts
    preds = predict(model.posterior(L))
    labeled = preds != ABSTAIN
    n_labeled = max(int(counts[labeled].sum()), 1)
    often = counts @ (L != ABSTAIN)
    busiest = np.argsort(-often, kind="stable")[:MOST_LEFT_OUT] if L.shape[1] > 1 else np.empty(0, np.int64)
    out = sorted(busiest[often[busiest] > 0].tolist())
    changed, confidences = [], [_of_predicted(model.posterior(L), preds)]
    for j in out:
        rest = [name for i, name in enumerate(patterns.lf_names) if i != j]
        without = fit(collapse(select(patterns, rest))).posterior(np.delete(L, j, axis=1))
        changed.append(float(counts[labeled & (predict(without) != preds)].sum() / n_labeled))
        confidences.append(_of_predicted(without, preds))
    # An item that only the one that is left out votes on has no label then: `changed` tells it, a spread it is not.
    spread = np.fmax.reduce(confidences) - np.fmin.reduce(confidences)
    return LeftOut(tuple(patterns.lf_names[j] for j in out), np.array(changed, np.float64), spread)


def _of_predicted(probs: NDArray[np.float64], preds: NDArray[np.int32]) -> NDArray[np.float64]:
    """The probability of each row's predicted class, `(u,)`; NaN where there is none."""
    found = np.take_along_axis(probs, np.maximum(preds, 0)[:, None], axis=1)[:, 0]
    return np.where(preds == ABSTAIN, np.nan, found)


def _interval(replicates: NDArray[np.floating]) -> NDArray[np.float64]:
    """The two ends of what the middle 90 % of the replicates `(b, ...)` lie between, `(..., 2)`."""
    tail = (1 - COVERED) / 2
    return np.stack(np.quantile(replicates, [tail, 1 - tail], axis=0), axis=-1).astype(np.float64)
