"""What workers wrote becomes a version of a table at once, or not at all."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from chispa import assert_df_equality
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from sparkws.engine import commit as commit_module
from sparkws.engine.commit import commit_files
from sparkws.engine.files import log_statistics
from sparkws.engine.history import Transition
from sparkws.engine.refs import TableRef, parse_ref
from sparkws.engine.tables import open_version, read_rows
from sparkws.engine.writes import Destination, check_files, write_frame
from sparkws.errors import EngineError, FolderNotShared, TableChanged
from sparkws.vocab import ITEM_ID

VOTES = pl.DataFrame({ITEM_ID: [f"item {i}" for i in range(6)], "lf_a": [0, 1, -1, None, 1, 0]}).cast({"lf_a": pl.Int8})


Commit = Callable[..., int]


def written(folder: Path, rows: pl.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """The rows in files of these names, and what their writers would say of them."""
    folder.mkdir(exist_ok=True)
    adds = []
    for i, name in enumerate(names):
        part = rows[i * rows.height // len(names) : (i + 1) * rows.height // len(names)]
        part.write_parquet(folder / name)
        stats = json.dumps(log_statistics(part))
        adds.append(
            {"path": name, "size": (folder / name).stat().st_size, "modified": 1_700_000_000_000, "stats": stats}
        )
    return adds


@pytest.fixture
def commit(spark: SparkSession) -> Commit:
    """Commits files as the votes step; it found the table as it is unless `found` says something else."""

    def make(folder: Path, adds: list[dict[str, Any]], sequence: int, rows: pl.DataFrame = VOTES, **found: Any) -> int:
        ref = parse_ref(str(folder))
        at = {str(ref): found["found"]} if found else {}
        transition = Transition("sparkws/spam.votes", sequence, {"/items": 3}, at)
        return commit_files(spark, Destination(ref, transition, {"lf_a": "what lf_a 'voted'"}), rows.schema, adds)

    return make


def content(folder: Path) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(DeltaTable(str(folder)).to_pyarrow_table())).sort(ITEM_ID)


def test_spark_reads_what_was_committed(spark: SparkSession, commit: Commit, tmp_path: Path) -> None:
    ref = parse_ref(str(tmp_path / "my votes"))
    folder = tmp_path / "my votes"
    assert commit(folder, written(folder, VOTES, ["a.parquet", "b c.parquet"]), 7) == 0
    frame = spark.read.format("delta").load(ref.path)
    expected = spark.createDataFrame(VOTES.to_arrow(compat_level=pl.CompatLevel.oldest()))
    assert_df_equality(frame, expected, ignore_row_order=True, ignore_metadata=True)
    # A filter on the key goes by the ranges in the log.
    assert [row["lf_a"] for row in frame.where(f"{ITEM_ID} = 'item 4'").collect()] == [1]
    assert frame.schema["lf_a"].metadata == {"comment": "what lf_a 'voted'"}
    (commit_of,) = spark.sql(f"DESCRIBE HISTORY {ref.sql}").collect()
    assert json.loads(commit_of["userMetadata"]) == {"step": "spam.votes", "sequence": 7, "inputs": {"/items": 3}}
    detail = spark.sql(f"DESCRIBE DETAIL {ref.sql}").collect()[0]
    assert (detail["minReaderVersion"], detail["numFiles"]) == (1, 2)
    assert detail["properties"]["delta.enableDeletionVectors"] == "false"
    assert detail["properties"]["delta.dataSkippingStatsColumns"] == ITEM_ID
    # Either engine goes on where the other stopped: Spark knows the step's number, delta-rs Spark's.
    transition = Transition("sparkws/spam.votes", 7)
    assert write_frame(spark, ref, expected.limit(1), transition=transition) == 0
    assert write_frame(spark, ref, expected.limit(1), transition=Transition("sparkws/spam.votes", 8)) == 1
    assert commit(folder, written(folder, VOTES, ["c.parquet"]), 8) == 1
    assert read_rows(spark, open_version(spark, ref)).height == 1


def test_a_commit_replaces_files_and_columns(commit: Commit, tmp_path: Path) -> None:
    folder = tmp_path / "votes"
    commit(folder, written(folder, VOTES, ["a.parquet", "b.parquet"]), 1)
    wider = VOTES.with_columns(lf_b=pl.lit(1, pl.Int8)).head(4)
    assert commit(folder, written(folder, wider, ["c.parquet"]), 2, wider) == 1
    assert content(folder).equals(wider)
    assert [Path(uri).name for uri in DeltaTable(str(folder)).file_uris()] == ["c.parquet"]
    narrower = VOTES.select(pl.col(ITEM_ID).str.tail(1).cast(pl.Int64))
    assert commit(folder, written(folder, narrower, ["d.parquet"]), 3, narrower) == 2
    assert content(folder).equals(narrower)
    assert DeltaTable(str(folder), version=0).to_pyarrow_table().num_rows == 6
    assert (
        DeltaTable(str(folder)).metadata().configuration == DeltaTable(str(folder), version=0).metadata().configuration
    )


def test_nothing_to_add_empties_the_table(commit: Commit, tmp_path: Path) -> None:
    folder = tmp_path / "votes"
    assert commit(folder, written(folder, VOTES, ["a.parquet"]), 1) == 0
    assert commit(folder, [], 2) == 1
    assert content(folder).equals(VOTES.clear())
    assert commit(tmp_path / "empty from the start", [], 1) == 0
    assert content(tmp_path / "empty from the start").schema == VOTES.schema


@pytest.mark.parametrize("sequence", [0, 5])
def test_a_repeated_transaction_is_no_commit(
    spark: SparkSession, commit: Commit, tmp_path: Path, sequence: int
) -> None:
    folder = tmp_path / "votes"
    first = written(folder, VOTES, ["a.parquet"])
    again = written(folder, VOTES.head(1), ["b.parquet"])
    assert [commit(folder, adds, sequence) for adds in (first, again)] == [0, 0]
    assert content(folder).equals(VOTES)
    with pytest.raises(EngineError, match=f"already holds commit {sequence}.*this run is number {sequence - 1}"):
        commit(folder, again, sequence - 1)
    other = Transition("sparkws/spam.labels", sequence)
    to = Destination(parse_ref(str(folder)), other, {})
    assert commit_files(spark, to, VOTES.schema, again) == 1, "another step counts by itself"
    assert commit(folder, first, sequence + 1) == 2
    assert content(folder).equals(VOTES)


def test_a_file_that_is_not_as_it_was_written_is_refused(commit: Commit, tmp_path: Path) -> None:
    folder = tmp_path / "votes"
    good = written(folder, VOTES, ["a.parquet", "b.parquet"])
    size = good[1]["size"]
    (folder / "b.parquet").write_bytes((folder / "b.parquet").read_bytes()[:100])
    message = rf"file '.*/votes/b\.parquet' has 100 bytes, its worker wrote {size:,} bytes; run again"
    with pytest.raises(EngineError, match=message):
        commit(folder, good, 1)
    (folder / "b.parquet").unlink()
    with pytest.raises(EngineError, match=rf"file '.*/votes/b\.parquet' is missing, its worker wrote {size:,} bytes"):
        commit(folder, good, 1)
    assert not DeltaTable.is_deltatable(str(folder)), "nothing was committed"
    commit(folder, good[:1], 1)
    with pytest.raises(EngineError, match=r"b\.parquet' is missing"):
        commit(folder, good, 2)
    table = DeltaTable(str(folder))
    assert (table.version(), table.transaction_version("sparkws/spam.votes")) == (0, 1)


def test_a_table_that_somebody_else_changed_is_not_replaced(commit: Commit, tmp_path: Path) -> None:
    folder = tmp_path / "votes"
    assert commit(folder, written(folder, VOTES, ["a.parquet"]), 1) == 0
    by_hand = VOTES.head(2).to_arrow(compat_level=pl.CompatLevel.oldest())
    write_deltalake(str(folder), by_hand, mode="append")
    with pytest.raises(TableChanged, match=r"votes' belongs to the step 'spam.votes'.*version 1, a WRITE by delta-rs"):
        commit(folder, written(folder, VOTES, ["b.parquet"]), 2, found=0)
    assert content(folder).height == 8
    # Found as it is, it may be replaced.
    assert commit(folder, written(folder, VOTES, ["b.parquet"]), 2, found=1) == 2
    assert content(folder).equals(VOTES)


def test_a_table_that_was_only_rearranged_is_replaced(commit: Commit, tmp_path: Path) -> None:
    folder = tmp_path / "votes"
    commit(folder, written(folder, VOTES, ["a.parquet", "b.parquet"]), 1)
    DeltaTable(str(folder)).optimize.compact()
    assert commit(folder, written(folder, VOTES, ["c.parquet"]), 2, found=0) == 2


def test_a_table_that_is_not_ours_is_not_taken(commit: Commit, tmp_path: Path) -> None:
    folder = tmp_path / "votes"
    write_deltalake(str(folder), VOTES.to_arrow(compat_level=pl.CompatLevel.oldest()))
    with pytest.raises(TableChanged, match=r"version 0, a WRITE by delta-rs.*--overwrite votes"):
        commit(folder, written(folder, VOTES, ["b.parquet"]), 2, found=None)


@pytest.mark.parametrize("there", [True, False])
def test_a_commit_at_the_same_time_wins_or_loses_but_does_not_mix(
    spark: SparkSession, commit: Commit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    folder = tmp_path / "votes"
    if there:
        commit(folder, written(folder, VOTES, ["a.parquet"]), 1)
    about_to_commit = commit_module.no_rivals

    def be_late(ref: TableRef) -> AbstractContextManager[None]:
        write_deltalake(str(folder), VOTES.head(1).to_arrow(compat_level=pl.CompatLevel.oldest()), mode="append")
        return about_to_commit(ref)

    monkeypatch.setattr(commit_module, "no_rivals", be_late)
    with pytest.raises(TableChanged, match=r"another writer committed to '.*/votes' at the same time"):
        commit(folder, written(folder, VOTES, ["b.parquet"]), 2, found=0 if there else None)
    assert content(folder).height == (7 if there else 1)


def test_a_file_that_only_a_worker_sees_is_told(spark: SparkSession, tmp_path: Path) -> None:
    ref = parse_ref(str(tmp_path / "votes"))
    version = write_frame(spark, ref, spark.range(3, numPartitions=2), transition=Transition("sparkws/spam.votes", 1))
    gone = next((tmp_path / "votes").glob("part-*.parquet"))
    gone.unlink()  # as if its worker had a folder of its own
    message = f"version 0 of '{tmp_path}/votes' lacks 1 of the files that workers wrote, the first is '{gone.name}'"
    with pytest.raises(FolderNotShared, match=message):
        check_files(tmp_path / "votes", version)


def test_a_commit_without_a_word_is_a_strangers(commit: Commit, tmp_path: Path) -> None:
    folder = tmp_path / "votes"
    commit(folder, written(folder, VOTES, ["a.parquet"]), 1)
    write_deltalake(str(folder), VOTES.head(1).to_arrow(compat_level=pl.CompatLevel.oldest()), mode="append")
    log = folder / "_delta_log" / f"{1:020}.json"
    log.write_text("".join(line for line in log.read_text().splitlines(True) if "commitInfo" not in line))
    with pytest.raises(TableChanged, match="version 1, a commit by somebody"):
        commit(folder, written(folder, VOTES, ["b.parquet"]), 2, found=0)


def test_another_run_of_the_same_step_is_told(commit: Commit, tmp_path: Path) -> None:
    folder = tmp_path / "votes"
    commit(folder, written(folder, VOTES, ["a.parquet"]), 1)
    commit(folder, written(folder, VOTES.head(2), ["b.parquet"]), 2)
    with pytest.raises(TableChanged, match=r"another run of the step 'spam\.votes' committed version 1 of"):
        commit(folder, written(folder, VOTES, ["c.parquet"]), 3, found=0)
    assert content(folder).height == 2


def test_a_table_that_takes_no_commit_says_why(commit: Commit, tmp_path: Path) -> None:
    folder = tmp_path / "votes"
    commit(folder, written(folder, VOTES, ["a.parquet"]), 1)
    DeltaTable(str(folder)).alter.set_table_properties({"delta.appendOnly": "true"})
    with pytest.raises(EngineError, match=r"table '.*/votes' cannot be written: .*append-only"):
        commit(folder, written(folder, VOTES, ["b.parquet"]), 2)


def test_a_named_table_with_a_ledger_behind_is_told(spark: SparkSession) -> None:
    spark.sql("CREATE SCHEMA IF NOT EXISTS behind")
    ref = parse_ref("behind.votes")
    rows = spark.range(3)
    assert write_frame(spark, ref, rows, transition=Transition("sparkws/spam.votes", 5)) == 0
    with pytest.raises(EngineError, match=r"'behind\.votes' already holds a later commit .* than number 4"):
        write_frame(spark, ref, rows, transition=Transition("sparkws/spam.votes", 4))
    assert spark.table("behind.votes").count() == 3
