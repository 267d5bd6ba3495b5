"""Slices that a configuration names: a column of the votes, figures in the report, no part in the label model."""

from typing import Any

import polars as pl
import pytest
import yaml

from tests.e2e.conftest import Project, comments, ran, table

SLICES = {
    "short": "length(text) < 12",
    "linked": {"sql": "text LIKE '%http%'", "dialect": "spark"},
    "known": "truth IS NOT NULL",  # what gold is made from: allowed, for only figures come of it
}


def test_the_report_tells_slices_apart(project: Project, run: Any) -> None:
    path = project(label_model={"kind": "majority"})
    code, without, _ = run(path)
    assert code == 0
    labels = table(path, "spam_labels").sort("item_id").drop("votes_version", "model_version")

    config = yaml.safe_load(path.read_text())
    config["tasks"]["spam"]["slices"] = SLICES
    path.write_text(yaml.safe_dump(config))
    code, result, log = run(path)
    assert code == 0
    assert ran(result) == ["spam.votes", "spam.stats", "spam.label_model", "spam.labels"]
    assert table(path, "spam_labels").sort("item_id").drop("votes_version", "model_version").equals(labels)
    assert result["tasks"]["spam"]["label_model"]["lf_summary"] == without["tasks"]["spam"]["label_model"]["lf_summary"]

    votes = table(path, "spam_votes").sort("item_id")
    texts = comments()["text"].to_list()
    assert votes["slice_short"].to_list() == [1 if len(text) < 12 else -1 for text in texts]
    assert votes["slice_linked"].to_list() == [1 if "http" in text else -1 for text in texts]
    told = result["tasks"]["spam"]["label_model"]["slices"]
    for name in SLICES:
        inside = votes.filter(pl.col(f"slice_{name}") == 1)
        cast = inside.select(pl.col("^lf_.*$")).select(
            n=pl.sum_horizontal(pl.all() >= 0),
            low=pl.min_horizontal(pl.when(pl.all() >= 0).then(pl.all())),
            high=pl.max_horizontal(pl.all()),
        )
        assert told[name]["n_items"] == inside.height
        assert told[name]["coverage"] == (cast["n"] > 0).mean()
        assert told[name]["overlaps"] == (cast["n"] > 1).mean()
        assert told[name]["conflicts"] == pytest.approx((cast["low"] < cast["high"]).sum() / inside.height)
    everything = result["tasks"]["spam"]["label_model"]["metrics"]["majority"]
    assert told["known"]["n_items"] == told["known"]["n_gold"] == everything["n_gold"]
    assert told["known"]["accuracy"]["majority"] == pytest.approx(everything["accuracy_ties_shared"])
    assert "slice   items  coverage  overlaps  conflicts  gold  majority" in log


@pytest.mark.parametrize(
    ("slices", "said"),
    [
        ({"a": "lenth(text) < 3"}, "'slice_a' has the expression 'lenth(text) < 3', which polars cannot read"),
        ({"a": "length(txt) < 3"}, "'slice_a' reads ['txt'], which the source lacks"),
        ({"a": {"sql": "size(text) < 3", "dialect": "spark"}}, "'slice_a' has the expression 'size(text) < 3'"),
        ({"lf_link": "true"}, "slice 'lf_link' is called like a labeling function"),
    ],
)
def test_a_slice_that_cannot_be_is_refused(project: Project, run: Any, slices: Any, said: str) -> None:
    code, _, log = run(project(slices=slices))
    assert code in (2, 3)
    assert said in log


def test_a_condition_that_fails_is_told_and_its_items_are_outside(project: Project, run: Any) -> None:
    code, result, log = run(project(slices={"broken": "CAST(text AS INT) > 3"}))
    assert code == 0
    assert result["tasks"]["spam"]["label_model"]["slices"]["broken"]["n_items"] == 0
    assert "slice broken: its condition failed on 60 items, left outside" in log
    assert "lf_money" in result["tasks"]["spam"]["votes"]["faults"]
