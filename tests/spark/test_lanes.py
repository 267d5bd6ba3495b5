"""Both lanes give the kernel's own answer, whatever the table looks like."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkws.engine.history import Transition
from sparkws.engine.lanes import (
    Options,
    choose_lane,
    map_batches,
    reduce_batches,
    tabulate_batches,
    write_batches,
)
from sparkws.engine.reach import Reach, probe
from sparkws.engine.refs import TableRef, parse_ref
from sparkws.engine.relational import sum_rows
from sparkws.engine.tables import Query, open_table, open_version, read_rows
from sparkws.engine.writes import write_frame
from sparkws.errors import InvalidVote, LaneUnavailable, MissingColumns, TableNotFound
from sparkws.lfs import LFSet, VotesKernel, labeling_function
from sparkws.stats.patterns import PatternsKernel
from sparkws.vocab import ITEM_ID, N_ITEMS

CLASSES = ("ham", "spam")
LANES = ("direct", "rows")


@labeling_function
def lf_even(x):
    return x.number % 2 if x.number is not None else -1


@labeling_function
def lf_raises_on_text(x):
    return 1 if "7" in x.text else -1


def lfset() -> LFSet:
    return LFSet([lf_even, lf_raises_on_text])


def items(spark: SparkSession, n: int) -> DataFrame:
    """Items with NULLs in every column but the key, timestamps before 1677 among them."""
    return spark.range(0, n, 1, 5).select(
        F.concat(F.lit("item-"), F.col("id").cast("string")).alias("key"),
        F.expr("IF(id % 11 = 0, NULL, id)").alias("number"),
        F.expr("IF(id % 7 = 0, NULL, concat('text ', id))").alias("text"),
        F.expr("IF(id % 13 = 0, NULL, timestamp'0001-01-01' + make_interval(CAST(id AS INT)))").alias("seen"),
        F.expr("CAST(id AS DECIMAL(20, 2))").alias("price"),
        F.expr("CASE id % 3 WHEN 0 THEN NULL WHEN 1 THEN 'a b/ü' ELSE 'x=y' END").alias("part"),
    )


def many_files(frame: DataFrame, path: str) -> None:
    frame.repartition(7).write.format("delta").save(path)


def one_file(frame: DataFrame, path: str) -> None:
    frame.coalesce(1).write.format("delta").save(path)


def many_row_groups(frame: DataFrame, path: str) -> None:
    # parquet-mr looks at the size of a row group only every hundred rows or more
    writer = frame.coalesce(1).write.format("delta").option("parquet.block.size", 1024)
    writer.option("parquet.page.size.row.check.min", 10).option("parquet.block.size.row.check.min", 10).save(path)


def partitions(frame: DataFrame, path: str) -> None:
    frame.write.format("delta").partitionBy("part").save(path)


def int96(frame: DataFrame, path: str) -> None:
    frame.sparkSession.conf.set("spark.sql.parquet.outputTimestampType", "INT96")
    try:
        frame.write.format("delta").save(path)
    finally:
        frame.sparkSession.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")


def newer_column(frame: DataFrame, path: str) -> None:
    frame.where("id_is_low").drop("id_is_low", "text").write.format("delta").save(path)
    rest = frame.where("NOT id_is_low").drop("id_is_low")
    rest.write.format("delta").mode("append").option("mergeSchema", "true").save(path)


class Identity:
    """A map kernel that gives the rows as they are."""

    def __init__(self, schema: pl.Schema) -> None:
        self.schema = schema
        self.columns = tuple(schema.names())

    def __call__(self, batch: pl.DataFrame) -> pl.DataFrame:
        return batch


LAYOUTS: list[Callable[[DataFrame, str], None]] = [many_files, one_file, many_row_groups, partitions, int96]


@pytest.fixture
def table(tmp_path: Path) -> TableRef:
    return parse_ref(str(tmp_path / "items with a blank"))


def options(spark: SparkSession, lane: str, tmp_path: Path, folder: Path | None = None) -> Options:
    reach = probe(spark, read=[folder] if folder else [], write=[tmp_path])
    return Options(lane=lane, reach=reach, batch_rows=13)  # type: ignore[arg-type]


@pytest.mark.parametrize(("layout", "n"), [*((layout, 100) for layout in LAYOUTS), (one_file, 0), (partitions, 1)])
def test_votes_are_equal_in_both_lanes_and_in_no_lane(
    spark: SparkSession, tmp_path: Path, table: TableRef, layout: Callable[[DataFrame, str], None], n: int
) -> None:
    layout(items(spark, n), table.path)
    source = open_version(spark, table)
    kernel = VotesKernel(lfset(), CLASSES, "key", source.schema, "quarantine")
    batch = items(spark, n).toArrow()
    expected, found = kernel.run(pl.DataFrame(pl.from_arrow(batch)).cast(dict(source.schema)))  # type: ignore[arg-type]
    unshared = replace(options(spark, "rows", tmp_path), reach=Reach(2, ((str(tmp_path), "workers are elsewhere"),)))
    ways = [*((lane, options(spark, lane, tmp_path)) for lane in LANES), ("rows", unshared)]
    for number, (lane, chosen) in enumerate(ways):
        target = parse_ref(str(tmp_path / f"votes {number}"))
        written = write_batches(spark, kernel, source, target, Transition("sparkws/test", 1), chosen)
        rows = read_rows(spark, open_version(spark, target)).sort(ITEM_ID)
        assert rows.equals(expected.sort(ITEM_ID))
        assert written.statistic.faults == found.faults
        assert (written.n_rows, written.lane.name) == (n, lane)


@pytest.mark.parametrize("layout", [*LAYOUTS, newer_column])
def test_every_type_arrives_alike(
    spark: SparkSession, tmp_path: Path, table: TableRef, layout: Callable[[DataFrame, str], None]
) -> None:
    frame = items(spark, 60)
    if layout is newer_column:
        layout(frame.withColumn("id_is_low", F.col("price") < 30), table.path)
        frame = frame.withColumn("text", F.when(F.col("price") >= 30, F.col("text")))
    else:
        layout(frame, table.path)
    source = open_version(spark, table)
    shown = "concat_ws('|', text, seen, price, part, number)"
    expected = dict(frame.selectExpr("key", f"{shown} AS shown").toArrow().to_pandas().itertuples(index=False))
    for lane in LANES:
        got = map_batches(spark, Identity(source.schema), source, options(spark, lane, tmp_path))
        again = dict(got.selectExpr("key", f"{shown} AS shown").toArrow().to_pandas().itertuples(index=False))
        assert again == expected, lane


@pytest.mark.parametrize("n_partitions", [1, 2, 5])
def test_statistics_are_equal_in_any_number_of_partitions(
    spark: SparkSession, tmp_path: Path, table: TableRef, n_partitions: int
) -> None:
    rng = np.random.default_rng(n_partitions)
    votes = pl.DataFrame({ITEM_ID: np.arange(500), **{f"lf_{j}": rng.integers(-1, 2, 500) for j in range(4)}})
    votes = votes.cast({f"lf_{j}": pl.Int8 for j in range(4)}).sample(fraction=1, shuffle=True, seed=1)
    frame = spark.createDataFrame(votes.to_arrow(compat_level=pl.CompatLevel.oldest()))
    frame.repartition(n_partitions).write.format("delta").save(table.path)
    kernel = PatternsKernel(tuple(f"lf_{j}" for j in range(4)), 2)
    expected = kernel.of_batch(votes)
    source = open_version(spark, table)
    written = spark.read.format("delta").load(table.path)
    streamed = Query("rows", written.union(written.where("false").repartition(1)))  # one task sees nothing
    for lane, where in (("direct", source), ("rows", source), ("rows", streamed)):
        chosen = options(spark, lane, tmp_path)
        assert reduce_batches(spark, kernel, where, chosen) == expected
        partial = tabulate_batches(spark, kernel, where, kernel.dump_schema, chosen)
        summed = sum_rows([partial], N_ITEMS).toArrow()
        assert kernel.load(pl.DataFrame(pl.from_arrow(summed))) == expected


def test_automatic_choice_takes_the_rows_of_tables_that_hide_rows_or_names(
    spark: SparkSession, tmp_path: Path, table: TableRef
) -> None:
    one_file(items(spark, 20), table.path)
    source = open_version(spark, table)
    reach = probe(spark, read=[Path(table.path.removeprefix("file:"))])
    assert choose_lane(spark, source, Options(reach=reach)).name == "direct"
    vectors = parse_ref(str(tmp_path / "vectors"))
    spark.sql(
        f"CREATE TABLE {vectors.sql} (key STRING, number BIGINT, text STRING) USING delta "
        "TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')"
    )
    items(spark, 20).select("key", "number", "text").coalesce(1).write.format("delta").mode("append").save(vectors.path)
    spark.sql(f"DELETE FROM {vectors.sql} WHERE number = 5")
    mapped = parse_ref(str(tmp_path / "mapped"))
    spark.sql(
        f"CREATE TABLE {mapped.sql} (key STRING, old BIGINT, text STRING) USING delta "
        "TBLPROPERTIES ('delta.columnMapping.mode' = 'name')"
    )
    items(spark, 20).selectExpr("key", "number AS old", "text").write.format("delta").mode("append").save(mapped.path)
    spark.sql(f"ALTER TABLE {mapped.sql} RENAME COLUMN old TO number")
    for ref, n, word in ((vectors, 19, "deletionVectors"), (mapped, 20, "column")):
        hidden = open_version(spark, ref)
        lane = choose_lane(spark, hidden, Options())
        assert lane.name == "rows"
        assert word in lane.reason
        kernel = VotesKernel(lfset(), CLASSES, "key", hidden.schema, "quarantine")
        target = parse_ref(str(tmp_path / f"votes of {ref.path[-6:]}"))
        assert write_batches(spark, kernel, hidden, target, Transition("sparkws/test", 1)).n_rows == n
        with pytest.raises(LaneUnavailable, match="the direct lane is closed"):
            choose_lane(spark, hidden, Options(lane="direct"))


def test_workers_write_the_rows_that_spark_reads_where_they_share_the_folder(
    spark: SparkSession, tmp_path: Path, table: TableRef
) -> None:
    one_file(items(spark, 100), table.path)
    source = open_version(spark, table)
    kernel = VotesKernel(lfset(), CLASSES, "key", source.schema, "quarantine")
    shared = replace(options(spark, "rows", tmp_path), task_bytes=1000, batch_rows=10)  # files of 29 rows or more
    unshared = replace(shared, reach=Reach(2, ((str(tmp_path), "workers are elsewhere"),)))
    names = {}
    for way, chosen in {"workers": shared, "spark": unshared}.items():
        target = parse_ref(str(tmp_path / way))
        write_batches(spark, kernel, source, target, Transition("sparkws/test", 1), chosen)
        names[way] = sorted(Path(file).name for file in spark.read.format("delta").load(target.path).inputFiles())
    assert len(names["workers"]) == 4
    assert len(names["spark"]) == 1
    assert names["spark"][0].startswith("part-00000-"), "as Spark names its files"


def test_a_view_has_no_files(spark: SparkSession, table: TableRef) -> None:
    one_file(items(spark, 20), table.path)
    spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW `some items` AS SELECT * FROM {table.sql}")
    view = open_table(spark, TableRef(name=("some items",)))
    assert choose_lane(spark, view, Options()).reason == "only Spark can read a query, a view or a join"


def test_files_follow_the_source_and_a_repeated_commit_changes_nothing(
    spark: SparkSession, tmp_path: Path, table: TableRef
) -> None:
    many_files(items(spark, 100), table.path)
    source = open_version(spark, table)
    kernel = VotesKernel(lfset(), CLASSES, "key", source.schema, "quarantine")
    target = parse_ref(str(tmp_path / "votes"))
    chosen = options(spark, "direct", tmp_path)
    first = write_batches(spark, kernel, source, target, Transition("sparkws/test", 7), chosen)
    again = write_batches(spark, kernel, source, target, Transition("sparkws/test", 7), chosen)
    later = write_batches(spark, kernel, source, target, Transition("sparkws/test", 8), chosen)
    assert (first.version, again.version, later.version) == (0, 0, 1)
    assert len(spark.read.format("delta").load(target.path).inputFiles()) == 7


@pytest.mark.parametrize("lane", LANES)
def test_an_error_in_a_task_comes_back_as_itself_and_commits_nothing(
    spark: SparkSession, tmp_path: Path, table: TableRef, lane: str
) -> None:
    @labeling_function
    def lf_strange(x):
        return 5 if x.key == "item-42" else -1

    many_files(items(spark, 100), table.path)
    source = open_version(spark, table)
    kernel = VotesKernel(LFSet([lf_strange]), CLASSES, "key", source.schema, "quarantine")
    target = parse_ref(str(tmp_path / "votes"))
    with pytest.raises(InvalidVote, match=r"'lf_strange'.*5.*item-42"):
        write_batches(spark, kernel, source, target, Transition("sparkws/test", 1), options(spark, lane, tmp_path))
    with pytest.raises(TableNotFound):
        open_table(spark, target)


def test_missing_columns_are_named_before_any_work(spark: SparkSession, table: TableRef) -> None:
    one_file(items(spark, 5).drop("text"), table.path)
    with pytest.raises(MissingColumns, match=r"lacks \['item_id', 'lf_a'\]"):
        reduce_batches(spark, PatternsKernel(("lf_a",), 2), open_version(spark, table))


def test_spark_writes_the_properties_that_other_readers_need(spark: SparkSession, table: TableRef) -> None:
    write_frame(spark, table, spark.range(5).withColumnRenamed("id", ITEM_ID), transition=Transition("sparkws/x", 1))
    detail = spark.sql(f"DESCRIBE DETAIL {table.sql}").collect()[0]
    assert detail["minReaderVersion"] == 1
    assert detail["properties"]["delta.enableDeletionVectors"] == "false"
    assert detail["properties"]["delta.dataSkippingStatsColumns"] == ITEM_ID
