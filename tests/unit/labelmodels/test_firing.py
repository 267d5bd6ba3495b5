"""Rules of one class fire by what an item is; who answers always the same is asked like everybody."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from sparkws import synthetic
from sparkws.labelmodels.firing import fire_by_class
from sparkws.synthetic import Truth


def ones(L):
    return np.ones(len(L), np.int64)


def rules(k, hit, false, n, rng):
    """Two rules for each class beside four functions of all classes."""
    single = [synthetic.single_class_table(label, hit, false, k) for label in range(k) for _ in range(2)]
    several = [synthetic.table(0.75, 0.6, k) for _ in range(4)]
    truth = Truth(class_balance=np.full(k, 1 / k), cpt=np.stack([*single, *several]))
    return synthetic.sample(truth, n, rng)[0]


@pytest.mark.parametrize("k", [2, 3])
def test_rules_fire_by_class(k):
    assert fire_by_class(rules(k, 0.5, 0.1, 600, np.random.default_rng(k)), ones(range(600)), k)


def test_people_who_answer_always_the_same_do_not():
    # As rules that fire equally often in all classes; of 200 crowds the test may be wrong about one in a thousand.
    seeds = np.random.default_rng(0).spawn(200)
    wrong = sum(fire_by_class(rules(3, 0.3, 0.3, 600, rng), ones(range(600)), 3) for rng in seeds)
    assert wrong <= 3


def test_one_pair_is_the_usual_test_of_independence():
    for table in ([[30, 20], [10, 40]], [[22, 28], [23, 27]], [[60, 30], [40, 40]]):
        # rows: the other's vote; columns: fired or not
        rows = [(fired, vote) for vote in (0, 1) for fired in (0, -1)]
        surely = chi2_contingency(table, correction=False).pvalue < 1e-3
        assert fire_by_class(np.array(rows, np.int8), np.array(table).ravel(), 2) == surely


def test_order_and_grouping_of_items_do_not_matter():
    rng = np.random.default_rng(5)
    for false in (0.15, 0.22, 0.3):
        L = rules(2, 0.3, false, 400, rng)
        patterns, counts = np.unique(L, axis=0, return_counts=True)
        lfs, items = rng.permutation(L.shape[1]), rng.permutation(len(L))
        expected = fire_by_class(L, ones(L), 2)
        assert fire_by_class(patterns, counts, 2) == expected
        assert fire_by_class(L[items][:, lfs], ones(L), 2) == expected


@pytest.mark.parametrize(
    "L",
    [
        pytest.param(np.full((20, 3), -1), id="no votes"),
        pytest.param(np.repeat([[0, -1, 1], [-1, 1, 1]], 50, axis=0), id="only functions of one class"),
        pytest.param(np.repeat([[0, 1], [1, 0]], 50, axis=0), id="only functions of several"),
        pytest.param(np.array([[0, 0], [-1, 1]]), id="too few items"),
    ],
)
def test_nothing_to_test_is_no_finding(L):
    assert not fire_by_class(L.astype(np.int8), ones(L), 2)
