"""The sections of a project file that tell where votes come from: labeling functions, and votes made elsewhere."""

from datetime import date
from math import inf
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from sparkws.sections import Grid, Identifier, Label, Section, Text

Normalization = Literal["lower", "strip_punctuation", "collapse_whitespace"]


def _as_tuple(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


class KeywordConfig(Section):
    """Votes when the text contains any of some words."""

    column: str
    any: Annotated[tuple[Text, ...], Field(min_length=1)]
    match: Literal["word", "substring"] = "word"
    case_sensitive: bool = False
    label: Label


class RegexConfig(Section):
    """Votes when a regular expression (Rust syntax, linear time) is found in the text."""

    column: str
    pattern: Text
    case_sensitive: bool = True
    label: Label


class LookupConfig(Section):
    """Votes what a table says of a value: given here, in a CSV file with the columns value and class, or in Delta.

    A Delta table is joined by Spark: `key` names its columns, `label_column` holds what it says, and with `label`
    every match votes the same.
    """

    column: Text | Annotated[tuple[Text, ...], Field(min_length=1)]
    values: dict[Label, Label] = {}
    file: str | None = None
    table: str | None = None
    key: Text | Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    label_column: Text | None = None
    label: Label | None = None
    version: Annotated[int, Field(ge=0)] | None = None
    symmetric: bool = False
    join: Literal["auto", "broadcast", "shuffle"] = "auto"
    normalize: tuple[Normalization, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the source that are looked up together."""
        return _as_tuple(self.column)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the table that they are compared with, in their order."""
        return self.columns if self.key is None else _as_tuple(self.key)

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if bool(self.values) + (self.file is not None) + (self.table is not None) != 1:
            raise ValueError("give exactly one of 'values', 'file' and 'table'")
        return self

    @model_validator(mode="after")
    def _of_a_table(self) -> Self:
        if self.table is None:
            for option in ("key", "label_column", "label", "version", "symmetric", "join"):
                if getattr(self, option) != type(self).model_fields[option].default:
                    raise ValueError(f"{option!r} is of a lookup in a 'table'")
            if len(self.columns) > 1:
                raise ValueError(f"several columns {list(self.columns)} are looked up in a 'table' only")
            return self
        if (self.label_column is None) == (self.label is None):
            raise ValueError("give exactly one of 'label_column' (of the table) and 'label' (of every match)")
        if len(self.keys) != len(self.columns):
            raise ValueError(f"'key' names {list(self.keys)} for the columns {list(self.columns)}; give one for each")
        if self.symmetric and len(self.columns) != 2:
            raise ValueError(f"'symmetric' is of a pair of columns, got {list(self.columns)}")
        return self


class ThresholdConfig(Section):
    """Votes when a number lies within all given bounds."""

    column: str
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    label: Label

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if all(bound is None for bound in (self.above, self.at_least, self.below, self.at_most)):
            raise ValueError("give at least one of 'above', 'at_least', 'below' and 'at_most'")
        lowest = max(bound for bound in (self.above, self.at_least, -inf) if bound is not None)
        highest = min(bound for bound in (self.below, self.at_most, inf) if bound is not None)
        if lowest > highest:
            raise ValueError(f"no number is above {lowest:g} and below {highest:g}")
        return self


class ExpressionConfig(Section):
    """Votes `label` where a SQL condition holds, or, without `label`, what the expression gives.

    With a `grid` it gives a probability, and votes the nearest cell. The dialect says who evaluates it: polars
    beside the data, or Spark, from which the items then come.
    """

    sql: str
    dialect: Literal["polars", "spark"] = "polars"
    label: Label | None = None
    grid: Grid | None = None

    @model_validator(mode="after")
    def _one_vote(self) -> Self:
        if self.label is not None and self.grid is not None:
            raise ValueError("an expression with a 'grid' gives a probability, so it has no 'label'; give one of them")
        return self


class ExampleConfig(Section):
    """An item and what a labeling function must vote on it: a class by name or index, or -1.

    In a multi-label task also a list of classes, or true or false for some.
    """

    row: dict[str, Any]
    vote: Label | tuple[Label, ...] | dict[Label, bool]


class DeclarativeLFConfig(Section):
    """A labeling function written as configuration: a name and exactly one kind."""

    name: Identifier
    keyword: KeywordConfig | None = None
    regex: RegexConfig | None = None
    lookup: LookupConfig | None = None
    threshold: ThresholdConfig | None = None
    expression: ExpressionConfig | None = None
    absent: bool | None = None
    examples: tuple[ExampleConfig, ...] = ()
    owner: str | None = None
    source: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    @property
    def kind(self) -> str:
        """The name of the one kind that is given."""
        return next(kind for kind in DECLARATIVE_KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _dates(self) -> Self:
        if self.valid_from is not None and self.valid_to is not None and self.valid_from > self.valid_to:
            raise ValueError(f"LF {self.name!r} is valid from {self.valid_from}, after its end {self.valid_to}")
        return self

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in DECLARATIVE_KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"LF {self.name!r} needs exactly one of {list(DECLARATIVE_KINDS)}, got {given}")
        return self


DECLARATIVE_KINDS = ("keyword", "regex", "lookup", "threshold", "expression")


class LFsConfig(Section):
    """Where the labeling functions are and what happens when one raises."""

    modules: tuple[str, ...] = ()
    declarative: tuple[DeclarativeLFConfig, ...] = ()
    on_fault: Literal["quarantine", "fail"] = "quarantine"
    max_fault_rate: Annotated[float, Field(ge=0, le=1)] = 0.01
    time_limit_s: Annotated[float, Field(ge=0.01)] | None = 60.0

    @field_validator("declarative")
    @classmethod
    def _unique(cls, lfs: tuple[DeclarativeLFConfig, ...]) -> tuple[DeclarativeLFConfig, ...]:
        names = [lf.name.lower() for lf in lfs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"LF names must differ by more than case: {twice}")
        return lfs


class VotesConfig(Section):
    """Votes made elsewhere: a column for each LF (wide) or a row for each vote (long).

    In a multi-label task `columns` says of each column on which class it votes.
    """

    table: str
    format: Literal["wide", "long"] = "wide"
    key: str = "item_id"
    columns: tuple[str, ...] | dict[str, Label] | None = None
    lf_column: str | None = None
    vote_column: str | None = None
    mapping: dict[Label, Label] = {}
    grids: dict[str, Grid] = {}

    @model_validator(mode="after")
    def _long(self) -> Self:
        named = self.lf_column is not None and self.vote_column is not None
        if self.format == "long" and not named:
            raise ValueError("a long votes table needs 'lf_column' and 'vote_column'")
        if self.format == "wide" and (self.lf_column or self.vote_column):
            raise ValueError("'lf_column' and 'vote_column' are for format: long")
        if self.format == "long" and self.columns is not None:
            raise ValueError("'columns' is for format: wide")
        if self.format == "long" and self.grids:
            raise ValueError("'grids' is for format: wide, where a column holds the probabilities of one function")
        if self.columns is not None and set(self.grids) - set(self.columns):
            raise ValueError(f"'grids' names {sorted(set(self.grids) - set(self.columns))}, which are not in 'columns'")
        return self
