"""Tasks labeled together: the model of patterns of all their votes, what is told of each task, what is stored."""

import json

import numpy as np
import polars as pl
import pytest

from sparkws import synthetic
from sparkws.config import TaskGraphConfig
from sparkws.errors import DataError, IncompatibleStatistics, NothingToFit
from sparkws.feasible import task_tree
from sparkws.labelmodels import persist
from sparkws.labelmodels.doubt import Doubt
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.kernel import LabelsKernel
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.metrics import evaluate
from sparkws.labelmodels.posterior import predict
from sparkws.labelmodels.refitted import Refitted, too_large
from sparkws.labelmodels.savedgraph import graph_from_json, graph_from_rows, graph_to_json, task_rows
from sparkws.labelmodels.savedtrust import doubt_of_rows, task_rows_with_trust
from sparkws.labelmodels.taskview import TaskView
from sparkws.labelmodels.together import OfTask, fit_again, fit_together, kept_of, report_of
from sparkws.stats.counters import of_patterns, with_faults
from sparkws.stats.patterns import of_matrix

TREE = task_tree({"kind": ["person", "place"], "job": ["cook", "pilot", "nurse"]}, {"job": ("kind", "person")})
LFS = {"kind": ("lf_a", "lf_b", "lf_c"), "job": ("lf_a", "lf_x", "lf_y", "lf_z")}
COLUMNS = [(task, lf) for task, names in LFS.items() for lf in names]
CONFIG = TaskGraphConfig(tasks=("kind", "job"), parents={"job": ("kind", "person")})
FINGERPRINTS = {column: f"of {'.'.join(column)}" for column in COLUMNS}


def world(n=2000):
    """Votes of all columns, right in eight of ten cases; the true vectors."""
    rng = np.random.default_rng(0)
    truth = TREE.feasible[rng.integers(len(TREE.feasible), size=n)]
    L = np.empty((n, len(COLUMNS)), np.int8)
    for c, (task, _) in enumerate(COLUMNS):
        own, k = truth[:, TREE.tasks.index(task)], len(TREE.classes[task])
        wrong = (own + rng.integers(1, k, n)) % k
        L[:, c] = np.where(rng.random(n) < 0.8, own, wrong)
        L[rng.random(n) < 0.4, c] = -1
    return L, truth


def counted(L, truth, **out):
    """What each task brings, and the patterns over all columns with the known kind of every second item."""
    gold = np.where(np.arange(len(L)) % 2, truth[:, TREE.tasks.index("kind")], -1)
    names = [*(f"{task}.{lf}" for task, lf in COLUMNS), "kind.gold"]
    patterns = of_matrix(np.hstack([L, gold[:, None]]).astype(np.int8), names, 4)
    tasks = {}
    for task, lf_names in LFS.items():
        own = L[:, [of == task for of, _ in COLUMNS]]
        counters = with_faults(of_patterns(of_matrix(own, lf_names, len(TREE.classes[task]))), {})
        tasks[task] = OfTask(counters=counters, out=out.get(task, ()), not_chosen=())
    return patterns, tasks


def test_it_is_the_model_of_the_rows_whatever_gold_is_counted_beside():
    L, truth = world()
    patterns, tasks = counted(L, truth)
    model = fit_together(CONFIG, TREE, tasks, patterns)
    rows = Hierarchical(TREE, COLUMNS).fit(L)
    np.testing.assert_allclose(model.posterior_vectors(L[:100]), rows.posterior_vectors(L[:100]), atol=1e-6)
    view: LabelModel = TaskView(model, "job")
    np.testing.assert_array_equal(view.posterior(L[:9]), model.posterior(L[:9])["job"])
    assert view.lf_names_[:4] == ("kind.lf_a", "kind.lf_b", "kind.lf_c", "job.lf_a")
    np.testing.assert_allclose(view.class_balance_.sum(), 1)


