"""Triplets: what a function says of the class, from how it varies together with pairs of others, in closed form.

The idea is that of Fu and others (2020, "Fast and three-rious"), with covariances of indicators in place of
products of votes: see `covariances`. Unlike the published form it does not need equal accuracy in both
classes, so that it is right for functions that vote one class only and for abstention that depends on the class.

Where abstaining is missing, as in crowds, covariances are those of the items that two functions both voted on: see
`pairwise`. There it is about as good as EM.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_amounts, check_switches, first_few
from sparkws.errors import ConfigError, NothingToFit
from sparkws.grids import refuse_soft
from sparkws.labelmodels.balance import ClassBalance
from sparkws.labelmodels.covariances import Outcomes, check_moments, only, outcomes_of, scaled_differences
from sparkws.labelmodels.estimate import Abstain, check_abstain
from sparkws.labelmodels.pairwise import (
    PairwiseComplete,
    abstain_meaning,
    pairwise_complete,
    pairwise_differences,
    pairwise_tables,
    shares_of,
)
from sparkws.labelmodels.tables import TABLES, Stored, TableModel, smoothed_tables, soft_cells
from sparkws.labelmodels.thirds import moment_balance, oriented
from sparkws.stats.moments import Moments
from sparkws.stats.triples import Triples

FEWEST: Final = 3

Scaled = tuple[NDArray[np.float64], NDArray[np.bool_]]
Differences = Callable[[Outcomes], Scaled]


class Triplet(TableModel):
    """The class-conditional votes of each function from second moments, for two classes.

    Parameters
    ----------
    cardinality : int
        The number of classes k.
    class_balance : sequence of k floats, "estimate", "tensor", "uniform" or "dev"
        "estimate" takes it from third moments.
    abstain : {"auto", "outcome", "missing"}
        Whether abstaining depends on the class, or says that a function was not asked: then only items that two
        or three functions all voted on tell about them, and abstaining is no evidence. "auto" is "missing" where
        functions of a single class cast less than a tenth of the votes, else "outcome": pairs do not tell whether the
        labels then contradict the votes, which `DawidSkene` sees too. `abstain_` says which.
    smoothing : float
        Pseudo-votes of accuracy .7 added to each vote of each function; with abstaining as missing to each class.
    one_vs_rest : bool
        Allow more than two classes: each is set against the rest. That is biased, because the rest is a
        mixture whose parts differ, and gives all wrong classes of a vote the same probability. `MatrixCompletion` is
        for any number of classes.

    Attributes
    ----------
    cpt_ : (m, k + 1, k) float64 array
        P(vote | class), abstain row first.
    class_balance_ : (k,) float64 array
    abstain_ : {"outcome", "missing"}
    balance_source_ : {"given", "uniform", "dev", "estimate", "tensor", "one_coin", "volume"}
    identified_ : (m,) bool array
        Which functions could be estimated; the others have the accuracy of the pseudo-votes, or with abstaining as
        missing are shrunk to the mean of all.

    Examples
    --------
    From a matrix of votes in memory, as in a notebook: patterns, their moments, the fit.

    >>> from sparkws import patterns_of_matrix
    >>> from sparkws.labelmodels import moments_of
    >>> L = np.array([[0, 0, 0]] * 40 + [[1, 1, 1]] * 40 + [[0, 1, 1], [1, 0, 1], [1, 1, 0]] * 5, np.int8)
    >>> both = moments_of(patterns_of_matrix(L, ["lf_a", "lf_b", "lf_c"], 2))
    >>> model = Triplet(2).fit(both.pairs, triples=both.triples)
    >>> model.posterior(L[-1:]).round(2).tolist()
    [[0.02, 0.98]]
    """

    kind: Final = "triplet"
    fits: Final = "moments"
    stored: ClassVar[Mapping[str, Stored]] = {**TABLES, "identified": Stored(("lf",), bool)}

    def __init__(
        self,
        cardinality: int,
        *,
        class_balance: ClassBalance = "estimate",
        abstain: Abstain = "auto",
        smoothing: float = 10.0,
        one_vs_rest: bool = False,
    ) -> None:
        super().__init__(cardinality)
        check_abstain(abstain)
        check_amounts({"smoothing": smoothing})
        check_switches({"one_vs_rest": one_vs_rest})
        if cardinality > 2 and not one_vs_rest:
            raise ConfigError(
                f"triplets tell two classes apart, got {cardinality}; use DawidSkene, or one_vs_rest=True, which is "
                "biased."
            )
        self.class_balance = class_balance
        self.abstain = abstain
        self.smoothing = smoothing
        self.one_vs_rest = one_vs_rest
        self.identified_: NDArray[np.bool_] = np.zeros(0, np.bool_)

    def fit(
        self, moments: Moments, *, triples: Triples | None = None, gold_items: NDArray[np.int64] | None = None
    ) -> Self:
        """Estimate the tables from counts of pairs of votes.

        Parameters
        ----------
        moments : Moments
        triples : Triples, optional
            Needed for `class_balance="estimate"`.
        gold_items : (k,) int64 array, optional
            Items of each known class, for `class_balance="dev"`.

        Raises
        ------
        NothingToFit
            If fewer than three functions vote, or what the class balance needs is not there.
        IncompatibleStatistics
            If classes differ.
        """
        check_moments(moments, self.cardinality)
        if self.cardinality > 2:
            refuse_soft(moments.grids, "triplet with one_vs_rest")
        voting = [name for name, n in zip(moments.lf_names, moments.votes.sum(axis=1), strict=True) if n]
        if len(voting) < FEWEST:
            raise NothingToFit(
                f"triplets need at least {FEWEST} labeling functions that vote, got {len(voting)}: "
                f"{first_few(voting)}. Use MajorityVote, or add one."
            )
        abstain = abstain_meaning(self.abstain, moments)
        balance, source = moment_balance(self.class_balance, moments, triples, gold_items, abstain)
        estimated = _two_classes if self.cardinality == 2 else _one_vs_rest
        soft = soft_cells(moments.lf_names, moments.grids)
        if abstain == "missing":
            seen = pairwise_complete(moments)
            table, identified = estimated(seen.outcomes, shares_of(moments), balance, partial(_pairwise, met=seen.met))
            self.cpt_ = pairwise_tables(table, moments.votes, moments.n_items, balance, self.smoothing, soft)
        else:
            outcomes = outcomes_of(moments)
            table, identified = estimated(outcomes, moments.votes / moments.n_items, balance, scaled_differences)
            self.cpt_ = smoothed_tables(
                table, moments.votes, moments.n_items, balance, self.smoothing, identified, soft
            )
        self.lf_names_, self.grids_ = moments.lf_names, moments.grids
        self.temperature_ = 1.0
        self.class_balance_, self.balance_source_, self.abstain_ = balance, source, abstain
        self.identified_, self.converged_ = identified, True
        return self


def _pairwise(outcomes: Outcomes, met: NDArray[np.float64]) -> Scaled:
    return pairwise_differences(PairwiseComplete(outcomes, met))


def _two_classes(
    outcomes: Outcomes, share: NDArray[np.float64], balance: NDArray[np.float64], differences: Differences
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """P(vote | class), not yet within bounds, `(m, s, 2)`, and which functions are identified.

    Parameters
    ----------
    outcomes : Outcomes
    share : (m, s) float64 array
        P(vote).
    balance : (2,) float64 array
    differences : callable
        √(π (1 - π)) δ of outcomes, and which functions are identified.
    """
    gamma, identified = differences(outcomes)
    delta = oriented(gamma, outcomes) / np.sqrt(balance[0] * balance[1])
    table = np.repeat(share[:, :, None], 2, axis=2)
    votes = np.flatnonzero(outcomes.vote_of > 0)
    at = outcomes.lf_of[votes], outcomes.vote_of[votes] - 1
    # P(a | 1) = P(a) + (1 - π) δ_a, P(a | 0) = P(a) - π δ_a
    table[*at, 1] += balance[0] * delta[votes]
    table[*at, 0] -= balance[1] * delta[votes]
    return table, identified


def _one_vs_rest(
    outcomes: Outcomes, share: NDArray[np.float64], balance: NDArray[np.float64], differences: Differences
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The same for k classes, `(m, k, k)`, from the votes for each class by themselves."""
    k = len(balance)
    table = np.repeat(share[:, :, None], k, axis=2)
    votes_identified = np.zeros((outcomes.n_lfs, k), np.bool_)
    for y in range(k):
        chosen = only(outcomes, np.flatnonzero(outcomes.vote_of == y + 1))
        own = replace(chosen, toward=np.ones(len(chosen.lf_of)))
        gamma, votes_identified[:, y] = differences(own)
        delta = (-gamma if gamma.sum() < 0 else gamma) / np.sqrt(balance[y] * (1 - balance[y]))
        table[own.lf_of, y] -= balance[y] * delta[:, None]
        table[own.lf_of, y, y] += delta
    return table, (votes_identified | (share == 0)).all(axis=1) & votes_identified.any(axis=1)
