"""Statistics without sampling error: counts of so many items that rounding them is all that is left of it."""

import numpy as np

from sparkws import synthetic
from sparkws.labelmodels.thirds import moments_of
from sparkws.stats.joint import BothMoments
from sparkws.stats.patterns import Patterns, of_matrix, unpack, with_counts


def exact_patterns(truth: synthetic.Truth, n: int = 10**15) -> Patterns:
    """The counts of n items that follow the truth without sampling error."""
    L, joint = synthetic.exact(truth)
    n_items = {tuple(row): round(n * p) for row, p in zip(L.tolist(), joint.sum(axis=1).tolist(), strict=True)}
    each = of_matrix(L, synthetic.lf_names(truth.n_lfs), truth.cardinality)
    return with_counts(each, np.array([n_items[tuple(row)] for row in unpack(each).tolist()]))


def exact_moments(truth: synthetic.Truth, n: int = 10**15) -> BothMoments:
    """Second and third moments of the same items."""
    return moments_of(exact_patterns(truth, n))
