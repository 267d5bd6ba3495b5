"""A 64-bit hash of an item's key that no library upgrade can change.

Levels of the pattern statistics and random ties follow it, so it must be equal in every lane, on
every machine, in every year. It is defined here down to the byte and held by tests.
"""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.errors import InvalidKeys
from sparkws.vocab import MAX_LEVEL

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_LONG_KEY_BYTES: Final = 256  # longer keys are cut into words one at a time instead of by equal length


def check_key_type(table: str, key: str, dtype: pl.DataType) -> None:
    """Refuse a key that is not exact, not hashable, or not for every reader of published tables.

    Raises
    ------
    InvalidKeys
        With the column, its type and an expression that makes a key of it.
    """
    reason = _against_key(dtype)
    if reason:
        instead = "TIMESTAMP" if dtype == pl.Datetime else "STRING"
        way = f"to_json(`{key}`)" if dtype.is_nested() else f"CAST(`{key}` AS {instead})"
        raise InvalidKeys(
            f"key column {key!r} of {table!r} is {dtype}: {reason}. Name another key, or make one, such as "
            f"'key_expression: {way}'."
        )


def _against_key(dtype: pl.DataType) -> str:
    """Why a column of this type cannot be a key; empty if it can."""
    if dtype.is_float():
        return "equal items may differ in the last digit, and NaN equals nothing"
    if dtype.is_nested():
        return "a key is one value"
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        return "tables with times of no zone are not for every reader"
    if dtype == pl.Null:
        return "every row is NULL"
    fits = dtype.is_integer() or dtype.is_decimal() or isinstance(dtype, pl.Datetime)
    return "" if fits or dtype in _KEY_TYPES else "it does not tell items apart in every reader"


_KEY_TYPES: Final = (pl.String, pl.Date, pl.Boolean, pl.Binary)


def hash_keys(keys: pl.Series) -> NDArray[np.uint64]:
    """The hash of every key.

    Integers, dates and timestamps hash as one 64-bit word (days, microseconds); everything else as the
    UTF-8 bytes of its text, cut into little-endian words padded with zeros, started from the length.

    Parameters
    ----------
    keys : (n,) Series
        Without NULLs.

    Returns
    -------
    (n,) uint64 array
    """
    if keys.dtype.is_integer() or keys.dtype.is_temporal():
        if isinstance(keys.dtype, pl.Datetime):
            keys = keys.dt.cast_time_unit("us")
        words = keys.to_physical().cast(pl.Int64).to_numpy().view(np.uint64)
        return _mix(words * _GOLDEN + _GOLDEN)
    if keys.dtype == pl.Binary:
        return _hash_bytes(keys)
    return _hash_bytes(keys.cast(pl.String).cast(pl.Binary))


def levels(hashes: NDArray[np.uint64]) -> NDArray[np.int8]:
    """The number of leading zero bits of each hash, at most `MAX_LEVEL`.

    The items of level l or more are a 2^-l sample of all items.
    """
    # The position of the highest set bit of a 16-bit number is exact in floating point.
    top = (hashes >> np.uint64(64 - MAX_LEVEL)).astype(np.int64)
    return (MAX_LEVEL - np.ceil(np.log2(top + 1))).astype(np.int8)


def _hash_bytes(keys: pl.Series) -> NDArray[np.uint64]:
    # All bytes one behind the other, and where each key begins: no key becomes an object of Python.
    array = keys.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(keys) + 1]
    flat = np.frombuffer(data, np.uint8)
    lengths = np.diff(starts)
    hashes = np.empty(len(keys), np.uint64)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        if length > _LONG_KEY_BYTES:
            for row in rows:
                octets = flat[starts[row] : starts[row + 1]]
                hashes[row] = _hash_words(_words(octets[None, :]), int(length))[0]
            continue
        # (rows, 1) + (length,) -> (rows, length) positions
        octets = flat[starts[rows][:, None] + np.arange(length)]
        hashes[rows] = _hash_words(_words(octets), int(length))
    return hashes


def _words(octets: NDArray[np.uint8]) -> NDArray[np.uint64]:
    # (n, length) bytes -> (n, length / 8) little-endian words, the last one padded with zeros
    padded = np.pad(octets, ((0, 0), (0, -octets.shape[1] % 8)))
    return np.ascontiguousarray(padded).view("<u8").astype(np.uint64, copy=False)


def _hash_words(words: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    state = np.full(len(words), np.uint64(length), np.uint64)
    for column in words.T:
        state = _mix((state ^ column) + _GOLDEN)
    return _mix(state + _GOLDEN)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
