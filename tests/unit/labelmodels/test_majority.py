"""Majority vote, and how a model contradicts it."""

import numpy as np
import pytest

from sparkws.errors import IncompatibleStatistics, InvalidLabelMatrix, NothingToFit
from sparkws.labelmodels.majority import MajorityVote, contradictions
from sparkws.stats.patterns import Patterns, of_matrix

LFS = ("lf_a", "lf_b", "lf_c")
L = np.array([[0, 1, 1], [1, 1, -1], [1, 1, -1], [-1, -1, -1], [0, 1, -1]], np.int8)


def test_shares_and_their_volume_by_hand():
    model = MajorityVote(2).fit(of_matrix(L, LFS, 2))
    expected = [[1 / 3, 2 / 3], [0, 1], [0, 1], [np.nan, np.nan], [0.5, 0.5]]
    np.testing.assert_allclose(model.posterior(L), expected)
    np.testing.assert_allclose(model.class_balance_, [(1 / 3 + 0.5) / 4, (2 / 3 + 2 + 0.5) / 4])
    assert model.lf_names_ == LFS
    assert model.cpt_ is None
    assert model.converged_


def test_contradictions_by_hand():
    counts = np.array([1, 2, 3, 4, 5])
    preds = np.array([0, 0, 1, -1, 0], np.int32)
    # decided: rows 0, 1, 2 (6 items, 3 of them otherwise); unanimous: rows 1, 2 (5 items, 2 of them otherwise)
    assert contradictions(L, counts, preds, 2) == (3 / 6, 2 / 5)
    assert contradictions(L[3:4], counts[3:4], preds[3:4], 2) == (0.0, 0.0)


def test_nothing_to_fit_is_said():
    with pytest.raises(NothingToFit, match="none of the 3 items has a vote"):
        MajorityVote(2).fit(of_matrix(np.full((3, 3), -1, np.int8), LFS, 2))
    with pytest.raises(IncompatibleStatistics, match="the patterns have 2 classes, the label model 3"):
        MajorityVote(3).fit(of_matrix(L, LFS, 2))
    part = of_matrix(L, LFS, 2)
    part = Patterns(LFS, 2, part.rows.with_columns(n_items=-part.rows["n_items"]))
    with pytest.raises(IncompatibleStatistics, match="hold negative counts"):
        MajorityVote(2).fit(part)


def test_votes_that_are_none_are_refused_before_a_fit_and_after():
    for model in (MajorityVote(2), MajorityVote(2).fit(of_matrix(L, LFS, 2))):
        with pytest.raises(InvalidLabelMatrix, match="L has the type float64, expected integers, -1 where"):
            model.posterior(L.astype(np.float64))
        with pytest.raises(InvalidLabelMatrix, match=r"L has 1 votes outside -1\.\.1"):
            model.posterior(np.array([[0, 2, 1]], np.int8))
