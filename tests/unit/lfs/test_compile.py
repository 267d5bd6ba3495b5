"""Compiled functions vote and fail as the functions themselves: on generated programs, characters and rows."""

import linecache
import math
import re
from dataclasses import replace
from itertools import count

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.errors import CompiledVotesDiffer
from sparkws.lfs import LabelingFunction, LFSet, VotesKernel
from sparkws.lfs.compile import StaysPython, compiled
from sparkws.lfs.native import evaluate
from sparkws.lfs.statements import ASK

CLASSES = ("ham", "spam", "rest")
SCHEMA = pl.Schema(
    {
        "id": pl.Int64,
        "a": pl.String,
        "b": pl.String,
        "n": pl.Int64,
        "f": pl.Float64,
        "g": pl.Boolean,
        "s": pl.Int8,
    }
)
GLOBALS = {
    "re": re,
    "WORDS": ("ki", "Sub", "ß", "İ", "a b", "win"),
    "TABLE": {"a": 1, "K": "spam", "ab": -1, 1: 2},
    "LINK": re.compile(r"\bwin|k$", re.IGNORECASE),
    "ABSTAIN": -1,
}
NUMBER = count()
HOSTILE = "aAbkKsSiIİıſKßẞΣσςéÉ Ⅷⓐ²_0١٠\n\t\x00\x1c\x85\xa0\u2028\u0301\ufe0f\u200d❤中ǅŉﬁwWnN.$!"
texts = (
    st.none() | st.text(HOSTILE, max_size=8) | st.sampled_from(["win", "a WIN b", "subSub", "ki\n", "\n", "ab", "K"])
)
ints = st.none() | st.integers(-3, 4) | st.sampled_from([-(2**63), 2**63 - 1, 2**53 + 1, -(2**31), 2**31, 3 * 2**61])
floats = st.none() | st.sampled_from([math.nan, -0.0, 0.0, 1.0, 2.5, -3.0, math.inf, -math.inf, 2.0**53, 1e300, 5e-324])
items = st.lists(
    st.tuples(texts, texts, ints, floats, st.none() | st.booleans(), st.none() | st.integers(-128, 127)),
    min_size=1,
    max_size=12,
).map(lambda rows: pl.DataFrame([(i, *row) for i, row in enumerate(rows)], SCHEMA, orient="row"))


def function_of(source, **options):
    """The labeling function of a source, which `inspect` finds."""
    file = f"<generated {next(NUMBER)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space = dict(GLOBALS)
    exec(compile(source, file, "exec"), space)
    return LabelingFunction("lf", space["lf"], **options)


def is_compiled(lf):
    """Whether it is; the translation itself must not fail."""
    try:
        compiled(lf, CLASSES, SCHEMA)
    except StaysPython as why:
        if "cannot be translated" in why.reason:
            raise
        return False
    return True


def votes_of(lf, items, *, interpreted):
    """Votes and faults; the error where there is one."""
    names = frozenset({"lf"}) if interpreted else frozenset()
    kernel = VotesKernel(LFSet([lf]), CLASSES, "id", SCHEMA, interpreted=names)
    try:
        votes, found = kernel.run(items)
    except Exception as error:
        return type(error).__name__, str(error)
    return votes["lf"].to_list(), found.faults


def check_equal(lf, items):
    """Compiled and interpreted it does the same, also without a look at a sample."""
    assert votes_of(lf, items, interpreted=False) == votes_of(lf, items, interpreted=True), lf.name
    native = evaluate(items, {"lf": compiled(lf, CLASSES, SCHEMA)})["lf"].to_list()
    try:
        votes, _ = VotesKernel(LFSet([lf]), CLASSES, "id", SCHEMA, interpreted=frozenset({"lf"})).run(items)
    except Exception:
        return
    assert [one for one, two in zip(native, votes["lf"], strict=True) if one not in (ASK, two)] == []


