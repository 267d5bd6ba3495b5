"""The account of a label: by hand, for groups, for models in which votes have no log-odds."""

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.grids import Grids
from sparkws.labelmodels.account import account_of
from sparkws.labelmodels.calibration import Calibration, calibrated
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.superlf import SuperLF
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.stats.patterns import of_matrix

CLASSES = ("ham", "spam", "other")


def by_hand():
    model = DawidSkene(2, abstain="missing")
    model.lf_names_ = ("a", "b", "c")
    table = [[0.2, 0.2], [0.6, 0.2], [0.2, 0.6]]
    model.cpt_ = np.array([table, table, table])
    model.class_balance_ = np.array([0.8, 0.2])
    return model


def vote(*classes):
    return np.array(classes, np.int8)


def test_prior_votes_and_sum_by_hand():
    account = account_of(by_hand(), vote(1, 1, -1), CLASSES[:2])
    assert (account.label, account.against, account.temperature) == ("spam", "ham", 1)
    assert account.prior == pytest.approx(-np.log(4))
    assert account.total == pytest.approx(2 * np.log(3) - np.log(4))
    assert account.votes["lf"].to_list() == ["a", "b", "c"]
    assert account.votes["vote"].to_list() == ["spam", "spam", None]
    np.testing.assert_allclose(account.votes["log_odds"], [np.log(3), np.log(3), 0], atol=1e-12)
    assert account.votes["group"].null_count() == 3
    assert account.probs["spam"] == pytest.approx(9 / 13)


def test_a_calibrated_account_adds_up_to_the_corrected_probability():
    account = account_of(calibrated(by_hand(), Calibration(2.0, 50)), vote(1, 1, -1), CLASSES[:2])
    assert account.temperature == 2
    assert account.prior == pytest.approx(-np.log(4) / 2)
    assert account.prior + sum(account.votes["log_odds"]) == pytest.approx(account.total)
    assert account.probs["spam"] == pytest.approx(1 / (1 + np.exp(-account.total)))


def test_the_most_probable_class_is_compared_with_the_next():
    model = WeightedVote(3, {"a": 1.0, "b": 2.0, "c": 4.0}).fit(
        of_matrix(np.zeros((1, 3), np.int8), ("a", "b", "c"), 3)
    )
    account = account_of(model, vote(0, 2, 1), CLASSES)
    assert (account.label, account.against) == ("spam", "other")
    np.testing.assert_allclose(account.votes["log_odds"], [0, -2, 4], atol=1e-12)
    assert account.prior == 0
    assert account.total == pytest.approx(2)
    assert np.log(account.probs["spam"] / account.probs["other"]) == pytest.approx(2)


def test_members_of_a_group_name_each_other_and_share_its_term():
    rng = np.random.default_rng(0)
    names = synthetic.lf_names(5)
    L, _ = synthetic.sample(synthetic.random_truth(rng, 5, 2), 300, rng)
    model = SuperLF(2, groups=[names[:3]], abstain="outcome").fit(of_matrix(L, names, 2))
    account = account_of(model, vote(1, 1, 0, -1, 1), CLASSES[:2])
    assert account.votes["group"].to_list() == [["lf_1", "lf_2"], ["lf_0", "lf_2"], ["lf_0", "lf_1"], None, None]
    assert account.prior + sum(account.votes["log_odds"]) == pytest.approx(account.total)


def test_majority_vote_has_shares_only_and_an_item_without_votes_nothing():
    model = MajorityVote(2).fit(of_matrix(np.zeros((1, 3), np.int8), ("a", "b", "c"), 2))
    account = account_of(model, vote(1, 1, 0), CLASSES[:2])
    assert (account.label, account.prior, account.total) == ("spam", None, None)
    assert account.probs == pytest.approx({"ham": 1 / 3, "spam": 2 / 3})
    assert account.votes["log_odds"].null_count() == 3
    silent = account_of(by_hand(), vote(-1, -1, -1), CLASSES[:2])
    assert (silent.probs, silent.label, silent.total) == ({}, None, None)


def test_a_vote_with_a_probability_is_named_with_it():
    grids = Grids({"b": ((0.9, 0.1), (0.4, 0.6))})
    model = MajorityVote(2).fit(of_matrix(np.zeros((1, 2), np.int8), ("a", "b"), 2, grids=grids))
    assert account_of(model, vote(0, 1), CLASSES[:2]).votes["vote"].to_list() == ["ham", "spam 0.60"]
