"""Matrix completion: tables under which pairs of votes are as frequent as they are (Ratner and others, 2019).

O = (1/n) Σ ψ ψᵀ over one-hot votes ψ is μ P μᵀ outside the blocks of functions with themselves, where
μ_iy = P(vote i | class y) and P is the class balance on a diagonal. The loss is that of Snorkel's LabelModel:

    ‖(O - μ P μᵀ) ⊙ M‖² + ‖μ p - diag(O)‖² + l2² ‖μ - μ⁰‖²

It is solved to a stationary point by Levenberg's method with conjugate gradients inside, where Snorkel takes 100
steps of gradient descent. Pairs do not identify three classes or more: any rotation of μ P^½ that keeps √p fits
as well. So the fit starts from third moments where those tell the tables, and two starts must agree.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_amounts, check_max_iter, did_you_mean, first_few
from sparkws.errors import ConfigError
from sparkws.labelmodels.balance import ClassBalance
from sparkws.labelmodels.covariances import check_moments
from sparkws.labelmodels.maskedloss import Completion, make_completion, named, rotated, solve
from sparkws.labelmodels.tables import (
    TABLES,
    Stored,
    TableModel,
    smoothed_tables,
    soft_cells,
)
from sparkws.labelmodels.tensor import fit_twice
from sparkws.labelmodels.thirds import moment_balance
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
    abstain : {"missing", "outcome"}
        Whether abstaining is evidence for the posterior; published is "missing".
    l2 : float
        The pull toward functions of accuracy .7 that vote as often: μ⁰. It makes a solution unique.
    smoothing : float
        Pseudo-votes of accuracy .7 added to each vote of each function.
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
    balance_source_ : {"given", "uniform", "dev", "estimate", "volume"}
    loss_ : float
    identified_ : (m,) bool array
        Functions that two others tell something about, which also tell something about each other. For three
        classes and more, only those whose tables came out the same from two starts.
    """

    kind: Final = "matrix_completion"
    fits: Final = "moments"
    stored: ClassVar[Mapping[str, Stored]] = {**TABLES, "identified": Stored(("lf",), bool), "loss": Stored()}

    def __init__(
        self,
        cardinality: int,
        *,
        class_balance: ClassBalance = "estimate",
        abstain: Literal["missing", "outcome"] = "missing",
        l2: float = 0.0,
        smoothing: float = 10.0,
        groups: Sequence[Sequence[str]] = (),
        max_iter: int = 200,
        tol: float = 1e-8,
        seed: int = 0,
    ) -> None:
        super().__init__(cardinality)
        if abstain not in ("outcome", "missing"):
            raise ConfigError(f"abstain must be 'missing' or 'outcome', got {abstain!r}.")
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
        p, source = moment_balance(self.class_balance, moments, triples, gold_items)
        problem = make_completion(moments, p, self.l2, mask_of(moments, self.groups))
        starts = _starts(problem, moments, triples, np.random.default_rng(self.seed))
        first = solve(problem, starts[0], self.max_iter, self.tol)
        tables = [self._tables(problem, moments, first.mu)]
        if self.cardinality > 2:
            tables.append(self._tables(problem, moments, solve(problem, starts[1], self.max_iter, self.tol).mu))
        same = np.abs(tables[0] - tables[-1]).max(axis=(1, 2)) <= SAME
        self.lf_names_, self.cpt_, self.class_balance_, self.balance_source_ = moments.lf_names, tables[0], p, source
        self.grids_ = moments.grids
        self.identified_, self.abstain_ = same & _in_triangles(moments, problem.mask), self.abstain
        self.loss_, self.n_iter_, self.converged_ = first.loss, first.n_iter, first.converged
        self.temperature_ = 1.0
        return self

    def _tables(self, problem: Completion, moments: Moments, mu: NDArray[np.float64]) -> NDArray[np.float64]:
        k, m = self.cardinality, len(moments.lf_names)
        given_class = np.zeros((m, moments.n_outcomes, k))
        given_class[moments.lf_of, moments.vote_of] = named(mu, problem.p, moments.label_of)
        everyone = np.ones(m, np.bool_)
        soft = soft_cells(moments.lf_names, moments.grids)
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


def _in_triangles(moments: Moments, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which functions are linked with two others that are linked with each other, `(m,)`."""
    m = len(moments.lf_names)
    belongs = np.equal(np.arange(m)[:, None], moments.lf_of).astype(np.float64)
    linked = ((belongs @ mask @ belongs.T) > 0).astype(np.float64)
    return np.asarray(((linked @ linked) * linked).any(axis=1), np.bool_)
