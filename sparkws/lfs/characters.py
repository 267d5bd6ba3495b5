"""What Python sees in each character, found by asking it about all 1,114,112 of them.

Python and polars' engine have tables of different Unicode versions and different opinions (whether a combining
mark belongs to a word, which letters are equal when case does not count). So a pattern is not translated by the
names of classes: the engine is given the characters themselves, those that Python sees in the class.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

N_CHARACTERS: Final = 0x110000
CAPITAL_SIGMA: Final = "\u03a3"
SMALL_SIGMAS: Final = ("\u03c3", "\u03c2")  # what lower makes of it, by whether it ends a word
_SURROGATES: Final = slice(0xD800, 0xE000)  # never in a text of polars
Members = NDArray[np.bool_]  # (N_CHARACTERS,): which characters are in a class
CasingName = Literal["lower", "upper", "casefold"]


@cache
def every_character() -> str:
    """All code points in order, surrogates as well."""
    return "".join(map(chr, range(N_CHARACTERS)))


@cache
def cased() -> str:
    """The characters that have a case: for all others lower, upper and IGNORECASE change nothing."""
    return "".join(c for c in every_character() if not c == c.lower() == c.upper() == c.casefold())


@lru_cache(maxsize=16)
def category(name: str) -> Members:
    r"""The characters in Python's `\d`, `\w` or `\s`."""
    return members(re.findall(name, every_character()))


def members(characters: Iterable[str]) -> Members:
    """The class of some characters."""
    found = np.zeros(N_CHARACTERS, np.bool_)
    found[np.fromiter(map(ord, characters), np.int64)] = True
    return found


@dataclass(frozen=True)
class Casing:
    """What `str.lower`, `upper` or `casefold` makes of each character.

    Attributes
    ----------
    name : str
    becomes : dict
        The cased characters that become another single one.
    comes_from : dict
        The reverse: all characters that become a given one.
    odd : dict
        Characters that become several, or different ones by what stands around them, and all that they become.
    """

    name: CasingName
    becomes: dict[str, str]
    comes_from: dict[str, str]
    odd: dict[str, tuple[str, ...]]

    def gives(self, character: str) -> bool:
        """Whether a character can come up in what it makes."""
        is_kept = character not in self.becomes and character not in self.odd
        return is_kept or character in self.comes_from or any(character in "".join(to) for to in self.odd.values())

    def odd_beside(self, word: str) -> str:
        """The odd characters that may become a part of `word`, or end or begin in it."""
        return "".join(c for c, to in self.odd.items() if any(_overlap(part, word) for part in to))

    def before(self, wanted: Members) -> Members:
        """The characters that become one of `wanted`; the odd ones are in it or not, which tells nothing."""
        found = wanted.copy()
        sources = np.fromiter(map(ord, self.becomes), np.int64)
        found[sources] = wanted[np.fromiter(map(ord, self.becomes.values()), np.int64)]
        return found


@cache
def casing(name: CasingName) -> Casing:
    """The casing of that name."""
    change = getattr(str, name)
    become = {c: change(c) for c in cased()}
    odd: dict[str, tuple[str, ...]] = {c: (changed,) for c, changed in become.items() if len(changed) > 1}
    if name == "lower":
        odd[CAPITAL_SIGMA] = SMALL_SIGMAS
    single = {c: changed for c, changed in become.items() if changed != c and len(changed) == 1}
    comes_from: dict[str, str] = {}
    for c, changed in single.items():
        comes_from[changed] = comes_from.get(changed, "") + c
    return Casing(name, single, comes_from, odd)


@lru_cache(maxsize=1024)
def equal_ignoring_case(character: str) -> str:
    """The characters that Python's IGNORECASE takes for this one."""
    if character not in cased():
        return character
    return "".join(re.findall(re.escape(character), cased(), re.IGNORECASE))


@cache
def seen_as_word_by_one() -> Members:
    r"""The characters that are in `\w` for only one of Python and polars' engine: combining marks, for example."""
    texts = every_character().encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(texts, np.uint32)
    valid = np.ones(N_CHARACTERS, np.bool_)
    valid[_SURROGATES] = False
    said = pl.Series([chr(code) for code in codes[valid]]).str.contains(r"^\w$").to_numpy()
    engine = np.zeros(N_CHARACTERS, np.bool_)
    engine[valid] = said
    different: Members = np.not_equal(engine, category(r"\w"))
    different[_SURROGATES] = False
    return different


def _overlap(part: str, word: str) -> bool:
    if part in word or word in part:
        return True
    cuts = range(1, len(part))
    return any(word.startswith(part[cut:]) or word.endswith(part[:cut]) for cut in cuts)


def class_text(wanted: Members) -> str | None:
    """A class in the engine's syntax that holds these characters; None if it holds none."""
    wanted = wanted.copy()
    wanted[_SURROGATES] = wanted[0xD7FF]  # so that they split no range
    is_negated = bool(wanted[-1])
    if is_negated:
        wanted = ~wanted
    edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False))
    ranges = [(int(start), int(end) - 1) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    if not ranges:
        return "(?s:.)" if is_negated else None
    listed = "".join(_code(first) if first == last else f"{_code(first)}-{_code(last)}" for first, last in ranges)
    return f"[{'^' if is_negated else ''}{listed}]"


def escaped(character: str) -> str:
    """A pattern of the engine that is this character."""
    return character if character.isascii() and character.isalnum() else f"\\x{{{ord(character):X}}}"


def _code(code: int) -> str:
    return escaped(chr(code))
