"""Matrix completion: tables under which pairs of votes are as frequent as they are (Ratner and others, 2019).

O = (1/n) Σ ψ ψᵀ over one-hot votes ψ is μ P μᵀ outside the blocks of functions with themselves, where
μ_iy = P(vote i | class y) and P is the class balance on a diagonal. The loss is that of Snorkel's LabelModel:

    ‖(O - μ P μᵀ) ⊙ M‖² + ‖μ p - diag(O)‖² + l2² ‖μ - μ⁰‖²

It is solved to a stationary point by Levenberg's method with conjugate gradients inside, where Snorkel takes 100
steps of gradient descent. Pairs do not identify three classes or more: any rotation of μ P^½ that keeps √p fits
as well. So the fit starts from third moments where those tell the tables, and two starts must agree.

Where abstaining is missing, as in crowds, O is of the items that two functions both voted on, and each pair counts by
how many these are. Three votes of one item are then too few to tell k by k tables of k > 2 classes: what pairs do
tell is how often a function is right, if it errs equally often in all classes. The tables are shrunk toward that,
and the functions are told as not identified.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_amounts, check_max_iter, did_you_mean, first_few
from sparkws.errors import ConfigError
from sparkws.labelmodels.balance import ClassBalance
from sparkws.labelmodels.covariances import check_moments
from sparkws.labelmodels.estimate import Abstain, check_abstain
from sparkws.labelmodels.maskedloss import (
    Completion,
    make_completion,
    make_pairwise_completion,
    named,
    rotated,
    solve,
)
from sparkws.labelmodels.pairwise import Meaning, abstain_meaning, agreement_accuracies, in_triangles, pairwise_tables
from sparkws.labelmodels.tables import (
    TABLES,
    Stored,
    TableModel,
    smoothed_tables,
    soft_cells,
)
from sparkws.labelmodels.tensor import fit_twice
from sparkws.labelmodels.thirds import ENOUGH_TOLD, complete_triples, items_of, moment_balance, tell_tables
from sparkws.stats.moments import Moments
from sparkws.stats.triples import Triples

SAME: Final = 1e-3  # two starts that differ more have found different tables


class MatrixCompletion(TableModel):
    """The class-conditional votes of each function from second moments.

    Parameters
    ----------
    cardinality : int
        The number of classes k.
    class_balance : sequence of k floats, "estimate", "tensor", "uniform" or "dev"
        "estimate" takes it from third moments.
    abstain : {"auto", "outcome", "missing", "published"}
        Whether abstaining depends on the class, or says that a function was not asked: then only items that two
        or three functions all voted on tell about them, and abstaining is no evidence. "published" fits it as an
        outcome, and labels as if it were missing. "auto" is as of `Triplet`, with "published" for "outcome".
        `abstain_` says which.
    l2 : float
        The pull toward functions of accuracy .7 that vote as often: μ⁰. It makes a solution unique. With abstaining
        as missing, μ⁰ are functions as accurate as agreement tells, and sampling errors add a pull of their own.
    smoothing : float
        Pseudo-votes of accuracy .7 added to each vote of each function; with abstaining as missing to each class.
    groups : sequence of sequences of function names
        Functions that depend on each other: how they meet tells nothing about the class, so it is left out.
    max_iter, tol : int, float
        Stop when no derivative of the loss is above `tol` times the largest covariance.
    seed : int
        Of the rotation that a second start differs by.

    Attributes
    ----------
    cpt_ : (m, k + 1, k) float64 array
        P(vote | class), abstain row first.
    class_balance_ : (k,) float64 array
    abstain_ : {"outcome", "missing", "published"}
    balance_source_ : {"given", "uniform", "dev", "estimate", "tensor", "one_coin", "volume"}
    loss_ : float
    identified_ : (m,) bool array
        Functions that two others tell something about, which also tell something about each other. For three
        classes and more, only those whose tables came out the same from two starts. With abstaining as missing
        also only those whose meetings tell how often they are right, with a standard error below a quarter.
    """

    kind: Final = "matrix_completion"
    fits: Final = "moments"
    stored: ClassVar[Mapping[str, Stored]] = {**TABLES, "identified": Stored(("lf",), bool), "loss": Stored()}

    def __init__(
        self,
        cardinality: int,
        *,
        class_balance: ClassBalance = "estimate",
        abstain: Abstain | Literal["published"] = "auto",
        l2: float = 0.0,
        smoothing: float = 10.0,
        groups: Sequence[Sequence[str]] = (),
        max_iter: int = 200,
        tol: float = 1e-8,
        seed: int = 0,
    ) -> None:
        super().__init__(cardinality)
        check_abstain(abstain, ("auto", "outcome", "missing", "published"))
        check_amounts({"l2": l2, "smoothing": smoothing, "tol": tol})
        check_max_iter(max_iter)
        self.class_balance = class_balance
        self.abstain = abstain
        self.l2 = l2
        self.smoothing = smoothing
        self.groups = tuple(tuple(group) for group in groups)
        self.max_iter = max_iter
        self.tol = tol
        self.seed = seed
        self.loss_: float | None = None
        self.identified_: NDArray[np.bool_] = np.zeros(0, np.bool_)

    def fit(
        self, moments: Moments, *, triples: Triples | None = None, gold_items: NDArray[np.int64] | None = None
    ) -> Self:
        """Estimate the tables from counts of pairs of votes.

        Parameters
        ----------
        moments : Moments
        triples : Triples, optional
            Needed for `class_balance="estimate"`; three classes and more start from them.
        gold_items : (k,) int64 array, optional
            Items of each known class, for `class_balance="dev"`.

        Raises
        ------
        NothingToFit
            If no function votes, or what the class balance needs is not there.
        IncompatibleStatistics
            If classes differ.
        ConfigError
            If a group names another function.
        """
        check_moments(moments, self.cardinality)
        self.abstain_ = self._abstain_meaning(moments)
        meaning: Meaning = "missing" if self.abstain_ == "missing" else "outcome"
        p, source = moment_balance(self.class_balance, moments, triples, gold_items, meaning)
        mask = mask_of(moments, self.groups)
        rng = np.random.default_rng(self.seed)
        if meaning == "missing":
            accuracies, told = agreement_accuracies(moments)
            problem = make_pairwise_completion(moments, p, self.l2, mask, accuracies)
            problem, starts, by_triples = _with_triples(problem, moments, triples)
            told &= by_triples & (np.count_nonzero(moments.votes, axis=1) > 1)
        else:
            problem = make_completion(moments, p, self.l2, mask)
            starts, told = _starts(problem, moments, triples, rng), np.ones(len(moments.lf_names), np.bool_)
        first = solve(problem, starts[0], self.max_iter, self.tol)
        tables = [self._tables(problem, moments, first.mu)]
        if self.cardinality > 2 and told.any():
            tables.append(self._tables(problem, moments, solve(problem, starts[1], self.max_iter, self.tol).mu))
        same = np.abs(tables[0] - tables[-1]).max(axis=(1, 2)) <= SAME
        self.lf_names_, self.cpt_, self.class_balance_, self.balance_source_ = moments.lf_names, tables[0], p, source
        self.grids_ = moments.grids
        self.identified_ = told & same & in_triangles(_linked(moments, problem.weight > 0))
        self.loss_, self.n_iter_, self.converged_ = first.loss, first.n_iter, first.converged
        self.temperature_ = 1.0
        return self

    def _abstain_meaning(self, moments: Moments) -> Meaning | Literal["published"]:
        if self.abstain == "published" or (self.abstain == "auto" and abstain_meaning("auto", moments) == "outcome"):
            return "published"
        return abstain_meaning(self.abstain, moments)

    def _tables(self, problem: Completion, moments: Moments, mu: NDArray[np.float64]) -> NDArray[np.float64]:
        k, m = self.cardinality, len(moments.lf_names)
        given_class = np.zeros((m, moments.n_outcomes, k))
        soft = soft_cells(moments.lf_names, moments.grids)
        if self.abstain_ == "missing":
            often = moments.votes.sum(axis=1)[moments.lf_of][:, None] / moments.n_items
            given_class[moments.lf_of, moments.vote_of] = named(often * mu, problem.p, moments.label_of) / often
            return pairwise_tables(given_class, moments.votes, moments.n_items, problem.p, self.smoothing, soft)
        given_class[moments.lf_of, moments.vote_of] = named(mu, problem.p, moments.label_of)
        everyone = np.ones(m, np.bool_)
        return smoothed_tables(given_class, moments.votes, moments.n_items, problem.p, self.smoothing, everyone, soft)


def _starts(
    problem: Completion, moments: Moments, triples: Triples | None, rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Two starts `(c, k)`: where third moments tell the tables, both from those."""
    lf, vote, k = moments.lf_of, moments.vote_of, len(problem.p)
    fits = fit_twice(triples, moments.votes) if k > 2 and triples is not None and triples.chosen else None
    if fits is None:
        return [problem.anchor, rotated(problem.anchor, problem.p, rng)]
    return [np.where(fit.seen[lf][:, None], fit.cpt[lf, vote + 1], problem.anchor) for fit in fits]


