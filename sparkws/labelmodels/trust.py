"""How far a fitted model can be trusted: what chance among the items, and each single function, would change.

The bootstrap draws as many items again from the pattern counts and fits again: its intervals shrink with
the items. Leaving a function out and fitting again shows what does not shrink: how much labels hang on one
function that may be wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparkws.errors import ConfigError, NothingToFit
from sparkws.labelmodels.differences import check_same_functions
from sparkws.labelmodels.em import check_counted
from sparkws.labelmodels.findings import estimated_accuracy
from sparkws.labelmodels.heldout import Fit
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.posterior import class_cpt, predict
from sparkws.labelmodels.taskview import TaskView
from sparkws.stats.patterns import Patterns, select, unpack, with_counts
from sparkws.vocab import ABSTAIN

M = TypeVar("M")

COVERED: Final = 0.9  # of an interval
MOST_LEFT_OUT: Final = 50


@dataclass(frozen=True, eq=False)
class Intervals:
    """What other items of the same kind could have given, 90 % of the time.

    Attributes
    ----------
    n_replicates : int
    accuracy : (m, 2) float64 array
        Lower and upper end of P(right | voted) of each function; NaN where a model has no tables, and for
        functions that vote on other tasks of a graph.
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
        The functions that were left out, one at a time: the busiest.
    changed : (f,) float64 array
        The share of the labeled items that another class, or none, is predicted for without the function; all of
        them where the others leave nothing to fit.
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
    """Intervals from fits to bootstrap samples.

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
    NothingToFit
        If so few items have votes that hardly any drawing has.
    IncompatibleStatistics
        If the patterns are none, or not of the functions of the model in its order.
    """
    _check_fitted(model, patterns)
    return intervals(draw_models(fit, patterns, rng, n_replicates), model, patterns)


def draw_models(
    fit: Callable[[Patterns], M], patterns: Patterns, rng: np.random.Generator, n_replicates: int
) -> list[M]:
    """Models of bootstrap samples of as many items; those without any vote are left out. See `bootstrap`."""
    if n_replicates < 2:
        raise ConfigError(f"a bootstrap needs at least 2 replicates, got {n_replicates}.")
    share = patterns.counts / patterns.counts.sum()
    models = []
    for _ in range(n_replicates):
        drawn = with_counts(patterns, rng.multinomial(patterns.counts.sum(), share))
        with suppress(NothingToFit):
            models.append(fit(drawn))
    if len(models) < 2:
        raise NothingToFit(
            f"{n_replicates - len(models)} of {n_replicates} bootstrap samples of {patterns.n_items:,} items leave "
            "nothing to fit; intervals need more items with votes, or known classes."
        )
    return models


def intervals(replicates: Sequence[LabelModel], model: LabelModel, patterns: Patterns) -> Intervals:
    """What the parameters and the labels of a model lie between in replicates of it; see `bootstrap`."""
    L = unpack(patterns)
    preds = predict(model.posterior(L))
    # One class of each pattern, in half the room of a float64: replicates of all classes may be gigabytes.
    confidence = np.empty((len(replicates), len(L)), np.float32)
    accuracy = np.full((len(replicates), L.shape[1]), np.nan)
    balance = np.empty((len(replicates), model.cardinality))
    steady = np.zeros(len(L))
    for number, again in enumerate(replicates):
        probs = again.posterior(L)
        confidence[number] = of_class(probs, preds)
        steady += predict(probs) == preds
        balance[number] = again.class_balance_
        estimated = accuracy_by_lf(again) or {}
        accuracy[number] = [estimated.get(name, np.nan) for name in model.lf_names_]
    return Intervals(
        len(replicates), quantiles(accuracy), quantiles(balance), quantiles(confidence), steady / len(replicates)
    )


def accuracy_by_lf(model: LabelModel) -> dict[str, float] | None:
    """P(right | voted) of each function under the model, NaN without a vote; None where a model has no tables.

    Of a task of a graph, of the functions that vote on it.
    """
    if isinstance(model, TaskView):
        alone, names = model.by_itself(), [model.lf_names_[c] for c in model.own]
        estimated = estimated_accuracy(class_cpt(alone), alone.class_balance_)[0]
    elif model.cpt_ is not None:
        names, estimated = list(model.lf_names_), estimated_accuracy(class_cpt(model), model.class_balance_)[0]
    else:
        return None
    return dict(zip(names, estimated.tolist(), strict=True))


