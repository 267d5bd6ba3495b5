"""Many tests of one column at the cost of few: one search for all that they need goes before them.

Each test by itself looks through every text. Most texts hold nothing that any of them needs, and a single
Aho-Corasick search tells which: the tests are then made on those that are left, and fail on the others. The
answers are the same, because whatever a test finds, the search finds too:

- A test finds one of its needles. So does the search, which ignores the case of ASCII letters.
- A pattern that ignores case follows Unicode's simple folding, by which two characters outside ASCII are equal
  to letters inside: the long s and the Kelvin sign. Python adds the i without its dot and the capital I with
  one. A text with one of them passes the search.
- A test whose needles are not known, or not ASCII, is left out of the search and made on all texts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from sparkws.lfs.texttests import TextTest, with_answers

FOLDED_TO_ASCII: Final = ("\u017f", "\u212a", "\u0131", "\u0130")
FEWEST_TESTS: Final = 3  # the search costs as much as one test, and the rest of the way half of another
MOST_SHARE: Final = 0.5  # of texts that pass; above it, the search has not paid


@dataclass(frozen=True)
class Sieve:
    """The tests that one search goes before.

    Attributes
    ----------
    column : str
        What all of them read.
    tests : tuple of TextTest
    needles : tuple of str
        What is searched for.
    """

    column: str
    tests: tuple[TextTest, ...]
    needles: tuple[str, ...]

    def rows(self, texts: pl.Series) -> pl.Series:
        """The numbers of the rows that the tests have to look at."""
        return texts.str.contains_any(list(self.needles), ascii_case_insensitive=True).arg_true()


def sieves_of(tests: Iterable[TextTest]) -> tuple[Sieve, ...]:
    """A sieve for each column to which at least `FEWEST_TESTS` tests have ASCII needles."""
    by_column: dict[str, list[TextTest]] = {}
    for test in dict.fromkeys(tests):
        if test.needles and all(needle.isascii() for needle in test.needles):
            by_column.setdefault(test.column, []).append(test)
    return tuple(
        Sieve(column, tuple(together), _needles(together))
        for column, together in by_column.items()
        if len(together) >= FEWEST_TESTS
    )


def answer(batch: pl.DataFrame, tests: Iterable[TextTest], sieves: Sequence[Sieve] = ()) -> pl.DataFrame:
    """The batch with a column of answers for each test; those behind a sieve are the tests of its search."""
    rest, found = dict.fromkeys(tests), []
    for sieve in sieves:
        texts = batch[sieve.column].cast(pl.String)
        rows = sieve.rows(texts)
        if len(rows) > MOST_SHARE * batch.height:
            continue
        few = with_answers(texts.gather(rows).to_frame(), sieve.tests)
        found += [_spread(few[test.name], rows, texts) for test in sieve.tests]
        for test in sieve.tests:
            del rest[test]
    return with_answers(batch.with_columns(found), rest)


def _needles(tests: Sequence[TextTest]) -> tuple[str, ...]:
    return (*sorted({needle for test in tests for needle in test.needles}), *FOLDED_TO_ASCII)


def _spread(answers: pl.Series, rows: pl.Series, texts: pl.Series) -> pl.Series:
    """The answers of some rows as those of all: elsewhere nothing is found, and NULL stays NULL."""
    everywhere = np.zeros(len(texts), np.bool_)
    everywhere[rows.to_numpy()] = answers.to_numpy()
    spread = pl.Series(answers.name, everywhere)
    if texts.null_count():
        spread = spread.zip_with(texts.is_not_null(), pl.Series([None], dtype=pl.Boolean))
    return spread
