"""What a preprocessor of batches returned, as the columns that it promised."""

from collections.abc import Mapping, Sequence
from reprlib import repr as short
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from sparkws.checks import first_few
from sparkws.errors import InvalidFunction

# Names of columns and their types: of polars, `object` for anything of Python, None for whatever comes.
Makes = Mapping[str, Any]


def check_makes(owner: str, makes: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    """`makes` as names with types.

    Raises
    ------
    InvalidFunction
        If it is something else than names, or holds something else than types.
    """
    if isinstance(makes, str) or not isinstance(makes, Mapping | Sequence):
        raise InvalidFunction(
            f"'makes' of {owner} must be a dict of names and types, or a list of names, got {makes!r}."
        )
    named = dict(makes) if isinstance(makes, Mapping) else dict.fromkeys(makes)
    for name, dtype in named.items():
        if not isinstance(name, str):
            raise InvalidFunction(f"'makes' of {owner} must hold names of columns, got {name!r}.")
        is_type = isinstance(dtype, pl.DataType) or (isinstance(dtype, type) and issubclass(dtype, pl.DataType))
        if not (dtype is None or dtype is object or is_type):
            raise InvalidFunction(
                f"'makes' of {owner} says {dtype!r} of {name!r}; a type is one of polars, such as pl.Float64, or "
                "object for anything of Python."
            )
    return named


def made_columns(owner: str, makes: Makes, returned: Any, n: int) -> pl.DataFrame:
    """The columns of `makes` among those that were returned for a batch of n items.

    Parameters
    ----------
    returned : polars or pandas DataFrame, Arrow Table or RecordBatch, or a dict of columns
        In the order of the batch; other columns in it are left out.

    Raises
    ------
    InvalidFunction
        If it is none of these, lacks a column or has one twice, or has more or fewer rows.
    """
    columns = _columns(owner, returned)
    missing = [name for name in makes if name not in columns]
    if missing:
        raise InvalidFunction(
            f"{owner} promised {first_few(list(makes))} but returned {first_few(list(columns))} without "
            f"{first_few(missing)}; mend it, or its 'makes'."
        )
    series = [_series(owner, name, columns[name], dtype) for name, dtype in makes.items()]
    for column in series:
        if len(column) != n:
            raise InvalidFunction(
                f"{owner} returned {len(column):,} values of {column.name!r} for a batch of {n:,} items; return one "
                "for each, in their order."
            )
    return pl.DataFrame(series)


def _columns(owner: str, returned: Any) -> Mapping[str, Any]:
    if isinstance(returned, pl.DataFrame):
        return {column.name: column for column in returned.get_columns()}
    if isinstance(returned, pa.Table | pa.RecordBatch):
        names = returned.schema.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidFunction(f"{owner} returned the columns {first_few(twice)} more than once.")
        return dict(zip(names, returned.columns, strict=True))
    if type(returned).__module__.partition(".")[0] == "pandas" and getattr(returned, "ndim", 0) == 2:
        return {str(name): returned[name] for name in returned.columns}
    if isinstance(returned, Mapping):
        return returned
    raise InvalidFunction(
        f"{owner} returned {short(returned)} ({type(returned).__name__}) for a batch, expected a polars or pandas "
        "DataFrame, an Arrow table, or a dict of columns."
    )


def _series(owner: str, name: str, values: Any, dtype: Any) -> pl.Series:
    try:
        if dtype is object:
            return pl.Series(name, list(values), dtype=pl.Object)
        if isinstance(values, np.ndarray) and values.dtype == object:
            values = values.tolist()
        column = pl.Series(name, values)
        return column if dtype is None else column.cast(dtype)
    except Exception as error:  # of polars, or of what was returned
        wanted = "" if dtype is None else f" of type {dtype}"
        raise InvalidFunction(
            f"{owner} returned {short(values)} as {name!r}, which is no column{wanted}: {str(error).rstrip('.')}."
        ) from None
