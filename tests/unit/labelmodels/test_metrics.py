"""Measures by hand, and that counting patterns equals counting items."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.labelmodels.metrics import compare, evaluate
from sparkws.labelmodels.posterior import predict

PROBS = np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5], [np.nan, np.nan], [0.8, 0.2]])
GOLD = np.array([0, 0, 1, 1, -1], np.int8)
COUNTS = np.array([4, 2, 2, 2, 100])


def test_every_measure_by_hand():
    got = evaluate(PROBS, predict(PROBS), GOLD, COUNTS)
    assert (got.n_gold, got.n_labeled, got.coverage) == (10, 6, 0.6)
    assert got.confusion.tolist() == [[0, 4, 2], [4, 0, 0]]
    assert got.accuracy == pytest.approx(4 / 6)
    assert got.accuracy_overall == pytest.approx(4 / 10)
    np.testing.assert_allclose(got.f1, [2 * 4 / (6 + 4), 0])
    assert got.macro_f1 == pytest.approx(0.4)
    np.testing.assert_allclose(got.f1_overall, [0.8, 0])
    assert got.brier == pytest.approx((4 * 0.02 + 2 * 0.98 + 2 * 0.5) / 8)
    # 4 items at .9 (right), 2 at .7 (wrong), 2 at .5 (a tie: right by half)
    assert got.calibration_error == pytest.approx((4 * 0.1 + 2 * 0.7 + 2 * 0.0) / 8)
    np.testing.assert_allclose(got.bins, [(0.5, 0.6, 2, 0.5, 0.5), (0.7, 0.8, 2, 0.7, 0), (0.9, 1.0, 4, 0.9, 1)])


def test_abstentions_count_as_wrong_in_the_overall_measures():
    silent = np.full((2, 2), np.nan)
    got = evaluate(silent, predict(silent), np.array([0, 1], np.int8), np.array([1, 1]))
    assert (got.accuracy_overall, got.macro_f1_overall, got.coverage) == (0, 0, 0)
    assert np.isnan([got.accuracy, got.macro_f1, got.brier, got.calibration_error]).all()
    assert got.bins == ()


def test_models_that_tie_or_not_are_compared_on_the_same_items():
    """Of 8 items, 4 of each class, half of each class tie: shared, 2 + 1 of 4 are right; decided ones alone, all."""
    probs = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9], [0.5, 0.5], [np.nan, np.nan]])
    gold, counts = np.array([0, 0, 1, 1, 1], np.int8), np.array([2, 2, 2, 2, 100])
    figures = compare({"ties": probs}, gold, counts)["ties"]
    assert figures["macro_f1"] == figures["accuracy"] == 1
    assert figures["macro_f1_ties_shared"] == figures["accuracy_ties_shared"] == pytest.approx(0.75)
    without_ties = np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9], [np.nan, np.nan]])
    figures = compare({"none": without_ties}, gold, counts)["none"]
    # Class 0: 2 right of 4 known and 2 predicted; class 1: 4 right of 4 known and 6 predicted.
    assert figures["macro_f1_ties_shared"] == figures["macro_f1"] == pytest.approx((4 / 6 + 8 / 10) / 2)
    assert figures["f1"] == [pytest.approx(4 / 6), pytest.approx(8 / 10)]
    three = np.concatenate([without_ties, np.full((5, 1), 0.0)], axis=1)
    of_none = compare({"none": three}, gold, counts)["none"]
    assert of_none["f1"] == [*figures["f1"], None]  # neither known nor predicted: F1 of nothing
    assert of_none["macro_f1"] == figures["macro_f1"]
    silent = compare({"silent": np.full((5, 2), np.nan)}, gold, counts)["silent"]
    assert (silent["accuracy_ties_shared"], silent["macro_f1_ties_shared"]) == (None, None)


def test_without_gold_nothing_is_determined():
    got = evaluate(PROBS, predict(PROBS), np.full(5, -1, np.int8), COUNTS)
    assert got.n_gold == 0
    assert np.isnan([got.accuracy, got.accuracy_overall, got.macro_f1, got.coverage]).all()


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_rows_with_counts_equal_items(seed):
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(3), 12)
    gold, counts = rng.integers(-1, 3, 12).astype(np.int8), rng.integers(1, 5, 12)
    rows = np.repeat(np.arange(12), counts)
    ours = evaluate(probs, predict(probs), gold, counts)
    items = evaluate(probs[rows], predict(probs[rows]), gold[rows], np.ones(len(rows), np.int64))
    assert ours.confusion.tolist() == items.confusion.tolist()
    for name in ("accuracy", "accuracy_overall", "macro_f1", "macro_f1_overall", "brier", "calibration_error"):
        assert getattr(ours, name) == pytest.approx(getattr(items, name), nan_ok=True)
    known = (gold >= 0) & (gold == probs.argmax(axis=1))
    assert ours.accuracy == pytest.approx(counts[known].sum() / max(counts[gold >= 0].sum(), 1), nan_ok=True)
