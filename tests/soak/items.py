"""Rows of a random source: keys of three types, texts and numbers that break what is careless."""

import math
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

import polars as pl

from tests.soak.hashes import Key

Row = dict[str, Any]

KEY_TYPES: dict[str, pl.DataType] = {"string": pl.String(), "long": pl.Int64(), "date": pl.Date()}

# What LFs look for, whole or as a part of another word, beside letters of many kinds.
WORDS = ("win", "free", "gift", "song", "art", "c++", ":)", "K", "été", "a b", "_x")
_PIECES = (
    *WORDS,
    *("WIN", "Free", "party", "ſong", "\u212a", "fre\u0301e", "half½free", "自由free", "free自由", "free\u200dwin"),
    *("http://a.example", "https://b.example/?q=%41", "12345", "٣٤٥", "x" * 300, "🎉🎉", "👩‍👩‍👧", "İstanbul"),
    *("\0", "a\0win\0b", "\ufeff", "'", '"', "\\", "{x}", "\u2028", "ﬁ", "ẞ", "Ⅷ", "-1", "None"),
)
_SEPARATORS = (" ", " ", " ", "", "\n", "\t", "-", "_", ".")
AUTHORS = ("ann", "bo", "Ann", "", "12", "é", "a'b")
PARTS = ("p1", "p 2", "a=b", "x/y%z", "ü")
SPLITS = ("dev", "test")
_EDGES = (2**53 + 1, 2**63 - 1, -(2**63))


def schema_of(key_type: str, *, with_late: bool = True) -> pl.Schema:
    """The columns of a source; `late` is the one that older files lack."""
    columns: dict[str, pl.DataType] = {
        "id": KEY_TYPES[key_type],
        "pos": pl.Int64(),
        "text": pl.String(),
        "amount": pl.Float64(),
        "count": pl.Int64(),
        "author": pl.String(),
        "truth_a": pl.String(),
        "truth_b": pl.String(),
        "split": pl.String(),
        "part": pl.String(),
    }
    return pl.Schema({**columns, "late": pl.Int64()} if with_late else columns)


def random_keys(rng: Random, key_type: str) -> Iterator[Key]:
    """Keys that never come twice."""
    seen: set[Key] = set()
    while True:
        key = _key(rng, key_type)
        if key not in seen:
            seen.add(key)
            yield key


def random_row(rng: Random, key: Key, pos: int, truths: dict[str, Sequence[str]], *, with_late: bool) -> Row:
    """One item; `truths` are the classes of each column of known classes."""
    known = {column: rng.choice(classes) if rng.random() < 0.4 else None for column, classes in truths.items()}
    return {
        "id": key,
        "pos": pos,
        "text": _text(rng),
        "amount": rng.choice((None, math.nan, math.inf, -math.inf, -0.0, *(rng.gauss(5, 10) for _ in range(8)))),
        "count": rng.choice((None, *_EDGES, *range(-3, 12))),
        "author": rng.choice((None, *AUTHORS)),
        "truth_a": known.get("truth_a"),
        "truth_b": known.get("truth_b"),
        "split": rng.choice((None, *SPLITS)),
        "part": rng.choice((None, *PARTS)),
        "late": rng.choice((None, *range(5))) if with_late else None,
    }


def _key(rng: Random, key_type: str) -> Key:
    if key_type == "long":
        return rng.choice((rng.randrange(1000), -rng.randrange(1000), rng.randrange(-(2**63), 2**63), *_EDGES))
    if key_type == "date":
        return date(1600, 1, 1) + timedelta(days=rng.randrange(250_000))
    number = "" if rng.random() < 0.1 else str(rng.randrange(100_000))
    return "".join(rng.choices(_PIECES, k=rng.randrange(3))) + number


def _text(rng: Random) -> str | None:
    if rng.random() < 0.1:
        return None
    pieces = rng.choices(_PIECES, k=rng.randrange(5))
    text = "".join(piece + rng.choice(_SEPARATORS) for piece in pieces)
    return text if rng.random() < 0.5 else text.rstrip()
