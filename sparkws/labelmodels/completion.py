"""Matrix completion: tables under which pairs of votes are as frequent as they are (Ratner and others, 2019).

O = (1/n) Σ ψ ψᵀ over one-hot votes ψ is μ P μᵀ outside the blocks of functions with themselves, where
μ_iy = P(vote i | class y) and P is the class balance on a diagonal. The loss is that of Snorkel's LabelModel:

    ‖(O - μ P μᵀ) ⊙ M‖² + ‖μ p - diag(O)‖² + l2² ‖μ - μ⁰‖²

It is solved to a stationary point by Levenberg's method with conjugate gradients inside, where Snorkel takes 100
steps of gradient descent. Pairs do not identify three classes or more: any rotation of μ P^½ that keeps √p fits
as well. So the fit starts from third moments where those tell the tables, and two starts must agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from sparkws.checks import did_you_mean, first_few
from sparkws.errors import ConfigError
from sparkws.labelmodels.balance import ClassBalance
from sparkws.labelmodels.covariances import check_moments
from sparkws.labelmodels.tables import (
    PRIOR_ACCURACY,
    TABLES,
    Stored,
    TableModel,
    accurate_table,
    smoothed_tables,
)
from sparkws.labelmodels.tensor import fit_twice
from sparkws.labelmodels.thirds import moment_balance
from sparkws.stats.moments import Moments
from sparkws.stats.triples import Triples

SAME: Final = 1e-3  # two starts that differ more have found different tables
_MOST_INNER: Final = 100
_LEAST_DAMPING, _MOST_DAMPING = 1e-12, 1e12


class MatrixCompletion(TableModel):
    """The class-conditional votes of each function from second moments.

    Parameters
    ----------
    cardinality : int
        The number of classes k.
    class_balance : sequence of k floats, "estimate", "uniform" or "dev"
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
        if l2 < 0 or smoothing < 0 or max_iter < 1:
            raise ConfigError(
                f"l2 and smoothing must be at least 0 and max_iter 1, got {l2!r}, {smoothing!r} and {max_iter!r}."
            )
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
        self.identified_, self.abstain_ = same & _in_triangles(moments, problem.mask), self.abstain
        self.loss_, self.n_iter_, self.converged_ = first.loss, first.n_iter, first.converged
        return self

    def _tables(self, problem: "Completion", moments: Moments, mu: NDArray[np.float64]) -> NDArray[np.float64]:
        k, m = self.cardinality, len(moments.lf_names)
        given_class = np.zeros((m, k, k))
        given_class[moments.lf_of, moments.label_of] = named(mu, problem.p, moments.label_of)
        everyone = np.ones(m, np.bool_)
        return smoothed_tables(given_class, moments.votes, moments.n_items, problem.p, self.smoothing, everyone)


