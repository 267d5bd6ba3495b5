"""A schema says the same in polars, Arrow and Spark; no JVM is needed for that."""

import datetime as dt
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import types as spark

from sparkws.engine.types import (
    arrow_schema,
    polars_schema,
    polars_schema_of_spark,
    spark_schema,
    to_arrow,
    to_polars,
)

PLAIN = [
    (pl.Int8(), pa.int8(), "tinyint"),
    (pl.Int16(), pa.int16(), "smallint"),
    (pl.Int32(), pa.int32(), "int"),
    (pl.Int64(), pa.int64(), "bigint"),
    (pl.Float32(), pa.float32(), "float"),
    (pl.Float64(), pa.float64(), "double"),
    (pl.Boolean(), pa.bool_(), "boolean"),
    (pl.String(), pa.string(), "string"),
    (pl.Binary(), pa.binary(), "binary"),
    (pl.Date(), pa.date32(), "date"),
    (pl.Datetime("us", "UTC"), pa.timestamp("us", "UTC"), "timestamp"),
    (pl.Datetime("us"), pa.timestamp("us"), "timestamp_ntz"),
    (pl.Decimal(20, 2), pa.decimal128(20, 2), "decimal(20,2)"),
]


def nested(inner):
    names = st.lists(st.text("abc ü.`", min_size=1, max_size=3), min_size=1, max_size=3, unique=True)
    structs = names.flatmap(
        lambda names: st.tuples(*[inner] * len(names)).map(
            lambda types: pl.Struct(dict(zip(names, types, strict=True)))
        )
    )
    return st.one_of(inner.map(pl.List), structs)


dtypes = st.recursive(st.sampled_from([dtype for dtype, _, _ in PLAIN]), nested, max_leaves=5)


@pytest.mark.parametrize(("dtype", "arrow", "name"), PLAIN)
def test_plain_types(dtype, arrow, name):
    schema = pl.Schema({"a": dtype})
    assert arrow_schema(schema) == pa.schema([("a", arrow)])
    assert [field.dataType.simpleString() for field in spark_schema(schema).fields] == [name]


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name.isprintable()), dtypes, max_size=4))
def test_round_trips(columns):
    schema = pl.Schema(columns)
    assert polars_schema(arrow_schema(schema)) == schema
    assert polars_schema_of_spark(spark_schema(schema)) == schema


def large(dtype):
    """Whether a type anywhere holds 64-bit offsets."""
    if pa.types.is_large_string(dtype) or pa.types.is_large_binary(dtype) or pa.types.is_large_list(dtype):
        return True
    return any(large(dtype.field(i).type) for i in range(dtype.num_fields))


@settings(deadline=None, max_examples=50)
@given(dtypes)
def test_offsets_have_32_bits_at_every_depth(dtype):
    (field,) = arrow_schema(pl.Schema({"a": dtype}))
    assert not large(field.type)


def test_nested_lists_by_hand():
    schema = pl.Schema({"probs": pl.List(pl.List(pl.String)), "pair": pl.Struct({"a": pl.List(pl.Binary)})})
    arrow = arrow_schema(schema)
    assert arrow.field("probs").type == pa.list_(pa.list_(pa.string()))
    assert arrow.field("pair").type == pa.struct([("a", pa.list_(pa.binary()))])
    assert spark_schema(schema).fields[0].dataType == spark.ArrayType(spark.ArrayType(spark.StringType()))


def test_maps_keep_their_offsets_narrow():
    entries = pa.array([[("x", "1")], None, []], pa.map_(pa.string(), pa.string()))
    schema = polars_schema(pa.schema([("m", entries.type)]))
    assert not large(arrow_schema(schema).field("m").type)
    assert to_polars(pa.record_batch({"m": entries})).schema == schema
    assert polars_schema_of_spark(
        spark.StructType().add("m", spark.MapType(spark.StringType(), spark.StringType()))
    ) == (schema)


FRAME = pl.DataFrame(
    {
        "text": ["a", None, "ü"],
        "probs": [[0.5, None], [], None],
        "seen": [dt.datetime(1, 1, 1, tzinfo=dt.UTC), None, dt.datetime(9999, 12, 31, tzinfo=dt.UTC)],
        "price": [Decimal("1.50"), None, Decimal("-0.01")],
        "pair": [{"a": b"\x00"}, None, {"a": None}],
    },
    schema={
        "text": pl.String,
        "probs": pl.List(pl.Float64),
        "seen": pl.Datetime("us", "UTC"),
        "price": pl.Decimal(20, 2),
        "pair": pl.Struct({"a": pl.Binary}),
    },
)


def test_rows_go_there_and_back():
    schema = arrow_schema(FRAME.schema)
    (batch,) = to_arrow(FRAME, schema)
    assert batch.schema == schema
    assert to_polars(batch).equals(FRAME)
    assert to_polars(pa.Table.from_batches([batch, batch])).equals(pl.concat([FRAME, FRAME]))


def test_rows_of_several_chunks_become_one_batch():
    (batch,) = to_arrow(pl.concat([FRAME, FRAME.clear(), FRAME], rechunk=False), arrow_schema(FRAME.schema))
    assert batch.num_rows == 6


def test_no_rows_are_no_batch_that_matters():
    assert sum(batch.num_rows for batch in to_arrow(FRAME.clear(), arrow_schema(FRAME.schema))) == 0


def test_a_schema_chooses_orders_and_casts():
    batch = pa.record_batch({"b": pa.array([1], pa.int32()), "c": ["x"], "a": ["y"]})
    got = to_polars(batch, pl.Schema({"a": pl.String, "b": pl.Int64}))
    assert got.to_dicts() == [{"a": "y", "b": 1}]
    assert got.schema["b"] == pl.Int64
    with pytest.raises(pl.exceptions.InvalidOperationError, match="300"):
        to_polars(pa.record_batch({"b": [300]}), pl.Schema({"b": pl.Int8}))