# A small grammar of expressions, by what they give.
words = st.sampled_from(
    ["win", "k", "K", "i", "ß", "ss", "Sub", "", " ", "σ", "é", "a b", "İ", "\n", "SS", "ſ", "fi", "."]
)
patterns = st.sampled_from(
    [
        r"\bwin\b", r"win$", r"^k", r"k\b.{0,3}\bi", r"[^\w]", r"\d+", r"\s\w", r"(?:a|\bs)\b", "[a-s]", "[^a-s]k",
        "ß", "i", "s{2}", r"(^|\s)k($|\s)", r"\Ak\Z", r"a.b", "(?i:K)a", r"\w\b", r"\b", r"[²\d]", "[A-Z]{2}", "σ",
        "[İı]", r"(?:k|)\bi?", r"\bwin\b|k$",
    ]
)  # fmt: skip
flags = st.sampled_from(["", ", re.I", ", re.M", ", re.S", ", re.I | re.M", ", flags=re.IGNORECASE"])
columns = st.sampled_from(["x.a", "x['b']", "x.get('a')", "(x.a or '')", "str(x.b)"])


@st.composite
def text_terms(draw):
    """Texts: columns and what methods make of them."""
    term = draw(columns)
    for _ in range(draw(st.integers(0, 2))):
        made = ".lower()", ".upper()", ".casefold()", ".strip()", ".lstrip()", ".rstrip('a ')", ".replace('a', 'kk')"
        term += draw(st.sampled_from(made))
    return term


numbers = st.one_of(
    st.sampled_from(["x.n", "x.f", "x.s", "x.g", "(x.n or 0)", "3", "2.5", "-1", "2**53", "(x.n if x.g else x.s)"]),
    text_terms().map(lambda text: f"len({text})"),
    text_terms().map(lambda text: f"len({text}.split())"),
    st.tuples(text_terms(), words).map(lambda parts: f"{parts[0]}.count({parts[1]!r})"),
    text_terms().map(lambda text: f"sum(w in {text} for w in WORDS)"),
)
calculated = st.one_of(
    numbers,
    st.tuples(numbers, st.sampled_from("+-*/"), numbers).map(lambda parts: f"({' '.join(parts)})"),
    st.tuples(numbers, st.sampled_from(["// 2", "% 3"])).map(lambda parts: f"({' '.join(parts)})"),
)
comparison = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
conditions = st.one_of(
    st.tuples(words, st.sampled_from(["in", "not in"]), text_terms()).map(lambda p: f"{p[0]!r} {p[1]} {p[2]}"),
    st.tuples(words, text_terms()).map(lambda p: f"{p[0]!r} in {p[1]}.split()"),
    st.tuples(text_terms(), words).map(lambda p: f"{p[0]}.startswith({p[1]!r})"),
    st.tuples(text_terms(), words).map(lambda p: f"{p[0]}.endswith({p[1]!r})"),
    text_terms().map(lambda text: f"{text}.startswith(('k', 'ß'))"),
    st.tuples(text_terms(), comparison, words).map(lambda p: f"{p[0]} {p[1]} {p[2]!r}"),
    st.tuples(columns, comparison, columns).map(" ".join),
    st.tuples(text_terms(), st.sampled_from(["('k', 'ß', None)", "{'a', 'win'}", "TABLE"])).map(" in ".join),
    st.tuples(calculated, st.sampled_from(["(1, 2.0, None)", "{True, 3}", "TABLE"])).map(" not in ".join),
    st.tuples(calculated, comparison, calculated).map(" ".join),
    st.tuples(calculated, comparison, calculated, comparison, calculated).map(" ".join),
    st.tuples(
        st.sampled_from(["re.search", "re.match", "re.fullmatch"]), patterns, text_terms(), flags,
        st.sampled_from(["", " is None", " is not None"]),
    ).map(lambda p: f"{p[0]}({p[1]!r}, {p[2]}{p[3]}){p[4]}"),
    text_terms().map(lambda text: f"LINK.search({text})"),
    text_terms().map(lambda text: f"any(w in {text} for w in WORDS)"),
    text_terms().map(lambda text: f"all(w.lower() in {text} for w in WORDS[:2])"),
    st.tuples(columns, st.sampled_from(["is None", "is not None"])).map(" ".join),
    st.sampled_from(["x.a", "x.n", "x.f", "x.g", "x.g is True", "isinstance(x.a, str)", "x.n is None", "bool(x.b)"]),
)  # fmt: skip
conditions = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda condition: f"(not {condition})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
    ),
    max_leaves=3,
)
returned = st.sampled_from(
    ["1", "-1", "'spam'", "ABSTAIN", "0", "TABLE.get(x.a, -1)", "TABLE[x.b]", "None", "'rest' if x.g else -1", "k"]
)


