"""Gold: names, indices, and every way to get them wrong."""

import polars as pl
import pytest

from sparkws.errors import InvalidGold, InvalidKeys, MissingColumns
from sparkws.stats.gold import GoldKernel, check_splits

CLASSES = ("HAM", "SPAM")


def kernel(column="label", split="part", classes=CLASSES):
    return GoldKernel("id", column, split, classes, pl.String())


def table(values, **more):
    return pl.DataFrame({"id": [f"a{i}" for i in range(len(values))], "label": values, **more})


@pytest.mark.parametrize(
    "values",
    [
        ["HAM", "SPAM", "SPAM"],
        pl.Series(["HAM", "SPAM", "SPAM"], dtype=pl.Categorical),
        [0, 1, 1],
        pl.Series([0, 1, 1], dtype=pl.UInt8),
        [0.0, 1.0, 1.0],
        [False, True, True],
    ],
)
def test_names_and_indices_give_the_same_classes(values):
    got = kernel()(table(values, part=["dev", None, "test"]))
    assert got.schema == kernel().schema
    assert got.rows() == [("a0", 0, "dev"), ("a1", 1, None), ("a2", 1, "test")]


def test_without_a_split_it_is_null():
    got = kernel(split=None)(table(["HAM"]))
    assert got.rows() == [("a0", 0, None)]
    assert kernel(split=None).columns == ("id", "label")


def test_no_rows_give_no_rows():
    assert kernel(split=None)(table(["HAM"])[:0]).schema == kernel().schema


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["HAM", "spam", "spam"], r"2 gold items .* first 'spam' on \['a1', 'a2'\]; the classes are \['HAM', 'SPAM'\]"),
        (["HAM", "SPAMM"], "first 'SPAMM' on .* Did you mean 'SPAM'"),
        ([0, -1, -1], r"first -1 on \['a1', 'a2'\]; .* -1 means abstained, which is not a class: leave .* NULL"),
        ([0, 2], r"first 2 on \['a1'\]; .* Indices are 0..1"),
        ([0.0, 0.5], r"first 0.5 on \['a1'\]"),
        (["HAM", None], r"first None on \['a1'\]; .* Leave items without a class out"),
        ([[0], [1]], r"the gold column 'label' is List\(Int64\), expected class names or indices"),
    ],
)
def test_classes_that_do_not_exist_are_refused(values, message):
    with pytest.raises(InvalidGold, match=message):
        kernel(split=None)(table(values))


def test_booleans_are_no_index_among_three_classes():
    with pytest.raises(InvalidGold, match="first True on"):
        kernel(split=None, classes=("A", "B", "C"))(table([True]))


def test_null_keys_are_refused():
    with pytest.raises(InvalidKeys, match="1 gold items have NULL in their key 'id'"):
        kernel(split=None)(pl.DataFrame({"id": ["a", None], "label": ["HAM", "HAM"]}))


def test_missing_columns_are_refused():
    with pytest.raises(MissingColumns, match=r"'gold' lacks .'part'"):
        kernel()(table(["HAM"]))


def test_a_split_that_is_not_there_is_named():
    with pytest.raises(InvalidGold, match=r"no gold item is in the split \['trn'\].*Did you mean 'train'"):
        check_splits(["test", "trn"], ["test", "train"])
    check_splits(["test"], ["test", "train"])


def several(classes=("a", "b", "c")):
    return GoldKernel("id", "label", None, classes, pl.String(), multi_label=True)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([["b", "a"], [], ["c"]], [[0, 1], [], [2]]),
        ([[1, 0], [], [2]], [[0, 1], [], [2]]),
        ([["a", None, "a"], [None], ["c"]], [[0], [], [2]]),
        (["a", "c"], [[0], [2]]),
        (pl.Series([], dtype=pl.List(pl.String)), []),
    ],
)
def test_an_item_of_a_multi_label_task_has_several_classes(values, expected):
    got = several()(table(values))
    assert (
        got.schema
        == several().schema
        == pl.Schema({"item_id": pl.String, "class": pl.List(pl.Int8), "split": pl.String})
    )
    assert got["class"].to_list() == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([["a"], ["b", "d"]], r"1 gold items .* first 'd' on \['a1'\]; the classes are \['a', 'b', 'c'\]"),
        ([[0], [3]], r"first 3 on \['a1'\]; .* Indices are 0..2"),
        ([[[0]], [[1]]], r"the gold column 'label' is List\(Int64\), expected class names or indices"),
    ],
)
def test_lists_with_classes_that_do_not_exist_are_refused(values, message):
    with pytest.raises(InvalidGold, match=message):
        several()(table(values))
