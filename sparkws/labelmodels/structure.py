"""Which functions depend on each other once the class is known, with the evidence.

The search explains the pair tables by low rank (see `residuals`) and by as few dependent pairs as it can.
Dependent functions draw the low rank towards themselves, so it is fitted without the pairs that are thought
to be dependent, from several starts: none, and the more and more strongly correlated ones. Each start is
repeated until the pairs whose tables deviate by more than chance are the pairs left out, and the one with
the least misfit wins, a dependent pair counting as the largest misfit that chance could make.

What chance makes is known, so no threshold has to be set: all pairs together deviate falsely with a
probability of `false_rate`. With pattern counts a pair must also be confirmed by likelihood (see `ratio`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sparkws.checks import first_few
from sparkws.errors import ConfigError
from sparkws.labelmodels.balance import single_class_share
from sparkws.labelmodels.estimate import SOME_SINGLE_CLASS, Abstain
from sparkws.labelmodels.ratio import likelihood_ratios
from sparkws.labelmodels.residuals import Pairs, excess, low_rank, misfit, pair_tables
from sparkws.labelmodels.sparse import sparse_part
from sparkws.stats.moments import Moments, of_patterns
from sparkws.stats.patterns import Patterns

MAX_GROUP: Final = 6
FEWEST_GROUPS: Final = 3  # of functions that are all one or two groups, nothing tells the class
_STARTS: Final = (0.0, 0.02, 0.05, 0.1, 0.15, 0.25, 0.4)  # shares of the pairs, the most strongly correlated
_FEW_STARTS: Final = (0.0, 0.02, 0.1)
_MANY_CELLS: Final = 600
_ROUNDS: Final = 8


@dataclass(frozen=True, kw_only=True)
class Edge:
    """Two functions that depend on each other given the class.

    Attributes
    ----------
    a, b : str
    excess : float
        The correlation of the pair of votes that deviates most, less what the class explains.
    misfit, p_value : float
        Of the pair's table, and the probability that chance makes as large a one.
    likelihood_ratio : float or None
        Twice the gain in log-likelihood of a joint table of both; None without patterns.
    sparse : float or None
        Of the sparse part of the inverse covariance; None where it was not computed.
    shared : tuple of str
        Columns and resources that both read: a hint, not evidence.
    """

    a: str
    b: str
    excess: float
    misfit: float
    p_value: float
    likelihood_ratio: float | None = None
    sparse: float | None = None
    shared: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """Groups of dependent functions.

    Attributes
    ----------
    lf_names : tuple of str
    abstain : {"outcome", "missing"}
        What the pair tables count: all items, or those on which both voted.
    edges : tuple of Edge
        Within groups, the strongest first.
    cut : tuple of Edge
        Left out because a group would have become too large, or too few groups would have been left.
    groups : tuple of tuples of str
        What edges connect, functions in their order; no group of one.
    max_group : int
    """

    lf_names: tuple[str, ...]
    abstain: Literal["outcome", "missing"]
    edges: tuple[Edge, ...]
    cut: tuple[Edge, ...]
    groups: tuple[tuple[str, ...], ...]
    max_group: int

    def to_plain(self) -> dict[str, Any]:
        """As plain values, for reports."""
        return {
            "abstain": self.abstain,
            "groups": [list(group) for group in self.groups],
            "edges": [asdict(edge) for edge in self.edges],
            "cut": [asdict(edge) for edge in self.cut],
            "max_group": self.max_group,
            "message": self.message,
        }

    @property
    def message(self) -> str:
        """What was found, in plain words."""
        if not self.edges and not self.cut:
            return "No two labeling functions depend on each other beyond the class."
        said = f"{len(self.groups)} groups of labeling functions that repeat each other: {first_few(self.groups)}."
        if self.cut:
            names = [(edge.a, edge.b) for edge in self.cut]
            said += (
                f" {first_few(names)} depend too, but a group has at most {self.max_group} members, and "
                f"{FEWEST_GROUPS} groups must be left to tell the class."
            )
        return said


def learn_dependencies(
    statistics: Moments | Patterns,
    *,
    abstain: Abstain = "auto",
    false_rate: float = 0.01,
    least_excess: float = 0.05,
    max_group: int = MAX_GROUP,
    reads: Mapping[str, Collection[str]] | None = None,
) -> Dependencies:
    """The groups of dependent functions.

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
        The columns and resources that each function reads.

    Raises
    ------
    ConfigError
        If an option is out of range.
    """
    if not 0 < false_rate < 1 or max_group < 2:
        raise ConfigError(f"false_rate must be in 0..1 and max_group at least 2, got {false_rate!r} and {max_group!r}.")
    moments = of_patterns(statistics) if isinstance(statistics, Patterns) else statistics
    use_abstain = abstain == "outcome"
    if abstain == "auto":
        use_abstain = single_class_share(moments.votes) >= SOME_SINGLE_CLASS
    pairs = pair_tables(moments, use_abstain=use_abstain)
    found = _search(pairs, moments.cardinality - 1, false_rate, least_excess)
    edges = _edges(found, moments, reads or {})
    kept, _ = _grow(edges, max_group, len(moments.lf_names))
    if isinstance(statistics, Patterns) and kept:
        ratios = likelihood_ratios(statistics, _closure(kept), [(e.a, e.b) for e in kept], use_abstain=use_abstain)
        told = {(e.a, e.b): ratio for e, ratio in zip(kept, ratios, strict=True)}
        refuted = {pair for pair, ratio in told.items() if ratio.p_value > false_rate}
        edges = [
            replace(e, likelihood_ratio=told[e.a, e.b].value) if (e.a, e.b) in told else e
            for e in edges
            if (e.a, e.b) not in refuted
        ]
    kept, cut = _grow(edges, max_group, len(moments.lf_names))
    order = {name: j for j, name in enumerate(moments.lf_names)}
    groups = sorted(tuple(sorted(group, key=order.__getitem__)) for group in _closure(kept))
    return Dependencies(
        lf_names=moments.lf_names,
        abstain="outcome" if use_abstain else "missing",
        edges=tuple(kept),
        cut=tuple(cut),
        groups=tuple(sorted(groups, key=lambda group: order[group[0]])),
        max_group=max_group,
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """One end of the search."""

    dependent: NDArray[np.bool_]
    misfit: NDArray[np.float64]
    free: NDArray[np.float64]
    excess: NDArray[np.float64]
    cost: float


def _search(pairs: Pairs, rank: int, false_rate: float, least_excess: float) -> _Found:
    m = len(pairs.n_outcomes)
    above = np.triu_indices(m, 1)
    strength = pairs.per_pair(pairs.correlation**2)[above]
    strongest = np.argsort(-strength, kind="stable")
    level = false_rate / max(len(strength), 1)
    ends: dict[int, _Found] = {}
    for share in _STARTS if len(pairs.lf_of) <= _MANY_CELLS else _FEW_STARTS:
        n = int(np.ceil(share * len(strength)))
        if n not in ends and len(pairs.lf_of):
            masked = np.zeros((m, m), np.bool_)
            masked[above[0][strongest[:n]], above[1][strongest[:n]]] = True
            ends[n] = _settle(pairs, masked | masked.T, rank, level, least_excess)
    none = np.zeros((m, m))
    return min(ends.values(), key=lambda end: end.cost, default=_Found(none > 0, none, none + 1, none, 0.0))


def _settle(pairs: Pairs, masked: NDArray[np.bool_], rank: int, level: float, least_excess: float) -> _Found:
    """From a start to where the pairs left out are those that deviate."""
    above = np.triu_indices(len(masked), 1)
    visited: list[bytes] = []
    best: _Found | None = None
    U = None
    for _ in range(_ROUNDS):
        U, information = low_rank(pairs, masked, rank, U)
        deviation, free = misfit(pairs, U, information, masked)
        most_by_chance = _quantiles(level, free)
        beyond = excess(pairs, U)
        dependent = (deviation > most_by_chance) & (np.abs(beyond) > least_excess)
        cost = float(np.where(masked, most_by_chance, np.minimum(deviation, most_by_chance))[above].sum())
        if best is None or cost < best.cost:
            best = _Found(dependent, deviation, free, beyond, cost)
        if np.array_equal(dependent, masked):
            break
        visited.append(masked.tobytes())
        masked = dependent | masked if dependent.tobytes() in visited else dependent
    assert best is not None
    return best


def _quantiles(level: float, free: NDArray[np.float64]) -> NDArray[np.float64]:
    """What χ² exceeds with a probability of `level`, for each number of degrees of freedom."""
    few, at = np.unique(free, return_inverse=True)
    return np.asarray(np.asarray(stats.chi2.isf(level, few))[at].reshape(free.shape), np.float64)


def _edges(found: _Found, moments: Moments, reads: Mapping[str, Collection[str]]) -> list[Edge]:
    names = moments.lf_names
    sparse = sparse_part(moments) if found.dependent.any() else None
    edges = []
    for i, j in np.argwhere(np.triu(found.dependent, 1)).tolist():
        shared = set(reads.get(names[i], ())) & set(reads.get(names[j], ()))
        edges.append(
            Edge(
                a=names[i],
                b=names[j],
                excess=float(found.excess[i, j]),
                misfit=float(found.misfit[i, j]),
                p_value=float(stats.chi2.sf(found.misfit[i, j], found.free[i, j])),
                sparse=None if sparse is None else float(sparse[i, j]),
                shared=tuple(sorted(shared)),
            )
        )
    return sorted(edges, key=lambda edge: (-abs(edge.excess), edge.a, edge.b))


def _grow(edges: Sequence[Edge], max_group: int, n_lfs: int) -> tuple[list[Edge], list[Edge]]:
    """The edges that may connect functions, the strongest taken first, and the others."""
    group: dict[str, frozenset[str]] = {}
    kept, cut = [], []
    n_groups = n_lfs
    for edge in edges:
        parts = {group.get(name, frozenset([name])) for name in (edge.a, edge.b)}
        union = frozenset().union(*parts)
        if len(union) > max_group or n_groups + 1 - len(parts) < FEWEST_GROUPS:
            cut.append(edge)
            continue
        kept.append(edge)
        n_groups += 1 - len(parts)
        group |= dict.fromkeys(union, union)
    return kept, cut


def _closure(edges: Sequence[Edge]) -> list[tuple[str, ...]]:
    """What edges connect."""
    group: dict[str, frozenset[str]] = {}
    for edge in edges:
        union = group.get(edge.a, frozenset([edge.a])) | group.get(edge.b, frozenset([edge.b]))
        group |= dict.fromkeys(union, union)
    return [tuple(sorted(members)) for members in set(group.values())]
