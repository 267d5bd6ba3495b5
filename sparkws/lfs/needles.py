"""What a pattern is not found without: words, so that one search for all of them can go before many patterns."""

from collections.abc import Iterable

from sparkws.lfs.boundaries import At, Char, Element, Group, Many, Run
from sparkws.lfs.patterns import FOLDED_TO_ASCII

_Found = tuple[frozenset[str], str]  # the words, and characters that may stand for some of theirs


def needles_of(alternatives: Iterable[Run]) -> tuple[str, ...]:
    """ASCII texts, one of which is wherever one of the runs is found; none if none is known.

    A text with a letter that folds to one of ASCII may be found without.
    """
    found = _of_any(alternatives)
    if found is None or not "".join(found[0]).isascii() or not set(found[1]) <= {*FOLDED_TO_ASCII}:
        return ()
    return tuple(sorted(found[0]))


def _of_any(alternatives: Iterable[Run]) -> _Found | None:
    words: set[str] = set()
    extra = ""
    for run in alternatives:
        found = _of_run(run)
        if found is None:
            return None
        words |= found[0]
        extra += found[1]
    return (frozenset(words), extra) if words else None


def _of_run(run: Run) -> _Found | None:
    """The longest words that are certain to come up."""
    candidates: list[_Found] = []
    word = extra = ""
    for element in (*run, None):
        literal, more, goes_on = _literal(element)
        word, extra = word + literal, extra + more
        if goes_on:
            continue
        if word:
            candidates.append((frozenset({word}), extra))
        # Behind a repetition the word begins again with its last characters.
        word, extra = (literal, more) if literal else ("", "")
        if isinstance(element, Group):
            within = _of_any(element.alternatives)
            candidates += [within] if within is not None else []
        elif isinstance(element, Many) and isinstance(element.item, Group) and element.least:
            within = _of_any(element.item.alternatives)
            candidates += [within] if within is not None else []
    return max(candidates, key=lambda found: (min(map(len, found[0])), -len(found[0])), default=None)


def _literal(element: Element | None) -> tuple[str, str, bool]:
    """The characters that an element is, those that may stand for them, and whether the next follows at once."""
    if isinstance(element, Char) and element.piece.literal:
        return element.piece.literal, element.piece.extra, True
    if isinstance(element, Many) and isinstance(element.item, Char) and element.item.piece.literal:
        times = element.least
        return element.item.piece.literal * times, element.item.piece.extra * bool(times), times == element.most
    # Places take nothing.
    return "", "", isinstance(element, At) and element.place not in ("apart", "within")
