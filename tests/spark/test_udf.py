"""A set of functions inside a query of one's own votes as it does everywhere."""

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkws.engine.failures import our_errors
from sparkws.engine.types import spark_schema
from sparkws.engine.udf import _Transform
from sparkws.errors import InvalidVote
from sparkws.lfconfig import DeclarativeLFConfig
from sparkws.lfs import LFSet, declarative_lfs, labeling_function
from sparkws.vocab import ITEM_ID

CLASSES = ("ham", "spam")
BIG = 2**53 + 1  # the first integer that no double holds
N = 40


@labeling_function
def lf_big(x):
    return "spam" if x.number is not None and x.number % 2 else -1


@labeling_function
def lf_dated(x):
    return x.day.year % 2 if x.day is not None else -1


@labeling_function
def lf_seen(x):
    return 1 if x.seen is not None and x.seen.hour == 12 else 0


@labeling_function
def lf_tagged(x):
    return 1 if x.tags and x.price and x.price > Decimal("7.5") else -1


@labeling_function
def lf_faults(x):
    return 1 if "7" in x.text else -1  # a text that is NULL faults


def lfset() -> LFSet:
    link = {"name": "lf_regex", "regex": {"column": "text", "pattern": "9$", "label": "spam"}}
    declared = declarative_lfs([DeclarativeLFConfig.model_validate(link)])
    return LFSet([lf_big, lf_dated, lf_seen, lf_tagged, lf_faults, *declared])


ITEMS = pl.DataFrame(
    {
        "key": [f"item {i}" for i in range(N)],
        "number": [None if i % 5 == 0 else BIG + i for i in range(N)],
        "text": [None if i % 7 == 0 else f"text {i}" for i in range(N)],
        "day": [None if i % 6 == 0 else dt.date(1970 + i, 1, 1) for i in range(N)],
        "seen": [None if i % 4 == 0 else dt.datetime(2000, 1, 1, 11 + i % 3, tzinfo=dt.UTC) for i in range(N)],
        "price": pl.Series([None if i % 9 == 0 else Decimal(i) / 2 for i in range(N)], dtype=pl.Decimal(10, 2)),
        "tags": [None if i % 8 == 0 else ["t"] * (i % 3) for i in range(N)],
    }
)


@pytest.fixture(scope="module")
def items(spark: SparkSession) -> DataFrame:
    frame = spark.createDataFrame(ITEMS.to_arrow(compat_level=pl.CompatLevel.oldest())).repartition(3)
    frame.createOrReplaceTempView("items_of_udf")
    return frame


def expected(functions: LFSet) -> pl.DataFrame:
    return functions.apply(ITEMS, classes=CLASSES, key="key", on_fault="quarantine").sort(ITEM_ID)


def votes(frame: DataFrame) -> pl.DataFrame:
    """The struct column `votes` beside the key, as a votes table."""
    return pl.DataFrame(pl.from_arrow(frame.selectExpr(f"key AS {ITEM_ID}", "votes.*").toArrow())).sort(ITEM_ID)


def test_a_data_frame_and_sql_give_the_votes_of_the_set(spark: SparkSession, items: DataFrame) -> None:
    functions = lfset()
    f = functions.as_udf(classes=CLASSES)
    got = votes(items.select("key", f(F.struct("*")).alias("votes")))
    assert got.equals(expected(functions))
    assert got.schema == expected(functions).schema
    assert got["lf_big"].to_list().count(1) == 16, "no digit was lost beside NULLs"
    assert got["lf_faults"].null_count() == 6, "a fault is NULL"
    spark.udf.register("vote", f)
    by_sql = spark.sql("SELECT key, vote(struct(*)) AS votes FROM items_of_udf WHERE key != 'item 3'")
    assert votes(by_sql).equals(expected(functions).filter(pl.col(ITEM_ID) != "item 3"))


def test_votes_can_be_counted_in_the_query(spark: SparkSession, items: DataFrame) -> None:
    functions = lfset()
    f = functions.as_udf(classes=CLASSES)
    chosen = items.select(f(F.struct("text", "number", "day", "seen", "tags", "price")).alias("votes"))
    counted = {row[0]: row["count"] for row in chosen.groupBy("votes.lf_faults").count().collect()}
    assert counted == dict(expected(functions)["lf_faults"].value_counts().iter_rows())


def test_the_form_for_older_sparks(spark: SparkSession, items: DataFrame) -> None:
    # pandas has no integer beside NULL: lf_big is what that form cannot do.
    functions = lfset().select(["lf_dated", "lf_seen", "lf_tagged", "lf_faults", "lf_regex"])
    schema = pl.Schema(dict.fromkeys(functions.names, pl.Int8()))
    transform = _Transform(_apply(functions), schema)
    f = F.pandas_udf(transform.of_pandas, spark_schema(schema))
    got = votes(items.drop("number").select("key", f(F.struct("*")).alias("votes")))
    assert got.equals(expected(functions))


def _apply(functions: LFSet):
    for lf in functions:
        _ = lf.fingerprint
    return lambda rows: functions.apply(rows, classes=CLASSES, on_fault="quarantine").drop(ITEM_ID)


def test_an_error_in_a_query_can_be_told(spark: SparkSession, items: DataFrame) -> None:
    @labeling_function
    def lf_strange(x):
        return 5 if x.key == "item 3" else -1

    f = LFSet([lf_strange]).as_udf(classes=CLASSES)
    chosen = items.select(f(F.struct("key")).alias("votes"))
    with pytest.raises(PySparkException, match="sparkws-error"):
        chosen.collect()
    with pytest.raises(InvalidVote, match=r"'lf_strange'.* 5"), our_errors():
        chosen.collect()
