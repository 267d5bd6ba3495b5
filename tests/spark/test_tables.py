"""Tables: found by path and by name, read at a version, written by Spark and beside it."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from chispa import assert_df_equality
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from sparkws.engine.direct import Scan, Unit, list_units
from sparkws.engine.history import Transition
from sparkws.engine.refs import TableRef, parse_ref
from sparkws.engine.tables import (
    Query,
    TableVersion,
    count_by,
    find_version,
    open_table,
    open_version,
    query,
    read,
    read_rows,
)
from sparkws.engine.writes import write_frame, write_rows
from sparkws.errors import ConfigError, TableNotFound
from sparkws.vocab import ITEM_ID

SCHEMA = f"sparkws_tables_{Path(__file__).stem}"
FIRST = pl.DataFrame({ITEM_ID: ["a", "b"], "n": [1, None], "probs": [[0.5, 0.5], None]})
SECOND = pl.DataFrame({ITEM_ID: ["c", "d"], "n": [3, 4], "probs": [[0.25], []]})
ALL = pl.concat([FIRST, SECOND])


@pytest.fixture(scope="module")
def by_path(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> TableRef:
    """A table of two versions, in a folder whose name needs quotes."""
    ref = parse_ref(str(tmp_path_factory.mktemp("tables") / "my `items` v1.0"))
    assert write_rows(spark, ref, FIRST, direct=True) == 0
    assert write_rows(spark, ref, SECOND, direct=True, mode="append") == 1
    return ref


@pytest.fixture(scope="module")
def by_name(spark: SparkSession) -> Iterator[TableRef]:
    """The same, made by Spark in its catalog."""
    spark.sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    ref = parse_ref(f"{SCHEMA}.items")
    assert write_rows(spark, ref, FIRST, direct=True) == 0, "a name has no folder: Spark writes it"
    assert write_rows(spark, ref, SECOND, direct=False, mode="append") == 1
    yield ref
    spark.sql(f"DROP SCHEMA {SCHEMA} CASCADE")


@pytest.fixture(params=["by_path", "by_name"])
def ref(request: pytest.FixtureRequest) -> TableRef:
    found: TableRef = request.getfixturevalue(request.param)
    return found


def test_a_table_at_each_of_its_versions(spark: SparkSession, ref: TableRef) -> None:
    newest = open_version(spark, ref)
    assert newest == open_version(spark, ref, 1) == open_table(spark, ref)
    assert (newest.version, newest.schema, newest.hidden) == (1, ALL.schema, "")
    assert newest.inputs == {str(ref): 1}
    assert find_version(spark, ref) == 1
    for version, expected in ((0, FIRST), (1, ALL)):
        source = open_version(spark, ref, version)
        assert source.version == version
        assert read_rows(spark, source).sort(ITEM_ID).equals(expected)
    assert sorted(row[ITEM_ID] for row in read(spark, open_version(spark, ref, 0)).collect()) == ["a", "b"]
    assert count_by(spark, newest, "n") == {1: 1, None: 1, 3: 1, 4: 1}


def test_a_version_that_is_not_there(spark: SparkSession, ref: TableRef) -> None:
    with pytest.raises(TableNotFound, match=r"table '.*items.*' has no version 7"):
        open_table(spark, ref, 7)


def test_a_folder_that_is_no_table(spark: SparkSession, tmp_path: Path) -> None:
    for folder in ("nowhere", "empty", "half"):
        if folder != "nowhere":
            (tmp_path / folder / ("_delta_log" if folder == "half" else "")).mkdir(parents=True)
        ref = parse_ref(str(tmp_path / folder))
        with pytest.raises(TableNotFound, match=f"there is no Delta table .*{ref}"):
            open_table(spark, ref)
        assert find_version(spark, ref) is None


def test_a_name_that_is_no_table(spark: SparkSession, by_name: TableRef) -> None:
    strange = parse_ref(f"{SCHEMA}.`no such`")
    with pytest.raises(TableNotFound, match=rf"there is no table '{SCHEMA}\.no such'"):
        open_table(spark, strange)
    assert find_version(spark, strange) is None
    with pytest.raises(TableNotFound, match=r"there is no table 'nowhere\.items'"):
        open_table(spark, parse_ref("nowhere.items"))


def test_a_table_of_another_format(spark: SparkSession, by_name: TableRef) -> None:
    spark.range(3).write.format("parquet").saveAsTable(f"{SCHEMA}.plain")
    with pytest.raises(TableNotFound, match=rf"there is no Delta table '{SCHEMA}\.plain'"):
        open_table(spark, parse_ref(f"{SCHEMA}.plain"))


def test_a_view_is_a_query(spark: SparkSession, by_name: TableRef) -> None:
    spark.sql(f"CREATE VIEW {SCHEMA}.some AS SELECT {ITEM_ID}, n FROM {by_name.sql} WHERE n > 1")
    ref = parse_ref(f"{SCHEMA}.some")
    view = open_table(spark, ref)
    assert isinstance(view, Query)
    assert str(view) == f"{SCHEMA}.some"
    assert view.inputs == {f"{SCHEMA}.some": None}, "a view has no version to compare"
    assert view.schema == pl.Schema({ITEM_ID: pl.String, "n": pl.Int64})
    assert sorted(read(spark, view).collect()) == [("c", 3), ("d", 4)]
    assert find_version(spark, ref) is None
    with pytest.raises(TableNotFound, match=rf"'{SCHEMA}\.some' is a view; a Delta table is needed here"):
        open_version(spark, ref)
    with pytest.raises(TableNotFound, match=rf"'{SCHEMA}\.some' is a view, so it has no version 3"):
        open_table(spark, ref, 3)
    spark.sql(f"CREATE VIEW {SCHEMA}.broken AS SELECT * FROM {SCHEMA}.some")
    spark.sql(f"DROP VIEW {SCHEMA}.some")
    with pytest.raises(TableNotFound, match=rf"there is no table '{SCHEMA}\.broken'"):
        open_table(spark, parse_ref(f"{SCHEMA}.broken"))


@pytest.mark.parametrize("at_least", [None, ("n", 3), ("n", 99)])
def test_rows_are_the_same_by_spark_and_beside_it(
    spark: SparkSession, by_path: TableRef, at_least: tuple[str, int] | None
) -> None:
    source = open_version(spark, by_path)
    hidden = TableVersion(source.ref, source.version, source.folder, source.schema, "only Spark may look")
    beside, by_spark = (read_rows(spark, which, at_least=at_least).sort(ITEM_ID) for which in (source, hidden))
    expected = ALL if at_least is None else ALL.filter(pl.col("n") >= at_least[1])
    assert beside.equals(expected)
    assert by_spark.equals(expected)
    assert beside.schema == by_spark.schema == ALL.schema


def test_spark_is_not_asked_for_what_a_shared_folder_does_not_hold(tmp_path: Path) -> None:
    nobody: SparkSession = None  # type: ignore[assignment]
    ref = parse_ref(str(tmp_path / "rows"))
    assert find_version(nobody, ref, shares_folder=True) is None
    write_rows(nobody, ref, FIRST, direct=True)
    assert find_version(nobody, ref, shares_folder=True) == 0


def test_a_table_is_the_same_by_spark_and_beside_it(spark: SparkSession, tmp_path: Path) -> None:
    refs = []
    for direct in (True, False):
        ref = parse_ref(str(tmp_path / f"direct {direct}"))
        changes: list[tuple[pl.DataFrame, str]] = [(FIRST, "overwrite"), (SECOND, "append")]
        versions = [
            write_rows(spark, ref, rows, direct=direct, mode=mode, transition=Transition("sparkws/x", i))  # type: ignore[arg-type]
            for i, (rows, mode) in enumerate(changes, 1)
        ]
        assert versions == [0, 1]
        refs.append(ref)
    beside, by_spark = (DeltaTable(str(ref.folder)) for ref in refs)
    assert beside.metadata().configuration == by_spark.metadata().configuration
    assert beside.protocol() == by_spark.protocol()
    assert beside.protocol().min_reader_version == 1
    for table in (beside, by_spark):
        notes = [json.loads(commit["userMetadata"]) for commit in table.history()]
        assert [(note["step"], note["sequence"]) for note in notes] == [("x", 2), ("x", 1)]
        assert table.transaction_version("sparkws/x") == 2
    assert_df_equality(*(spark.read.format("delta").load(ref.path) for ref in refs), ignore_row_order=True)
    assert read_rows(spark, open_version(spark, refs[1])).sort(ITEM_ID).equals(ALL)


@pytest.mark.parametrize("direct", [True, False])
def test_an_overwrite_replaces_rows_and_columns(spark: SparkSession, tmp_path: Path, direct: bool) -> None:
    ref = parse_ref(str(tmp_path / "rows"))
    write_rows(spark, ref, FIRST, direct=True)
    other = pl.DataFrame({ITEM_ID: [7], "n": ["text now"]})
    assert write_rows(spark, ref, other, direct=direct) == 1
    assert read_rows(spark, open_version(spark, ref)).equals(other)
    assert read_rows(spark, open_version(spark, ref, 0)).equals(FIRST)


def test_a_repeated_transaction_of_spark_is_no_commit(spark: SparkSession, tmp_path: Path) -> None:
    ref = parse_ref(str(tmp_path / "rows"))
    for expected, sequence in ((0, 3), (0, 3), (1, 4)):
        assert write_frame(spark, ref, spark.range(2), transition=Transition("sparkws/x", sequence)) == expected


def test_a_query_over_tables(spark: SparkSession, by_path: TableRef, by_name: TableRef) -> None:
    sql = f"SELECT a.{ITEM_ID}, b.n FROM {{items}} a JOIN {{more}} b ON a.n = b.n"
    got = query(spark, sql, {"items": by_path, "more": by_name})
    assert sorted(got.frame.collect()) == [("a", 1), ("c", 3), ("d", 4)]
    assert got.inputs == {str(by_path): 1, str(by_name): 1}
    assert got.schema == pl.Schema({ITEM_ID: pl.String, "n": pl.Int64})


def test_a_query_stays_at_the_versions_it_began_with(spark: SparkSession, tmp_path: Path) -> None:
    ref = parse_ref(str(tmp_path / "items"))
    write_rows(spark, ref, FIRST, direct=True)
    got = query(spark, "SELECT * FROM {items}", {"items": ref})
    write_rows(spark, ref, SECOND, direct=True, mode="append")
    assert got.inputs == {str(ref): 0}
    assert got.frame.count() == 2
    assert query(spark, "SELECT * FROM {items}", {"items": ref}).frame.count() == 4


def test_a_query_over_a_view_or_over_nothing_has_no_versions(spark: SparkSession) -> None:
    spark.sql("CREATE OR REPLACE TEMPORARY VIEW `some numbers` AS SELECT id FROM range(3)")
    got = query(spark, "SELECT * FROM {numbers}", {"numbers": parse_ref("`some numbers`")})
    assert got.inputs == {"some numbers": None}
    assert got.frame.count() == 3
    assert query(spark, "SELECT 1 AS one", {}).inputs == {"the query": None}


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("SELECT * FROM {itmes}", "'itmes'"),
        ("SELECT * FROM {}", "positional"),
        ("SELECT * FROM {items} WHERE a RLIKE 'x{2}'", "positional"),
        ("SELECT * FROM {items", "expected '}'"),
        ("SELECT {items.n} FROM {items}", "no attribute 'n'"),
    ],
)
def test_braces_that_name_no_table(spark: SparkSession, by_path: TableRef, sql: str, what: str) -> None:
    with pytest.raises(ConfigError, match=rf"the query has .*{what}.* in braces; 'tables' names \['items'\]"):
        query(spark, sql, {"items": by_path})


def test_braces_for_spark_are_doubled(spark: SparkSession, by_path: TableRef) -> None:
    got = query(spark, f"SELECT * FROM {{items}} WHERE {ITEM_ID} RLIKE '^a{{{{1}}}}$'", {"items": by_path})
    assert [row[ITEM_ID] for row in got.frame.collect()] == ["a"]


def test_a_query_that_spark_refuses(spark: SparkSession, by_path: TableRef) -> None:
    with pytest.raises(ConfigError, match=r"Spark refuses the query: .PARSE_SYNTAX_ERROR.*\.$"):
        query(spark, "SELEC * FROM {items}", {"items": by_path})
    with pytest.raises(ConfigError, match=r"Spark refuses the query: .*`strange`"):
        query(spark, "SELECT strange FROM {items}", {"items": by_path})
    with pytest.raises(TableNotFound, match="nowhere"):
        query(spark, "SELECT * FROM {items}", {"items": parse_ref("nowhere")})


def test_a_shallow_clone_keeps_its_files_elsewhere(spark: SparkSession, by_path: TableRef, tmp_path: Path) -> None:
    clone = parse_ref(str(tmp_path / "clone"))
    spark.sql(f"CREATE TABLE {clone.sql} SHALLOW CLONE {by_path.sql}")
    source = open_version(spark, clone)
    units = list_units(source)
    frames = [frame for unit in units for frame in Scan(ALL.schema, 10).batches(Unit(unit.path, 1, (0, 1)))]
    assert pl.concat(frames).sort(ITEM_ID).equals(ALL)
