"""What pairs of functions share beyond the class, from second moments alone.

Given the class, independent functions have Cov([i votes a], [j votes b]) = Σ_y p_y δ_iay δ_jby: a matrix of
rank k - 1 outside each function's own block. So the part of the covariance that low rank does not explain is
dependence, and nothing has to be known about the classes for it: not their balance, not the accuracies, and
for three or more classes not even a fit that is identified. (Varma and others 2019 split the inverse
covariance in the same way; the covariance itself needs no inverse, which rare votes make noisy, and its
sampling error is known.)

Where abstaining is an outcome, the table of a pair counts all items; where it is missing, those on which
both voted.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh

from sparkws.stats.moments import Moments

_STEPS: Final = 60
_ENOUGH: Final = 1e-5
_FILLS: Final = 2
_FEW_CELLS: Final = 200  # above, only the leading eigenvectors are computed
_LEAST_EXPECTED: Final = 0.02  # of a cell, in items: below it one item would outweigh everything

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pairs:
    """Pair counts with their covariances, over the c cells that vary.

    Attributes
    ----------
    lf_of : (c,) int64 array
        The function of each cell.
    label_of : (c,) int64 array
        The class that it is a vote for.
    of_lf : (c, m) float64 array
        Ones where a cell is a function's.
    observed : (c, c) float64 array
        Items with both votes.
    blind : (c, c) float64 array
        The same expected of functions that vote without regard to each other.
    n_both : (m, m) float64 array
        Items that the table of a pair counts.
    margin : (c, m) float64 array
        Items of each cell in the tables with each function.
    spread : (c,) float64 array
        Standard deviation of each indicator.
    correlation : (c, c) float64 array
        0 in own blocks and in tables without items.
    n_outcomes : (m,) int64 array
        Outcomes of each function that the tables hold.
    use_abstain : bool
    """

    lf_of: NDArray[np.int64]
    label_of: NDArray[np.int64]
    of_lf: Array
    observed: Array
    blind: Array
    n_both: Array
    margin: Array
    spread: Array
    correlation: Array
    n_outcomes: NDArray[np.int64]
    use_abstain: bool

    @property
    def items(self) -> Array:
        """The items of each pair of cells, `(c, c)`; 0 in own blocks."""
        return np.where(self.own, 0.0, self.n_both[np.ix_(self.lf_of, self.lf_of)])

    @property
    def own(self) -> NDArray[np.bool_]:
        """Pairs of cells of one function, `(c, c)`."""
        return np.equal(self.lf_of[:, None], self.lf_of)

    def per_pair(self, cells: Array) -> Array:
        """Sums over the cells of each pair of functions, `(c, c)` -> `(m, m)`."""
        return self.per_lf(self.per_lf(cells).T).T

    def per_lf(self, cells: Array) -> Array:
        """Sums over the cells of each function in the second place, `(r, c)` -> `(r, m)`."""
        # Cells are in the order of their functions: sums of neighbors, where a product of matrices would be cubic.
        sums = np.zeros((len(cells), len(self.n_outcomes)))
        present = np.unique(self.lf_of)
        if len(present):
            sums[:, present] = np.add.reduceat(cells, np.searchsorted(self.lf_of, present), axis=1)
        return sums


def pair_tables(moments: Moments, *, use_abstain: bool) -> Pairs:
    """The pair tables of moments."""
    lf_of, m = moments.lf_of, len(moments.lf_names)
    counts = np.diagonal(moments.gram).astype(np.float64)
    votes = np.bincount(lf_of, weights=counts, minlength=m)
    total = np.full(len(lf_of), float(moments.n_items)) if use_abstain else votes[lf_of]
    varies = np.flatnonzero((counts > 0) & (counts < total))
    of_all = (lf_of[:, None] == np.arange(m)).astype(np.float64)
    gram = moments.gram[varies].astype(np.float64)
    if use_abstain:
        n_both = np.full((m, m), float(moments.n_items))
        margin = np.repeat(counts[varies, None], m, axis=1)
    else:
        margin = gram @ of_all
        n_both = of_all.T @ moments.gram @ of_all
    observed, lf_of, share = gram[:, varies], lf_of[varies], (counts / total)[varies]
    spread = np.sqrt(share * (1 - share))
    items = n_both[np.ix_(lf_of, lf_of)]
    blind = margin[:, lf_of] * margin[:, lf_of].T / np.maximum(items, 1)
    outside = (items > 0) & (lf_of[:, None] != lf_of)
    scale = np.maximum(items, 1) * np.outer(spread, spread)
    return Pairs(
        lf_of=lf_of,
        label_of=moments.label_of[varies],
        of_lf=of_all[varies],
        observed=observed,
        blind=blind,
        n_both=n_both,
        margin=margin,
        spread=spread,
        correlation=np.where(outside, (observed - blind) / scale, 0.0),
        n_outcomes=np.bincount(lf_of, minlength=m) + use_abstain,
        use_abstain=use_abstain,
    )


def low_rank(pairs: Pairs, masked: NDArray[np.bool_], rank: int, start: Array | None) -> tuple[Array, Array]:
    """Loadings `(c, rank)` whose products explain the correlations best, and the information of each `(c, r, r)`.

    Alternating least squares, weighted by items.

    Parameters
    ----------
    pairs : Pairs
    masked : (m, m) bool array
        Pairs that take no part.
    rank : int
    start : (c, rank) float64 array or None
    """
    weights = np.where(masked[np.ix_(pairs.lf_of, pairs.lf_of)], 0.0, pairs.items)
    target = weights * pairs.correlation
    U = _leading(pairs.correlation, weights > 0, rank) if start is None else start
    for _ in range(_STEPS):
        information = _information(weights, U)
        # A cell that meets hardly anything keeps a loading near zero.
        ridge = 1e-6 * np.trace(information, axis1=1, axis2=2).mean() / rank + 1e-9
        solved = np.linalg.solve(information + ridge * np.eye(rank), (target @ U)[:, :, None])[:, :, 0]
        step = np.abs(solved - U).max(initial=0.0)
        U = _within_one((U + solved) / 2)  # both factors move at once, so the full step would swing
        if step < _ENOUGH:
            break
    return U, _information(weights, U) + 1e-9 * np.eye(rank)


def misfit(pairs: Pairs, U: Array, information: Array, masked: NDArray[np.bool_]) -> tuple[Array, Array]:
    """How far each pair's table is from what low rank expects, `(m, m)`, and its degrees of freedom.

    The likelihood ratio of the table against the expected one, χ² distributed where they agree. It is divided
    by 1 + h for pairs that took no part in the fit, whose expectation has an error of its own, and by 1 - h
    for those that pulled the fit towards themselves, with h the leverage.

    Parameters
    ----------
    U, information : arrays
        What `low_rank` gave.
    masked : (m, m) bool array
        The same pairs.
    """
    items = pairs.items
    expected = np.where(pairs.own, 0.0, pairs.blind + items * np.outer(pairs.spread, pairs.spread) * (U @ U.T))
    observed = np.where(pairs.own, 0.0, pairs.observed)
    ratio = pairs.per_pair(_deviance(observed, expected))
    if pairs.use_abstain:
        # Rows and columns of abstentions follow from the margins.
        voted = pairs.of_lf.T @ pairs.margin
        half = pairs.of_lf.T @ _deviance(pairs.margin - pairs.per_lf(observed), pairs.margin - pairs.per_lf(expected))
        silent = pairs.n_both - voted - voted.T
        ratio += half + half.T + _deviance(silent + pairs.per_pair(observed), silent + pairs.per_pair(expected))
    inverse = np.linalg.pinv(information, hermitian=True)
    # (b, r) (a, r, s) (b, s) -> (a, b): the error of a's loading, seen through b's
    leverage = np.einsum("br,ars,bs->ab", U, inverse, U, optimize=True) * items
    n_cells = pairs.per_pair(np.ones_like(leverage))
    h = pairs.per_pair(leverage + leverage.T) / np.maximum(n_cells, 1)
    scaled = np.where(masked, ratio / (1 + h), ratio / np.maximum(1 - h, 0.05))
    scaled[pairs.n_both == 0] = 0
    np.fill_diagonal(scaled, 0)
    free = np.maximum(np.outer(pairs.n_outcomes - 1, pairs.n_outcomes - 1), 1)
    return scaled, free.astype(np.float64)


def excess(pairs: Pairs, U: Array) -> Array:
    """The correlation of each pair beyond what low rank explains, `(m, m)`, of its strongest cell.

    Positive where the two agree more than the class makes them: cells of two classes count with the other sign.
    Within -1..1, also where the votes that a pair has in common are not like the others of its functions.
    """
    agree = np.where(pairs.label_of[:, None] == pairs.label_of, 1.0, -1.0)
    beyond = np.clip(np.clip(pairs.correlation, -1.0, 1.0) - U @ U.T, -1.0, 1.0)
    rest = np.where(pairs.items > 0, agree * beyond, 0.0)
    m = pairs.of_lf.shape[1]
    strongest = np.zeros((m, m))
    first = np.searchsorted(pairs.lf_of, np.arange(m))
    present = np.flatnonzero(pairs.n_outcomes - pairs.use_abstain > 0)
    if not len(present):
        return strongest
    starts = first[present]
    high, low = (
        reduce.reduceat(reduce.reduceat(rest, starts, axis=0), starts, axis=1) for reduce in (np.maximum, np.minimum)
    )
    strongest[np.ix_(present, present)] = np.where(high >= -low, high, low)
    return strongest


def meeting(pairs: Pairs, U: Array) -> Array:
    """How often the functions of each pair both vote, as a multiple of what low rank explains, `(m, m)`.

    NaN where nothing is explained, and where abstaining is missing: there only common votes are counted.
    """
    there = pairs.items > 0
    scale = pairs.items * np.outer(pairs.spread, pairs.spread)
    explained = pairs.per_pair(np.where(there, np.maximum(pairs.blind + scale * (U @ U.T), 0.0), 0.0))
    met = pairs.per_pair(np.where(there, pairs.observed, 0.0))
    is_known = (explained > 0) & pairs.use_abstain
    return np.asarray(np.divide(met, explained, out=np.full(met.shape, np.nan), where=is_known), np.float64)


def _within_one(U: Array) -> Array:
    """Loadings that explain at most the variance of their cell, so that their products are correlations.

    Few pairs that hang together by chance would else be explained best by loadings far above one.
    """
    length = np.sqrt((U**2).sum(axis=1, keepdims=True))
    return np.asarray(U / np.maximum(length, 1.0), np.float64)


def _information(weights: Array, U: Array) -> Array:
    c, r = U.shape
    # (c, r, r) outer products -> (c, r * r): one product of matrices for all cells
    outer = (U[:, :, None] * U[:, None, :]).reshape(c, r * r)
    return np.asarray((weights @ outer).reshape(c, r, r), np.float64)


def _leading(correlation: Array, takes_part: NDArray[np.bool_], rank: int) -> Array:
    """Leading eigenvectors, the part that is not known filled in by the products a few times."""
    filled = np.where(takes_part, correlation, 0.0)
    if not filled.any():
        return np.full((len(filled), rank), 1e-3)
    for _ in range(_FILLS + 1):
        if len(filled) > _FEW_CELLS and rank < len(filled) // 4:
            w, V = eigsh(filled, k=rank, which="LA", v0=np.linspace(1, 2, len(filled)))
        else:
            w, V = np.linalg.eigh(filled)
        U = V[:, -rank:] * np.sqrt(np.maximum(w[-rank:], 1e-6))
        filled = np.where(takes_part, correlation, U @ U.T)
    return np.asarray(U, np.float64)


def _deviance(observed: NDArray[Any], expected: NDArray[Any]) -> Array:
    floored = np.maximum(expected, _LEAST_EXPECTED)
    counted = np.maximum(observed, 0.0)
    logs = np.log(np.where(counted > 0, counted, 1.0) / np.where(counted > 0, floored, 1.0))
    return np.asarray(2 * (counted * logs - counted + floored), np.float64)
