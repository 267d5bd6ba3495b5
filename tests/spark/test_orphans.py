"""What `clean` finds: files that no version of a table holds, old enough, and nothing else."""

import os
import time
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from sparkws.engine.orphans import remove_orphans, remove_probes
from sparkws.engine.refs import parse_ref, parse_workspace

ROWS = pl.DataFrame({"item_id": ["a", "b"]}).to_arrow(compat_level=pl.CompatLevel.oldest())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table of two versions, beside which killed runs left files; some of them a day ago."""
    table = tmp_path / "spam_votes"
    write_deltalake(str(table), ROWS)
    write_deltalake(str(table), ROWS, mode="overwrite")
    for name in ("part-old-0-x.parquet", ".part-old-0-x.parquet.crc", "_delta_log/_commit_old.json.tmp"):
        (table / name).write_text("left behind")
        os.utime(table / name, (time.time() - 90_000,) * 2)
    (table / "part-young-0-x.parquet").write_text("left behind")
    (table / "notes.txt").write_text("not ours")
    return table


def remove(spark: SparkSession, folder: Path, older_than_h: float, *, dry_run: bool = False) -> list[str]:
    ref = parse_ref(str(folder))
    removed = remove_orphans(spark, ref, older_than_h=older_than_h, dry_run=dry_run, is_shared=True)
    return sorted(str(Path(name).relative_to(folder)) for name in removed)


def test_old_files_without_a_version_go(spark: SparkSession, folder: Path) -> None:
    old = [".part-old-0-x.parquet.crc", "_delta_log/_commit_old.json.tmp", "part-old-0-x.parquet"]
    assert remove(spark, folder, 24, dry_run=True) == old
    assert all((folder / name).exists() for name in old)
    assert remove(spark, folder, 24) == old
    assert not any((folder / name).exists() for name in old)
    assert remove(spark, folder, 0) == ["part-young-0-x.parquet"]
    assert (folder / "notes.txt").exists()
    for version in (0, 1):
        assert DeltaTable(str(folder), version=version).to_pyarrow_table().num_rows == 2


def test_a_version_that_says_nothing_of_itself_keeps_its_files(spark: SparkSession, folder: Path) -> None:
    log = folder / "_delta_log" / f"{0:020}.json"
    log.write_text("".join(line for line in log.read_text().splitlines(True) if "commitInfo" not in line))
    remove(spark, folder, 0)
    for version in (0, 1):
        assert DeltaTable(str(folder), version=version).to_pyarrow_table().num_rows == 2


def test_a_folder_that_never_became_a_table_is_emptied(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "spam_votes").mkdir()
    (tmp_path / "spam_votes" / "part-0.parquet").write_text("left behind")
    assert remove(spark, tmp_path / "spam_votes", 0) == ["part-0.parquet"]
    assert remove(spark, tmp_path / "not there", 0) == []


def test_what_probes_left_goes(tmp_path: Path) -> None:
    for name in (".sparkws-abc", ".sparkws-abc-def", ".sparkws.lock", "notes"):
        (tmp_path / name).write_text("")
    assert remove_probes(parse_workspace(str(tmp_path)), older_than_h=0, dry_run=False) == [], "a job may be at them"
    for file in tmp_path.iterdir():
        os.utime(file, (time.time() - 3600,) * 2)
    removed = remove_probes(parse_workspace(str(tmp_path)), older_than_h=0, dry_run=False)
    assert [Path(name).name for name in removed] == [".sparkws-abc", ".sparkws-abc-def"]
    assert (tmp_path / ".sparkws.lock").exists()


def test_a_named_table_is_vacuumed_by_its_own_rule(spark: SparkSession) -> None:
    spark.sql("CREATE SCHEMA IF NOT EXISTS cleaned")
    spark.range(3).write.format("delta").saveAsTable("cleaned.spam_votes")
    spark.range(4).write.format("delta").mode("overwrite").saveAsTable("cleaned.spam_votes")
    location = spark.sql("DESCRIBE DETAIL cleaned.spam_votes").collect()[0]["location"].removeprefix("file:")
    stray = Path(location) / "part-left-behind.parquet"
    stray.write_text("left behind")
    month_ago = time.time() - 30 * 86_400
    os.utime(stray, (month_ago, month_ago))
    ref = parse_ref("cleaned.spam_votes")
    found = remove_orphans(spark, ref, older_than_h=24, dry_run=True, is_shared=False)
    assert [Path(name).name for name in found] == [stray.name]
    remove_orphans(spark, ref, older_than_h=24, dry_run=False, is_shared=False)
    assert not stray.exists()
    assert spark.table("cleaned.spam_votes").count() == 4
    assert remove_orphans(spark, parse_ref("cleaned.nothing"), older_than_h=24, dry_run=False, is_shared=False) == []
