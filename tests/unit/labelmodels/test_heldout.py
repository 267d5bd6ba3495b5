"""Held-out gain: what equal functions are, when a model gains over them, and when it must not."""

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.heldout import equal_tables, foretold, gain_of, halves, heldout_gain, log_likelihood, split
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.posterior import posterior, predict
from sparkws.labelmodels.superlf import SuperLF
from sparkws.stats.patterns import PatternsKernel, collapse, merge, of_matrix, unpack

LFS = synthetic.lf_names(6)


def equal(n, accuracy, seed, k=2):
    """Votes of functions that are all equally good."""
    truth = synthetic.Truth(
        class_balance=np.full(k, 1 / k), cpt=np.stack([synthetic.table(accuracy, 0.6, k) for _ in LFS])
    )
    return synthetic.sample(truth, n, np.random.default_rng(seed))[0]


def fit(patterns):
    return DawidSkene(patterns.cardinality, abstain="missing", smoothing=1).fit(patterns)


@pytest.mark.parametrize("k", [2, 3])
def test_equal_functions_have_their_accuracy_and_say_what_majority_vote_says(k):
    counted = of_matrix(equal(20_000, 0.75, 0, k), LFS, k)
    cpt, balance = equal_tables(counted)
    assert (cpt[:, 1:].diagonal(axis1=1, axis2=2) / (1 - cpt[:, 0])).round(2) == pytest.approx(0.75, abs=0.011)
    assert np.allclose(cpt.sum(axis=1), 1)
    L = unpack(counted)
    ours = predict(posterior(L, cpt, balance, use_abstain=False))
    assert (ours == predict(MajorityVote(k).posterior(L))).all()


def test_a_model_that_knows_who_is_better_gains_and_more_surely_with_more_items():
    truth = synthetic.Truth(
        class_balance=np.array([0.5, 0.5]),
        cpt=np.stack([synthetic.table(a, 0.6, 2) for a in (0.95, 0.9, 0.6, 0.6, 0.55, 0.55)]),
    )
    gains = [
        heldout_gain(
            fit, of_matrix(synthetic.sample(truth, n, np.random.default_rng(0))[0], LFS, 2), np.random.default_rng(1)
        )
        for n in (1000, 16_000)
    ]
    assert all(gain.is_certain for gain in gains)
    assert gains[0].error / gains[1].error == pytest.approx(4, rel=0.15)  # the root of 16


def test_where_functions_are_equal_nothing_is_gained():
    found = [
        heldout_gain(fit, of_matrix(equal(600, 0.7, seed), LFS, 2), np.random.default_rng(seed)) for seed in range(20)
    ]
    assert sum(gain.is_certain for gain in found) <= 1
    assert np.mean([gain.per_item for gain in found]) < 0


def test_halves_are_all_items_once_by_key_or_at_random():
    votes = synthetic.votes_frame(equal(1000, 0.7, 0), LFS)
    keyed = PatternsKernel(LFS, 2).of_batch(votes)
    one, other = halves(keyed, np.random.default_rng(0))
    assert merge(one, other) == keyed
    assert 430 < one.n_items < 570
    again = halves(keyed, np.random.default_rng(1))
    assert again == (one, other)
    plain = collapse(keyed)
    one, other = halves(plain, np.random.default_rng(0))
    assert merge(one, other) == plain
    assert 430 < one.n_items < 570


@pytest.mark.parametrize("abstain", ["outcome", "missing"])
@pytest.mark.parametrize("n_single", [0, 3])
@pytest.mark.parametrize("groups", [(), [("lf_0", "lf_1")], [("lf_0", "lf_1"), ("lf_2", "lf_4")]])
def test_probabilities_of_all_votes_add_up_to_one_with_groups_or_without(abstain, n_single, groups):
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 5, 2, n_single_class=n_single, coverage=(0.3, 0.8), groups=[(0, 1)], copy=0.7)
    seen = of_matrix(synthetic.sample(truth, 5000, rng)[0], LFS[:5], 2)
    model = SuperLF(2, groups=groups, abstain=abstain).fit(seen)
    votes = synthetic.exact(truth)[0]
    cast = np.array(
        [[label in {-1, *column} for label, column in zip(row, unpack(seen).T, strict=True)] for row in votes]
    )
    assert np.exp(log_likelihood(model, votes[cast.all(axis=1)])).sum() == pytest.approx(1)


def test_groups_foretell_copies_better_than_independence_does():
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 6, 2, groups=[(0, 1, 4)], copy=0.9)
    counted = of_matrix(synthetic.sample(truth, 4000, rng)[0], LFS, 2)
    halved = split(counted, rng)

    def of(model):
        return foretold([model.fit(seen) for seen, _ in halved.parts], halved)

    for abstain in ("outcome", "missing"):
        grouped = of(SuperLF(2, groups=[("lf_0", "lf_1", "lf_4")], abstain=abstain))
        assert gain_of(grouped, of(DawidSkene(2, abstain=abstain)), halved.counts).is_certain
