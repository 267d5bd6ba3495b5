"""Lines about calibration and intervals; nothing where nothing was asked for."""

from sparkws.report.trust import estimated_accuracies, trust_lines

BALANCE = {"ham": 0.75, "spam": 0.25}
CALIBRATION = {
    "temperature": 1.7345,
    "fitted_temperature": 1.7345,
    "n_known": 1234,
    "brier": [0.2, 0.15],
    "calibration_error": [0.1, 0.05],
}
BOOTSTRAP = {
    "n_replicates": 50,
    "why_not": "",
    "steady": 0.956,
    "class_balance": {"ham": [0.7, 0.78], "spam": [0.22, 0.3]},
    "accuracy": {"lf_a": [0.876, 0.85, 0.9], "lf_b": None, "lf_c": [0.75, 0.75, 0.75]},
}


def lines(**found):
    return trust_lines({"class_balance": BALANCE, "balance_source": "estimate", "level": 0, **found})


def test_calibration_tells_before_and_after():
    assert lines(calibration=CALIBRATION) == [
        "calibrated by a temperature of 1.734 from 1,234 items with known classes; on items that it was not fitted on, "
        "by 10 folds: Brier 0.2000 -> 0.1500, calibration error 0.1000 -> 0.0500"
    ]
    (line,) = lines(calibration={**CALIBRATION, "temperature": 1.0, "brier": [0.1, 0.11]})
    assert line.startswith("not calibrated, because that is no gain, by a temperature of 1.734 from 1,234 items")


def test_intervals():
    assert lines(bootstrap=BOOTSTRAP) == [
        "90% intervals, if the model holds, of the class balance and accuracies (Est. Acc.), from 50 fits to "
        "bootstrap samples of the items: "
        "ham 0.700 to 0.780, spam 0.220 to 0.300; 95.6% of the labels are the same in 90% of them"
    ]
    for sampled in ({"level": 3}, {"polish": {"n_steps": 2}}):
        assert "from 50 fits to bootstrap samples of the sampled items" in lines(bootstrap=BOOTSTRAP, **sampled)[0]
    model = {"bootstrap": BOOTSTRAP}
    assert estimated_accuracies(model, ["lf_b", "lf_a", "lf_c", "lf_x"]) == ["-", "0.88 (0.85-0.90)", "0.75 fixed", "-"]
    assert estimated_accuracies({}, ["lf_a"]) is None


def test_only_what_a_model_estimates_has_intervals():
    fixed = {**BOOTSTRAP, "class_balance": {"ham": [0.75, 0.75], "spam": [0.25, 0.25]}}
    assert lines(bootstrap=fixed, balance_source="given") == [
        "90% intervals, if the model holds, of accuracies (Est. Acc.), from 50 fits to bootstrap samples of the "
        "items: 95.6% of the labels are the same in 90% of them"
    ]
    (line,) = lines(bootstrap=fixed, balance_source="tensor")  # estimated, but by no fit to the samples
    assert line.endswith(
        "bootstrap samples of the items: the class balance by tensor is held in them; 95.6% of the labels are the same "
        "in 90% of them"
    )
    (line,) = lines(bootstrap=BOOTSTRAP, balance_source="volume to the power 0.2")
    assert line.startswith(
        "90% intervals, if the model holds, of the volume of voting to the power 0.2 and accuracies (Est. Acc.), from"
    )
    (line,) = lines(bootstrap=BOOTSTRAP, balance_source="one_coin")
    assert line.startswith(
        "90% intervals, if the model holds, of the class balance as if functions erred equally often in all classes "
        "(one_coin) and accuracies (Est. Acc.), from"
    )
    counted = {name: value for name, value in BOOTSTRAP.items() if name != "accuracy"}
    assert lines(bootstrap=counted, balance_source="votes") == []


def test_what_was_left_out_is_told_and_what_nobody_asked_for_is_not():
    assert lines(bootstrap={"n_replicates": 0, "why_not": "too many"}) == ["no intervals: too many"]
    assert lines(bootstrap={"n_replicates": 0, "why_not": ""}, calibration=None) == lines() == []


def test_what_hangs_on_one_function():
    changed = {"lf_a": 0.0, "lf_b": 0.25, "lf_c": 0.0001}
    found = {"changed": changed, "n_functions": 3, "far_apart": 0.125, "why_not": ""}
    assert lines(leave_one_out=found) == [
        "labels that change when one of 3 functions is left out: lf_b 25.0%, lf_c less than 0.1%; the probabilities of "
        "12.5% of the labels differ by more than 0.1"
    ]
    (line,) = lines(leave_one_out={**found, "changed": {"lf_a": 0.0}, "far_apart": None})
    assert line == "labels that change when one of 1 of 3 functions is left out: none"
    only = {"changed": {"lf_a": 1.0}, "n_functions": 1, "far_apart": None, "why_not": ""}
    assert lines(leave_one_out=only) == ["labels that change when the only function is left out: lf_a 100.0%"]
    assert lines(leave_one_out={"changed": {}, "n_functions": 3, "why_not": "too many"}) == [
        "no function was left out: too many"
    ]
    assert lines(leave_one_out={"changed": {}, "n_functions": 3, "why_not": ""}) == []
    assert lines(label_intervals="2 numbers of the models") == [
        "labels do not tell how sure they are: 2 numbers of the models"
    ]
