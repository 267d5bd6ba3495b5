"""How good labels are, measured on items with a known class.

Everything is a function of pattern rows: probabilities, predictions, known class, number of items. No
measure hides the items without a label: figures are given on labeled items, and accuracy and F1 also
with every item that got no label counted as wrong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_same_rows
from sparkws.labelmodels.posterior import hits, predict, top_shares
from sparkws.vocab import ABSTAIN

N_BINS: Final = 10


@dataclass(frozen=True, eq=False, kw_only=True)
class Metrics:
    """Measures over the items with a known class.

    Attributes
    ----------
    n_gold, n_labeled : int
        Items with a known class, and those of them with a predicted class.
    coverage : float
        Their ratio.
    accuracy, macro_f1, f1 : float, float, (k,) array
        On labeled items. Macro F1 is the mean over the classes that are known or predicted somewhere; F1 of the
        others is NaN.
    accuracy_overall, macro_f1_overall, f1_overall : float, float, (k,) array
        On all items with a known class: no label is wrong, so it lowers accuracy and recall.
    confusion : (k, k + 1) int64 array
        `confusion[g, p + 1]` items of class g were predicted as p, without a label first.
    brier : float
        Mean squared distance of the probabilities from the truth, over items with probabilities (ties too).
    calibration_error : float
        Mean distance between confidence and accuracy over ten bins of confidence, weighted by items.
    bins : tuple of (float, float, int, float, float)
        Lower and upper edge, items, mean confidence and accuracy of each bin that has items. The
        predicted class of a tie is counted as right in the share that its classes make.
    """

    n_gold: int
    n_labeled: int
    accuracy: float
    macro_f1: float
    f1: NDArray[np.float64]
    accuracy_overall: float
    macro_f1_overall: float
    f1_overall: NDArray[np.float64]
    confusion: NDArray[np.int64]
    brier: float
    calibration_error: float
    bins: tuple[tuple[float, float, int, float, float], ...]

    @property
    def coverage(self) -> float:
        """The share of the items with a known class that got a label."""
        return self.n_labeled / self.n_gold if self.n_gold else float("nan")


def evaluate(
    probs: NDArray[np.float64], preds: NDArray[np.int32], gold: NDArray[np.int8], counts: NDArray[np.int64]
) -> Metrics:
    """The measures of labels; NaN where no item determines one.

    Parameters
    ----------
    probs : (u, k) float64 array
        NaN in rows without a label.
    preds : (u,) int32 array
        -1 where there is no label.
    gold : (u,) int8 array
        -1 where unknown; such rows do not count.
    counts : (u,) int64 array
        Items of each row.

    Raises
    ------
    IncompatibleStatistics
        If these are not arrays of the same rows.
    """
    check_same_rows({"probs": probs, "preds": preds, "gold": gold, "counts": counts})
    known = gold != ABSTAIN
    probs, preds, gold, counts = probs[known], preds[known], gold[known], counts[known]
    k = probs.shape[1]
    confusion = np.zeros((k, k + 1), np.int64)
    np.add.at(confusion, (gold, preds + 1), counts)

    labeled = confusion[:, 1:]
    right = np.diagonal(labeled).astype(np.float64)
    n_gold, n_labeled = int(confusion.sum()), int(labeled.sum())
    f1, macro = _f1(right, labeled.sum(axis=1), labeled.sum(axis=0))
    f1_overall, macro_overall = _f1(right, confusion.sum(axis=1), labeled.sum(axis=0))
    brier, error, bins = _calibration(probs, gold, counts)
    return Metrics(
        n_gold=n_gold,
        n_labeled=n_labeled,
        accuracy=right.sum() / n_labeled if n_labeled else float("nan"),
        macro_f1=macro,
        f1=f1,
        accuracy_overall=right.sum() / n_gold if n_gold else float("nan"),
        macro_f1_overall=macro_overall,
        f1_overall=f1_overall,
        confusion=confusion,
        brier=brier,
        calibration_error=error,
        bins=bins,
    )


def _f1(
    right: NDArray[np.float64], known: NDArray[np.number[Any]], predicted: NDArray[np.number[Any]]
) -> tuple[NDArray[np.float64], float]:
    """F1 of each class, NaN where it is neither known nor predicted, and the mean of the others."""
    both = (known + predicted).astype(np.float64)
    f1 = np.divide(2 * right, both, out=np.full(len(right), np.nan), where=both > 0)
    return f1, float(f1[both > 0].mean()) if (both > 0).any() else float("nan")


def _calibration(
    probs: NDArray[np.float64], gold: NDArray[np.int8], counts: NDArray[np.int64]
) -> tuple[float, float, tuple[tuple[float, float, int, float, float], ...]]:
    rows = ~np.isnan(probs[:, 0])
    probs, gold, counts = probs[rows], gold[rows], counts[rows]
    if not counts.sum():
        return float("nan"), float("nan"), ()
    distance = ((probs - np.eye(probs.shape[1])[gold]) ** 2).sum(axis=1)
    confidence = probs.max(axis=1)
    right = hits(probs, gold)

    bins, error = [], 0.0
    where = np.minimum((confidence * N_BINS).astype(np.int64), N_BINS - 1)
    for at in np.unique(where):
        chosen = where == at
        n = int(counts[chosen].sum())
        if not n:
            continue
        mean, accuracy = (float(np.average(x[chosen], weights=counts[chosen])) for x in (confidence, right))
        bins.append((float(at / N_BINS), float((at + 1) / N_BINS), n, mean, accuracy))
        error += n * abs(mean - accuracy)
    total = counts.sum()
    return float(counts @ distance / total), float(error / total), tuple(bins)


def compare(
    candidates: Mapping[str, NDArray[np.float64]], gold: NDArray[np.int8], counts: NDArray[np.int64]
) -> dict[str, dict[str, Any]]:
    """Measures of the probabilities that models give, as plain values by kind; empty without known classes.

    Parameters
    ----------
    candidates : mapping of str to (u, k) float64 array
        P(class | votes) of each row by kind of model; NaN where a model gives no label.
    gold : (u,) int8 array
        The known class of each row, -1 where unknown.
    counts : (u,) int64 array
        The items of each row.
    """
    if not (gold >= 0).any():
        return {}
    return {
        kind: {
            **_ties_shared(probs, gold, counts),
            **_plain(evaluate(probs, predict(probs), gold, counts)),
        }
        for kind, probs in candidates.items()
    }


def _ties_shared(
    probs: NDArray[np.float64], gold: NDArray[np.int8], counts: NDArray[np.int64]
) -> dict[str, float | None]:
    """Accuracy and macro F1 on the items with votes, a tie shared between its classes.

    So they are comparable between models that tie or not: both are over the same items.
    """
    known = (gold >= 0) & ~np.isnan(probs[:, 0])
    probs, gold, counts = probs[known], gold[known], counts[known]
    n = int(counts.sum())
    if not n:
        return {"accuracy_ties_shared": None, "macro_f1_ties_shared": None}
    shares = top_shares(probs)
    right = counts * shares[np.arange(len(gold)), gold]
    k = probs.shape[1]
    right_of, known_of = (of @ np.eye(k)[gold] for of in (right, counts))
    macro_f1 = _f1(right_of, known_of, counts @ shares)[1]
    return {"accuracy_ties_shared": float(right.sum()) / n, "macro_f1_ties_shared": macro_f1}


def _plain(metrics: Metrics) -> dict[str, Any]:
    figures = {
        "n_gold": metrics.n_gold,
        "n_labeled": metrics.n_labeled,
        "accuracy": metrics.accuracy,
        "macro_f1": metrics.macro_f1,
        "accuracy_overall": metrics.accuracy_overall,
        "macro_f1_overall": metrics.macro_f1_overall,
        "f1": [None if math.isnan(f1) else f1 for f1 in metrics.f1.tolist()],
        "brier": metrics.brier,
        "ece": metrics.calibration_error,
    }
    # JSON has no NaN: a measure that no item determines is null.
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in figures.items()}
