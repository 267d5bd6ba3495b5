"""What a table in a folder looks like, told without Spark."""

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable

from sparkws.engine.refs import TableRef


def schema_without_spark(ref: TableRef) -> pl.Schema | None:
    """The columns of a Delta table in a folder that this process sees; None for any other table."""
    if ref.folder is None or not DeltaTable.is_deltatable(str(ref.folder)):
        return None
    schema = pa.schema(DeltaTable(str(ref.folder)).schema().to_arrow())
    return pl.DataFrame(pl.from_arrow(schema.empty_table())).schema