@st.composite
def programs(draw):
    """The source of a labeling function."""
    lines = ["def lf(x):", f"    k = {draw(st.integers(-1, 2))}", f"    t = {draw(text_terms())}"]
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.integers(0, 3))
        condition = draw(conditions)
        if kind == 0:
            lines += [f"    if {condition}:", f"        return {draw(returned)}"]
        elif kind == 1:
            lines += [f"    if {condition}:", "        k += 1", "    else:", f"        t = {draw(text_terms())}"]
        elif kind == 2:
            lines += ["    for w in WORDS:", "        if w in t:", f"            return {draw(returned)}"]
        else:
            lines += [
                f"    if {condition}:",
                f"        return {draw(returned)}",
                f"    elif {draw(conditions)}:",
                "        k = 0",
            ]
    lines.append(f"    return {draw(returned)} if {draw(conditions)} else {draw(returned)}")
    return "\n".join(lines) + "\n"


@settings(max_examples=60, deadline=None)
@given(programs(), items)
def test_generated_programs_vote_and_fail_as_they_do_interpreted(source, items):
    lf = function_of(source)
    if is_compiled(lf):
        check_equal(lf, items)


@settings(max_examples=100, deadline=None)
@given(conditions, items)
def test_generated_conditions_hold_as_they_do_interpreted(condition, items):
    lf = function_of(f"def lf(x):\n    return 1 if {condition} else -1\n")
    if is_compiled(lf):
        check_equal(lf, items)


def test_a_translation_that_is_wrong_is_found_and_the_function_interpreted(monkeypatch, caplog):
    lf = function_of("def lf(x):\n    return 1 if 'k' in x.a else -1\n")
    right = compiled(lf, CLASSES, SCHEMA)
    wrong = replace(right, expression=pl.lit(0, pl.Int8))
    monkeypatch.setattr("sparkws.lfs.compiled.compiled", lambda *_: wrong)
    items = pl.DataFrame({"id": [7, 8], "a": ["a", "k"]})
    said = "'lf' does not vote as its translation: compiled it votes 'ham' on item_id 7, interpreted it abstains"
    with pytest.raises(CompiledVotesDiffer, match=re.escape(said)) as raised:
        VotesKernel(LFSet([lf]), CLASSES, "id", items.schema).run(items)
    assert raised.value.lf == "lf"
    votes = LFSet([lf]).apply(items, classes=CLASSES, key="id")
    assert votes["lf"].to_list() == [-1, 1]
    assert said in caplog.text


@pytest.mark.parametrize(
    ("source", "line", "why"),
    [
        ("def lf(x):\n    return helper(x.a)\n\ndef helper(a):\n    return 1\n", 2, "calls helper()"),
        ("def lf(x):\n    for c in x.a:\n        return 1\n", 2, "loops over something else"),
        ("def lf(x):\n    t = x.a\n    return 1 if re.search(r'(a)\\1', t) else -1\n", 3, "a backreference"),
        ("def lf(x):\n    try:\n        return 1\n    finally:\n        pass\n", 2, "has a statement Try"),
        ("def lf(x):\n    return x.a > 'a'\n", 2, "returns True or False"),
        ("def lf(x):\n    for w in {'a', 'b'}:\n        if w in x.a: return len(w)\n    return 0\n", 2, "over a set"),
        ("def lf(x):\n    w = 1\n    for w in {2, 3}:\n        if w == x.n: return 1\n    return w\n", 3, "over a set"),
        ("D = {}\ndef lf(x):\n    d = D\n    d |= {'b': 1}\n    return d.get(x.a, 0)\n", 4, "changes a list, a set"),
        ("def lf(x):\n    return 1 if isinstance(x.a, 5) else -1\n", 2, "cannot be translated (TypeError"),
        ("len = str\ndef lf(x):\n    return -1 if len(x.n) else 1\n", 3, "calls str() of what is no text"),
    ],
)  # fmt: skip
def test_what_stays_python_is_told_with_its_line(source, line, why):
    with pytest.raises(StaysPython, match=re.escape(why)) as told:
        compiled(function_of(source), CLASSES, SCHEMA)
    assert told.value.line == line