def leave_one_out(fit: Fit, model: LabelModel, patterns: Patterns, most: int = MOST_LEFT_OUT) -> LeftOut:
    """What the labels would be without each function, from as many fits.

    Parameters
    ----------
    fit : function of Patterns
        The same fit as that of `model`, from the counts of fewer functions.
    model : LabelModel
        Fitted from `patterns`.
    patterns : Patterns
        Whole counts.
    most : int
        The busiest so many functions are left out, at least 1.

    Raises
    ------
    ConfigError
        For fewer.
    IncompatibleStatistics
        If the patterns are none, or not of the functions of the model in its order.
    """
    _check_fitted(model, patterns)
    if most < 1:
        raise ConfigError(f"leave_one_out needs at least 1 function to leave out, got {most}.")
    without, needed = models_without(fit, patterns, most)
    return left_out(without, model, patterns, needed)


def _check_fitted(model: LabelModel, patterns: Patterns) -> None:
    check_counted(patterns, "a label model is fitted again")
    check_same_functions("patterns", patterns.lf_names, model)


def models_without(
    fit: Callable[[Patterns], M],
    patterns: Patterns,
    most: int = MOST_LEFT_OUT,
    functions: Sequence[str] | None = None,
) -> tuple[dict[str, M], tuple[str, ...]]:
    """A model without each of the functions, by the one left out, and those without which nothing can be fitted.

    `functions` are the columns that may be left out, all by default: where others hold known classes.
    """
    names = patterns.lf_names
    may = np.array([functions is None or name in functions for name in names])
    often = np.where(may, patterns.counts @ (unpack(patterns) != ABSTAIN), 0)
    busiest = np.argsort(-often, kind="stable")[:most]
    models: dict[str, M] = {}
    chosen = [names[j] for j in sorted(busiest[often[busiest] > 0].tolist())]
    for left in chosen:
        rest = [name for name in names if name != left]
        with suppress(NothingToFit):
            models |= {left: fit(select(patterns, rest))} if rest else {}
    return models, tuple(name for name in chosen if name not in models)


def left_out(
    without: Mapping[str, LabelModel], model: LabelModel, patterns: Patterns, needed: Sequence[str] = ()
) -> LeftOut:
    """How the labels of models without one of the functions differ from those of the model; see `leave_one_out`.

    Without one of those `needed` all labels vanish, which is a change and no spread.
    """
    L, counts = unpack(patterns), patterns.counts
    probs = model.posterior(L)
    preds = predict(probs)
    labeled = preds != ABSTAIN
    n_labeled = max(int(counts[labeled].sum()), 1)
    changed, confidences = dict.fromkeys(needed, float(labeled.any())), [of_class(probs, preds)]
    for name, other in without.items():
        theirs = other.posterior(votes_of(other, model, L))
        changed[name] = float(counts[labeled & (predict(theirs) != preds)].sum() / n_labeled)
        confidences.append(of_class(theirs, preds))
    names = tuple(name for name in patterns.lf_names if name in changed)
    return LeftOut(names, np.array([changed[name] for name in names], np.float64), spread_of(confidences))


def votes_of(some: LabelModel, model: LabelModel, L: NDArray[np.int8]) -> NDArray[np.int8]:
    """The columns of the votes `(n, m)` of a model's functions that a model of some of them reads."""
    return L[:, [model.lf_names_.index(name) for name in some.lf_names_]]


def spread_of(confidences: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """How far probabilities of the same class lie apart, `(u,)`, where models leave out one or another function.

    An item that only the one that is left out votes on has no label then: `changed` tells it, a spread it is not.
    """
    return np.asarray(np.fmax.reduce(confidences) - np.fmin.reduce(confidences), np.float64)


def of_class(probs: NDArray[np.float64], labels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """The probability of a class of each row, `(u,)`; NaN where that is -1."""
    found = np.take_along_axis(probs, np.maximum(labels, 0)[:, None].astype(np.int64), axis=1)[:, 0]
    return np.where(labels == ABSTAIN, np.nan, found)


def quantiles(replicates: NDArray[np.floating]) -> NDArray[np.float64]:
    """The two ends of what 90 % of such replicates `(b, ...)` lie between, `(..., 2)`; NaN is no value.

    One more lies below the i-th smallest of b with probability i / (b + 1), so "weibull": the usual quantiles of
    50 replicates would hold only 86 % of what they are drawn from.
    """
    tails = [(1 - COVERED) / 2, (1 + COVERED) / 2]
    flat = replicates.reshape(len(replicates), -1)
    unknown = np.isnan(flat).sum(axis=0)
    ends = np.full((2, flat.shape[1]), np.nan)
    ends[:, unknown == 0] = np.quantile(flat[:, unknown == 0], tails, axis=0, method="weibull")
    partly = (unknown > 0) & (unknown < len(flat))  # apart, because it is slow
    ends[:, partly] = np.nanquantile(flat[:, partly], tails, axis=0, method="weibull")
    # (2, ...) -> (..., 2)
    return np.moveaxis(ends.reshape(2, *replicates.shape[1:]), 0, -1)
