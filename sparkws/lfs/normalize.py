"""Normalization of texts that are looked up: the same function in polars and in Spark SQL.

Options are applied in the order of `ORDER`, however they are written: letters first, then what falls away,
blanks last. Characters are listed one by one in both, because what an engine calls punctuation or a blank
depends on its version of Unicode. Lower case is each engine's own: they agree on all letters but those that
only the newer version of Unicode knows.
"""

import sys
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Final

import polars as pl

from sparkws.lfconfig import Normalization

ORDER: Final[tuple[Normalization, ...]] = ("lower", "strip_punctuation", "collapse_whitespace")

# Unicode's White_Space, which no version has changed since 2013.
WHITESPACE: Final = r"[\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]+"


def normalized(text: pl.Expr, options: Sequence[Normalization]) -> pl.Expr:
    """The texts as they are compared; NULL where nothing is left.

    Examples
    --------
    >>> frame = pl.DataFrame({"name": ["  ACME,\\tInc. ", "?!"]})
    >>> frame.select(normalized(pl.col("name"), ORDER))["name"].to_list()
    ['acme inc', None]
    """
    for option in _in_order(options):
        if option == "lower":
            text = text.str.to_lowercase()
        elif option == "strip_punctuation":
            text = text.str.replace_all(punctuation(), "")
        else:
            text = text.str.replace_all(WHITESPACE, " ").str.strip_chars(" ")
    return pl.when(text != "").then(text) if options else text


def normalized_sql(text: str, options: Sequence[Normalization]) -> str:
    """The same as an expression of Spark SQL over another one.

    Examples
    --------
    >>> normalized_sql("name", ["lower"])
    "nullif(lower(name), '')"
    """
    for option in _in_order(options):
        if option == "lower":
            text = f"lower({text})"
        elif option == "strip_punctuation":
            text = f"regexp_replace({text}, r'{punctuation()}', '')"
        else:
            text = f"trim(regexp_replace({text}, r'{WHITESPACE}', ' '))"
    return f"nullif({text}, '')" if options else text


@cache
def punctuation() -> str:
    """A regular expression of all characters that this Python's Unicode calls punctuation."""
    codes = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "P"]
    ranges: list[tuple[int, int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return "[" + "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges) + "]"


def _in_order(options: Sequence[Normalization]) -> list[Normalization]:
    return [option for option in ORDER if option in options]