def test_names_mean_what_they_mean_where_the_function_stands():
    inner = "    def lf(x):\n        return 1 if any(w in x.a for w in words) else -1\n"
    lf = function_of(f"def make(words):\n{inner}    return lf\nlf = make(['k'])\n")
    items = pl.DataFrame([(1, "k"), (2, "a")], {"id": pl.Int64, "a": pl.String}, orient="row")
    assert evaluate(items, {"lf": compiled(lf, CLASSES, SCHEMA)})["lf"].to_list() == [1, -1]


@pytest.mark.parametrize(
    "body",
    [
        "w = 'z'\n for w in ('q', 'k'):\n  if w == x.a:\n   return 1\n return 0 if w == 'k' else 2",
        "n = 2\n return (n := x.n) and n",
        "n = 2\n return (n := 1) if x.n == 1 else n",
        "n = 2\n n = (n := x.n) or n\n return 1 if n == 2 else 0",
    ],
)
def test_a_name_that_is_bound_anew_stands_for_its_new_value(body):
    items = pl.DataFrame([(i, "k" if i else "a", i) for i in range(3)], ["id", "a", "n"], orient="row")
    items = items.join(pl.DataFrame(schema=SCHEMA), on=["id", "a", "n"], how="left").select(SCHEMA.names())
    check_equal(function_of(f"def lf(x):\n {body}\n"), items)


def test_an_assignment_in_a_comparison_that_may_not_be_reached_stays_python():
    source = "def lf(x):\n m = 1\n if 1 < x.n < (m := 5):\n  return 1\n return 0 if m == 1 else 2\n"
    with pytest.raises(StaysPython, match="assigns with := where that may not be reached"):
        compiled(function_of(source), CLASSES, SCHEMA)


@pytest.mark.parametrize(
    ("condition", "items"),
    [
        # A quotient is rounded once, not a reciprocal and then a product.
        ("x.n / 10 > 0.3", {"n": [3, 8, None, 0]}),
        ("x.n / 49 == 1", {"n": [49, 48, 98]}),
        ("x.f / 49 == 1", {"f": [49.0, float("nan"), float("inf"), None]}),
        ("x.f / 1e-320 > 1", {"f": [5e-324, 1e-320, 1.0]}),
        ("len(x.text) / 10 > 0.3", {"text": ["abc", "abcd", None]}),
        # None is compared with nothing, not even with NaN.
        ("x.f < x.g", {"f": [float("nan"), None, 1.0], "g": [None, float("nan"), 2.0]}),
        ("x.f != x.g", {"f": [float("nan"), None, 1.0], "g": [None, float("nan"), 2.0]}),
        ("x.n < x.f", {"n": [None, 1], "f": [float("nan"), 2.0]}),
        ("x.f < x.g < x.n", {"f": [float("nan")], "g": [None], "n": [None]}),
        ("x.f / 3.0 == x.g", {"f": [None, 3.0], "g": [float("nan"), 1.0]}),
    ],
)
def test_numbers_are_compared_as_python_compares_them(condition, items):
    schema = {"text": pl.String, "n": pl.Int64, "f": pl.Float64, "g": pl.Float64}
    frame = pl.DataFrame(items, {name: schema[name] for name in items})
    lf = function_of(f"def lf(x):\n    return 1 if {condition} else 0")
    expected = []
    for row in frame.iter_rows(named=True):
        try:
            expected.append(lf(row))
        except TypeError:
            expected.append(ASK)
    assert evaluate(frame, {"lf": compiled(lf, CLASSES, frame.schema)})["lf"].to_list() == expected


def test_a_comparison_with_half_a_character_stays_python():
    lf = function_of("def lf(x):\n    return 1 if x.a > '\\ud800' else 0")
    with pytest.raises(StaysPython, match="no text that can be written"):
        compiled(lf, CLASSES, SCHEMA)
