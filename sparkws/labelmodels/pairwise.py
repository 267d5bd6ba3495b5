"""What pairs of votes tell where abstaining means that a function was not asked, as workers of a crowd are not.

Who is asked about which item then has nothing to do with its class, but it would fill covariances over all items.
What counts are the items that both functions voted on: of a pair i, j there are N_ij, and for two classes
E[([λ_i = a] - q_ia) ([λ_j = b] - q_jb)] = π (1 - π) δ_ia δ_jb on these, where q_ia is the share of a among the votes
of i and δ_ia = P(λ_i = a | 1) - P(λ_i = a | 0), given that i votes. A pair counts by how often it met. Pairs that
met once or twice tell something too: the shares are those of all votes of a function, not of the items of the pair.

These are pairwise-complete estimates, as statistics calls them. Functions that met others seldom are shrunk toward the
mean of all.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from sparkws.labelmodels.covariances import Outcomes, covariance_errors, toward_one
from sparkws.labelmodels.em import Expected, m_step, make_problem
from sparkws.labelmodels.estimate import Abstain, may_tell
from sparkws.labelmodels.rankone import rank_one
from sparkws.labelmodels.tables import PRIOR_ACCURACY, Soft
from sparkws.stats.moments import Moments

# The spread of the correlations of votes with the class around their mean: accuracies around .75 then have one of .1.
_SPREAD: Final = 0.2
# A standard error of one half, of a correlation between 0 and 1, tells nothing.
_LARGEST_CORRELATION_ERROR: Final = 0.5
_ROUNDS: Final = 30  # of the mean: it moves little after the first few
_MOST_STEPS, _ENOUGH = 50, 1e-9
_FAINT: Final = 1e-12
_LEAST_CORRELATION: Final = 0.1  # below, volume tells of the balance next to nothing


Meaning = Literal["outcome", "missing"]


def abstain_meaning(abstain: Abstain, moments: Moments) -> Meaning:
    """What abstaining means, "auto" by whether there are functions of a single class."""
    if abstain == "auto":
        return "outcome" if may_tell(votes_by_class(moments)) else "missing"
    return abstain


def shares_of(moments: Moments) -> NDArray[np.float64]:
    """The share of each vote among those of its function, `(m, s)`."""
    return np.asarray(moments.votes / np.maximum(moments.votes.sum(axis=1, keepdims=True), 1), np.float64)


@dataclass(frozen=True, eq=False)
class PairwiseComplete:
    """How outcomes vary together on the items that two functions both voted on.

    Attributes
    ----------
    outcomes : Outcomes
        Votes only. Shares are those among the votes of a function.
    met : (m, m) float64 array
        How many items two functions both voted on; zero of a function with itself.
    """

    outcomes: Outcomes
    met: NDArray[np.float64]

    @property
    def pairs(self) -> NDArray[np.float64]:
        """The items behind each covariance, `(d, d)`."""
        return self.met[np.ix_(self.outcomes.lf_of, self.outcomes.lf_of)]


def pairwise_complete(moments: Moments) -> PairwiseComplete:
    """The votes that the moments count, by function."""
    m, lf = len(moments.lf_names), moments.lf_of
    belongs = np.equal(np.arange(m)[:, None], lf).astype(np.float64)  # (m, c)
    beside = moments.gram @ belongs.T  # (c, m): votes on items that another function voted on too
    met = belongs @ beside
    np.fill_diagonal(met, 0.0)
    often = np.diagonal(moments.gram).astype(np.float64)
    share = often / np.maximum(moments.votes.sum(axis=1)[lf], 1)
    pairs = met[np.ix_(lf, lf)]
    around = beside[:, lf] * share  # (c, c): vote a beside function j, times the share of its vote b
    centered = moments.gram - around - around.T + np.outer(share, share) * pairs
    cov = np.divide(centered, pairs, out=np.zeros_like(pairs), where=pairs > 0)
    outcomes = Outcomes(m, moments.n_items, lf, moments.vote_of + 1, share, cov, toward_one(moments))
    return PairwiseComplete(outcomes, met)


def pairwise_differences(pairwise: PairwiseComplete) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """√(π (1 - π)) δ of each outcome `(d,)`, and whether each function is identified `(m,)`.

    A weighted fit of all pairs, as robust as `scaled_differences`, that shrinks the correlations of votes with the
    class toward their mean: see `_shrunk_to_mean`. A function is identified if two others that it met also met each
    other, its correlation has a standard error below one half, and it does not always vote the same.
    """
    outcomes, pairs = pairwise.outcomes, pairwise.pairs
    # Over the votes b of one function, N γ_b² / q_b adds up to N ρ² for two votes, and not to twice that.
    weights = pairs / outcomes.share
    error = covariance_errors(outcomes.spread, np.maximum(pairs, 1))
    gamma, known = _shrunk_to_mean(outcomes.cov, weights, outcomes.spread, np.sign(outcomes.toward), error)
    enough = np.zeros(outcomes.n_lfs, np.bool_)
    enough[outcomes.lf_of[(known >= _LARGEST_CORRELATION_ERROR**-2) & (outcomes.share < 1)]] = True
    return gamma, enough & in_triangles(pairwise.met > 0)


def agreement_accuracies(moments: Moments) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How often each function is right if it errs equally often in all classes and in any way alike, `(m,)`.

    Such functions agree on a share 1/k + (1 - 1/k) ρ_i ρ_j of the items that both voted on, whatever the class
    balance, with ρ = (accuracy - 1/k) / (1 - 1/k): pairs identify that for any number of classes. Shrinking
    toward the mean and what is identified are as in `pairwise_differences`.
    """
    k, m = moments.cardinality, len(moments.lf_names)
    label, lf = moments.label_of, moments.lf_of
    belongs = (np.equal(np.arange(m)[:, None], lf) & (label >= 0)).astype(np.float64)  # (m, c)
    met = belongs @ moments.gram @ belongs.T
    agree = np.zeros((m, m))
    for y in range(k):
        of_class = np.flatnonzero(label == y)
        own = belongs[:, of_class]
        agree += own @ moments.gram[np.ix_(of_class, of_class)] @ own.T
    np.fill_diagonal(agree, 0.0)
    np.fill_diagonal(met, 0.0)
    above = np.divide(agree, met, out=np.full_like(met, 1 / k), where=met > 0) - 1 / k
    # Votes that know nothing agree on a share 1/k: its variance, over (1 - 1/k)², is 1 / (k - 1).
    pairs = met * (k - 1)
    one = np.ones(m)
    error = covariance_errors(one, np.maximum(pairs, 1))
    rho, known = _shrunk_to_mean(above / (1 - 1 / k), pairs, one, one, error)
    return 1 / k + (1 - 1 / k) * rho, (known >= _LARGEST_CORRELATION_ERROR**-2) & in_triangles(met > 0)


