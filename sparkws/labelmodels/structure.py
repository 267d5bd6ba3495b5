"""Which functions depend on each other once the class is known, with the evidence.

The search explains the pair tables by low rank (see `residuals`) and by as few dependent pairs as it can.
Dependent functions draw the low rank towards themselves, so it is fitted without the pairs that are thought
to be dependent, from several starts: none, and the more and more strongly correlated ones. Each start is
repeated until the pairs whose tables deviate by more than chance are the pairs left out, and the one with
the least misfit wins, a dependent pair counting as the largest misfit that chance could make. Functions that
vote alike on practically all items are left out from every start on: a few copies explain each other so well
that they would pass for the class.

What chance makes is known, so no threshold has to be set: all pairs together deviate falsely with a
probability of `false_rate`. Half of it goes to the pairs of which it is known that both read something that
not all functions read, so that they need less evidence (Genovese, Roeder and Wasserman 2006, Biometrika 93).
With pattern counts a pair must also be confirmed by likelihood (see `ratio`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sparkws.errors import ConfigError
from sparkws.labelmodels.balance import single_class_share
from sparkws.labelmodels.copies import alike_pairs
from sparkws.labelmodels.covariances import check_counted_pairs
from sparkws.labelmodels.edges import MAX_GROUP, Dependencies, Edge, closure, grow
from sparkws.labelmodels.estimate import SOME_SINGLE_CLASS, Abstain
from sparkws.labelmodels.ratio import likelihood_ratios
from sparkws.labelmodels.residuals import Pairs, excess, low_rank, meeting, misfit, pair_tables
from sparkws.labelmodels.sparse import sparse_part
from sparkws.stats import moments as pairwise
from sparkws.stats import patterns as counting
from sparkws.stats.moments import Moments, of_patterns
from sparkws.stats.patterns import Patterns

_STARTS: Final = (0.0, 0.02, 0.05, 0.1, 0.15, 0.25, 0.4)  # shares of the pairs, the most strongly correlated
_FEW_STARTS: Final = (0.0, 0.02, 0.1)
_MANY_CELLS: Final = 600
_ROUNDS: Final = 8


def learn_dependencies(
    statistics: Moments | Patterns,
    *,
    abstain: Abstain = "auto",
    false_rate: float = 0.01,
    least_excess: float = 0.05,
    max_group: int = MAX_GROUP,
    reads: Mapping[str, Collection[str]] | None = None,
) -> Dependencies:
    """The groups of dependent functions; those that vote with a probability are in none.

    Parameters
    ----------
    statistics : Moments or Patterns
        Patterns confirm each pair by likelihood.
    abstain : {"auto", "outcome", "missing"}
        What abstaining means; "auto" is "outcome" where functions of a single class cast a tenth of the
        votes or more.
    false_rate : float
        The probability of finding anything where there is nothing.
    least_excess : float
        A correlation below this is left alone, however certain: at a billion items everything is.
    max_group : int
        Larger groups are split at the weakest pairs.
    reads : mapping of str to collections of str, optional
        The columns and resources that each function reads; what all of them read tells nothing.

    Raises
    ------
    ConfigError
        If an option is out of range.
    IncompatibleStatistics
        If the statistics are neither moments nor patterns.
    """
    if not isinstance(statistics, Patterns):
        check_counted_pairs(statistics, "dependencies are learned")
    if not 0 < false_rate < 1 or max_group < 2:
        raise ConfigError(f"false_rate must be in 0..1 and max_group at least 2, got {false_rate!r} and {max_group!r}.")
    statistics = _of_classes(statistics)
    moments = of_patterns(statistics) if isinstance(statistics, Patterns) else statistics
    use_abstain = abstain == "outcome"
    if abstain == "auto":
        use_abstain = single_class_share(moments.votes) >= SOME_SINGLE_CLASS
    pairs = pair_tables(moments, use_abstain=use_abstain)
    varies = pairs.n_outcomes - pairs.use_abstain > 0
    meet = (pairs.n_both > 0) & varies & varies[:, None]
    shared = _shared(moments.lf_names, reads or {})
    level = _levels(pairs, shared, false_rate)
    found = _search(pairs, alike_pairs(moments, use_abstain=use_abstain), moments.cardinality - 1, level, least_excess)
    edges = _edges(found, moments, shared)
    kept, _ = grow(edges, max_group, moments.lf_names, meet)
    if isinstance(statistics, Patterns) and kept:
        ratios = likelihood_ratios(statistics, closure(kept), [(e.a, e.b) for e in kept], use_abstain=use_abstain)
        told = {(e.a, e.b): ratio for e, ratio in zip(kept, ratios, strict=True)}
        refuted = {pair for pair, ratio in told.items() if ratio.p_value > false_rate}
        edges = [
            replace(e, likelihood_ratio=told[e.a, e.b].value) if (e.a, e.b) in told else e
            for e in edges
            if (e.a, e.b) not in refuted
        ]
    kept, cut = grow(edges, max_group, moments.lf_names, meet)
    order = {name: j for j, name in enumerate(moments.lf_names)}
    groups = sorted(tuple(sorted(group, key=order.__getitem__)) for group in closure(kept))
    return Dependencies(
        lf_names=moments.lf_names,
        abstain="outcome" if use_abstain else "missing",
        edges=tuple(kept),
        cut=tuple(cut),
        groups=tuple(sorted(groups, key=lambda group: order[group[0]])),
        max_group=max_group,
        detectable=_detectable(pairs, level),
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """One end of the search."""

    dependent: NDArray[np.bool_]
    misfit: NDArray[np.float64]
    free: NDArray[np.float64]
    excess: NDArray[np.float64]
    meeting: NDArray[np.float64]
    cost: float


def _of_classes(statistics: Moments | Patterns) -> Moments | Patterns:
    """The statistics of the functions that vote for a class."""
    if not statistics.grids:
        return statistics
    chosen = [name for name in statistics.lf_names if name not in statistics.grids.of]
    if isinstance(statistics, Patterns):
        return counting.select(statistics, chosen)
    return pairwise.select(statistics, chosen)


def _shared(lf_names: Sequence[str], reads: Mapping[str, Collection[str]]) -> dict[tuple[int, int], tuple[str, ...]]:
    """What both functions of a pair read, without what all functions read."""
    if not reads:
        return {}
    own = [frozenset(reads.get(name, ())) for name in lf_names]
    by_all = frozenset.intersection(*own)
    common = {(i, j): own[i] & own[j] - by_all for i, j in combinations(range(len(own)), 2)}
    return {pair: tuple(sorted(names)) for pair, names in common.items() if names}


def _levels(pairs: Pairs, shared: Collection[tuple[int, int]], false_rate: float) -> NDArray[np.float64]:
    """The probability of a false alarm that each pair may have, `(m, m)`; over those that meet, the sum is the rate."""
    meet = pairs.n_both > 0
    hinted = np.zeros_like(meet)
    for i, j in shared:
        hinted[i, j] = hinted[j, i] = meet[i, j]
    n_meeting, n_hinted = (max(int(np.triu(chosen, 1).sum()), 1) for chosen in (meet, hinted))
    if not hinted.any():
        return np.full(meet.shape, false_rate / n_meeting)
    return np.where(hinted, false_rate / 2 / n_meeting + false_rate / 2 / n_hinted, false_rate / 2 / n_meeting)


def _detectable(pairs: Pairs, level: NDArray[np.float64]) -> float:
    """The correlation whose χ² is what chance may make, `n r²` with one degree of freedom; the median of the pairs."""
    meet = np.triu(pairs.n_both > 0, 1)
    if not meet.any():
        return 1.0
    return float(min(np.median(np.sqrt(stats.chi2.isf(level[meet], 1) / pairs.n_both[meet])), 1.0))


def _search(
    pairs: Pairs, alike: NDArray[np.bool_], rank: int, level: NDArray[np.float64], least_excess: float
) -> _Found:
    m = len(pairs.n_outcomes)
    above = np.triu_indices(m, 1)
    strength = pairs.per_pair(pairs.correlation**2)[above]
    # Pairs that never meet have no strength, and are the last.
    strongest = np.argsort(-strength, kind="stable")
    n_meeting = int((pairs.n_both[above] > 0).sum())
    ends: dict[int, _Found] = {}
    for share in _STARTS if len(pairs.lf_of) <= _MANY_CELLS else _FEW_STARTS:
        n = int(np.ceil(share * n_meeting))
        if n not in ends and len(pairs.lf_of):
            masked = np.zeros((m, m), np.bool_)
            masked[above[0][strongest[:n]], above[1][strongest[:n]]] = True
            ends[n] = _settle(pairs, masked | masked.T, alike, rank, level, least_excess)
    none = np.zeros((m, m))
    return min(ends.values(), key=lambda end: end.cost, default=_Found(none > 0, none, none + 1, none, none, 0.0))


def _settle(
    pairs: Pairs,
    masked: NDArray[np.bool_],
    alike: NDArray[np.bool_],
    rank: int,
    level: NDArray[np.float64],
    least_excess: float,
) -> _Found:
    """From a start to where the pairs left out are those that deviate, and those that vote alike."""
    above = np.triu_indices(len(masked), 1)
    masked = masked | alike
    visited: list[bytes] = []
    best: _Found | None = None
    U = None
    for _ in range(_ROUNDS):
        U, information = low_rank(pairs, masked, rank, U)
        deviation, free = misfit(pairs, U, information, masked)
        most_by_chance = _quantiles(level, free)
        beyond = excess(pairs, U)
        dependent = alike | (deviation > most_by_chance) & (np.abs(beyond) > least_excess)
        cost = float(np.where(masked, most_by_chance, np.minimum(deviation, most_by_chance))[above].sum())
        if best is None or cost < best.cost:
            best = _Found(dependent, deviation, free, beyond, meeting(pairs, U), cost)
        if np.array_equal(dependent, masked):
            break
        visited.append(masked.tobytes())
        masked = dependent | masked if dependent.tobytes() in visited else dependent
    assert best is not None
    return best


def _quantiles(level: NDArray[np.float64], free: NDArray[np.float64]) -> NDArray[np.float64]:
    """What χ² exceeds with the probability `level` of each pair, given its number of degrees of freedom."""
    exceeded = np.empty_like(free)
    for value in np.unique(level):
        here = level == value
        few, at = np.unique(free[here], return_inverse=True)
        exceeded[here] = np.asarray(stats.chi2.isf(value, few))[at]
    return exceeded


def _edges(found: _Found, moments: Moments, shared: Mapping[tuple[int, int], tuple[str, ...]]) -> list[Edge]:
    names = moments.lf_names
    sparse = sparse_part(moments) if found.dependent.any() else None
    edges = []
    for i, j in np.argwhere(np.triu(found.dependent, 1)).tolist():
        edges.append(
            Edge(
                a=names[i],
                b=names[j],
                excess=float(found.excess[i, j]),
                meeting=None if np.isnan(found.meeting[i, j]) else float(found.meeting[i, j]),
                misfit=float(found.misfit[i, j]),
                p_value=float(stats.chi2.sf(found.misfit[i, j], found.free[i, j])),
                sparse=None if sparse is None else float(sparse[i, j]),
                shared=shared.get((i, j), ()),
            )
        )
    return sorted(edges, key=lambda edge: (-abs(edge.excess), edge.a, edge.b))
