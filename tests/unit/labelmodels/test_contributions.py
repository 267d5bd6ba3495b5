"""Terms of the posterior: they add up to it, for every model, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.errors import NothingToFit
from sparkws.grids import NO_GRIDS, Grids
from sparkws.labelmodels.contributions import contributions, what_each_adds
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.superlf import SuperLF
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.stats.patterns import of_matrix

GROUPS = [("lf_0", "lf_3"), ("lf_1", "lf_4")]


def fitted(seed, k, model, n=300):
    rng = np.random.default_rng(seed)
    L, Y = synthetic.sample(synthetic.random_truth(rng, 6, k, n_single_class=2), n, rng)
    return L, Y, model.fit(of_matrix(L, synthetic.lf_names(6), k))


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(2, 3), st.sampled_from(["outcome", "missing"]), st.booleans())
def test_prior_and_terms_add_up_to_the_posterior(seed, k, abstain, grouped):
    model = SuperLF(k, groups=GROUPS, abstain=abstain) if grouped else DawidSkene(k, abstain=abstain)
    _, _, model = fitted(seed, k, model)
    # votes that were seen together and votes that were not
    L = np.random.default_rng(seed).integers(-1, k, (200, 6)).astype(np.int8)
    L = L[(L >= 0).any(axis=1)]
    terms = contributions(model, L)
    log_posterior = np.log(model.posterior(L))
    centered = log_posterior - log_posterior.mean(axis=1, keepdims=True)
    for of_what in (terms.of_groups, terms.of_lfs):
        np.testing.assert_allclose(terms.prior + of_what.sum(axis=1), centered, atol=1e-11)
    np.testing.assert_allclose(terms.total, centered, atol=1e-11)
    odds = terms.prior[1] - terms.prior[0] + terms.log_odds(1, 0).sum(axis=1)
    np.testing.assert_allclose(odds, log_posterior[:, 1] - log_posterior[:, 0], atol=1e-11)
    if abstain == "missing":
        assert (terms.of_lfs[L < 0] == 0).all(), "who did not vote adds nothing"


def test_terms_by_hand():
    model = DawidSkene(2, abstain="missing")
    model.lf_names_ = ("a", "b")
    model.cpt_ = np.array([[[0.2, 0.2], [0.6, 0.2], [0.2, 0.6]], [[0.5, 0.5], [0.4, 0.1], [0.1, 0.4]]])
    model.class_balance_ = np.array([0.8, 0.2])
    terms = contributions(model, np.array([[0, 1], [-1, 1]], np.int8))
    np.testing.assert_allclose(terms.log_odds(1, 0), [[-np.log(3), np.log(4)], [0, np.log(4)]], atol=1e-12)
    assert terms.prior[1] - terms.prior[0] == pytest.approx(np.log(0.2 / 0.8))


def test_members_of_a_group_share_its_term():
    L, _, model = fitted(1, 2, SuperLF(2, groups=GROUPS, abstain="outcome"))
    terms = contributions(model, L)
    assert terms.groups == ((2,), (5,), (0, 3), (1, 4))
    np.testing.assert_allclose(terms.of_lfs[:, [0, 3]].sum(axis=1), terms.of_groups[:, 2], atol=1e-9)
    np.testing.assert_array_equal(terms.of_lfs[:, 2], terms.of_groups[:, 0])


def test_what_each_function_adds_by_hand():
    model = DawidSkene(2, abstain="missing")
    model.lf_names_ = ("strong", "weak", "alone")
    accurate = [[[0, 0], [p, 1 - p], [1 - p, p]] for p in (0.9, 0.6, 0.7)]
    model.cpt_ = np.array(accurate)
    model.class_balance_ = np.array([0.5, 0.5])
    L = np.array([[0, 0, -1]] * 3 + [[1, 0, -1]] * 2 + [[-1, -1, 1]] * 4, np.int8)
    gold = np.array([0] * 3 + [1, 0] + [-1] * 4, np.int8)
    table = what_each_adds(model, of_matrix(L, model.lf_names_, 2, gold))
    assert table["lf"].to_list() == ["strong", "weak", "alone"]
    assert table["items_voted"].to_list() == [5, 5, 4]
    assert table["items_only"].to_list() == [0, 0, 4]
    assert table["items_decided"].to_list() == [2, 0, 0]
    np.testing.assert_allclose(table["log_odds"], np.log([9, 1.5, 7 / 3]))
    assert table["accuracy_gain"].to_list() == [0.0, 0.0, None], "one of the two that it decides becomes wrong"


def test_what_a_function_adds_that_never_votes_is_null():
    L = np.array([[0, -1], [1, -1]], np.int8)
    model = WeightedVote(2, {"a": 1.0, "b": 2.0}).fit(of_matrix(L, ["a", "b"], 2))
    table = what_each_adds(model, of_matrix(L, ["a", "b"], 2))
    assert table["items_voted"].to_list() == [2, 0]
    assert table["log_odds"].to_list() == [1.0, None]


def test_a_model_without_tables_is_refused():
    with pytest.raises(NothingToFit, match="a dawid_skene model has no tables"):
        contributions(DawidSkene(2), np.zeros((1, 1), np.int8))


def test_weights_are_terms_also_of_votes_with_a_probability():
    names = ("a", "b")
    for grids in (NO_GRIDS, Grids({"b": ((0.9, 0.1), (0.4, 0.6), (0.1, 0.9))})):
        L = np.array([[0, 1], [1, 0], [-1, 1], [1, -1]], np.int8)
        patterns = of_matrix(L, names, 2, grids=grids)
        model = WeightedVote(2, {"a": 1.0, "b": 2.5}, class_balance=(0.7, 0.3)).fit(patterns)
        terms = contributions(model, L)
        log_posterior = np.log(model.posterior(L))
        centered = log_posterior - log_posterior.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(terms.total, centered, atol=1e-12)
        assert (terms.of_lfs[L == -1] == 0).all()
