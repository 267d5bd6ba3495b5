"""Posteriors against the naive product, and ties broken by the key's hash."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import hashing, synthetic
from sparkws.labelmodels.posterior import hits, one_hot, posterior, predict, vote_shares


def naive(L, cpt, balance, use_abstain):
    probs = np.tile(balance, (len(L), 1))
    for row in range(len(L)):
        for j, vote in enumerate(L[row]):
            if vote >= 0 or use_abstain:
                probs[row] *= cpt[j, vote + 1]
    probs /= probs.sum(axis=1, keepdims=True)
    probs[(L < 0).all(axis=1)] = np.nan
    return probs


@settings(max_examples=25)
@given(st.integers(2, 4), st.integers(1, 6), st.booleans(), st.integers(0, 2**32 - 1))
def test_equals_the_product_and_sums_to_one(k, m, use_abstain, seed):
    rng = np.random.default_rng(seed)
    truth = synthetic.random_truth(rng, m, k)
    L = synthetic.sample(truth, 20, rng)[0]
    got = posterior(L, truth.cpt, truth.class_balance, use_abstain=use_abstain)
    np.testing.assert_allclose(got, naive(L, truth.cpt, truth.class_balance, use_abstain), rtol=0, atol=1e-12)
    silent = (L < 0).all(axis=1)
    assert np.isnan(got[silent]).all()
    np.testing.assert_allclose(got[~silent].sum(axis=1), 1)


@settings(max_examples=10)
@given(st.permutations(range(5)), st.integers(0, 2**32 - 1))
def test_the_order_of_functions_does_not_matter(order, seed):
    rng = np.random.default_rng(seed)
    truth = synthetic.random_truth(rng, 5, 3)
    L = synthetic.sample(truth, 20, rng)[0]
    ours = posterior(L, truth.cpt, truth.class_balance, use_abstain=True)
    permuted = posterior(L[:, order], truth.cpt[order], truth.class_balance, use_abstain=True)
    np.testing.assert_allclose(permuted, ours, rtol=0, atol=1e-12)


def test_1200_functions_do_not_underflow():
    truth = synthetic.random_truth(np.random.default_rng(0), 1200, 2)
    L = np.zeros((2, 1200), np.int8)
    L[1] = 1
    got = posterior(L, truth.cpt, truth.class_balance, use_abstain=True)
    np.testing.assert_allclose(got, [[1, 0], [0, 1]], atol=1e-12)


def test_a_vote_that_was_never_seen_says_nothing():
    cpt = synthetic.single_class_table(1, 0.5, 0.1, 2)[None]
    got = posterior(np.array([[0], [1]], np.int8), cpt, np.array([0.3, 0.7]), use_abstain=True)
    np.testing.assert_allclose(got, [[0.3, 0.7], [0.03 / 0.38, 0.35 / 0.38]])


def test_the_votes_of_a_very_rare_function_stay_evidence():
    cpt = 1e-12 * synthetic.table(0.9, 1.0, 2)[None]
    got = posterior(np.array([[1]], np.int8), cpt, np.array([0.5, 0.5]), use_abstain=False)
    np.testing.assert_allclose(got, [[0.1, 0.9]])


def test_one_hot_has_no_entry_for_abstentions():
    L = np.array([[1, -1], [-1, -1], [0, 2]], np.int8)
    assert one_hot(L, 3).toarray().tolist() == [[0, 1, 0, 0, 0, 0], [0] * 6, [1, 0, 0, 0, 0, 1]]


def test_shares_split_ties_and_leave_silent_rows_empty():
    L = np.array([[0, 1, 1], [0, 1, -1], [-1, -1, -1]], np.int8)
    np.testing.assert_allclose(vote_shares(L, 2), [[1 / 3, 2 / 3], [0.5, 0.5], [np.nan, np.nan]])


def test_ties_abstain():
    probs = np.array([[0.2, 0.4, 0.4], [0.5, 0.3, 0.2], [0.4, 0.4 + 1e-12, 0.2], [np.nan] * 3])
    assert predict(probs).tolist() == [-1, 0, -1, -1]
    assert predict(probs[:0]).tolist() == []


def test_random_ties_follow_the_hash_and_the_seed_only():
    n = 2000
    probs = np.tile([0.1, 0.45, 0.45], (n, 1))
    hashes = hashing.hash_keys(pl.Series([f"item {i}" for i in range(n)]))
    preds = predict(probs, hashes, "random", seed=1)
    assert set(preds.tolist()) == {1, 2}
    assert abs((preds == 1).mean() - 0.5) < 0.05
    order = np.random.default_rng(0).permutation(n)
    assert (predict(probs[order], hashes[order], "random", seed=1) == preds[order]).all()
    assert (predict(probs, hashes, "random", seed=2) != preds).mean() > 0.4


def test_the_rows_of_a_level_are_no_special_case_for_ties():
    hashes = hashing.hash_keys(pl.Series(range(40_000)))
    sample = hashes[hashing.levels(hashes) >= 4]
    preds = predict(np.full((len(sample), 2), 0.5), sample, "random")
    assert abs(preds.mean() - 0.5) < 0.05


def test_wrong_ways_to_break_ties_are_refused():
    with pytest.raises(ValueError, match="must be 'abstain' or 'random', got 'coin'"):
        predict(np.full((1, 2), 0.5), None, "coin")
    with pytest.raises(ValueError, match="chooses by the hash of the key: give hashes"):
        predict(np.full((1, 2), 0.5), None, "random")


def test_a_tie_is_right_in_its_share():
    probs = np.array([[0.5, 0.5, 0], [0.2, 0.2, 0.6], [0.2, 0.2, 0.6]])
    assert hits(probs, np.array([0, 2, 0], np.int8)).tolist() == [0.5, 1, 0]
