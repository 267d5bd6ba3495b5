"""Delta tables: what is there, at which version, and how its rows are read.

The module is longer than 300 lines because folders, tables of a catalog and views answer the same questions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkws.engine.refs import TableRef, Workspace, quote_column
from sparkws.engine.types import polars_schema, polars_schema_of_spark, to_polars
from sparkws.errors import ConfigError, EngineError, TableNotFound

# Reader features that the direct lane understands beyond plain Parquet files: none that moves or hides rows.
_PLAIN_FEATURES: Final = frozenset({"timestampNtz", "vacuumProtocolCheck", "appendOnly", "invariants"})

# What Spark says of a table that is not there; anything else is a table that cannot be read.
_NOT_THERE: Final = frozenset(
    {
        "DELTA_MISSING_DELTA_TABLE",
        "DELTA_ONLY_OPERATION",
        "DELTA_PATH_DOES_NOT_EXIST",
        "DELTA_TABLE_NOT_FOUND",
        "DELTA_TABLE_ONLY_OPERATION",
        "DELTA_VERSION_NOT_FOUND",
        "PATH_NOT_FOUND",
        "TABLE_OR_VIEW_NOT_FOUND",
    }
)


@dataclass(frozen=True)
class TableVersion:
    """One version of a Delta table.

    Attributes
    ----------
    folder : Path or None
        Where its files are, if that is a folder that this process can read.
    schema : pl.Schema
        Its columns.
    hidden : str
        Why its files alone do not tell its rows; empty when they do.
    """

    ref: TableRef
    version: int
    folder: Path | None
    schema: pl.Schema
    hidden: str

    @property
    def inputs(self) -> dict[str, int | None]:
        """The table and its version, for the ledger."""
        return {str(self.ref): self.version}

    def __str__(self) -> str:
        return str(self.ref)


@dataclass(frozen=True)
class Query:
    """Rows that only Spark can read: a query, a view, a data frame.

    Attributes
    ----------
    label : str
        What messages call it.
    frame : DataFrame
        Lazy.
    inputs : mapping of str to int or None
        The tables behind it with their versions, None where there is none to compare.
    """

    label: str
    frame: DataFrame
    inputs: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def schema(self) -> pl.Schema:
        """Its columns."""
        return polars_schema_of_spark(self.frame.schema)

    def __str__(self) -> str:
        return self.label


Source = TableVersion | Query


def open_table(spark: SparkSession, ref: TableRef, version: int | None = None) -> Source:
    """A version of a table, the newest by default; a view comes back as a query.

    Raises
    ------
    TableNotFound
        If there is no such table or version.
    """
    folder = ref.folder
    if folder is not None and (folder / "_delta_log").is_dir():
        return _of_folder(ref, folder, version)
    if ref.path:
        return _of_spark(spark, ref, None, version)
    if not _exists(spark.catalog.tableExists, ref):
        raise TableNotFound(f"there is no table {str(ref)!r}.")
    try:
        detail = spark.sql(f"DESCRIBE DETAIL {ref.sql}").collect()[0]
    except PySparkException as error:
        view = _of_view(spark, ref, error)
        if version is not None:
            raise TableNotFound(f"{str(ref)!r} is a view, so it has no version {version}.") from None
        return view
    location = TableRef(path=detail["location"] or "").folder
    if location is not None and (location / "_delta_log").is_dir():
        return _of_folder(ref, location, version)
    return _of_spark(spark, ref, location, version)


def check_workspace(spark: SparkSession, workspace: Workspace) -> None:
    """Refuse a schema of the catalog that does not exist.

    Raises
    ------
    ConfigError
        With the name of the schema.
    """
    name = workspace.root.name
    if name and not _exists(spark.catalog.databaseExists, workspace.root):
        raise ConfigError(f"there is no schema {str(workspace.root)!r} for the workspace; create it, or name a folder.")


def open_version(spark: SparkSession, ref: TableRef, version: int | None = None) -> TableVersion:
    """A version of a Delta table, the newest by default.

    Raises
    ------
    TableNotFound
        If there is no such table or version, or it is a view.
    """
    found = open_table(spark, ref, version)
    if isinstance(found, Query):
        raise TableNotFound(f"{str(ref)!r} is a view; a Delta table is needed here.")
    return found


def find_table(spark: SparkSession, ref: TableRef, *, shares_folder: bool = False) -> TableVersion | None:
    """The newest version of a Delta table, None if there is no such table.

    Parameters
    ----------
    shares_folder : bool
        Whether this process sees the table's folder as Spark does: then Spark need not be asked for what is
        not there.
    """
    if shares_folder and ref.folder is not None and not (ref.folder / "_delta_log").is_dir():
        return None
    try:
        found = open_table(spark, ref)
    except TableNotFound:
        return None
    return found if isinstance(found, TableVersion) else None


def find_version(spark: SparkSession, ref: TableRef, *, shares_folder: bool = False) -> int | None:
    """The number of the newest version, as `find_table` finds it."""
    found = find_table(spark, ref, shares_folder=shares_folder)
    return None if found is None else found.version


def read(spark: SparkSession, source: Source) -> DataFrame:
    """The rows of a source as a Spark data frame."""
    if isinstance(source, Query):
        return source.frame
    reader = spark.read.format("delta").option("versionAsOf", source.version)
    return reader.load(source.ref.path) if source.ref.path else reader.table(source.ref.sql)


def query(spark: SparkSession, sql: str, tables: Mapping[str, TableRef]) -> Query:
    """The rows of a SQL query in which {name} stands for a table of `tables`, at its present version.

    Raises
    ------
    TableNotFound
        If one of the tables is not there.
    ConfigError
        If the query names another table in braces, or Spark refuses it.
    """
    opened = {name: open_table(spark, ref) for name, ref in tables.items()}
    names = {
        name: f"{source.ref.sql} VERSION AS OF {source.version}"
        if isinstance(source, TableVersion)
        else tables[name].sql
        for name, source in opened.items()
    }
    try:
        filled = sql.format_map(names)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ConfigError(f"the query has {error} in braces; 'tables' names {sorted(tables)}.") from None
    unused = [name for name in names if f"{{{name}}}" not in sql]
    if unused:
        raise ConfigError(f"the query does not use {unused} of its 'tables'; write {{{unused[0]}}} in braces for it.")
    try:
        # In parentheses only a query is possible: nothing that creates, changes or drops.
        frame = spark.sql(f"SELECT * FROM ({filled.strip().rstrip(';')})")  # noqa: S608
    except PySparkException as error:
        raise ConfigError(f"Spark refuses the query: {first_line(error)}.") from None
    inputs = {table: version for source in opened.values() for table, version in source.inputs.items()}
    return Query("the query", frame, inputs or {"the query": None})


def read_rows(
    spark: SparkSession,
    source: TableVersion,
    *,
    at_least: tuple[str, int] | None = None,
    equal: tuple[str, str] | None = None,
) -> pl.DataFrame:
    """The rows of a small table: all, or those in which a column has at least some value, or one is equal to it."""
    asked: list[tuple[str, str, Any]]
    asked = [(how, *condition) for how, condition in ((">=", at_least), ("=", equal)) if condition is not None]
    if source.folder is not None and not source.hidden:
        filters = [(column, how, value) for how, column, value in asked]
        table = DeltaTable(str(source.folder), version=source.version).to_pyarrow_table(filters=filters or None)
    else:
        frame = read(spark, source)
        for how, column, value in asked:
            cell = F.col(quote_column(column))
            frame = frame.where(cell >= value if how == ">=" else cell == value)
        table = frame.toArrow()
    return to_polars(table, source.schema)


def count_by(spark: SparkSession, source: Source, column: str) -> dict[Any, int]:
    """How many rows have each value of a column of few values."""
    return {row[0]: row["count"] for row in read(spark, source).groupBy(quote_column(column)).count().collect()}


def _of_folder(ref: TableRef, folder: Path, version: int | None) -> TableVersion:
    try:
        table = DeltaTable(str(folder), version=version)
    except TableNotFoundError:
        raise TableNotFound(f"there is no Delta table at {str(ref)!r}.") from None
    except Exception:  # delta-rs has no error class of its own for a missing version
        if version is None:
            raise
        newest = DeltaTable(str(folder)).version()
        raise TableNotFound(f"table {str(ref)!r} has no version {version}; its newest is {newest}.") from None
    protocol = table.protocol()
    features = set(protocol.reader_features or []) - _PLAIN_FEATURES
    mapping = table.metadata().configuration.get("delta.columnMapping.mode", "none")
    hidden = ""
    if features:
        hidden = f"the table uses {sorted(features)}"
    elif mapping != "none" or protocol.min_reader_version == 2:
        hidden = "the table maps its columns to other names"
    return TableVersion(ref, table.version(), folder, _schema_of(table), hidden)


def _of_spark(spark: SparkSession, ref: TableRef, folder: Path | None, version: int | None) -> TableVersion:
    """Facts of a table whose log only Spark can read."""
    try:
        newest = spark.sql(f"DESCRIBE HISTORY {ref.sql} LIMIT 1").collect()[0]["version"]
        at = newest if version is None else version
        rows = spark.sql(f"SELECT * FROM {ref.sql} VERSION AS OF {int(at)}")  # noqa: S608  # the name is quoted
        schema = polars_schema_of_spark(rows.schema)
    except (PySparkException, Py4JError) as error:
        known = error.getCondition() if isinstance(error, PySparkException) else None
        if known not in _NOT_THERE:
            raise EngineError(f"table {str(ref)!r} cannot be read: {first_line(error)}.") from None
        what = "Delta table" if version is None else f"Delta table with a version {version} at"
        raise TableNotFound(f"there is no {what} {str(ref)!r} (Spark says {known}).") from None
    return TableVersion(ref, at, folder, schema, "its log cannot be read beside Spark")


def _of_view(spark: SparkSession, ref: TableRef, error: PySparkException) -> Query:
    try:
        frame = spark.sql(f"SELECT * FROM {ref.sql}")  # noqa: S608  # the name is quoted
        return Query(str(ref), frame, {str(ref): None})
    except PySparkException:
        raise TableNotFound(f"there is no table {str(ref)!r}: {first_line(error)}.") from None


def _exists(looks: Callable[[str], bool], ref: TableRef) -> bool:
    """Whether the catalog has a name; one that Spark cannot even look for, such as a`b, is not there."""
    try:
        return looks(ref.sql)
    except PySparkException as error:
        if (error.getCondition() or "").startswith("INVALID_ATTRIBUTE_NAME"):
            return False
        raise


def _schema_of(table: DeltaTable) -> pl.Schema:
    return polars_schema(pa.schema(table.schema().to_arrow()))


def first_line(error: Exception) -> str:
    """What Spark says of an error, without its code and the plan."""
    return str(error).strip().splitlines()[0].partition(" SQLSTATE:")[0].rstrip(".; ")