def test_known_classes_of_other_tasks_are_evidence_but_no_votes():
    L, truth = world(400)
    model = fit_together(CONFIG, TREE, *counted(L, truth)[::-1], clamped=["kind"])
    kind = truth[:, TREE.tasks.index("kind")].astype(np.int8)
    place = TREE.classes["kind"].index("place")
    view = TaskView(model, "job", ["kind"])
    kernel = LabelsKernel(
        model=view, key_dtype=pl.Int64(), votes_version=0, model_version=0, n_outcomes=4, known=("kind.gold",)
    )
    frame = synthetic.votes_frame(
        np.hstack([L, kind[:, None]]), [*(f"{task}.{lf}" for task, lf in COLUMNS), "kind.gold"]
    )
    rows, _ = kernel.run(frame)
    voted = (L >= 0).any(axis=1)
    assert rows["n_votes"].to_list() == (L >= 0).sum(axis=1).tolist()
    assert (rows["label_status"] == "labeled").to_list() == voted.tolist()
    jobs = np.stack(rows.filter(pl.Series(voted))["probs"].to_list())
    np.testing.assert_allclose(jobs[:, 3], kind[voted] == place, atol=1e-12)
    unknown = TaskView(model, "job", ["kind"]).posterior(np.hstack([L, np.full((len(L), 1), -1, np.int8)]))
    np.testing.assert_allclose(unknown, TaskView(model, "job").posterior(L))


def test_a_report_compares_with_majority_vote_of_the_task_alone():
    L, truth = world()
    patterns, tasks = counted(L, truth)
    model = fit_together(CONFIG, TREE, tasks, patterns)
    told = report_of(model, "kind", tasks["kind"], patterns, n_items=len(L), level=0, gold_use="evaluate").to_plain()
    known = np.arange(len(L)) % 2 == 1
    gold = truth[known, TREE.tasks.index("kind")]
    for kind, probs in (
        ("hierarchical", model.posterior(L[known])["kind"]),
        ("majority", MajorityVote(2).posterior(L[known][:, :3])),
    ):
        expected = evaluate(probs, predict(probs), gold, np.ones(len(gold), np.int64))
        assert told["metrics"][kind]["accuracy"] == pytest.approx(expected.accuracy)
        assert told["metrics"][kind]["n_labeled"] == expected.n_labeled
    assert told["metrics"]["hierarchical"]["n_labeled"] > told["metrics"]["majority"]["n_labeled"]
    assert [row["lf"] for row in told["lf_summary"]] == list(LFS["kind"])
    assert told["warnings"] == []
    job = report_of(model, "job", tasks["job"], patterns, n_items=len(L), level=0, gold_use="evaluate").to_plain()
    assert job["metrics"] == {}
    assert list(job["class_balance"]) == ["cook", "pilot", "nurse", "not applicable"]
    json.dumps([told, job], allow_nan=False)


def fitted_again(L, truth, clamped=(), **options):
    patterns, tasks = counted(L, truth)
    config = CONFIG.model_copy(update=options)
    model = fit_together(config, TREE, tasks, patterns, clamped)
    return patterns, tasks, model, fit_again(config, model, patterns, clamped)


def test_intervals_and_functions_left_out_are_those_of_each_task():
    L, truth = world(600)
    patterns, tasks, model, refitted = fitted_again(L, truth, bootstrap=12, leave_one_out=3)
    again = fitted_again(L, truth, bootstrap=12, leave_one_out=3)[3]
    assert [one.balance_.tolist() for one in again.replicates] == [one.balance_.tolist() for one in refitted.replicates]
    told = {
        task: report_of(model, task, of, patterns, n_items=600, level=0, gold_use="evaluate", refitted=refitted)
        for task, of in tasks.items()
    }
    for task, names in LFS.items():
        drawn = told[task].bootstrap
        assert drawn["n_replicates"] == 12
        assert list(drawn["accuracy"]) == list(names), "its own functions, by their names alone"
        for name, (estimate, low, high) in drawn["accuracy"].items():
            of_column = L[:, COLUMNS.index((task, name))]
            voted, own = of_column >= 0, truth[:, TREE.tasks.index(task)]
            assert low < estimate < high
            assert low - 0.1 < (of_column == own)[voted].mean() < high + 0.1
        for low, high in drawn["class_balance"].values():
            assert 0 < low < high < 1
        assert drawn["steady"] > 0.5
    # The busiest three functions are left out, whatever task they vote on; what changes is this task's labels.
    for task in LFS:
        left = told[task].leave_one_out
        probs = model.posterior(L)[task]
        assert left["n_functions"] == len(COLUMNS)
        assert len(left["changed"]) == 3
        for name, share in left["changed"].items():
            column = tuple(name.split(".")) if "." in name else (task, name)
            c = COLUMNS.index(column)
            rest = [other for other in COLUMNS if other != column]
            without = Hierarchical(TREE, rest, tol=1e-9).fit(np.delete(L, c, axis=1))
            theirs = without.posterior(np.delete(L, c, axis=1))[task]
            labeled = (L >= 0).any(axis=1)
            assert share == pytest.approx((predict(theirs) != predict(probs))[labeled].mean(), abs=0.02)


