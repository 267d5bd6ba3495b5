"""Whatever a pattern finds, what it is said to seek is there; and where that decides, nothing else is asked."""

import re

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sparkws.lfconfig import KeywordConfig
from sparkws.lfs.enginesyntax import Unclear, read_pattern
from sparkws.lfs.patterns import FOLDED_TO_ASCII, POLARS_ERRORS, keyword_pattern
from sparkws.lfs.sieve import answer, sieves_of
from sparkws.lfs.sought import Sought, Word, sought_by
from sparkws.lfs.texttests import TextTest

ATOMS = [
    "a",
    "b",
    "k",
    "S",
    "ü",
    "ſ",
    " ",
    r"\.",
    r"\b",
    r"\B",
    "^",
    "$",
    r"\w",
    r"\W",
    r"\d",
    ".",
    "[ak]",
    "[^a]",
    "[a-k]",
]
ATOMS += ["[]a]", r"[\w.]", r"\pL", r"\n", "(?i)", "(?-i)", "(?s)", "[Kk]", r"(?:^|\W)", r"(?:$|\W)", "[a-]"]
ATOMS += ["]", "}"]
patterns = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map("|".join),
        st.tuples(st.sampled_from(["(", "(?:", "(?i:", "(?P<n>"]), inner).map(lambda parts: f"{parts[0]}{parts[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}", "+?", "*+"])).map("".join),
    ),
    max_leaves=8,
)
texts = st.text(st.sampled_from("aAbBkKsSſ\u212aüÜ .\n1_]}-好"), max_size=8)


@settings(deadline=None, max_examples=400)
@given(patterns, st.lists(texts, min_size=1, max_size=20))
def test_what_is_found_holds_what_is_sought(pattern, shown):
    column = pl.DataFrame({"text": shown})
    test = TextTest("text", pattern)
    try:
        found = column.select(test.answer).to_series().to_list()
    except POLARS_ERRORS:
        assume(False)
    sought = sought_by(test)
    if sought is None:
        return
    for text, is_found in zip(shown, found, strict=True):
        if any(character in text for character in sought.but_for):
            continue
        holds = any(_holds(text, word) for word in sought.words)
        assert holds or not is_found, (pattern, text, sought)
        assert not sought.decides or is_found == holds, (pattern, text, sought)


def _holds(text, word):
    """Told by Python's engine, in which the characters of these texts are of words as they are in the other."""
    cased = [f"[{c.lower()}{c.upper()}]" if "a" <= c.lower() <= "z" else re.escape(c) for c in word.text]
    body = "".join(cased) if word.ignores_case else re.escape(word.text)
    before, behind = r"(?<!\w)" if word.starts else "", r"(?!\w)" if word.ends else ""
    return re.search(before + body + behind, text) is not None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"\bcheck\b.{0,20}\bout\b", ["check"]),
        ("!{3,}", ["!!!"]),
        ("hel+o", ["hel"]),
        (r"\b[0-9]{1,2}:[0-9]{2}\b|\bin 20[0-9]{2}\b", [":", "in 20"]),
        ("(foo|ba[rz])+x", ["barx", "bazx", "foox"]),
        (r"https?://\S+", ["http://", "https://"]),
        (r"\d+", None),
        ("a|", None),
        ("", None),
    ],
)
def test_the_rarest_words_that_are_needed(pattern, words):
    sought = sought_by(TextTest("text", pattern))
    assert (None if sought is None else [word.text for word in sought.words]) == words


def test_a_keyword_is_its_words():
    config = KeywordConfig(column="text", any=("cash", ":)"), label=1)
    expected = Sought(
        (Word("cash", starts=True, ends=True), Word(":)", ignores_case=False)), decides=True, but_for=FOLDED_TO_ASCII
    )
    assert sought_by(TextTest("text", keyword_pattern(config))) == expected


def test_needles_that_are_given_are_taken_where_the_pattern_tells_less():
    assert sought_by(TextTest("text", "a.*", needles=("A",))) == Sought((Word("A"),), but_for=FOLDED_TO_ASCII)
    assert sought_by(TextTest("text", "abc", needles=("a",))).decides


@pytest.mark.parametrize(
    "pattern", [r"\x41", r"\b{start}a", "(?x)a b", "[a[b]]", "[a&&b]", r"\<a", "(?u)a", r"\Qa", "a(?R)"]
)
def test_what_is_not_read_is_refused(pattern):
    with pytest.raises(Unclear):
        read_pattern(pattern)


def test_a_word_beside_characters_of_every_length():
    beside = ["", " ", "a", "_", "é", "\u00a0", "好", "。", "😀", "𝒜", "\ufffd"]
    frame = pl.DataFrame(
        {"text": [f"{before}word{behind}" for before in beside for behind in beside] + ["-" * 60] * 99}
    )
    tests = [TextTest("text", pattern) for pattern in (r"\bword\b", r"\bword", r"word\b")]
    got = answer(frame, tests, sieves_of(tests))
    assert set(sieves_of(tests)[0].answers(frame["text"])) == set(tests)
    for test in tests:
        assert got[test.name].to_list() == frame.select(test.answer).to_series().to_list()
