"""The key check: what is refused, with which figures, for every type of key."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from sparkws.engine.keys import check_keys
from sparkws.engine.tables import Query
from sparkws.errors import InvalidKeys

VALUES: dict[str, tuple[pa.DataType, list[object]]] = {
    "string": (pa.string(), ["a", "ä", "", "a ", "A", "x.y"]),
    "long": (pa.int64(), [0, 1, -1, 2**63 - 1, -(2**63), 42]),
    "date": (pa.date32(), [dt.date(1, 1, 1), dt.date(1970, 1, 1), dt.date(9999, 12, 31)]),
    "decimal": (pa.decimal128(20, 2), [Decimal("0.00"), Decimal("-0.01"), Decimal("123456789012345678.90")]),
    "binary": (pa.binary(), [b"", b"\x00", b"\xff\x00", b"a"]),
}


def items(spark: SparkSession, kind: str, keys: list[object]) -> Query:
    table = pa.table({"the key": pa.array(keys, VALUES[kind][0]), "key": pa.array([1] * len(keys))})
    return Query("the items", spark.createDataFrame(table))


@pytest.mark.parametrize("kind", list(VALUES))
def test_a_key_that_is_there_twice_is_shown(spark: SparkSession, kind: str) -> None:
    _, values = VALUES[kind]
    check_keys(spark, items(spark, kind, values), "the key")
    with pytest.raises(InvalidKeys) as caught:
        check_keys(spark, items(spark, kind, [*values, values[1]]), "the key")
    told = f"{values[1]} (2 times)"
    assert str(caught.value) == (
        f"key column 'the key' of 'the items' must be unique; {[told]!r} occur more than once. "
        "Drop the duplicates, or name another key."
    )


def test_nulls_are_counted(spark: SparkSession) -> None:
    with pytest.raises(InvalidKeys, match="'the key' of 'the items' is NULL in 3 rows; every item needs a key"):
        check_keys(spark, items(spark, "string", ["a", None, None, "a", None]), "the key")
    with pytest.raises(InvalidKeys, match="NULL in 1 rows"):
        # 42 is what Spark's hash makes of NULL; a key that is 42 is none.
        check_keys(spark, items(spark, "long", [42, None]), "the key")


def test_at_most_three_are_shown_the_most_frequent_first(spark: SparkSession) -> None:
    three = ["c"] * 2 + ["b"] * 4 + ["a"] * 2
    with pytest.raises(InvalidKeys, match=r"\['b \(4 times\)', 'a \(2 times\)', 'c \(2 times\)'\] occur"):
        check_keys(spark, items(spark, "string", [*three, "z"]), "the key")
    with pytest.raises(InvalidKeys, match=r"\['b \(4 times\)', .* 'c \(2 times\)'\] and more occur more than once"):
        check_keys(spark, items(spark, "string", [*three, "d", "d", "z"]), "the key")


def test_an_empty_source_has_good_keys(spark: SparkSession) -> None:
    check_keys(spark, items(spark, "string", []), "the key")
