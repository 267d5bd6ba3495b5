r"""Patterns as trees, and their word boundaries `\b` replaced by the characters that may stand beside them.

The engine knows `\b`, but by its own idea of a word, and it searches slowly with it in texts that are not all
ASCII. Beside a character of which is known whether it belongs to a word, a boundary says whether the one on
its other side does: `\bsub` is `(?:\A|[^\w])sub`, and `k\b.{0,20}\bo` is `k[^\w](?:.{0,18}[^\w])?o`. Where nothing
is known, the engine's own boundary is left, marked as such.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

# What stands beside a place: a character of a word or another, the end of the text, anything at all that the
# pattern may take in addition; None where that is not known.
Side = Literal["word", "other", "end", "free"] | None
_Kind = Literal["word", "other"] | None
# The last two take a character: one outside of words, if there is any, or one inside.
_Place = Literal[
    "start", "line_start", "end", "line_end", "last_newline", "boundary", "engine_boundary", "apart", "within"
]
_DEPTH: Final = 5  # of alternatives within alternatives, which multiply


@dataclass(frozen=True)
class Piece:
    """A class of characters, in the engine's syntax.

    Attributes
    ----------
    text, word, other : str or None
        The class, and its parts inside and outside of `\\w`; None where there is no such character.
    literal : str
        The character that it is, the case of ASCII letters not counting; empty if there are several.
    extra : str
        Characters outside ASCII that it may be as well.
    """

    text: str | None
    word: str | None
    other: str | None
    literal: str = ""
    extra: str = ""

    @property
    def kind(self) -> _Kind:
        """Which of the two parts it is wholly in."""
        if self.other is None:
            return "word"
        return "other" if self.word is None else None

    def parts(self) -> "list[Char]":
        """The parts that there are."""
        word, other = replace(self, text=self.word, other=None), replace(self, text=self.other, word=None)
        return [Char(part) for part in (word, other) if part.text is not None]


@dataclass(frozen=True)
class Char:
    """One character."""

    piece: Piece


@dataclass(frozen=True)
class Group:
    """One of several."""

    alternatives: "tuple[Run, ...]"


@dataclass(frozen=True)
class Many:
    """Something repeated; `most` is None where there is no limit."""

    item: Char | Group
    least: int
    most: int | None


@dataclass(frozen=True)
class At:
    """A place in the text."""

    place: _Place


Element: TypeAlias = Char | Group | Many | At
Run: TypeAlias = tuple[Element, ...]


def resolved(run: Run, before: Side, after: Side, depth: int = 0) -> list[Run]:
    """Runs without boundaries, one of which is found wherever `run` is; none if it is found nowhere.

    Parameters
    ----------
    before, after : Side
        What stands around it.
    """
    if At("boundary") not in run:
        return [run]
    at = run.index(At("boundary"))
    head, tail = run[:at], run[at + 1 :]
    left = last_kind(head[-1]) if head else before
    right = first_kind(tail[0]) if tail else after
    if tail and tail[0] == At("boundary"):
        return resolved((*head, *tail), before, after, depth)
    if _is_told(left) and _is_told(right):
        return resolved((*head, *tail), before, after, depth) if (left == "word") != (right == "word") else []
    if left == "free" and _is_told(right):
        beside = At("apart") if right == "word" else At("within")
        return resolved((beside, *tail), before, after, depth)
    if right == "free" and _is_told(left):
        return resolved((*head, At("apart") if left == "word" else At("within")), before, after, depth)
    if depth < _DEPTH:
        split = _by_end(head[-1], is_last=True) if head and left is None else None
        if split is not None:
            parts = [(*head[:-1], *part, *run[at:]) for part in split]
        else:
            split = _by_end(tail[0], is_last=False) if tail and right is None else None
            parts = [(*run[: at + 1], *part, *tail[1:]) for part in split or ()]
        if split is not None:
            return [found for part in parts for found in resolved(part, before, after, depth + 1)]
    return resolved((*head, At("engine_boundary"), *tail), before, after, depth)


_TAKEN: Final[dict[str, _Kind]] = {"apart": "other", "within": "word"}
_BEHIND: Final[dict[str, _Kind]] = {"start": "other", "line_start": "other", **_TAKEN}
_BEFORE: Final[dict[str, _Kind]] = {"end": "other", "line_end": "other", "last_newline": "other", **_TAKEN}


def last_kind(element: Element) -> _Kind:
    """Whether what it takes ends with a character of a word or with another, as seen from behind it."""
    if isinstance(element, At):
        return _BEHIND.get(element.place)
    return _kind(element, -1, last_kind)


def first_kind(element: Element) -> _Kind:
    """Whether what it takes begins with a character of a word or with another, as seen from before it."""
    if isinstance(element, At):
        return _BEFORE.get(element.place)
    return _kind(element, 0, first_kind)


def _kind(element: Char | Group | Many, end: int, of: Callable[[Element], _Kind]) -> _Kind:
    if isinstance(element, Char):
        return element.piece.kind
    if isinstance(element, Many):
        return _kind(element.item, end, of) if element.least else None
    kinds = {of(run[end]) if run else None for run in element.alternatives}
    return kinds.pop() if len(kinds) == 1 else None


def _is_told(side: Side) -> bool:
    return side in ("word", "other", "end")


def _by_end(element: Element, *, is_last: bool) -> list[Run] | None:
    """What an element takes, in cases by its last or first character; None if that is not possible."""
    if isinstance(element, Char):
        return [(part,) for part in element.piece.parts()]
    if isinstance(element, Group):
        return list(element.alternatives)
    if isinstance(element, At):
        return None
    empty: list[Run] = [] if element.least else [()]
    if isinstance(element.item, Group):
        return [*empty, *element.item.alternatives] if element.most == 1 else None
    if element.most == 0:
        return empty
    rest = Many(element.item, max(element.least - 1, 0), None if element.most is None else element.most - 1)
    return [*empty, *((rest, part) if is_last else (part, rest) for part in element.item.piece.parts())]