def test_known_classes_that_are_held_stay_so_in_refits():
    L, truth = world(400)
    patterns, tasks, model, refitted = fitted_again(L, truth, ["kind"], bootstrap=4, leave_one_out=100)
    assert len(refitted.without) == len(COLUMNS), "known classes are no function that could be left out"
    report = report_of(
        model,
        "job",
        tasks["job"],
        patterns,
        n_items=400,
        level=0,
        gold_use="clamp",
        refitted=refitted,
        clamped=["kind"],
    )
    assert set(report.leave_one_out["changed"]) == {
        *LFS["job"],
        *(f"kind.{lf}" for lf in LFS["kind"]),
    }
    nothing = fitted_again(L, truth, bootstrap=0, leave_one_out=0)[3]
    assert (nothing.replicates, nothing.without) == ((), None)


def test_what_takes_too_long_is_told(monkeypatch):
    monkeypatch.setattr("sparkws.labelmodels.refitted._BUDGET", 1e3)
    L, truth = world(300)
    patterns, tasks, model, refitted = fitted_again(L, truth)
    report = report_of(
        model, "kind", tasks["kind"], patterns, n_items=300, level=0, gold_use="evaluate", refitted=refitted
    )
    assert report.bootstrap["why_not"].endswith(
        "of 7 functions take too long to fit 10 times again unless a number is given"
    )
    assert report.leave_one_out["why_not"].endswith("take too long to fit again unless a number is given")


def test_models_that_are_too_large_are_not_kept(monkeypatch):
    L, truth = world(300)
    _, _, model, refitted = fitted_again(L, truth, bootstrap=3, leave_one_out=2)
    # Four vectors; three tables of two classes and four of four; five models.
    n_numbers = (4 + 3 * 2**2 + 4 * 4**2) * 5
    monkeypatch.setattr("sparkws.labelmodels.refitted._MOST_NUMBERS", n_numbers)
    assert kept_of(refitted, model) == (refitted, None)
    monkeypatch.setattr("sparkws.labelmodels.refitted._MOST_NUMBERS", n_numbers - 1)
    assert kept_of(refitted, model) == (
        None,
        "400 numbers of the models behind them, of which at most 399 are kept",
    )


def test_one_of_several_models_of_a_task_has_its_share_of_what_is_kept(monkeypatch):
    monkeypatch.setattr("sparkws.labelmodels.refitted._MOST_NUMBERS", 1000)
    drawn = Refitted(replicates=(MajorityVote(2),) * 3, without={"lf_a": MajorityVote(2)})
    assert too_large(drawn, 250) == too_large(drawn, 125, share=0.5) == ""
    assert too_large(drawn, 126, share=0.5).startswith("504 numbers of the models behind them, of which at most 500 ")


def test_a_refit_keeps_what_the_model_had_resolved():
    L, _ = world(300)
    model = Hierarchical(TREE, COLUMNS).fit(L)
    some = L[:, 1:].copy()
    some[:, 0] = np.where(some[:, 0] == 0, 0, -1)  # of the items drawn, it votes one class
    again = Hierarchical(TREE, COLUMNS[1:]).fit(some, start=model)
    assert [seen.tolist() for seen in again.seen_] == [seen.tolist() for seen in model.seen_[1:]]
    assert again.balance_source_ == model.balance_source_ == "votes"
    assert not np.allclose(again.cpts_[0], [[0.7, 0.3], [0.3, 0.7]]), "its table is still learned"
    # From its own start the fit stands still.
    same = Hierarchical(TREE, COLUMNS, tol=1e-9).fit(L, start=model)
    assert same.n_iter_ < model.n_iter_
    np.testing.assert_allclose(same.posterior_vectors(L), model.posterior_vectors(L), atol=0.005)


