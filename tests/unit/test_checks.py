import re

import numpy as np
import pytest

from sparkws.checks import (
    check_amounts,
    check_class_balance,
    check_columns,
    check_label_matrix,
    did_you_mean,
    first_few,
    shown,
)
from sparkws.errors import ConfigError, InvalidLabelMatrix, MissingColumns


def test_votes_of_all_classes_and_abstains_pass():
    check_label_matrix(np.array([[-1, 0], [1, 2]], np.int8), ["a", "b"], 3)
    check_label_matrix(np.zeros((0, 2), np.int8), ["a", "b"], 2)


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ([[0, 2], [2, 0]], "L has 2 votes outside -1..1 for cardinality=2; first: 'b' (column 1) voted 2 in row 0."),
        ([[0, 0], [-2, 1]], "L has 1 votes outside -1..1 for cardinality=2; first: 'a' (column 0) voted -2 in row 1."),
        ([[0, 0, 0]], "L has shape (1, 3), expected (n, 2) for 2 labeling functions."),
        ([0, 1], "L has shape (2,), expected (n, 2) for 2 labeling functions."),
    ],
)
def test_a_wrong_label_matrix_is_refused(votes, said):
    with pytest.raises(InvalidLabelMatrix, match=f"^{re.escape(said)}$"):
        check_label_matrix(np.array(votes, np.int8), ["a", "b"], 2)


def test_a_class_balance_comes_back_as_an_array_that_sums_to_1():
    given = [0.25, 0.75 + 1e-9]
    balance = check_class_balance(given, 2)
    assert balance.dtype == np.float64
    assert balance.sum() == pytest.approx(1, abs=1e-15)
    assert given == [0.25, 0.75 + 1e-9]


@pytest.mark.parametrize(
    ("balance", "said"),
    [
        ([0.5, 0.25, 0.25], "class_balance has 3 values, expected 2, one for each class."),
        ([1.0, 0.0], "class_balance must be positive and sum to 1, got [1.0, 0.0] with sum 1."),
        ([0.5, 0.25], "class_balance must be positive and sum to 1, got [0.5, 0.25] with sum 0.75."),
        ([float("nan"), 0.5], "class_balance must be positive and sum to 1, got [nan, 0.5] with sum nan."),
    ],
)
def test_a_wrong_class_balance_is_refused(balance, said):
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
        check_class_balance(balance, 2)


def test_columns_that_are_there_pass():
    check_columns("t", (name for name in ("a", "b")), ["c", "b", "a"])


@pytest.mark.parametrize(
    ("asked", "has", "said"),
    [
        (["item_id"], ["id", "text"], "table 'votes' lacks ['item_id']; it has ['id', 'text']."),
        (["txt"], ["id", "text"], "table 'votes' lacks ['txt']; it has ['id', 'text']. Did you mean 'text'?"),
        (list("edcba"), ["z"], "table 'votes' lacks ['a', 'b', 'c'] and 2 more; it has ['z']."),
    ],
)
def test_missing_columns_are_named(asked, has, said):
    with pytest.raises(MissingColumns, match=f"^{re.escape(said)}$"):
        check_columns("votes", asked, has)


def test_a_name_far_from_all_others_gets_no_suggestion():
    assert did_you_mean("zzz", ["text", "id"]) == ""


def test_at_most_three_values_are_listed():
    assert first_few(iter("abc")) == "['a', 'b', 'c']"
    assert first_few(range(2000)) == "[0, 1, 2] and 1,997 more"
    assert first_few([]) == "[]"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (["a", 2, None], "['a', 2, None]"),
        (list(range(2000)), "[0, 1, 2] and 1,997 more"),
        ((1,), "[1]"),
        ({"a": 1.0, "b": [1]}, "{'a': 1.0, 'b': [1]}"),
        (dict.fromkeys(range(9), "x"), "{0: 'x', 1: 'x', 2: 'x'} and 6 more"),
        ([list(range(9)), {"cpt": [[[0.5]]]}], "[[0, 1, 2, ...], {'cpt': [[...]]}]"),
        ("a text", "'a text'"),
        (None, "None"),
    ],
)
def test_of_a_value_a_message_holds_the_first_entries(value, told):
    assert shown(value) == told


def test_a_long_text_is_shortened():
    assert shown("a" * 500) == f"'{'a' * 57}...{'a' * 58}'"


def test_votes_must_be_integers_of_columns_with_names_of_their_own():
    with pytest.raises(InvalidLabelMatrix, match="L has the type float64, expected integers, -1 where"):
        check_label_matrix(np.zeros((1, 2)), ["a", "b"], 2)
    with pytest.raises(InvalidLabelMatrix, match=r"the names \['a'\] are there more than once"):
        check_label_matrix(np.zeros((1, 3), np.int8), ["a", "b", "a"], 2)


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf")])
def test_amounts_are_finite_and_not_negative(amount):
    check_amounts({"smoothing": 0, "tol": 1e-7})
    with pytest.raises(ConfigError, match=f"tol must be at least 0 and finite, got {amount}"):
        check_amounts({"smoothing": 0, "tol": amount})
