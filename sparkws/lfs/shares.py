"""What each function's votes are made from, by names that are equal where two functions use the same.

Functions that read the same column, word list or helper may repeat each other: a hint where to look for
dependence, which the votes then confirm or refute.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from logging import Logger
from typing import Any, Final

from sparkws.errors import SparkwsError
from sparkws.lfs.declarative import Rule
from sparkws.lfs.fingerprint import fingerprint_of, is_own
from sparkws.lfs.function import LabelingFunction

# Numbers are equal by accident, and texts are often names of classes.
_SAYS_LITTLE: Final = (type(None), bool, int, float, complex, str, bytes, Enum, Logger)


def what_is_read(lfs: Iterable[LabelingFunction]) -> dict[str, list[str]]:
    """The columns, and the resources, preprocessors, helpers and data of the project, that each function reads.

    A thing is known by its content: two word lists of one name are told apart by a number.

    Examples
    --------
    >>> from sparkws.lfs.function import labeling_function
    >>> words = ("free", "win")
    >>> @labeling_function(resources={"words": words})
    ... def lf_free(x, words):
    ...     return 1 if x.subject in words else -1
    >>> @labeling_function(resources={"cues": words})
    ... def lf_win(x, cues):
    ...     return 1 if x.text in cues else -1
    >>> what_is_read([lf_free, lf_win])
    {'lf_free': ['column subject', 'resource words'], 'lf_win': ['column text', 'resource words']}
    """
    named: dict[str, str] = {}  # by content
    seen: dict[int, tuple[object, str | None]] = {}  # holds what it saw, so that no id is used twice
    told: dict[str, list[str]] = {}
    for lf in lfs:
        used = [f"column {name}" for name in lf.columns or ()]
        for title, thing in _things(lf):
            if id(thing) not in seen:
                seen[id(thing)] = (thing, _content(thing))
            content = seen[id(thing)][1]
            if content is not None:
                used.append(named.setdefault(content, _free(title, named.values())))
        told[lf.name] = list(dict.fromkeys(used))
    return told


def _things(lf: LabelingFunction) -> Iterator[tuple[str, object]]:
    """What it uses besides columns, each with what it may be called."""
    if isinstance(lf.f, Rule):
        lookup = lf.f.config.lookup
        if lookup is not None and lookup.table is not None:
            yield f"table {lookup.table}", ("table", lookup.table)
        elif lookup is not None:
            yield f"values of {lookup.file or lf.name}", dict(lf.f.values)
        return
    for preprocessor in lf.chain:
        yield f"preprocessor {preprocessor.name}", preprocessor
    for name, value in lf.resources.items():
        yield f"resource {name}", value
    yield from _named(lf.f)


def _named(f: Callable[..., Any]) -> Iterator[tuple[str, object]]:
    """Functions and data of the project that the code of a function names."""
    function = inspect.unwrap(f)
    if not inspect.isfunction(function):
        return
    try:
        named = inspect.getclosurevars(function)
    except ValueError:  # a variable that it closes over is not set yet
        return
    found = {**named.globals, **named.nonlocals}
    for name, value in sorted(found.items()):
        if inspect.isfunction(value):
            if is_own(value.__code__.co_filename):
                yield f"helper {name}", value
        elif not callable(value) and not inspect.ismodule(value):
            yield f"data {name}", value


def _content(thing: object) -> str | None:
    """By what it is known; None for what says little, or cannot be told."""
    if isinstance(thing, _SAYS_LITTLE):
        return None
    try:
        return fingerprint_of(thing)
    except SparkwsError:
        return None


def _free(title: str, taken: Iterable[str]) -> str:
    n_taken = sum(name == title or name.startswith(f"{title} (") for name in taken)
    return f"{title} ({n_taken + 1})" if n_taken else title
