"""Expressions at less cost: equal values of equal types, and the others stay as they were written."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sparkws.lfs.cheaper import cheaper

texts = st.lists(st.none() | st.text("ab .ßéA\n", max_size=12), max_size=20)
words = st.text("ab .ßé", min_size=1, max_size=3)
LENGTHS = ("LENGTH", "CHAR_LENGTH", "OCTET_LENGTH")


@given(texts, words, st.sampled_from(LENGTHS), st.sampled_from(["text", "LOWER(text)"]))
def test_what_a_text_shrinks_without_a_word_is_counted(values, word, length, text):
    written = pl.sql_expr(f"{length}({text}) - {length}(REPLACE({text}, '{word}', ''))")
    frame = pl.DataFrame({"text": values}, schema={"text": pl.String})
    found = cheaper(written)
    assert "Replace" not in found.meta.serialize(format="json")
    assert_frame_equal(frame.select(vote=found), frame.select(vote=written))


def test_it_is_found_inside_of_an_expression():
    written = pl.sql_expr("LENGTH(text) - LENGTH(REPLACE(text, '!', '')) > 2 AND LENGTH(text) < 9")
    frame = pl.DataFrame({"text": ["hey!!!", "hey", "a long one!!!", None]})
    assert frame.select(cheaper(written)).to_series().to_list() == [True, False, False, None]
    assert "Replace" not in cheaper(written).meta.serialize(format="json")


@pytest.mark.parametrize(
    "sql",
    [
        "LENGTH(text) - LENGTH(REPLACE(other, ' ', ''))",
        "LENGTH(text) - OCTET_LENGTH(REPLACE(text, ' ', ''))",
        "LENGTH(text) - LENGTH(REPLACE(text, ' ', '-'))",
        "LENGTH(REPLACE(text, ' ', '')) - LENGTH(text)",
        "LENGTH(text) + LENGTH(REPLACE(text, ' ', ''))",
        "UPPER(text) = text",
    ],
)
def test_others_stay(sql):
    written = pl.sql_expr(sql)
    assert cheaper(written).meta.eq(written)
