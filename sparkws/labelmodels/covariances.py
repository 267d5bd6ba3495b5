"""What pairs of votes tell when only the class links them: differences between two classes, up to one scale.

For two classes, π the share of class 1, and functions i, j that are independent given the class,
Cov([λ_i = a], [λ_j = b]) = π (1 - π) δ_ia δ_jb with δ_ia = P(λ_i = a | 1) - P(λ_i = a | 0), for every outcome,
abstention included. So γ = √(π (1 - π)) δ follows from pairs alone, and nothing is assumed of abstaining or of
equal accuracy in both classes. Measured covariances of a function with itself tell something else and are zero here.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh

from sparkws.errors import IncompatibleStatistics, NothingToFit
from sparkws.labelmodels.rankone import rank_one
from sparkws.stats.joint import BothMoments
from sparkws.stats.moments import Moments

MOST_ANCHORS: Final = 64  # functions that the others are measured against: 2,016 pairs; all would be m² / 2
STANDS_OUT: Final = 4.0  # standard errors
_MOST_STEPS, _ENOUGH = 50, 1e-6
# Of matrices up to this size all eigenvectors are found faster than one by Lanczos. Of larger ones they take ten times
# as long, and a hundred times where BLAS has more threads than free cores, which then wait for each other.
_SMALL: Final = 100


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The outcomes of functions that occur and are not certain, and how they vary together.

    Attributes
    ----------
    n_lfs, n_items : int
    lf_of : (d,) int64 array
        The function of each outcome.
    vote_of : (d,) int64 array
        Its vote + 1, abstention 0.
    share : (d,) float64 array
        P(outcome).
    cov : (d, d) float64 array
        Covariances between functions; zero within a function.
    toward : (d,) float64 array
        P(class 1) less P(class 0) as the vote claims them, of two classes; zero for abstentions.
    """

    n_lfs: int
    n_items: int
    lf_of: NDArray[np.int64]
    vote_of: NDArray[np.int64]
    share: NDArray[np.float64]
    cov: NDArray[np.float64]
    toward: NDArray[np.float64]

    @property
    def spread(self) -> NDArray[np.float64]:
        """The standard deviation of each indicator, `(d,)`."""
        return np.asarray(np.sqrt(self.share * (1 - self.share)), np.float64)


def outcomes_of(moments: Moments) -> Outcomes:
    """The outcomes that the moments count, abstention included, by function."""
    n = moments.n_items
    m = len(moments.lf_names)
    votes_share = np.diagonal(moments.gram) / n
    cov = moments.gram / n - np.outer(votes_share, votes_share)
    cov[moments.lf_of[:, None] == moments.lf_of] = 0.0
    # A function abstains when it casts none of its votes: its indicator is one minus theirs.
    belongs = np.equal(np.arange(m)[:, None], moments.lf_of).astype(np.float64)  # (m, c)
    silent = -(belongs @ cov)
    whole = np.block([[silent @ -belongs.T, silent], [silent.T, cov]])
    share = np.concatenate([1 - moments.votes.sum(axis=1) / n, votes_share])
    lf_of = np.concatenate([np.arange(m), moments.lf_of])
    vote_of = np.concatenate([np.zeros(m, np.int64), moments.vote_of + 1])
    items = np.concatenate([n - moments.votes.sum(axis=1), np.diagonal(moments.gram)])
    order = np.lexsort((vote_of, lf_of))
    order = order[(items[order] > 0) & (items[order] < n)]
    toward = np.concatenate([np.zeros(m), toward_one(moments)])[order]
    return Outcomes(m, n, lf_of[order], vote_of[order], share[order], whole[np.ix_(order, order)], toward)


def toward_one(moments: Moments) -> NDArray[np.float64]:
    """P(class 1) less P(class 0) as each vote claims them, of two classes, `(c,)`."""
    says = moments.says
    of_votes = np.eye(moments.cardinality)[moments.vote_of] if says is None else says[moments.lf_of, moments.vote_of]
    return np.asarray(of_votes[:, 1] - of_votes[:, 0], np.float64)


def only(outcomes: Outcomes, chosen: NDArray[np.int64]) -> Outcomes:
    """Some of the outcomes."""
    cov = outcomes.cov[np.ix_(chosen, chosen)]
    lf_of, vote_of, share = outcomes.lf_of[chosen], outcomes.vote_of[chosen], outcomes.share[chosen]
    return Outcomes(outcomes.n_lfs, outcomes.n_items, lf_of, vote_of, share, cov, outcomes.toward[chosen])


