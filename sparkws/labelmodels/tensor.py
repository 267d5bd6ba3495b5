"""Class balance and tables from the votes of three functions at a time, for any number of classes.

Each triple has the distribution Σ_y p_y P(a | y) P(b | y) P(c | y) over its votes, abstention included. All of them
together are fitted by their likelihood, with L-BFGS and an exact gradient. Fitting the counts by squares
(Ratner and others 2019, section 3 of their supplement) finds the same tables from exact moments, but weighs
sampling errors of frequent and of rare votes alike, and may give negative probabilities.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment, minimize

from sparkws.labelmodels.posterior import votes_for_classes
from sparkws.labelmodels.tables import PRIOR_ACCURACY, claimed, soft_cells
from sparkws.stats.triples import Triples

_MAX_ITER: Final = 500
_FAINT: Final = 1e-12
_OTHER_ACCURACY: Final = 0.9
_SAME_BALANCE: Final = 0.005
_REDRAWN: Final = 2
_LARGEST_SPREAD: Final = 0.12  # more says nothing: noise gives .1 to .5, 300 items of four functions .02 to .16


@dataclass(frozen=True, eq=False)
class ThreeWay:
    """What triples tell.

    Attributes
    ----------
    class_balance : (k,) float64 array
    cpt : (m, s + 1, k) float64 array
        Tables; of functions that are in no triple the start.
    seen : (m,) bool array
        Which functions are in a triple.
    converged : bool
    """

    class_balance: NDArray[np.float64]
    cpt: NDArray[np.float64]
    seen: NDArray[np.bool_]
    converged: bool


def fit_twice(
    triples: Triples, votes: NDArray[np.int64], items: NDArray[np.int64] | None = None
) -> tuple[ThreeWay, ThreeWay] | None:
    """The fits from two starts; None unless both found the same class balance.

    Where functions depend on each other, or votes are few, the likelihood is flat or has several summits.
    """
    first, second = (fit_triples(triples, votes, items, accuracy) for accuracy in (PRIOR_ACCURACY, _OTHER_ACCURACY))
    apart = np.abs(first.class_balance - second.class_balance).max()
    return (first, second) if apart <= _SAME_BALANCE else None


def told_balance(
    triples: Triples, votes: NDArray[np.int64], items: NDArray[np.int64] | None = None
) -> NDArray[np.float64] | None:
    """The class balance `(k,)`; None where two starts disagree, or counts drawn anew give quite another one.

    Noise has a best fit too, which two starts may agree about.
    """
    fits = fit_twice(triples, votes, items)
    if fits is None:
        return None
    found, rng = fits[0].class_balance, np.random.default_rng(0)
    # (t, k + 1, k + 1, k + 1) -> (t, cells): the outcomes of each triple
    flat = triples.counts.reshape(len(triples.counts), -1)
    for _ in range(_REDRAWN):
        drawn = np.stack([rng.multinomial(row.sum(), row / row.sum()) for row in flat])
        again = fit_triples(replace(triples, counts=drawn.reshape(triples.counts.shape)), votes, items)
        if np.abs(again.class_balance - found).max() > _LARGEST_SPREAD:
            return None
    return found


def fit_triples(
    triples: Triples,
    votes: NDArray[np.int64],
    items: NDArray[np.int64] | None = None,
    accuracy: float = PRIOR_ACCURACY,
) -> ThreeWay:
    """The balance and the tables under which the triples are most likely.

    Parameters
    ----------
    triples : Triples
        At least one.
    votes : (m, s) int64 array
        How often each function cast each vote.
    items : (m,) int64 array, optional
        Of how many items; all of them if not given. Where triples count only items that all three voted on, those
        that the function voted on: its table then has no abstentions.
    accuracy : float
        Of the voters that it starts from; this gives the classes their names.
    """
    k, m = triples.cardinality, len(triples.lf_names)
    chosen = np.array(triples.chosen)
    seen = np.isin(np.arange(m), chosen)
    soft = soft_cells(triples.lf_names, triples.grids)
    seen_items = np.full(m, triples.n_items) if items is None else items
    start = _start(votes, seen_items, claimed(accuracy, votes.shape, k, soft))
    # An outcome that never occurs has no parameter.
    occurs = start.max(axis=2) > _FAINT
    weight = triples.counts / triples.counts.sum()

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        p, cpt = _unfold(x, occurs, k)
        value, of_p, of_cpt = _likelihood(weight, chosen, p, cpt)
        # Through the softmax: P (gradient - its expectation).
        balance = of_p - p * of_p.sum()
        tables = of_cpt - cpt * of_cpt.sum(axis=1, keepdims=True)
        return -value, -np.concatenate([balance, tables[occurs].ravel()])

    x0 = np.concatenate([np.full(k, -np.log(k)), np.log(np.maximum(start[occurs], _FAINT)).ravel()])
    found = minimize(loss, x0, jac=True, method="L-BFGS-B", options={"maxiter": _MAX_ITER, "ftol": 1e-13, "gtol": 1e-9})
    p, cpt = _unfold(found.x, occurs, k)
    order = _named(p, votes_for_classes(cpt, triples.grids.classes(triples.lf_names, k))[seen])
    cpt = np.where(seen[:, None, None], cpt[:, :, order], start)
    return ThreeWay(p[order], cpt, seen, bool(found.success))


def _start(votes: NDArray[np.int64], items: NDArray[np.int64], says: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tables `(m, s + 1, k)` of voters whose votes say P(class | vote) `(m, s, k)`, and who vote as often as seen."""
    cast = (votes / np.maximum(items, 1)[:, None])[:, :, None] * says * says.shape[2]
    cast *= np.minimum(1, 0.99 / np.maximum(cast.sum(axis=1, keepdims=True), _FAINT))
    silent = np.where((votes.sum(axis=1) < items)[:, None, None], 1 - cast.sum(axis=1, keepdims=True), 0.0)
    table = np.concatenate([silent, cast], axis=1)
    return np.asarray(table / table.sum(axis=1, keepdims=True), np.float64)


