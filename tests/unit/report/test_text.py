"""The text at the end of a run says everything that a person must not miss."""

import logging

import polars as pl
import pytest

from sparkws.manage.results import RunResult, StepResult
from sparkws.report.text import describe_run, log_functions, log_report, task_report

FIGURES = {
    "accuracy": 0.95,
    "accuracy_ties_shared": 0.91234,
    "macro_f1_ties_shared": 0.9,
    "ece": 0.05678,
    "brier": 0.1,
    "n_labeled": 1234,
    "n_gold": 2000,
}
MODEL = {
    "kind": "dawid_skene",
    "class_balance": {"ham": 0.75, "spam": 0.25},
    "balance_source": "votes",
    "n_iter": 17,
    "converged": True,
    "n_items": 1234567,
    "n_patterns": 4321,
    "level": 0,
    "largest_standard_error": 0.0,
    "left_out": [],
    "lf_summary": [
        {"lf": "lf_link", "j": 0, "Polarity": [1], "Coverage": 0.5, "Overlaps": 0.25, "Conflicts": 0.125, "Faults": 0},
        {"lf": "lf_never", "j": 1, "Polarity": [], "Coverage": 0.0, "Overlaps": 0.0, "Conflicts": 0.0, "Faults": 0},
    ],
    "metrics": {},
    "warnings": [],
}
LABELS = {
    "statuses": {"labeled": 1000000, "abstain": 234567, "fault": 0, "gold": 0},
    "preds": {"ham": 750000, "spam": 250000},
}


def step(name, status="done", **result):
    return StepResult(step=name, status=status, reason="", outputs={}, seconds=1, n_rows=1, details={"result": result})


def run(status="done", tasks=("spam",), labels=LABELS, votes=None, **model):
    steps = [
        found
        for task in tasks
        for found in (
            step(f"{task}.votes", status, **(votes or {})),
            step(f"{task}.label_model", status, **{**MODEL, **model}),
            step(f"{task}.labels", status, **labels),
        )
    ]
    return RunResult(project="demo", workspace="/data/tables", tasks=tuple(tasks), steps=tuple(steps))


def lines(**changes):
    return task_report("spam", run(**changes)).splitlines()


def test_a_report_in_full():
    assert lines() == [
        "task spam",
        "          j  Polarity  Coverage  Overlaps  Conflicts",
        "lf_link   0  [1]         0.5000    0.2500     0.1250",
        "lf_never  1  []          0.0000    0.0000     0.0000",
        "dawid_skene from 4,321 patterns of 1,234,567 items: converged after 17 iterations; "
        "class balance ham 0.750, spam 0.250 (votes)",
        "labels: 1,000,000 labeled, 234,567 abstain; predicted ham 750,000, spam 250,000",
    ]


def test_lookups_tell_what_matched():
    found = {"table": "main.kb.authors", "n_rows": 21000, "n_keys": 20000, "n_matched": 1234}
    lookups = {
        "lf_known": {**found, "n_ambiguous": 0, "n_undecided": 0},
        "lf_kind": {**found, "n_ambiguous": 1500, "n_undecided": 1001},
    }
    assert lines(votes={"lookups": lookups})[4:6] == [
        "lf_known matched 1,234 items with 20,000 keys of main.kb.authors",
        "lf_kind matched 1,234 items with 20,000 keys of main.kb.authors, of which 1,500 are ambiguous; "
        "1,001 of the items matched a key of no class or of several",
    ]


def test_the_slowest_functions_are_told_with_their_rates():
    slowest = {"lf_slow": {"rows_per_s": 1234.0, "share": 0.75}, "lf_link": {"rows_per_s": 2.5e6, "share": 0.0004}}
    told = lines(votes={"slowest": slowest, "rows_per_s_per_core": 925.6})
    assert told[4:7] == [
        "all functions vote on 926 rows/s a core; the slowest of them:",
        "  lf_slow         1,234 rows/s   75.0%",
        "  lf_link     2,500,000 rows/s    0.0%",
    ]
    assert lines(votes={"slowest": {}, "rows_per_s_per_core": None}) == lines()


