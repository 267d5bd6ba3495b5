"""From the probabilities that functions return to the nearest cells of their grids; what is none is a fault."""

from collections.abc import Mapping, Sequence
from reprlib import repr as short
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from sparkws.checks import first_few
from sparkws.errors import InvalidVote
from sparkws.grids import SUM_TOLERANCE, Cells, is_number
from sparkws.lfs.returns import FAILED
from sparkws.vocab import ABSTAIN

# Why rows of a batch got no vote.
Refused = dict[int, InvalidVote]


def cells_of_values(
    name: str, returned: Sequence[object], cells: Cells, classes: Sequence[str]
) -> tuple[pl.Series, Refused]:
    """The votes of a soft function that was called item by item, and the rows whose value is no probability.

    Parameters
    ----------
    returned : n values
        Of two classes the probability of the one with index 1, else one for each class: a sequence in their
        order, or a mapping from names or indices, where classes that are left out have none. `ABSTAIN` abstains,
        and `FAILED` stands where the function raised.
    cells : Cells
        The grid.
    classes : sequence of str

    Returns
    -------
    votes : (n,) Int8 Series named `name`
        The index of the nearest cell, the first of several; -1 abstained, NULL failed.
    refused : dict of int to InvalidVote
    """
    k = len(classes)
    probs = np.full((len(returned), k), np.nan)
    abstains, failed = np.zeros((2, len(returned)), np.bool_)
    for row, value in enumerate(returned):
        if value is FAILED:
            failed[row] = True
        elif is_number(value) and value == ABSTAIN:
            abstains[row] = True
        elif k == 2 and is_number(value):
            if 0 <= value <= 1:  # type: ignore[operator]
                probs[row] = 1 - value, value  # type: ignore[operator]
        else:
            probs[row] = _vector(value, classes)
    return _voted(name, probs, abstains, failed, lambda row: returned[row], cells, classes)


def cells_of_array(
    name: str, returned: Any, cells: Cells, classes: Sequence[str], keys: pl.Series
) -> tuple[pl.Series, Refused]:
    """The votes of a soft function that was called with a whole batch, as `cells_of_values` gives them; null abstains.

    Parameters
    ----------
    returned : polars Series, Arrow array, NumPy array, pandas Series or list
        Probabilities, or lists with one for each class; a NumPy array of theirs is `(n, k)`.
    keys : (n,) Series
        The items' ids.

    Raises
    ------
    InvalidVote
        If it has another length, or is nothing that holds probabilities.
    """
    if isinstance(returned, np.ndarray) and returned.shape == (len(keys), len(classes)) and returned.dtype.kind == "f":
        none = np.zeros(len(keys), np.bool_)
        return _voted(name, returned.astype(np.float64), none, none, lambda row: returned[row].tolist(), cells, classes)
    if isinstance(returned, np.ndarray) and (returned.dtype == object or returned.ndim == 2):
        returned = returned.tolist()
    is_pandas = type(returned).__module__.partition(".")[0] == "pandas" and getattr(returned, "ndim", 0) == 1
    if is_pandas or isinstance(returned, pa.Array | pa.ChunkedArray | np.ndarray):
        returned = pl.Series(values=returned)
    if not isinstance(returned, pl.Series | list | tuple):
        raise InvalidVote(
            f"{name!r} returned {short(returned)} ({type(returned).__name__}) for a batch, expected a polars Series, "
            "an Arrow or NumPy array, or a list of probabilities."
        )
    if len(returned) != len(keys):
        raise InvalidVote(
            f"{name!r} returned {len(returned):,} votes for a batch of {len(keys):,} items; return one for each."
        )
    if not (isinstance(returned, pl.Series) and returned.dtype.is_numeric() and len(classes) == 2):
        listed = returned.to_list() if isinstance(returned, pl.Series) else returned
        values = [ABSTAIN if value is None else value for value in listed]
        return cells_of_values(name, values, cells, classes)
    p = returned.cast(pl.Float64)
    abstains = (p.is_null() | (p == ABSTAIN).fill_null(True)).to_numpy()
    of_one = p.fill_null(ABSTAIN).to_numpy()
    probs = np.column_stack([1 - of_one, of_one])
    return _voted(name, probs, abstains, np.zeros(len(p), np.bool_), lambda row: returned[row], cells, classes)


def nearest(probs: NDArray[np.float64], cells: Cells) -> NDArray[np.int8]:
    """The cell nearest to each vector `(n, k)`, the first of several, `(n,)`.

    Class after class, so that a row gets the same bits in any batch.

    >>> nearest(np.array([[0.7, 0.3], [0.5, 0.5]]), ((0.75, 0.25), (0.25, 0.75))).tolist()
    [0, 0]
    """
    best = np.zeros(len(probs), np.int8)
    least = np.full(len(probs), np.inf)
    for at, cell in enumerate(cells):
        apart = np.zeros(len(probs))
        for y, p in enumerate(cell):
            apart += (probs[:, y] - p) ** 2
        nearer = apart < least
        best[nearer] = at
        least[nearer] = apart[nearer]
    return best


def _voted(
    name: str,
    probs: NDArray[np.float64],
    abstains: NDArray[np.bool_],
    failed: NDArray[np.bool_],
    returned: Any,
    cells: Cells,
    classes: Sequence[str],
) -> tuple[pl.Series, Refused]:
    probs = np.where(((probs >= 0) & (probs <= 1)).all(axis=1, keepdims=True), probs, np.nan)
    fine: NDArray[np.bool_] = np.abs(probs.sum(axis=1) - 1) <= SUM_TOLERANCE  # never of NaN
    codes = np.where(abstains, np.int8(ABSTAIN), nearest(probs, cells))
    empty: NDArray[np.bool_] = failed | ~(fine | abstains)
    refused = {row: _refusal(returned(row), classes) for row in np.flatnonzero(empty & ~failed).tolist()}
    votes = pl.Series(name, codes, dtype=pl.Int8)
    return votes.scatter(np.flatnonzero(empty), None) if empty.any() else votes, refused


def _vector(value: object, classes: Sequence[str]) -> Any:
    """The probabilities of each class in a vector or mapping; NaN where it is something else."""
    if isinstance(value, Mapping):
        known: dict[object, str] = dict(enumerate(classes))
        known.update({name: name for name in classes})
        if any(type(key) is bool or key not in known for key in value):
            return np.nan
        named = {known[key]: p for key, p in value.items()}
        value = [named.get(name, 0.0) for name in classes] if len(named) == len(value) else None
    if isinstance(value, np.ndarray | pl.Series):
        value = value.to_list() if isinstance(value, pl.Series) else value.tolist()
    if (
        not isinstance(value, list | tuple)
        or len(value) != len(classes)
        or not all(is_number(p) and 0 <= p <= 1 for p in value)
    ):
        return np.nan
    return value


def _refusal(value: object, classes: Sequence[str]) -> InvalidVote:
    if isinstance(value, Mapping) or len(classes) > 2:
        expected = f"a probability for each of {first_few(classes, 12)} that add up to 1"
    else:
        expected = f"the probability of {classes[1]!r}, from 0 to 1"
    return InvalidVote(f"returned {short(value)}, expected {expected}, or ABSTAIN (-1)")
