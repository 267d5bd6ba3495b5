"""Checks at the door: a label matrix, a class balance, options that are amounts, the columns of a table."""

import json
import math
import reprlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from numbers import Integral
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sparkws.errors import ConfigError, DataError, IncompatibleStatistics, InvalidLabelMatrix, MissingColumns
from sparkws.grids import NO_GRIDS, Grids, is_number
from sparkws.vocab import ABSTAIN, MAX_CLASSES

_MOST_CHARACTERS: Final = 120  # of a text or a number in a message


def check_label_matrix(L: NDArray[np.int8], lf_names: Sequence[str], cardinality: int, grids: Grids = NO_GRIDS) -> None:
    """Refuse votes outside -1..k-1, or the cells of a grid, and all but an array `(n, m)` of integers.

    Raises
    ------
    InvalidLabelMatrix
        With the number of offending votes and the first of them, or the names that are there twice.
    """
    check_integers(L)
    twice = [name for name, times in Counter(lf_names).items() if times > 1]
    if twice:
        raise InvalidLabelMatrix(f"the names {first_few(twice)} are there more than once; give each column its own.")
    if L.ndim == 2 and not L.shape[1]:
        raise InvalidLabelMatrix("L has no columns; give the votes of one labeling function or more.")
    if L.ndim != 2 or L.shape[1] != len(lf_names):
        raise InvalidLabelMatrix(
            f"L has shape {L.shape}, expected (n, {len(lf_names)}) for {len(lf_names)} labeling functions."
        )
    largest = grids.sizes(lf_names, cardinality)
    # Of the votes' own type, or they would all be converted.
    sizes: NDArray[Any] = np.array(largest, np.int8 if max(largest, default=0) <= MAX_CLASSES else np.int64)
    outside = (L < ABSTAIN) | (sizes <= L)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        of = lf_names[column]
        what = f"the cells of {of!r}" if of in grids.of else f"cardinality={cardinality}"
        raise InvalidLabelMatrix(
            f"L has {int(outside.sum()):,} votes outside -1..{sizes[column] - 1} for {what}; "
            f"first: {of!r} (column {column}) voted {L[row, column]} in row {row}."
        )


def check_integers(L: NDArray[Any], name: str = "L") -> None:
    """Refuse votes, or what else has a `name`, that are no array of integers.

    Raises
    ------
    InvalidLabelMatrix
        With the type that they have.
    """
    if not isinstance(L, np.ndarray):
        raise InvalidLabelMatrix(
            f"{name} is a {type(L).__name__}, expected a numpy array of integers, {ABSTAIN} where a function abstains "
            "or nothing is known; convert it with np.asarray."
        )
    if not np.issubdtype(L.dtype, np.integer):
        raise InvalidLabelMatrix(
            f"{name} has the type {L.dtype}, expected integers, {ABSTAIN} where a function abstains or nothing is "
            "known; convert it to int8."
        )


def check_class_balance(class_balance: Sequence[float], cardinality: int) -> NDArray[np.float64]:
    """The class prior as a `(k,)` array that sums to 1.

    Raises
    ------
    ConfigError
        If it is no list of numbers, or has another length, a share that is not positive, or another sum.
    """
    try:
        p = np.asarray(class_balance, np.float64)
    except (TypeError, ValueError):
        raise ConfigError(
            f"class_balance must be {cardinality} shares in the order of the classes, got {shown(class_balance)}."
        ) from None
    if p.shape != (cardinality,):
        raise ConfigError(f"class_balance has {p.size} values, expected {cardinality}, one for each class.")
    if not (p > 0).all() or abs(p.sum() - 1) > 1e-6:
        raise ConfigError(f"class_balance must be positive and sum to 1, got {p.tolist()} with sum {p.sum():g}.")
    return np.asarray(p / p.sum(), np.float64)


def check_amounts(amounts: Mapping[str, float]) -> None:
    """Refuse options that are not finite numbers of at least 0, by their names.

    Raises
    ------
    ConfigError
        With the first of them.
    """
    for name, amount in amounts.items():
        if not (is_number(amount) and math.isfinite(amount) and amount >= 0):
            raise ConfigError(f"{name} must be at least 0 and finite, got {amount!r}.")


def check_switches(switches: Mapping[str, object]) -> None:
    """Refuse options that are neither true nor false, by their names.

    Raises
    ------
    ConfigError
        With the first of them.
    """
    for name, switch in switches.items():
        if not isinstance(switch, bool | np.bool_):
            raise ConfigError(f"{name} must be True or False, got {switch!r}.")


def check_cardinality(cardinality: int) -> int:
    """The number of classes k.

    Raises
    ------
    ConfigError
        If it is no whole number, or fewer than 2, or more than votes of eight bits can tell apart.
    """
    if not _is_whole(cardinality) or not 2 <= cardinality <= MAX_CLASSES:
        raise ConfigError(f"cardinality must be the number of classes, 2 to {MAX_CLASSES}, got {shown(cardinality)}.")
    return int(cardinality)


