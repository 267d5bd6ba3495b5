"""Dependent pairs of functions with their evidence, and the groups that they make."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import first_few

MAX_GROUP: Final = 6
FEWEST_GROUPS: Final = 3  # where functions are one or two groups, nothing tells the class; see `grow`
AVOIDING: Final = 0.5  # of the common votes that the class explains: far fewer than chance leaves out
_SEVERAL: Final = "depend on each other"
_FEWEST_LFS: Final = 4  # three pairs are explained by a class however they depend


@dataclass(frozen=True, kw_only=True)
class Edge:
    """Two functions that depend on each other given the class.

    Attributes
    ----------
    a, b : str
    excess : float
        The correlation of the pair of votes that deviates most, less what the class explains; positive where
        the two agree more often than that.
    meeting : float or None
        How often both vote, as a multiple of what the class explains; None where only common votes were looked at.
    misfit, p_value : float
        Of the pair's table, and the probability that chance makes as large a one.
    likelihood_ratio : float or None
        Twice the gain in log-likelihood of a joint table of both; None without patterns.
    sparse : float or None
        Of the sparse part of the inverse covariance; None where it was not computed.
    shared : tuple of str
        Columns and resources that both read and not all functions do: a hint, not evidence.
    """

    a: str
    b: str
    excess: float
    misfit: float
    p_value: float
    likelihood_ratio: float | None = None
    sparse: float | None = None
    shared: tuple[str, ...] = ()
    meeting: float | None = None

    @property
    def how(self) -> str:
        """What the two do to each other, in plain words."""
        if self.meeting is not None and self.meeting < AVOIDING:
            return "avoid each other, so that where one votes the other does not"
        if self.excess < 0:
            return "contradict each other more than the class explains"
        return "repeat each other"


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """Groups of dependent functions.

    Attributes
    ----------
    lf_names : tuple of str
        The functions that were looked at: all that vote for a class, none that votes with a probability.
    abstain : {"outcome", "missing"}
        What the pair tables count: all items, or those on which both voted.
    edges : tuple of Edge
        Within groups, the strongest first.
    cut : tuple of Edge
        Left out because a group would have become too large, or too few groups that meet would have been left.
    groups : tuple of tuples of str
        What edges connect, functions in their order; no group of one.
    max_group : int
    detectable : float
        The correlation beyond the class that half of the pairs that meet would have had to show to be found: where
        it is large, that none was found says little.
    """

    lf_names: tuple[str, ...]
    abstain: Literal["outcome", "missing"]
    edges: tuple[Edge, ...]
    cut: tuple[Edge, ...]
    groups: tuple[tuple[str, ...], ...]
    max_group: int
    detectable: float = 0.0

    def to_plain(self) -> dict[str, Any]:
        """As plain values, for reports."""
        return {
            "abstain": self.abstain,
            "groups": [list(group) for group in self.groups],
            "edges": [asdict(edge) for edge in self.edges],
            "cut": [asdict(edge) for edge in self.cut],
            "max_group": self.max_group,
            "detectable": self.detectable,
            "message": self.message,
        }

    @property
    def message(self) -> str:
        """What was found, in plain words."""
        if not self.edges and not self.cut:
            n_lfs = len(self.lf_names)
            if n_lfs < _FEWEST_LFS:
                return (
                    f"Whether labeling functions depend on each other was not looked at: that takes {_FEWEST_LFS} "
                    f"that vote for a class, and there {'is' if n_lfs == 1 else 'are'} {n_lfs}."
                )
            return (
                f"Of the {n_lfs} labeling functions looked at, no two were found to depend on each other beyond the "
                f"class; less than a correlation of about {self.detectable:.2f} would not be seen."
            )
        of_kind: dict[str, list[tuple[str, ...]]] = {}
        for group in self.groups:
            how = {edge.how for edge in self.edges if edge.a in group}
            of_kind.setdefault(how.pop() if len(how) == 1 else _SEVERAL, []).append(group)
        said = " ".join(
            f"{'A group' if len(groups) == 1 else f'{len(groups)} groups'} of labeling functions that {how}: "
            f"{first_few(groups)}."
            for how, groups in of_kind.items()
        )
        if self.cut:
            names = [(edge.a, edge.b) for edge in self.cut]
            said += (
                f" {first_few(names)} depend too, but a group has at most {self.max_group} members, and "
                f"{FEWEST_GROUPS} groups that meet must be left to tell the class."
            )
        return said


def grow(
    edges: Sequence[Edge], max_group: int, lf_names: Sequence[str], meet: NDArray[np.bool_]
) -> tuple[list[Edge], list[Edge]]:
    """The edges that may connect functions, the strongest taken first, and the others.

    A group must leave two others that it meets and that meet each other: groups of functions that never vote on
    the same items, like teams of a crowd, tell nothing about each other's accuracy.

    Parameters
    ----------
    edges : sequence of Edge
    max_group : int
    lf_names : sequence of str
        The m functions.
    meet : (m, m) bool array
        The pairs of functions whose common table tells something.
    """
    place = {name: j for j, name in enumerate(lf_names)}
    group_of = np.arange(len(lf_names))
    kept, cut = [], []
    for edge in edges:
        ends = group_of[[place[edge.a], place[edge.b]]]
        if ends[0] != ends[1]:
            union = np.isin(group_of, ends)
            others = np.flatnonzero(meet[union].any(axis=0) & ~union)
            apart = group_of[others][:, None] != group_of[others]
            if union.sum() > max_group or not (meet[np.ix_(others, others)] & apart).any():
                cut.append(edge)
                continue
            group_of[union] = ends[0]
        kept.append(edge)
    return kept, cut


def closure(edges: Sequence[Edge]) -> list[tuple[str, ...]]:
    """What edges connect."""
    group: dict[str, frozenset[str]] = {}
    for edge in edges:
        union = group.get(edge.a, frozenset([edge.a])) | group.get(edge.b, frozenset([edge.b]))
        group |= dict.fromkeys(union, union)
    return [tuple(sorted(members)) for members in set(group.values())]
