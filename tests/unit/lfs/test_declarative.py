"""Every kind of declarative function against a naive reference, and what it refuses."""

import re
import unicodedata
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sparkws.errors import ConfigError, InvalidFunction
from sparkws.lfconfig import DeclarativeLFConfig
from sparkws.lfs import LFSet, VotesKernel, declarative_lfs
from sparkws.vocab import ABSTAIN

QUICK = settings(max_examples=25, deadline=None)

CLASSES = ("ham", "spam")
# Letters that fold to ASCII (the Kelvin sign, the long s), letters that do not, marks, joiners, newlines.
HOSTILE = "aAgGoOdDkK\u212asS\u017féÉıİßẞ.:)(-+_c \n\t0!\u0301\u200d𝒳\\["
texts = st.lists(st.none() | st.text(HOSTILE, max_size=12), max_size=20)
WORDS = ("good", "Ok", ":)", "c++", "é", "s-k", "_a", "a a", ".", "\\", "ß", "ı", "0")


def lf(**kind):
    return declarative_lfs([DeclarativeLFConfig.model_validate({"name": "lf_a", **kind})])[0]


def votes(lf, values, dtype=pl.String):
    return LFSet([lf]).apply(pl.DataFrame({"c": values}, {"c": dtype}), classes=CLASSES)["lf_a"].to_list()


def is_word(character):
    return (
        unicodedata.category(character) in ("Nd", "Nl", "Pc")
        or unicodedata.category(character)[0] in "LM"
        or (character in "\u200c\u200d")
    )


def fold(text):
    """Simple case folding: one character for one."""
    return "".join("ß" if c == "ẞ" else c.casefold() if len(c.casefold()) == 1 else c for c in text)


def contains(text, word, *, whole, fold_case):
    if fold_case:
        text, word = fold(text), fold(word)
    for start in range(len(text) - len(word) + 1):
        end = start + len(word)
        before, after = text[start - 1 : start] if start else "", text[end : end + 1]
        apart = not (is_word(word[0]) and before and is_word(before)) and not (
            is_word(word[-1]) and after and is_word(after)
        )
        if text[start:end] == word and (apart or not whole):
            return True
    return False


@QUICK
@given(texts, st.lists(st.sampled_from(WORDS), min_size=1, unique=True), st.booleans(), st.booleans())
def test_keyword(values, words, whole, case_sensitive):
    match = "word" if whole else "substring"
    lf_a = lf(keyword={"column": "c", "any": words, "match": match, "case_sensitive": case_sensitive, "label": 1})
    naive = [
        1
        if text is not None and any(contains(text, w, whole=whole, fold_case=not case_sensitive) for w in words)
        else ABSTAIN
        for text in values
    ]
    assert votes(lf_a, values) == naive
    assert [lf_a(SimpleNamespace(c=text)) for text in values] == naive


def test_keyword_by_hand():
    lf_a = lf(keyword={"column": "c", "any": ["art", "c++", ":)"], "label": "spam"})
    assert votes(lf_a, ["Art.", "party", "C++11", "c+", "ok:)", "", None, "x\nart\n"]) == [1, -1, 1, -1, 1, -1, -1, 1]


PATTERNS = (r"!{2,}", r"[:;]-?\)", "go+d", "a.d", "^a", r"(?m)^a", "é", r"\\", r"[^a-z]s")


@QUICK
@given(texts, st.sampled_from(PATTERNS))
def test_regex(values, pattern):
    lf_a = lf(regex={"column": "c", "pattern": pattern, "label": "ham"})
    naive = [0 if text is not None and re.search(pattern, text) else ABSTAIN for text in values]
    assert votes(lf_a, values) == naive


def test_regex_without_regard_to_case():
    lf_a = lf(regex={"column": "c", "pattern": "go+d", "case_sensitive": False, "label": 0})
    assert votes(lf_a, ["GOOD", "gd"]) == [0, -1]


numbers = st.none() | st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, float("nan"), float("inf"), float("-inf")])
bounds = st.dictionaries(
    st.sampled_from(["above", "at_least", "below", "at_most"]), st.sampled_from([0.0, 0.5, 1.0]), min_size=1
)


