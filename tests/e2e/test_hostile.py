"""Hostile data through the main job: each gets the right result, or one clear sentence."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options, reduce_batches, write_batches
from sparkws.engine.refs import parse_ref
from sparkws.engine.tables import open_table, open_version
from sparkws.lfs import LFSet, VotesKernel, labeling_function
from sparkws.stats.patterns import PatternsKernel
from tests.e2e.conftest import table

Run = Callable[..., tuple[int, Any, str]]

MODULE = """
from sparkws import labeling_function

@labeling_function
def lf_long(x):
    return -1 if x.text is None else int(len(x.text) > 1_000_000)

@labeling_function
def lf_win(x):
    return 1 if "win" in x.text else -1  # NULL faults
"""
WIN = {"name": "lf_win_word", "keyword": {"column": "text", "any": ["win"], "label": "spam"}}
SONG = {"name": "lf_song", "regex": {"column": "text", "pattern": "s\\wng", "label": "ham"}}
MAJORITY = {"kind": "majority"}


def project(
    folder: Path, *, key: str = "id", source: str = "./items", workspace: str = "./tables", **task: Any
) -> Path:
    """A project over a source beside it, with two declarative functions; keyword arguments go over its task."""
    folder.mkdir(exist_ok=True)
    functions = {"declarative": [WIN, SONG]}
    config = {
        "project": "hostile",
        "workspace": workspace,
        "source": {"table": source, "key": key},
        "tasks": {"spam": {"classes": ["ham", "spam"], "lfs": functions, "label_model": MAJORITY, **task}},
    }
    path = folder / "project.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def over(path: Path, **sections: Any) -> Path:
    """An overlay beside a configuration."""
    overlay = path.with_name("overlay.yaml")
    overlay.write_text(yaml.safe_dump(sections, allow_unicode=True))
    return overlay


def write(folder: Path, frame: pl.DataFrame, **how: Any) -> None:
    write_deltalake(str(folder), frame.to_arrow(compat_level=pl.CompatLevel.oldest()), **how)


@labeling_function
def lf_first(x):  # type: ignore[no-untyped-def]
    return x.n % 2


@labeling_function
def lf_faults(x):  # type: ignore[no-untyped-def]
    return 1 // (x.n % 3)


SAME, LAST = "the same first characters of every key, ", "\U0010ffff"
KEYS = {
    "string": ["", " ", "a", "A", "a ", "a\0", "\0", "é", "e\u0301", "😀", "\ufffe", SAME, SAME + "a", SAME + LAST],
    "byte": "CAST(IF(n = 0, 127, -127 - n % 2) AS BYTE)",
    "decimal": "CAST(n - 2 AS DECIMAL(38, 10)) / 8",
    "boolean": "n = 1",
    "date": "CASE n WHEN 0 THEN DATE'0001-01-01' WHEN 1 THEN DATE'9999-12-31' ELSE date_add(DATE'1969-12-30', n) END",
    "timestamp": "CASE n WHEN 0 THEN TIMESTAMP'0001-01-01' ELSE TIMESTAMP'9999-12-31 23:59:59.999999' END",
    "binary": "unhex(CASE n WHEN 0 THEN '' WHEN 1 THEN '00' WHEN 2 THEN 'FF00' ELSE 'FF' END)",
}
COUNTS = {"byte": 2, "boolean": 2, "date": 6, "timestamp": 2, "binary": 4, "decimal": 6}


@pytest.mark.parametrize("kind", list(KEYS))
def test_a_key_of_any_type_is_the_same_in_both_lanes(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    made = KEYS[kind]
    if isinstance(made, str):
        rows = spark.sql(f"SELECT CAST(id AS INT) AS n FROM range({COUNTS[kind]})").selectExpr(
            "n", f"{made} AS `k.e.y`"
        )
    else:
        rows = spark.createDataFrame(pa.table({"n": pa.array(range(len(made)), pa.int32()), "k.e.y": made}))
    rows.write.format("delta").save(str(tmp_path / "items"))
    source = open_table(spark, parse_ref(str(tmp_path / "items")))
    kernel = VotesKernel(LFSet([lf_first, lf_faults]), ("ham", "spam"), "k.e.y", source.schema)
    found = []
    for lane in ("direct", "rows"):
        options, target = Options(lane=lane), parse_ref(str(tmp_path / lane))  # type: ignore[arg-type]
        written = write_batches(spark, kernel, source, target, Transition("sparkws/a", 1), options)
        patterns = reduce_batches(spark, PatternsKernel(kernel.lfset.names, 2), open_version(spark, target), options)
        found.append((written.n_rows, written.statistic.faults, patterns))
        protocol = DeltaTable(str(tmp_path / lane)).protocol()
        assert protocol.min_reader_version == 1
    assert found[0] == found[1]
    # As text, because Spark gives bytes that no set takes, and times that not every zone has.
    text = "hex({})" if kind == "binary" else "CAST({} AS STRING)"
    keys = {row[0]: row[1] for row in rows.selectExpr("n", text.format("`k.e.y`")).collect()}
    assert len(set(keys.values())) == len(keys) == found[0][0]
    for lane in ("direct", "rows"):
        frame = spark.read.format("delta").load(str(tmp_path / lane))
        votes = {row[0]: row[1:] for row in frame.selectExpr(text.format("item_id"), "lf_first", "lf_faults").collect()}
        assert votes == {key: (n % 2, None if n % 3 == 0 else 1 // (n % 3)) for n, key in keys.items()}
        # What the log says of the range of keys must not hide a row from a reader that looks for one.
        for n, key in keys.items() if kind != "string" else list(keys.items())[-2:]:
            wanted = F.lit(key) if kind == "string" else F.expr(re.sub(r"\bn\b", str(n), str(made)))
            assert frame.where(F.col("item_id") == wanted).count() == 1
        for key in keys.values() if kind == "string" else ():
            assert pl.scan_delta(str(tmp_path / lane)).filter(pl.col("item_id") == key).collect().height == 1, repr(key)


def test_what_cannot_be_a_key_or_a_workspace_is_said_before_any_work(
    spark: SparkSession, run: Run, tmp_path: Path
) -> None:
    made = "id / 3D AS real, struct(id) AS pair, CAST(timestamp_micros(id) AS TIMESTAMP_NTZ) AS clock"
    rows = spark.sql(f"SELECT {made}, 'u' AS user, id AS day, 'x' AS text FROM range(5)")
    rows.write.format("delta").save(str(tmp_path / "items"))
    path = project(tmp_path)
    for source, code, said in (
        ({"key": "real"}, 3, "'key_expression: CAST(`real` AS STRING)'"),
        ({"key": "pair"}, 3, "key column 'pair' of"),
        ({"key": "clock"}, 3, "'key_expression: CAST(`clock` AS TIMESTAMP)'"),
        ({"key": "dya"}, 3, "Did you mean 'day'?"),
        ({"key_expression": "concat(usr, day)"}, 2, "`usr` cannot be resolved"),
        ({"key_expression": "uuid()"}, 2, "expects a deterministic expression"),
    ):
        ended, _, log = run(path, "--overlay", str(over(path, source=source)))
        assert ended == code
        assert said in log
        assert len(log.splitlines()) == 1
    code, _, log = run(path, "--overlay", str(over(path, source={"key": "day"}, workspace="./a%20b")))
    assert code == 2
    assert "has '%20' in its path" in log
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == ["items"]


def test_texts_of_any_size_and_characters_and_keys_of_several_columns(
    spark: SparkSession, run: Run, tmp_path: Path
) -> None:
    odd = [
        "",
        " ",
        "\t\n",
        "\0",
        "win\0",
        "a😀win",
        "\ufffe",
        "e\u0301 song",
        "מזל win",
        "win",
        "WIN",
        "winter",
        "song",
        "söng",
    ]
    n = len(odd) + 3
    large = F.concat(F.expr("repeat('é x ', 25000000)"), F.lit("win"))  # 100 million characters
    texts = spark.createDataFrame(pa.table({"n": range(n), "short": [*odd, None, "L", "L"]})).coalesce(1)
    items = texts.select(
        F.expr("concat('u', n % 3)").alias("user"),
        F.expr("n div 3").alias("day"),
        F.concat_ws("/", F.expr("concat('u', n % 3)"), F.expr("n div 3")).alias("id"),
        F.when(F.col("short") == "L", large).otherwise(F.col("short")).alias("text"),
        F.expr("IF(n % 2 = 0, 'spam', NULL)").alias("truth"),
    )
    items.write.format("delta").save(str(tmp_path / "items"))
    (tmp_path / "functions.py").write_text(MODULE)
    lfs = {"modules": ["functions.py"], "declarative": [WIN, SONG]}
    path = project(tmp_path, lfs=lfs, gold={"column": "truth"})
    assert run(path, "--lane", "direct")[0] == 0
    keyed = {"source": {"key": "made", "key_expression": "concat_ws('/', user, day)"}, "workspace": "./by_rows"}
    code, _, log = run(path, "--overlay", str(over(path, **keyed)))
    assert code == 0
    assert "only Spark can read a query" in log
    for name in ("spam_votes", "spam_labels", "spam_gold", "spam_patterns", "spam_faults"):
        both = [table(path, name, workspace) for workspace in ("tables", "by_rows")]
        order = [column for column, dtype in both[0].schema.items() if not dtype.is_nested()]
        assert both[0].sort(order).equals(both[1].sort(order)), name
    votes = dict(table(path, "spam_votes").select("item_id", pl.struct(pl.exclude("item_id"))).iter_rows())
    for i, text in enumerate([*odd, None, "é x win", "é x win"]):
        win = None if text is None else 1 if "win" in text else -1
        song = 0 if text in ("e\u0301 song", "song", "söng") else -1
        # A word has no letter on either side, whatever its case.
        word = 1 if text in ("win\0", "a😀win", "מזל win", "win", "WIN", "é x win") else -1
        long = -1 if text is None else int(i >= len(odd) + 1)
        expected = {"lf_long": long, "lf_win": win, "lf_win_word": word, "lf_song": song}
        assert votes[f"u{i % 3}/{i // 3}"] == expected, repr(text)
    assert run(path, "--overlay", str(over(path, **keyed)))[1]["unchanged"]
    keyed["source"] = {"key": "made", "key_expression": "user"}
    code, _, log = run(path, "--overlay", str(over(path, **keyed)))
    assert code == 3
    assert "source.key_expression changed" in log
    assert "u0 (6 times)" in log


def test_names_of_folders_partitions_and_columns_may_hold_anything(
    spark: SparkSession, run: Run, tmp_path: Path
) -> None:
    values = ["a:b/c%20d e", "é=#?", "x%3Ay", " {} ", None, "'\"`"]
    rows = [(f"k{i}", "win" if i % 2 else "a song", values[i % 6]) for i in range(24)]
    expected = {
        name: (1 if text == "win" else -1, 0 if "song" in text else -1, 1 if value in values[:4] else -1)
        for name, text, value in rows
    }
    # A name with a blank, a comma or a brace needs a table that maps its columns, which only Spark reads.
    for lane, key, part, mode in (
        ("direct", 'the."key"`ü', "1p%c#'", "none"),
        ("rows", 'the, "key" {0}`', "1 p%c #'=;", "name"),
    ):
        folder, workspace = f"it ems% #1?'\"{{}} {lane}", f"{lane} % #?"
        writer = spark.createDataFrame(rows, [key, "text", part]).write.format("delta").partitionBy(part)
        writer.option("delta.columnMapping.mode", mode).save(str(tmp_path / folder))
        lookup = {"name": "lf_part", "lookup": {"column": part, "values": dict.fromkeys(values[:4], "spam")}}
        lfs = {"declarative": [WIN, SONG, lookup]}
        path = project(tmp_path, key=key, source=f"./{folder}", workspace=f"./{workspace}", lfs=lfs)
        code, _, log = run(path, "--lane", lane)
        assert code == 0, log
        assert {row[0]: row[1:] for row in table(path, "spam_votes", workspace).rows()} == expected
        assert spark.read.format("delta").load(str(tmp_path / workspace / "spam_labels")).count() == 24


def test_names_in_a_catalog_may_hold_what_it_allows(spark: SparkSession, run: Run, tmp_path: Path) -> None:
    # Spark's own catalog takes letters, digits and underscores for schemas and tables, and anything for views.
    rows = [("k1", "win"), ("k2", "a song"), ("k3", "")]
    for name in ('it\'s a "view"', "a.b, {c} ü", "1a%b#?"):
        spark.createDataFrame(rows, "id string, text string").createOrReplaceTempView(f"`{name}`")
        path = project(tmp_path, source=f"`{name}`", workspace="./of_view")
        code, _, log = run(path)
        assert code == 0, log
        assert table(path, "spam_votes", "of_view").sort("item_id").rows() == [
            ("k1", 1, -1),
            ("k2", -1, 0),
            ("k3", -1, -1),
        ]
    spark.sql("CREATE SCHEMA IF NOT EXISTS `1st_of_many`")
    path = project(tmp_path, source="`1a%b#?`", workspace="`1st_of_many`")
    assert run(path)[0] == 0
    assert spark.table("`1st_of_many`.spam_labels").count() == 3
    for wrong, said in (("`my schema`", "my schema"), ("`it's`", "it's"), ("`a``b`", "a`b")):
        code, _, log = run(project(tmp_path, source="`1a%b#?`", workspace=wrong))
        assert code == 2, log
        assert f"there is no schema {said!r}" in log
        code, _, log = run(project(tmp_path, source=wrong, workspace="./of_view"))
        assert code == 2, log
        assert f"there is no table {said!r}" in log


@pytest.mark.parametrize("lane", ["direct", "rows"])
def test_a_file_that_vacuum_took_is_named(run: Run, tmp_path: Path, lane: str) -> None:
    write(tmp_path / "items", pl.DataFrame({"id": [1, 2], "text": ["win", "song"]}))
    file = next((tmp_path / "items").glob("*.parquet"))
    file.unlink()
    path = project(tmp_path)
    # With the check of keys Spark finds it, without it the worker of the lane.
    code, _, log = run(path, "--lane", lane, "--overlay", str(over(path, engine={"key_check": "trust"})))
    assert code == 3
    assert f"data file '{file}' is in the log of its table but not there" in log
    assert "Traceback" not in log
    if lane == "rows":
        code, _, log = run(path, "--lane", lane)
        assert code == 3
        assert f"data file '{file}'" in log


@pytest.mark.parametrize("lane", ["direct", "rows"])
def test_text_that_is_not_utf8_is_said(run: Run, tmp_path: Path, lane: str) -> None:
    write(tmp_path / "items", pl.DataFrame({"id": [1, 2], "text": ["abcwin", "song"]}))
    file = next((tmp_path / "items").glob("*.parquet"))
    raw = pa.array([b"\xed\xa0\x80win", b"song"], pa.binary())  # half of a surrogate pair, and as many bytes
    text = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    pq.write_table(pa.table({"id": pa.array([1, 2]), "text": text}), file)
    log_file = tmp_path / "items" / "_delta_log" / f"{0:020}.json"
    size = DeltaTable(str(tmp_path / "items")).get_add_actions(flatten=True)["size_bytes"][0].as_py()
    log_file.write_text(log_file.read_text().replace(f'"size":{size}', f'"size":{file.stat().st_size}'))
    code, _, log = run(project(tmp_path), "--lane", lane)
    assert code == 3
    assert "column 'text'" in log
    assert "holds text that is not UTF-8" in log
    assert "Traceback" not in log


def test_a_column_without_a_type_and_one_function(run: Run, tmp_path: Path) -> None:
    write(
        tmp_path / "items",
        pl.DataFrame({"id": [1, 2, 3], "text": [None, None, None]}, {"id": pl.Int64, "text": pl.String}),
    )
    query = {"query": "SELECT *, NULL AS nothing FROM {t}", "tables": {"t": "./items"}, "table": None}
    functions = [
        WIN,
        {"name": "lf_keyword", "keyword": {"column": "nothing", "any": ["win"], "label": "spam"}},
        {"name": "lf_threshold", "threshold": {"column": "nothing", "below": 1, "label": "spam"}},
        {"name": "lf_lookup", "lookup": {"column": "nothing", "values": {"a": "spam"}}},
        {"name": "lf_expression", "expression": {"sql": "nothing IS NULL", "label": "ham"}},
    ]
    path = project(tmp_path, lfs={"declarative": functions}, label_model={"kind": "dawid_skene"})
    code, result, log = run(path, "--overlay", str(over(path, source=query)))
    assert code == 0
    assert set(table(path, "spam_votes").select(pl.exclude("item_id")).rows()) == {(-1, -1, -1, -1, 0)}
    # Five functions, of which one votes: for a class, and never for the other.
    assert result["tasks"]["spam"]["labels"]["preds"] == {"ham": 3, "spam": 0}
    assert "No labeling function votes for ['spam']" in log
    path = project(tmp_path, lfs={"declarative": []})
    code, _, log = run(path)
    assert code == 2
    assert "the task has no labeling functions" in log


def test_a_table_that_became_empty(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "items", pl.DataFrame({"id": [1], "text": ["win"]}))
    path = project(tmp_path)
    code, result, _ = run(path)
    assert code == 0
    assert result["tasks"]["spam"]["labels"]["preds"] == {"ham": 0, "spam": 1}
    DeltaTable(str(tmp_path / "items")).delete()
    code, _, log = run(path)
    assert code == 3
    assert "the votes table has no items" in log
    assert table(path, "spam_votes").height == 0


def test_a_million_copies_of_one_item(spark: SparkSession, run: Run, tmp_path: Path) -> None:
    rows = spark.sql("SELECT id, 'win a song' AS text, 'k' AS same FROM range(1000000)")
    rows.write.format("delta").save(str(tmp_path / "items"))
    code, _, log = run(project(tmp_path, key="same"))
    assert code == 3
    assert "k (1,000,000 times)" in log
    path = project(tmp_path)
    assert run(path)[0] == 0
    labels = table(path, "spam_labels")
    # One vote for each class is a tie, and a tie abstains.
    assert labels.group_by("pred", "n_votes", "label_status").len().rows() == [(None, 2, "labeled", 1_000_000)]
    assert labels["item_id"].n_unique() == 1_000_000
    # Two functions that voted spam (2) and ham (1): 2 + 1 * 3.
    assert table(path, "spam_patterns").group_by("pattern_0").agg(pl.col("n_items").sum()).rows() == [(5, 1_000_000)]


def words(i: int) -> Sequence[int]:
    return (i % 400, (7 * i + 1) % 400)


def test_five_hundred_functions_and_127_classes(run: Run, tmp_path: Path) -> None:
    n = 300
    texts = [" ".join(f"w{word}" for word in words(i)) for i in range(n)]
    write(tmp_path / "items", pl.DataFrame({"id": range(n), "text": texts}))
    rows = [
        f"@labeling_function\ndef lf_row_{i}(x):\n    return {i} if 'w{i}' in x.text.split() else -1\n"
        for i in range(100)
    ]
    (tmp_path / "functions.py").write_text("from sparkws import labeling_function\n" + "".join(rows))
    declarative = [
        {"name": f"lf_{i}", "keyword": {"column": "text", "any": [f"w{i}"], "label": i % 126}} for i in range(400)
    ]
    lfs = {"modules": ["functions.py"], "declarative": declarative}
    path = project(tmp_path, classes=[f"c{i}" for i in range(127)], lfs=lfs)
    code, result, log = run(path)
    assert code == 0
    votes = table(path, "spam_votes").sort("item_id")
    assert votes.width == 501
    for i in (0, 57, 299):
        cast = {name: vote for name, vote in votes.row(i, named=True).items() if name != "item_id" and vote != -1}
        by_rows = {f"lf_row_{word}": word for word in words(i) if word < 100}
        assert cast == by_rows | {f"lf_{word}": word % 126 for word in words(i)}
    # 127 classes and an abstention are 128 digits, of which 9 fit into 63 bits.
    assert sum(name.startswith("pattern_") for name in table(path, "spam_patterns").columns) == 56
    assert "No labeling function votes for ['c126']" in log
    assert "and 107 more classes" in log
    assert max(map(len, log.splitlines())) < 800
    assert table(path, "spam_labels")["probs"].list.len().unique().to_list() == [127]
    assert sum(result["tasks"]["spam"]["labels"]["statuses"].values()) == n