def test_functions_that_take_no_part_are_marked():
    rows = [{**row, "Faults": faults} for row, faults in zip(MODEL["lf_summary"], (0, 1200), strict=True)]
    text = lines(lf_summary=rows, left_out=["lf_never"])
    assert text[1].endswith("Conflicts  Faults")
    assert text[2].endswith("0.1250       0")
    assert text[3].endswith("0.0000   1,200  takes no part")


def test_measures_of_functions_stand_beside_them():
    rows = [{**row, "Correct": 1500, "Incorrect": 500, "Emp. Acc.": 0.75} for row in MODEL["lf_summary"]]
    text = lines(lf_summary=rows)
    assert text[1].split()[-4:] == ["Correct", "Incorrect", "Emp.", "Acc."]
    assert text[2].split()[-3:] == ["1,500", "500", "0.7500"]


def test_no_functions():
    assert lines(lf_summary=[])[1] == "no labeling functions"


def test_a_fit_that_did_not_converge():
    assert any("did not converge after 17 iterations" in line for line in lines(converged=False))


def test_a_sample_is_told_with_its_error():
    (line,) = [line for line in lines(level=3, largest_standard_error=0.01234) if "sample" in line]
    assert line == ("fitted from a 2^-3 sample of the items; the largest standard error that this brings is 0.0123")
    assert not any("sample" in line for line in lines())


def test_a_polished_sample_is_told_with_what_is_left_of_its_error():
    polish = {"n_steps": 7, "converged": True, "sample_level": 3, "largest_standard_error_before": 0.01234}
    (line,) = [line for line in lines(largest_standard_error=0.000056, polish=polish) if "sample" in line]
    assert line == (
        "fitted from a 2^-3 sample of the items, polished by 7 steps of EM over all of them, which converged; of the "
        "sample's largest standard error of 0.012 they leave 5.6e-05"
    )
    polish["converged"] = False
    (line,) = [line for line in lines(level=3, largest_standard_error=0.001, polish=polish) if "sample" in line]
    assert "by 7 steps of EM over all of them, which had not converged; of" in line


def test_measures_of_both_models():
    metrics = {"dawid_skene": FIGURES, "majority": {**FIGURES, "accuracy_ties_shared": 0.8}}
    ours, majority = (line for line in lines(metrics=metrics) if "accuracy" in line)
    assert ours.split()[:3] == ["dawid_skene", "accuracy", "0.9123"]
    assert majority.split()[:3] == ["majority", "accuracy", "0.8000"]
    for figure in ("macro F1 0.9000", "calibration error 0.0568", "Brier 0.1000", "1,234 ", "of 2,000 gold items"):
        assert figure in ours


def test_a_measure_that_no_item_determines_is_a_dash():
    nothing = {name: 0 if name.startswith("n_") else None for name in FIGURES}
    (line,) = (line for line in lines(metrics={"majority": nothing}) if "accuracy" in line)
    for figure in ("accuracy -", "macro F1 -", "calibration error -", "Brier -", "of 0 gold items"):
        assert figure in line


def test_warnings_are_told_in_full():
    warnings = [{"code": "collapsed", "message": "It has collapsed. Do not use it."}, {"code": "b", "message": "So."}]
    text = lines(warnings=warnings)
    assert "warning (collapsed): It has collapsed. Do not use it." in text
    assert "warning (b): So." in text


def test_only_statuses_that_occur():
    text = lines(labels={**LABELS, "statuses": {"labeled": 2, "abstain": 0, "fault": 1, "gold": 7}})
    assert text[-1].startswith("labels: 2 labeled, 1 fault, 7 gold; predicted")


