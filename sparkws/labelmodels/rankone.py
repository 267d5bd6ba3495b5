"""The vector whose outer product is nearest to a matrix of which each entry is known with a precision of its own."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

HUBER: Final = 3.0  # standard errors


def rank_one(
    target: NDArray[np.float64],
    weights: NDArray[np.float64],
    start: NDArray[np.float64],
    *,
    prior: NDArray[np.float64] | float = 0.0,
    prior_precision: float = 0.0,
    lowest: NDArray[np.float64] | float = -np.inf,
    highest: NDArray[np.float64] | float = np.inf,
    error: NDArray[np.float64] | None = None,
    max_iter: int,
    tol: float,
) -> NDArray[np.float64]:
    """u `(d,)` with u_i = (Σ_j w_ij C_ij u_j + t prior_i) / (Σ_j w_ij u_j² + t), for C = u uᵀ.

    Where weights are symmetric, it is a stationary point of Σ_ij w_ij (C_ij - u_i u_j)² + 2 t Σ_i (u_i - prior_i)²
    among the u within bounds. With `error` it is one of that sum with Huber's function in place of the first squares.

    Parameters
    ----------
    target : (d, d) float64 array
        C.
    weights : (d, d) float64 array
        The inverse variance of each entry, 0 of those that count for nothing; a factor of a whole row is without
        effect unless there is a prior.
    start : (d,) float64 array
        Kept where nothing is told.
    prior : (d,) float64 array or one number
        What each u is shrunk toward.
    prior_precision : float
        t, the inverse variance of u around the prior.
    lowest, highest : (d,) float64 arrays or one number
    error : (d, d) float64 array, optional
        The standard error of each entry. With it, entries that are further off than `HUBER` errors count less:
        Huber's M-estimate (1964, Ann. Math. Stat. 35).
    max_iter : int
    tol : float
        Of the largest change in a step.
    """
    u = start
    counted, weighted = weights, weights * target
    for _ in range(max_iter):
        if error is not None:
            size = np.abs(target - np.outer(u, u)) / error
            counted = weights * np.minimum(1, HUBER / np.maximum(size, HUBER))
            weighted = counted * target
        total = counted @ u**2 + prior_precision
        solved = np.divide(weighted @ u + prior_precision * prior, total, out=u.copy(), where=total > 0)
        # Half the way: the whole step goes back and forth between u c and u / c.
        u, before = np.clip((u + solved) / 2, lowest, highest), u
        if np.abs(u - before).max(initial=0.0) <= tol:
            break
    return u
