"""Explanations as people read them."""

import numpy as np
import polars as pl

from sparkws.explain import ExplainedItem, ExplainedTask
from sparkws.labelmodels.account import account_of
from sparkws.labelmodels.calibration import Calibration, calibrated
from sparkws.labelmodels.majority import MajorityVote
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
