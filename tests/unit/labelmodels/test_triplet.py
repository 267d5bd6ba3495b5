"""Triplets: by hand, exact recovery, laws; and the published form, as biased as it was published."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.errors import ConfigError, IncompatibleStatistics, NothingToFit
from sparkws.labelmodels.covariances import outcomes_of
from sparkws.labelmodels.publishedtriplet import PublishedTriplet, published_accuracies
from sparkws.labelmodels.thirds import moments_of
from sparkws.labelmodels.triplet import Triplet
from sparkws.stats import moments
from sparkws.stats.patterns import of_matrix
from tests.exact import exact_moments


def fit(both, cardinality=2, **options):
    return Triplet(cardinality, **options).fit(both.pairs, triples=both.triples)


def one_sided(*rates):
    """Functions that vote class 1 or abstain, on these shares of both classes, `(on 1, on 0)`; π = 1/2."""
    cpt = np.stack([synthetic.single_class_table(1, hit, false, 2) for hit, false in rates])
    return synthetic.Truth(class_balance=np.array([0.5, 0.5]), cpt=cpt)


# E[λY] = (hit - false) / 2: .175, .20 and .29.
ONE_SIDED = one_sided((0.4, 0.05), (0.5, 0.1), (0.6, 0.02))


def test_three_functions_by_hand():
    """δ_0² = C_01 C_02 / (π (1 - π) C_12), with C_ij = δ_i δ_j / 4 for δ = .35, .4, .58."""
    both = exact_moments(ONE_SIDED)
    outcomes = outcomes_of(both.pairs)
    vote = np.flatnonzero(outcomes.vote_of == 2)
    cov = outcomes.cov[np.ix_(vote, vote)]
    assert cov[0, 1] == pytest.approx(0.35 * 0.4 / 4)
    assert pytest.approx(0.35) == (0.035 * 0.05075 / (0.25 * 0.058)) ** 0.5
    model = fit(both, class_balance=(0.5, 0.5), smoothing=0)
    np.testing.assert_allclose(model.cpt_[:, 2], [[0.05, 0.4], [0.1, 0.5], [0.02, 0.6]], atol=1e-9)
    np.testing.assert_allclose(model.cpt_[:, 0], [[0.95, 0.6], [0.9, 0.5], [0.98, 0.4]], atol=1e-9)


def test_the_published_form_is_wrong_for_functions_of_one_class():
    """Votes of +1 only: E[λ_i λ_j] is how often both vote, which is no product of E[λ_i Y]."""
    pairs = exact_moments(ONE_SIDED).pairs
    for aggregate in ("median", "mean", "single"):
        np.testing.assert_allclose(published_accuracies(pairs, aggregate), [0.286, 0.358, 0.421], atol=0.0005)


def test_the_published_form_is_right_where_accuracy_is_equal_in_both_classes():
    truth = synthetic.random_truth(np.random.default_rng(3), 5, 2, accuracy=(0.7, 0.9))
    for aggregate in ("median", "mean", "single"):
        model = PublishedTriplet(2, class_balance=truth.class_balance, aggregate=aggregate, prior_twice=False)
        model.fit(exact_moments(truth).pairs)
        np.testing.assert_allclose(model.cpt_, truth.cpt, atol=1e-9)
        np.testing.assert_allclose(model.class_balance_, truth.class_balance)
    twice = PublishedTriplet(2, class_balance=(0.8, 0.2)).fit(exact_moments(truth).pairs)
    np.testing.assert_allclose(twice.class_balance_, [16 / 17, 1 / 17])


@pytest.mark.parametrize(("n_single", "seed"), [(0, 0), (2, 1), (4, 2), (8, 3)])
def test_exact_moments_give_exact_tables_and_balance(n_single, seed):
    truth = synthetic.random_truth(np.random.default_rng(seed), 8, 2, accuracy=(0.65, 0.9), n_single_class=n_single)
    model = fit(exact_moments(truth), smoothing=0)
    np.testing.assert_allclose(model.cpt_, truth.cpt, atol=1e-8)
    np.testing.assert_allclose(model.class_balance_, truth.class_balance, atol=1e-8)
    assert model.identified_.all()
    assert model.balance_source_ == "estimate"


def test_abstention_may_depend_on_the_class():
    cpt = np.array([[[0.7, 0.2], [0.2, 0.1], [0.1, 0.7]], [[0.1, 0.6], [0.6, 0.1], [0.3, 0.3]]] * 2)
    cpt[2:] = cpt[2:, [0, 2, 1]][:, :, ::-1]
    truth = synthetic.Truth(class_balance=np.array([0.35, 0.65]), cpt=cpt)
    model = fit(exact_moments(truth), smoothing=0, abstain="outcome")
    np.testing.assert_allclose(model.cpt_, cpt, atol=1e-8)


@settings(max_examples=10)
@given(st.permutations(range(6)), st.integers(0, 2**32 - 1))
def test_permuting_functions_permutes_their_tables(order, seed):
    rng = np.random.default_rng(seed)
    truth = synthetic.random_truth(rng, 6, 2, accuracy=(0.7, 0.9), n_single_class=2)
    L, _ = synthetic.sample(truth, 2000, rng)
    names = synthetic.lf_names(6)
    first = fit(moments_of(of_matrix(L, names, 2)), class_balance=(0.4, 0.6))
    second = fit(moments_of(of_matrix(L[:, order], [names[j] for j in order], 2)), class_balance=(0.4, 0.6))
    np.testing.assert_allclose(second.cpt_, first.cpt_[order], atol=1e-9)


def test_more_items_bring_tables_closer():
    rng = np.random.default_rng(5)
    truth = synthetic.random_truth(rng, 12, 2, accuracy=(0.6, 0.9), n_single_class=6)
    errors = []
    for n in (1000, 100_000):
        L, _ = synthetic.sample(truth, n, rng)
        model = fit(moments_of(of_matrix(L, synthetic.lf_names(12), 2)))
        of_balance = np.abs(model.class_balance_ - truth.class_balance).max()
        errors.append(max(np.abs(model.cpt_ - truth.cpt).max(), of_balance))
    assert errors[1] < 0.03 < errors[0] < 0.3


def test_a_function_that_meets_nobody_is_not_identified():
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 3, 2, accuracy=(0.8, 0.9), coverage=(0.7, 0.9))
    L, _ = synthetic.sample(truth, 500, rng)
    L = np.column_stack([L, np.full(500, -1, np.int8)])
    L[7, 3] = 1
    model = fit(moments_of(of_matrix(L, synthetic.lf_names(4), 2)), class_balance=(0.5, 0.5), abstain="outcome")
    assert model.identified_.tolist() == [True, True, True, True]
    alone = fit(moments_of(of_matrix(L[:, [0, 1, 3]], ("a", "b", "c"), 2)), class_balance=(0.5, 0.5), abstain="outcome")
    assert alone.identified_.tolist() == [False, False, True], "no pair of others tells of a or b: c is too rare"
    # What a function that is not identified says is what a voter of accuracy .7 would say.
    rows = alone.cpt_[0, 1:] * 0.5
    np.testing.assert_allclose(np.diagonal(rows) / rows.sum(axis=1), 0.7)


def test_one_class_against_the_rest_only_when_asked():
    truth = synthetic.random_truth(np.random.default_rng(1), 5, 3, accuracy=(0.7, 0.9), n_single_class=2)
    both = exact_moments(truth)
    with pytest.raises(ConfigError, match="triplets tell two classes apart, got 3"):
        Triplet(3)
    model = fit(both, 3, one_vs_rest=True, smoothing=0)
    # Biased, but these classes differ little from each other.
    np.testing.assert_allclose(model.cpt_, truth.cpt, atol=0.1)
    np.testing.assert_allclose(model.cpt_.sum(axis=1), 1)
    np.testing.assert_allclose(model.class_balance_, truth.class_balance, atol=1e-3)


def test_twelve_hundred_functions_do_not_underflow():
    rng = np.random.default_rng(2)
    truth = synthetic.random_truth(rng, 1200, 2, coverage=(0.01, 0.05), n_single_class=600)
    L, Y = synthetic.sample(truth, 300, rng)
    model = Triplet(2)
    model.lf_names_, model.cpt_, model.abstain_ = synthetic.lf_names(1200), truth.cpt, "outcome"
    probs = model.posterior(L)
    assert np.isfinite(probs).all()
    assert (probs.argmax(axis=1) == Y).mean() > 0.95


def test_many_functions_are_fitted_with_few_anchors():
    rng = np.random.default_rng(2)
    truth = synthetic.random_truth(rng, 150, 2, coverage=(0.3, 0.5), n_single_class=50)
    L, _ = synthetic.sample(truth, 5000, rng)
    pairs = moments.of_patterns(of_matrix(L, synthetic.lf_names(150), 2))
    model = Triplet(2, class_balance=truth.class_balance).fit(pairs)
    np.testing.assert_allclose(model.cpt_, truth.cpt, atol=0.05)


def test_options_and_statistics_are_checked():
    two = moments.of_patterns(of_matrix(np.array([[0, 1, -1], [1, 1, -1]], np.int8), ("a", "b", "c"), 2))
    with pytest.raises(ConfigError, match="abstain must be 'auto', 'outcome' or 'missing', got 'published'"):
        Triplet(2, abstain="published")
    with pytest.raises(ConfigError, match="smoothing must be at least 0 and finite, got -1"):
        Triplet(2, smoothing=-1)
    with pytest.raises(NothingToFit, match=r"at least 3 labeling functions that vote, got 2: \['a', 'b'\]"):
        Triplet(2, class_balance="uniform").fit(two)
    with pytest.raises(ConfigError, match="published triplets are for two classes, got 3"):
        PublishedTriplet(3)
    with pytest.raises(ConfigError, match="aggregate must be 'median', 'mean' or 'single', got 'max'"):
        PublishedTriplet(2, aggregate="max")
    with pytest.raises(NothingToFit, match="triplets need at least 3 labeling functions, got 2"):
        PublishedTriplet(2).fit(moments.select(two, ("a", "b")))
    with pytest.raises(IncompatibleStatistics, match="the moments have 2 classes, the label model 3"):
        Triplet(3, one_vs_rest=True).fit(two)
    with pytest.raises(IncompatibleStatistics, match="fitted from moments, got Patterns"):
        Triplet(2).fit(of_matrix(np.array([[0]], np.int8), ("a",), 2))
    silent = moments.of_patterns(of_matrix(np.array([[-1]], np.int8), ("a",), 2))
    with pytest.raises(NothingToFit, match="none of the 1 items has a vote"):
        Triplet(2).fit(silent)
