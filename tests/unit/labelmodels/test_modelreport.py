"""What is said of a label model as plain values: the keys that readers of the ledger know, and only those."""

import json

import numpy as np

from sparkws.config import LabelModelConfig, TaskGraphConfig
from sparkws.feasible import task_tree
from sparkws.labelmodels import multilabel
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.labelmodels.together import OfTask, fit_together, report_of
from sparkws.stats.counters import of_patterns, with_faults
from sparkws.stats.patterns import of_matrix, select
from sparkws.vocab import LABEL_CLASSES

OF_ANY = {
    *("kind", "choice", "class_balance", "balance_source", "abstain", "n_iter", "converged", "log_likelihood"),
    *("n_items", "n_patterns", "level", "largest_standard_error", "polish", "dependencies", "left_out", "not_chosen"),
    *("lf_summary", "soft_votes", "gold_use", "metrics", "calibration", "bootstrap", "leave_one_out", "warnings"),
}
NAMES = ("f", "g", "h")


def counted(n=60):
    L = np.random.default_rng(0).integers(-1, 2, (n, 3)).astype(np.int8)
    L[:, 2] = -1  # it never votes, which is a warning
    return of_matrix(L, NAMES, 2, np.where(np.arange(n) % 2, L.max(axis=1), -1).astype(np.int8))


def fitted(**options):
    config = LabelModelConfig(kind="dawid_skene", **options)
    return fit_label_model(config, counted(), of_patterns(counted()), LABEL_CLASSES)


def test_a_task_by_itself():
    plain = fitted().report.to_plain()
    assert set(plain) == OF_ANY
    assert {"code", "message"} == set(plain["warnings"][0])
    assert json.loads(json.dumps(plain)) == plain


def test_what_is_there_only_where_it_was_asked_for(monkeypatch):
    monkeypatch.setattr("sparkws.labelmodels.refitted._MOST_NUMBERS", 1)
    plain = fitted(label_intervals=True).report.to_plain()
    assert set(plain) == {*OF_ANY, "label_intervals"}
    assert "of which at most 1 are kept" in plain["label_intervals"]


def test_a_multi_label_task():
    one = fitted()
    told = multilabel.report_of({"a": one}, {"b": "nobody votes"}, {"a": multilabel.confusions(one, counted())})
    plain = told.to_plain()
    assert set(plain) == {"kind", "n_items", "n_patterns", "left_out", "labels", "metrics", "warnings"}
    assert plain["kind"] == "multi_label"
    assert set(plain["labels"]) == {"a"}
    assert set(plain["labels"]["a"]) == OF_ANY
    assert plain["warnings"][0]["label"] == "b"
    assert json.loads(json.dumps(plain)) == plain


def test_a_task_of_a_graph():
    tree = task_tree({"t": ["x", "y"], "u": ["a"]}, {"u": ("t", "x")})
    patterns = counted()
    columns = select(patterns, NAMES).rows
    names = ("t.f", "t.g", "u.h")
    together = type(patterns)(names, 2, columns)
    of_t = with_faults(of_patterns(select(patterns, ("f", "g"))), {})
    of_u = with_faults(of_patterns(select(patterns, ("h",))), {})
    tasks = {"t": OfTask(counters=of_t, out=(), not_chosen=()), "u": OfTask(counters=of_u, out=(), not_chosen=())}
    config = TaskGraphConfig(tasks=("t", "u"), parents={"u": ("t", "x")})
    model = fit_together(config, tree, tasks, together)
    plain = report_of(model, "t", tasks["t"], together, n_items=60, level=0, gold_use="evaluate").to_plain()
    assert set(plain) == {*OF_ANY, "tasks"}
    assert plain["tasks"] == ["t", "u"]
    assert plain["bootstrap"] == {"n_replicates": 0, "why_not": ""}
    assert json.loads(json.dumps(plain)) == plain
