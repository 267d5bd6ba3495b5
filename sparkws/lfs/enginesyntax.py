r"""A reader of regular expressions in the syntax of polars' engine, as far as words in them need it.

It knows literals, small classes, groups, repetitions, boundaries and the flags i, m and s. What it does not know
it refuses, so that nobody takes a pattern for what it is not: nested classes, code points by number, the flags
u, U, R and x, boundaries such as \b{start}. Of other classes of characters it knows only that they are some character.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal


class Unclear(Exception):
    """A pattern holds what this module does not read."""


@dataclass(frozen=True)
class Chars:
    """One character of some.

    Attributes
    ----------
    any_of : tuple of str
        Which; empty where that is not known.
    ignores_case : bool
        Whether it is also another one that is equal but for its case.
    """

    any_of: tuple[str, ...]
    ignores_case: bool = False


@dataclass(frozen=True)
class Place:
    r"""What takes no character: ^ and \A are a `start`, $ and \z an `end`, \b a `boundary`, \B is `within`."""

    kind: Literal["start", "end", "boundary", "within"]


@dataclass(frozen=True)
class NoWord:
    r"""The characters of \W."""


@dataclass(frozen=True)
class Repeat:
    """An element `least` to `most` times; without a `most` any number of times."""

    element: "Element"
    least: int
    most: int | None


@dataclass(frozen=True)
class Alternatives:
    """One of several sequences of elements."""

    branches: "tuple[Sequence[Element], ...]"


Element = Chars | Place | NoWord | Repeat | Alternatives

MOST_LISTED: Final = 4  # characters of a class that are worth telling apart
_TIMES: Final = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")
_GROUP: Final = re.compile(r"\?(?:P?<[A-Za-z_][A-Za-z0-9_]*>|([ims]*)(?:-([ims]+))?([:)]))")
_PROPERTY: Final = re.compile(r"[pP](?:\{[^}]*\}|[A-Za-z])")
_PLACES: Final[dict[str, Literal["start", "end", "within"]]] = {
    "^": "start",
    "$": "end",
    r"\A": "start",
    r"\z": "end",
    r"\B": "within",
}
_CONTROL: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}


def read_pattern(pattern: str) -> Alternatives:
    r"""The tree of a pattern.

    Raises
    ------
    Unclear
        If it holds what is not read.

    Examples
    --------
    >>> read_pattern("a[bc]").branches
    ((Chars(any_of=('a',), ignores_case=False), Chars(any_of=('b', 'c'), ignores_case=False)),)
    """
    reader = _Reader(pattern)
    tree = reader.alternatives(ignores_case=False)
    if reader.rest:
        raise Unclear(pattern)
    return tree


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self.rest = pattern

    def alternatives(self, *, ignores_case: bool) -> Alternatives:
        branches: list[list[Element]] = [[]]
        while self.rest and not self.rest.startswith(")"):
            if self._take("|"):
                branches.append([])
            elif (flags := _flags_alone(self.rest)) is not None:
                # They hold to the end of the group, in later branches too.
                self.rest = self.rest[flags.end() + 1 :]
                ignores_case = _case_of(flags, ignores_case)
            else:
                branches[-1].append(self._repeated(self._element(ignores_case=ignores_case)))
        return Alternatives(tuple(map(tuple, branches)))

    def _element(self, *, ignores_case: bool) -> Element:
        character = self._next()
        if character == "(":
            return self._group(ignores_case=ignores_case)
        if character == "[":
            return self._class(ignores_case=ignores_case)
        if character == "\\":
            return self._escaped(ignores_case=ignores_case)
        if character in _PLACES:
            return Place(_PLACES[character])
        if character == ".":
            return Chars(())
        if character in "*+?{":
            raise Unclear(character)
        return Chars((character,), ignores_case)

    def _group(self, *, ignores_case: bool) -> Element:
        if self.rest.startswith("?"):
            opening = _GROUP.match(self.rest)
            if opening is None or opening[3] == ")":
                raise Unclear(self.rest)
            self.rest = self.rest[opening.end() :]
            ignores_case = _case_of(opening, ignores_case)
        tree = self.alternatives(ignores_case=ignores_case)
        if not self._take(")"):
            raise Unclear("(")
        return tree

    def _class(self, *, ignores_case: bool) -> Element:
        is_negated = self._take("^")
        listed: list[str] | None = []
        is_first = True
        while is_first or not self.rest.startswith("]"):
            if self.rest.startswith(("[", "&&", "--", "~~")):
                raise Unclear(self.rest)
            character, is_first = self._next(), False
            element = self._escaped(ignores_case=False) if character == "\\" else Chars((character,))
            if character == "-" or not isinstance(element, Chars) or not element.any_of:
                listed = None
            elif listed is not None:
                listed += element.any_of
        self.rest = self.rest[1:]
        if is_negated or listed is None or len(listed) > MOST_LISTED:
            return Chars(())
        return Chars(tuple(listed), ignores_case)

    def _escaped(self, *, ignores_case: bool) -> Element:
        character = self._next()
        if character == "b" and not self.rest.startswith("{"):
            return Place("boundary")
        if "\\" + character in _PLACES:
            return Place(_PLACES["\\" + character])
        if character == "W":
            return NoWord()
        if character in "dDsSw":
            return Chars(())
        if character in _CONTROL:
            return Chars((_CONTROL[character],), ignores_case)
        if (named := _PROPERTY.match(character + self.rest)) is not None:
            self.rest = self.rest[named.end() - 1 :]
            return Chars(())
        if character.isalnum() or character in "<>" or not character.isascii():
            raise Unclear("\\" + character)
        return Chars((character,), ignores_case)

    def _repeated(self, element: Element) -> Element:
        while self.rest and self.rest[0] in "*+?{":
            if self.rest[0] == "{":
                times = _TIMES.match(self.rest)
                if times is None:
                    raise Unclear(self.rest)
                least = int(times[1])
                most = least if times[2] is None else int(times[3]) if times[3] else None
                self.rest = self.rest[times.end() :]
            else:
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[self._next()]
            self._take("?")  # lazy: it finds something in the same texts
            element = Repeat(element, least, most)
        return element

    def _next(self) -> str:
        if not self.rest:
            raise Unclear("")
        character, self.rest = self.rest[0], self.rest[1:]
        return character

    def _take(self, character: str) -> bool:
        has = self.rest.startswith(character)
        self.rest = self.rest[len(character) :] if has else self.rest
        return has


def _flags_alone(rest: str) -> "re.Match[str] | None":
    opening = _GROUP.match(rest[1:]) if rest.startswith("(?") else None
    return opening if opening is not None and opening[3] == ")" else None


def _case_of(opening: "re.Match[str]", ignores_case: bool) -> bool:
    if "i" in (opening[2] or ""):
        return False
    return ignores_case or "i" in (opening[1] or "")
