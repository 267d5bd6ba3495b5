"""Lookups in a table and expressions in Spark SQL: votes of a whole pass against plain Python."""

import random
import re
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options
from sparkws.engine.lookups import Lookup, with_lookups
from sparkws.engine.refs import TableRef, parse_ref
from sparkws.engine.tables import Query, Source, open_table, open_version, read, read_rows
from sparkws.engine.types import spark_schema
from sparkws.errors import FunctionFailed, InvalidVote, MissingColumns, TableNotFound
from sparkws.lfconfig import DeclarativeLFConfig
from sparkws.lfs import LFSet, declarative_lfs, labeling_function
from sparkws.lfs.normalize import ORDER, normalized, normalized_sql
from sparkws.lfs.steps import inputs_of, make_votes, open_tables

CLASSES = ("ham", "spam")
ITEMS = pl.DataFrame(
    {
        "id": range(9),
        "company": ["ACME, Inc.", " acme inc ", "Globex", None, "?!", "Initech", "globex", "nobody", "a`b.c d"],
        "n": [0, 1, 2, 3, None, 5, 6, 7, 8],
    }
)
# Globex is there twice with one class, Initech with two; a key without a class, and rows without a key.
BASE = pl.DataFrame(
    {
        "the name": ["Acme Inc", "Globex", "globex", "Initech", "Initech", None, "nobody", "...", "a`b.c d"],
        "kind": ["spam", "ham", "ham", "ham", "spam", "spam", None, "spam", "spam"],
    }
)


def table(folder: Path, name: str, rows: pl.DataFrame) -> str:
    path = str(folder / name)
    write_deltalake(path, rows.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="overwrite")
    return path


def lfs(**kinds: Mapping[str, Any]) -> LFSet:
    configs = [DeclarativeLFConfig.model_validate({"name": name, **kind}) for name, kind in kinds.items()]
    return LFSet(declarative_lfs(configs))