def check_max_iter(max_iter: int) -> None:
    """Refuse a fit without an iteration, or with a part of one.

    Raises
    ------
    ConfigError
        With the number.
    """
    if not _is_whole(max_iter):
        raise ConfigError(f"max_iter must be a whole number, got {max_iter!r}.")
    if max_iter < 1:
        raise ConfigError(f"max_iter must be at least 1, got {max_iter!r}.")


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_same_rows(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse arrays that are not of the same rows, by their names; the first says how many rows there are.

    Raises
    ------
    IncompatibleStatistics
        With the first that is no array, or has another number of rows.
    """
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or not array.ndim:
            raise IncompatibleStatistics(f"{name} must be a numpy array with a value for each row, got {shown(array)}.")
    (first, of), *others = arrays.items()
    for name, array in others:
        if len(array) != len(of):
            raise IncompatibleStatistics(f"{name} has {len(array):,} rows, expected {len(of):,}, as many as {first}.")


def parsed_json(text: str, what: str) -> Any:
    """What a text in JSON says; `what` it should be, as "a label model".

    Raises
    ------
    DataError
        If it is no JSON, or no text.
    """
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise DataError(f"this is not the JSON of {what}: {error}.") from None


def check_label_shares(shares: Sequence[float], labels: Sequence[str]) -> None:
    """Refuse anything but a share of the items for each label of a multi-label task, above 0 and below 1.

    Raises
    ------
    ConfigError
        If there are more or fewer, or one is outside.
    """
    if len(shares) != len(labels):
        raise ConfigError(f"class_balance has {len(shares)} values, expected {len(labels)}, one for each label.")
    outside = {label: share for label, share in zip(labels, shares, strict=True) if not 0 < share < 1}
    if outside:
        raise ConfigError(
            f"class_balance of a multi_label task holds the share of the items that have each label, above 0 and "
            f"below 1, got {outside}."
        )


def check_columns(table: str, asked: Iterable[str], has: Sequence[str]) -> None:
    """Refuse a table that lacks columns.

    Raises
    ------
    MissingColumns
        With what the table lacks and what it has, and a suggestion for a name that is close.
    """
    missing = sorted(set(asked) - set(has))
    if missing:
        raise MissingColumns(
            f"table {table!r} lacks {first_few(missing)}; it has {first_few(has, 12)}.{did_you_mean(missing[0], has)}"
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ " Did you mean ...?" when a known name is close to `name`, else nothing."""
    close = get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def first_few(values: Iterable[object], most: int = 3) -> str:
    """The first values as a list, and how many more there are."""
    listed = list(values)
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return f"{listed[:most]!r}{more}"


def shown(value: object, most: int = 3) -> str:
    """A value as a message tells it: of a list or mapping the first entries and how many more there are.

    What stands within these is shortened too, as are long texts, so that no message holds a table.

    Examples
    --------
    >>> print(shown({"a": [1, 2], "b": list(range(9)), "c": 3, "d": 4}))
    {'a': [1, 2], 'b': [0, 1, 2, ...], 'c': 3} and 1 more
    """
    brief = _brief(most)
    if isinstance(value, Mapping):
        told = ", ".join(f"{brief.repr(key)}: {brief.repr(inner)}" for key, inner in islice(value.items(), most))
        told = f"{{{told}}}"
    elif isinstance(value, list | tuple):
        told = f"[{', '.join(map(brief.repr, value[:most]))}]"
    else:
        return brief.repr(value)
    return f"{told} and {len(value) - most:,} more" if len(value) > most else told


def _brief(most: int) -> reprlib.Repr:
    brief = reprlib.Repr()
    brief.maxlevel = 2
    brief.maxlist = brief.maxtuple = brief.maxdict = most
    brief.maxstring = brief.maxlong = brief.maxother = _MOST_CHARACTERS
    return brief


def only_task(asked: str | None, known: Collection[str]) -> str:
    """The task that was asked for, or the only one that there is.

    Raises
    ------
    ConfigError
        With the tasks that there are.
    """
    if asked is None and len(known) == 1:
        return next(iter(known))
    if asked is None:
        raise ConfigError(f"the project has the tasks {sorted(known)}; say which with --task.")
    check_tasks([asked], known)
    return asked


def check_tasks(asked: Iterable[str], known: Collection[str]) -> None:
    """Refuse tasks that a project does not have.

    Raises
    ------
    ConfigError
        With the tasks that there are.
    """
    for task in asked:
        if task not in known:
            raise ConfigError(f"there is no task {task!r}; the project has {sorted(known)}.{did_you_mean(task, known)}")
