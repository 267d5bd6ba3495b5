"""Different inputs of a function: told apart by a hash, and those of which a table has no result yet."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from sparkws.engine.failures import our_errors
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options, map_batches
from sparkws.engine.refs import TableRef, quote_column
from sparkws.engine.relational import with_columns, with_joined
from sparkws.engine.tables import Query, Source, read
from sparkws.engine.writes import write_frame
from sparkws.kernels import MapKernel

# 128 bits of SHA-256. A billion different inputs have one chance in 10^21 that two of them share a hash, and
# whoever wants to make two that do has to try 2^64, which shorter or weaker hashes would not ask for.
_HASH: Final = "substring(sha2(concat({parts}), 256), 1, 32)"
_MICROSECONDS: Final = "map('timestampFormat', 'yyyy-MM-dd\\'T\\'HH:mm:ss.SSSSSSXXX')"


def input_hash(columns: Sequence[str], schema: pl.Schema) -> str:
    """Spark SQL for 32 hex digits of the values of some columns.

    Each value is preceded by its length, and NULL has none, so different values never give the same text.
    """
    texts = [_text(quote_column(name), schema[name]) for name in sorted(columns)]
    return _HASH.format(parts=", ".join(f"coalesce(concat(char_length({text}), ':', {text}), '-')" for text in texts))


def append_new(
    spark: SparkSession,
    kernel: MapKernel,
    source: Source,
    target: TableRef,
    transition: Transition,
    options: Options,
    *,
    known: Source | None,
    input_column: str,
    where: str,
) -> int:
    """Append the kernel's rows for the different inputs that a table does not know, and give its new version.

    Parameters
    ----------
    source : Source
        Has the hash of each input in `input_column`.
    known : Source or None
        The table as it is; None: it knows nothing.
    where : str
        Spark SQL over the table: the rows that count.
    """
    inputs = read(spark, source).select(*[F.col(quote_column(name)) for name in kernel.columns])
    new = inputs.dropDuplicates([input_column])
    if known is not None:
        there = read(spark, known).where(where).select(input_column)
        new = new.join(there, input_column, "left_anti")
    made = map_batches(spark, kernel, Query(f"new inputs of {source}", new, source.inputs), options)
    with our_errors():
        return write_frame(spark, target, made, transition=transition, mode="append")


def with_results(
    spark: SparkSession,
    source: Source,
    table: Source,
    *,
    hashed: str,
    input_column: str,
    where: str,
    first: str,
    columns: Mapping[str, str],
) -> Query:
    """The rows of a source, each once, with columns of the row of a table that is of its input.

    Parameters
    ----------
    hashed : str
        Spark SQL over the source for the hash of an input.
    where : str
        Spark SQL over the table: the rows that count.
    first : str
        Spark SQL: of several rows of an input that with the smallest value is taken.
    columns : mapping of str to str
        New names, and columns of the table.
    """
    kept = [F.col(quote_column(name)).alias(f"c{i}") for i, name in enumerate(columns.values())]
    rows = (
        read(spark, table).where(where).groupBy(input_column).agg(F.min_by(F.struct(*kept), F.expr(first)).alias("row"))
    )
    once = Query(str(table), rows, table.inputs)
    fields = {new: f"row.c{i}" for i, new in enumerate(columns)}
    return with_joined(spark, source, once, on=[(hashed, input_column)], columns=fields)


def hashed_inputs(spark: SparkSession, source: Source, name: str, sql: str) -> Query:
    """The rows of a source with the hash of their input in a column `name`."""
    return with_columns(spark, source, {name: sql})


def count_rows(spark: SparkSession, source: Source, conditions: Mapping[str, str]) -> dict[str, int]:
    """How many rows meet each of some conditions in Spark SQL."""
    counts = [F.count_if(F.expr(sql)).alias(name) for name, sql in conditions.items()]
    row = read(spark, source).agg(*counts).collect()[0]
    return {name: row[name] for name in conditions}


def _text(column: str, dtype: Any) -> str:
    if dtype == pl.Binary:
        return f"hex({column})"
    # A cast of nested values would not tell a comma in a text from one between two.
    return f"to_json(struct({column}), {_MICROSECONDS})" if dtype.is_nested() else f"CAST({column} AS STRING)"
