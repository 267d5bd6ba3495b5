"""Files that killed runs left beside the tables, which no version of a table holds."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pyspark.sql import SparkSession

from sparkws.engine.direct import data_files
from sparkws.engine.history import commits_after
from sparkws.engine.refs import TableRef, Workspace
from sparkws.engine.tables import find_version

_HOUR_S: Final = 3600
# Below a folder of a table: what workers and Spark wrote for a commit, and commits of delta-rs that were not made.
_OF_TABLES: Final = ("*.parquet", ".*.parquet.crc", "_delta_log/*.tmp")
# In the workspace: what probes wrote.
_OF_PROBES: Final = (".sparkws-*",)


def remove_orphans(
    spark: SparkSession, ref: TableRef, *, older_than_h: float, dry_run: bool, is_shared: bool
) -> list[str]:
    """Remove the files of a table that no version of it holds, and give their names.

    All versions that the table's history still has can be read afterwards. Where this process cannot see
    the folder, Spark's VACUUM does it, by Delta's own rule: it also removes files of versions that were
    replaced longer ago than the table's retention, and never any that is younger than that.

    Parameters
    ----------
    older_than_h : float
        Younger files are left alone.
    is_shared : bool
        Whether this process sees the folder of the table as the workers do.
    """
    folder = ref.folder
    if folder is not None and is_shared:
        return _remove(_old(_orphans(spark, ref, folder), older_than_h), dry_run=dry_run)
    if find_version(spark, ref) is None:
        return []
    found = spark.sql(f"VACUUM {ref.sql}{' DRY RUN' if dry_run else ''}").collect()
    return sorted(row[0] for row in found) if dry_run else []


def remove_probes(workspace: Workspace, *, older_than_h: float, dry_run: bool) -> list[str]:
    """Remove what killed probes left in a workspace that this process sees, and give the names."""
    folder = workspace.root.folder
    found = [] if folder is None else [file for pattern in _OF_PROBES for file in folder.glob(pattern)]
    return _remove(_old(iter(found), older_than_h), dry_run=dry_run)


def _orphans(spark: SparkSession, ref: TableRef, folder: Path) -> Iterator[Path]:
    newest = find_version(spark, ref)
    versions = {commit.version for commit in commits_after(spark, ref, -1)} | (
        {newest} if newest is not None else set()
    )
    held = {file.name for version in versions for file in data_files(folder, version)}
    for pattern in _OF_TABLES:
        for file in folder.glob(pattern):
            # Hadoop's checksum of x.parquet is .x.parquet.crc
            if file.name.removeprefix(".").removesuffix(".crc") not in held and file.name not in held:
                yield file


def _old(files: Iterator[Path], older_than_h: float) -> list[Path]:
    newest = time.time() - older_than_h * _HOUR_S
    return sorted(file for file in files if file.stat().st_mtime <= newest)


def _remove(files: list[Path], *, dry_run: bool) -> list[str]:
    for file in files:
        if not dry_run:
            file.unlink(missing_ok=True)
    return [str(file) for file in files]