def _unfold(
    x: NDArray[np.float64], occurs: NDArray[np.bool_], cardinality: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities from logits: the balance `(k,)`, and the tables of the outcomes that occur."""
    p = np.exp(x[:cardinality] - x[:cardinality].max())
    logits = np.full((*occurs.shape, cardinality), -np.inf)
    logits[occurs] = x[cardinality:].reshape(-1, cardinality)
    cpt = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(), cpt / cpt.sum(axis=1, keepdims=True)


def _likelihood(
    weight: NDArray[np.float64], chosen: NDArray[np.int64], p: NDArray[np.float64], cpt: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """The weighted log-likelihood, and its derivatives by log p `(k,)` and log cpt `(m, k + 1, k)`.

    A derivative by the logarithm of a factor is what the factor is expected to be used.
    """
    first, second, third = (cpt[chosen[:, side]] for side in range(3))  # (t, k + 1, k) each
    t, outcomes, k = first.shape
    # (t, a, 1, y) * (t, 1, b, y) -> (t, a b, y), then the sum over y of it with (t, c, y): (t, a b, c)
    pairs = (p * first[:, :, None] * second[:, None]).reshape(t, outcomes**2, k)
    joint = pairs @ third.transpose(0, 2, 1)
    counted = weight.reshape(joint.shape)
    value = float((counted * np.log(np.maximum(joint, _FAINT**2))).sum())
    share = np.divide(counted, joint, out=np.zeros_like(joint), where=joint > 0)
    used = pairs * (share @ third)  # (t, a b, y)
    by_first = used.reshape(t, outcomes, outcomes, k).sum(axis=2)
    by_second = used.reshape(t, outcomes, outcomes, k).sum(axis=1)
    by_third = third * (share.transpose(0, 2, 1) @ pairs)
    by_cpt = np.zeros_like(cpt)
    for side, part in enumerate((by_first, by_second, by_third)):
        np.add.at(by_cpt, chosen[:, side], part)
    return value, used.sum(axis=(0, 1)), by_cpt


def _named(p: NDArray[np.float64], cpt: NDArray[np.float64]) -> NDArray[np.int64]:
    """The order of the columns in which the functions are right most often, `(k,)`."""
    right = np.einsum("jly,y->ly", cpt[:, 1:], p)  # votes, columns
    return np.asarray(linear_sum_assignment(right, maximize=True)[1], np.int64)
