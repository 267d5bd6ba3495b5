"""Dawid and Skene's EM over rows in plain numpy, as it is commonly written: the rival of the benchmark `fit`.

Frozen: do not tune. Abstaining is missing, the start is majority vote, and EM stops when the likelihood
gains less than `tol` a vote, as in sparkws; it has no pseudo-votes.
"""

import numpy as np
from numpy.typing import NDArray

TINY = 1e-10


def fit_rows(
    L: NDArray[np.int8],
    cardinality: int,
    *,
    tol: float,
    max_iter: int = 1000,
    q: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """P(vote | class, voted) `(m, k votes, k classes)`, class balance `(k,)`, and soft labels `(n, k)`.

    Parameters
    ----------
    L : (m, n) int8 array in {-1, 0..k-1}
        A row for each function.
    q : (n, k) array, optional
        Soft labels to go on from.
    """
    k = cardinality
    if q is None:
        q = np.stack([(y == L).sum(axis=0) for y in range(k)], axis=1).astype(np.float64)
        total = q.sum(axis=1, keepdims=True)
        q = np.where(total > 0, q / np.maximum(total, 1), 1 / k)
    least_gain, last = tol * (L >= 0).sum(), -np.inf
    for _ in range(1, max_iter + 1):
        balance = q.mean(axis=0)
        tables = np.empty((len(L), k, k))
        scores = np.tile(np.log(balance), (L.shape[1], 1))
        for j, votes in enumerate(L):
            for label in range(k):
                tables[j, label] = q[votes == label].sum(axis=0)
            tables[j] /= np.maximum(tables[j].sum(axis=0), TINY)
            for label in range(k):
                scores[votes == label] += np.log(np.maximum(tables[j, label], TINY))
        top = scores.max(axis=1, keepdims=True)
        q = np.exp(scores - top)
        log_likelihood = float((top[:, 0] + np.log(q.sum(axis=1))).sum())
        q /= q.sum(axis=1, keepdims=True)
        if log_likelihood - last <= least_gain:
            break
        last = log_likelihood
    return tables, balance, q
