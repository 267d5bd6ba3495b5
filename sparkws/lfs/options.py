"""What labeling functions and preprocessors have in common: kinds of batches, names of columns, resources."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import polars as pl
import pyarrow as pa

from sparkws.checks import did_you_mean, first_few
from sparkws.errors import InvalidFunction, MissingColumns

Vectorized = Literal["polars", "arrow"]
VECTORIZED: Final = ("polars", "arrow")


def check_call(owner: str, f: Callable[..., Any], resources: Mapping[str, Any]) -> None:
    """Refuse a function that cannot be called with an item or a batch and its resources.

    Raises
    ------
    InvalidFunction
        With what Python says of it.
    """
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # a builtin without a signature
        return
    try:
        signature.bind(object(), **resources)
    except TypeError as error:
        raise InvalidFunction(
            f"{owner} cannot be called with an item and the resources {sorted(resources)}: {error}."
        ) from None


def check_columns(owner: str, columns: object) -> tuple[str, ...]:
    """Names of columns as a tuple without repetitions.

    Raises
    ------
    InvalidFunction
        If they are no list of names.
    """
    if isinstance(columns, str) or not isinstance(columns, Sequence):
        raise InvalidFunction(f"'columns' of {owner} must be a list of names, got {columns!r}.")
    return tuple(dict.fromkeys(columns))


def check_reads(name: str, columns: Iterable[str], schema: pl.Schema) -> None:
    """Refuse a function that reads columns which the source lacks.

    Raises
    ------
    MissingColumns
        With what it lacks and what it has, and a suggestion for a name that is close.
    """
    missing = [column for column in columns if column not in schema]
    if missing:
        has = list(schema)
        raise MissingColumns(
            f"{name!r} reads {first_few(missing)}, which the source lacks; it has {first_few(has, 12)}."
            f"{did_you_mean(missing[0], has)}"
        )


def record_batch(frame: pl.DataFrame) -> pa.RecordBatch:
    """A frame as one Arrow batch."""
    table = frame.to_arrow().combine_chunks()
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
