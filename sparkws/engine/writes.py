"""Write Delta tables: what identifies a commit, and the properties of every published table."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import DeltaError
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from sparkws.engine.direct import data_files
from sparkws.engine.history import Transition, committed_version, is_conflict, refuse_changed, repeated_version
from sparkws.engine.refs import TableRef
from sparkws.engine.tables import find_version
from sparkws.engine.types import arrow_schema, polars_schema_of_spark, spark_schema
from sparkws.errors import EngineError, FolderNotShared, TableChanged
from sparkws.vocab import ITEM_ID

# Published tables stay at reader version 1, so that delta-rs, polars, DuckDB and Trino can read them.
PROPERTIES: Final[Mapping[str, str]] = {
    "delta.enableDeletionVectors": "false",
    "delta.columnMapping.mode": "none",
    "delta.checkpointPolicy": "classic",
    # Replacing a table must fail when somebody appends to it meanwhile; Databricks' default lets both happen.
    "delta.isolationLevel": "Serializable",
}


@dataclass(frozen=True)
class Destination:
    """Where rows go, under which identity, and what is said of their columns."""

    ref: TableRef
    transition: Transition
    comments: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """The folder, where workers write."""
        assert self.ref.folder is not None
        return self.ref.folder


def write_rows(
    spark: SparkSession,
    ref: TableRef,
    rows: pl.DataFrame,
    *,
    direct: bool,
    transition: Transition | None = None,
    mode: Literal["append", "overwrite"] = "overwrite",
) -> int:
    """Write a small table, and give the version that holds it.

    Parameters
    ----------
    direct : bool
        Whether this process may commit beside Spark; otherwise Spark does it.
    transition : Transition, optional
        The identity of the commit; ledger rows have none.
    """
    schema = arrow_schema(rows.schema)
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
    folder = ref.folder
    if not direct or folder is None:
        frame = spark.createDataFrame(table, schema=spark_schema(rows.schema))
        return write_frame(spark, ref, frame, transition=transition, mode=mode)
    if transition and (done := repeated_version(folder, transition)) is not None:
        return done
    there = DeltaTable(str(folder)) if DeltaTable.is_deltatable(str(folder)) else None
    properties = None
    if transition:
        transition.check_lock()
        properties = commit_properties(transition)
        if there is not None:
            refuse_changed(spark, ref, transition)
    with no_rivals(ref):
        if there is None:
            configuration = dict(properties_for(rows.schema))
            write_deltalake(str(folder), table, configuration=configuration, commit_properties=properties)
        elif mode == "append":
            write_deltalake(there, table, mode="append", commit_properties=properties)
        else:
            write_deltalake(there, table, mode="overwrite", schema_mode="overwrite", commit_properties=properties)
    return version_behind(spark, ref, transition)


def write_frame(
    spark: SparkSession,
    ref: TableRef,
    frame: DataFrame,
    *,
    transition: Transition | None,
    mode: Literal["append", "overwrite"] = "overwrite",
) -> int:
    """Let Spark write a table and commit it, and give the version that holds it."""
    if transition and ref.folder is not None and (done := repeated_version(ref.folder, transition)) is not None:
        return done
    if transition:
        transition.check_lock()
        refuse_changed(spark, ref, transition)
    with no_rivals(ref):
        _let_spark_write(spark, ref, frame, transition, mode)
    version = version_behind(spark, ref, transition)
    if ref.folder is not None and DeltaTable.is_deltatable(str(ref.folder)):
        check_files(ref.folder, version)
    return version


def _let_spark_write(
    spark: SparkSession,
    ref: TableRef,
    frame: DataFrame,
    transition: Transition | None,
    mode: Literal["append", "overwrite"],
) -> None:
    writer = frame.write.format("delta").mode(mode)
    for key, value in properties_for(polars_schema_of_spark(frame.schema)).items():
        writer = writer.option(key, value)
    if mode == "overwrite":
        writer = writer.option("overwriteSchema", "true")
    if transition:
        writer = writer.option("txnAppId", transition.application).option("txnVersion", transition.sequence)
        writer = writer.option("userMetadata", transition.note)
    if ref.path:
        writer.save(ref.path)
    elif mode == "overwrite" and _has_schema(spark, ref, frame):
        # Replacing a named table would lose what was observed of the rows; overwriting its rows does not.
        rows = frame.writeTo(ref.sql)
        if transition:
            rows = rows.option("txnAppId", transition.application).option("txnVersion", transition.sequence)
            rows = rows.option("userMetadata", transition.note)
        rows.overwrite(F.lit(True))
    else:
        writer.saveAsTable(ref.sql)


def version_behind(spark: SparkSession, ref: TableRef, transition: Transition | None) -> int:
    """The version that a commit made: that of the step's own commit, whatever came behind it."""
    if transition:
        return committed_version(spark, ref, transition)
    version = find_version(spark, ref)
    assert version is not None
    return version


