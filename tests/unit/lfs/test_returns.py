"""What may be returned as a vote, and what is said about anything else."""

import enum
import re
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.errors import InvalidVote
from sparkws.lfs.returns import FAILED, votes_of_array, votes_of_values

QUICK = settings(max_examples=25, deadline=None)

CLASSES = ("ham", "spam", "eggs")
KEYS = pl.Series("item_id", ["a17", "a18", "a19", "a20", "a21"])


class Label(enum.IntEnum):
    SPAM = 1


class Name(enum.StrEnum):
    SPAM = "spam"


def of_values(*returned):
    return votes_of_values("lf_a", returned, CLASSES, KEYS[: len(returned)]).to_list()


def of_array(returned, n):
    return votes_of_array("lf_a", returned, CLASSES, KEYS[:n]).to_list()


def test_every_way_to_vote():
    assert of_values(0, "spam", -1, FAILED) == [0, 1, -1, None]
    assert of_values(np.int64(2), np.uint8(1), np.int8(-1), Label.SPAM, Name.SPAM) == [2, 1, -1, 1, 1]
    assert of_values(np.str_("eggs")) == [2]
    assert of_values() == []


@QUICK
@given(st.lists(st.sampled_from([-1, 0, 1, 2, "ham", "spam", "eggs"]), max_size=5))
def test_values_and_arrays_agree(returned):
    votes = of_values(*returned)
    n = len(returned)
    assert of_array(returned, n) == votes
    assert of_array(pl.Series(votes, dtype=pl.Int64), n) == votes
    assert of_array(np.array(votes, np.int16), n) == votes
    assert of_array(np.array(returned, object), n) == votes
    names = [CLASSES[vote] if vote >= 0 else None for vote in votes]
    assert of_array(pl.Series(names, dtype=pl.String), n) == votes
    assert of_array(pa.array(names, pa.string()), n) == votes
    assert of_array(pa.array(votes, pa.int8()), n) == votes


def test_null_abstains_in_arrays():
    assert of_array(pl.Series([1, None], dtype=pl.UInt8), 2) == [1, -1]
    assert of_array([None, "spam"], 2) == [-1, 1]
    assert of_array(pl.Series([None, None]), 2) == [-1, -1]
    assert of_array(pa.chunked_array([[1], [None]]), 2) == [1, -1]
    assert of_array(pd.Series([1, 0]), 2) == [1, 0]
    assert of_array(pl.Series(["ham", None], dtype=pl.Categorical), 2) == [0, -1]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "'lf_a' returned None for 1 of 2 items of a batch, on item_id ['a18']; return ABSTAIN (-1) to abstain."),
        (-2, "'lf_a' returned -2 for 1 of 2 items of a batch, on item_id ['a18']; a vote is one of"),
        (3, "returned 3 for 1 of 2 items"),
        (127, "returned 127 for 1 of 2 items"),
        (10**30, "returned 1000000000000000000000000000000 for"),
        (0.7, "returned 0.7 for"),
        (1.0, "returned 1.0 for"),
        (True, "returned True for"),
        (np.True_, "returned np.True_ for"),
        (np.float64(1), "returned np.float64(1.0) for"),
        (Fraction(1), "returned Fraction(1, 1) for"),
        ([1], "returned [1] for"),
        ("spma", "['ham', 'spam', 'eggs'], its index 0..2, or ABSTAIN (-1). Did you mean 'spam'?"),
        ("", "returned '' for"),
    ],
)
def test_anything_else_is_refused(value, message):
    with pytest.raises(InvalidVote, match=re.escape(message)):
        of_values(1, value)


def test_the_items_alike_are_counted():
    with pytest.raises(
        InvalidVote, match=r"None for 4 of 5 items of a batch, on item_id \['a17', 'a18', 'a20'\] and 1 "
    ):
        of_values(None, None, 7, None, None)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (pl.Series([1.0, 0.0]), "'lf_a' returned values of type Float64; votes are class indices (integers)"),
        (np.array([True, False]), "'lf_a' returned values of type Boolean"),
        (np.array([[1], [0]]), "'lf_a' returned an array of shape (2, 1) for a batch"),
        (pl.Series([1]), "'lf_a' returned 1 votes for a batch of 2 items; return one for each."),
        ([1, 2, 0], "'lf_a' returned 3 votes for a batch of 2 items"),
        (pl.Series([1, 3]), "'lf_a' returned 3 for 1 of 2 items of a batch, on item_id ['a18']"),
        (pl.Series([2**40, -2]), "returned 1099511627776 for 1 of 2 items of a batch, on item_id ['a17']"),
        (pl.Series(["spam", "Spam"]), "returned 'Spam' for 1 of 2 items of a batch, on item_id ['a18']"),
        ([0.5, None], "returned 0.5 for 1 of 2 items"),
        (7, "'lf_a' returned 7 (int) for a batch, expected a polars Series"),
        (None, "'lf_a' returned None (NoneType) for a batch, expected a polars Series"),
        (pl.DataFrame({"a": [1, 2]}), "(DataFrame) for a batch, expected a polars Series"),
        (pd.DataFrame({"a": [1, 2]}), "'lf_a' returned an array of shape (2, 1) for a batch"),
    ],
)
def test_arrays_that_are_no_votes_are_refused(returned, message):
    with pytest.raises(InvalidVote, match=re.escape(message)):
        of_array(returned, 2)
