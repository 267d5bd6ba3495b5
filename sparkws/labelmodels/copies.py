"""Functions that vote alike on practically all items: copies of each other, or all but perfect.

Nothing in the votes tells the two apart, and a model of independent functions believes the second. A search for
dependence (see `structure`) compares all pairs with what the class explains; here only the plainest case is
looked for, which costs two products of matrices and is right for any model.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from sparkws.stats.moments import Moments
from sparkws.vocab import ABSTAIN

ALIKE: Final = 0.99  # of the common votes; independent functions that are right on 99 % of the items agree on 98 %
FEWEST_COMMON: Final = 100
_FEWEST_OF_CLASS: Final = 10  # who almost always votes for one class agrees with the like without being a copy
_MOST_WORK: Final = 1 << 33  # multiplications: seconds


def copies(L: NDArray[np.int8], counts: NDArray[np.int64], cardinality: int) -> tuple[tuple[int, ...], ...]:
    """The sets of functions that vote alike, as columns.

    Two functions vote alike that agree on 99 % of a hundred common votes or more, among which two classes are voted
    ten times or more; of functions that vote for the same single class, those of which one votes on 99 % of
    the items that either votes on, and not on practically all items.

    Parameters
    ----------
    L : (u, m) int8 array in {-1, 0..k-1}
        The class that each vote is for.
    counts : (u,) int64 array
        The items of each row.
    cardinality : int
        The number of classes k.
    """
    u, m = L.shape
    if u * m * m * (cardinality + 1) > _MOST_WORK:
        return ()
    voted = (L != ABSTAIN).astype(np.float64)
    weights = counts.astype(np.float64)[:, None]
    both = voted.T @ (voted * weights)
    agreed, n_classes = np.zeros((m, m)), np.zeros((m, m))
    for y in range(cardinality):
        votes = np.equal(L, y).astype(np.float64)
        together = votes.T @ (votes * weights)
        agreed += together
        n_classes += together >= _FEWEST_OF_CLASS
    alike = _alike(both, agreed, n_classes, int(counts.sum()))
    n_sets, set_of = connected_components(csr_array(alike.astype(np.int8)), directed=False)
    sets = (tuple(np.flatnonzero(set_of == number).tolist()) for number in range(n_sets))
    return tuple(members for members in sets if len(members) > 1)


def alike_pairs(moments: Moments, *, use_abstain: bool) -> NDArray[np.bool_]:
    """The pairs of functions that vote alike, `(m, m)`; those of one class only where abstaining is an outcome."""
    m = len(moments.lf_names)
    both, agreed, n_classes = np.zeros((m, m)), np.zeros((m, m)), np.zeros((m, m))
    np.add.at(both, np.ix_(moments.lf_of, moments.lf_of), moments.gram)
    for y in range(moments.cardinality):
        cells = np.flatnonzero(moments.label_of == y)
        together = np.zeros((m, m))
        together[np.ix_(moments.lf_of[cells], moments.lf_of[cells])] = moments.gram[np.ix_(cells, cells)]
        agreed += together
        n_classes += together >= _FEWEST_OF_CLASS
    alike = _alike(both, agreed, n_classes, moments.n_items)
    np.fill_diagonal(alike, val=False)
    return alike if use_abstain else alike & (n_classes > 1)


def _alike(
    both: NDArray[np.float64], agreed: NDArray[np.float64], n_classes: NDArray[np.float64], n_items: int
) -> NDArray[np.bool_]:
    """The pairs that vote alike, from their common votes, those that agree, and the classes of these, `(m, m)` each."""
    own = np.diagonal(both)
    either = own[:, None] + own - both
    is_single = np.diagonal(n_classes) == 1
    fire_alike = np.outer(is_single, is_single) & (both >= ALIKE * either) & (either <= ALIKE * n_items)
    return np.asarray((both >= FEWEST_COMMON) & (agreed >= ALIKE * both) & ((n_classes > 1) | fire_alike), np.bool_)
