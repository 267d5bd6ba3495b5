r"""What a test seeks: words, one of which is in every text where it finds something.

For many tests that is all there is to say: a text in which one of the words is found, as a whole word or in the
right case where that is asked for, is a text in which the test finds something.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from sparkws.lfs.enginesyntax import Alternatives, Chars, Element, NoWord, Place, Repeat, Unclear, read_pattern
from sparkws.lfs.patterns import FOLDED_TO_ASCII, is_word
from sparkws.lfs.texttests import TextTest

_MOST_WORDS: Final = 64  # that a sequence of elements may be; a list of alternatives may be longer
_MOST_TIMES: Final = 8


@dataclass(frozen=True)
class Word:
    """A text to be found in others.

    Attributes
    ----------
    text : str
    ignores_case : bool
        Whether the case of the letters a to z does not count.
    starts, ends : bool
        Whether no character of a word may stand before it, and behind it.
    """

    text: str
    ignores_case: bool = True
    starts: bool = False
    ends: bool = False


@dataclass(frozen=True)
class Sought:
    """What a test seeks.

    Attributes
    ----------
    words : tuple of Word
        One of them is in every text in which the test finds something, unless one of `but_for` is.
    decides : bool
        Whether the test finds something in every text with one of the words.
    but_for : tuple of str
        Nothing is told of texts with one of these.
    """

    words: tuple[Word, ...]
    decides: bool = False
    but_for: tuple[str, ...] = ()


def sought_by(test: TextTest) -> Sought | None:
    r"""What a test seeks, or None where that is not known.

    Examples
    --------
    >>> sought_by(TextTest("text", r"\bcash\b"))
    Sought(words=(Word(text='cash', ignores_case=False, starts=True, ends=True),), decides=True, but_for=())
    >>> [word.text for word in sought_by(TextTest("text", "(?i)check.{0,20}out|https?://")).words]
    ['check', 'http://', 'https://']
    """
    if test.form != "regex":
        return Sought((Word(test.pattern, test.form == "ascii_case"),), decides=True) if test.pattern else None
    found = _sought_by_pattern(test.pattern)
    if (found is None or not found.decides) and test.needles:
        return Sought(tuple(Word(needle) for needle in test.needles), but_for=FOLDED_TO_ASCII)
    return found


@lru_cache(maxsize=4096)
def _sought_by_pattern(pattern: str) -> Sought | None:
    try:
        tree = read_pattern(pattern)
    except Unclear:
        return None
    return _decided(tree) or _needed(tree)


def _decided(tree: Alternatives) -> Sought | None:
    """The words where a pattern is nothing but words, each with its bounds."""
    if len(tree.branches) == 1 and len(tree.branches[0]) == 1 and isinstance(tree.branches[0][0], Alternatives):
        return _decided(tree.branches[0][0])
    words = []
    for branch in tree.branches:
        cases = set(_cases(branch))
        first, last = (branch[0], branch[-1]) if branch else (None, None)
        starts, ends = _bounds(first, "start"), _bounds(last, "end")
        texts = _texts_of_all(branch[bool(starts) : len(branch) - bool(ends)])
        if not texts or "" in texts or len(cases) > 1:
            return None
        # The engine's boundary before a character that belongs to no word asks for one that does.
        if first == _BOUNDARY and not all(is_word(text[0]) for text in texts):
            return None
        if last == _BOUNDARY and not all(is_word(text[-1]) for text in texts):
            return None
        words += [Word(text, True in cases, starts, ends) for text in texts]
    return Sought(tuple(words), decides=True, but_for=_but_for(tree, words))


def _needed(tree: Alternatives) -> Sought | None:
    texts = _needed_by_one(tree)
    if not texts:
        return None
    words = [Word(text) for text in sorted(texts)]
    return Sought(tuple(words), but_for=_but_for(tree, words))


_BOUNDARY: Final = Place("boundary")


def _bounds(element: Element | None, edge: Literal["start", "end"]) -> bool:
    """Whether an element says that no character of a word is there."""
    branches = element.branches if isinstance(element, Alternatives) else ()
    return element == _BOUNDARY or set(branches) == {(Place(edge),), (NoWord(),)}


def _texts(element: Element) -> list[str] | None:
    """The texts that an element is, if it is some few and nothing else."""
    if isinstance(element, Chars):
        # Other characters are equal to one outside ASCII, but for their case.
        is_known = not element.ignores_case or all(map(str.isascii, element.any_of))
        return list(element.any_of) if element.any_of and is_known else None
    if isinstance(element, Alternatives):
        branches = [_texts_of_all(branch) for branch in element.branches]
        return None if None in branches else list(dict.fromkeys(text for texts in branches for text in texts or ()))
    if isinstance(element, Repeat) and element.most is not None and element.most <= _MOST_TIMES:
        times = [_texts_of_all([element.element] * n) for n in range(element.least, element.most + 1)]
        return None if None in times else list(dict.fromkeys(text for texts in times for text in texts or ()))
    return None


def _texts_of_all(elements: Iterable[Element]) -> list[str] | None:
    """The texts that elements are one behind the other."""
    texts = [""]
    for element in elements:
        further = _behind(texts, _texts(element))
        if further is None:
            return None
        texts = further
    return texts


def _behind(texts: Sequence[str], more: Sequence[str] | None) -> list[str] | None:
    if more is None or len(texts) * len(more) > max(_MOST_WORDS, len(texts), len(more)):
        return None
    return [text + behind for text in texts for behind in more]


def _needed_by_one(tree: Alternatives) -> frozenset[str] | None:
    """Texts of which each branch needs one, in small letters."""
    needed: set[str] = set()
    for branch in tree.branches:
        texts = _needed_by_all(branch)
        if texts is None:
            return None
        needed |= texts
    return frozenset(needed)


def _needed_by_all(elements: Sequence[Element]) -> frozenset[str] | None:
    """Texts of which one is needed by elements one behind the other: those that are the rarest, as far as one sees."""
    run: list[str] = [""]
    candidates: list[Iterable[str]] = []
    for element in elements:
        if isinstance(element, Place):
            continue
        further = _behind(run, _texts(element))
        if further is not None:
            run = further
            continue
        candidates.append(run)
        if isinstance(element, Alternatives):
            candidates.append(_needed_by_one(element) or ())
        elif isinstance(element, Repeat) and element.least:
            times = [element.element] * min(element.least, _MOST_TIMES)
            candidates.append(_behind(run, _texts_of_all(times)) or _needed_by_all(times) or ())
        # What follows a repetition stands behind its last time.
        run = (isinstance(element, Repeat) and element.least and _texts(element.element)) or [""]
    sets = [frozenset(map(small, texts)) for texts in (*candidates, run)]
    return max(
        (texts for texts in sets if texts and "" not in texts),
        key=lambda texts: (min(map(len, texts)), -len(texts)),
        default=None,
    )


def small(text: str) -> str:
    """The text with the letters A to Z made small, and no others."""
    return text.encode().lower().decode()


def _cases(elements: Iterable[Element]) -> Iterator[bool]:
    """Whether case is ignored, for each letter."""
    for element in elements:
        if isinstance(element, Chars) and any(map(str.isalpha, element.any_of)):
            yield element.ignores_case
        elif isinstance(element, Repeat):
            yield from _cases([element.element])
        elif isinstance(element, Alternatives):
            for branch in element.branches:
                yield from _cases(branch)


def _but_for(tree: Alternatives, words: Iterable[Word]) -> tuple[str, ...]:
    """The characters that may stand for letters of the words."""
    folds = True in _cases([tree]) and any(letter in word.text.lower() for word in words for letter in "sk")
    return FOLDED_TO_ASCII if folds else ()
