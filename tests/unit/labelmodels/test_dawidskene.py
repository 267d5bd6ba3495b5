"""Dawid and Skene's model: a published case step by step, laws of EM, exact recovery, and what `auto` chooses."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.errors import ConfigError, IncompatibleStatistics, NothingToFit
from sparkws.labelmodels import MajorityVote, make_label_model
from sparkws.labelmodels.balance import single_class_share, volume
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.em import (
    count_votes,
    e_step,
    expect,
    m_step,
    make_problem,
    make_rows,
)
from sparkws.labelmodels.tables import fixed_precision, precision_tables
from sparkws.stats.patterns import of_matrix
from tests.exact import exact_patterns

# Five tasks, five workers, no (0) and yes (1); task 1 was not shown to worker 3.
CROWD = np.array([[0, 1, -1, 0, 1], [0, 1, 1, 1, 0], [0, 0, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 1, 0]], np.int8)
WORKERS = ("w1", "w2", "w3", "w4", "w5")


def sampled(truth, n, rng):
    L, Y = synthetic.sample(truth, n, rng)
    return L, Y, of_matrix(L, synthetic.lf_names(truth.n_lfs), truth.cardinality)


def test_published_crowd_step_by_step():
    """The figures of crowd-kit's `test_dawid_skene_step_by_step`, two digits."""
    patterns = of_matrix(CROWD, WORKERS, 2)
    plain = {"abstain": "missing", "smoothing": 0.0, "tol": 0.0}
    one = DawidSkene(2, max_iter=1, **plain).fit(patterns)
    assert one.class_balance_[0] == pytest.approx(0.46)
    np.testing.assert_allclose(one.posterior(CROWD)[:, 0], [0.35, 0.26, 0.87, 0, 0.95], atol=0.005)
    two = DawidSkene(2, max_iter=2, **plain).fit(patterns)
    assert two.class_balance_[0] == pytest.approx(0.49, abs=0.005)
    of_w2 = two.cpt_[1, 1:] / two.cpt_[1, 1:].sum(axis=0)
    np.testing.assert_allclose(of_w2[0], [0.75, 0.07], atol=0.005)


def naive_em(L, k, n_iter, smoothing=0.0):
    """Textbook EM over items, abstaining as an outcome, started from majority vote; no vote excludes a class."""
    n, m = L.shape
    q = np.array([[max((row == y).sum(), 0) for y in range(k)] for row in L], float)
    q = np.where(q.sum(axis=1, keepdims=True) > 0, q / np.maximum(q.sum(axis=1, keepdims=True), 1), 1 / k)
    for _ in range(n_iter):
        p = q.sum(axis=0) / n
        cpt = np.zeros((m, k + 1, k))
        for i, j in np.ndindex(n, m):
            cpt[j, L[i, j] + 1] += q[i]
        cpt /= q.sum(axis=0)
        floored = np.maximum(cpt, 1e-10 * cpt.max(axis=2, keepdims=True))
        q = np.array([p * np.prod([floored[j, L[i, j] + 1] for j in range(m)], axis=0) for i in range(n)])
        q /= q.sum(axis=1, keepdims=True)
    return cpt, p, q


@settings(max_examples=10)
@given(st.integers(2, 3), st.integers(0, 2**32 - 1))
@example(3, 10310)  # a vote that a class never gets
def test_counting_patterns_first_equals_em_over_items(k, seed):
    rng = np.random.default_rng(seed)
    L, _, patterns = sampled(synthetic.random_truth(rng, 4, k), 30, rng)
    model = DawidSkene(k, abstain="outcome", smoothing=0, max_iter=4, tol=0).fit(patterns)
    cpt, p, q = naive_em(L, k, model.n_iter_)
    np.testing.assert_allclose(model.cpt_, cpt, atol=1e-9)
    np.testing.assert_allclose(model.class_balance_, p, atol=1e-9)
    voted = (L >= 0).any(axis=1)
    np.testing.assert_allclose(model.posterior(L)[voted], q[voted], atol=1e-7)


