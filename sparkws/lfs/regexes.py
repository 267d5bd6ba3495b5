r"""Python's regular expressions in the syntax of polars' engine, where both find something in the same texts.

A pattern is read by Python's own parser. Every class of characters is written out as Python sees it, a word's
boundary as the characters that may stand beside it. What has no equal (look-around, backreferences, atomic
groups) is not translated. Which part of a text is found may differ, whether something is found does not.
The module is longer than 300 lines because a pattern is read and written side by side, node by node.
"""

import re
import re._constants as codes  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final, Literal

import numpy as np
import polars as pl

from sparkws.lfs.boundaries import At, Char, Element, Group, Many, Piece, Run, Side, first_kind, last_kind, resolved
from sparkws.lfs.characters import (
    CAPITAL_SIGMA,
    SMALL_SIGMAS,
    CasingName,
    Members,
    cased,
    casing,
    category,
    class_text,
    equal_ignoring_case,
    escaped,
    members,
    seen_as_word_by_one,
)
from sparkws.lfs.needles import needles_of
from sparkws.lfs.patterns import POLARS_ERRORS, reason

Method = Literal["search", "match", "fullmatch"]
_TRANSLATED_FLAGS: Final = re.IGNORECASE | re.MULTILINE | re.DOTALL | re.VERBOSE | re.UNICODE
_CATEGORIES: Final = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}
_MISSING: Final = {
    codes.GROUPREF: "a backreference",
    codes.GROUPREF_EXISTS: "a group that depends on another",
    codes.ASSERT: "look-around",
    codes.ASSERT_NOT: "look-around",
    codes.ATOMIC_GROUP: "an atomic group",
    codes.POSSESSIVE_REPEAT: "a possessive repetition",
}
_WORD: Final = r"\w"
_MOST_EXTRA: Final = 8
_PLACES: Final = {"start": r"\A", "line_start": "(?m:^)", "end": r"\z", "line_end": "(?m:$)", "engine_boundary": r"\b"}


class CannotTranslate(Exception):
    """A pattern has no equal in the engine's syntax; says what in it has none, as the end of a sentence."""


@dataclass(frozen=True)
class Finding:
    """A pattern of the engine for a text before its case was changed.

    Attributes
    ----------
    pattern : str
    needles : tuple of str
        As those of a `TextTest`.
    undecided : str
        A class of the engine: of texts with one of its characters nothing is told. Empty if there are none.
    """

    pattern: str
    needles: tuple[str, ...] = ()
    undecided: str = ""


