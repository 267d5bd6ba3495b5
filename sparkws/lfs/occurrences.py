"""Where words occur in texts: one Aho-Corasick search for all of them, and what stands beside each that it finds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.lfs.sought import Word, small

_Rows = NDArray[np.int64]
_NOT_ASCII: Final = 2
_KINDS: Final = np.array(
    [*(chr(code).isalnum() or chr(code) == "_" for code in range(128)), *[_NOT_ASCII] * 128], np.int8
)


@dataclass(frozen=True)
class Occurrences:
    """What a search found.

    Attributes
    ----------
    found : mapping of str to array
        For each text in small letters the places where it was found, by how it stands there.
    rows : (p,) array
        The row of each place.
    is_whole : (p, 2) array of bool
        Whether no character of a word stands before the place, and behind it; without rows if nobody asked.
    """

    found: Mapping[str, Mapping[str, _Rows]]
    rows: _Rows
    is_whole: NDArray[np.bool_]

    def rows_of(self, word: Word) -> _Rows:
        """The rows with a word, some of them more than once."""
        spelled = self.found.get(small(word.text), {})
        # A word whose case counts may be searched for with another that differs from it by case.
        at = [places for text, places in spelled.items() if word.ignores_case or text == word.text]
        if not at:
            return np.empty(0, np.int64)
        places = np.concatenate(at)
        if word.starts:
            places = places[self.is_whole[places, 0]]
        if word.ends:
            places = places[self.is_whole[places, 1]]
        return self.rows[places]


def find_words(texts: pl.Series, words: list[str], *, beside: bool) -> Occurrences:
    """Where the words, in any case of ASCII letters, occur in texts.

    Parameters
    ----------
    words : list of str
        In small letters.
    beside : bool
        Whether somebody asks what stands beside them.
    """
    found = texts.str.extract_many(words, ascii_case_insensitive=True, overlapping=True)
    counts = found.list.len().fill_null(0).to_numpy()
    spelled = found.list.explode().drop_nulls()
    rows = np.repeat(np.arange(len(texts)), counts)
    is_whole = np.empty((0, 2), np.bool_)
    if beside and len(rows):
        hit = np.flatnonzero(counts)
        few = texts.gather(hit)
        # Both searches tell the places of a text in the same order.
        starts = few.str.find_many(words, ascii_case_insensitive=True, overlapping=True).list.explode().to_numpy()
        lengths = spelled.str.len_bytes().to_numpy()
        is_whole = _is_whole(few, np.repeat(np.arange(len(hit)), counts[hit]), starts.astype(np.int64), lengths)
    return Occurrences(_grouped(spelled), rows, is_whole)


def _grouped(spelled: pl.Series) -> dict[str, dict[str, _Rows]]:
    """The numbers of equal texts, by their small letters and as they stand."""
    frame = pl.DataFrame({"text": spelled, "place": np.arange(len(spelled))})
    groups = frame.group_by("text").agg("place")
    ends = groups["place"].list.len().cum_sum().to_list()
    places = groups["place"].explode().to_numpy() if ends else np.empty(0, np.int64)
    found: dict[str, dict[str, _Rows]] = {}
    for text, start, end in zip(groups["text"].to_list(), [0, *ends], ends, strict=False):
        found.setdefault(small(text), {})[text] = places[start:end]
    return found


def _is_whole(texts: pl.Series, rows: _Rows, starts: _Rows, lengths: NDArray[np.unsignedinteger]) -> NDArray[np.bool_]:
    """For places in texts, by row and bytes, whether a character of a word stands neither before nor behind."""
    buffers = texts.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()
    offsets = np.frombuffer(buffers[1], np.int64)[: len(texts) + 1]
    data = np.frombuffer(buffers[2], np.uint8)
    before = offsets[rows] + starts - 1
    behind = before + 1 + lengths.astype(np.int64)
    # (2, p) positions of the bytes beside -> kinds of characters; outside the text there is no word.
    at = np.stack([np.maximum(before, 0), np.minimum(behind, len(data) - 1)])
    kinds = _KINDS[data[at]]
    kinds[0, starts == 0] = 0
    kinds[1, behind == offsets[rows + 1]] = 0
    odd = np.nonzero(kinds == _NOT_ASCII)
    if len(odd[0]):
        kinds[odd] = _are_of_words(data, at[odd])
    is_whole: NDArray[np.bool_] = (kinds == 0).T
    return is_whole


def _are_of_words(data: NDArray[np.uint8], at: _Rows) -> NDArray[np.bool_]:
    """Whether the characters outside ASCII that have a byte at some positions are of words, as the engine sees them."""
    for _ in range(3):
        at = at - ((data[at] & 0xC0) == 0x80)
    lead = data[at].astype(np.int64)
    n_more = (lead >= 0xC0).astype(np.int64) + (lead >= 0xE0) + (lead >= 0xF0)
    codes = lead & (0x3F >> n_more)
    for i in (1, 2, 3):
        more = n_more >= i
        codes[more] = codes[more] << 6 | data[at[more] + i] & 0x3F
    distinct, which = np.unique(codes, return_inverse=True)
    is_of_word = pl.Series(map(chr, distinct), dtype=pl.String).str.contains(r"^\w$").to_numpy()
    found: NDArray[np.bool_] = is_of_word[which]
    return found
