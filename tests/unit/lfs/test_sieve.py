"""A sieve changes no vote, whatever stands in the texts."""

import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.config import DeclarativeLFConfig
from sparkws.lfs.declarative import make_rule
from sparkws.lfs.sieve import FOLDED_TO_ASCII, evaluate, sieves_of
from sparkws.vocab import ABSTAIN

CLASSES = ("ham", "spam")
WORDS = ("kiss", "ask me", "sks", ":)", "c++", "a.b", "k", "S_1")

# Beside letters of the words: what folds to them, what nearly does, and what makes or breaks a word.
LETTERS = ["k", "K", "\u212a", "s", "S", "\u017f", "ß", "ẞ", "i", "I", "ı", "İ", "\u0307", "a", "m", "e", "_", "1"]
LETTERS += [" ", "\n", "\x00", ":", ")", "c", "+", ".", "b", "ü", "好", "😀", "\ufffd", "\U0010ffff"]
texts = st.one_of(
    st.none(),
    st.text(st.sampled_from(LETTERS), max_size=12),
    st.lists(st.sampled_from([*WORDS, *map(str.upper, WORDS), " ", "\u212ai\u017fs", "ſ"]), max_size=4).map("".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
keyword = st.fixed_dictionaries(
    {
        "any": st.lists(st.sampled_from([*WORDS, "größe"]), min_size=1, max_size=3, unique=True).map(tuple),
        "match": st.sampled_from(["word", "substring"]),
        "case_sensitive": st.booleans(),
        "column": st.sampled_from(["text", "text", "text", "title"]),
    }
)


def rules(sections):
    named = {f"lf_{i}": section for i, section in enumerate(sections)}
    return {
        name: make_rule(DeclarativeLFConfig(name=name, keyword={**section, "label": i % 2}))
        for i, (name, section) in enumerate(named.items())
    }


def expressions(of, schema):
    return {name: rule.expression(CLASSES, schema).alias(name) for name, rule in of.items()}


@settings(deadline=None, max_examples=200)
@given(st.lists(keyword, min_size=3, max_size=7), st.lists(st.tuples(texts, texts), max_size=12), st.integers(0, 30))
def test_votes_are_those_of_each_rule_by_itself(sections, rows, n_plain):
    # Rows without any of the words among them, or the sieve would not be used.
    frame = pl.DataFrame(
        [*rows, *[("nothing", None)] * n_plain], schema={"text": pl.String, "title": pl.String}, orient="row"
    )
    of = rules(sections)
    whole = expressions(of, frame.schema)
    got = evaluate(frame, whole, sieves_of(of))
    assert set(got) == set(of)
    for name, expression in whole.items():
        assert got[name].to_list() == frame.select(expression)[name].to_list()
        assert (got[name].name, got[name].dtype) == (name, pl.Int8)


def test_two_characters_outside_ascii_are_equal_to_letters_inside():
    everything = pl.Series([chr(code) for code in range(128, sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF])
    folds = everything.filter(everything.str.contains(r"(?i)[\x00-\x7f]"))
    assert tuple(folds) == FOLDED_TO_ASCII


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["a kiss", "A SKS", "none"]), pl.Null])
def test_every_kind_of_text_passes(dtype):
    values = [None] * 9 if dtype == pl.Null else ["a kiss", "A SKS", None, *["none"] * 6]
    frame = pl.DataFrame({"text": pl.Series(values, dtype=dtype)})
    of = rules([{"column": "text", "any": (word,)} for word in ("kiss", "sks", "k")])
    got = evaluate(frame, expressions(of, frame.schema), sieves_of(of))
    fires = {} if dtype == pl.Null else {("lf_0", 0): 0, ("lf_1", 1): 1}
    for name in of:
        assert got[name].to_list() == [fires.get((name, row), ABSTAIN) for row in range(9)]


def test_only_several_rules_of_ascii_words_over_one_column_share_a_search():
    few = [{"column": "text", "any": ("a",)}, {"column": "text", "any": ("b", "c")}]
    other = [{"column": "title", "any": ("d",)}, {"column": "text", "any": ("e", "é")}]
    assert sieves_of(rules([*few, *other])) == ()
    (sieve,) = sieves_of(rules([*few, *other, {"column": "text", "any": ("f",), "case_sensitive": True}]))
    assert (sieve.column, sieve.names) == ("text", ("lf_0", "lf_1", "lf_4"))
    assert sieve.words == ("a", "b", "c", "f", *FOLDED_TO_ASCII)


def test_the_rules_see_only_what_passes():
    seen = []

    def look(texts):
        seen.append(texts.to_list())
        return pl.Series([1] * len(texts), dtype=pl.Int8)

    of = rules([{"column": "text", "any": (word,)} for word in ("one", "two", "three")])
    watching = {name: pl.col("text").map_batches(look, return_dtype=pl.Int8).alias(name) for name in of}
    texts = ["none", "ONE", "nothing", None, "", "a three b", "x"]
    evaluate(pl.DataFrame({"text": texts}), watching, sieves_of(of))
    assert seen == [["none", "ONE", "a three b"]] * 3
    seen.clear()
    evaluate(pl.DataFrame({"text": ["one", "two", "x"]}), watching, sieves_of(of))
    assert seen == [["one", "two", "x"]] * 3, "a search that most texts pass goes before nothing"
