"""The sparse part of the inverse covariance of votes (Varma and others, ICML 2019).

With the class unobserved, the inverse covariance is S - L: S has an entry for each dependent pair, and L, of
low rank, is what the class adds. Shown as evidence; what counts as dependent is decided elsewhere, because
no threshold of S fits all sets.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sparkws.stats.moments import Moments

MOST_CELLS: Final = 200  # each step takes an eigendecomposition: seconds for all of them at this size
_STEPS: Final = 60
_ENOUGH: Final = 1e-4
_RIDGE: Final = 1e-3


def sparse_part(moments: Moments) -> NDArray[np.float64] | None:
    """The size of S for each pair of functions, `(m, m)`; None with more than `MOST_CELLS` cells.

    For two classes votes are -1, 0 and +1 and S keeps its sign; else they are indicators, and a pair has the
    Frobenius norm of its block, which is shrunk as a whole. Votes are scaled to variance 1, with a ridge.
    """
    m, k = len(moments.lf_names), moments.cardinality
    p = np.diagonal(moments.gram) / moments.n_items
    covariance = moments.gram / moments.n_items - np.outer(p, p)
    lf_of = moments.lf_of
    if k == 2:
        # (c, m): cells -> the code of each function
        codes = (lf_of[:, None] == np.arange(m)) * np.where(moments.label_of == 0, -1.0, 1.0)[:, None]
        covariance, lf_of = codes.T @ covariance @ codes, np.arange(m)
    variance = np.diagonal(covariance)
    varies = np.flatnonzero(variance > 0)
    if len(varies) > MOST_CELLS:
        return None
    scale = np.sqrt(variance[varies])
    lf_of = lf_of[varies]
    correlation = covariance[np.ix_(varies, varies)] / np.outer(scale, scale)
    S = split(np.linalg.inv(correlation + _RIDGE * np.eye(len(varies))), lf_of, 1 / np.sqrt(max(m, 1)))
    of_lf = (lf_of[:, None] == np.arange(m)).astype(np.float64)
    return np.asarray(of_lf.T @ S @ of_lf if k == 2 else np.sqrt(of_lf.T @ S**2 @ of_lf), np.float64)


def split(precision: NDArray[np.float64], group: NDArray[np.int64], penalty: float) -> NDArray[np.float64]:
    """S of the split of a matrix `(c, c)` into S - L, by alternating directions.

    Parameters
    ----------
    precision : (c, c) float64 array
        Symmetric.
    group : (c,) int64 array
        Ascending. Blocks of S are shrunk as a whole; those on the diagonal not at all.
    penalty : float
        Of the norm of S against the trace of L.
    """
    _, first, sizes = np.unique(group, return_index=True, return_counts=True)
    own = group[:, None] == group
    S, L, U = (np.zeros_like(precision) for _ in range(3))
    for _ in range(_STEPS):
        target = precision + L - U
        squares = np.add.reduceat(np.add.reduceat(target**2, first, axis=0), first, axis=1)
        norms = np.repeat(np.repeat(np.sqrt(squares), sizes, axis=0), sizes, axis=1)
        shrunk = np.where(own, target, target * np.maximum(1 - penalty / np.maximum(norms, 1e-300), 0))
        w, V = np.linalg.eigh(shrunk - precision + U)
        L = (V * np.maximum(w - 1, 0)) @ V.T
        gap = shrunk - L - precision
        U = U + gap
        step = np.abs(shrunk - S).max(initial=0.0)
        S = shrunk
        if max(step, np.abs(gap).max(initial=0.0)) < _ENOUGH:
            break
    return S
