"""From what labeling functions return to votes: class indices, -1 where they abstain, NULL where they failed."""

from collections.abc import Sequence
from operator import index
from reprlib import Repr
from typing import Any, Final, NoReturn

import numpy as np
import polars as pl
import pyarrow as pa

from sparkws.checks import did_you_mean, first_few
from sparkws.errors import InvalidVote
from sparkws.vocab import ABSTAIN

# 127 classes at most have the indices 0..126, so one value of the eight bits is free.
INVALID: Final = 127
_SHORT: Final = Repr()
_SHORT.maxstring = _SHORT.maxother = 80


class Failed:
    """What stands in the place of a vote where a labeling function raised."""


FAILED: Final = Failed()
_NEEDS: Final = "votes are class indices (integers) or class names (text)"


def vote_codes(classes: Sequence[str]) -> dict[object, int | None]:
    """The vote that every permitted return value stands for; None for a failure."""
    codes: dict[object, int | None] = {code: code for code in range(ABSTAIN, len(classes))}
    codes.update((name, code) for code, name in enumerate(classes))
    return {**codes, FAILED: None}


def votes_of_values(
    name: str, returned: Sequence[object], classes: Sequence[str], keys: pl.Series, n_items: int | None = None
) -> pl.Series:
    """The votes that a labeling function returned item by item.

    Parameters
    ----------
    returned : n values
        Class indices (of any integer type but bool), class names, `ABSTAIN` or `FAILED`.
    keys : (n,) Series
        The items' ids, for messages.
    n_items : int, optional
        How many items the batch has, if it was not called on all of them; for messages.

    Returns
    -------
    (n,) Int8 Series named `name`

    Raises
    ------
    InvalidVote
        If anything else was returned.
    """
    codes = vote_codes(classes)
    # Whether all are of ordinary types is seen at the speed of C; only then may equal hashes decide,
    # because True and 1.0 hash like 1.
    if not set(map(type, returned)) <= {int, str, Failed}:
        returned = [value if type(value) in (int, str, Failed) else _plain(value) for value in returned]
    votes = pl.Series(name, [codes.get(value, INVALID) for value in returned], dtype=pl.Int8)
    bad = (votes == INVALID).arg_true()
    if len(bad):
        wrong = [_unwrap(returned[row]) for row in bad]
        refuse(name, wrong, bad, keys, n_items, explain_invalid(wrong[0], classes))
    return votes


def votes_of_array(name: str, returned: Any, classes: Sequence[str], keys: pl.Series) -> pl.Series:
    """The votes that a vectorized labeling function returned for a batch; null abstains.

    Parameters
    ----------
    returned : polars Series, Arrow array, NumPy array, pandas Series or list, of n votes
    keys : (n,) Series
        The items' ids, for messages.

    Returns
    -------
    (n,) Int8 Series named `name`

    Raises
    ------
    InvalidVote
        If it has another length or type, or holds anything that is no vote.
    """
    if isinstance(returned, np.ndarray) and returned.dtype == object:
        returned = returned.tolist()
    if isinstance(returned, list | tuple):
        check_length(name, len(returned), keys)
        values = [ABSTAIN if value is None else value for value in returned]
        return votes_of_values(name, values, classes, keys)
    series = _as_series(name, returned)
    check_length(name, len(series), keys)
    votes = series.to_frame("vote").select(coded(pl.col("vote"), series.dtype, classes)).to_series().alias(name)
    bad = (votes == INVALID).arg_true()
    if len(bad):
        wrong = series.gather(bad).to_list()
        refuse(name, wrong, bad, keys, None, explain_invalid(wrong[0], classes))
    return votes


def coded(value: pl.Expr, dtype: pl.DataType, classes: Sequence[str]) -> pl.Expr:
    """The votes that a column of class indices or class names holds, `INVALID` for anything else; null abstains."""
    if dtype == pl.Null:
        value, dtype = value.cast(pl.Int8), pl.Int8()
    if dtype.is_integer():
        within = value.is_between(ABSTAIN, len(classes) - 1)
        given = pl.when(within).then(value).otherwise(pl.lit(INVALID, dtype)).cast(pl.Int8)
    else:
        indices = pl.Series(range(len(classes)), dtype=pl.Int8)
        given = value.cast(pl.String).replace_strict(pl.Series(classes), indices, default=INVALID, return_dtype=pl.Int8)
    return pl.when(value.is_null()).then(pl.lit(ABSTAIN, pl.Int8)).otherwise(given)


def explain_invalid(value: object, classes: Sequence[str]) -> str:
    """What to do about a value that is no vote, as the end of a sentence."""
    if value is None:
        return "return ABSTAIN (-1) to abstain."
    hint = did_you_mean(value, classes) if isinstance(value, str) else ""
    return f"a vote is one of {first_few(classes, 12)}, its index 0..{len(classes) - 1}, or ABSTAIN (-1).{hint}"


def _as_series(name: str, returned: Any) -> pl.Series:
    of_pandas = type(returned).__module__.partition(".")[0] == "pandas"
    if not (of_pandas or isinstance(returned, pl.Series | pa.Array | pa.ChunkedArray | np.ndarray)):
        raise InvalidVote(
            f"{name!r} returned {_SHORT.repr(returned)} ({type(returned).__name__}) for a batch, "
            "expected a polars Series, an Arrow or NumPy array, or a list."
        )
    if getattr(returned, "ndim", 1) != 1:
        raise InvalidVote(
            f"{name!r} returned an array of shape {returned.shape} for a batch, expected one vote an item."
        )
    series = returned if isinstance(returned, pl.Series) else pl.Series(values=returned)
    if not (series.dtype.is_integer() or series.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        raise InvalidVote(f"{name!r} returned values of type {series.dtype}; {_NEEDS}, with null to abstain.")
    return series


def check_length(name: str, length: int, keys: pl.Series) -> None:
    """Refuse votes for a batch that are not one for each item.

    Raises
    ------
    InvalidVote
        With both numbers.
    """
    if length != len(keys):
        raise InvalidVote(
            f"{name!r} returned {length:,} votes for a batch of {len(keys):,} items; return one for each."
        )


class _Odd:
    """A returned value that is no vote whatever it equals; keeps it away from comparisons and hashing."""

    def __init__(self, value: object) -> None:
        self.value = value


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return _Odd(value)
    if isinstance(value, int | np.integer):
        return index(value)
    return str.__str__(value) if isinstance(value, str) else _Odd(value)


def _unwrap(value: object) -> object:
    return value.value if isinstance(value, _Odd) else value


def refuse(
    name: str, values: Sequence[object], rows: pl.Series, keys: pl.Series, n_items: int | None, what_to_do: str
) -> NoReturn:
    """Raise for the first invalid value and all that look like it.

    Raises
    ------
    InvalidVote
        With the value, the items, and what to do, which ends the sentence.
    """
    first = _SHORT.repr(values[0])
    alike = [row for row, value in zip(rows.to_list(), values, strict=True) if _SHORT.repr(value) == first]
    ids = keys.gather(alike[:3]).to_list()
    more = f" and {len(alike) - 3:,} more" if len(alike) > 3 else ""
    n = n_items or len(keys)
    raise InvalidVote(
        f"{name!r} returned {first} for {len(alike):,} of {n:,} items of a batch, on item_id {ids}{more}; {what_to_do}"
    )
