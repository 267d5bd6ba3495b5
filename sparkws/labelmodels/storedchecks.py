"""Whether what is stored of a label model is such as a fit gives: what is not is told by its name and its value."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import first_few, shown
from sparkws.errors import DataError
from sparkws.labelmodels.tables import Axis, Stored

# Sums of a few thousand probabilities are as near to 1 as this; what was tampered with is not.
_SUM_TOLERANCE: Final = 1e-6
_ROUNDING: Final = 1e-9


def check_keys(plain: Mapping[str, Any], needed: Collection[str], what: str) -> None:
    """Refuse a stored thing that lacks a part.

    Raises
    ------
    DataError
        With what it lacks.
    """
    lacks = [name for name in needed if name not in plain]
    if lacks:
        raise DataError(f"{what} lacks {first_few(lacks)}; fit it again.")


def check_stored_names(value: object, called: str) -> tuple[str, ...]:
    """Names as they were stored: at least one, all text and none twice.

    Raises
    ------
    DataError
        With what stands there.
    """
    if not isinstance(value, list | tuple) or not value or not all(isinstance(name, str) for name in value):
        raise DataError(f"{called} of the label model must be a list of names, got {shown(value)}; fit it again.")
    twice = [name for name in dict.fromkeys(value) if value.count(name) > 1]
    if twice:
        raise DataError(
            f"{called} of the label model must differ, got {first_few(twice)} more than once; fit it again."
        )
    return tuple(value)


def stored_value(name: str, how: Stored, value: object, lengths: Mapping[Axis, int]) -> Any:
    """A stored attribute as the model holds it.

    Parameters
    ----------
    name : str
        Of the attribute, for messages.
    how : Stored
    value : number, nested lists of numbers, or text
    lengths : mapping
        How long each axis is.

    Raises
    ------
    DataError
        If it is no such attribute.
    """
    if how.number is str:
        if not isinstance(value, str):
            raise DataError(f"{name!r} of the label model must be text, got {shown(value)}; fit it again.")
        if how.one_of and value not in how.one_of:
            raise DataError(
                f"{name!r} of the label model must be one of {list(how.one_of)}, got {value!r}; fit it again."
            )
        return value
    array = stored_numbers(value, name, tuple(lengths[axis] for axis in how.axes))
    check_range(array, name, how)
    if how.adds_up is not None:
        check_sums(array, name, how.axes.index(how.adds_up))
    return array.astype(how.number) if how.axes else how.number(array)


def stored_numbers(value: object, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Nested lists of finite numbers as an array of a shape.

    Raises
    ------
    DataError
        If they are ragged, of another shape, or not all finite numbers.
    """
    try:
        array = np.asarray(value)
    except ValueError:  # ragged
        array = np.empty(0, np.object_)
    if array.dtype.kind not in "biuf":
        expected = "a number" if not shape else f"numbers of the shape {shape}"
        raise DataError(f"{name!r} of the label model must be {expected}, got {shown(value)}; fit it again.")
    if array.shape != shape:
        raise DataError(f"{name!r} of the label model has the shape {array.shape}, expected {shape}; fit it again.")
    array = array.astype(np.float64)
    _refuse(array, ~np.isfinite(array), name, "finite")
    return array


def check_range(array: NDArray[np.float64], name: str, how: Stored) -> None:
    """Refuse numbers that are not such as `how` says.

    Raises
    ------
    DataError
        With the first of them and its place.
    """
    if how.number is bool:
        _refuse(array, (array != 0) & (array != 1), name, "true or false")
    elif how.number is int:
        _refuse(array, (array < 0) | (array != np.floor(array)), name, "a whole number of at least 0")
    elif how.values == "positive":
        _refuse(array, array <= 0, name, "above 0")
    elif how.values == "shares":
        _refuse(array, (array < -_ROUNDING) | (array > 1 + _ROUNDING), name, "within 0 and 1")


def check_sums(array: NDArray[np.float64], name: str, axis: int) -> None:
    """Refuse shares that do not add up to 1 along an axis.

    Raises
    ------
    DataError
        With the first sum that is another one, and its place.
    """
    sums = array.sum(axis=axis)
    wrong = np.argwhere(np.abs(sums - 1) > _SUM_TOLERANCE)
    if len(wrong):
        at = tuple(wrong[0].tolist())
        # As many indices as the array has, the one along which was summed being all.
        where = [*map(str, at[:axis]), ":", *map(str, at[axis:])]
        place = f"[{', '.join(where)}]" if at else ""
        raise DataError(
            f"{name!r} of the label model must add up to 1, but {name}{place} adds up to {sums[at]:g}; fit it again."
        )


def _refuse(array: NDArray[np.float64], wrong: NDArray[np.bool_], name: str, expected: str) -> None:
    if not wrong.any():
        return
    at = tuple(np.argwhere(wrong)[0].tolist())
    place = f" at {list(at)}" if at else ""
    raise DataError(f"{name!r} of the label model must be {expected}, got {array[at].item()!r}{place}; fit it again.")
