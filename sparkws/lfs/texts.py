"""What labeling functions ask of texts and make of them, as Python would answer."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Final, Literal

import numpy as np
import polars as pl

from sparkws.lfs.boundaries import At, Char, Group, Piece, Run
from sparkws.lfs.characters import CasingName, casing, category, class_text, escaped, members
from sparkws.lfs.regexes import CannotTranslate, Finding, Method, found_by, literal_run, translated
from sparkws.lfs.terms import (
    NOTHING,
    Const,
    Found,
    NotTranslated,
    Question,
    Text,
    Truth,
    Whole,
    Words,
    settled,
)
from sparkws.lfs.texttests import TextTest

_LONGEST: Final = 2**31
_BLANK: Final = r"\s"
_MOST_WORDS: Final = 1000
Where = Literal["anywhere", "start", "end", "whole", "word"]


def holds(text: Text, words: Iterable[str], where: Where = "anywhere") -> Truth | Const:
    """Whether one of the words is in the text, at its start or end, is all of it, or one of its words."""
    words = [word for word in dict.fromkeys(words) if _can_be_in(word, text, where)]
    if where == "anywhere" and text.unstripped is not None and all(word == word.strip() for word in words):
        text = replace(text.unstripped, case=text.case)
    if not words:
        return settled(False, text)
    if "" in words and where in ("anywhere", "start", "end"):
        return settled(True, text)
    if text.case is None and where != "word":
        return _plainly(text, words, where)
    if len(words) > _MOST_WORDS:
        raise NotTranslated(f"looks for {len(words):,} texts at once in another than their own case")
    case = text.case
    odd = "".join(sorted({c for word in words for c in casing(case).odd_beside(word)})) if case else ""
    if where == "anywhere" and len(words) == 1 and text.is_column and not odd and _is_ascii_case(words[0], case):
        return Question(TextTest(text.column, words[0], "ascii_case", (words[0],)), text.asked).answer
    runs: list[Run] = [literal_run(word, case) for word in words]
    if where == "word":
        space = Char(Piece(_blank(), None, _blank()))
        runs = [(Group(((At("start"),), (space,))), *run, Group(((At("end"),), (space,)))) for run in runs]
    elif where != "anywhere":
        starts, ends = where in ("start", "whole"), where in ("end", "whole")
        runs = [(*[At("start")] * starts, *run, *[At("end")] * ends) for run in runs]
    # Odd characters may make for a word that is not seen, never for one less.
    return _found(text, found_by(runs[0] if len(runs) == 1 else (Group(tuple(runs)),), "search", odd), keeps_found=True)


def finds(text: Text, pattern: str, flags: int, method: Method) -> Found:
    """What `re.search`, `match` or `fullmatch` gives."""
    try:
        return Found(_found(text, translated(pattern, flags, method, text.case), keeps_found=False))
    except CannotTranslate as error:
        raise NotTranslated(f"uses the pattern {pattern!r}, which is not translated: {error}") from None


def length(term: Text | Words) -> Whole:
    """What `len` of it is."""
    if isinstance(term, Words):
        return _number(term.text.source.str.count_matches(f"{class_text(~category(_BLANK))}+"))
    odd = casing(term.case).odd if term.case is not None else {}
    longer = "".join(c for c, become in odd.items() if len(become[0]) > 1)
    return _number(_unless_odd(term, longer, term.source.str.len_chars()))


def count(text: Text, word: str) -> Whole:
    """How often a word comes up, without overlaps."""
    if not word:
        raise NotTranslated("counts an empty text")
    if text.case is None:
        return _number(text.source.str.count_matches(word, literal=True))
    pattern = found_by(literal_run(word, text.case), "search").pattern
    return _number(_unless_odd(text, casing(text.case).odd_beside(word), text.source.str.count_matches(pattern)))


def cased(text: Text, case: CasingName) -> Text:
    """What `lower`, `upper` or `casefold` gives."""
    if text.case not in (None, case):
        raise NotTranslated(f"calls {case}() on what {text.case}() gave")
    return replace(text, case=case)


def stripped(text: Text, characters: str | None, side: Literal["strip", "lstrip", "rstrip"]) -> Text:
    """What stripping gives."""
    unstripped = text.unstripped
    if characters is None:
        # Blanks have no case, so it does not matter what comes first.
        characters = _blanks()
        unstripped = text if text.is_column else unstripped
    elif text.case is not None:
        raise NotTranslated(f"strips given characters after {text.case}()")
    else:
        unstripped = None
    if not characters:
        return text
    strip = {"strip": "strip_chars", "lstrip": "strip_chars_start", "rstrip": "strip_chars_end"}[side]
    source = getattr(text.source.str, strip)(characters)
    return replace(text, source=source, is_column=False, unstripped=unstripped)


def replaced(text: Text, old: str, new: str) -> Text:
    """What `replace` gives."""
    if text.case is not None:
        raise NotTranslated(f"replaces after {text.case}()")
    if not old:
        raise NotTranslated("replaces an empty text")
    source = text.source.str.replace_all(old, new, literal=True)
    return replace(text, source=source, is_column=False, unstripped=None)


def _plainly(text: Text, words: list[str], where: Where) -> Truth:
    """Whether a text holds words as they are."""
    if where == "whole":
        return Truth(text.source == words[0] if len(words) == 1 else text.source.is_in(words))
    if where != "anywhere":
        begins = text.source.str.starts_with if where == "start" else text.source.str.ends_with
        return Truth(pl.any_horizontal([begins(word) for word in words]))
    if len(words) == 1 and text.is_column:
        needles = (words[0],) if words[0].isascii() else ()
        return Question(TextTest(text.column, words[0], "literal", needles), text.asked).answer
    if len(words) == 1:
        return Truth(text.source.str.contains(words[0], literal=True))
    pattern = "|".join("".join(map(escaped, word)) for word in words)
    return _found(text, Finding(pattern, tuple(words) if "".join(words).isascii() else ()), keeps_found=True)


def _found(text: Text, finding: Finding, *, keeps_found: bool) -> Truth:
    """Whether a pattern is found; what is found in texts that are not decided may be certain all the same."""
    if text.is_column:
        test = TextTest(text.column, finding.pattern, "regex", finding.needles)
        found = Question(test, text.asked).answer
    else:
        found = Truth(text.source.str.contains(finding.pattern))
    if not finding.undecided:
        return found
    is_odd = _has_one_of(text, finding.undecided)
    return Truth(pl.when(is_odd & ~found.holds if keeps_found else is_odd).then(NOTHING).otherwise(found.holds))


def _unless_odd(text: Text, odd: str, value: pl.Expr) -> pl.Expr:
    return pl.when(~_has_one_of(text, class_text(members(odd)) or "")).then(value) if odd else value


def _has_one_of(text: Text, characters: str) -> pl.Expr:
    """Whether one of a class of characters is in a text; of a column it is asked once for all functions."""
    if not text.is_column:
        return text.source.str.contains(characters)
    return Question(TextTest(text.column, characters, "regex"), text.asked).answer.holds


def _number(value: pl.Expr) -> Whole:
    return Whole(value.cast(pl.Int64), 0, _LONGEST)


def _can_be_in(word: str, text: Text, where: Where) -> bool:
    if where == "word" and (not word or any(c.isspace() for c in word)):
        return False
    return text.case is None or all(casing(text.case).gives(c) for c in word)


def _is_ascii_case(word: str, case: CasingName | None) -> bool:
    """Whether a word is in a text of that case just where it is in the text, ASCII letters in any case."""
    if case is None or not word.isascii():
        return False
    pieces = [piece.piece for piece in literal_run(word, case) if isinstance(piece, Char)]
    return all(piece.literal and not piece.extra for piece in pieces)


@cache
def _blanks() -> str:
    """What Python strips, and splits at."""
    return "".join(map(chr, np.flatnonzero(category(_BLANK))))


def _blank() -> str:
    return class_text(category(_BLANK)) or ""
