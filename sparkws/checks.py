"""Checks at the door: a label matrix, a class balance, options that are amounts, the columns of a table."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkws.errors import ConfigError, InvalidLabelMatrix, MissingColumns
from sparkws.grids import NO_GRIDS, Grids
from sparkws.vocab import ABSTAIN, MAX_CLASSES


def check_label_matrix(L: NDArray[np.int8], lf_names: Sequence[str], cardinality: int, grids: Grids = NO_GRIDS) -> None:
    """Refuse votes outside -1..k-1, or the cells of a grid, and a matrix that is not `(n, m)` or not of integers.

    Raises
    ------
    InvalidLabelMatrix
        With the number of offending votes and the first of them, or the names that are there twice.
    """
    check_integers(L)
    twice = [name for name, times in Counter(lf_names).items() if times > 1]
    if twice:
        raise InvalidLabelMatrix(f"the names {first_few(twice)} are there more than once; give each column its own.")
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


def check_integers(L: NDArray[Any]) -> None:
    """Refuse votes that are not integers.

    Raises
    ------
    InvalidLabelMatrix
        With the type that they have.
    """
    if not np.issubdtype(L.dtype, np.integer):
        raise InvalidLabelMatrix(
            f"L has the type {L.dtype}, expected integers, {ABSTAIN} where a function abstains; convert it to int8."
        )


def check_class_balance(class_balance: Sequence[float], cardinality: int) -> NDArray[np.float64]:
    """The class prior as a `(k,)` array that sums to 1.

    Raises
    ------
    ConfigError
        If it has another length, a share that is not positive, or another sum.
    """
    p = np.asarray(class_balance, np.float64)
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
        if not (math.isfinite(amount) and amount >= 0):
            raise ConfigError(f"{name} must be at least 0 and finite, got {amount!r}.")


def check_max_iter(max_iter: int) -> None:
    """Refuse a fit without an iteration.

    Raises
    ------
    ConfigError
        With the number.
    """
    if max_iter < 1:
        raise ConfigError(f"max_iter must be at least 1, got {max_iter!r}.")


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
