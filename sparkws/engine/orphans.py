"""Files that killed runs left beside the tables, which no version of a table holds."""

import time
from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path
from typing import Final

from deltalake.exceptions import DeltaError
from pyspark.sql import SparkSession

from sparkws.engine.direct import data_files
from sparkws.engine.history import commits_after
from sparkws.engine.refs import TableRef, Workspace
from sparkws.engine.tables import find_version
from sparkws.errors import EngineError

_HOUR_S: Final = 3600
_PROBE_H: Final = 0.25  # a job that waits for the lock has probed before: its files are younger
# Below a folder of a table: what workers and Spark wrote for a commit, and commits of delta-rs that were not made.
_OF_TABLES: Final = ("*.parquet", ".*.parquet.crc", "_delta_log/*.tmp")
_OF_PROBES: Final = ".sparkws-*"  # in the workspace


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
    found = () if folder is None else folder.glob(_OF_PROBES)
    return _remove(_old(found, max(older_than_h, _PROBE_H)), dry_run=dry_run)


def _orphans(spark: SparkSession, ref: TableRef, folder: Path) -> Iterator[Path]:
    newest = find_version(spark, ref)
    versions = {commit.version for commit in commits_after(spark, ref, -1)} | {newest}
    held = {file.name for version in versions if version is not None for file in _files(folder, version)}
    for pattern in _OF_TABLES:
        for file in folder.glob(pattern):
            # Hadoop's checksum of x.parquet is .x.parquet.crc
            if file.name.removeprefix(".").removesuffix(".crc") not in held and file.name not in held:
                yield file


def _files(folder: Path, version: int) -> list[Path]:
    try:
        return data_files(folder, version)
    except DeltaError as error:
        raise EngineError(
            f"version {version} of {str(folder)!r} cannot be read ({error}), so nobody knows which files it holds; "
            "nothing of the table was removed."
        ) from None


def _old(files: Iterable[Path], older_than_h: float) -> list[Path]:
    newest = time.time() - older_than_h * _HOUR_S
    return sorted(file for file in files if _modified(file) <= newest)


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # its own job took it away just now
        return inf


def _remove(files: list[Path], *, dry_run: bool) -> list[str]:
    for file in files:
        if not dry_run:
            file.unlink(missing_ok=True)
    return [str(file) for file in files]
