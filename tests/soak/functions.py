"""Random labeling functions, each with a twin in plain Python that votes for one row.

A twin gives a class by name or index, `ABSTAIN`, None where the function gives what is no vote, or raises what
the function itself would raise there.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.soak.items import AUTHORS, PARTS, WORDS, Row

ABSTAIN = -1
Label = str | int
Twin = Callable[[Row], Label | None]

HEADER = """
import polars as pl
import pyarrow.compute as pc

from sparkws import ABSTAIN, labeling_function, preprocessor


@preprocessor
def with_words(x):
    x.words = (x.text or "").split()
    return x
"""


@dataclass(frozen=True)
class Function:
    """A labeling function: a section of the configuration, or code of a module; and its twin."""

    name: str
    vote: Twin
    declarative: Mapping[str, Any] | None = None
    code: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def random_function(rng: Random, name: str, classes: Sequence[str]) -> Function:
    """Any kind of labeling function."""
    if rng.random() < 0.01:
        return _coded(name, "", "return None", lambda row: None)
    return rng.choice(_KINDS)(rng, name, classes)


def _label(rng: Random, classes: Sequence[str]) -> Label:
    index = rng.randrange(len(classes))
    return rng.choice((index, classes[index]))


def _declared(name: str, kind: str, section: Mapping[str, Any], vote: Twin, **files: str) -> Function:
    return Function(name, vote, {"name": name, kind: section}, files={f"{name}.csv": text for text in files.values()})


def _keyword(rng: Random, name: str, classes: Sequence[str]) -> Function:
    words = rng.sample(WORDS, rng.randrange(1, 4))
    match, cased, label = rng.choice(("word", "substring")), rng.random() < 0.5, _label(rng, classes)
    section = {"column": "text", "any": words, "match": match, "case_sensitive": cased, "label": label}

    def vote(row: Row) -> Label:
        text = row["text"]
        found = text is not None and any(_has(text, word, whole=match == "word", cased=cased) for word in words)
        return label if found else ABSTAIN

    return _declared(name, "keyword", section, vote)


_PATTERNS: tuple[tuple[str, bool, Callable[[str], bool]], ...] = (
    ("https?://", True, lambda text: "http://" in text or "https://" in text),
    (r"\d{3}", True, lambda text: re.search(r"\d{3}", text) is not None),
    ("^[A-Z]", True, lambda text: "A" <= text[:1] <= "Z"),
    ("win$", True, lambda text: text.endswith("win")),
    ("gift|song", False, lambda text: "gift" in _fold(text) or "song" in _fold(text)),
    (".{200}", True, lambda text: any(len(line) >= 200 for line in text.split("\n"))),
    (r"\x00", True, lambda text: "\0" in text),
    ("[🎉é]", True, lambda text: "🎉" in text or "é" in text),
)


def _regex(rng: Random, name: str, classes: Sequence[str]) -> Function:
    pattern, cased, matches = rng.choice(_PATTERNS)
    label = _label(rng, classes)
    section = {"column": "text", "pattern": pattern, "case_sensitive": cased, "label": label}
    return _declared(
        name, "regex", section, lambda row: label if row["text"] is not None and matches(row["text"]) else ABSTAIN
    )


def _lookup(rng: Random, name: str, classes: Sequence[str]) -> Function:
    column, known = rng.choice((("author", AUTHORS), ("count", (0, 1, 2, 5, 2**53 + 1)), ("part", PARTS)))
    values = {value: rng.choice((_label(rng, classes), ABSTAIN)) for value in rng.sample(known, rng.randrange(1, 4))}
    if column == "author" and rng.random() < 0.5:
        # In a file everything is text: "1" is the class of that name, or else an index.
        rows = [f'"{value}",{classes.index(said) if said in classes else said}' for value, said in values.items()]
        said_there = {value: _in_file(said, classes) for value, said in values.items()}
        text = "\n".join(["value,class", *rows])
        section: dict[str, Any] = {"column": column, "file": f"{name}.csv"}
        return _declared(name, "lookup", section, lambda row: said_there.get(row[column], ABSTAIN), text=text)
    section = {"column": column, "values": dict(values)}
    return _declared(name, "lookup", section, lambda row: values.get(row[column], ABSTAIN))


def _in_file(said: Label, classes: Sequence[str]) -> Label:
    index = str(classes.index(said) if said in classes else said)
    return index if index in classes else int(index)


def _threshold(rng: Random, name: str, classes: Sequence[str]) -> Function:
    column, label = rng.choice(("amount", "count", "late")), _label(rng, classes)
    low, high = sorted((rng.randrange(-5, 12), rng.randrange(-5, 12)))
    bounds: dict[str, float] = rng.choice(
        ({"above": low}, {"at_least": low}, {"below": high}, {"at_most": high}, {"at_least": low, "below": high + 1})
    )
    holds: dict[str, Callable[[float, float], bool]] = {
        "above": lambda value, bound: value > bound,
        "at_least": lambda value, bound: value >= bound,
        "below": lambda value, bound: value < bound,
        "at_most": lambda value, bound: value <= bound,
    }

    def vote(row: Row) -> Label:
        value = row[column]
        if value is None or math.isnan(value):
            return ABSTAIN
        return label if all(holds[kind](float(value), bound) for kind, bound in bounds.items()) else ABSTAIN

    return _declared(name, "threshold", {"column": column, **bounds, "label": label}, vote)


# To polars NaN is greater than every number.
_CONDITIONS: tuple[tuple[str, Callable[[Row], bool]], ...] = (
    ("amount > 5", lambda row: row["amount"] is not None and not row["amount"] <= 5),
    ("LENGTH(text) > 6", lambda row: row["text"] is not None and len(row["text"]) > 6),
    ("author = 'ann' OR count >= 5", lambda row: row["author"] == "ann" or (row["count"] or 0) >= 5),
    ("author IS NULL", lambda row: row["author"] is None),
    ("late > 2 AND text IS NOT NULL", lambda row: (row["late"] or 0) > 2 and row["text"] is not None),
    ("NOT (part = 'p1')", lambda row: row["part"] not in (None, "p1")),
)


def _condition(rng: Random, name: str, classes: Sequence[str]) -> Function:
    sql, holds = rng.choice(_CONDITIONS)
    label = _label(rng, classes)
    return _declared(name, "expression", {"sql": sql, "label": label}, lambda row: label if holds(row) else ABSTAIN)


def _expression(rng: Random, name: str, classes: Sequence[str]) -> Function:
    first = classes[0].replace("'", "''")

    def by_author(row: Row) -> Label:
        return classes[0] if row["author"] == "bo" else ABSTAIN

    def by_count(row: Row) -> Label:
        return ABSTAIN if row["count"] is None else 1 if row["count"] > 5 else 0 if row["count"] < 0 else ABSTAIN

    sql, vote = rng.choice(
        (
            ("CASE WHEN count > 5 THEN 1 WHEN count < 0 THEN 0 END", by_count),
            (
                f"CASE WHEN author = 'bo' THEN '{first}' END",
                lambda row: classes[0] if row["author"] == "bo" else ABSTAIN,
            ),
            ("late % 2", lambda row: ABSTAIN if row["late"] is None else row["late"] % 2),
        )
    )
    return _declared(name, "expression", {"sql": sql}, vote)


def _coded(name: str, decorator: str, body: str, vote: Twin, arguments: str = "x") -> Function:
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    return Function(name, vote, code=f"\n\n@labeling_function{decorator}\ndef {name}({arguments}):\n{indented}\n")


def _row(rng: Random, name: str, classes: Sequence[str]) -> Function:
    label, n = _label(rng, classes), rng.randrange(12)
    said, other = repr(label), _label(rng, classes)
    words = tuple(rng.sample(AUTHORS, 3))
    table = {"ann": label, "bo": other}

    def by_amount(row: Row) -> Label:
        return label if float(row["amount"]) > n else ABSTAIN  # NULL faults

    def by_number(row: Row) -> Label:
        return label if int(row["author"]) > n else ABSTAIN  # NULL and names fault in two ways

    def unknown(row: Row) -> int:
        return sum(row[column] is None for column in ("text", "author", "late", "part"))

    def by_key(row: Row) -> Label:
        return label if len(str(row["id"])) % 3 == n % 3 else ABSTAIN

    return rng.choice(
        (
            _coded(
                name,
                "",
                f"return {said} if len(x.text) < {n} else ABSTAIN",
                lambda row: label if len(row["text"]) < n else ABSTAIN,
            ),
            _coded(
                name,
                f"(resources={{'authors': {words!r}}})",
                f'return {said} if x.get("author") in authors else ABSTAIN',
                lambda row: label if row["author"] in words else ABSTAIN,
                "x, authors",
            ),
            _coded(name, "", f'return {said} if float(x["amount"]) > {n} else -1', by_amount),
            _coded(
                name,
                "(pre=[with_words])",
                f"return {said} if len(x.words) > {n % 4} else ABSTAIN",
                lambda row: label if len((row["text"] or "").split()) > n % 4 else ABSTAIN,
            ),
            _coded(name, "", f"return {said} if len(str(x.id)) % 3 == {n % 3} else ABSTAIN", by_key),
            _coded(
                name,
                "",
                # Columns of known classes are not shown to a function that may read anything.
                "known = dict(x)\n"
                "unknown = sum(known.get(column) is None for column in ('text', 'author', 'late', 'part'))\n"
                f"return {said} if unknown > {n % 4} else ABSTAIN",
                lambda row: label if unknown(row) > n % 4 else ABSTAIN,
            ),
            _coded(name, "", f"return {table!r}[x.author]", lambda row: table[row["author"]]),
            _coded(name, "", f"return {said} if int(x.author) > {n} else ABSTAIN", by_number),
        )
    )


def _vectorized(rng: Random, name: str, classes: Sequence[str]) -> Function:
    index, n = rng.randrange(len(classes)), rng.randrange(12)

    def fail(_: Row) -> Label:
        raise RuntimeError("never works")

    return rng.choice(
        (
            _coded(
                name,
                "(vectorized='polars', columns=['count'])",
                f"return rows.select(pl.when(pl.col('count') > {n}).then({index})).to_series()",
                lambda row: index if row["count"] is not None and row["count"] > n else ABSTAIN,
                "rows",
            ),
            _coded(
                name,
                "(vectorized='arrow')",
                f"return pc.if_else(pc.is_null(rows.column('text')), {index}, None)",
                lambda row: index if row["text"] is None else ABSTAIN,
                "rows",
            ),
            _coded(
                name,
                "(vectorized='polars', columns=['author'])",
                f"return [{classes[index]!r} if name == 'Ann' else None for name in rows['author']]",
                lambda row: classes[index] if row["author"] == "Ann" else ABSTAIN,
                "rows",
            ),
            _coded(name, "(vectorized='polars', columns=[])", "raise RuntimeError('never works')", fail, "rows"),
        )
    )


_KINDS = (_keyword, _keyword, _regex, _lookup, _lookup, _threshold, _condition, _expression, _row, _row, _vectorized)


def _has(text: str, word: str, *, whole: bool, cased: bool) -> bool:
    """Whether a word is anywhere in a text, as a whole word if asked for, place by place."""
    searched, wanted = (text, word) if cased else (_fold(text), _fold(word))
    for start in range(len(searched) - len(wanted) + 1):
        if searched[start : start + len(wanted)] != wanted:
            continue
        before, behind = text[start - 1 : start] if start else "", text[start + len(word) : start + len(word) + 1]
        is_cut = (before and _is_word(before) and _is_word(word[0])) or (
            behind and _is_word(behind) and _is_word(word[-1])
        )
        if not (whole and is_cut):
            return True
    return False


def _fold(text: str) -> str:
    """The text without regard to case, letter by letter as Unicode folds them; its length stays."""
    odd = {"ſ": "s", "\u212a": "k", "ẞ": "ß"}
    return "".join(odd.get(letter, letter.lower() if len(letter.lower()) == 1 else letter) for letter in text)


def _is_word(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category[0] in "LM" or category in ("Nd", "Nl", "Pc") or letter in "\u200c\u200d"
