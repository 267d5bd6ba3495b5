"""Labeling functions that polars evaluates: their votes are an expression over a batch and what it asks of texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from sparkws.lfs.sieve import Sieve, answer
from sparkws.lfs.texttests import TextTest


@dataclass(frozen=True, eq=False)
class Native:
    """A labeling function as an expression.

    Attributes
    ----------
    expression : Expr
        What it returns for each row of a batch, which has the answers to the tests as columns.
    tests : tuple of TextTest
        What it asks of texts.
    gives_votes : bool
        Whether it gives nothing but class indices and `ABSTAIN`, whatever the data.
    """

    expression: pl.Expr
    tests: tuple[TextTest, ...] = ()
    gives_votes: bool = True


def evaluate(batch: pl.DataFrame, functions: Mapping[str, Native], sieves: Sequence[Sieve] = ()) -> pl.DataFrame:
    """What the functions return for every row: a column for each, under its name.

    Examples
    --------
    >>> link = TextTest("text", "http", "literal")
    >>> votes = pl.when(link.expression).then(1).otherwise(-1)
    >>> evaluate(pl.DataFrame({"text": ["http://a", "hi"]}), {"lf_link": Native(votes, (link,))})["lf_link"].to_list()
    [1, -1]
    """
    tests = dict.fromkeys(test for function in functions.values() for test in function.tests)
    # Beside the batch, not alone: an expression that reads no column has a value for every row.
    named = [function.expression.alias(name) for name, function in functions.items()]
    asked = answer(batch, tests, sieves).lazy()
    # Lazily, because only the planner makes what several of them have in common, such as UPPER(text), once.
    return asked.with_columns(named).select(list(functions)).collect()
