"""Votes that are right with a precision of their own: for many sparse functions that vote one class each.

Such functions overlap little, and their abstentions are not independent evidence. A vote for l then is right
with P(Y = l | vote l) = a, errors spread over the other classes as they are voted, and items get what their
votes say. With one fixed precision the classes that are voted rarely win conflicts, where majority vote ties.

Precisions are learned from how often two votes meet. With u = a - π and independence given the class,
P(vote l of j, vote l' of i) / (P(vote l of j) P(vote l' of i)) - 1 = u_jl u_il' B_ll', with
B_ll = 1 / (π_l (1 - π_l)) and B_ll' = -1 / ((1 - π_l) (1 - π_l')). How often a function agrees with the others would
tell something else: functions of one class agree by construction.

A vote with a probability declares P(y | vote), and is taken at its word: it adds log P(y | vote) / π_y. A vote for a
class declares nothing, so it has the precision of such votes.
"""

from collections.abc import Mapping
from typing import ClassVar, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_amounts
from sparkws.errors import ConfigError
from sparkws.labelmodels.balance import ClassBalance, known_balance, volume
from sparkws.labelmodels.em import check_fittable
from sparkws.labelmodels.rankone import rank_one
from sparkws.labelmodels.tables import (
    MAX_PRECISION,
    TABLES,
    Stored,
    TableModel,
    cell_table,
    fixed_precision,
    precision_tables,
    soft_cells,
)
from sparkws.stats import moments as pairs
from sparkws.stats.moments import Moments
from sparkws.stats.patterns import Patterns, collapse, unpack

# The spread of true precisions around the fixed one: a tenth, so that two of them reach from .55 to .95.
_PRIOR_VARIANCE: Final = 0.01
_MAX_ITER, _TOL = 1000, 1e-12
_MIN_PRECISION: Final = 0.01


class PrecisionVote(TableModel):
    """Weighted votes by the precision of each function's votes for each class.

    Parameters
    ----------
    cardinality : int
        The number of classes k.
    precision : {"fixed", "learned"}
        "fixed" is .75 for every vote, more for classes above that volume. "learned" is estimated from pairs
        and shrunk toward the fixed one: by sampling error, and by how little a function's pairs agree with each
        other, which is what dependent functions do.
    class_balance : sequence of k floats, "estimate", "uniform" or "dev"
        What precisions are measured against. "estimate" is the volume of voting, majority vote's soft counts:
        with fixed precisions that does better than the true balance.
    volume_power : float
        The volume of voting is taken to this power: 1 is its face value, near 0 it only breaks ties.

    Attributes
    ----------
    precision_ : (m, k) float64 array
        P(class l | vote l); the fixed one for votes that are never cast, and for functions that vote with a
        probability, which do not use it.
    cpt_ : (m, k + 1, k) float64 array
        The precisions as tables, of which only the ratios within a row matter.
    class_balance_ : (k,) float64 array
    balance_source_ : str
        "given", "uniform", "dev", "volume", or "volume to the power" of another `volume_power` than 1.
    """

    kind: Final = "precision"
    fits: Final = "patterns"
    stored: ClassVar[Mapping[str, Stored]] = {**TABLES, "precision": Stored(("lf", "class"), values="shares")}

    def __init__(
        self,
        cardinality: int,
        *,
        precision: Literal["fixed", "learned"] = "fixed",
        class_balance: ClassBalance = "estimate",
        volume_power: float = 1.0,
    ) -> None:
        super().__init__(cardinality)
        if precision not in ("fixed", "learned"):
            raise ConfigError(f"precision must be 'fixed' or 'learned', got {precision!r}.")
        self.precision = precision
        check_amounts({"volume_power": volume_power})
        self.class_balance = class_balance
        self.volume_power = volume_power
        self.precision_: NDArray[np.float64] = np.zeros((0, cardinality))

    def fit(self, patterns: Patterns) -> Self:
        """Count the volume of voting, and learn the precisions if that is asked for.

        Raises
        ------
        NothingToFit
            If no item has a vote.
        IncompatibleStatistics
            If classes differ, or counts are negative.
        """
        check_fittable(patterns, self.cardinality)
        flat = collapse(patterns)
        counted = pairs.of_patterns(flat)
        balance = known_balance(self.class_balance, self.cardinality, flat.gold, flat.counts)
        if balance is None:
            tempered = volume(unpack(flat), flat.counts, self.cardinality, flat.says) ** self.volume_power
            pi = tempered / tempered.sum()
        else:
            pi = balance
        fixed = np.repeat(fixed_precision(pi)[None], len(patterns.lf_names), axis=0)
        soft = soft_cells(patterns.lf_names, patterns.grids)
        hard = [j for j in range(len(fixed)) if j not in soft]
        self.precision_ = fixed
        if self.precision == "learned" and hard:
            of_hard = pairs.select(counted, [patterns.lf_names[j] for j in hard])
            self.precision_[hard] = learned_precisions(of_hard, pi)
        k, votes = self.cardinality, counted.votes
        self.cpt_ = np.zeros((len(votes), votes.shape[1] + 1, k))
        self.cpt_[:, : k + 1] = precision_tables(self.precision_, votes[:, :k], counted.n_items, pi)
        for j, cells in soft.items():
            self.cpt_[j] = cell_table(cells, votes[j], counted.n_items, pi)
        self.grids_ = patterns.grids
        self.lf_names_, self.class_balance_, self.converged_ = patterns.lf_names, pi, True
        self.temperature_ = 1.0
        taken = "volume" if self.volume_power == 1 else f"volume to the power {self.volume_power:g}"
        self.balance_source_ = taken if balance is None else option_name(self.class_balance)
        return self


