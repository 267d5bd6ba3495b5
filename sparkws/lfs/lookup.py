"""Lookup labeling functions: a table of values and their classes."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from sparkws.checks import first_few
from sparkws.errors import ConfigError, InvalidFunction
from sparkws.lfconfig import LookupConfig, Normalization
from sparkws.lfs.normalize import normalized

COLUMNS: Final = ("value", "class")


def read_lookup(name: str, config: LookupConfig, base_dir: Path) -> dict[str | int, str | int]:
    """What each value says: from the configuration, or from its CSV file below `base_dir`.

    Raises
    ------
    InvalidFunction
        If the file is missing, not such a table, or says two things about a value.
    """
    if config.file is None:
        return _normalized_values(name, config.values, config.normalize)
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
    return _normalized_values(name, values, config.normalize)


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


def said_of(
    value: Any, values: Mapping[str | int, str | int], default: str | int, options: Sequence[Normalization] = ()
) -> str | int:
    """What a table of values says of one value, given as text or as a number."""
    if options and value is not None:
        value = _normalized([value], options)[0]
    found: Sequence[str | int] = [said for key, said in values.items() if str(key) == str(value)]
    return found[0] if found else default


def check_comparable(name: str, config: LookupConfig, source: pl.Schema, table: pl.Schema) -> None:
    """Refuse a lookup in a table of which the columns cannot be compared, or say no classes.

    Raises
    ------
    ConfigError
        With the columns and their types.
    """
    for column, key in zip(config.columns, config.keys, strict=True):
        ours, theirs = source[column], table[key]
        are_texts, are_integers = _is_text(ours) and _is_text(theirs), ours.is_integer() and theirs.is_integer()
        if isinstance(ours, pl.List):
            raise ConfigError(
                f"{name!r} looks up column {column!r}, which holds lists; one value of an item is looked up: choose it "
                "by a 'source.query'."
            )
        if not are_texts and (config.normalize or not are_integers):
            needed = "text, because they are normalized" if config.normalize else "both text, or both integers"
            raise ConfigError(
                f"{name!r} compares column {column!r} of the source, {ours}, with {key!r} of {config.table!r}, "
                f"{theirs}; they must be {needed}."
            )
    said = pl.String() if config.label_column is None else table[config.label_column]
    if not _is_text(said) and not said.is_integer():
        raise ConfigError(
            f"{name!r} takes what {config.label_column!r} of {config.table!r} says, which must be class names or "
            f"indices, but is {said}."
        )


def _is_text(dtype: pl.DataType) -> bool:
    return dtype in (pl.String, pl.Null)


def _normalized_values(
    name: str, values: Mapping[str | int, str | int], options: Sequence[Normalization]
) -> dict[str | int, str | int]:
    if not options:
        return dict(values)
    found: dict[str | int, str | int] = {}
    for (value, said), key in zip(values.items(), _normalized(values, options), strict=True):
        if key is not None and found.setdefault(key, said) != said:
            raise InvalidFunction(f"{name!r} says {found[key]!r} and {said!r} of {value!r}, normalized {key!r}.")
    return found


def _normalized(values: Iterable[str | int], options: Sequence[Normalization]) -> list[str | None]:
    texts = pl.DataFrame({"text": [str(value) for value in values]}, {"text": pl.String})
    return texts.select(normalized(pl.col("text"), options)).to_series().to_list()


def _as_integer(name: str, key: str | int, dtype: pl.DataType) -> int:
    try:
        return int(key)
    except ValueError:
        raise InvalidFunction(f"{name!r} has the value {key!r}, but its column is {dtype}; write an integer.") from None
