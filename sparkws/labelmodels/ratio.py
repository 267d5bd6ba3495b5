"""Does a joint table of two functions explain the votes better than two tables? By likelihood, on pattern counts.

All other functions tell what an item's class may be, so the votes of a pair are seen beside soft labels that
do not depend on them: those of a fit in which the pair's whole group is one variable, without that variable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sparkws.labelmodels.balance import volume
from sparkws.labelmodels.em import count_votes, make_rows
from sparkws.labelmodels.estimate import climb, majority_shares
from sparkws.labelmodels.posterior import log_scores, normalize
from sparkws.labelmodels.recoding import make_recoding, recode_problem
from sparkws.stats.patterns import Patterns, collapse, unpack
from sparkws.vocab import ABSTAIN

_FIT_STEPS: Final = 100
_STEPS: Final = 200
_LEAST_GAIN: Final = 1e-3  # of log-likelihood, where the threshold is some units
_GRID: Final = 64  # soft labels are rounded to 64ths: few distinct ones are left, and the ratio hardly moves


@dataclass(frozen=True)
class Ratio:
    """Twice the gain in log-likelihood, and the probability that chance makes as large a one."""

    value: float
    p_value: float


def likelihood_ratios(
    patterns: Patterns, groups: Sequence[Sequence[str]], pairs: Sequence[tuple[str, str]], *, use_abstain: bool
) -> list[Ratio]:
    """The ratio of each pair.

    Parameters
    ----------
    patterns : Patterns
        Whole counts.
    groups : sequence of sequences of str
        Functions that depend on each other; both of a pair are in one group.
    pairs : sequence of pairs of str
    use_abstain : bool
        Whether abstaining is an outcome; if not, only items count on which both voted.
    """
    flat = collapse(patterns, keep_gold=False)
    L, counts, k = unpack(flat), flat.counts, flat.cardinality
    votes = count_votes(L, counts, k)
    where = {name: j for j, name in enumerate(flat.lf_names)}
    indexed = [sorted(where[name] for name in group) for group in groups]
    recoding = make_recoding(L, indexed, votes, use_abstain=use_abstain)
    V, _ = recoding.apply(L)
    spoken = volume(L, counts, k)
    problem = recode_problem(recoding, V, counts, votes, None, spoken, use_abstain=use_abstain, smoothing=1.0)
    rows = make_rows(V, counts, None, recoding.n_outcomes)
    found = climb(
        rows, problem, majority_shares(L, k), "estimate", max_iter=_FIT_STEPS, least_gain=1e-7 * problem.n_votes
    )
    ratios = []
    for a, b in pairs:
        i, j = where[a], where[b]
        group = next(set(columns) for columns in indexed if i in columns)
        others = [at for at, columns in enumerate(recoding.columns) if not group & set(columns)]
        q = normalize(log_scores(V[:, others], found.cpt[others], found.class_balance, use_abstain=use_abstain))[0]
        ratios.append(_ratio(L[:, i], L[:, j], q, counts, use_abstain=use_abstain))
    return ratios


def _ratio(
    first: NDArray[np.int8],
    second: NDArray[np.int8],
    q: NDArray[np.float64],
    counts: NDArray[np.int64],
    *,
    use_abstain: bool,
) -> Ratio:
    taken = np.flatnonzero(use_abstain | ((first != ABSTAIN) & (second != ABSTAIN)))
    _, a = np.unique(first[taken], return_inverse=True)
    _, b = np.unique(second[taken], return_inverse=True)
    if not len(taken) or not a.max() or not b.max():
        return Ratio(0.0, 1.0)
    n_a, n_b = int(a.max()) + 1, int(b.max()) + 1
    rounded = np.rint(q[taken] * _GRID)
    keys, at = np.unique(np.column_stack([a * n_b + b, rounded]), axis=0, return_inverse=True)
    weights = np.bincount(at.ravel(), weights=counts[taken]).astype(np.float64)
    soft = keys[:, 1:] + 0.5
    soft /= soft.sum(axis=1, keepdims=True)
    both = keys[:, 0].astype(np.int64)
    joint = _climb([both], [n_a * n_b], soft, weights)
    apart = _climb([both // n_b, both % n_b], [n_a, n_b], soft, weights)
    value = max(2 * (joint - apart), 0.0)
    return Ratio(value, float(stats.chi2.sf(value, q.shape[1] * (n_a - 1) * (n_b - 1))))


def _climb(
    votes: Sequence[NDArray[np.int64]],
    n_outcomes: Sequence[int],
    soft: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> float:
    """The highest log-likelihood of votes beside soft labels `(r, k)` that are given, each vote with its own table."""
    q, best = soft, -np.inf
    for _ in range(_STEPS):
        expected = weights[:, None] * q
        product = soft
        for vote, n in zip(votes, n_outcomes, strict=True):
            table = np.stack([np.bincount(vote, weights=column, minlength=n) for column in expected.T], axis=1)
            product = product * (table / np.maximum(table.sum(axis=0), 1e-300))[vote]
        total = product.sum(axis=1)
        reached = float(weights @ np.log(np.maximum(total, 1e-300)))
        if reached - best < _LEAST_GAIN:
            return max(reached, best)
        best, q = reached, product / np.maximum(total, 1e-300)[:, None]
    return best