@settings(max_examples=25)
@given(
    st.integers(2, 3),
    st.integers(0, 3),
    st.sampled_from(["outcome", "missing"]),
    st.sampled_from([0.0, 1.0, 10.0]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_em_never_lowers_the_objective(k, n_single, abstain, smoothing, clamp, seed):
    rng = np.random.default_rng(seed)
    truth = synthetic.random_truth(rng, 4, k, n_single_class=n_single)
    L, Y = synthetic.sample(truth, 60, rng)
    gold = np.where(rng.random(60) < 0.3, Y, -1).astype(np.int8)
    patterns = of_matrix(L, synthetic.lf_names(4), k, gold)
    model = DawidSkene(k, abstain=abstain, smoothing=smoothing, max_iter=30, tol=0, clamp_gold=clamp).fit(patterns)
    assert (np.diff(model.objective_) >= -1e-9 * abs(model.objective_[0])).all()
    np.testing.assert_allclose(model.cpt_.sum(axis=1), 1)
    assert model.class_balance_.sum() == pytest.approx(1)
    assert (model.cpt_ >= 0).all()


@pytest.mark.parametrize(("k", "n_single", "seed"), [(2, 0, 0), (2, 2, 1), (3, 0, 2), (2, 5, 3)])
def test_exact_distributions_give_exact_tables(k, n_single, seed):
    rng = np.random.default_rng(seed)
    truth = synthetic.random_truth(rng, 5, k, accuracy=(0.75, 0.95), coverage=(0.6, 0.95), n_single_class=n_single)
    model = DawidSkene(k, abstain="outcome", smoothing=0, max_iter=5000, tol=1e-15).fit(exact_patterns(truth))
    np.testing.assert_allclose(model.cpt_, truth.cpt, atol=2e-5)
    np.testing.assert_allclose(model.class_balance_, truth.class_balance, atol=2e-5)


def test_missing_votes_give_exact_tables_whatever_the_coverage():
    truth = synthetic.random_truth(np.random.default_rng(4), 5, 2, accuracy=(0.75, 0.95), coverage=(0.6, 0.95))
    model = DawidSkene(2, abstain="missing", smoothing=0, max_iter=5000, tol=1e-15).fit(exact_patterns(truth))
    np.testing.assert_allclose(model.cpt_, truth.cpt, atol=2e-5)
    np.testing.assert_allclose(model.class_balance_, truth.class_balance, atol=2e-5)


@settings(max_examples=10)
@given(st.permutations(range(5)), st.sampled_from(["auto", "outcome", "missing"]), st.integers(0, 2**32 - 1))
def test_permuting_functions_permutes_their_tables(order, abstain, seed):
    rng = np.random.default_rng(seed)
    L, _, patterns = sampled(synthetic.random_truth(rng, 5, 2, n_single_class=2), 200, rng)
    names = synthetic.lf_names(5)
    ours = DawidSkene(2, abstain=abstain, max_iter=5).fit(patterns)
    permuted = DawidSkene(2, abstain=abstain, max_iter=5).fit(of_matrix(L[:, order], [names[j] for j in order], 2))
    np.testing.assert_allclose(permuted.cpt_, ours.cpt_[order], atol=1e-9)
    np.testing.assert_allclose(permuted.class_balance_, ours.class_balance_, atol=1e-9)


def test_gold_is_held_only_when_asked():
    truth = synthetic.random_truth(np.random.default_rng(0), 3, 2, accuracy=(0.5, 0.5))
    L, _ = synthetic.sample(truth, 400, np.random.default_rng(1))
    gold = L[:, 2].copy()  # a world in which the third function is always right
    patterns = of_matrix(L, synthetic.lf_names(3), 2, gold)
    held = DawidSkene(2, abstain="missing", clamp_gold=True, smoothing=0).fit(patterns)
    assert held.cpt_[2, 1, 1] == held.cpt_[2, 2, 0] == 0
    free = DawidSkene(2, abstain="missing", smoothing=0).fit(patterns)
    without = DawidSkene(2, abstain="missing", smoothing=0).fit(of_matrix(L, synthetic.lf_names(3), 2))
    np.testing.assert_allclose(free.cpt_, without.cpt_, atol=1e-6)
    assert not np.allclose(free.cpt_, held.cpt_, atol=1e-2)


def test_balance_options():
    rng = np.random.default_rng(5)
    L, Y = synthetic.sample(synthetic.random_truth(rng, 4, 2), 300, rng)
    patterns = of_matrix(L, synthetic.lf_names(4), 2, Y)
    fits = {str(option): DawidSkene(2, class_balance=option).fit(patterns) for option in ("uniform", "dev", (0.3, 0.7))}
    assert fits["uniform"].class_balance_.tolist() == [0.5, 0.5]
    assert fits["(0.3, 0.7)"].class_balance_.tolist() == [0.3, 0.7]
    assert fits["dev"].class_balance_.tolist() == [((y == Y).sum() + 1) / 302 for y in (0, 1)]
    assert [fit.balance_source_ for fit in fits.values()] == ["uniform", "dev", "given"]


def test_auto_takes_abstaining_as_missing_for_a_crowd():
    model = DawidSkene(2).fit(of_matrix(CROWD, WORKERS, 2))
    assert (model.abstain_, model.balance_source_) == ("missing", "estimate")


def test_auto_takes_abstaining_as_an_outcome_where_single_class_functions_are_independent():
    rng = np.random.default_rng(0)
    L, Y, patterns = sampled(synthetic.random_truth(rng, 10, 2, coverage=(0.3, 0.8), n_single_class=10), 5000, rng)
    model = DawidSkene(2).fit(patterns)
    assert model.abstain_ == "outcome"
    voted = (L >= 0).any(axis=1)
    ours, majority = model.posterior(L)[voted], MajorityVote(2).posterior(L)[voted]
    assert (ours.argmax(axis=1) == Y[voted]).mean() > (majority.argmax(axis=1) == Y[voted]).mean()


def test_auto_does_not_follow_what_copies_share():
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 10, 2, coverage=(0.3, 0.8), n_single_class=10, groups=[(0, 2, 4)], copy=0.7)
    L, Y, patterns = sampled(truth, 5000, rng)
    voted = (L >= 0).any(axis=1)
    astray = DawidSkene(2, abstain="outcome").fit(patterns).posterior(L)[voted]
    model = DawidSkene(2).fit(patterns)
    assert (model.abstain_, model.balance_source_) == ("missing", "volume")
    accuracy = (model.posterior(L)[voted].argmax(axis=1) == Y[voted]).mean()
    assert accuracy > 0.75 > (astray.argmax(axis=1) == Y[voted]).mean()


def test_a_single_class_vote_has_a_fixed_precision_where_abstaining_is_missing():
    L = np.array([[0, -1, -1]] * 6 + [[-1, 1, -1]] * 2 + [[0, 1, -1], [0, -1, 0]], np.int8)
    model = DawidSkene(2, abstain="missing").fit(of_matrix(L, ("a", "b", "c"), 2))
    probs = model.posterior(np.array([[0, -1, -1], [-1, 1, -1], [0, 1, -1]], np.int8))
    volume = (7.5 + 0.5) / 11
    precision = max(0.75, volume + 0.02)
    np.testing.assert_allclose(model.class_balance_, [volume, 1 - volume])
    np.testing.assert_allclose(probs[0], [precision, 1 - precision])
    np.testing.assert_allclose(probs[1], [0.25, 0.75])
    assert probs[2, 1] > 0.5, "where votes conflict, the class that is voted rarely wins"


@settings(max_examples=25)
@given(st.lists(st.floats(1e-6, 1), min_size=2, max_size=5))
def test_a_vote_counts_for_its_class_at_any_volume(raw):
    pi = np.array(raw) / sum(raw)
    rows = precision_tables(fixed_precision(pi)[None], np.ones((1, len(pi)), np.int64), 10**6, pi)[0, 1:] * 1e6
    assert (np.diagonal(rows) > rows.min(axis=1)).all()
    # One vote by itself has its precision: a_l = π_l row_ll / Σ_y π_y row_ly, at least three quarters.
    assert ((pi * np.diagonal(rows)) / (rows @ pi) > 0.75 - 1e-9).all()


def test_fits_start_from_a_fit():
    rng = np.random.default_rng(6)
    _, _, patterns = sampled(synthetic.random_truth(rng, 8, 2, n_single_class=4), 1000, rng)
    first = DawidSkene(2, tol=1e-10).fit(patterns)
    again = DawidSkene(2, tol=1e-10).fit(patterns, start=first)
    assert again.n_iter_ < first.n_iter_
    assert again.abstain_ == first.abstain_
    np.testing.assert_allclose(again.cpt_, first.cpt_, atol=1e-4)


def test_items_without_votes_do_not_move_the_balance_of_a_crowd():
    silent = np.vstack([CROWD, np.full((50, 5), -1, np.int8)])
    model = DawidSkene(2, smoothing=0).fit(of_matrix(silent, WORKERS, 2))
    alone = DawidSkene(2, smoothing=0).fit(of_matrix(CROWD, WORKERS, 2))
    np.testing.assert_allclose(model.class_balance_, alone.class_balance_, atol=1e-9)
    np.testing.assert_allclose(model.posterior(CROWD), alone.posterior(CROWD), atol=1e-9)


def test_one_step_by_hand():
    L, counts = np.array([[0, 0], [1, -1]], np.int8), np.array([3, 1])
    votes = count_votes(L, counts, 2)
    problem = make_problem(votes, 4, None, volume(L, counts, 2), use_abstain=True, smoothing=0)
    rows = make_rows(L, counts, None, 2)
    cpt, p = m_step(problem, expect(rows, np.array([[0.5, 0.5], [0.0, 1.0]])))
    np.testing.assert_allclose(p, [1.5 / 4, 2.5 / 4])
    np.testing.assert_allclose(cpt[0], [[0, 0], [1, 1.5 / 2.5], [0, 1 / 2.5]])
    np.testing.assert_allclose(cpt[1], [[0, 1 / 2.5], [1, 1.5 / 2.5], [0, 0]])
    q, log_sum = e_step(rows, cpt, p, use_abstain=True)
    first = 1.5 / 4 + 2.5 / 4 * 0.6 * 0.6
    np.testing.assert_allclose(q[0], [1.5 / 4 / first, 1 - 1.5 / 4 / first])
    np.testing.assert_allclose(log_sum, [np.log(first), np.log(2.5 / 4 * 0.4 * 0.4)], atol=1e-6)
    assert single_class_share(votes) == 3 / 7


def test_a_configuration_makes_its_model():
    config = LabelModelConfig(
        kind="dawid_skene", class_balance=(0.4, 0.6), abstain="missing", smoothing=3, max_iter=7, tol=1e-3
    )
    model = make_label_model(config, 2, clamp_gold=True)
    assert isinstance(model, DawidSkene)
    assert (model.class_balance, model.abstain, model.smoothing) == ((0.4, 0.6), "missing", 3)
    assert (model.max_iter, model.tol, model.clamp_gold) == (7, 1e-3, True)
    assert isinstance(make_label_model(LabelModelConfig(kind="majority"), 3), MajorityVote)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ConfigError, match="abstain must be 'auto', 'outcome' or 'missing', got 'ignore'"):
        DawidSkene(2, abstain="ignore")
    with pytest.raises(ConfigError, match="smoothing must be at least 0 and finite, got -1"):
        DawidSkene(2, smoothing=-1)
    with pytest.raises(NothingToFit, match="no tables yet; call fit first"):
        DawidSkene(2).posterior(CROWD)
    with pytest.raises(NothingToFit, match="none of the 2 items has a vote"):
        DawidSkene(2).fit(of_matrix(np.full((2, 5), -1, np.int8), WORKERS, 2))
    fitted = DawidSkene(2).fit(of_matrix(CROWD, WORKERS, 2))
    with pytest.raises(IncompatibleStatistics, match=r"start from is of \['w1', 'w2', 'w3'\] and 2 more, .* of \['a'"):
        DawidSkene(2).fit(of_matrix(CROWD, ("a", "b", "c", "d", "e"), 2), start=fitted)


