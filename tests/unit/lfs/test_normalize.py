"""Normalized texts, character by character; tests/spark holds Spark's to be the same."""

import sys
import unicodedata

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from sparkws.lfs.normalize import ORDER, normalized, normalized_sql

ALL = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


def naive(text, options):
    if text is None:
        return None
    if "lower" in options:
        text = text.lower()
    if "strip_punctuation" in options:
        text = "".join(c for c in text if not unicodedata.category(c).startswith("P"))
    if "collapse_whitespace" in options:
        # Python counts four separators of files and records among the blanks, Unicode does not.
        text = " ".join("".join(" " if c.isspace() and c not in "\x1c\x1d\x1e\x1f" else c for c in text).split(" "))
        text = " ".join(word for word in text.split(" ") if word)
    return text if text or not options else None


def of(texts, options):
    frame = pl.DataFrame({"c": texts}, {"c": pl.String})
    return frame.select(normalized(pl.col("c"), options))["c"].to_list()


def test_every_character():
    around = ["a".join(ALL[start : start + 500]) for start in range(0, len(ALL), 500)]
    for option in ("strip_punctuation", "collapse_whitespace"):
        assert of(around, [option]) == [naive(text, [option]) for text in around]
    # Of letters that this Python does not know yet polars may know the lower case.
    known = [c for c in ALL if unicodedata.category(c) != "Cn"]
    assert of(known, ["lower"]) == [c.lower() for c in known]


TEXTS = st.lists(st.none() | st.text("aB Σσς\t\u00a0\u3000.,!¿İ'\n", max_size=8), max_size=10)


@given(TEXTS, st.lists(st.sampled_from(ORDER), unique=True))
def test_texts(texts, options):
    assert of(texts, options) == [naive(text, options) for text in texts]


def test_options_are_applied_in_one_order():
    assert of([" A . B! "], ["collapse_whitespace", "strip_punctuation", "lower"]) == ["a b"]
    assert normalized_sql("c", ["collapse_whitespace", "lower"]) == normalized_sql(
        "c", ["lower", "collapse_whitespace"]
    )


def test_without_options_a_text_stays_as_it_is():
    assert of(["", " A", None], []) == ["", " A", None]
    assert normalized_sql("c", []) == "c"
