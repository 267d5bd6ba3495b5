"""Many keyword rules over one column at the cost of few: one search for all their words goes before them.

Each rule by itself looks through every text. Most texts hold none of the words, and a single Aho-Corasick
search tells which: the rules are then evaluated on those that are left, and abstain on the others. The votes
are the same, because whatever a rule finds, the search finds too:

- A rule finds one of its words, be it bounded or not. So does the search, which ignores boundaries and the
  case of ASCII letters.
- A rule that ignores case follows Unicode's simple folding, by which two characters outside ASCII are equal
  to letters inside: the long s and the Kelvin sign. A text with one of them passes the search.
- A rule with a word outside ASCII is left out of the search, and evaluated on all texts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from sparkws.lfs.declarative import Rule
from sparkws.vocab import ABSTAIN

FOLDED_TO_ASCII: Final = ("\u017f", "\u212a")
FEWEST_RULES: Final = 3  # the search costs as much as one rule, and the rest of the way half of another
MOST_SHARE: Final = 0.5  # of texts that pass; above it, the search has not paid


@dataclass(frozen=True)
class Sieve:
    """The rules that one search goes before.

    Attributes
    ----------
    column : str
        What all of them read.
    names : tuple of str
        The rules.
    words : tuple of str
        What is searched for.
    """

    column: str
    names: tuple[str, ...]
    words: tuple[str, ...]

    def rows(self, batch: pl.DataFrame) -> pl.Series:
        """The numbers of the rows that the rules have to look at."""
        texts = batch[self.column].cast(pl.String)
        return texts.str.contains_any(list(self.words), ascii_case_insensitive=True).arg_true()


def sieves_of(rules: Mapping[str, Rule]) -> tuple[Sieve, ...]:
    """A sieve for each column that at least `FEWEST_RULES` rules of ASCII keywords read."""
    by_column: dict[str, list[Rule]] = {}
    for rule in rules.values():
        if rule.config.keyword is not None and all(word.isascii() for word in rule.config.keyword.any):
            by_column.setdefault(rule.columns[0], []).append(rule)
    return tuple(
        Sieve(column, tuple(rule.name for rule in together), _words(together))
        for column, together in by_column.items()
        if len(together) >= FEWEST_RULES
    )


def evaluate(batch: pl.DataFrame, expressions: Mapping[str, pl.Expr], sieves: Sequence[Sieve]) -> dict[str, pl.Series]:
    """What the expressions, each under its name, say of every row; those behind a sieve must abstain elsewhere."""
    rest, found = dict(expressions), {}
    for sieve in sieves:
        rows = sieve.rows(batch)
        if len(rows) > MOST_SHARE * batch.height:
            continue
        few = batch.select(pl.col(sieve.column).gather(rows))
        votes = few.select(rest.pop(name).alias(name) for name in sieve.names)
        found.update({name: _spread(votes[name], rows, batch.height) for name in sieve.names})
    # Beside the batch, not alone: an expression that reads no column has a value for every row.
    found.update(batch.with_columns(list(rest.values())).select(list(rest)).to_dict())
    return found


def _words(rules: Sequence[Rule]) -> tuple[str, ...]:
    words = {word for rule in rules if rule.config.keyword is not None for word in rule.config.keyword.any}
    return (*sorted(words), *FOLDED_TO_ASCII)


def _spread(votes: pl.Series, rows: pl.Series, height: int) -> pl.Series:
    everywhere = np.full(height, ABSTAIN, np.int8)
    everywhere[rows.to_numpy()] = votes.to_numpy()
    return pl.Series(votes.name, everywhere)
