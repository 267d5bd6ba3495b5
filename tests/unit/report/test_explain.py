"""Explanations as people read them."""

import numpy as np
import polars as pl

from sparkws.explain import ExplainedItem, ExplainedTask
from sparkws.feasible import task_graph
from sparkws.labelmodels.account import account_of
from sparkws.labelmodels.calibration import Calibration, calibrated
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.taskview import TaskView
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.report.explain import describe_item, describe_task
from sparkws.stats.patterns import of_matrix

CLASSES = ("ham", "spam")
ONE_ITEM = of_matrix(np.zeros((1, 3), np.int8), ("lf_a", "lf_link", "lf_c"), 2)
WEIGHTED = WeightedVote(2, {"lf_a": 1.0, "lf_link": 2.5, "lf_c": 1.0}, class_balance=(0.75, 0.25)).fit(ONE_ITEM)


def explained(votes, model=WEIGHTED, **changes):
    account = account_of(model, np.array(votes, np.int8), CLASSES)
    found = {"task": "spam", "item_id": "c7", "status": "labeled", "pred": account.label, "faulted": ()}
    versions = {"labels_version": 3, "votes_version": 2, "model_version": 1, "newest_votes": 2}
    return describe_item(ExplainedItem(**{**found, **versions, "account": account, **changes})).splitlines()


def test_a_label_in_full():
    assert explained([0, 1, -1]) == [
        "task spam, item c7: spam with probability 0.599",
        "labels version 3, from votes version 2 and label model version 1 (weighted)",
        "log-odds of spam against ham:",
        "  prior          -1.10",
        "  lf_link  spam  +2.50",
        "  lf_a     ham   -1.00",
        "  sum            +0.40",
        "probabilities: spam 0.599, ham 0.401",
    ]


def test_what_makes_an_item_different_is_told():
    lines = explained([0, 1, -1], calibrated(WEIGHTED, Calibration(2.0, 50)))
    assert "log-odds of spam against ham, divided by a temperature of 2.000:" in lines
    assert explained([0, 1, -1], status="gold", pred="ham")[0].endswith("ham, because its class is known and held")
    assert explained([0, 1, -1], pred=None)[0].endswith("no class, because spam and ham are equally probable")
    faulted = explained([-1, -1, -1], status="fault", pred=None, faulted=("lf_a",))
    assert faulted[0].endswith("no label, because no function votes on it")
    assert faulted[2:] == ["lf_a faulted on it"]
    assert explained([0, 1, -1], newest_votes=5)[-1] == (
        "the label is made from votes version 2, the table is at 5. Run: sparkws run --task spam"
    )


def of_a_graph(votes, clamped=()):
    """The lines of a task t: one function votes on it, two on u, whose known class may be held."""
    graph = task_graph({"t": ["x", "y"], "u": ["a", "b"]}, [("x", "a"), ("x", "b"), ("y", "b")])
    model = Hierarchical(graph, [("t", "lf"), ("u", "lf"), ("u", "lf_h")])
    model.cpts_ = (np.array([[0.8, 0.4], [0.2, 0.6]]), *[np.array([[0.9, 0.3], [0.1, 0.7]])] * 2)
    model.seen_, model.balance_ = (np.ones(2, np.bool_),) * 3, np.array([0.2, 0.3, 0.5])
    account = account_of(TaskView(model, "t", clamped), np.array(votes, np.int8), ("x", "y"))
    found = {"task": "t", "item_id": "c7", "status": "labeled", "pred": account.label, "faulted": ()}
    versions = {"labels_version": 3, "votes_version": 2, "model_version": 1, "newest_votes": 2}
    return describe_item(ExplainedItem(**found, **versions, account=account)).splitlines()


