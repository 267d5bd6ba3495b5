"""The class balance from third moments: three votes that are independent given the class tell it.

For two classes in closed form. The third central moment of three outcomes is π (1 - π) (1 - 2 π) δ_a δ_b δ_c,
which is κ γ_a γ_b γ_c with κ = (1 - 2 π) / √(π (1 - π)) and the γ that pairs tell. Where abstaining means that a
function was not asked, all of this is of the items that three functions all voted on.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sparkws.errors import ConfigError, IncompatibleStatistics, NothingToFit
from sparkws.labelmodels.balance import MOSTLY_SINGLE_CLASS, ClassBalance, known_balance, single_class_share
from sparkws.labelmodels.covariances import Outcomes, outcomes_of, scaled_differences
from sparkws.labelmodels.em import check_counted, count_votes
from sparkws.labelmodels.pairwise import (
    Meaning,
    one_coin_balance,
    pairwise_complete,
    pairwise_differences,
    shares_of,
    votes_by_class,
)
from sparkws.labelmodels.tensor import told_balance
from sparkws.stats import joint
from sparkws.stats.joint import BothMoments
from sparkws.stats.moments import Moments
from sparkws.stats.patterns import Patterns, unpack
from sparkws.stats.triples import Triples, choose_triples

# An error of κ of one half is one of π of .12 around one half: more says nothing.
_LARGEST_KAPPA_ERROR: Final = 0.5
_ITEMS_A_CLASS: Final = 100
ENOUGH_TOLD: Final = 0.5  # of the table of a function by triples, half of the way


def moment_balance(
    option: ClassBalance,
    moments: Moments,
    triples: Triples | None,
    gold_items: NDArray[np.int64] | None,
    abstain: Meaning = "outcome",
) -> tuple[NDArray[np.float64], str]:
    """The class balance `(k,)` of a model that is fitted from moments, and what `balance_source_` says of it.

    Parameters
    ----------
    option : sequence of k floats, "estimate", "tensor", "uniform" or "dev"
        "estimate" and "tensor" need third moments. Where these do not tell the balance, "estimate" is the volume
        of voting: the share of each class among the votes. Where abstaining is missing, it is the balance that
        makes this volume if functions err equally often in all classes.
    moments : Moments
    triples : Triples, optional
    gold_items : (k,) int64 array, optional
        Items of each known class, for "dev".
    abstain : {"outcome", "missing"}
        Whether third moments are those of all items, or of those that all three functions voted on.

    Raises
    ------
    NothingToFit
        If "estimate" or "tensor" has no third moments, "tensor" ones that do not tell it, or "dev" no known class.
    IncompatibleStatistics
        If triples are of other functions, classes or items than the moments, or `gold_items` are no counts of the
        classes.
    ConfigError
        If there is no such option.
    """
    k = moments.cardinality
    items = np.zeros(k, np.int64) if gold_items is None else gold_items
    _check_gold_items(items, k)
    if triples is not None:
        _check_triples(triples, moments)
    known = np.flatnonzero(items)
    if isinstance(option, str) and option not in ("estimate", "tensor", "uniform", "dev"):
        raise ConfigError(
            f"class_balance must be {k} shares, 'estimate', 'tensor', 'uniform' or 'dev', got {option!r}."
        )
    if isinstance(option, str) and option == "dev" and gold_items is None:
        raise NothingToFit(
            "class_balance='dev' counts the items with a known class, which moments do not tell: give gold_items, how "
            "many items have each class."
        )
    if not isinstance(option, str) or option not in ("estimate", "tensor"):
        balance = known_balance(option, k, known.astype(np.int8), items[known])
        assert balance is not None
        return balance, option if isinstance(option, str) else "given"
    if triples is None or not triples.chosen:
        raise NothingToFit(
            f"class_balance={option!r} needs the third moments of three functions or more: give triples, or a balance."
        )
    balance = _told(moments, triples, abstain)
    if balance is not None:
        return balance, option
    if option == "tensor":
        raise NothingToFit(
            f"class_balance='tensor': the votes of {len(triples.chosen)} triples of labeling functions on "
            f"{moments.n_items:,} items do not tell the class balance: they meet too seldom, or contradict each other "
            "because functions depend on each other. Give the balance, count it on known classes ('dev'), or take "
            "'estimate'."
        )
    if abstain == "missing" and single_class_share(votes_by_class(moments)) < MOSTLY_SINGLE_CLASS:
        return one_coin_balance(moments), "one_coin"
    says = moments.says
    spoken = 1 / k + (moments.votes.sum(axis=0) if says is None else np.einsum("js,jsy->y", moments.votes, says))
    return spoken / spoken.sum(), "volume"


def _check_gold_items(gold_items: NDArray[np.int64], cardinality: int) -> None:
    is_counts = isinstance(gold_items, np.ndarray) and np.issubdtype(gold_items.dtype, np.integer)
    if not is_counts or gold_items.shape != (cardinality,) or (gold_items < 0).any():
        told = repr(gold_items) if np.size(gold_items) <= cardinality else f"shape {np.shape(gold_items)}"
        raise IncompatibleStatistics(
            f"gold_items must be an array of {cardinality} integers of at least 0, how many items have each class, got "
            f"{told}."
        )


def _check_triples(triples: Triples, moments: Moments) -> None:
    if not isinstance(triples, Triples):
        raise IncompatibleStatistics(
            f"triples must be third moments, as moments_of(patterns).triples, got {type(triples).__name__}."
        )
    of = (moments.lf_names, moments.cardinality, moments.grids)
    if triples.chosen and (triples.lf_names, triples.cardinality, triples.grids) != of:
        raise IncompatibleStatistics(
            "second and third moments are of different labeling functions or classes; count them on the same votes."
        )
    if triples.chosen and triples.n_items != moments.n_items:
        raise IncompatibleStatistics(
            f"second moments are of {moments.n_items:,} items, third moments of {triples.n_items:,}; count them on the "
            "same votes."
        )


def tensor_balance(statistics: Patterns | BothMoments) -> NDArray[np.float64]:
    """The class balance `(k,)` that the votes of three functions at a time tell, whatever the label model.

    Raises
    ------
    NothingToFit
        If they do not tell it.
    IncompatibleStatistics
        If these are neither pattern counts nor moments.
    """
    both = statistics if isinstance(statistics, BothMoments) else moments_of(statistics)
    return moment_balance("tensor", both.pairs, both.triples, None)[0]


def moments_of(patterns: Patterns) -> BothMoments:
    """Second moments, and third ones of some triples of functions, of items whose patterns are in memory.

    What `Triplet`, `PublishedTriplet` and `MatrixCompletion` are fitted from.

    Parameters
    ----------
    patterns : Patterns
        Whole counts; of votes in memory they come from `sparkws.patterns_of_matrix`.

    Returns
    -------
    BothMoments
        `pairs` and `triples`, those of at most a hundred triples of functions, the same ones in every call.

    Raises
    ------
    IncompatibleStatistics
        If these are no pattern counts.

    Examples
    --------
    >>> from sparkws import patterns_of_matrix
    >>> from sparkws.labelmodels import Triplet
    >>> L = np.array([[0, 0, 0]] * 40 + [[1, 1, 1]] * 40 + [[0, 1, 1], [1, 0, 1], [1, 1, 0]] * 5, np.int8)
    >>> both = moments_of(patterns_of_matrix(L, ["lf_a", "lf_b", "lf_c"], 2))
    >>> both.pairs.n_items, both.triples.chosen
    (95, ((0, 1, 2),))
    >>> Triplet(2).fit(both.pairs, triples=both.triples).posterior(L[-1:]).round(2).tolist()
    [[0.02, 0.98]]
    """
    check_counted(patterns, "moments are counted")
    votes = count_votes(unpack(patterns), patterns.counts, patterns.n_outcomes)
    # The same triples as a pass over the votes counts.
    return joint.of_patterns(patterns, choose_triples(votes, np.random.default_rng(0)))


def _told(moments: Moments, triples: Triples, abstain: Meaning) -> NDArray[np.float64] | None:
    """The balance that triples tell, None where they do not."""
    if abstain == "missing":
        triples, told = complete_triples(triples)
        if not triples.chosen or (moments.cardinality > 2 and not tell_tables(told, moments)):
            return None
    if moments.cardinality > 2:
        return told_balance(triples, moments.votes, items_of(moments, abstain))
    if abstain == "missing":
        pairwise = pairwise_complete(moments)
        return _of_two(
            pairwise.outcomes, pairwise_differences(pairwise)[0], triples, np.pad(shares_of(moments), ((0, 0), (1, 0)))
        )
    outcomes = outcomes_of(moments)
    return _of_two(outcomes, scaled_differences(outcomes)[0], triples, None)


def items_of(moments: Moments, abstain: Meaning) -> NDArray[np.int64]:
    """The items that the votes of each function are shares of, `(m,)`: all, or those that it voted on."""
    voted = moments.votes.sum(axis=1)
    return voted if abstain == "missing" else np.full(len(voted), moments.n_items)


def complete_triples(triples: Triples) -> tuple[Triples, NDArray[np.float64]]:
    """The counts of items that all three functions voted on, and how far they tell the table of each function `(m,)`.

    Of the triples that have such items; nothing is counted for abstentions. Tables from triples have a standard error
    of about a tenth where a function has a hundred items of each class in them: that is told half way.
    """
    counts = triples.counts.copy()
    for axis in (1, 2, 3):
        np.moveaxis(counts, axis, 0)[0] = 0
    met = np.flatnonzero(counts.any(axis=(1, 2, 3)))
    seen = replace(triples, chosen=tuple(triples.chosen[row] for row in met), counts=counts[met])
    items = np.zeros(len(triples.lf_names))
    if seen.chosen:
        np.add.at(items, np.array(seen.chosen), seen.counts.sum(axis=(1, 2, 3))[:, None])
    return seen, items / (items + _ITEMS_A_CLASS * triples.cardinality)


def tell_tables(told: NDArray[np.float64], moments: Moments) -> bool:
    """Whether triples tell the tables of more than two classes for the functions that cast most votes."""
    return float(np.average(told, weights=moments.votes.sum(axis=1))) >= ENOUGH_TOLD


def oriented(gamma: NDArray[np.float64], outcomes: Outcomes) -> NDArray[np.float64]:
    """γ `(d,)` with the sign that makes the functions better than chance, weighted by their coverage."""
    return -gamma if gamma @ outcomes.toward < 0 else gamma


def _of_two(
    outcomes: Outcomes, gamma: NDArray[np.float64], triples: Triples, of_lf: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    """The balance of two classes, None if sampling error hides it.

    `of_lf` are the shares of the votes of each function `(m, s + 1)`, None for those of each triple's own items.
    """
    table = np.zeros((outcomes.n_lfs, triples.counts.shape[1]))
    table[outcomes.lf_of, outcomes.vote_of] = oriented(gamma, outcomes)
    i, j, l = np.array(triples.chosen).T
    n_items = triples.counts.sum(axis=(1, 2, 3), keepdims=True)
    joint = triples.counts / n_items
    # (t, s + 1) of each function
    shares = (
        [joint.sum(axis=axes) for axes in ((2, 3), (1, 3), (1, 2))]
        if of_lf is None
        else [of_lf[lf] for lf in (i, j, l)]
    )
    third = joint
    for axis, share in enumerate(shares, start=1):
        # Centering an indicator: its expectation times the sum over the axis is taken away.
        around = np.expand_dims(share, [at for at in (1, 2, 3) if at != axis])
        third = third - around * third.sum(axis=axis, keepdims=True)
    expected = np.einsum("sa,sb,sc->sabc", table[i], table[j], table[l])  # triples, votes of each function
    chance = np.einsum("sa,sb,sc->sabc", *shares)
    weight = np.divide(n_items, chance, out=np.zeros_like(chance), where=chance > 0)
    information = (weight * expected**2).sum(axis=(1, 2, 3))
    if information.sum() < _LARGEST_KAPPA_ERROR**-2:
        return None
    told = np.flatnonzero(information)
    ratio = (weight * expected * third).sum(axis=(1, 2, 3))[told] / information[told]
    weights = np.sqrt(information[told])
    kappa = _weighted_median(ratio, weights)
    # Triples that contradict each other, because functions depend on each other, tell no balance either. The
    # median of values with this median deviation has 1.25 * 1.48 of it over the root of their number as its error.
    deviation = _weighted_median(np.abs(ratio - kappa), weights)
    if 1.85 * deviation * np.sqrt((weights**2).sum()) / weights.sum() > _LARGEST_KAPPA_ERROR:
        return None
    of_one = 0.5 * (1 - kappa / np.sqrt(4 + kappa**2))
    return np.array([1 - of_one, of_one])


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    half = weights[order].cumsum() / weights.sum()
    return float(values[order][np.searchsorted(half, 0.5)])
