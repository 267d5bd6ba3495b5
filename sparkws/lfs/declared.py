"""What the author of a labeling function says of it, checked as far as that is possible without a task."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sparkws.errors import ConfigError, InvalidFunction
from sparkws.grids import settled
from sparkws.sections import IDENTIFIER
from sparkws.vocab import RESERVED


def check_name(name: object) -> None:
    """Refuse a name that cannot be that of a column of votes.

    Raises
    ------
    InvalidFunction
        With the name.
    """
    if not isinstance(name, str) or re.fullmatch(IDENTIFIER, name) is None:
        raise InvalidFunction(
            f"{name!r} cannot be the name of a labeling function, because it becomes a column: "
            "use letters, digits and underscores, not starting with a digit."
        )
    if name.lower() in RESERVED:
        raise InvalidFunction(
            f"{name!r} cannot be the name of a labeling function: a column beside its votes has that name."
        )


def settled_grid(name: str, declared: object) -> object:
    """The grid as tuples, as it was declared.

    Raises
    ------
    InvalidFunction
        If it is no grid.
    """
    if declared is None:
        return None
    try:
        return settled(repr(name), declared)
    except ConfigError as error:
        raise InvalidFunction(str(error)) from None


def settled_classes(name: str, classes: object) -> tuple[str | int, ...] | None:
    """Declared classes as a tuple, None where none are.

    Raises
    ------
    InvalidFunction
        If they are anything but a list of names or indices.
    """
    if classes is None:
        return None
    listed = tuple(classes) if isinstance(classes, list | tuple) else ()
    if not listed or not all(type(label) in (str, int) for label in listed):
        raise InvalidFunction(
            f"'classes' of {name!r} must be a list of names or indices of classes that it votes on, got {classes!r}."
        )
    return listed


def settled_examples(name: str, examples: object) -> tuple[tuple[Any, Any], ...]:
    """Examples as pairs of a row and what is expected.

    Raises
    ------
    InvalidFunction
        If they are anything else.
    """
    if isinstance(examples, str | Mapping) or not isinstance(examples, Sequence):
        raise InvalidFunction(f"'examples' of {name!r} must be a list of pairs (row, vote), got {examples!r}.")
    for number, example in enumerate(examples, 1):
        if not isinstance(example, tuple | list) or len(example) != 2:
            raise InvalidFunction(f"example {number} of {name!r} must be a pair (row, vote), got {example!r}.")
        row, vote = example
        if not isinstance(row, Mapping) and not hasattr(row, "__dict__"):
            raise InvalidFunction(
                f"the row of example {number} of {name!r} must be a mapping or have attributes, got {row!r}."
            )
        if isinstance(vote, type) and not issubclass(vote, BaseException):
            raise InvalidFunction(
                f"example {number} of {name!r} expects {vote!r}, expected a vote or a class of exceptions."
            )
    return tuple((row, vote) for row, vote in examples)


def as_date(name: str, option: str, value: object) -> date | None:
    """A date, or its text in ISO form.

    Raises
    ------
    InvalidFunction
        If it is anything else.
    """
    if isinstance(value, datetime):
        return value.date()
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidFunction(f"{option!r} of {name!r} must be a date such as '2026-01-31', got {value!r}.") from None