def option_name(option: ClassBalance) -> str:
    """What `balance_source_` says of a balance that was not estimated."""
    return option if isinstance(option, str) else "given"


def learned_precisions(moments: Moments, pi: NDArray[np.float64]) -> NDArray[np.float64]:
    """The precision of each vote, `(m, k)`, from a weighted fit of all pairs, shrunk toward the fixed precision.

    Parameters
    ----------
    moments : Moments
    pi : (k,) float64 array
        The class balance.
    """
    precision = np.repeat(fixed_precision(pi)[None], len(moments.lf_names), axis=0)
    lf, label = moments.lf_of, moments.label_of
    prior = precision[lf, label] - pi[label]
    often = np.diagonal(moments.gram).astype(np.float64)
    # Pairs expected by chance: the inverse of the variance of a lift.
    expected = np.where(lf[:, None] != lf, np.outer(often, often) / moments.n_items, 0.0)
    link = -1 / np.outer(1 - pi[label], 1 - pi[label])
    same = label[:, None] == label
    link[same] = (1 / (pi * (1 - pi)))[np.broadcast_to(label, link.shape)[same]]
    excess = link * np.where(lf[:, None] != lf, moments.gram - expected, 0.0)
    weights = expected * link**2
    lowest = _MIN_PRECISION - pi[label]
    highest = np.maximum(MAX_PRECISION - pi[label], prior)
    u = rank_one(
        np.divide(excess, weights, out=np.zeros_like(excess), where=weights > 0),
        weights,
        prior,
        prior=prior,
        prior_precision=1 / _PRIOR_VARIANCE,
        lowest=lowest,
        highest=highest,
        max_iter=_MAX_ITER,
        tol=_TOL,
    )
    # The fit has shrunk by sampling errors; pairs that differ by more than those shrink further.
    sampling, between = _variances(u, excess, weights)
    trust = (_PRIOR_VARIANCE + sampling) / (_PRIOR_VARIANCE + sampling + between)
    precision[lf, label] = pi[label] + prior + trust * (u - prior)
    return precision


def _variances(
    u: NDArray[np.float64], excess: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The sampling variance of each u, and how much its pairs differ beyond theirs, `(c,)` each.

    The second is DerSimonian and Laird's (1986, Controlled Clinical Trials 7); pairs that depend on each other
    do not average out, so it is not divided by their number.
    """
    of_pair = weights * u**2  # (i, j): what it weighs for u_i
    total = np.maximum(of_pair.sum(axis=1), np.finfo(float).tiny)
    # Σ_j w (u_ij - u_i)² with u_ij = excess / (weight u_j): expanded, for pairs that never meet have no weight
    squares = np.divide(excess**2, weights, out=np.zeros_like(excess), where=weights > 0).sum(axis=1)
    misfit = squares - (excess @ u) ** 2 / total
    freedom = (weights > 0).sum(axis=1) - 1
    room = np.maximum(total - (of_pair**2).sum(axis=1) / total, np.finfo(float).tiny)
    return 1 / total, np.maximum(0, (misfit - freedom) / room)