def _with_triples(
    problem: Completion, moments: Moments, triples: Triples | None
) -> tuple[Completion, list[NDArray[np.float64]], NDArray[np.bool_]]:
    """The problem and two starts `(c, k)` with what triples of functions that met tell, and about whom, `(m,)`.

    μ⁰ then is between their tables and functions that err equally often in all classes.
    """
    lf, vote, m = moments.lf_of, moments.vote_of, len(moments.lf_names)
    if len(problem.p) == 2:
        return problem, [problem.anchor], np.ones(m, np.bool_)
    fits = None
    if triples is not None:
        met, told = complete_triples(triples)
        if tell_tables(told, moments):
            fits = fit_twice(met, moments.votes, items_of(moments, "missing"))
    if fits is None:
        return problem, [problem.anchor], np.zeros(m, np.bool_)
    of_vote = told[lf, None]
    starts = [of_vote * fit.cpt[lf, vote + 1] + (1 - of_vote) * problem.anchor for fit in fits]
    return replace(problem, anchor=starts[0]), starts, told >= ENOUGH_TOLD


def mask_of(moments: Moments, groups: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
    """The pairs of votes `(c, c)` of different functions that are in no group together.

    Raises
    ------
    ConfigError
        If a group names a function that was not counted.
    """
    m = len(moments.lf_names)
    together = np.eye(m, dtype=np.bool_)
    for group in groups:
        unknown = [name for name in group if name not in moments.lf_names]
        if unknown:
            hint = did_you_mean(unknown[0], moments.lf_names)
            raise ConfigError(f"groups name {first_few(unknown)}, which take no part.{hint}")
        members = [moments.lf_names.index(name) for name in group]
        together[np.ix_(members, members)] = True
    return ~together[np.ix_(moments.lf_of, moments.lf_of)]


def _linked(moments: Moments, counts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pairs of functions `(m, m)` of which some pair of votes `(c, c)` counts."""
    belongs = np.equal(np.arange(len(moments.lf_names))[:, None], moments.lf_of).astype(np.float64)
    return np.asarray(belongs @ counts @ belongs.T > 0, np.bool_)
