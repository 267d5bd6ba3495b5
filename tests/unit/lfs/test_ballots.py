"""Votes of multi-label tasks: what every returned value stands for, the names of columns, and what is refused."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkws.errors import ConfigError, InvalidFunction, InvalidVote, VotesNotRepeatable
from sparkws.lfconfig import DeclarativeLFConfig
from sparkws.lfs import LFSet, labeling_function
from sparkws.lfs.ballots import ballots_of, by_class, vote_columns
from sparkws.lfs.examples import check_examples
from sparkws.lfs.function import LabelingFunction
from sparkws.lfs.kernel import VotesKernel
from sparkws.lfs.lfset import declarative_lfs

CLASSES = ("sports", "politics", "art & music")
ALL = ("lf_x__sports", "lf_x__politics", "lf_x__2")


def function(f, **options):
    return LabelingFunction("lf_x", f, **options)


def votes_of(lf, values, **options):
    """What is published for items whose column `value` holds an index into `values`."""
    items = pl.DataFrame({"id": [f"a{i}" for i in range(len(values))], "value": range(len(values))})
    kernel = VotesKernel(LFSet([lf]), CLASSES, "id", items.schema, multi_label=True, **options)
    votes, found = kernel.run(items)
    assert votes.schema == kernel.schema
    return votes.drop("item_id"), found


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("sports", (1, -1, -1)),
        (1, (-1, 1, -1)),
        (np.int64(2), (-1, -1, 1)),
        (["sports", "art & music"], (1, -1, 1)),
        (("sports", 0), (1, -1, -1)),
        ({"politics", 2}, (-1, 1, 1)),
        (frozenset({"politics"}), (-1, 1, -1)),
        ({"sports": True, "politics": False}, (1, 0, -1)),
        ({0: 1, 1: 0, 2: -1}, (1, 0, -1)),
        ({"sports": np.True_, "politics": None}, (1, -1, -1)),
        ([], (-1, -1, -1)),
        ({}, (-1, -1, -1)),
        (None, (-1, -1, -1)),
        (-1, (-1, -1, -1)),
        (np.int8(-1), (-1, -1, -1)),
    ],
)
def test_what_a_returned_value_stands_for(returned, expected):
    values = [returned]
    votes, _ = votes_of(function(lambda x: values[x.value], columns=["value"]), values)
    assert votes.columns == list(ALL)
    assert votes.rows() == [expected]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("sport", r"returned 'sport' for 1 of 1 items .* on item_id \['a0'\].* Did you mean 'sports'"),
        (["sports", "sport"], r"returned \['sports', 'sport'\] .* Did you mean 'sports'"),
        (3, r"returned 3 .* return a class, a list of classes, or a dict that says True or False"),
        (-2, "returned -2 "),
        (True, "returned True "),
        (0.7, "returned 0.7 "),
        ([True], r"returned \[True\]"),
        ([-1], r"returned \[-1\]"),
        ({"sports": 0.7}, r"returned \{'sports': 0.7\}"),
        ({"sports": 1.0}, r"returned \{'sports': 1.0\}"),
        ({"sports": 2}, r"returned \{'sports': 2\}"),
        ({"sports": True, 0: False}, r"returned \{'sports': True, 0: False\}"),
    ],
)
def test_values_that_stand_for_nothing_are_refused(returned, message):
    values = [returned]
    with pytest.raises(InvalidVote, match=f"'lf_x' {message}"):
        votes_of(function(lambda x: values[x.value], columns=["value"]), values)


def test_declared_classes_are_its_columns():
    lf = function(lambda x: "politics", columns=["value"], classes=["politics", 0])
    assert votes_of(lf, [0])[0].columns == ["lf_x__sports", "lf_x__politics"]


def test_a_class_that_is_not_declared_is_refused():
    lf = function(lambda x: ["sports"], columns=["value"], classes=["politics"])
    with pytest.raises(
        InvalidVote, match=r"'sports' is not among the classes that it declares, \['politics'\]; add it"
    ):
        votes_of(lf, [0])


@pytest.mark.parametrize("classes", ["sports", [], [True], [1.0], {"sports"}])
def test_declared_classes_must_be_a_list(classes):
    with pytest.raises(InvalidFunction, match="'classes' of 'lf_x' must be a list of names or indices"):
        function(lambda x: None, columns=["value"], classes=classes)


def test_declared_classes_must_exist():
    lf = function(lambda x: None, columns=["value"], classes=["sport"])
    with pytest.raises(ConfigError, match=r"'lf_x' votes 'sport', which is no class.* Did you mean 'sports'"):
        votes_of(lf, [0])


def test_declared_classes_are_of_multi_label_tasks():
    lf = function(lambda x: -1, columns=["text"], classes=["sports"])
    with pytest.raises(InvalidFunction, match=r"'lf_x' declares the 'classes' \['sports'\].*multi_label: true"):
        LFSet([lf]).apply(pl.DataFrame({"text": ["a"]}), classes=CLASSES)


def test_a_fault_leaves_null_in_all_columns_of_its_function_only():
    @labeling_function(columns=["value"])
    def lf_bad(x):
        return ["sports"] if x.value else 1 / 0

    @labeling_function(columns=["value"], classes=["sports"])
    def lf_good(x):
        return "sports"

    items = pl.DataFrame({"id": [1, 2], "value": [0, 1]})
    kernel = VotesKernel(LFSet([lf_bad, lf_good]), CLASSES, "id", items.schema, multi_label=True)
    votes, found = kernel.run(items)
    assert votes.drop("item_id").rows() == [(None, None, None, 1), (1, -1, -1, 1)]
    assert found.faults.counts_by_lf() == {"lf_bad": 1}


@pytest.mark.parametrize(
    "returned",
    [
        pl.Series([["sports"], [], None, ["politics", "art & music"]]),
        pa.array([["sports"], [], None, ["politics", "art & music"]]),
        [{"sports"}, None, -1, {1, 2}],
        pl.DataFrame([(True, None, None), (None,) * 3, (None,) * 3, (None, True, True)], CLASSES, orient="row"),
        np.array([{"sports"}, None, -1, {1, 2}], dtype=object),
    ],
)
def test_batches_are_voted_on_at_once(returned):
    lf = function(lambda batch: returned, columns=["value"], vectorized="polars", deterministic=False)
    assert votes_of(lf, range(4))[0].rows() == [(1, -1, -1), (-1, -1, -1), (-1, -1, -1), (-1, 1, 1)]


def test_a_vectorized_function_that_raises_leaves_null_for_the_batch():
    lf = function(lambda batch: 1 / 0, columns=["value"], vectorized="polars")
    assert votes_of(lf, [0, 1])[0].rows() == [(None,) * 3] * 2


def test_a_batch_of_another_length_is_refused():
    lf = function(lambda batch: [None], columns=["value"], vectorized="polars")
    with pytest.raises(InvalidVote, match="returned 1 votes for a batch of 2 items"):
        votes_of(lf, [0, 1])


def test_votes_that_change_when_run_again_are_refused():
    said = iter([["sports"], ["politics"]])
    with pytest.raises(VotesNotRepeatable, match=r"votes \{'lf_x__sports': 1\} .* votes \{'lf_x__politics': 1\}"):
        votes_of(function(lambda x: next(said), columns=["value"]), [0])


def rule(**options):
    return declarative_lfs([DeclarativeLFConfig(name="lf_x", **options)])[0]


@pytest.mark.parametrize(
    ("options", "columns", "expected"),
    [
        ({"keyword": {"column": "text", "any": ["goal"], "label": "sports"}}, ALL[:1], [(1,), (-1,), (-1,)]),
        ({"keyword": {"column": "text", "any": ["goal"], "label": 0}, "absent": True}, ALL[:1], [(0,), (-1,), (-1,)]),
        (
            {"lookup": {"column": "text", "values": {"goal": "sports", "vote": 1}}},
            ALL[:2],
            [(1, -1), (-1, 1), (-1, -1)],
        ),
        (
            {"expression": {"sql": "CASE WHEN text = 'goal' THEN 'politics' END"}},
            ALL,
            [(-1, 1, -1), (-1, -1, -1), (-1, -1, -1)],
        ),
    ],
)
def test_rules_vote_on_what_they_name(options, columns, expected):
    items = pl.DataFrame({"text": ["goal", "vote", None]})
    votes = LFSet([rule(**options)]).apply(items, classes=CLASSES, multi_label=True)
    assert votes.columns == ["item_id", *columns]
    assert votes.drop("item_id").rows() == expected


def test_examples_may_expect_several_classes():
    lf = function(
        lambda x: {"sports": "goal" in x.text, "politics": "vote" in x.text},
        examples=[
            ({"text": "goal"}, {"sports": True, "politics": False}),
            ({"text": "goal vote"}, ["sports", "politics"]),
            ({"text": "goal"}, "sports"),
        ],
    )
    checked = check_examples(LFSet([lf]), CLASSES, multi_label=True)
    assert checked.n_kept == 2
    assert "voted {'lf_x__sports': 1, 'lf_x__politics': 0} on its example 3" in str(checked.missed[0])


def test_an_example_that_expects_no_class_is_refused():
    lf = function(lambda x: None, columns=["text"], examples=[({"text": "a"}, ["sport"])])
    with pytest.raises(InvalidFunction, match=r"expects \['sport'\], which is no vote: .* Did you mean 'sports'"):
        check_examples(LFSet([lf]), CLASSES, multi_label=True)


def test_what_votes_on_a_class():
    voted = {"lf_a": {"lf_a__x": 0, "lf_a__y": 1}, "lf_b": {"lf_b__x": 0}}
    assert by_class(voted, ("x", "y", "z")) == {
        "x": {"lf_a__x": "lf_a", "lf_b__x": "lf_b"},
        "y": {"lf_a__y": "lf_a"},
        "z": {},
    }


NAMES = st.text("ab_1", min_size=1, max_size=4)


@given(
    st.lists(NAMES.filter(lambda name: not name[0].isdigit()), min_size=1, max_size=6, unique_by=str.lower),
    st.lists(st.text("aAbB_1 &", min_size=1, max_size=4), min_size=2, max_size=6, unique=True),
)
def test_no_two_columns_have_one_name(lf_names, classes):
    lfs = [LabelingFunction(name, lambda x: None, columns=[]) for name in lf_names]
    columns = vote_columns(lf_names, ballots_of(lfs, classes))
    assert len({name.lower() for name in columns}) == len(lf_names) * len(classes)
    assert all(name.isascii() and name.isidentifier() for name in columns)


def test_votes_with_a_probability_are_refused():
    lf = function(lambda x: 0.5, columns=["value"], soft=[0.1, 0.9])
    with pytest.raises(
        InvalidFunction, match="'lf_x' votes with a probability, which no function of a multi_label task"
    ):
        votes_of(lf, [0])
