"""Questions to texts: what declarative rules and compiled functions ask of a column, to be answered together.

An expression does not hold its questions, it names them: each is a Boolean column beside the batch. So a
question that many functions ask is answered once, and all questions to a column can share a search.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

Form = Literal["literal", "ascii_case", "regex"]


@dataclass(frozen=True)
class TextTest:
    """Whether something is found in a text.

    Attributes
    ----------
    column : str
        A column of text; what is not text is cast to it.
    pattern : str
        What is looked for.
    form : {"literal", "ascii_case", "regex"}
        Whether it is the text itself, a text in which the case of the letters a to z does not count, or a
        regular expression in the syntax of polars' engine.
    needles : tuple of str
        Of a regular expression: a text in which it is found holds one of these, the case of the letters a to z
        not counting. Empty where that is not known. A search for many needles can go before many patterns.
    """

    column: str
    pattern: str
    form: Form = "regex"
    needles: tuple[str, ...] = field(default=(), compare=False)

    @property
    def name(self) -> str:
        """The name of the column with the answers; no column of a source has such a name."""
        return f"\0{self.form}\0{self.column}\0{self.pattern}"

    @property
    def expression(self) -> pl.Expr:
        """The answers, where `with_answers` put them: Boolean, NULL where the text is."""
        return pl.col(self.name)

    @property
    def answer(self) -> pl.Expr:
        """The answers, from the column of texts."""
        text = pl.col(self.column).cast(pl.String)
        if self.form == "literal":
            return text.str.contains(self.pattern, literal=True)
        if self.form == "ascii_case":
            return text.str.contains_any([self.pattern], ascii_case_insensitive=True)
        return text.str.contains(self.pattern)


def with_answers(batch: pl.DataFrame, tests: Iterable[TextTest]) -> pl.DataFrame:
    """The batch with a column of answers for each test.

    Examples
    --------
    >>> link = TextTest("text", "http", "literal")
    >>> batch = pl.DataFrame({"text": ["http://a", "HTTP", None]})
    >>> with_answers(batch, [link]).select(vote=link.expression)["vote"].to_list()
    [True, False, None]
    """
    return batch.with_columns(test.answer.alias(test.name) for test in dict.fromkeys(tests))
