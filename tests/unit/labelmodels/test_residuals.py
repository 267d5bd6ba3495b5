"""How often functions meet, against a count that knows the classes."""

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.labelmodels.residuals import low_rank, meeting, pair_tables
from sparkws.stats import moments
from sparkws.stats.patterns import of_matrix

N = 40_000


def drawn(repeat=None):
    """Votes `(n, 7)` that are independent given the class, the last function's maybe those of another; classes."""
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 7, 2, accuracy=(0.65, 0.9), coverage=(0.2, 0.7), n_single_class=2)
    L, Y = synthetic.sample(truth, N, rng)
    if repeat is not None:
        L[:, 6] = np.where(rng.random(N) < 0.8, L[:, repeat], -1)
    return L, Y


def met(L, *, use_abstain, masked=()):
    pairs = pair_tables(moments.of_patterns(of_matrix(L, synthetic.lf_names(7), 2)), use_abstain=use_abstain)
    apart = np.zeros((7, 7), np.bool_)
    for i, j in masked:
        apart[i, j] = apart[j, i] = True
    return meeting(pairs, low_rank(pairs, apart, 1, None)[0])


def naive(L, Y, i, j):
    """Items that both vote on, over those of functions that fire independently in each class."""
    fires = L >= 0
    expected = sum((y == Y).sum() * fires[y == Y, i].mean() * fires[y == Y, j].mean() for y in (0, 1))
    return (fires[:, i] & fires[:, j]).sum() / expected


def test_independent_functions_meet_as_often_as_the_class_explains():
    L, Y = drawn()
    found = met(L, use_abstain=True)
    for i, j in zip(*np.triu_indices(7, 1), strict=True):
        assert found[i, j] == found[j, i] == pytest.approx(naive(L, Y, i, j), abs=0.05)
        assert found[i, j] == pytest.approx(1, abs=0.1)
    assert np.isnan(np.diagonal(found)).all()


def test_a_function_that_repeats_another_meets_it_more_often():
    L, Y = drawn(repeat=1)
    found = met(L, use_abstain=True, masked=[(1, 6)])
    expected = naive(L, Y, 1, 6)
    assert expected > 1.3
    assert found[1, 6] == pytest.approx(expected, rel=0.05)
    assert found[0, 6] == pytest.approx(1, abs=0.1)


def test_where_abstaining_is_missing_meetings_are_not_told():
    assert np.isnan(met(drawn()[0], use_abstain=False)).all()