@lru_cache(maxsize=1024)
def translated(pattern: str, flags: int = 0, method: Method = "search", case: CasingName | None = None) -> Finding:
    r"""What finds something in a text where Python's `method` does in the text with changed case.

    Raises
    ------
    CannotTranslate
        With the reason.

    Examples
    --------
    >>> translated("b(an){2}a?$").pattern
    'b(?:an){2}a?\\n?\\z'
    """
    if not isinstance(pattern, str):
        raise CannotTranslate("the pattern is no text")
    try:
        tree = parser.parse(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise CannotTranslate(f"Python does not take the pattern ({error})") from None
    flags = tree.state.flags
    if flags & ~_TRANSLATED_FLAGS:
        raise CannotTranslate(f"the flag {re.RegexFlag(flags & ~_TRANSLATED_FLAGS)!r}")
    reader = _Reader(case)
    run = reader.run(tree, flags)
    return found_by(run, method, "".join(sorted(reader.odd)))


def found_by(run: Run, method: Method, odd: str = "") -> Finding:
    """The finding of a tree; nothing is told of texts with a character of `odd`."""
    before: Side = "free" if method == "search" else "end"
    after: Side = "end" if method == "fullmatch" else "free"
    writer = _Writer()
    text = writer.run(run, before, after)
    if text is None:
        return Finding(r"[^\s\S]")
    if method != "search":
        text = rf"\A(?:{text})"
    if method == "fullmatch":
        text += r"\z"
    characters = members(odd)
    if writer.used_engine_boundary:
        characters |= seen_as_word_by_one()
    try:
        pl.Series([""]).str.contains(text)
    except POLARS_ERRORS as error:
        raise CannotTranslate(f"the engine does not take the pattern ({reason(error)})") from None
    return Finding(text, needles_of([run]), class_text(characters) or "")


def literal_run(word: str, case: CasingName | None = None) -> Run:
    """The tree that is found in a text where `word` is in the text with changed case."""
    return tuple(Char(literal_piece(character, case=case)) for character in word)


@lru_cache(maxsize=4096)
def literal_piece(character: str, *, ignores_case: bool = False, case: CasingName | None = None) -> Piece:
    """The characters that are equal to one, or become one that is."""
    equal = set(equal_ignoring_case(character)) if ignores_case else {character}
    if case is not None:
        table = casing(case)
        equal = {c for c in equal if c not in table.becomes}.union(*(table.comes_from.get(c, "") for c in equal))
        equal -= set(table.odd)
    return _piece_of_few(frozenset(equal))


def _piece_of_few(equal: frozenset[str]) -> Piece:
    word = frozenset(c for c in equal if category(_WORD)[ord(c)])
    extra = {c for c in equal if not c.isascii()}
    plain = {c.lower() for c in equal - extra}
    literal = ""
    if len(equal) == 1:
        literal, extra = next(iter(equal)), set()
    elif len(plain) == 1 and len(extra) <= _MOST_EXTRA:
        literal = next(iter(plain))
    return Piece(_listed(equal), _listed(word), _listed(equal - word), literal, "".join(sorted(extra)))


def _listed(characters: frozenset[str]) -> str | None:
    if len(characters) <= 1:
        return escaped(next(iter(characters))) if characters else None
    return f"[{''.join(map(escaped, sorted(characters)))}]"


@lru_cache(maxsize=1024)
def _class_piece(text: str, *, ignores_case: bool, case: CasingName | None) -> Piece:
    """The characters that are in a class, given in Python's syntax, or become one that is."""
    found = _class_members(text, ignores_case=ignores_case)
    if case is not None:
        found = casing(case).before(found)
    ascii_part = {chr(code).lower() for code in np.flatnonzero(found[:128])}
    if len(ascii_part) <= 1 and int(found.sum()) <= _MOST_EXTRA:
        return _piece_of_few(frozenset(map(chr, np.flatnonzero(found))))
    word = category(_WORD)
    return Piece(class_text(found), class_text(found & word), class_text(found & ~word))


def _class_members(text: str, *, ignores_case: bool) -> Members:
    is_negated, items = text.startswith("[^"), _ITEM.findall(text)
    found = np.zeros(len(category(_WORD)), np.bool_)
    for item in items:
        if item[0] == "\\" and item[1] in "dDsSwW":
            listed = category("\\" + item[1].lower())
            found |= listed if item[1].islower() else ~listed
        else:
            bounds = [int(code, 16) for code in re.findall(r"\\U(.{8})", item)]
            found[bounds[0] : bounds[-1] + 1] = True
    if is_negated:
        found = ~found
    if ignores_case:
        # Only of characters with a case does IGNORECASE change what is matched; Python itself says what.
        found &= ~members(cased())
        found |= members(re.findall(text, cased(), re.IGNORECASE))
    return found


_ITEM: Final = re.compile(r"\\[dDsSwW]|\\U.{8}(?:-\\U.{8})?")


def _code(code: int) -> str:
    return f"\\U{code:08X}"


class _Reader:
    """Python's tree as ours."""

    def __init__(self, case: CasingName | None) -> None:
        self.case = case
        self.odd = {c for c, to in casing(case).odd.items() if len(to) == 1} if case is not None else set()

    def run(self, tree: Sequence[tuple[Any, Any]], flags: int) -> Run:
        return tuple(element for node in tree for element in self._element(node, flags))

    def _element(self, node: tuple[Any, Any], flags: int) -> Sequence[Element]:
        op, value = node
        ignores_case = bool(flags & re.IGNORECASE)
        if op is codes.LITERAL:
            character = chr(value)
            equal = equal_ignoring_case(character) if ignores_case else character
            self._look_at_sigmas([sigma in equal for sigma in SMALL_SIGMAS])
            return [Char(literal_piece(character, ignores_case=ignores_case, case=self.case))]
        if op is codes.NOT_LITERAL:
            return [self._class(f"[^{_code(value)}]", ignores_case)]
        if op is codes.ANY:
            return [_any_character() if flags & re.DOTALL else self._class(f"[^{_code(ord(chr(10)))}]", False)]
        if op is codes.IN:
            return [self._class(f"[{''.join(map(_item, value))}]", ignores_case)]
        if op is codes.BRANCH:
            return [Group(tuple(self.run(branch, flags) for branch in value[1]))]
        if op is codes.SUBPATTERN:
            _, added, removed, inner = value
            return [Group((self.run(inner, (flags | added) & ~removed),))]
        if op in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            least, most, inner = value
            run = self.run(inner, flags)
            item = run[0] if len(run) == 1 and isinstance(run[0], Char | Group) else Group((run,))
            return [Many(item, least, None if most is codes.MAXREPEAT else most)]
        if op is codes.AT:
            return [At(_place(value, multiline=bool(flags & re.MULTILINE)))]
        raise CannotTranslate(_MISSING.get(op, str(op)))

    def _class(self, text: str, ignores_case: bool) -> Char:
        if self.case == "lower":
            flags = re.IGNORECASE if ignores_case else 0
            self._look_at_sigmas([re.fullmatch(text, sigma, flags) is not None for sigma in SMALL_SIGMAS])
        return Char(_class_piece(text, ignores_case=ignores_case, case=self.case))

    def _look_at_sigmas(self, are_in: Sequence[bool]) -> None:
        if self.case == "lower" and any(are_in) and not all(are_in):
            self.odd.add(CAPITAL_SIGMA)


@cache
def _any_character() -> Char:
    return Char(Piece("(?s:.)", class_text(category(_WORD)), class_text(~category(_WORD))))


def _item(item: tuple[Any, Any]) -> str:
    op, value = item
    if op is codes.NEGATE:
        return "^"
    if op is codes.LITERAL:
        return _code(value)
    if op is codes.RANGE:
        return f"{_code(value[0])}-{_code(value[1])}"
    return _CATEGORIES[value]


def _place(value: Any, *, multiline: bool) -> Any:
    places = {
        codes.AT_BEGINNING: "line_start" if multiline else "start",
        codes.AT_BEGINNING_STRING: "start",
        codes.AT_END: "line_end" if multiline else "last_newline",
        codes.AT_END_STRING: "end",
        codes.AT_BOUNDARY: "boundary",
    }
    if value not in places:
        raise CannotTranslate(r"\B")
    return places[value]


class _Writer:
    """Our tree in the engine's syntax; None for what is found nowhere."""

    used_engine_boundary = False

    def run(self, run: Run, before: Side, after: Side) -> str | None:
        plains = resolved(run, before, after)
        # What they have in common at their ends, a large class, is written once.
        starts = len(plains) > 1 and all(plain[0] == At("apart") for plain in plains)
        ends = len(plains) > 1 and all(len(plain) > 1 and plain[-1] == At("apart") for plain in plains)
        inner = [plain[1 if starts else 0 : -1 if ends else None] for plain in plains]
        sides: tuple[Side, Side] = ("other" if starts else before, "other" if ends else after)
        texts = [self._plain(plain, *sides) for plain in inner]
        joined = _joined([text for text in texts if text is not None])
        if joined is None:
            return None
        first = self._at(At("apart"), None, is_first=True) if starts else ""
        return first + joined + (self._at(At("apart"), None, is_first=False) if ends else "")

    def _plain(self, run: Run, before: Side, after: Side) -> str | None:
        written = ""
        for position, element in enumerate(run):
            left = last_kind(run[position - 1]) if position else before
            right = first_kind(run[position + 1]) if position + 1 < len(run) else after
            text = self._element(element, left, right, is_first=position == 0)
            if text is None:
                return None
            written += text
        return written

    def _element(self, element: Element, left: Side, right: Side, *, is_first: bool) -> str | None:
        if isinstance(element, Char):
            return element.piece.text
        if isinstance(element, Group):
            texts = [self.run(alternative, left, right) for alternative in element.alternatives]
            joined = _joined([text for text in texts if text is not None])
            return None if joined is None else f"(?:{joined})"
        if isinstance(element, Many):
            text = self._element(element.item, None, None, is_first=False)
            if text is None:
                return None if element.least else ""
            return text + _times(element.least, element.most)
        return self._at(element, right, is_first=is_first)

    def _at(self, at: At, right: Side, *, is_first: bool) -> str:
        if at.place == "within":
            return class_text(category(_WORD)) or ""
        if at.place == "apart":
            return rf"(?:{_PLACES['start' if is_first else 'end']}|{class_text(~category(_WORD))})"
        if at.place == "last_newline":
            if right not in ("free", "end"):
                raise CannotTranslate("a $ before the end of the pattern")
            return r"\n?\z" if right == "free" else r"\z"
        self.used_engine_boundary |= at.place == "engine_boundary"
        return _PLACES[at.place]


def _joined(texts: list[str]) -> str | None:
    if not texts:
        return None
    return texts[0] if len(texts) == 1 else f"(?:{'|'.join(texts)})"


def _times(least: int, most: int | None) -> str:
    short = {(0, None): "*", (1, None): "+", (0, 1): "?", (1, 1): ""}
    if (least, most) in short:
        return short[least, most]
    upper = "" if most is None else most
    return f"{{{least}}}" if least == most else f"{{{least},{upper}}}"
