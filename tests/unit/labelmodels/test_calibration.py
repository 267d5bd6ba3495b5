"""Calibration: what it recovers, what it leaves unchanged, and how few known classes it takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.errors import ConfigError, NothingToFit
from sparkws.labelmodels.calibration import FEWEST_KNOWN, Calibration, calibrate, calibrated
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.metrics import evaluate
from sparkws.labelmodels.posterior import predict, tempered
from sparkws.labelmodels.superlf import SuperLF
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.stats.patterns import of_matrix

WEIGHTS = dict.fromkeys(synthetic.lf_names(4), 1.0)


def overconfident(rng, n, k, times):
    """Honest probabilities made extreme, and classes drawn from the honest ones."""
    honest = rng.dirichlet(np.ones(k), n)
    gold = (rng.random(n)[:, None] > honest.cumsum(axis=1)).sum(axis=1).astype(np.int8)
    extreme = honest**times
    return extreme / extreme.sum(axis=1, keepdims=True), gold


@pytest.mark.parametrize(("k", "times"), [(2, 3.0), (4, 2.0), (3, 0.5)])
def test_the_temperature_that_was_taken_away_is_found(k, times):
    probs, gold = overconfident(np.random.default_rng(0), 20_000, k, times)
    found = calibrate(probs, gold, np.ones(20_000, np.int64))
    assert found.temperature == pytest.approx(times, rel=0.05)
    assert found.n_known == 20_000
    before, after = (
        evaluate(p, predict(p), gold, np.ones(20_000, np.int64)).calibration_error for p in (probs, found(probs))
    )
    assert after < 0.02 < before


def test_counts_weigh_like_repeated_rows():
    probs, gold = overconfident(np.random.default_rng(1), 300, 2, 2.0)
    counts = np.random.default_rng(2).integers(0, 5, 300)
    repeated = np.repeat(np.arange(300), counts)
    expected = calibrate(probs[repeated], gold[repeated], np.ones(len(repeated), np.int64))
    assert calibrate(probs, gold, counts).temperature == pytest.approx(expected.temperature, rel=1e-5)


@given(st.floats(0.1, 10), st.integers(0, 2**32 - 1))
def test_no_prediction_changes_and_rows_sum_to_one(temperature, seed):
    probs = np.random.default_rng(seed).dirichlet(np.ones(3), 20)
    probs[4] = np.nan
    got = Calibration(temperature)(probs)
    assert (got[~np.isnan(probs[:, 0])].argmax(axis=1) == probs[~np.isnan(probs[:, 0])].argmax(axis=1)).all()
    assert np.isnan(got[4]).all()
    assert np.allclose(np.delete(got, 4, axis=0).sum(axis=1), 1)


def test_a_few_right_labels_do_not_make_everything_certain():
    probs = np.tile([0.7, 0.3], (FEWEST_KNOWN, 1))
    found = calibrate(probs, np.zeros(FEWEST_KNOWN, np.int8), np.ones(FEWEST_KNOWN, np.int64))
    assert 0.5 < found.temperature < 1


def test_too_few_known_classes_are_refused():
    probs = np.tile([0.7, 0.3], (FEWEST_KNOWN + 1, 1))
    gold = np.full(FEWEST_KNOWN + 1, -1, np.int8)
    gold[:3] = 0
    with pytest.raises(NothingToFit, match="got 3;"):
        calibrate(probs, gold, np.ones(len(gold), np.int64))
    with pytest.raises(ConfigError, match="above 0, got 0"):
        Calibration(0)


@pytest.mark.parametrize("make", [DawidSkene, SuperLF, MajorityVote, lambda k: WeightedVote(k, WEIGHTS)])
def test_a_calibrated_model_is_a_copy_with_other_probabilities_until_it_is_fitted_again(make):
    rng = np.random.default_rng(0)
    L = synthetic.sample(synthetic.random_truth(rng, 4, 2), 200, rng)[0]
    patterns = of_matrix(L, synthetic.lf_names(4), 2)
    model = make(2).fit(patterns)
    corrected = calibrated(model, Calibration(3.0, 100))
    assert (model.temperature_, corrected.temperature_) == (1, 3)
    np.testing.assert_allclose(corrected.posterior(L), tempered(model.posterior(L), 3.0), atol=1e-9)
    np.testing.assert_array_equal(predict(corrected.posterior(L)), predict(model.posterior(L)))
    np.testing.assert_array_equal(corrected.fit(patterns).posterior(L), model.posterior(L))
