"""What a configuration asks for is measured and told; what would take too long is left out and that is told."""

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.errors import NothingToFit
from sparkws.labelmodels import refitted
from sparkws.labelmodels.doubt import Doubt
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.labelmodels.posterior import predict
from sparkws.stats.counters import of_patterns
from sparkws.stats.patterns import of_matrix

LFS = synthetic.lf_names(6)
CLASSES = ["no", "yes"]


def world(n=1500, n_known=300):
    rng = np.random.default_rng(0)
    L, Y = synthetic.sample(synthetic.random_truth(rng, 6, 2, accuracy=(0.7, 0.9), coverage=(0.4, 0.8)), n, rng)
    return L, of_matrix(L, LFS, 2, np.where(np.arange(n) < n_known, Y, -1))


def fitted(patterns, gold_use="dev", **options):
    config = LabelModelConfig(**{"kind": "dawid_skene", "leave_one_out": 0, **options})
    return fit_label_model(config, patterns, of_patterns(patterns), CLASSES, gold_use=gold_use)


@pytest.mark.parametrize("gold_use", ["dev", "clamp"])
def test_calibration_changes_probabilities_and_no_prediction(gold_use):
    L, patterns = world()
    plain, found = (fitted(patterns, gold_use, calibrate=on, bootstrap=0) for on in (False, True))
    told = found.report.calibration
    assert plain.report.calibration is None
    assert 0 < told["n_known"] <= 300
    assert found.model.temperature_ == told["temperature"] != 1
    assert told["brier"][0] == pytest.approx(plain.report.metrics["dawid_skene"]["brier"], rel=0.2)
    ours, theirs = found.model.posterior(L), plain.model.posterior(L)
    assert not np.allclose(ours, theirs)
    np.testing.assert_array_equal(predict(ours), predict(theirs))
    # As the model is, not as it is corrected: it was corrected on these items.
    assert found.report.metrics == plain.report.metrics


def test_a_calibration_that_its_own_folds_show_to_be_harmful_is_not_applied():
    """Copies of one function deceive the model: it is sure and often wrong, and the temperature overshoots."""
    rng = np.random.default_rng(5)
    L, Y = synthetic.sample(synthetic.random_truth(rng, 6, 2), 1500, rng)
    L = np.column_stack([L, L[:, 0], L[:, 0]])
    patterns = of_matrix(L, synthetic.lf_names(8), 2, np.where(rng.random(1500) < 0.3, Y, -1))
    plain, found = (fitted(patterns, calibrate=on, bootstrap=2, label_intervals=True) for on in (False, True))
    told = found.report.calibration
    assert told["brier"][1] >= told["brier"][0]
    assert told["fitted_temperature"] > 1 == told["temperature"]
    np.testing.assert_array_equal(found.model.posterior(L), plain.model.posterior(L))
    assert {again.temperature_ for again in found.assessed.replicates} == {1.0}
    (warning,) = (entry for entry in found.report.warnings if entry.code == "not_calibrated")
    assert "brings no gain on those that it was not fitted on (Brier " in warning.message
    assert warning.message.endswith("left as they are; set label_model.calibrate: false.")
    assert "not_calibrated" not in [entry.code for entry in plain.report.warnings]


def test_calibration_needs_known_classes():
    with pytest.raises(NothingToFit, match="at least 20 items with votes and a known class, got 7"):
        fitted(world(n_known=7)[1], calibrate=True)


def test_every_function_and_class_has_an_interval_around_its_estimate():
    _, patterns = world()
    told = fitted(patterns, bootstrap=20).report.bootstrap
    assert (told["n_replicates"], told["why_not"]) == (20, "")
    assert list(told["accuracy"]) == list(LFS)
    for estimate, low, high in told["accuracy"].values():
        assert 0.4 < low < estimate < high < 1
    assert fitted(patterns, bootstrap=20).report.bootstrap == told, "the same in every run"
    shares = fitted(patterns, bootstrap=20).report.class_balance
    assert all(low < shares[name] < high for name, (low, high) in told["class_balance"].items())


def test_models_without_tables_have_no_accuracies():
    told = fitted(world()[1], kind="majority").report.bootstrap
    assert told["n_replicates"] == refitted.MOST_REPLICATES
    assert "accuracy" not in told