@contextmanager
def no_rivals(ref: TableRef) -> Iterator[None]:
    """Turn a commit that failed into one sentence.

    Raises
    ------
    TableChanged
        If somebody committed to the table between the look at it and the commit.
    EngineError
        If the table takes no such commit.
    """
    try:
        yield
    except (DeltaError, PySparkException, Py4JError) as error:
        if not is_conflict(error):
            if isinstance(error, DeltaError):
                raise EngineError(f"table {str(ref)!r} cannot be written: {str(error).rstrip('.')}.") from error
            raise
        raise TableChanged(
            f"another writer committed to {str(ref)!r} at the same time, so nothing was written to it; "
            "run again, and see in its history who it was."
        ) from None


def check_files(folder: Path, version: int) -> None:
    """See that the files of a version are there as this process sees the folder.

    Raises
    ------
    FolderNotShared
        If one is missing: a worker wrote it into a folder of its own.
    """
    missing = [file for file in data_files(folder, version) if not file.exists()]
    if missing:
        older = f"; until then read version {version - 1}" if version else ""
        raise FolderNotShared(
            f"version {version} of {str(folder)!r} lacks {len(missing):,} of the files that workers wrote, the first "
            f"is {missing[0].name!r}: a worker has a folder of its own there. Put the workspace on storage that all "
            f"workers share and run again{older}."
        )


def observed_metrics(observation: Observation) -> dict[str, Any] | None:
    """What was observed of rows that were written; None where Spark lost it."""
    try:
        found: dict[str, Any] = observation.get
    except (PySparkException, Py4JError):
        return None
    return found or None


def properties_for(schema: pl.Schema) -> dict[str, str]:
    """The properties of a published table; statistics in its log cover the key only, where it has one."""
    if ITEM_ID not in schema:
        return dict(PROPERTIES)
    # Of bytes and truth values Delta keeps no range, and refuses to be asked for one.
    is_ranged = schema[ITEM_ID] not in (pl.Binary, pl.Boolean)
    keyed = {"delta.dataSkippingStatsColumns": ITEM_ID} if is_ranged else {"delta.dataSkippingNumIndexedCols": "0"}
    return {**PROPERTIES, **keyed}


def commit_properties(transition: Transition) -> CommitProperties:
    """What delta-rs writes into the log with a step's commit, as Spark would."""
    return CommitProperties(
        custom_metadata={"userMetadata": transition.note},
        app_transactions=[Transaction(transition.application, transition.sequence)],
        max_commit_retries=0,  # what came between has to be looked at, not written over
    )


def _has_schema(spark: SparkSession, ref: TableRef, frame: DataFrame) -> bool:
    """Whether a named table exists with the columns of a frame."""
    if not spark.catalog.tableExists(ref.sql):
        return False
    there = [(field.name, field.dataType) for field in spark.table(ref.sql).schema]
    return there == [(field.name, field.dataType) for field in frame.schema]
