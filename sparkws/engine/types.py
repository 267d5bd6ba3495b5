"""One schema in three languages: polars in kernels, Arrow on the way, Spark at the end."""

import polars as pl
import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import StructType

from sparkws.errors import DataError


def polars_schema(schema: pa.Schema) -> pl.Schema:
    """The polars types of Arrow columns."""
    frame = pl.from_arrow(schema.empty_table())
    assert isinstance(frame, pl.DataFrame)
    return frame.schema


def arrow_schema(schema: pl.Schema) -> pa.Schema:
    """The Arrow types of polars columns, with 32-bit offsets, as Spark and Parquet readers expect them."""
    return pa.schema([(name, _narrow(field)) for name, field in zip(schema, _arrow_types(schema), strict=True)])


def spark_schema(schema: pl.Schema) -> StructType:
    """The Spark types of polars columns."""
    return from_arrow_schema(arrow_schema(schema), prefer_timestamp_ntz=True)


def polars_schema_of_spark(schema: StructType) -> pl.Schema:
    """The polars types of Spark columns."""
    return polars_schema(to_arrow_schema(schema))


def to_arrow(frame: pl.DataFrame, schema: pa.Schema) -> list[pa.RecordBatch]:
    """`frame` as Arrow batches of exactly `schema`."""
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
    batches: list[pa.RecordBatch] = table.combine_chunks().to_batches()
    return batches


def to_polars(batch: pa.RecordBatch | pa.Table, schema: pl.Schema | None = None) -> pl.DataFrame:
    """An Arrow batch as a frame, with the types of `schema` where one is given."""
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)
    return frame if schema is None else frame.select(schema.names()).cast(schema)


def check_texts(batch: pa.RecordBatch, where: str = "") -> None:
    """Refuse text that is not UTF-8: polars would take it at its word, and Python could not read it.

    Raises
    ------
    DataError
        With the column, and `where` it is.
    """
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_primitive(column.type):
            continue
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise DataError(
                f"column {name!r}{where} holds text that is not UTF-8 ({error}). Mend it where it is written, or read "
                f"it by 'source.query' with make_valid_utf8(`{name}`)."
            ) from None


def _arrow_types(schema: pl.Schema) -> list[pa.DataType]:
    empty = pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.oldest())
    types: list[pa.DataType] = empty.schema.types
    return types


def _narrow(dtype: pa.DataType) -> pa.DataType:
    """The same type with 32-bit offsets."""
    if pa.types.is_large_string(dtype):
        return pa.string()
    if pa.types.is_large_binary(dtype):
        return pa.binary()
    if pa.types.is_large_list(dtype) or pa.types.is_list(dtype):
        return pa.list_(_narrow(dtype.value_type))
    if pa.types.is_map(dtype):
        return pa.map_(_narrow(dtype.key_type), _narrow(dtype.item_type))
    if pa.types.is_struct(dtype):
        return pa.struct([(dtype.field(i).name, _narrow(dtype.field(i).type)) for i in range(dtype.num_fields)])
    return dtype
