"""A sieve changes no answer, whatever stands in the texts."""

import re
import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.lfconfig import KeywordConfig
from sparkws.lfs import sieve as sieve_module
from sparkws.lfs.patterns import FOLDED_TO_ASCII, keyword_pattern
from sparkws.lfs.sieve import answer, sieves_of
from sparkws.lfs.sought import Sought, Word
from sparkws.lfs.texttests import TextTest, with_answers

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
keyword_tests = st.builds(
    lambda column, **options: keyword_test(KeywordConfig(column=column, label=1, **options)),
    any=st.lists(st.sampled_from([*WORDS, "größe"]), min_size=1, max_size=3, unique=True).map(tuple),
    match=st.sampled_from(["word", "substring"]),
    case_sensitive=st.booleans(),
    column=st.sampled_from(["text", "text", "text", "title"]),
)
PATTERNS = ("(?i)a.*k", r"\bk+i?s", r"(?i)(?:ask|sk)s?\b", "k{2,}", r"(?i)\bme\b|b$", "[kK]i", "ü", r"(?i)ü|s", ".")
other_tests = st.one_of(
    st.builds(
        TextTest, st.just("text"), st.sampled_from(["k", "S_1", "ß"]), st.sampled_from(["literal", "ascii_case"])
    ),
    st.builds(TextTest, st.just("text"), st.sampled_from(PATTERNS)),
)


def keyword_test(config):
    return TextTest(config.column, keyword_pattern(config))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(keyword_tests, min_size=3, max_size=7),
    st.lists(other_tests, max_size=2),
    st.lists(st.tuples(texts, texts), max_size=12),
    st.sampled_from([0, 40]),
    st.sampled_from([1, 7, 2_000_000]),
)
def test_answers_are_those_of_each_test_by_itself(keywords, others, rows, n_plain, places_at_once):
    # Rows without any of the words among them, or some of the tests would be made by themselves.
    frame = pl.DataFrame(
        [*rows, *[("nothing", None)] * n_plain], schema={"text": pl.String, "title": pl.String}, orient="row"
    )
    tests = [*keywords, *others]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sieve_module, "PLACES_AT_ONCE", places_at_once)
        got = answer(frame, tests, sieves_of(tests))
    for test in tests:
        assert got[test.name].to_list() == frame.select(test.answer).to_series().to_list()
        assert got[test.name].dtype == pl.Boolean
    assert got.select(frame.columns).equals(frame)


def test_four_characters_outside_ascii_are_equal_to_letters_inside():
    everything = pl.Series([chr(code) for code in range(128, sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF])
    folds = everything.filter(everything.str.contains(r"(?i)[\x00-\x7f]"))
    folds_in_python = re.findall(r"[\x00-\x7f]", "".join(everything), re.IGNORECASE)
    assert {*folds, *folds_in_python} == {*FOLDED_TO_ASCII}


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["a kiss", "A SKS", "none"]), pl.Null])
def test_every_kind_of_text_passes(dtype):
    values = [None] * 9 if dtype == pl.Null else ["a kiss", "A SKS", None, *["none"] * 6]
    frame = pl.DataFrame({"text": pl.Series(values, dtype=dtype)})
    tests = [keyword_test(KeywordConfig(column="text", any=(word,), label=1)) for word in ("kiss", "sks", "k")]
    got = answer(frame, tests, sieves_of(tests))
    for i, test in enumerate(tests):
        expected = [None] * 9 if dtype == pl.Null else [i == 0, i == 1, None, *[False] * 6]
        assert got[test.name].to_list() == expected


def test_only_several_tests_that_seek_something_in_one_column_share_a_search():
    few = [TextTest("text", "aa"), TextTest("text", "bb", "literal")]
    other = [TextTest("title", "dd"), TextTest("text", r"\d"), TextTest("text", "")]
    assert sieves_of([*few, *few, *other]) == ()
    (sieve,) = sieves_of([*few, *other, TextTest("text", "cc", "ascii_case")])
    assert (sieve.column, [*sieve.sought]) == ("text", [*few, TextTest("text", "cc", "ascii_case")])


def test_tests_see_only_what_the_search_finds():
    # Each says that it needs what it does not look for: what it finds tells where it looked.
    tests = [TextTest("text", "^" * i, needles=(word,)) for i, word in enumerate(("one", "two", "three"), 1)]
    shown = ["none", "ONE", "no", None, "", "a three b", "x"]
    got = answer(pl.DataFrame({"text": shown}), tests, sieves_of(tests))
    expected = [("none", "ONE"), (), ("a three b",)]
    for test, texts in zip(tests, expected, strict=True):
        assert got[test.name].to_list() == [None if text is None else text in texts for text in shown]
    often = pl.DataFrame({"text": ["one" * 50, "x"]})
    assert answer(often, tests, sieves_of(tests))[tests[0].name].to_list() == [True] * 2, "what finds much is no search"


def test_a_search_for_common_words_leaves_the_tests_to_themselves():
    tests = [TextTest("text", word) for word in ("aa", "bb", "cc")]
    (sieve,) = sieves_of(tests)
    assert sieve.answers(pl.Series(["aabbcc" * 10] * 5)) == {}
    assert set(sieve.answers(pl.Series(["aabbcc" * 10] + [" " * 60] * 99))) == set(tests)
    assert sieve.sought[tests[0]] == Sought((Word("aa", ignores_case=False),), decides=True)


def test_with_answers_is_an_answer_without_sieves():
    frame = pl.DataFrame({"text": ["a", None]})
    tests = [TextTest("text", "A", form) for form in ("literal", "ascii_case", "regex")]
    assert answer(frame, tests).equals(with_answers(frame, tests))
