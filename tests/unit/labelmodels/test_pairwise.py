"""Moments where abstaining means that a function was not asked: exact laws, crowds, and what is decided by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.errors import ConfigError
from sparkws.labelmodels.completion import MatrixCompletion
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.factory import fit_model
from sparkws.labelmodels.findings import not_identified
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.labelmodels.pairwise import agreement_accuracies, one_coin_balance, pairwise_complete, pairwise_differences
from sparkws.labelmodels.persist import from_json, from_rows, to_json, to_rows
from sparkws.labelmodels.posterior import posterior
from sparkws.labelmodels.thirds import complete_triples, moment_balance, moments_of
from sparkws.labelmodels.triplet import Triplet
from sparkws.stats import counters
from sparkws.stats.moments import Moments
from sparkws.stats.patterns import of_matrix
from tests.exact import exact_moments

BALANCE = np.array([0.35, 0.65])
MODELS = {"triplet": Triplet, "matrix_completion": MatrixCompletion}


def voters(rng, m, k, low=0.55, high=0.95):
    """P(vote | class) of functions with another accuracy for each class and uneven errors, `(m, k, k)`."""
    tables = np.empty((m, k, k))
    for j, y in np.ndindex(m, k):
        right = rng.uniform(low, high)
        tables[j, :, y] = np.insert((1 - right) * rng.dirichlet(np.full(k - 1, 3.0)), y, right)
    return tables


def crowd(rng, n, per_item, tables, balance):
    """Votes of `per_item` of the workers on each item, and the classes."""
    m, k = len(tables), len(balance)
    Y = rng.choice(k, n, p=balance)
    L = np.full((n, m), -1, np.int8)
    for i in range(n):
        for j in rng.choice(m, per_item, replace=False):
            L[i, j] = rng.choice(k, p=tables[j, :, Y[i]])
    return L, Y


def counted(L, k=2):
    return of_matrix(L, synthetic.lf_names(L.shape[1]), k)


def population(tables, balance, met, voted):
    """Moments with the expectations that pairs have which met `(m, m)` times, of functions that voted `(m,)` times."""
    m, k = len(tables), len(balance)
    gram = np.zeros((m, k, m, k))
    for i, j in np.ndindex(m, m):
        joint = np.einsum("y,ay,by->ab", balance, tables[i], tables[j])
        gram[i, :, j] = met[i, j] * joint if i != j else voted[i] * np.diag(tables[i] @ balance)
    return Moments(
        synthetic.lf_names(m), k, int(2 * voted.max()), np.arange(m * k), gram.reshape(m * k, m * k).round().astype(int)
    )


def of_pairs(rng, m, nobody=()):
    """Numbers of meetings that differ a thousandfold, 0 of some pairs."""
    met = np.triu(10 ** rng.uniform(9, 12, (m, m)), 1)
    for i, j in nobody:
        met[i, j] = 0.0
    return met + met.T


@pytest.mark.parametrize("kind", MODELS)
def test_exact_pairs_give_exact_tables_however_often_each_pair_met(kind):
    rng = np.random.default_rng(0)
    tables = voters(rng, 7, 2)
    moments = population(tables, BALANCE, of_pairs(rng, 7, [(0, 1), (2, 5), (3, 4)]), np.full(7, 10.0**13))
    model = MODELS[kind](2, abstain="missing", smoothing=0, class_balance=BALANCE).fit(moments)
    np.testing.assert_allclose(model.cpt_[:, 1:], tables / 2, atol=2e-6)
    np.testing.assert_allclose(model.cpt_[:, 0], 0.5)
    assert model.identified_.all()
    assert model.abstain_ == "missing"


@pytest.mark.parametrize("kind", MODELS)
def test_exact_triples_give_the_exact_balance(kind):
    truth = synthetic.random_truth(np.random.default_rng(1), 7, 2, accuracy=(0.65, 0.9), coverage=(0.1, 0.9))
    both = exact_moments(truth)
    model = MODELS[kind](2, abstain="missing", smoothing=0).fit(both.pairs, triples=both.triples)
    np.testing.assert_allclose(model.class_balance_, truth.class_balance, atol=1e-6)
    np.testing.assert_allclose(model.cpt_, truth.cpt, atol=1e-5)
    assert model.balance_source_ == "estimate"


def test_the_covariances_are_those_of_items_that_both_voted_on_around_shares_of_all_votes():
    rng = np.random.default_rng(2)
    L, _ = crowd(rng, 300, 3, voters(rng, 6, 2), BALANCE)
    seen = pairwise_complete(moments_of(counted(L)).pairs)
    share = [(L[:, j] == 1).sum() / (L[:, j] >= 0).sum() for j in range(6)]
    one = np.flatnonzero(seen.outcomes.vote_of == 2)
    for i, j in np.ndindex(6, 6):
        asked = (L[:, i] >= 0) & (L[:, j] >= 0)
        assert seen.met[i, j] == (asked.sum() if i != j else 0)
        if i != j:
            naive = np.mean([((a == 1) - share[i]) * ((b == 1) - share[j]) for a, b in L[asked][:, [i, j]]])
            assert seen.outcomes.cov[one[i], one[j]] == pytest.approx(naive)


def test_only_items_that_all_three_voted_on_count_in_triples():
    L = np.array([[0, 1, 1, -1], [0, 0, 1, 0], [1, 1, -1, -1], [1, 1, 1, -1]], np.int8)
    seen, told = complete_triples(moments_of(counted(L)).triples)
    assert seen.chosen == ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3))
    assert seen.counts.sum(axis=(1, 2, 3)).tolist() == [3, 1, 1, 1]
    assert seen.counts[0, 1, 2, 2] == seen.counts[0, 1, 1, 2] == seen.counts[0, 2, 2, 2] == 1
    # Of the first there are 3 + 1 + 1 items: told 5 / (5 + 200) of the way.
    np.testing.assert_allclose(told, [5 / 205, 5 / 205, 5 / 205, 3 / 203])


@pytest.mark.parametrize("kind", MODELS)
def test_where_everybody_votes_on_everything_it_is_what_it_is_as_an_outcome(kind):
    rng = np.random.default_rng(3)
    always = np.concatenate([np.zeros((8, 1, 2)), voters(rng, 8, 2)], axis=1)
    L, _ = synthetic.sample(synthetic.Truth(class_balance=BALANCE, cpt=always), 20_000, rng)
    both = moments_of(counted(L))
    fits = [
        MODELS[kind](2, abstain=abstain, class_balance=BALANCE, smoothing=0).fit(both.pairs, triples=both.triples)
        for abstain in ("missing", "outcome")
    ]
    np.testing.assert_allclose(fits[0].cpt_, fits[1].cpt_, atol=2e-3)
    balances = [
        moment_balance("estimate", both.pairs, both.triples, None, abstain)[0] for abstain in ("missing", "outcome")
    ]
    np.testing.assert_allclose(balances[0], balances[1], atol=2e-3)


@settings(max_examples=10)
@given(st.permutations(range(9)), st.integers(0, 2**32 - 1), st.sampled_from(sorted(MODELS)))
def test_permuting_functions_permutes_their_tables(order, seed, kind):
    rng = np.random.default_rng(seed)
    L, _ = crowd(rng, 300, 4, voters(rng, 9, 2), BALANCE)
    names = synthetic.lf_names(9)
    model = MODELS[kind](2, abstain="missing", class_balance=BALANCE)
    first = model.fit(moments_of(of_matrix(L, names, 2)).pairs).cpt_
    model.fit(moments_of(of_matrix(L[:, order], [names[j] for j in order], 2)).pairs)
    np.testing.assert_allclose(model.cpt_, first[list(order)], atol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_a_small_crowd_is_labeled_as_by_dawid_and_skene(kind, seed):
    """200 items, 5 of 40 workers on each: most pairs of workers never meet."""
    rng = np.random.default_rng(seed)
    tables = voters(rng, 40, 2)
    L, Y = crowd(rng, 200, 5, tables, BALANCE)
    patterns = counted(L)
    model = fit_model(MODELS[kind](2, class_balance=BALANCE), patterns)
    em = DawidSkene(2, class_balance=BALANCE).fit(patterns)
    assert model.abstain_ == em.abstain_ == "missing"
    ours, theirs = model.posterior(L).argmax(axis=1), em.posterior(L).argmax(axis=1)
    assert (ours == theirs).mean() > 0.95
    assert (ours == Y).mean() > (theirs == Y).mean() - 0.015
    asked = (L >= 0).mean(axis=0)[:, None, None]
    assert np.abs(model.cpt_[:, 1:] / asked - tables).mean() < 0.1
    np.testing.assert_allclose(model.cpt_.sum(axis=1), 1)


@pytest.mark.parametrize("kind", MODELS)
def test_who_is_shown_what_does_not_count(kind):
    """Ten teams of five see the items of their own only: over all items, members of a team vote together."""
    rng = np.random.default_rng(4)
    tables = voters(rng, 50, 2, 0.6, 0.9)
    L, Y = np.full((1000, 50), -1, np.int8), np.empty(1000, int)
    for team in range(10):
        rows, members = slice(100 * team, 100 * team + 100), slice(5 * team, 5 * team + 5)
        L[rows, members], Y[rows] = crowd(rng, 100, 5, tables[members], BALANCE)
    both = moments_of(counted(L))
    right = {
        abstain: (
            MODELS[kind](2, abstain=abstain, class_balance=BALANCE).fit(both.pairs).posterior(L).argmax(axis=1) == Y
        ).mean()
        for abstain in ("missing", "outcome")
    }
    em = DawidSkene(2, class_balance=BALANCE).fit(counted(L)).posterior(L).argmax(axis=1)
    assert right["missing"] > (em == Y).mean() - 0.01
    assert right["missing"] > right["outcome"] + 0.02


def test_who_met_others_seldom_is_shrunk_to_the_mean_and_told():
    rng = np.random.default_rng(5)
    tables = voters(rng, 12, 2, 0.75, 0.85)
    L, _ = crowd(rng, 2000, 6, tables, BALANCE)
    L[:, 11] = -1
    asked = np.flatnonzero((L >= 0).sum(axis=1) == 6)[:2]
    L[asked[0], 11], L[asked[1], 11] = 0, 1
    model = Triplet(2, class_balance=BALANCE, abstain="missing", smoothing=0)
    model.fit(moments_of(counted(L)).pairs)
    assert model.identified_.tolist() == [True] * 11 + [False]
    gamma, _ = pairwise_differences(pairwise_complete(moments_of(counted(L)).pairs))
    # Correlations with the class, of votes for class 1.
    share = np.array([(L[:, j] == 1).sum() / (L[:, j] >= 0).sum() for j in range(12)])
    found = gamma[1::2] / np.sqrt(share * (1 - share))
    assert abs(found[11] - found[:11].mean()) < 0.2
    told = [finding.message for finding in not_identified(model)]
    assert any("How ['lf_11'] meets the other functions does not tell how good it is" in text for text in told)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_agreement_tells_how_often_functions_are_right_that_err_equally_in_all_classes(k):
    rng = np.random.default_rng(k)
    right = rng.uniform(0.4, 0.95, 6)
    tables = np.stack([synthetic.table(a, 1.0, k)[1:] for a in right])
    balance = np.arange(1.0, k + 1) / np.arange(1.0, k + 1).sum()
    moments = population(tables, balance, of_pairs(rng, 6, [(1, 4)]), np.full(6, 10.0**13))
    accuracies, told = agreement_accuracies(moments)
    np.testing.assert_allclose(accuracies, right, atol=1e-5)
    assert told.all()
    np.testing.assert_allclose(one_coin_balance(moments), balance, atol=1e-5)


def test_a_balance_that_triples_do_not_tell_is_what_the_volume_comes_from():
    rng = np.random.default_rng(6)
    tables = np.stack([synthetic.table(a, 1.0, 2)[1:] for a in rng.uniform(0.65, 0.9, 120)])
    L, Y = crowd(rng, 1500, 6, tables, np.array([0.85, 0.15]))
    both = moments_of(counted(L))
    found, source = moment_balance("estimate", both.pairs, both.triples, None, "missing")
    assert source == "one_coin"
    assert abs(found[1] - (Y == 1).mean()) < 0.03
    assert both.pairs.votes.sum(axis=0)[1] / both.pairs.votes.sum() > 0.28
    model = Triplet(2).fit(both.pairs, triples=both.triples)
    told = [finding.message for finding in not_identified(model)]
    assert any("as if functions erred equally often in all classes" in text for text in told)


def test_three_classes_of_a_crowd_are_labeled_as_by_dawid_and_skene_and_told_as_guessed():
    rng = np.random.default_rng(7)
    balance = np.array([0.3, 0.3, 0.4])
    L, Y = crowd(rng, 1000, 8, voters(rng, 60, 3, 0.5, 0.85), balance)
    patterns = counted(L, 3)
    model = fit_model(MatrixCompletion(3), patterns)
    assert (model.abstain_, model.balance_source_) == ("missing", "one_coin")
    em = DawidSkene(3).fit(patterns)
    assert (model.posterior(L).argmax(axis=1) == Y).mean() > (em.posterior(L).argmax(axis=1) == Y).mean() - 0.01
    assert not model.identified_.any()


def test_one_class_against_the_rest_too_is_fitted_where_both_voted():
    rng = np.random.default_rng(12)
    balance = np.array([0.3, 0.3, 0.4])
    tables = np.stack([synthetic.table(a, 1.0, 3)[1:] for a in rng.uniform(0.6, 0.9, 60)])
    L, Y = crowd(rng, 1000, 8, tables, balance)
    model = fit_model(Triplet(3, one_vs_rest=True), counted(L, 3))
    assert model.abstain_ == "missing"
    assert model.identified_.mean() > 0.9
    em = DawidSkene(3).fit(counted(L, 3))
    assert (model.posterior(L).argmax(axis=1) == Y).mean() > (em.posterior(L).argmax(axis=1) == Y).mean() - 0.01
    asked = (L >= 0).mean(axis=0)[:, None, None]
    assert np.abs(model.cpt_[:, 1:] / asked - tables).mean() < 0.05


def test_three_classes_are_identified_where_many_items_have_three_votes():
    truth = synthetic.random_truth(np.random.default_rng(8), 5, 3, accuracy=(0.7, 0.9), coverage=(0.5, 0.9))
    both = exact_moments(truth)
    model = MatrixCompletion(3, smoothing=0).fit(both.pairs, triples=both.triples)
    assert model.abstain_ == "missing"
    np.testing.assert_allclose(model.cpt_, truth.cpt, atol=1e-3)
    assert model.identified_.all()


def of_one_class(rng, n, n_single=8):
    """Votes of eight functions, the last ones for one class each."""
    truth = synthetic.random_truth(rng, 8, 2, accuracy=(0.75, 0.9), coverage=(0.5, 0.7), n_single_class=n_single)
    return synthetic.sample(truth, n, rng)[0]


@pytest.mark.parametrize("kind", MODELS)
def test_what_abstaining_means_is_decided_by_the_share_of_single_class_votes(kind):
    rng = np.random.default_rng(9)
    sets = {
        "missing": [crowd(rng, 300, 4, voters(rng, 20, 2), BALANCE)[0], of_one_class(rng, 3000, n_single=0)],
        "outcome": [of_one_class(rng, 3000), of_one_class(rng, 3000, n_single=3)],
    }
    for expected, votes in sets.items():
        for L in votes:
            config = LabelModelConfig(kind=kind)
            fitted = fit_label_model(config, counted(L), counters.of_patterns(counted(L)), ("no", "yes"))
            assert DawidSkene(2).fit(counted(L)).abstain_ == expected
            as_outcome = "published" if kind == "matrix_completion" else "outcome"
            assert fitted.model.abstain_ == {"missing": "missing", "outcome": as_outcome}[expected]
            assert fitted.report.abstain == fitted.model.abstain_


@pytest.mark.parametrize("kind", MODELS)
def test_votes_of_one_class_have_the_fixed_precision_where_abstaining_is_missing(kind):
    L = of_one_class(np.random.default_rng(10), 2000)
    both = moments_of(counted(L))
    model = MODELS[kind](2, abstain="missing", class_balance="uniform").fit(both.pairs)
    says = model.cpt_[:, 1:] / np.maximum(model.cpt_[:, 1:].sum(axis=2, keepdims=True), 1e-12)
    np.testing.assert_allclose(says.max(axis=(1, 2)), 0.75)
    assert not model.identified_.any()


def test_the_published_form_counts_abstaining_in_the_fit_and_not_in_the_labels():
    L = of_one_class(np.random.default_rng(11), 2000)
    both = moments_of(counted(L))
    published, outcome = (
        MatrixCompletion(2, abstain=abstain, class_balance=BALANCE).fit(both.pairs)
        for abstain in ("published", "outcome")
    )
    np.testing.assert_array_equal(published.cpt_, outcome.cpt_)
    expected = posterior(L, outcome.cpt_, BALANCE, use_abstain=False)
    np.testing.assert_array_equal(published.posterior(L), expected)
    assert published.abstain_ == "published"
    for again in (
        from_json(to_json(published, ("no", "yes")), ("no", "yes")),
        from_rows(to_rows(published, ("no", "yes")), ("no", "yes")),
    ):
        assert again.abstain_ == "published"
        np.testing.assert_array_equal(again.posterior(L), expected)
    with pytest.raises(ValueError, match="abstain: published is for kind: matrix_completion, got 'triplet'"):
        LabelModelConfig(kind="triplet", abstain="published")
    with pytest.raises(ConfigError, match="abstain must be 'auto', 'outcome' or 'missing', got 'published'"):
        DawidSkene(2, abstain="published")
