"""The votes of an item as a few integers, which is what patterns are grouped and stored by.

Grouping by one 64-bit integer is several times faster than grouping by one column a function. Where a function
can cast s votes, s being the classes or the cells of the longest grid, the vote of function i is the digit
`vote + 1` in base s + 1. Column `pattern_c` holds the
functions `c * lf_per_key` to `(c + 1) * lf_per_key - 1`, the first of them in the lowest digit: for
s = 2, three functions that voted 1, abstained, 0 make 2 + 0 * 3 + 1 * 9 = 11. A fault counts as abstained.
"""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.errors import InvalidLabelMatrix
from sparkws.grids import NO_GRIDS, Grids
from sparkws.vocab import ABSTAIN, ITEM_ID

_KEY: Final = "pattern_"
_BLOCK_VOTES: Final = 1 << 22  # votes unpacked at once: about a hundred MiB of what is computed from them
_SHORT: Final = 1 << 15  # digits are first gathered in 16-bit integers: half the time of 64-bit ones


def key_columns(lf_names: Sequence[str], n_outcomes: int) -> tuple[str, ...]:
    """The columns of the packed votes."""
    return tuple(f"{_KEY}{key}" for key in range(ceil(len(lf_names) / lf_per_key(n_outcomes))))


def lf_per_key(n_outcomes: int) -> int:
    """How many votes one 64-bit integer holds: 39 where a function can cast two.

    >>> lf_per_key(2), lf_per_key(127)
    (39, 9)
    """
    return _digits(n_outcomes + 1, 1 << 63)


def pack(lf_names: Sequence[str], n_outcomes: int) -> list[pl.Expr]:
    """Expressions of the packed votes over a votes table; NULL counts as abstained."""
    base, per_key = n_outcomes + 1, lf_per_key(n_outcomes)
    short = _digits(base, _SHORT)
    keys = []
    for start in range(0, len(lf_names), per_key):
        names = lf_names[start : start + per_key]
        parts = [
            _horner([pl.col(name).fill_null(ABSTAIN).cast(pl.Int16) + 1 for name in names[first : first + short]], base)
            for first in range(0, len(names), short)
        ]
        keys.append(_horner([part.cast(pl.Int64) for part in parts], base**short))
    return [key.alias(name) for key, name in zip(keys, key_columns(lf_names, n_outcomes), strict=True)]


def unpack_keys(keys: pl.DataFrame, n_lfs: int, n_outcomes: int) -> NDArray[np.int8]:
    """The votes of packed patterns, `(u, m)` in -1..s-1.

    Parameters
    ----------
    keys : (u, n_keys) DataFrame
        The columns `pattern_0`, `pattern_1`, ... in this order.
    """
    base, per_key = n_outcomes + 1, lf_per_key(n_outcomes)
    L = np.empty((n_lfs, keys.height), np.int8)
    for lf in range(n_lfs):
        if lf % per_key == 0:
            rest = keys.to_series(lf // per_key).to_numpy()
        rest, digit = np.divmod(rest, base)
        L[lf] = digit - 1
    return L.T  # function by function in memory, as it is read


def blocks(patterns: pl.DataFrame, n_lfs: int) -> Iterator[pl.DataFrame]:
    """Pattern rows in parts whose votes, unpacked, take a bounded room."""
    return patterns.iter_slices(max(1, _BLOCK_VOTES // n_lfs))


def votes_of(
    batch: pl.DataFrame, names: Sequence[str], cardinality: int, grids: Grids = NO_GRIDS
) -> list[NDArray[np.int8]]:
    """The votes of each function, `(n,)` each; NULL counts as abstained.

    Raises
    ------
    InvalidLabelMatrix
        If a column holds anything but -1..k-1, or the cells of its grid, and NULL.
    """
    columns = [batch[name] for name in names]
    plain = all(column.dtype == pl.Int8 for column in columns)
    if not plain:
        check_votes(batch, names, cardinality, grids)
        columns = [column.cast(pl.Int8) for column in columns]
    votes = [(column.fill_null(ABSTAIN) if column.null_count() else column).to_numpy() for column in columns]
    # Without going through polars: most of the time of a pass that only counts would go into it.
    sizes = grids.sizes(names, cardinality)
    if plain and any(
        len(vote) and (vote.min() < ABSTAIN or vote.max() >= size) for vote, size in zip(votes, sizes, strict=True)
    ):
        check_votes(batch, names, cardinality, grids)
    return votes


def check_votes(batch: pl.DataFrame, names: Sequence[str], cardinality: int, grids: Grids = NO_GRIDS) -> None:
    """Refuse vote columns (or gold) that hold anything but -1..k-1, or the cells of a grid, and NULL.

    Raises
    ------
    InvalidLabelMatrix
        With the number of offending votes and the first of them.
    """
    sizes = dict(zip(names, grids.sizes(names, cardinality), strict=True))
    for name in names:
        if not batch.schema[name].is_integer() and batch.schema[name] != pl.Null:
            raise InvalidLabelMatrix(
                f"column {name!r} of the votes is {batch.schema[name]}, expected integers in -1..{sizes[name] - 1}."
            )
    lowest, highest = batch.select(pl.col(names).min()).row(0), batch.select(pl.col(names).max()).row(0)
    wrong = [
        name
        for name, low, high in zip(names, lowest, highest, strict=True)
        if low is not None and (low < ABSTAIN or high >= sizes[name])
    ]
    if wrong:
        outside = [batch.filter((pl.col(name) < ABSTAIN) | (pl.col(name) >= sizes[name])) for name in wrong]
        first = outside[0].row(0, named=True)
        where = f" on item_id {first[ITEM_ID]!r}" if ITEM_ID in first else ""
        what = f"the cells of {wrong[0]!r}" if wrong[0] in grids.of else f"cardinality={cardinality}"
        raise InvalidLabelMatrix(
            f"{sum(rows.height for rows in outside):,} votes are outside -1..{sizes[wrong[0]] - 1} for "
            f"{what}; first: {wrong[0]!r} voted {first[wrong[0]]}{where}."
        )


def _digits(base: int, limit: int) -> int:
    """How many digits of `base` fit into 0..limit-1."""
    digits = 0
    while base ** (digits + 1) <= limit:
        digits += 1
    return digits


def _horner(digits: list[pl.Expr], base: int) -> pl.Expr:
    value = digits[-1]
    for digit in reversed(digits[:-1]):
        value = value * base + digit
    return value
