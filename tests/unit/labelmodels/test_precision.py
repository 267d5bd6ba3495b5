"""Precision votes: by hand, against the formula, and precisions that pairs tell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.errors import ConfigError, NothingToFit
from sparkws.labelmodels.precision import PrecisionVote, learned_precisions
from sparkws.stats import moments
from sparkws.stats.patterns import of_matrix
from tests.exact import exact_moments, exact_patterns


def test_fixed_precisions_by_hand():
    """Volume (7.5 + .5) / 11 of class 0: a lone vote is right with .75, and the rare class wins a conflict."""
    L = np.array([[0, -1, -1]] * 6 + [[-1, 1, -1]] * 2 + [[0, 1, -1], [0, -1, 0]], np.int8)
    model = PrecisionVote(2).fit(of_matrix(L, ("a", "b", "c"), 2))
    probs = model.posterior(np.array([[0, -1, -1], [-1, 1, -1], [0, 1, -1], [-1, -1, -1]], np.int8))
    np.testing.assert_allclose(model.class_balance_, [8 / 11, 3 / 11])
    np.testing.assert_allclose(probs[:2], [[0.75, 0.25], [0.25, 0.75]])
    assert probs[2, 1] > 0.5
    assert np.isnan(probs[3]).all()
    assert (model.balance_source_, model.abstain_) == ("volume", "missing")
    tempered = PrecisionVote(2, volume_power=0.2).fit(of_matrix(L, ("a", "b", "c"), 2))
    assert tempered.balance_source_ == "volume to the power 0.2"


@settings(max_examples=20)
@given(st.integers(2, 4), st.sampled_from(["fixed", "learned"]), st.integers(0, 2**32 - 1))
def test_the_posterior_is_the_sum_of_weights(k, precision, seed):
    """log π_y + Σ_j w_jl [l = y], w = log(a / π) - log((1 - a) / (1 - π)), naively."""
    rng = np.random.default_rng(seed)
    truth = synthetic.random_truth(rng, 6, k, n_single_class=4)
    L, _ = synthetic.sample(truth, 80, rng)
    model = PrecisionVote(k, precision=precision).fit(of_matrix(L, synthetic.lf_names(6), k))
    pi, a = model.class_balance_, model.precision_
    for row, probs in zip(L, model.posterior(L), strict=True):
        if (row < 0).all():
            continue
        scores = pi.copy()
        for j, vote in enumerate(row):
            if vote >= 0:
                scores[vote] *= (a[j, vote] / pi[vote]) / ((1 - a[j, vote]) / (1 - pi[vote]))
        np.testing.assert_allclose(probs, scores / scores.sum(), atol=1e-12)


def true_precisions(truth):
    """P(class l | vote l), NaN for votes that are never cast."""
    joint = truth.cpt[:, 1:] * truth.class_balance
    cast = joint.sum(axis=2)
    return np.where(cast > 0, np.diagonal(joint, axis1=1, axis2=2) / np.maximum(cast, 1e-300), np.nan)


@pytest.mark.parametrize(("k", "n_single"), [(2, 0), (2, 3), (2, 6), (3, 6)])
def test_exact_pairs_give_exact_precisions(k, n_single):
    rng = np.random.default_rng(k + n_single)
    truth = synthetic.random_truth(rng, 6, k, accuracy=(0.65, 0.9), n_single_class=n_single)
    found = learned_precisions(exact_moments(truth).pairs, truth.class_balance)
    expected = true_precisions(truth)
    cast = ~np.isnan(expected)
    np.testing.assert_allclose(found[cast], expected[cast], atol=1e-6)


def test_precisions_of_functions_of_one_class_are_not_confused_with_how_often_they_agree():
    """Two weak and two strong functions of class 1, two of class 0: agreement would draw them together."""
    rates = [(1, 0.4, 0.3), (1, 0.4, 0.3), (1, 0.4, 0.05), (1, 0.3, 0.02), (0, 0.4, 0.1), (0, 0.3, 0.1)]
    cpt = np.stack([synthetic.single_class_table(label, hit, false, 2) for label, hit, false in rates])
    truth = synthetic.Truth(class_balance=np.array([0.6, 0.4]), cpt=cpt)
    L, _ = synthetic.sample(truth, 40_000, np.random.default_rng(0))
    counted = moments.of_patterns(of_matrix(L, synthetic.lf_names(6), 2))
    expected = true_precisions(truth)
    cast = ~np.isnan(expected)
    np.testing.assert_allclose(learned_precisions(counted, truth.class_balance)[cast], expected[cast], atol=0.06)


def test_few_items_and_pairs_that_contradict_each_other_leave_the_fixed_precision():
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 6, 2, n_single_class=6, coverage=(0.05, 0.1))
    L, _ = synthetic.sample(truth, 60, rng)
    model = PrecisionVote(2, precision="learned", class_balance="uniform").fit(of_matrix(L, synthetic.lf_names(6), 2))
    np.testing.assert_allclose(model.precision_, 0.75, atol=0.08)
    dependent = synthetic.random_truth(
        rng, 6, 2, accuracy=(0.55, 0.6), n_single_class=6, coverage=(0.3, 0.5), groups=[(0, 2)], copy=0.95
    )
    patterns = exact_patterns(dependent)
    learned = PrecisionVote(2, precision="learned", class_balance=dependent.class_balance).fit(patterns).precision_
    assert np.abs(learned[[0, 2], 0] - 0.75).max() < 0.15, "what their own pair says would make them nearly certain"


@settings(max_examples=10)
@given(st.permutations(range(6)), st.integers(0, 2**32 - 1))
def test_permuting_functions_permutes_their_precisions(order, seed):
    rng = np.random.default_rng(seed)
    L, _ = synthetic.sample(synthetic.random_truth(rng, 6, 3, n_single_class=4), 300, rng)
    names = synthetic.lf_names(6)
    first, second = (
        PrecisionVote(3, precision="learned").fit(of_matrix(L[:, at], [names[j] for j in at], 3))
        for at in (range(6), list(order))
    )
    np.testing.assert_allclose(second.precision_, first.precision_[list(order)], atol=1e-9)


def test_twelve_hundred_functions_do_not_underflow():
    rng = np.random.default_rng(2)
    truth = synthetic.random_truth(rng, 1200, 3, coverage=(0.01, 0.05), n_single_class=1200)
    L, Y = synthetic.sample(truth, 300, rng)
    probs = PrecisionVote(3, class_balance="uniform").fit(of_matrix(L, synthetic.lf_names(1200), 3)).posterior(L)
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    assert (probs.argmax(axis=1) == Y).mean() > 0.8


def test_given_and_known_balances():
    L = np.array([[0, 1, 0], [1, 1, -1], [0, -1, 0]], np.int8)
    patterns = of_matrix(L, ("a", "b", "c"), 2, np.array([0, -1, 0], np.int8))
    assert PrecisionVote(2, class_balance=(0.3, 0.7)).fit(patterns).balance_source_ == "given"
    known = PrecisionVote(2, class_balance="dev").fit(patterns)
    assert (known.balance_source_, known.class_balance_.tolist()) == ("dev", [0.75, 0.25])


def test_options_are_checked():
    with pytest.raises(ConfigError, match="precision must be 'fixed' or 'learned', got 'guessed'"):
        PrecisionVote(2, precision="guessed")
    with pytest.raises(NothingToFit, match="none of the 1 items has a vote"):
        PrecisionVote(2).fit(of_matrix(np.array([[-1]], np.int8), ("a",), 2))