def scaled_differences(outcomes: Outcomes) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """γ of each outcome `(d,)`, up to one sign for all, and whether each function is identified `(m,)`.

    γ_ia² is the median of C_ia,jb C_ia,lc / C_jb,lc over pairs of anchors whose covariance stands out of its
    sampling error. The anchors are the strongest outcomes of the strongest functions in the leading
    eigenvector, which also gives the signs. The products keep their signs: that of a function which says
    nothing is as often negative, and their median is near zero, where that of absolute values is not.
    """
    direction = leading(outcomes)
    anchors = _anchors(outcomes, direction)
    first, second = (anchors[side] for side in np.triu_indices(len(anchors), 1))
    between = outcomes.cov[first, second]
    error = outcomes.spread[first] * outcomes.spread[second] / np.sqrt(outcomes.n_items)
    kept = np.abs(between) > STANDS_OUT * error
    first, second, between = first[kept], second[kept], between[kept]
    squared = np.zeros(len(outcomes.lf_of))
    identified = np.zeros(outcomes.n_lfs, np.bool_)
    starts = np.searchsorted(outcomes.lf_of, np.arange(outcomes.n_lfs + 1))
    for lf, (start, end) in enumerate(pairwise(starts.tolist())):
        others = np.flatnonzero((outcomes.lf_of[first] != lf) & (outcomes.lf_of[second] != lf))
        if start == end or not len(others):
            continue
        rows = outcomes.cov[start:end]
        ratios = rows[:, first[others]] * rows[:, second[others]] / between[others]
        squared[start:end] = np.median(ratios, axis=1)
        identified[lf] = True
    gamma = np.sqrt(np.maximum(squared, 0)) * np.where(direction < 0, -1.0, 1.0)
    return _refined(outcomes, gamma), identified


def _refined(outcomes: Outcomes, start: NDArray[np.float64]) -> NDArray[np.float64]:
    """γ `(d,)` that fits all pairs at once, C = γ γᵀ, by Huber's M-estimate.

    Where pairs are many it is as robust as medians, for then every misfit is many errors large; where
    functions seldom meet, most products of two covariances are noise, whose median is near zero, and it is
    least squares.
    """
    spread, others = outcomes.spread, outcomes.lf_of[:, None] != outcomes.lf_of
    return rank_one(
        outcomes.cov,
        np.where(others, 1 / spread**2, 0.0),
        start,
        error=covariance_errors(spread, outcomes.n_items),
        max_iter=_MOST_STEPS,
        tol=_ENOUGH * float(np.abs(start).max(initial=0.0)),
    )


def covariance_errors(spread: NDArray[np.float64], n_items: NDArray[np.float64] | int) -> NDArray[np.float64]:
    """The standard errors of covariances of independent indicators, `(d, d)`.

    Parameters
    ----------
    spread : (d,) float64 array
        The standard deviation of each indicator.
    n_items : (d, d) float64 array or int
        The items that each covariance stems from, at least one.
    """
    # One meeting of two functions that hardly ever meet is no outlier: never less than one item is expected.
    return np.asarray(np.sqrt(np.outer(spread, spread) ** 2 / n_items + 1 / np.square(n_items)), np.float64)


def leading(outcomes: Outcomes) -> NDArray[np.float64]:
    """The leading eigenvector of the correlations between functions, `(d,)`; its sign is arbitrary."""
    d = len(outcomes.lf_of)
    scaled = outcomes.cov / np.outer(outcomes.spread, outcomes.spread)
    if d <= _SMALL or not scaled.any():
        return np.asarray(np.linalg.eigh(scaled)[1][:, -1] if d else np.zeros(0), np.float64)
    # A fixed start, so that equal statistics give equal models; not of ones, which the outcomes of functions that all
    # vote for both classes equally often add up to nothing with.
    return np.asarray(eigsh(scaled, k=1, which="LA", v0=np.linspace(1, 2, d))[1][:, 0], np.float64)


def _anchors(outcomes: Outcomes, direction: NDArray[np.float64]) -> NDArray[np.int64]:
    """The strongest outcome of each of the strongest functions."""
    order = np.argsort(-np.abs(direction), kind="stable")
    _, strongest = np.unique(outcomes.lf_of[order], return_index=True)
    return order[np.sort(strongest)[:MOST_ANCHORS]]


def check_counted_pairs(moments: object, what: str) -> None:
    """Refuse anything but moments; `what` is made from them, as "this label model is fitted".

    Raises
    ------
    IncompatibleStatistics
        With what came instead, and how to get moments from it.
    """
    if not isinstance(moments, Moments):
        how = (
            "of both = moments_of(patterns) give both.pairs, to a fit also triples=both.triples."
            if isinstance(moments, BothMoments)
            else "count them first: sparkws.labelmodels.moments_of(patterns).pairs."
        )
        raise IncompatibleStatistics(f"{what} from moments, got {type(moments).__name__}; {how}")


def check_moments(moments: Moments, cardinality: int) -> None:
    """Refuse moments that no model can be fitted from.

    Raises
    ------
    IncompatibleStatistics
        If they are none, or of another number of classes.
    NothingToFit
        If no function votes.
    """
    check_counted_pairs(moments, "this label model is fitted")
    if moments.cardinality != cardinality:
        raise IncompatibleStatistics(
            f"the moments have {moments.cardinality} classes, the label model {cardinality}; make them equal."
        )
    if not len(moments.cells):
        raise NothingToFit(f"none of the {moments.n_items:,} items has a vote; check that the labeling functions fire.")
