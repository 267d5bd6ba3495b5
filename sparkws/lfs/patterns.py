"""Patterns of keyword and regex labeling functions, in the syntax of polars' engine of linear time."""

from typing import Final

import polars as pl

from sparkws.errors import InvalidFunction
from sparkws.lfconfig import KeywordConfig, RegexConfig

# Equal to letters of ASCII where case is ignored: the first two to s and k in the engine, all of them in Python.
FOLDED_TO_ASCII: Final = ("\u017f", "\u212a", "\u0131", "\u0130")
POLARS_ERRORS: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


def keyword_pattern(config: KeywordConfig) -> str:
    r"""A regular expression that finds any of the words.

    A word begins and ends at a boundary on each side where it has a letter, digit or underscore:
    "art" is not in "party", but ":)" is in "ok:)" and "c++" in "c++11".

    Examples
    --------
    >>> keyword_pattern(KeywordConfig(column="text", any=("good", "bad", ":)"), label=1))
    '(?i)(?:^|\\W)(?:bad|good)(?:$|\\W)|:\\)'
    """
    words = sorted(set(config.any))
    flag = "" if config.case_sensitive else "(?i)"
    if config.match == "substring":
        return flag + "|".join(pl.escape_regex(word) for word in words)
    plain = [word for word in words if is_word(word[0]) and is_word(word[-1])]
    # Boundaries are written once for all plain words, and as letters beside them: the engine's own \b knows
    # Unicode, and one letter outside ASCII in a text would send it the slow way, seven times slower.
    common = [rf"(?:^|\W)(?:{'|'.join(pl.escape_regex(word) for word in plain)})(?:$|\W)"] if plain else []
    odd = [_bounded(word) for word in words if word not in plain]
    return flag + "|".join([*common, *odd])


def regex_pattern(config: RegexConfig) -> str:
    """The pattern with its flag for case."""
    return config.pattern if config.case_sensitive else f"(?i){config.pattern}"


def check_pattern(name: str, pattern: str) -> None:
    """Refuse a pattern that the engine of linear time does not take.

    Raises
    ------
    InvalidFunction
        With the engine's reason.
    """
    try:
        pl.Series([""]).str.contains(pattern)
    except POLARS_ERRORS as error:
        raise InvalidFunction(
            f"{name!r} has the pattern {pattern!r}, which is no regular expression of linear time "
            f"(Rust syntax, without look-around and backreferences): {reason(error)}."
        ) from None


def reason(error: BaseException) -> str:
    """The one line of a polars error that says why."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    why = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (why or lines or [type(error).__name__])[0].rstrip(".")


def is_word(character: str) -> bool:
    """Whether the engine sees a character of a word in it."""
    if character.isascii():
        return character.isalnum() or character == "_"
    return bool(pl.Series([character]).str.contains(r"^\w$")[0])


def _bounded(word: str) -> str:
    before = r"\b" if is_word(word[0]) else ""
    after = r"\b" if is_word(word[-1]) else ""
    return before + pl.escape_regex(word) + after
