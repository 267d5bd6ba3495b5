"""Whether functions of a single class fire by what an item is, or by whom it was shown to.

A rule that is written for one class fires on items of that class, so that it fires more often where others vote for
it. A person of a crowd who answers always the same is shown items as everybody is: what others answer does not
depend on who else was asked. Only of the first do abstentions tell something, and only of the second can they be
set aside.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from sparkws.labelmodels.em import count_votes
from sparkws.vocab import ABSTAIN

_FEWEST_EXPECTED: Final = 5.0  # items in a cell, for a chi-square to be one
_SURE: Final = 1e-3


def fire_by_class(L: NDArray[np.int8], counts: NDArray[np.int64], cardinality: int) -> bool:
    """Whether functions that vote a single class fire more often beside some votes of the others than beside others.

    For each of them and each function of several classes, a chi-square test of independence of [it votes] and
    [what the other votes], over the items that the other votes on; all pairs together decide.

    Parameters
    ----------
    L : (u, m) int8 array in {-1, 0..k-1}
    counts : (u,) int64 array
        Items of each row.
    cardinality : int
        The number of classes k.

    Returns
    -------
    bool
        False also where nothing can be tested.

    Examples
    --------
    Function 0 votes 0 only, and on no item that function 1 takes for 1.

    >>> L = np.array([[0, 0], [-1, 1], [0, 1]], np.int8)
    >>> fire_by_class(L, np.array([50, 50, 0]), 2), fire_by_class(L, np.array([50, 0, 50]), 2)
    (True, False)
    """
    several = (count_votes(L, counts, cardinality) > 0).sum(axis=1)
    single, others = np.flatnonzero(several == 1), np.flatnonzero(several > 1)
    fired = (L[:, single] != ABSTAIN).astype(np.float64)
    # (k, s, o) items on which single function s fires and the other o votes the class; (k, o) those of the vote
    votes = [(L[:, others] == label) * counts[:, None].astype(np.float64) for label in range(cardinality)]
    both = np.stack([fired.T @ of_class for of_class in votes])
    of_vote = np.stack([of_class.sum(axis=0) for of_class in votes])[:, None]
    share = both.sum(axis=0) / np.maximum(of_vote.sum(axis=0), 1)
    expected = of_vote * share
    spread = expected * (1 - share)
    tested = spread >= _FEWEST_EXPECTED
    # A vote that is too rare takes no part, and what is left is compared with its own mean.
    share = np.where(tested, both, 0).sum(axis=0) / np.maximum(np.where(tested, of_vote, 0).sum(axis=0), 1)
    terms = (both - of_vote * share) ** 2 / np.maximum(of_vote * share * (1 - share), 1)
    freedom = np.maximum(tested.sum(axis=0) - 1, 0).sum()
    return bool(freedom and chi2.sf(np.where(tested, terms, 0).sum(), freedom) < _SURE)