@dataclass(frozen=True, eq=False)
class Completion:
    """What the loss is made of.

    Attributes
    ----------
    O : (c, c) float64 array
        How often two votes meet.
    mask : (c, c) bool array
        The pairs that count.
    p : (k,) float64 array
        The class balance.
    anchor : (c, k) float64 array
        μ⁰.
    l2 : float
    """

    O: NDArray[np.float64]
    mask: NDArray[np.bool_]
    p: NDArray[np.float64]
    anchor: NDArray[np.float64]
    l2: float

    @property
    def diagonal(self) -> NDArray[np.float64]:
        """How often each vote is cast, `(c,)`."""
        return np.diagonal(self.O)

    def residuals(self, mu: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of pairs `(c, c)` and of single votes `(c,)`."""
        return np.where(self.mask, self.O - (mu * self.p) @ mu.T, 0.0), mu @ self.p - self.diagonal

    def loss(self, mu: NDArray[np.float64]) -> float:
        """The value to minimize."""
        pairs, singles = self.residuals(mu)
        return float((pairs**2).sum() + (singles**2).sum() + self.l2**2 * ((mu - self.anchor) ** 2).sum())

    def half_gradient(self, mu: NDArray[np.float64]) -> NDArray[np.float64]:
        """Half the derivative, `(c, k)`."""
        pairs, singles = self.residuals(mu)
        return -2 * pairs @ (mu * self.p) + np.outer(singles, self.p) + self.l2**2 * (mu - self.anchor)

    def curvature(self, mu: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
        """The product of Gauss and Newton's half Hessian with a step, `(c, k)`."""
        half = (step * self.p) @ mu.T
        changed = np.where(self.mask, half + half.T, 0.0)
        return 2 * changed @ (mu * self.p) + np.outer(step @ self.p, self.p) + self.l2**2 * step


@dataclass(frozen=True, eq=False)
class Solution:
    """Where the solver came to rest."""

    mu: NDArray[np.float64]
    loss: float
    n_iter: int
    converged: bool


def _starts(
    problem: Completion, moments: Moments, triples: Triples | None, rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Two starts `(c, k)`: where third moments tell the tables, both from those."""
    lf, label, k = moments.lf_of, moments.label_of, len(problem.p)
    fits = fit_twice(triples, moments.votes) if k > 2 and triples is not None and triples.chosen else None
    if fits is None:
        return [problem.anchor, rotated(problem.anchor, problem.p, rng)]
    return [np.where(fit.seen[lf][:, None], fit.cpt[lf, label + 1], problem.anchor) for fit in fits]


def make_completion(moments: Moments, p: NDArray[np.float64], l2: float, mask: NDArray[np.bool_]) -> Completion:
    """The loss of some moments; μ⁰ are votes of accuracy .7, as frequent as they are."""
    O = moments.gram / moments.n_items
    anchor = np.diagonal(O)[:, None] * accurate_table(PRIOR_ACCURACY, len(p))[moments.label_of] / p
    return Completion(O, mask, p, anchor, l2)


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


def solve(problem: Completion, start: NDArray[np.float64], max_iter: int, tol: float) -> Solution:
    """A stationary point of the loss, by Levenberg's damped Gauss-Newton steps."""
    mu, loss, damping = start, problem.loss(start), 1e-3
    scale = float(np.abs(problem.O - np.outer(problem.diagonal, problem.diagonal))[problem.mask].max(initial=0.0))
    enough = tol * max(scale, np.finfo(float).tiny)
    for n_iter in range(max_iter):
        gradient = problem.half_gradient(mu)
        if np.abs(gradient).max() <= enough:
            return Solution(mu, loss, n_iter, True)
        while damping < _MOST_DAMPING:
            step = _conjugate_gradients(problem, mu, -gradient, damping)
            better = problem.loss(mu + step)
            if better < loss:
                mu, loss, damping = mu + step, better, max(damping / 10, _LEAST_DAMPING)
                break
            damping *= 10
        else:  # no step gains anything: rounding is all that is left
            return Solution(mu, loss, n_iter, True)
    return Solution(mu, loss, max_iter, False)


def _conjugate_gradients(
    problem: Completion, mu: NDArray[np.float64], right: NDArray[np.float64], damping: float
) -> NDArray[np.float64]:
    """The step x of (H + damping D) x = right, D the diagonal of H: no matrix of all parameters is made."""
    diagonal = 2 * problem.mask @ (mu * problem.p) ** 2 + problem.p**2 + problem.l2**2
    x = np.zeros_like(mu)
    rest = right
    better = rest / ((1 + damping) * diagonal)
    direction, size = better, float((rest * better).sum())
    enough = 1e-12 * size
    for _ in range(_MOST_INNER):
        if size <= enough:
            break
        bent = problem.curvature(mu, direction) + damping * diagonal * direction
        length = size / float((direction * bent).sum())
        x = x + length * direction
        rest = rest - length * bent
        better = rest / ((1 + damping) * diagonal)
        size, before = float((rest * better).sum()), size
        direction = better + size / before * direction
    return x


def rotated(mu: NDArray[np.float64], p: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Other tables `(c, k)` under which votes and pairs are exactly as frequent."""
    k = len(p)
    root = np.sqrt(p)
    # A basis that begins with √p; the other directions are turned among themselves.
    basis = np.linalg.qr(np.column_stack([root, rng.normal(size=(k, k - 1))]))[0]
    turn = np.eye(k)
    turn[1:, 1:] = np.linalg.qr(rng.normal(size=(k - 1, k - 1)))[0]
    return np.asarray((mu * root) @ (basis @ turn @ basis.T) / root, np.float64)


def named(mu: NDArray[np.float64], p: NDArray[np.float64], label_of: NDArray[np.int64]) -> NDArray[np.float64]:
    """The same solution with the columns that make the functions right most often, `(c, k)`.

    Two classes may come out mirrored whatever their balance: differences with the other sign have the same
    pairs. Of more classes, those of equal balance may come out exchanged.
    """
    right = np.stack([np.bincount(label_of, weights=mu[:, y] * p[y], minlength=len(p)) for y in range(len(p))], axis=1)
    if len(p) == 2:
        cast = np.bincount(label_of, weights=mu @ p, minlength=2)
        if np.trace(right) < cast @ p:
            # With δ = μ_1 - μ_0, μ_1 is the mean + p_0 δ and μ_0 the mean - p_1 δ.
            mu = (mu @ p)[:, None] + np.outer(mu[:, 1] - mu[:, 0], [p[1], -p[0]])
        return mu
    order = np.arange(len(p))
    for share in np.unique(p.round(3)):
        equal = np.flatnonzero(p.round(3) == share)
        order[equal] = equal[linear_sum_assignment(right[np.ix_(equal, equal)], maximize=True)[1]]
    return np.asarray(mu[:, order], np.float64)
