"""Many tests of one column at the cost of few: one search tells which texts hold what which test seeks.

Each test by itself looks through every text. An Aho-Corasick search for the words of all tests costs little
more than one test, and what it finds decides most of them: a keyword is in a text or not. Other tests are made
on the texts that hold one of their words, and fail on the rest. The answers are the same, whatever the texts:

- A test finds one of its words or nothing. So does the search, which ignores the case of ASCII letters.
- A pattern that ignores case follows Unicode's simple folding, by which two characters outside ASCII are equal
  to letters inside: the long s and the Kelvin sign. Python adds the i without its dot and the capital I with
  one. Such tests are made on the texts with one of them.
- A test of which nobody knows what it seeks is made on all texts.

Where a word is in most texts, finding it everywhere costs more than the test. Some rows tell, in each batch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from sparkws.lfs.occurrences import Occurrences, find_words
from sparkws.lfs.rehearsal import rehearsal_rows
from sparkws.lfs.sought import Sought, small, sought_by
from sparkws.lfs.texttests import TextTest, with_answers

FEWEST_TESTS: Final = 3  # a search costs as much as two
# What a test may find at most, on average: more often than once in so many bytes, and it is cheaper by itself.
BYTES_A_PLACE: Final = 64
BYTES_A_TEXT: Final = 32  # that looking at a text at all is worth
SAMPLE_ROWS: Final = 1000
PLACES_AT_ONCE: Final = 2_000_000  # about 100 bytes each


@dataclass(frozen=True)
class Sieve:
    """The tests of a column that can share a search.

    Attributes
    ----------
    column : str
        What all of them read.
    sought : mapping of TextTest to Sought
        What they seek.
    """

    column: str
    sought: Mapping[TextTest, Sought]

    def answers(self, texts: pl.Series) -> dict[TextTest, pl.Series]:
        """The answers of those tests for which a search pays; none if it does not pay."""
        some = texts.gather(rehearsal_rows(len(texts), SAMPLE_ROWS))
        found = find_words(some, _words(self.sought.values()), beside=False).found
        # (words,) places in the sampled texts
        times = {text: sum(map(len, spelled.values())) for text, spelled in found.items()}
        most = (int(some.str.len_bytes().sum()) + BYTES_A_TEXT * len(some)) / BYTES_A_PLACE
        sought = {
            test: what
            for test, what in self.sought.items()
            if sum(times.get(small(word.text), 0) for word in what.words) <= most
        }
        if len(sought) < FEWEST_TESTS:
            return {}
        words = _words(sought.values())
        n_found = sum(times.get(word, 0) for word in words)
        rows_at_once = max(1, PLACES_AT_ONCE * max(1, len(some)) // max(1, n_found))
        beside = any(word.starts or word.ends for what in sought.values() for word in what.words)
        parts: dict[TextTest, list[pl.Series]] = {test: [] for test in sought}
        for start in range(0, max(1, len(texts)), rows_at_once):
            part = texts.slice(start, rows_at_once)
            found_here = find_words(part, words, beside=beside)
            for test, what in sought.items():
                parts[test].append(_answers(test, what, part, found_here))
        return {test: pl.concat(answers) for test, answers in parts.items()}


def sieves_of(tests: Iterable[TextTest]) -> tuple[Sieve, ...]:
    """A sieve for each column in which at least `FEWEST_TESTS` tests seek something known."""
    by_column: dict[str, dict[TextTest, Sought]] = {}
    for test in dict.fromkeys(tests):
        sought = sought_by(test)
        if sought is not None:
            by_column.setdefault(test.column, {})[test] = sought
    return tuple(Sieve(column, sought) for column, sought in by_column.items() if len(sought) >= FEWEST_TESTS)


def answer(batch: pl.DataFrame, tests: Iterable[TextTest], sieves: Sequence[Sieve] = ()) -> pl.DataFrame:
    """The batch with a column of answers for each test; those behind a sieve are among the tests."""
    rest, found = dict.fromkeys(tests), []
    for sieve in sieves:
        for test, answers in sieve.answers(batch[sieve.column].cast(pl.String)).items():
            found.append(answers)
            del rest[test]
    return with_answers(batch.with_columns(found), rest)


def _words(sought: Iterable[Sought]) -> list[str]:
    """What to search for, in small letters."""
    listed = list(sought)
    words = {small(word.text) for what in listed for word in what.words}
    return sorted(words.union(*(what.but_for for what in listed)))


def _answers(test: TextTest, sought: Sought, texts: pl.Series, found: Occurrences) -> pl.Series:
    """The answers of a test, where what it seeks was found: elsewhere it fails, and NULL stays NULL."""
    holds = np.zeros(len(texts), np.bool_)
    for word in sought.words:
        holds[found.rows_of(word)] = True
    open_rows = np.flatnonzero(holds) if not sought.decides else np.empty(0, np.int64)
    if any(character in found.found for character in sought.but_for):
        odd = [places for character in sought.but_for for places in found.found.get(character, {}).values()]
        open_rows = np.union1d(open_rows, found.rows[np.concatenate(odd)])
    if len(open_rows):
        few = texts.gather(open_rows).to_frame()
        holds[open_rows] = few.select(test.answer).to_series().to_numpy()
    answers = pl.Series(test.name, holds)
    if texts.null_count():
        answers = answers.zip_with(texts.is_not_null(), pl.Series([None], dtype=pl.Boolean))
    return answers
