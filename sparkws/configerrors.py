"""What validation found wrong with a configuration, as sentences: where, what is expected, what stands there."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from sparkws.checks import did_you_mean, shown
from sparkws.sections import Section

_Place = tuple[str | int, ...]

_MOST_TOLD: Final = 3
_NOWHERE: Final = object()

# What is expected where validation says that it found something else, by its type of problem.
_EXPECTED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
    **dict.fromkeys(("dict_type", "mapping_type"), "a mapping of keys to values"),
    **dict.fromkeys(("model_type", "model_attributes_type"), "a section of keys and values"),
    "string_type": "text",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), "a date as 2026-01-31"),
    "finite_number": "a finite number",
    "literal_error": "{expected}",
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "below {lt}",
    "too_short": "a list or mapping of {min_length} entries or more",
    "too_long": "a list or mapping of {max_length} entries or fewer",
    "string_too_short": "text of at least {min_length} character",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "a name of letters, digits and underscores that starts with no digit",
}


def explain(problems: Sequence[ErrorDetails], raw: Mapping[str, Any], origin: str, root: type[BaseModel]) -> str:
    """The first three problems, a sentence each, and how many more there are.

    Parameters
    ----------
    problems : sequence of ErrorDetails
    raw : mapping
        The configuration as it was written.
    origin : str
        What it was written in.
    root : type of Section
        What it should be.
    """
    found: dict[_Place, list[ErrorDetails]] = {}
    for problem in problems:
        found.setdefault(_place(problem, raw), []).append(problem)
    # Of a value that may be one of several things, those are told that stand deepest: what it was meant to be.
    deepest = [at for at in found if not any(len(other) > len(at) and other[: len(at)] == at for other in found)]
    sentences = [_sentence(at, found[at], origin, root) for at in deepest[:_MOST_TOLD]]
    if len(deepest) > _MOST_TOLD:
        sentences.append(f"and {len(deepest) - _MOST_TOLD} more.")
    return "\n".join(sentences)


def _place(problem: ErrorDetails, raw: Any) -> _Place:
    """Where a problem is, as keys and positions of what was written; what validation tried there is left out."""
    *above, last = problem["loc"] or ("",)
    place: list[str | int] = []
    for part in above:
        inner = _inner(raw, part)
        if inner is not _NOWHERE:
            place.append(part)
            raw = inner
    if problem["loc"] and (problem["type"] == "missing" or _inner(raw, last) is not _NOWHERE):
        place.append(last)
    return tuple(place)


def _inner(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(part, _NOWHERE)
    return value[part] if isinstance(value, list | tuple) and isinstance(part, int) and part < len(value) else _NOWHERE


def _sentence(at: _Place, problems: Sequence[ErrorDetails], origin: str, root: type[BaseModel]) -> str:
    first, where = problems[0], ".".join(map(str, at))
    if first["type"] == "extra_forbidden":
        known = _known_keys(at[:-1], root)
        hint = did_you_mean(str(at[-1]), known).strip()
        return f"unknown key {where!r} in {origin}; {_lower_first(hint) or f'it takes {sorted(known)}.'}"
    if first["type"] == "missing":
        return f"{where!r} is missing in {origin}."
    named = f"{where!r} in {origin}" if where else origin
    if not all(problem["type"] in _EXPECTED for problem in problems):
        other = next(problem for problem in problems if problem["type"] not in _EXPECTED)
        message = other["msg"].removeprefix("Value error, ")
        got = "" if other["type"] == "value_error" else f", got {shown(other['input'])}"
        return f"{named}: {_lower_first(message).rstrip('.')}{got}."
    expected = [_EXPECTED[problem["type"]].format(**problem.get("ctx", {})) for problem in problems]
    given = first["input"]
    listed = re.findall("'([^']*)'", " ".join(expected))
    hint = did_you_mean(given, listed) if isinstance(given, str) else ""
    *others, last = dict.fromkeys(expected)
    return f"{named} must be {', '.join(others)}{' or ' if others else ''}{last}, got {shown(given)}.{hint}"


def _lower_first(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _known_keys(location: Sequence[str | int], root: type[BaseModel]) -> list[str]:
    """The keys that the section at `location` takes."""
    model = root
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:  # a position in a list, or a key of a mapping
            continue
        inner = [
            found for found in Section.__subclasses__() if re.search(rf"\b{found.__name__}\b", str(field.annotation))
        ]
        model = inner[0] if inner else model
    return list(model.model_fields)