def test_one_coin_by_hand():
    """Three votes and their soft labels: a function is right on the sum of its agreements."""
    L = np.array([[0], [0], [1]], np.int8)
    rows = make_rows(L, np.ones(3, np.int64), None, 2)
    q = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    half = np.array([0.5, 0.5])
    problem = make_problem(np.array([[2, 1]]), 3, half, half, use_abstain=False, smoothing=0.0, one_coin=True)
    cpt, _ = m_step(problem, expect(rows, q))
    accuracy = (0.9 + 0.6 + 0.8) / 3
    np.testing.assert_allclose(cpt[0, 1:], [[accuracy, 1 - accuracy], [1 - accuracy, accuracy]])


def test_one_coin_recovers_accuracies_and_never_lowers_the_objective():
    truth = synthetic.random_truth(np.random.default_rng(4), 5, 3, accuracy=(0.75, 0.95), coverage=(0.6, 0.95))
    model = DawidSkene(3, one_coin=True, smoothing=0, max_iter=5000, tol=1e-15).fit(exact_patterns(truth))
    np.testing.assert_allclose(model.cpt_, truth.cpt, atol=2e-5)
    rng = np.random.default_rng(0)
    small = DawidSkene(3, one_coin=True, tol=0, max_iter=30).fit(sampled(truth, 60, rng)[2])
    assert (np.diff(small.objective_) >= -1e-9).all()