def test_what_is_stored_beside_a_model_tells_how_far_to_trust_it():
    L, truth = world(500)
    patterns, tasks, model, refitted = fitted_again(L, truth, bootstrap=3, leave_one_out=2)
    report = report_of(
        model, "job", tasks["job"], patterns, n_items=500, level=0, gold_use="evaluate", refitted=refitted
    )
    rows = task_rows_with_trust(model, "job", report, refitted).sample(fraction=1, shuffle=True, seed=0)
    assert rows.schema == persist.SCHEMA
    np.testing.assert_array_equal(graph_from_rows(rows).posterior_vectors(L), model.posterior_vectors(L))
    for parameter, place in (("accuracy", 0), ("accuracy_low", 1), ("accuracy_high", 2)):
        stored = dict(rows.filter(parameter=parameter).select("lf", "value").iter_rows())
        assert stored == {name: figures[place] for name, figures in report.bootstrap["accuracy"].items()}
    changed = dict(rows.filter(parameter="changed_without").select("lf", "value").iter_rows())
    assert changed == report.leave_one_out["changed"]

    def load(text):
        return TaskView(graph_from_json(text), "job")

    doubt = doubt_of_rows(rows, load, Doubt((), ()))
    view = TaskView(model, "job")
    columns = doubt.of(view, L, view.posterior(L))
    top = view.posterior(L).argmax(axis=1)
    voted = (L >= 0).any(axis=1)
    drawn = np.array([TaskView(one, "job").posterior(L)[np.arange(len(L)), top] for one in refitted.replicates])
    np.testing.assert_allclose(columns["confidence_low"].to_numpy()[voted], drawn.min(axis=0)[voted])
    np.testing.assert_allclose(columns["confidence_high"].to_numpy()[voted], drawn.max(axis=0)[voted])
    assert columns.filter(~pl.Series(voted)).null_count().row(0) == ((~voted).sum(),) * 3
    without = task_rows_with_trust(model, "job", report)
    assert without.filter(pl.col("parameter").is_in(["replicate", "without"])).is_empty()


def test_a_function_that_is_worse_than_blind_or_faulted_is_told():
    L, truth = world()
    L[:, 0] = np.where(L[:, 0] >= 0, 1 - L[:, 0], -1)
    patterns, tasks = counted(L, truth, kind=("lf_c",))
    model = fit_together(CONFIG, TREE, tasks, patterns)
    assert ("kind", "lf_c") not in model.columns
    told = report_of(model, "kind", tasks["kind"], patterns, n_items=len(L), level=0, gold_use="evaluate").to_plain()
    said = {warning["code"]: warning["message"] for warning in told["warnings"]}
    assert "'lf_a' is estimated to be right" in said["below_chance"]
    assert "['lf_c'] faulted on too many items" in said["out_for_faults"]
    assert told["left_out"] == ["lf_c"]


def test_what_is_advised_can_be_done_in_a_graph():
    """A model of several tasks has no groups, and its tasks have no kind."""
    L, truth = world()
    L[:, :3] = np.where(np.random.default_rng(1).random(len(L)) < 0.55, truth[:, 0], 1 - truth[:, 0])[:, None]
    patterns, tasks = counted(L, truth)
    model = fit_together(CONFIG, TREE, tasks, patterns)
    told = report_of(model, "kind", tasks["kind"], patterns, n_items=len(L), level=0, gold_use="evaluate")
    said = {warning.code: warning.message for warning in told.warnings}
    assert said["repeated"].startswith("[['lf_a', 'lf_b', 'lf_c']] vote alike on practically all items")
    assert said["repeated"].endswith("look at the same thing, leave all but one out.")
    # A model that takes the votes of good functions for their contrary.
    patterns, tasks = counted(*world())
    model = fit_together(CONFIG, TREE, tasks, patterns)
    model.cpts_ = tuple(
        table[::-1] if task == "kind" else np.full_like(table, 0.25)
        for table, (task, _) in zip(model.cpts_, COLUMNS, strict=True)
    )
    told = report_of(model, "kind", tasks["kind"], patterns, n_items=len(L), level=0, gold_use="evaluate")
    said = {warning.code: warning.message for warning in told.warnings}
    assert "Label the task outside its graph, or look for functions" in said["worse_than_majority"]


