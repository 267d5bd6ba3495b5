"""Patterns and questions to texts find in every character what Python finds."""

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sparkws.lfs.regexes import CannotTranslate, translated
from sparkws.lfs.terms import Text, Truth
from sparkws.lfs.texts import cased, holds, length, stripped

EVERY = pl.Series("a", [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000])
JOINED = "".join(EVERY)
MARK = "\n|\n"


CODES = np.frombuffer(JOINED.encode("utf-32-le"), np.uint32)


def in_python(pattern, flags=0):
    """The characters in which Python finds a pattern of one character, as a mask of all."""
    found = np.frombuffer("".join(re.findall(pattern, JOINED, flags)).encode("utf-32-le"), np.uint32)
    members = np.zeros(0x110000, np.bool_)
    members[found] = True
    return members[CODES]


def in_engine(finding, texts=EVERY):
    """Where the engine finds it; a mask of what is undecided."""
    undecided = texts.str.contains(finding.undecided) if finding.undecided else texts != texts
    return texts.str.contains(finding.pattern).to_numpy(), undecided.to_numpy()


@pytest.mark.parametrize(
    ("pattern", "flags"),
    [
        (r"\d", 0), (r"\w", 0), (r"\s", 0), (r"\W", re.I), ("[^a-z]", re.I), ("[K-Z\u2100-\u2130]", re.I), (".", 0),
        ("k", re.I), ("s", re.I), ("i", re.I), ("[\u0130ßς]", re.I), ("\u0345", re.I), (r"[\d_²]", re.I),
        ("[^\u00b5]", re.I),
    ],
)  # fmt: skip
def test_a_class_holds_the_characters_that_it_holds_in_python(pattern, flags):
    mask, undecided = in_engine(translated(pattern, flags))
    assert not undecided.any()
    assert (mask == in_python(pattern, flags)).all()


def test_a_boundary_stands_beside_the_characters_beside_which_it_stands_in_python():
    is_word = in_python(r"\w")
    mask, undecided = in_engine(translated(r"-\b"), "-" + EVERY)
    assert not undecided.any()
    assert (mask == is_word).all()
    # Alone, where nothing is known beside it, the engine's own boundary is asked, and nothing told of odd ones.
    mask, undecided = in_engine(translated(r"\b"))
    assert (mask == is_word)[~undecided].all()
    assert 1000 < undecided.sum() < 20_000


@pytest.mark.parametrize(
    ("case", "word"),
    [
        ("lower", "k"),
        ("lower", "i"),
        ("lower", "\u0307"),
        ("lower", "σ"),
        ("upper", "SS"),
        ("upper", "ß"),
        ("casefold", "ß"),
    ],
)
def test_a_word_is_in_what_a_casing_makes_of_every_character(case, word):
    asked = {}
    question = holds(cased(Text("a", pl.col("a"), asked=asked), case), [word])
    # Between these marks, which have no case, no character changes what another becomes.
    made = pl.Series(getattr(MARK.join(EVERY), case)().split(MARK)).str.contains(word, literal=True).to_numpy()
    if not isinstance(question, Truth):
        assert not made.any()
        return
    frame = EVERY.to_frame().with_columns(test.answer.alias(name) for name, test in asked.items())
    said = frame.select(said=question.holds)["said"]
    assert (said.fill_null(False).to_numpy() == made)[said.is_not_null().to_numpy()].all()
    assert said.null_count() < 110


def test_blanks_at_the_ends_and_lengths_are_those_of_python():
    text = Text("a", pl.col("a"), is_column=False)
    bare = stripped(text, None, "strip")
    found = EVERY.to_frame().select(bare=bare.source, n=length(cased(text, "lower")).value)
    assert found["bare"].to_list() == [c.strip() for c in EVERY]
    lengths = found["n"].fill_null(2).to_list()
    assert lengths == [len(c.lower()) for c in EVERY]


# What patterns are made of, and texts that are hard for them.
parts = st.sampled_from(
    ["a", "k", "K", "s", ".", r"\w", r"\s", r"\d", "[^a]", "[a-k]", "ß", " ", r"\b", "^", "$", r"\W", "\n"]
)
patterns = st.recursive(
    parts,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{0,2}", "{2}", "*?"])).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        ),
    ),
    max_leaves=7,
)
texts = st.lists(st.text("akKsſßK \nİı²é\u0301_0\x1c", max_size=6), min_size=1, max_size=20)


@settings(max_examples=150, deadline=None)
@given(
    patterns,
    st.sampled_from([0, re.I, re.M, re.S, re.I | re.M]),
    st.sampled_from(["search", "match", "fullmatch"]),
    texts,
)
@example(r"k\b.{0,2}\ba", 0, "search", ["k a", "k  a", "ka", "k-\u0301-a", "k\u0301a"])
@example(r"a$", 0, "fullmatch", ["a\n", "a"])
@example(r"\bk\b|a$", re.I, "match", ["a\n", "K", "ak"])
def test_a_pattern_finds_something_in_the_texts_where_it_does_in_python(pattern, flags, method, texts):
    try:
        compiled = re.compile(pattern, flags)
        finding = translated(pattern, flags, method)
    except (re.error, CannotTranslate):
        return
    expected = np.array([getattr(compiled, method)(text) is not None for text in texts])
    mask, undecided = in_engine(finding, pl.Series(texts))
    assert (mask == expected)[~undecided].all()
    if finding.needles:
        needed = [n.lower() for n in (*finding.needles, "ſ", "K", "ı", "İ")]
        assert all(
            any(n in t.lower() or n in t for n in needed) for t, is_found in zip(texts, mask, strict=True) if is_found
        )


@pytest.mark.parametrize(
    ("pattern", "flags", "why"),
    [
        (r"(a)\1", 0, "a backreference"),
        ("a(?=b)", 0, "look-around"),
        ("(?>a)b", 0, "an atomic group"),
        ("a++b", 0, "a possessive repetition"),
        (r"a\B", 0, r"\B"),
        ("a$b", 0, "a $ before the end"),
        ("a", re.ASCII, "the flag"),
        ("(", 0, "Python does not take the pattern"),
        (b"a", 0, "the pattern is no text"),
    ],
)
def test_what_has_no_equal_is_not_translated(pattern, flags, why):
    with pytest.raises(CannotTranslate, match=re.escape(why)):
        translated(pattern, flags)