@QUICK
@given(st.lists(numbers, max_size=20), bounds)
def test_threshold(values, bounds):
    lowest = max(bounds.get("above", 0.0), bounds.get("at_least", 0.0))
    assume(lowest <= min(bounds.get("below", 1.0), bounds.get("at_most", 1.0)))
    lf_a = lf(threshold={"column": "c", **bounds, "label": 1})
    holds = {"above": float.__gt__, "at_least": float.__ge__, "below": float.__lt__, "at_most": float.__le__}
    naive = [
        1 if value is not None and all(holds[kind](value, bound) for kind, bound in bounds.items()) else ABSTAIN
        for value in values
    ]
    assert votes(lf_a, values, pl.Float64) == naive


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt64, pl.Float32, pl.Decimal(10, 2)])
def test_threshold_takes_every_number(dtype):
    assert votes(lf(threshold={"column": "c", "above": 1.5, "label": 1}), [1, 2, None], dtype) == [-1, 1, -1]


@QUICK
@given(texts, st.dictionaries(st.sampled_from(["a", "", "A", "0", "\n"]), st.sampled_from([0, "spam", -1]), min_size=1))
def test_lookup(values, known):
    lf_a = lf(lookup={"column": "c", "values": known})
    index = {0: 0, "spam": 1, -1: -1}
    assert votes(lf_a, values) == [index[known.get(text, ABSTAIN)] for text in values]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int64, pl.UInt64])
def test_lookup_of_integers(dtype):
    lf_a = lf(lookup={"column": "c", "values": {1: "spam", "2": "ham"}})
    assert votes(lf_a, [1, 2, 3, None], dtype) == [1, 0, -1, -1]
    assert [lf_a(SimpleNamespace(c=value)) for value in (1, 2, 3, None)] == ["spam", "ham", -1, -1]


def test_lookup_of_a_category():
    lf_a = lf(lookup={"column": "c", "values": {"a": "spam"}})
    assert votes(lf_a, ["a", "b", None], pl.Enum(["a", "b"])) == [1, -1, -1]


def test_lookup_from_a_file(tmp_path):
    (tmp_path / "words.csv").write_text('value,class\ngood,ham\n"a, b",1\n7,-1\n', encoding="utf-8-sig")
    config = DeclarativeLFConfig(name="lf_a", lookup={"column": "c", "file": "words.csv"})
    assert votes(declarative_lfs([config], tmp_path)[0], ["good", "a, b", "7", "x", None]) == [0, 1, -1, -1, -1]


@QUICK
@given(st.lists(st.tuples(st.none() | st.text("ab", max_size=3), st.none() | st.integers(0, 4)), max_size=20))
def test_expression(rows):
    frame = pl.DataFrame(rows, {"c": pl.String, "n": pl.Int64}, orient="row")
    condition = lf(expression={"sql": "n > 2 AND c LIKE '%a%'", "label": "spam"})
    vote = lf(expression={"sql": "CASE WHEN n > 2 THEN 'spam' WHEN c = 'a' THEN 'ham' END"})
    number = lf(expression={"sql": "n - 3"})
    assert condition.columns == vote.columns == ("c", "n")

    def apply(one, frame=frame):
        return LFSet([one]).apply(frame, classes=CLASSES)["lf_a"].to_list()

    assert apply(condition) == [1 if n is not None and n > 2 and c is not None and "a" in c else -1 for c, n in rows]
    assert apply(vote) == [1 if n is not None and n > 2 else 0 if c == "a" else -1 for c, n in rows]
    within = frame.filter((pl.col("n") >= 2) | pl.col("n").is_null())
    assert apply(number, within) == [ABSTAIN if n is None else n - 3 for n in within["n"]]
    for c, n in rows:
        assert vote(SimpleNamespace(c=c, n=n)) == ("spam" if n is not None and n > 2 else "ham" if c == "a" else -1)