def test_what_is_stored_for_any_task_is_the_whole_model():
    L, truth = world(500)
    model = fit_together(CONFIG, TREE, *counted(L, truth)[::-1])
    expected = model.posterior_vectors(L)
    for task, names in LFS.items():
        rows = task_rows(model, task, FINGERPRINTS).sample(fraction=1, shuffle=True, seed=0)
        found = graph_from_rows(rows, TREE.classes, LFS, FINGERPRINTS)
        np.testing.assert_array_equal(found.posterior_vectors(L), expected)
        assert (found.n_iter_, found.converged_) == (model.n_iter_, model.converged_)
        # For a reader of the table: what its own functions vote given the class.
        cpt = rows.filter(pl.col("parameter") == "cpt")
        assert set(cpt["lf"]) == set(names)
        np.testing.assert_allclose(cpt.group_by("lf", "class").agg(pl.col("value").sum())["value"], 1)
    text = graph_to_json(model, FINGERPRINTS)
    np.testing.assert_array_equal(graph_from_json(text).posterior_vectors(L), expected)


def test_a_model_by_volume_comes_back_and_one_that_does_not_tell_which_votes_it_saw_is_refused():
    """Tables of columns of one class need not add up to 1."""
    rng = np.random.default_rng(0)
    columns = [("kind", "a"), ("kind", "b"), ("job", "c"), ("job", "d")]
    L = np.where(rng.random((200, 4)) < [0.5, 0.3, 0.2, 0.1], [0, 1, 0, 1], -1).astype(np.int8)
    model = Hierarchical(TREE, columns).fit(L)
    assert model.balance_source_ == "volume"
    assert [seen.tolist() for seen in model.seen_[:3]] == [[True, False], [False, True], [True, False, False, False]]
    text = graph_to_json(model)
    assert graph_to_json(graph_from_json(text)) == text
    plain = json.loads(text)
    del plain["columns"][1]["seen"]
    with pytest.raises(
        DataError, match=r"a function of the label model of several tasks lacks \['seen'\]; fit it again"
    ):
        graph_from_json(json.dumps(plain))


def test_a_stored_model_that_does_not_fit_is_refused():
    L, truth = world(500)
    model = fit_together(CONFIG, TREE, *counted(L, truth)[::-1])
    text, rows = graph_to_json(model, FINGERPRINTS), task_rows(model, "kind", FINGERPRINTS)
    with pytest.raises(IncompatibleStatistics, match=r"other classes of task 'kind': \['person', 'place'\], expected"):
        graph_from_json(text, {**TREE.classes, "kind": ["person", "thing"]})
    with pytest.raises(IncompatibleStatistics, match=r"reads \['job.lf_z'\], which do not vote"):
        graph_from_json(text, lf_names={**LFS, "job": ("lf_a", "lf_x", "lf_y", "lf_new")})
    with pytest.raises(IncompatibleStatistics, match=r"\['job.lf_x'\] changed since the label model was fitted"):
        graph_from_json(text, fingerprints={("job", "lf_x"): "other"})
    with pytest.raises(DataError, match="expected a label model of several tasks in format 1, got 2"):
        graph_from_json(json.dumps({**json.loads(text), "format": 2}))
    with pytest.raises(DataError, match="of kind 'hierarchical', got one of kind 'triplet'; read it with from_json"):
        graph_from_json(json.dumps({**json.loads(text), "kind": "triplet"}))
    without = {name: value for name, value in json.loads(text).items() if name not in ("balance", "converged")}
    with pytest.raises(DataError, match=r"lacks \['balance', 'converged'\]; fit it again"):
        graph_from_json(json.dumps(without))
    with pytest.raises(DataError, match="not the JSON of a label model of several tasks"):
        graph_from_json("{")
    with pytest.raises(DataError, match=r"expected the rows of one label model of several tasks, got 2 rows"):
        graph_from_rows(rows.head(2))
    with pytest.raises(DataError, match="is of several tasks; read it with graph_from_rows"):
        persist.from_rows(rows, TREE.classes["kind"])
    with pytest.raises(NothingToFit, match="no parameters yet"):
        graph_to_json(Hierarchical(TREE, COLUMNS))
    with pytest.raises(NothingToFit, match="has a vote on any task"):
        fit_together(CONFIG, TREE, *counted(np.full_like(L, -1), truth)[::-1])
