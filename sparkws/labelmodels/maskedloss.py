"""The loss of matrix completion, and where it is least.

Levenberg's damped Gauss-Newton steps, solved by conjugate gradients: the matrix of all parameters is never made.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from sparkws.labelmodels.pairwise import pairwise_complete
from sparkws.labelmodels.tables import PRIOR_ACCURACY, claimed, soft_cells
from sparkws.stats.moments import Moments

_MOST_INNER: Final = 100
_ENOUGH: Final = 1e-3  # of the squared length: steps that are solved better do not save any
_SPREAD: Final = 0.1  # of tables around those of functions that err equally often in all classes
_LEAST_DAMPING, _MOST_DAMPING = 1e-12, 1e12


@dataclass(frozen=True, eq=False)
class Completion:
    """What the loss is made of.

    Attributes
    ----------
    O : (c, c) float64 array
        How often two votes meet.
    weight : (c, c) bool or float array
        The pairs that count, and how much.
    p : (k,) float64 array
        The class balance.
    anchor : (c, k) float64 array
        μ⁰.
    l2 : float
    singles : (c,) float array or one number
        How much single votes count.
    ridge : float
        The weight of the pull toward μ⁰ that sampling errors ask for, beside that of `l2`.
    """

    O: NDArray[np.float64]
    weight: NDArray[np.bool_] | NDArray[np.float64]
    p: NDArray[np.float64]
    anchor: NDArray[np.float64]
    l2: float
    singles: NDArray[np.float64] | float = 1.0
    ridge: float = 0.0

    @property
    def pull(self) -> float:
        """The weight of the squared distance from μ⁰."""
        return self.l2**2 + self.ridge

    @property
    def diagonal(self) -> NDArray[np.float64]:
        """How often each vote is cast, `(c,)`."""
        return np.diagonal(self.O)

    def residuals(self, mu: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of pairs `(c, c)` and of single votes `(c,)`; zero of those that do not count."""
        return np.where(self.weight, self.O - (mu * self.p) @ mu.T, 0.0), mu @ self.p - self.diagonal

    def loss(self, mu: NDArray[np.float64]) -> float:
        """The value to minimize."""
        pairs, singles = self.residuals(mu)
        fit = float((self.weight * pairs**2).sum() + (self.singles * singles**2).sum())
        return fit + self.pull * float(((mu - self.anchor) ** 2).sum())

    def half_gradient(self, mu: NDArray[np.float64]) -> NDArray[np.float64]:
        """Half the derivative, `(c, k)`."""
        pairs, singles = self.residuals(mu)
        of_singles = np.outer(self.singles * singles, self.p)
        return -2 * (self.weight * pairs) @ (mu * self.p) + of_singles + self.pull * (mu - self.anchor)

    def curvature(self, mu: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
        """The product of Gauss and Newton's half Hessian with a step, `(c, k)`."""
        half = (step * self.p) @ mu.T
        changed = self.weight * (half + half.T)
        of_singles = np.outer(self.singles * (step @ self.p), self.p)
        return 2 * changed @ (mu * self.p) + of_singles + self.pull * step


@dataclass(frozen=True, eq=False)
class Solution:
    """Where the solver came to rest."""

    mu: NDArray[np.float64]
    loss: float
    n_iter: int
    converged: bool


def make_completion(moments: Moments, p: NDArray[np.float64], l2: float, mask: NDArray[np.bool_]) -> Completion:
    """The loss of some moments; μ⁰ are votes of accuracy .7, and cells as they declare, as frequent as they are."""
    O = moments.gram / moments.n_items
    soft = soft_cells(moments.lf_names, moments.grids)
    says = claimed(PRIOR_ACCURACY, moments.votes.shape, len(p), soft)[moments.lf_of, moments.vote_of]
    anchor = np.diagonal(O)[:, None] * says / p
    return Completion(O, mask.astype(np.float64), p, anchor, l2)


def make_pairwise_completion(
    moments: Moments, p: NDArray[np.float64], l2: float, mask: NDArray[np.bool_], accuracies: NDArray[np.float64]
) -> Completion:
    """The loss of votes of functions that were not asked about the items they abstain on.

    O is of the items that two functions both voted on, and a pair counts by their share among all items, so that the
    loss is that of `make_completion` where everybody votes on everything. μ⁰ are functions of these accuracies `(m,)`
    that err equally often in all classes, and cells as they declare. The pull toward it is that of tables with a
    spread of .1 around it, set against the sampling errors of O: pairs that met often overcome it.
    """
    k, lf = len(p), moments.lf_of
    seen = pairwise_complete(moments)
    share = seen.outcomes.share
    weight = np.where(mask, seen.pairs, 0.0) / moments.n_items
    O = seen.outcomes.cov + np.outer(share, share)
    variance = np.average(np.clip(O * (1 - O), 0, None), weights=weight) if weight.any() else 0.0
    np.fill_diagonal(O, share)
    right = np.equal(moments.vote_of[:, None], np.arange(k))
    coin = np.where(right, accuracies[lf][:, None], (1 - accuracies[lf][:, None]) / (k - 1))
    soft = soft_cells(moments.lf_names, moments.grids)
    declared = share[:, None] * claimed(PRIOR_ACCURACY, moments.votes.shape, k, soft)[lf, moments.vote_of] / p
    anchor = np.where(np.isin(lf, list(soft))[:, None], declared, coin)
    # The loss has each pair twice: n / (4 variance) of it, and half the squares over the spread's, are logarithms of
    # probabilities.
    ridge = 2 * variance / (moments.n_items * _SPREAD**2)
    singles = moments.votes.sum(axis=1)[lf] / moments.n_items
    return Completion(O, weight, p, anchor, l2, singles, ridge)


def solve(problem: Completion, start: NDArray[np.float64], max_iter: int, tol: float) -> Solution:
    """A stationary point of the loss, by Levenberg's damped Gauss-Newton steps."""
    mu, loss, damping = start, problem.loss(start), 1e-3
    covariances = problem.weight * np.abs(problem.O - np.outer(problem.diagonal, problem.diagonal))
    scale = float(covariances.max(initial=0.0))
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
    of_singles = np.outer(np.broadcast_to(problem.singles, len(mu)), problem.p**2)
    diagonal = 2 * problem.weight @ (mu * problem.p) ** 2 + of_singles + problem.pull
    x = np.zeros_like(mu)
    rest = right
    better = rest / ((1 + damping) * diagonal)
    direction, size = better, float((rest * better).sum())
    enough = _ENOUGH * size
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

    `label_of` is the class that each vote is for, -1 where it is for none.

    Two classes may come out mirrored whatever their balance: differences with the other sign have the same
    pairs. Of more classes, those of equal balance may come out exchanged.
    """
    clear = label_of >= 0
    label, joint = label_of[clear], mu[clear] * p
    right = np.stack([np.bincount(label, weights=column, minlength=len(p)) for column in joint.T], axis=1)
    if len(p) == 2:
        cast = np.bincount(label, weights=mu[clear] @ p, minlength=2)
        if np.trace(right) < cast @ p:
            # With δ = μ_1 - μ_0, μ_1 is the mean + p_0 δ and μ_0 the mean - p_1 δ.
            mu = (mu @ p)[:, None] + np.outer(mu[:, 1] - mu[:, 0], [p[1], -p[0]])
        return mu
    order = np.arange(len(p))
    for share in np.unique(p.round(3)):
        equal = np.flatnonzero(p.round(3) == share)
        order[equal] = equal[linear_sum_assignment(right[np.ix_(equal, equal)], maximize=True)[1]]
    return np.asarray(mu[:, order], np.float64)
