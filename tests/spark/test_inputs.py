"""Different inputs have different hashes, equal ones the same, whatever their types."""

from datetime import UTC, datetime

import polars as pl
from pyspark.sql import SparkSession

from sparkws.engine.inputs import hashed_inputs, input_hash
from sparkws.engine.tables import Query, read

ROWS = [
    ("a", "b", 1.0, [1.5], b"x", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
    ("ab", "", 1.0, [1.5], b"x", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
    ("a", None, 1.0, [1.5], b"x", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
    (None, "a", 1.0, [1.5], b"x", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
    ("1:a", "b", 1.0, [1.5], b"x", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
    ("a", "b", -1.0, [1.5], b"x", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
    ("a", "b", 1.0, [1.5, None], b"x", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
    ("a", "b", 1.0, [], b"x", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
    ("a", "b", 1.0, None, b"x", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
    ("a", "b", 1.0, [1.5], b"\x00", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
    ("a", "b", 1.0, [1.5], b"x", datetime(2026, 1, 1, 0, 0, 0, 2, UTC)),
    ("-", "b", 1.0, [1.5], b"x", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
]


def test_hashes_tell_inputs_apart(spark: SparkSession) -> None:
    ddl = "`a.b` string, b string, x double, xs array<double>, raw binary, at timestamp"
    source = Query("rows", spark.createDataFrame([*ROWS, ROWS[0]], ddl))
    names = source.schema.names()
    sql = input_hash(names, source.schema)
    assert input_hash(names[::-1], source.schema) == sql
    hashes = [row["h"] for row in read(spark, hashed_inputs(spark, source, "h", sql)).collect()]
    assert len(set(hashes)) == len(ROWS)
    assert hashes[-1] == hashes[0]
    assert {len(value) for value in hashes} == {32}
    nested = input_hash(["when"], pl.Schema({"when": pl.List(pl.Datetime("us", "UTC"))}))
    times = spark.sql("SELECT array(timestamp'2026-01-01 00:00:00.000001Z') AS when")
    later = spark.sql("SELECT array(timestamp'2026-01-01 00:00:00.000002Z') AS when")
    assert len({frame.selectExpr(nested).first()[0] for frame in (times, later)}) == 2  # type: ignore[index]
