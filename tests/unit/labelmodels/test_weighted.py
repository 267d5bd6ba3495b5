"""Weighted votes: the formula, many functions, and weights that do not fit the functions."""

import numpy as np
import pytest

from sparkws.errors import ConfigError, NothingToFit
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.stats.patterns import of_matrix

L = np.array([[0, 1, 2], [2, 2, -1], [-1, -1, -1]], np.int8)
NAMES = ("a", "b", "c")


def test_each_vote_adds_its_weight():
    weights = {"a": 0.5, "b": 1.0, "c": -0.3}
    model = WeightedVote(3, weights, class_balance=(0.5, 0.3, 0.2)).fit(of_matrix(L, NAMES, 3))
    first = np.array([0.5 * np.exp(0.5), 0.3 * np.exp(1.0), 0.2 * np.exp(-0.3)])
    second = np.array([0.5, 0.3, 0.2 * np.exp(1.5)])
    probs = model.posterior(L)
    np.testing.assert_allclose(probs[:2], [first / first.sum(), second / second.sum()], atol=1e-12)
    assert np.isnan(probs[2]).all()


def test_where_the_class_balance_is_from():
    assert WeightedVote(2, {"a": 1.0}).balance_source_ == "uniform"
    assert WeightedVote(2, {"a": 1.0}, class_balance=(0.3, 0.7)).balance_source_ == "given"


def test_weights_of_twelve_hundred_functions_do_not_overflow():
    names = [f"lf_{j}" for j in range(1200)]
    votes = np.zeros((2, 1200), np.int8)
    votes[1] = 1
    model = WeightedVote(2, dict.fromkeys(names, 10.0)).fit(of_matrix(votes, names, 2))
    np.testing.assert_allclose(model.posterior(votes), [[1, 0], [0, 1]])


def test_weights_must_be_those_of_the_functions():
    patterns = of_matrix(L, NAMES, 3)
    with pytest.raises(ConfigError, match=r"weights lack \['c'\]; give each labeling function a weight"):
        WeightedVote(3, {"a": 1, "b": 1}).fit(patterns)
    with pytest.raises(ConfigError, match=r"weights name \['cc'\], which take no part. Did you mean 'c'"):
        WeightedVote(3, {"a": 1, "b": 1, "c": 1, "cc": 1}).fit(patterns)
    with pytest.raises(NothingToFit, match="this WeightedVote has no weights yet"):
        WeightedVote(3).posterior(L)


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_weights_must_be_finite(weight):
    with pytest.raises(ConfigError, match=f"weights must be finite, got {{'b': {weight}}}; give 0 to ignore"):
        WeightedVote(2, {"a": 1.0, "b": weight})