def test_pseudo_votes_have_the_accuracy_that_is_asked_for():
    patterns = of_matrix(np.array([[0, 0], [1, 1], [0, 1]], np.int8), ("a", "b"), 2)
    model = DawidSkene(2, smoothing=1e6, prior_accuracy=0.9).fit(patterns)
    np.testing.assert_allclose(model.cpt_[:, 1:], np.tile([[0.9, 0.1], [0.1, 0.9]], (2, 1, 1)), atol=1e-4)


def test_options_of_one_coin_and_prior_are_checked():
    with pytest.raises(ConfigError, match="abstain='outcome' tells nothing to functions of one coin"):
        DawidSkene(2, one_coin=True, abstain="outcome")
    with pytest.raises(ConfigError, match=r"prior_accuracy must be between 0 and 1, got 1\.5"):
        DawidSkene(2, prior_accuracy=1.5)


def test_people_of_a_crowd_who_always_answer_the_same_say_nothing():
    rng = np.random.default_rng(0)
    Y = rng.integers(0, 3, 1500)
    honest = np.where(rng.random((1500, 9)) < 0.7, Y[:, None], rng.integers(0, 3, (1500, 9)))
    L = np.column_stack([honest, np.full((1500, 2), 1)]).astype(np.int8)
    L[rng.random(L.shape) < 0.5] = -1
    model = DawidSkene(3, abstain="missing").fit(of_matrix(L, synthetic.lf_names(11), 3))
    always = model.cpt_[9:, 2]  # P(vote 1 | class): the same in all classes
    assert (always.max(axis=1) / always.min(axis=1) < 1.05).all()
    without = DawidSkene(3, abstain="missing").fit(of_matrix(L[:, :9], synthetic.lf_names(9), 3))
    spoke = (L[:, :9] >= 0).any(axis=1)
    same = model.posterior(L)[spoke].argmax(axis=1) == without.posterior(L[:, :9])[spoke].argmax(axis=1)
    assert same.mean() > 0.98