class Pass:
    """Makes votes and gives them as columns, with what the lookups counted."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.folder, self.n = spark, folder, 0

    def __call__(
        self, lfset: LFSet, source: Source, *, target: TableRef | None = None, options: Options | None = None
    ) -> tuple[dict[str, list[int | None]], dict[str, dict[str, int]]]:
        self.n += 1
        target = target or TableRef(path=f"file:{self.folder}/votes{self.n}")
        written, _, counts = make_votes(
            self.spark,
            lfset,
            source,
            key="id",
            classes=CLASSES,
            on_fault="quarantine",
            time_limit_s=None,
            votes_target=target,
            faults_target=TableRef(path=f"file:{self.folder}/faults{self.n}"),
            transition=Transition("test", self.n),
            options=options or Options(),
            must_check_keys=True,
            direct=True,
            tables=open_tables(self.spark, lfset, str(self.folder)),
        )
        votes = read_rows(self.spark, open_version(self.spark, target)).sort("item_id")
        assert written.n_rows == len(votes)
        return {name: votes[name].to_list() for name in lfset.names}, counts


@pytest.fixture
def votes(spark: SparkSession, tmp_path: Path) -> Pass:
    return Pass(spark, tmp_path)


@pytest.fixture
def items(spark: SparkSession, tmp_path: Path) -> Source:
    return open_table(spark, parse_ref(table(tmp_path, "items", ITEMS)))


def test_a_table_says_the_class(spark: SparkSession, tmp_path: Path, votes: Pass, items: Source) -> None:
    where = {"column": "company", "table": table(tmp_path, "base", BASE), "key": "the name"}
    every = ["lower", "strip_punctuation", "collapse_whitespace"]
    lfset = lfs(
        lf_as_it_is={"lookup": {**where, "label_column": "kind"}},
        lf_known={"lookup": {**where, "label": "spam"}},
        lf_normalized={"lookup": {**where, "label_column": "kind", "normalize": every}},
        lf_short={"regex": {"column": "company", "pattern": "^.{0,3}$", "label": "ham"}},
    )
    found, counts = votes(lfset, items)
    assert found == {
        "lf_as_it_is": [-1, -1, 0, -1, -1, -1, 0, -1, 1],
        "lf_known": [-1, -1, 1, -1, -1, 1, 1, 1, 1],
        "lf_normalized": [1, 1, 0, -1, -1, -1, 0, -1, 1],
        "lf_short": [-1, -1, -1, -1, 0, -1, -1, -1, -1],
    }
    counted = {"table": where["table"], "n_rows": 9, "n_keys": 7, "n_ambiguous": 1, "n_matched": 5, "n_undecided": 2}
    assert counts == {
        "lf_as_it_is": counted,
        "lf_known": {**counted, "n_ambiguous": 0, "n_undecided": 0},
        "lf_normalized": {**counted, "n_keys": 5, "n_matched": 7},
    }


@pytest.mark.parametrize("join", ["auto", "broadcast", "shuffle"])
def test_pairs_against_a_reference(spark: SparkSession, tmp_path: Path, votes: Pass, join: str) -> None:
    """Random pairs, with NULLs and repetitions on both sides, in several files."""
    rng = random.Random(join)
    names = [None, "", "a", "A", "b", " b"]
    items = [(i, rng.choice(names), rng.choice(names)) for i in range(200)]
    base = [(rng.choice(names), rng.choice(names), rng.choice([0, 1, 1, None])) for _ in range(60)]
    source = pl.DataFrame(items, {"id": pl.Int64, "one": pl.String, "other": pl.String}, orient="row")
    path = table(tmp_path, "pairs", source[:90])
    write_deltalake(path, source[90:].to_arrow(compat_level=pl.CompatLevel.oldest()), mode="append")
    known = pl.DataFrame(base, {"x": pl.String, "y": pl.String, "says": pl.Int32}, orient="row")
    where = {
        "column": ["one", "other"],
        "key": ["x", "y"],
        "table": table(tmp_path, "base", known),
        "label_column": "says",
        "join": join,
    }
    lfset = lfs(lf_pair={"lookup": where}, lf_either={"lookup": {**where, "symmetric": True}})
    found, counts = votes(lfset, open_table(spark, parse_ref(path)), options=Options(batch_rows=50))

    def said(pair: tuple[str | None, str | None], *, symmetric: bool) -> tuple[bool, int]:
        orders = {pair, pair[::-1]} if symmetric else {pair}
        rows = [label for x, y, label in base if (x, y) in orders and None not in pair]
        classes = {label for label in rows if label is not None}
        return bool(rows), classes.pop() if len(classes) == 1 else -1

    for name, symmetric in (("lf_pair", False), ("lf_either", True)):
        expected = [said((one, other), symmetric=symmetric) for _, one, other in items]
        assert found[name] == [vote for _, vote in expected]
        assert counts[name]["n_matched"] == sum(matched for matched, _ in expected)
        assert counts[name]["n_undecided"] == sum(matched and vote == -1 for matched, vote in expected)
        assert counts[name]["n_rows"] == 60


def test_integers_of_other_widths(spark: SparkSession, tmp_path: Path, votes: Pass, items: Source) -> None:
    base = pl.DataFrame({"n": [1, 2, 300], "kind": ["spam", "ham", "spam"]}, {"n": pl.Int16, "kind": pl.String})
    lookup = {"column": "n", "table": table(tmp_path, "base", base), "label_column": "kind"}
    found, _ = votes(lfs(lf_n={"lookup": lookup}), items)
    assert found["lf_n"] == [-1, 1, 0, -1, -1, -1, -1, -1, -1]


def test_an_empty_table_says_nothing(spark: SparkSession, tmp_path: Path, votes: Pass, items: Source) -> None:
    lookup = {"column": "company", "table": table(tmp_path, "base", BASE.clear()), "key": "the name", "label": 1}
    found, counts = votes(lfs(lf_kb={"lookup": lookup}), items)
    assert found["lf_kb"] == [-1] * 9
    assert {name: n for name, n in counts["lf_kb"].items() if name != "table"} == {
        "n_rows": 0,
        "n_keys": 0,
        "n_ambiguous": 0,
        "n_matched": 0,
        "n_undecided": 0,
    }


def test_a_table_that_says_no_class(spark: SparkSession, tmp_path: Path, votes: Pass, items: Source) -> None:
    base = BASE.with_columns(kind=pl.lit("spma"))
    lookup = {"column": "company", "table": table(tmp_path, "base", base), "key": "the name", "label_column": "kind"}
    with pytest.raises(InvalidVote, match=r"'lf_kb' returned 'spma' for .* on item_id \[.*Did you mean 'spam'"):
        votes(lfs(lf_kb={"lookup": lookup}), items)


def test_columns_that_are_not_there(spark: SparkSession, tmp_path: Path, votes: Pass, items: Source) -> None:
    lookup = {"column": "company", "table": table(tmp_path, "base", BASE), "label": "spam"}
    with pytest.raises(MissingColumns, match=r"base' lacks \['company'\]; it has \['the name', 'kind'\]"):
        votes(lfs(lf_kb={"lookup": lookup}), items)
    with pytest.raises(MissingColumns, match=r"'lf_kb' reads \['compny'\], which the source lacks"):
        votes(lfs(lf_kb={"lookup": {**lookup, "column": "compny"}}), items)
    with pytest.raises(TableNotFound, match=r"'lf_kb' looks values up in a table: there is no .*'/.*/none'"):
        votes(lfs(lf_kb={"lookup": {**lookup, "table": "./none"}}), items)


def test_a_named_table_of_odd_columns(spark: SparkSession, votes: Pass) -> None:
    """Blanks, dots and backticks, and a table that is source and knowledge base at once."""
    spark.sql("CREATE SCHEMA IF NOT EXISTS lookups")
    rows = "SELECT * FROM VALUES (1, 'x', 'spam'), (2, 'y', 'ham'), (3, NULL, 'ham') AS (id, `a.b ``c`, `is it`)"
    spark.sql(
        f"CREATE OR REPLACE TABLE lookups.`table` USING delta TBLPROPERTIES "
        f"('delta.columnMapping.mode' = 'name') AS {rows}"
    )
    source = open_table(spark, parse_ref("lookups.`table`"))
    lookup = {"column": "a.b `c", "table": "lookups.`table`", "label_column": "is it"}
    sql = {"sql": "length(`a.b ``c`) = id", "dialect": "spark", "label": "spam"}
    found, _ = votes(lfs(lf_self={"lookup": lookup}, lf_sql={"expression": sql}), source)
    assert found == {"lf_self": [1, 0, -1], "lf_sql": [1, -1, -1]}


def test_where_spark_commits_the_votes(spark: SparkSession, tmp_path: Path, votes: Pass, items: Source) -> None:
    """A table that is made anew loses what Spark counted: it is counted again."""
    spark.sql("CREATE SCHEMA IF NOT EXISTS lookups")
    lookup = {"column": "company", "table": table(tmp_path, "base", BASE), "key": "the name", "label": 1}
    for _ in range(2):
        found, counts = votes(lfs(lf_kb={"lookup": lookup}), items, target=TableRef(name=("lookups", "votes")))
        assert found["lf_kb"] == [-1, -1, 1, -1, -1, 1, 1, 1, 1]
        assert [counts["lf_kb"][name] for name in ("n_rows", "n_keys", "n_matched")] == [9, 7, 5]


def test_a_version_is_pinned(spark: SparkSession, tmp_path: Path, votes: Pass, items: Source) -> None:
    path = table(tmp_path, "base", BASE)
    lookup = {"column": "company", "table": path, "key": "the name", "label": "spam"}
    newest = lfs(lf_kb={"lookup": lookup})
    opened = open_tables(spark, newest, ".")
    table(tmp_path, "base", BASE.clear())
    assert inputs_of(items, opened) == {**items.inputs, path: 0}
    assert inputs_of(items, open_tables(spark, newest, ".")) == {**items.inputs, path: 1}
    both = lfs(lf_kb={"lookup": lookup}, lf_old={"lookup": {**lookup, "version": 0}})
    assert inputs_of(items, open_tables(spark, both, ".")) == {**items.inputs, path: 1, f"{path} at 0": 0}
    found, _ = votes(both, items)
    assert found == {"lf_kb": [-1] * 9, "lf_old": [-1, -1, 1, -1, -1, 1, 1, 1, 1]}


def test_counts_after_an_attempt_that_failed(spark: SparkSession, tmp_path: Path) -> None:
    """What Spark counted in it is not taken for what was read in the end."""
    base = Query("the base", spark.createDataFrame([("a", "spam"), ("b", "ham")], "k string, says string"))
    source = Query("items", spark.createDataFrame([("a",), ("a",), ("c",)], "c string"))
    made, matches = with_lookups(spark, source, [Lookup(answer="answer", table=base, on=[("c", "k")], says="says")])
    made.frame.limit(1).collect()
    counted = {"n_rows": 2, "n_keys": 2, "n_ambiguous": 0, "n_matched": 2, "n_undecided": 0}
    assert matches.counts(3) == [counted]
    assert made.schema.names() == ["c", "answer"]


def test_every_character_is_normalized_as_polars_does(spark: SparkSession) -> None:
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    # Of letters that this Python does not know yet the engines may know the lower case or not.
    known = [c for c in characters if unicodedata.category(c) != "Cn"]
    lower = ["A".join(known[start : start + 500]) for start in range(0, len(known), 500)]
    rest = ["a".join(characters[start : start + 500]) for start in range(0, len(characters), 500)]
    odd = ["\u0391\u03a3 \u03a3\u0391\u03a3.", "\u0130I\u0131i", " \t", "!", "", None]
    for texts, options in ((lower, ["lower"]), (rest, ["strip_punctuation", "collapse_whitespace"]), (odd, [*ORDER])):
        frame = pl.DataFrame({"i": range(len(texts)), "c": texts}, {"i": pl.Int64, "c": pl.String})
        rows = spark.createDataFrame(frame.to_arrow(compat_level=pl.CompatLevel.oldest()), spark_schema(frame.schema))
        answers = rows.select("i", F.expr(normalized_sql("c", options)).alias("c")).orderBy("i").toArrow()
        assert answers.column("c").to_pylist() == frame.select(normalized(pl.col("c"), options))["c"].to_list()


def test_expressions_vote_beside_other_functions(spark: SparkSession, votes: Pass, items: Source) -> None:
    @labeling_function
    def lf_everything(x):  # type: ignore[no-untyped-def]
        return "spam" if x[next(iter(["n"]))] == 5 else -1

    lfset = LFSet(
        [
            lf_everything,
            *lfs(
                lf_condition={"expression": {"sql": "n > 4 OR company = 'Globex'", "dialect": "spark", "label": 1}},
                lf_value={"expression": {"sql": "IF(n % 2 = 0, 'ham', NULL)", "dialect": "spark"}},
                lf_index={"expression": {"sql": "CAST(n = 7 AS INT)", "dialect": "spark"}},
                lf_constant={"expression": {"sql": "1", "dialect": "spark"}},
                lf_array={
                    "expression": {
                        "sql": "exists(split(company, ' '), w -> w = 'acme')",
                        "dialect": "spark",
                        "label": 1,
                    }
                },
                lf_polars={"expression": {"sql": "n > 4", "label": 1}},
            ),
        ]
    )
    found, counts = votes(lfset, items)
    assert found == {
        "lf_everything": [-1, -1, -1, -1, -1, 1, -1, -1, -1],
        "lf_condition": [-1, -1, 1, -1, -1, 1, 1, 1, 1],
        "lf_value": [0, -1, 0, -1, -1, -1, 0, -1, 0],
        "lf_index": [0, 0, 0, 0, -1, 0, 0, 1, 0],
        "lf_constant": [1] * 9,
        "lf_array": [-1, 1, -1, -1, -1, -1, -1, -1, -1],
        "lf_polars": [-1, -1, -1, -1, -1, 1, 1, 1, 1],
    }
    assert counts == {}


def test_an_expression_that_gives_no_vote(spark: SparkSession, votes: Pass, items: Source) -> None:
    with pytest.raises(InvalidVote, match=r"'lf_n' returned 5 for 1 of 9 items of a batch, on item_id \[5\]"):
        votes(lfs(lf_n={"expression": {"sql": "IF(n = 5, n, 0)", "dialect": "spark"}}), items)


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("1 / (n - 5) > 0", "'lf_b' stopped the query at '1 / (n - 5)': Division by zero (Spark says DIVIDE_BY_ZERO)"),
        ("CAST(company AS INT) > 0", "'lf_b' stopped the query at 'CAST(company AS INT)': The value "),
        ("IF(n = 5, raise_error('no'), n) > 0", "one of ['lf_a', 'lf_b'] stopped the query: no (Spark says USER_"),
    ],
)
def test_a_value_that_cannot_be_computed(spark: SparkSession, votes: Pass, items: Source, sql: str, what: str) -> None:
    lf_a = {"expression": {"sql": "n > 1", "dialect": "spark", "label": 1}}
    lfset = lfs(lf_a=lf_a, lf_b={"expression": {"sql": sql, "dialect": "spark", "label": 1}})
    with pytest.raises(FunctionFailed, match=re.escape(what) + ".*try_divide, try_cast, get and the like"):
        votes(lfset, items)
    assert not (votes.folder / "votes1" / "_delta_log").exists()


def test_a_value_that_cannot_be_computed_where_spark_commits(spark: SparkSession, votes: Pass, items: Source) -> None:
    spark.sql("CREATE SCHEMA IF NOT EXISTS lookups")
    lfset = lfs(lf_a={"expression": {"sql": "1 / (n - 5) > 0", "dialect": "spark", "label": 1}})
    with pytest.raises(FunctionFailed, match=r"'lf_a' stopped the query.*: Division by zero"):
        votes(lfset, items, target=TableRef(name=("lookups", "never")))
    assert not spark.catalog.tableExists("lookups.never")


def test_a_fault_of_the_query_is_not_laid_on_functions(spark: SparkSession, votes: Pass, items: Source) -> None:
    source = Query("the query", read(spark, items).withColumn("n", F.expr("1 / (n - 5)")))
    with pytest.raises(PySparkException, match="DIVIDE_BY_ZERO"):
        votes(lfs(lf_a={"expression": {"sql": "n > 1", "dialect": "spark", "label": 1}}), source)