def test_a_function_that_never_votes_has_no_interval():
    L, _ = world()
    L[:, 2] = -1
    told = fitted(of_matrix(L, LFS, 2), bootstrap=5).report.bootstrap
    assert [name for name, ends in told["accuracy"].items() if ends is None] == ["lf_2"]


def test_what_takes_too_long_is_left_out_unless_it_is_asked_for(monkeypatch):
    _, patterns = world(300)
    monkeypatch.setattr(refitted, "_BUDGET", 1e4)
    told = fitted(patterns).report.bootstrap
    assert told["n_replicates"] == 0
    assert told["why_not"].endswith("of 6 functions take too long to fit 10 times again unless a number is given")
    assert fitted(patterns, bootstrap=3).report.bootstrap["n_replicates"] == 3
    monkeypatch.undo()
    config = LabelModelConfig(kind="dawid_skene", leave_one_out=0)
    one_of_many = fit_label_model(config, patterns, of_patterns(patterns), CLASSES, share=1e-4)
    assert one_of_many.report.bootstrap["n_replicates"] == 0
    assert fitted(patterns, bootstrap=0).report.bootstrap == {"n_replicates": 0, "why_not": ""}


def test_so_few_votes_that_drawings_have_none_are_told():
    L = np.full((200, 6), -1, np.int8)
    L[0, :3] = 1
    told = fitted(of_matrix(L, LFS, 2), bootstrap=2).report.bootstrap
    assert told["n_replicates"] in (0, 2)
    told = [fitted(of_matrix(L, LFS, 2), bootstrap=2, seed=seed).report.bootstrap for seed in range(4)]
    assert any("bootstrap samples of 200 items leave nothing to fit" in found["why_not"] for found in told)


def test_functions_are_left_out_one_at_a_time():
    _, patterns = world()
    told = fitted(patterns, bootstrap=0, leave_one_out=4).report.leave_one_out
    assert len(told["changed"]) == 4
    assert (told["n_functions"], told["why_not"]) == (6, "")
    assert all(0 < share < 0.5 for share in told["changed"].values())
    assert 0 < told["far_apart"] <= 1
    every = fitted(patterns, bootstrap=0, leave_one_out="auto").report.leave_one_out["changed"]
    assert list(every) == list(LFS)
    assert fitted(patterns, bootstrap=0, leave_one_out=0).report.leave_one_out["changed"] == {}


def test_models_behind_labels_are_kept_only_where_labels_are_to_tell_how_sure_they_are(monkeypatch):
    _, patterns = world(300)
    options = {"bootstrap": 3, "leave_one_out": 2}
    assert (fitted(patterns, **options).assessed.replicates, fitted(patterns, **options).assessed.without) == ((), {})
    kept = fitted(patterns, **options, label_intervals=True, calibrate=True)
    assert [len(kept.assessed.replicates), len(kept.assessed.without)] == [3, 2]
    for model in (*kept.assessed.replicates, *kept.assessed.without.values()):
        assert model.temperature_ == kept.model.temperature_ != 1
    monkeypatch.setattr(refitted, "_MOST_NUMBERS", 100)
    left = fitted(patterns, **options, label_intervals=True)
    assert left.assessed.replicates == ()
    assert left.report.label_intervals.startswith("180 numbers of the models behind them, of which at most 100")


@pytest.mark.parametrize("options", [{"kind": "majority"}, {"kind": "weighted", "weights": dict.fromkeys(LFS, 0.5)}])
def test_votes_that_nothing_is_estimated_from_have_no_interval_of_their_labels(options):
    """Its ends would be the confidence itself, which reads as certainty; what hangs on a function is still told."""
    L, patterns = world(300)
    found = fitted(patterns, **options, bootstrap=3, leave_one_out=2, label_intervals=True)
    assert found.report.label_intervals == (
        f"{options['kind']} estimates nothing that other items would change, so confidence_low and confidence_high are "
        "NULL"
    )
    assert (len(found.assessed.replicates), len(found.assessed.without)) == (0, 2)
    doubt = Doubt(found.assessed.replicates, list(found.assessed.without.values()))
    columns = doubt.of(found.model, L, found.model.posterior(L))
    assert columns[["confidence_low", "confidence_high"]].null_count().row(0) == (300, 300)
    assert columns["confidence_spread"].max() > 0
    unasked = fitted(patterns, **options, bootstrap=0, leave_one_out=2, label_intervals=True)
    assert unasked.report.label_intervals is None, "there are no such columns"
