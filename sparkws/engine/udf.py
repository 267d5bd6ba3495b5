"""A kernel as one Spark UDF, for a query of one's own: struct of columns in, struct of columns out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
from pyspark.sql import functions as F

from sparkws.engine.types import arrow_schema, spark_schema, to_polars
from sparkws.engine.worker import WorkerError, encode_error, limit_threads
from sparkws.errors import SparkwsError


def struct_udf(transform: Callable[[pl.DataFrame], pl.DataFrame], schema: pl.Schema) -> Any:
    """`transform` as a UDF from a struct of its input columns to a struct of `schema`.

    Call it as `f(F.struct("*"))`, or register it and write `f(struct(*))` in SQL. Spark 4.1 hands Arrow
    data over; Spark 4.0 only pandas', where integers above 2^53 beside NULLs lose digits.
    """
    carried = _Transform(transform, schema)
    result = spark_schema(schema)
    if hasattr(F, "arrow_udf"):
        return F.arrow_udf(carried.of_arrow, result)
    return F.pandas_udf(carried.of_pandas, result)


@dataclass(frozen=True)
class _Transform:
    transform: Callable[[pl.DataFrame], pl.DataFrame]
    schema: pl.Schema

    def of_arrow(self, rows: pa.Array) -> pa.Array:
        if isinstance(rows, pa.ChunkedArray):
            rows = rows.combine_chunks()
        table = pa.Table.from_batches([pa.RecordBatch.from_struct_array(rows)])
        return self._run(table).to_struct_array().combine_chunks()

    def of_pandas(self, rows: pd.DataFrame) -> pd.DataFrame:
        votes: pd.DataFrame = self._run(pa.Table.from_pandas(rows, preserve_index=False)).to_pandas()
        return votes

    def _run(self, table: pa.Table) -> pa.Table:
        limit_threads(1)
        try:
            frame = self.transform(to_polars(table))
        except SparkwsError as error:
            raise WorkerError(encode_error(error)) from None
        return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(arrow_schema(self.schema))