def test_ties_are_told_apart_from_labels_with_a_class():
    statuses = {"labeled": 1995, "abstain": 5, "fault": 0, "gold": 4}
    text = lines(labels={"statuses": statuses, "preds": {"ham": 792, "spam": 948}})
    assert text[-1] == (
        "labels: 1,995 labeled, 5 abstain, 4 gold; 259 of them tied, so without a class; predicted ham 792, spam 948"
    )


def test_a_run_of_several_tasks():
    text = describe_run(run(tasks=("spam", "toxic")))
    assert text.index("task spam") < text.index("task toxic") < text.index("tables are in /data/tables")
    assert "nothing has changed" not in text


def test_an_unchanged_run_says_so_and_still_reports():
    text = describe_run(run(status="skipped"))
    assert "nothing has changed since the last run" in text
    assert "task spam" in text


def test_the_report_is_logged(caplog):
    with caplog.at_level(logging.INFO, logger="sparkws.report.text"):
        log_report(run())
        log_functions("spam", pl.DataFrame({"name": [f"lf_{i}" for i in range(30)]}))
    assert describe_run(run()) in caplog.text
    assert "task spam\n┌" in caplog.text
    assert all(f"│ lf_{i} " in caplog.text for i in range(30)), "every function is shown"


def test_of_functions_only_what_tells_something_is_shown(caplog):
    table = pl.DataFrame({"name": ["lf_a", "lf_b"], "owner": ["ann", None], "source": [None, None]})
    with caplog.at_level(logging.INFO, logger="sparkws.report.text"):
        log_functions("spam", table.with_columns(deterministic=pl.Series([True, True])))
        assert "owner" in caplog.text
        assert "source" not in caplog.text
        assert "deterministic" not in caplog.text
        log_functions("spam", table.with_columns(deterministic=pl.Series([True, False])))
    assert "deterministic" in caplog.text


def test_an_unknown_task_is_a_mistake_of_the_caller():
    with pytest.raises(KeyError, match="the run has no step"):
        task_report("toxic", run())


def test_of_very_many_classes_the_greatest_are_told():
    shares = {f"c{i}": i / 1000 for i in range(45)}
    model = {**MODEL, "class_balance": shares}
    labels = {**LABELS, "preds": {name: i for i, name in enumerate(shares)}}
    steps = (step("spam.votes"), step("spam.label_model", **model), step("spam.labels", **labels))
    text = task_report("spam", RunResult(project="p", workspace="w", tasks=("spam",), steps=steps))
    assert "class balance c44 0.044, c43 0.043, " in text
    assert "c25 0.025 and 25 more classes (votes)" in text
    assert "predicted c44 44, c43 43, " in text
    assert text.endswith("c25 25 and 25 more classes")


def test_dependent_functions_are_told_with_their_evidence():
    pair = {"a": "lf_link", "b": "lf_url", "excess": 0.314, "meeting": None}
    edge = {**pair, "likelihood_ratio": 1234.5, "shared": ["data WORDS"]}
    other = {"a": "lf_a", "b": "lf_b", "excess": -0.1, "likelihood_ratio": None, "shared": [], "meeting": 0.04}
    found = {"message": "2 groups repeat each other.", "edges": [edge, other], "groups": [], "counted_once": False}
    told = lines(dependencies=found)
    at = told.index("2 groups repeat each other. dawid_skene counts each of their votes.")
    assert told[at + 1 : at + 3] == [
        "  lf_link  lf_url   correlation beyond the class +0.31  likelihood ratio 1,234  both read ['data WORDS']",
        "  lf_a     lf_b     correlation beyond the class -0.10  both vote 0.04 times as often as the class explains",
    ]
    soft = {"lf": {"cells": [[0.1, 0.9]], "known": [0], "observed": [None], "calibration_error": None}}
    beside = (
        "2 groups repeat each other. dawid_skene counts each of their votes. Functions that vote with a probability"
    )
    assert f"{beside} were not looked at." in lines(dependencies=found, soft_votes=soft)
    # Groups that were given have no evidence to show.
    assert lines(dependencies={"groups": [["lf_link", "lf_url"]], "counted_once": True}) == lines()