def test_a_constant_expression_votes_on_every_item():
    assert votes(lf(expression={"sql": "1"}), ["a", None]) == [1, 1]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"regex": {"column": "c", "pattern": "(?<=a)b", "label": 0}}, "'lf_a' has the pattern '(?<=a)b'"),
        ({"regex": {"column": "c", "pattern": "(?<=a)b", "label": 0}}, "look-around, including"),
        ({"regex": {"column": "c", "pattern": r"(a)\1", "label": 0}}, "backreferences are not supported"),
        ({"regex": {"column": "c", "pattern": "(a", "label": 0}}, "'(a', which is no regular expression"),
        ({"keyword": {"column": "c", "any": ["a", " "], "label": 0}}, "'lf_a' has an empty keyword"),
        ({"expression": {"sql": "n >"}}, "'lf_a' has the expression 'n >', which polars cannot read"),
        ({"expression": {"sql": "MAX(n) > 1", "label": 0}}, "'MAX(n) > 1', which looks at more than one item"),
        ({"expression": {"sql": "n + SUM(n)"}}, "'n + SUM(n)', which looks at more than one item"),
        ({"expression": {"sql": "COUNT(*)"}}, "'COUNT(*)', which looks at more than one item"),
        ({"expression": {"sql": "RANK() OVER (ORDER BY n)"}}, "which looks at more than one item"),
        ({"expression": {"sql": "LAG(n) OVER (ORDER BY n)"}}, "which looks at more than one item"),
        ({"expression": {"sql": "ROW_NUMBER() OVER ()"}}, "which looks at more than one item"),
        ({"expression": {"sql": "(SELECT 1)"}}, "which looks at more than one item"),
        ({"lookup": {"column": "c", "file": "none.csv"}}, "looks values up in 'none.csv', which does not exist."),
    ],
)
def test_is_refused_when_loaded(kind, message):
    with pytest.raises(InvalidFunction, match=re.escape(message)):
        lf(**kind)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            {"keyword": {"column": "n", "any": ["a"], "label": 0}},
            "is a keyword LF, which needs text, but column 'n' is",
        ),
        (
            {"regex": {"column": "n", "pattern": "a", "label": 0}},
            "is a regex LF, which needs text, but column 'n' is Int",
        ),
        ({"threshold": {"column": "c", "above": 1, "label": 0}}, "needs a number, but column 'c' is String."),
        ({"lookup": {"column": "f", "values": {"a": 0}}}, "needs text or integers, but column 'f' is Float64."),
        ({"lookup": {"column": "n", "values": {"a": 0}}}, "'lf_a' has the value 'a', but its column is Int64"),
        ({"lookup": {"column": "n", "values": {1: 0, "1": 1}}}, "there as text and as number: [1]."),
        ({"lookup": {"column": "c", "values": {"a": "spm"}}}, "'lf_a' votes 'spm', which is no class"),
        ({"regex": {"column": "c", "pattern": "a", "label": "spm"}}, "Did you mean 'spam'?"),
        ({"regex": {"column": "c", "pattern": "a", "label": 2}}, "'lf_a' votes 2, which is no class; the classes are"),
        ({"regex": {"column": "c", "pattern": "a", "label": -1}}, "'lf_a' votes -1, which is no class"),
        ({"expression": {"sql": "n > 1"}}, "must give class indices or class names, but it gives Boolean"),
        ({"expression": {"sql": "n", "label": 0}}, "its expression 'n' must be a condition, but it gives Int64"),
        ({"expression": {"sql": "c + n", "label": 0}}, "'lf_a' has the expression 'c + n', which does not fit"),
        ({"expression": {"sql": "UPPER(n) = 'A'", "label": 0}}, "which does not fit"),
    ],
)
def test_is_refused_for_a_table(kind, message):
    schema = pl.Schema({"id": pl.String, "c": pl.String, "n": pl.Int64, "f": pl.Float64})
    with pytest.raises(ConfigError, match=re.escape(message)):
        VotesKernel(LFSet([lf(**kind)]), CLASSES, "id", schema)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"must be a CSV file with the columns \['value', 'class'\], got \[\]."),
        ("word,class\na,ham\n", r"got \['word', 'class'\]."),
        ("value,class\na\n", r"has 1 cells in row 2, expected 2: \['a'\]."),
        ("value,class\na,ham\na,spam\n", r"says 'ham' and 'spam' of the value 'a'."),
        ("value,class\n\xff,ham\n", r"cannot be read: 'utf-8' codec can't decode"),
    ],
)
def test_a_lookup_file_is_checked(tmp_path, text, message):
    (tmp_path / "words.csv").write_bytes(text.encode("latin-1"))
    config = DeclarativeLFConfig(name="lf_a", lookup={"column": "c", "file": "words.csv"})
    with pytest.raises(InvalidFunction, match=message):
        declarative_lfs([config], tmp_path)
