"""Lookup labeling functions: a table of values and their classes."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from sparkws.checks import first_few
from sparkws.config import LookupConfig
from sparkws.errors import InvalidFunction

COLUMNS: Final = ("value", "class")


def read_lookup(name: str, config: LookupConfig, base_dir: Path) -> dict[str | int, str | int]:
    """What each value says: from the configuration, or from its CSV file below `base_dir`.

    Raises
    ------
    InvalidFunction
        If the file is missing, not such a table, or says two things about a value.
    """
    if config.file is None:
        return dict(config.values)
    path = base_dir / config.file
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        raise InvalidFunction(f"{name!r} looks values up in {str(path)!r}, which does not exist.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidFunction(f"{name!r} looks values up in {str(path)!r}, which cannot be read: {error}.") from None
    if not rows or tuple(rows[0]) != COLUMNS:
        header = rows[0] if rows else []
        raise InvalidFunction(f"{str(path)!r} must be a CSV file with the columns {list(COLUMNS)}, got {header}.")
    values: dict[str | int, str | int] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(COLUMNS):
            raise InvalidFunction(f"{str(path)!r} has {len(row)} cells in row {number}, expected 2: {row!r}.")
        if values.setdefault(row[0], row[1]) != row[1]:
            raise InvalidFunction(f"{str(path)!r} says {values[row[0]]!r} and {row[1]!r} of the value {row[0]!r}.")
    return values


def lookup_votes(
    name: str, value: pl.Expr, dtype: pl.DataType, votes: Mapping[str | int, int], default: int
) -> pl.Expr:
    """The vote for each value of a column of text or integers, `default` for a value without one.

    Raises
    ------
    InvalidFunction
        If a value is no integer although the column is one, or is there as text and as number.
    """
    keys = [_as_integer(name, key, dtype) if dtype.is_integer() else str(key) for key in votes]
    if len(set(keys)) < len(keys):
        twice = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
        raise InvalidFunction(f"{name!r} has values that are there as text and as number: {first_few(twice)}.")
    to = pl.Int64 if dtype.is_integer() else pl.String
    known, said = pl.Series(keys, dtype=to), pl.Series(list(votes.values()), dtype=pl.Int8)
    return value.cast(to, strict=False).replace_strict(known, said, default=default, return_dtype=pl.Int8)


def said_of(value: Any, values: Mapping[str | int, str | int], default: str | int) -> str | int:
    """What a table of values says of one value, given as text or as a number."""
    found: Sequence[str | int] = [said for key, said in values.items() if str(key) == str(value)]
    return found[0] if found else default


def _as_integer(name: str, key: str | int, dtype: pl.DataType) -> int:
    try:
        return int(key)
    except ValueError:
        raise InvalidFunction(f"{name!r} has the value {key!r}, but its column is {dtype}; write an integer.") from None
