"""Write Delta tables: what identifies a commit, and the properties of every published table."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from sparkws.engine.refs import TableRef
from sparkws.engine.tables import find_version
from sparkws.engine.types import arrow_schema, polars_schema_of_spark, spark_schema
from sparkws.errors import EngineError
from sparkws.vocab import ITEM_ID

# Published tables stay at reader version 1, so that delta-rs, polars, DuckDB and Trino can read them.
PROPERTIES: Final[Mapping[str, str]] = {
    "delta.enableDeletionVectors": "false",
    "delta.columnMapping.mode": "none",
    "delta.checkpointPolicy": "classic",
}


@dataclass(frozen=True)
class Transition:
    """The identity of a step's commits, by which a retry is recognized.

    Attributes
    ----------
    application : str
        The step, as "sparkws/sentiment.votes".
    sequence : int
        Reserved in the ledger; greater than that of every commit of the step before.
    note : str
        JSON for the table's history: what the commit was made from.
    """

    application: str
    sequence: int
    note: str = "{}"


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
    properties = commit_properties(transition) if transition else None
    if transition and (done := version_of_transition(folder, transition)) is not None:
        return done
    if not DeltaTable.is_deltatable(str(folder)):
        configuration = dict(properties_for(rows.schema))
        write_deltalake(str(folder), table, configuration=configuration, commit_properties=properties)
    elif mode == "append":
        write_deltalake(str(folder), table, mode="append", commit_properties=properties)
    else:
        write_deltalake(str(folder), table, mode="overwrite", schema_mode="overwrite", commit_properties=properties)
    return DeltaTable(str(folder)).version()


def write_frame(
    spark: SparkSession,
    ref: TableRef,
    frame: DataFrame,
    *,
    transition: Transition | None,
    mode: Literal["append", "overwrite"] = "overwrite",
) -> int:
    """Let Spark write a table and commit it, and give the version that holds it."""
    if transition and ref.folder is not None and (done := version_of_transition(ref.folder, transition)) is not None:
        return done
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
    version = find_version(spark, ref)
    assert version is not None
    return version


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


def version_of_transition(folder: Path, transition: Transition) -> int | None:
    """The version of a table that already has this very commit of a step; None if it has not.

    delta-rs records transactions but does not look at them, and Spark silently skips what is not newer, so
    every commit asks here first.

    Raises
    ------
    EngineError
        If the table has a later commit of the step: the ledger that gave the number is behind.
    """
    if not DeltaTable.is_deltatable(str(folder)):
        return None
    table = DeltaTable(str(folder))
    committed = table.transaction_version(transition.application)
    if committed is not None and committed > transition.sequence:
        raise EngineError(
            f"{str(folder)!r} already holds commit {committed} of {transition.application!r}, this run is number "
            f"{transition.sequence}: the table 'runs' of the workspace is behind. Was it deleted, or is another run "
            "at work? Start in an empty workspace, or bring it back."
        )
    return table.version() if committed == transition.sequence else None


def commit_properties(transition: Transition) -> CommitProperties:
    """What delta-rs writes into the log with a step's commit, as Spark would."""
    return CommitProperties(
        custom_metadata={"userMetadata": transition.note},
        app_transactions=[Transaction(transition.application, transition.sequence)],
    )


def _has_schema(spark: SparkSession, ref: TableRef, frame: DataFrame) -> bool:
    """Whether a named table exists with the columns of a frame."""
    if not spark.catalog.tableExists(ref.sql):
        return False
    there = [(field.name, field.dataType) for field in spark.table(ref.sql).schema]
    return there == [(field.name, field.dataType) for field in frame.schema]
