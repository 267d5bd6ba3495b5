"""The demo's functions load, keep away from the ratings, and do what their lesson says."""

from pathlib import Path

import polars as pl
import pytest

import sparkws.demo
from sparkws.configfile import load_config
from sparkws.lfs import VotesKernel, lfset_of

FOLDER = Path(sparkws.demo.__file__).parent
SCHEMA = pl.Schema({"item_id": pl.String, "source": pl.String, "text": pl.String, "rating": pl.Float64})


@pytest.fixture(scope="module")
def task():
    return load_config(FOLDER / "project.yaml").tasks["sentiment"]


@pytest.fixture(scope="module")
def kernel(task):
    return VotesKernel(lfset_of(task.lfs, FOLDER), task.classes, "item_id", SCHEMA, "fail")


def test_many_kinds_and_no_rating(kernel):
    assert len(kernel.lfset) >= 10
    assert {"row", "polars", "keyword", "regex", "lookup", "expression"} <= set(kernel.lfset.describe()["kind"])
    assert kernel.columns == ("item_id", "source", "text")


@pytest.mark.parametrize(
    ("source", "text", "voters"),
    [
        (
            "tweets",
            "Sooo happy!! :)",
            {"lf_stretched": 2, "lf_smile": 2, "lf_enthusiasm": 2, "lf_more_good_than_bad": 2},
        ),
        ("movies", "Not a very good film.", {"lf_negated_praise": 0, "lf_more_bad_than_good": 0}),
        ("movies", "Too long, and boring", {"lf_too_much": 0, "lf_criticism": 0, "lf_more_bad_than_good": 0}),
        ("products", "it broke, but the refund was easy", {"lf_product": 0, "lf_after_but": 2}),
        ("products", "never had any problems", {"lf_negated_trouble": 2, "lf_more_good_than_bad": 2, "lf_product": 0}),
        ("nyt", "The Mayor spoke in 1994.", {"lf_where_from": 1, "lf_reported": 1, "lf_no_opinion": 1}),
        ("tweets", "Which film is on?", {"lf_question": 1, "lf_no_opinion": 1}),
        ("tweets", "hahaha thanks", {"lf_laughter": 2, "lf_thanks_and_wishes": 2, "lf_more_good_than_bad": 2}),
        ("nyt", "Violence killed dozens.", {"lf_harm": 0, "lf_where_from": 1, "lf_more_bad_than_good": 0}),
    ],
)
def test_votes_by_hand(kernel, source, text, voters):
    item = pl.DataFrame([("a", source, text, 0.0)], SCHEMA, orient="row")
    votes = kernel.run(item)[0].drop("item_id").row(0, named=True)
    assert {name: vote for name, vote in votes.items() if vote != -1} == voters