def test_votes_on_other_tasks_are_told_together_and_one_by_one():
    # By hand: log 2; of both, log (.4 * .81 + .6 * .09) / .09; without one of them, log (.4 * .9 + .6 * .3) / .3.
    assert of_a_graph([0, 0, 0])[2:] == [
        "log-odds of x against y:",
        "  prior                   +0.00",
        "  lf          x           +0.69",
        "  votes on u  2 together  +1.44",
        "  sum                     +2.13",
        "of these together, what leaving out one of them takes away; they overlap, so it is no sum:",
        "  u.lf    a  +0.85",
        "  u.lf_h  a  +0.85",
        "probabilities: x 0.894, y 0.106",
    ]
    alone = of_a_graph([0, -1, 0])
    assert alone[5:7] == ["  u.lf_h  a  +0.59", "  sum        +1.28"]
    assert len(alone) == 8, "a vote that stands alone is its term"


def test_a_known_class_of_another_task_is_certain():
    lines = of_a_graph([-1, -1, 1, 0], ["u"])
    assert "  sum                     certain" in lines
    assert "  u.gold  a  certain" in lines
    assert lines[-1] == "probabilities: x 1.000, y 0.000"


def test_strong_votes_are_not_called_certain():
    graph = task_graph({"t": ["x", "y"], "u": ["a", "b"]}, [("x", "a"), ("y", "b")])
    model = Hierarchical(graph, [("t", f"lf_{j}") for j in range(30)])
    model.cpts_, model.seen_ = (np.eye(2),) * 30, (np.ones(2, np.bool_),) * 30
    account = account_of(TaskView(model, "t"), np.zeros(30, np.int8), ("x", "y"))
    versions = {"labels_version": 3, "votes_version": 2, "model_version": 1, "newest_votes": 2}
    found = ExplainedItem(task="t", item_id="c7", status="labeled", pred="x", faulted=(), account=account, **versions)
    text = describe_item(found)
    assert "  sum       +690.78" in text.splitlines(), "30 times log 1e10"
    assert "certain" not in text


def test_majority_vote_says_what_counts():
    lines = explained([0, 1, 1], MajorityVote(2).fit(ONE_ITEM))
    assert lines[2:] == [
        "a majority model has no log-odds: each vote counts as one, and probabilities are shares of them",
        "  lf_a     ham",
        "  lf_link  spam",
        "  lf_c     spam",
        "probabilities: spam 0.667, ham 0.333",
    ]


def task(**changes):
    pairs = {
        "a": ["lf_a", "lf_a", "lf_b"],
        "b": ["lf_b", "lf_c", "lf_c"],
        "both": [5, 9, 7],
        "excess": [0.1, -3.0, 0.2],
    }
    found = {"kind": "dawid_skene", "functions": pl.DataFrame({"lf": ["lf_a"]}), "pairs": pl.DataFrame(pairs)}
    return ExplainedTask(**{"task": "spam", "n_items": 100, "level": 0, **found, **changes})


def test_functions_and_the_pairs_that_are_explained_worst():
    assert task().worst_pairs(1)["both"].to_list() == [9]
    correlated = task().pairs.with_columns(correlation=pl.Series([None, 0.1, -0.5]))
    assert task(pairs=correlated).worst_pairs(2)["both"].to_list() == [7, 9]
    assert task(pairs=task().pairs.drop("excess")).worst_pairs(2)["both"].to_list() == [9, 7]
    text = describe_task(task(level=3), 2)
    assert "what each function adds, in a 2^-3 sample of the items:" in text
    assert "the 2 of 3 pairs that the model explains worst:" in text
    plain = task().to_plain(1)
    assert (plain["functions"], len(plain["pairs"])) == ([{"lf": "lf_a"}], 1)


def test_a_task_without_log_odds_or_pairs():
    text = describe_task(task(kind="majority", functions=None, pairs=task().pairs.drop("excess")))
    assert "a majority model has no log-odds: each vote counts as one" in text
    assert "that meet most often" in text
    assert describe_task(task(pairs=task().pairs.head(0))).endswith("there is a single function")