def one_coin_balance(moments: Moments) -> NDArray[np.float64]:
    """The class balance `(k,)` that the volume of votes would come from if functions erred equally in all classes.

    Volume is nearer to uniform than the balance, the more so the more errors there are.
    """
    k, voted = moments.cardinality, moments.votes.sum(axis=1)
    says = moments.says
    spoken = moments.votes.sum(axis=0) if says is None else np.einsum("js,jsy->y", moments.votes, says)
    rho = (np.average(agreement_accuracies(moments)[0], weights=voted) - 1 / k) / (1 - 1 / k)
    volume = spoken / spoken.sum()
    balance = np.clip((volume - (1 - rho) / k) / max(rho, _LEAST_CORRELATION), 0, None) + 1 / (k * voted.max())
    return np.asarray(balance / balance.sum(), np.float64)


def _shrunk_to_mean(
    target: NDArray[np.float64],
    weights: NDArray[np.float64],
    spread: NDArray[np.float64],
    side: NDArray[np.float64],
    error: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """u `(d,)` with C = u uᵀ, and the inverse variance of each u_i / spread_i before it is shrunk, `(d,)`.

    u_i / (side_i spread_i), the correlation of a vote with the class, is shrunk toward the mean of all, which is
    estimated too, as if correlations had a spread of .2 around it: one that pairs tell with an error of .2 goes half
    the way, one from thousands of meetings stays.

    Parameters
    ----------
    target : (d, d) float64 array
        C: covariances of the d outcomes, or what takes their place for d = m functions, correlations.
    weights : (d, d) float64 array
        The items of each pair, so divided that Σ_j weights_ij u_j² is the inverse variance of u_i / spread_i.
    spread : (d,) float64 array
        The largest size of u: standard deviations of the outcomes; ones for correlations.
    side : (d,) float64 array in {-1, 0, 1}
        The sign that u has if the vote is better than chance; 0 of votes that speak for no class.
    error : (d, d) float64 array
        The standard errors of C.
    """
    mean = 2 * PRIOR_ACCURACY - 1
    u = mean * side * spread
    weighted = weights * target
    # Least squares first: from far off, Huber's weights are as slow as least absolute values.
    for robust in (None, error):
        for _ in range(_ROUNDS):
            u = rank_one(
                target,
                weights,
                u,
                prior=mean * side * spread,
                prior_precision=_SPREAD**-2,
                lowest=-spread,
                highest=spread,
                error=robust,
                max_iter=_MOST_STEPS,
                tol=_ENOUGH,
            )
            known = weights @ u**2
            told = np.divide(weighted @ u, known * spread, out=np.zeros_like(u), where=known * spread > 0)
            of_mean = np.where(known * spread > 0, np.abs(side) / (_SPREAD**2 + 1 / np.maximum(known, _FAINT)), 0.0)
            if not of_mean.any():
                break
            before, mean = mean, float(np.average(np.clip(told * side, -1, 1), weights=of_mean))
            if abs(mean - before) <= _ENOUGH:
                break
    return u, known


def votes_by_class(moments: Moments) -> NDArray[np.int64]:
    """How often each function voted for each class, `(m, k)`; cells that are for none do not count."""
    votes = np.zeros((len(moments.lf_names), moments.cardinality), np.int64)
    clear = moments.label_of >= 0
    np.add.at(votes, (moments.lf_of[clear], moments.label_of[clear]), np.diagonal(moments.gram)[clear])
    return votes


def in_triangles(linked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which functions are linked with two others that are linked with each other, `(m,)`, from `(m, m)`."""
    link = linked.astype(np.float64)
    np.fill_diagonal(link, 0.0)
    return np.asarray(((link @ link) * link).any(axis=1), np.bool_)


def pairwise_tables(
    given_voted: NDArray[np.float64],
    votes: NDArray[np.int64],
    n_items: int,
    class_balance: NDArray[np.float64],
    smoothing: float,
    soft: Soft,
) -> NDArray[np.float64]:
    """Tables `(m, s + 1, k)` from estimates P(vote | class, voted) `(m, s, k)` that may be out of bounds.

    Smoothed as those of `DawidSkene` with abstaining as missing: by pseudo-votes of accuracy .7 for each class. In
    all classes a function votes equally often.
    """
    inside = np.clip(given_voted, 0, None)
    inside /= np.maximum(inside.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    problem = make_problem(
        votes, n_items, class_balance, class_balance, use_abstain=False, smoothing=smoothing, soft=soft
    )
    expected = votes.sum(axis=1)[:, None, None] * inside * class_balance
    # (m, s, k) -> (m s, k)
    cast = expected.reshape(-1, len(class_balance))
    return m_step(problem, Expected(cast, class_balance, class_balance))[0]
