"""Votes made elsewhere: what they may hold, and the names of their columns."""

import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.errors import ConfigError, InvalidKeys, InvalidVote, MissingColumns
from sparkws.lfs import Imported, ImportKernel, lf_column_name, lf_column_names
from sparkws.sections import IDENTIFIER

QUICK = settings(max_examples=25, deadline=None)

CLASSES = ("ham", "spam")


def imported(values, dtype=None, mapping=None, column="lf_a"):
    frame = pl.DataFrame({"id": [f"a{i}" for i in range(len(values))], column: pl.Series(values, dtype=dtype)})
    kernel = ImportKernel("id", (column,), CLASSES, frame.schema, mapping or {})
    votes, statistic = kernel.run(frame)
    assert votes.schema == kernel.schema
    assert statistic == Imported(len(values))
    return votes[kernel.lf_names[0]].to_list()


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int64, pl.Int32])
def test_indices(dtype):
    assert imported([0, 1, -1, None], dtype) == [0, 1, -1, -1]


def test_names():
    assert imported(["ham", "spam", None]) == [0, 1, -1]
    assert imported(["ham", None], pl.Categorical) == [0, -1]
    assert imported([1, None], pl.UInt8) == [1, -1]
    assert imported([None, None]) == [-1, -1]


def test_a_mapping_says_what_raw_values_mean():
    mapping = {"yes": "spam", "no": 0, "?": -1, 7: "ham"}
    assert imported(["yes", "no", "?", "7", "spam", None], mapping=mapping) == [1, 0, -1, 0, 1, -1]
    assert imported([1, 2, -1, None], mapping={1: "ham", 2: "spam"}) == [0, 1, -1, -1]
    assert imported([1, 2], pl.UInt16, mapping={"1": "ham", "2": "spam"}) == [0, 1]
    assert imported([0, 1], mapping={"yes": "spam"}) == [0, 1]


@pytest.mark.parametrize(
    ("values", "mapping", "message"),
    [
        ([0, 2, 2], {}, "votes column 'lf_a' holds 2 for 2 of 3 items of a batch, on item_id ['a1', 'a2']; say what"),
        ([-2], {}, "holds -2 for 1 of 1 items"),
        ([2**40], {}, "holds 1099511627776 for"),
        (["Spam"], {}, "holds 'Spam' for 1 of 1 items of a batch, on item_id ['a0']"),
        (["1"], {}, "holds '1' for"),
        (["spma"], {}, "Did you mean 'spam'?"),
        ([1, 0], {1: "spam", 2: "ham"}, "holds 0 for 1 of 2 items of a batch, on item_id ['a1']"),
        (["yes", "maybe"], {"yes": "spam"}, "holds 'maybe' for"),
    ],
)
def test_anything_else_is_refused(values, mapping, message):
    with pytest.raises(InvalidVote, match=re.escape(message)):
        imported(values, mapping=mapping)


def test_is_checked_against_the_table():
    schema = pl.Schema({"id": pl.Int64, "lf_a": pl.Float64, "lf_b": pl.Int64})
    with pytest.raises(ConfigError, match="votes column 'lf_a' is Float64; votes are class indices"):
        ImportKernel("id", ("lf_a",), CLASSES, schema)
    with pytest.raises(MissingColumns, match=r"table 'votes' lacks \['lf_c'\]"):
        ImportKernel("id", ("lf_c",), CLASSES, schema)
    with pytest.raises(ConfigError, match="has no column of votes beside its key"):
        ImportKernel("id", (), CLASSES, schema)
    with pytest.raises(ConfigError, match=r"'votes\.mapping' votes 'spm', which is no class"):
        ImportKernel("id", ("lf_b",), CLASSES, schema, {1: "spm"})


def test_keys_must_be_there():
    frame = pl.DataFrame({"id": [None, "a"], "lf_a": [1, 1]})
    with pytest.raises(InvalidKeys, match="key column 'id' of the votes has 1 NULLs in a batch of 2 rows"):
        ImportKernel("id", ("lf_a",), CLASSES, frame.schema).run(frame)


def test_its_statistic_adds_up():
    kernel = ImportKernel("id", ("lf_a",), CLASSES, pl.Schema({"id": pl.Int64, "lf_a": pl.Int8}))
    assert kernel.columns == ("id", "lf_a")
    assert kernel.merge(kernel.merge(Imported(2), kernel.zero()), Imported(3)) == Imported(5)
    assert kernel.load(kernel.dump(Imported(5))) == Imported(5)


@QUICK
@given(st.lists(st.text(max_size=4) | st.integers(), unique_by=str, max_size=8))
def test_names_are_legal_and_different(raws):
    names = lf_column_names(raws)
    assert all(re.fullmatch(IDENTIFIER, name) and name.lower() != "item_id" for name in names)
    assert len({name.lower() for name in names}) == len(raws)
    assert dict(zip(raws, names, strict=True)) == dict(zip(raws[::-1], lf_column_names(raws[::-1]), strict=True))


def test_names_by_hand():
    assert [lf_column_name(raw) for raw in ("12", "a b", "lf_x", "Zoë", "item_id", "")] == [
        *("lf_12", "lf_a_b", "lf_x", "lf_Zo_", "lf_item_id", "lf_"),
    ]
    assert lf_column_names(["12", "a b"]) == ["lf_12", "lf_a_b"]
    with pytest.raises(ConfigError, match=r"must differ, got \['1'\] more than once."):
        lf_column_names(["1", 1])
