"""Declarative labeling functions: a rule of the configuration becomes one polars expression.

What it asks of a text is a test, so that all tests of a set can be answered together; so are the expressions.
Nothing of them runs in Python for each item. A lookup in a table and an expression in Spark SQL are Spark's to
answer: such a rule reads the column of answers that Spark makes (`engine/lookups.py`, `engine/expressions.py`).
NULL never meets a condition, so an item without the text or number abstains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from sparkws.checks import did_you_mean, first_few
from sparkws.errors import ConfigError, InvalidFunction
from sparkws.lfconfig import DeclarativeLFConfig, ThresholdConfig
from sparkws.lfs.lookup import lookup_votes, read_lookup, said_of
from sparkws.lfs.native import Native
from sparkws.lfs.normalize import normalized
from sparkws.lfs.patterns import check_pattern, keyword_pattern, regex_pattern
from sparkws.lfs.sql import Gives, bind_sql, check_result, parse_sql
from sparkws.lfs.texttests import TextTest, with_answers
from sparkws.vocab import ABSTAIN


@dataclass(frozen=True, eq=False)
class Rule:
    """One declarative labeling function, checked as far as that is possible without a table.

    Attributes
    ----------
    config : DeclarativeLFConfig
    values : dict
        What a lookup says, from the configuration or its file; empty for other kinds.
    columns : tuple of str
        What it is given of a batch: the columns that it reads, or the answers of Spark.
    reads : tuple of str or None
        What its votes depend on; None where only Spark can tell.
    answer : str or None
        The name of the column with the answers of Spark; None for other rules.

    Raises
    ------
    InvalidFunction
        For a pattern or an expression that cannot be used.
    """

    config: DeclarativeLFConfig
    values: Mapping[str | int, str | int] = field(default_factory=dict)
    columns: tuple[str, ...] = field(init=False)
    reads: tuple[str, ...] | None = field(init=False)
    answer: str | None = field(init=False)
    pattern: str | None = field(init=False)

    def __post_init__(self) -> None:
        config = self.config
        reads = _reads(config)
        answer = f"__sparkws_answer_{self.name}" if _is_sparks(config) else None
        object.__setattr__(self, "reads", reads)
        object.__setattr__(self, "answer", answer)
        object.__setattr__(self, "columns", (answer,) if answer is not None else reads)
        object.__setattr__(self, "pattern", _pattern(config))
        if self.pattern is not None:
            check_pattern(self.name, self.pattern)

    @property
    def name(self) -> str:
        """The labeling function's name."""
        return self.config.name

    @property
    def kind(self) -> str:
        """`keyword`, `regex`, `lookup`, `threshold` or `expression`; and what it is where Spark answers it."""
        how = "" if self.answer is None else " (table)" if self.config.lookup is not None else " (Spark SQL)"
        return f"{self.config.kind}{how}"

    @property
    def described(self) -> dict[str, Any]:
        """What decides its votes, as plain values."""
        return {
            self.config.kind: self._section.model_dump(exclude={"file", "values", "join"}),
            "values": dict(self.values),
            **({"absent": True} if self.config.absent else {}),
        }

    @property
    def tests(self) -> tuple[TextTest, ...]:
        """What it asks of a text."""
        if self.pattern is None:
            return ()
        return (TextTest(self.columns[0], self.pattern),)

    def native(self, classes: Sequence[str], schema: pl.Schema) -> Native:
        """The votes as an expression over a table of `schema`.

        They are class indices and `ABSTAIN`; only an expression without a label may give more: class
        names, NULL to abstain, and values that are no votes.

        Raises
        ------
        ConfigError
            For a label that is no class, a column of the wrong type, or an expression that does not
            fit the table.
        """
        if self.config.lookup is not None and self.answer is None:
            return Native(self._lookup(classes, schema))
        condition, label = self._condition(schema)
        if label is None:
            return Native(condition, gives_votes=False)
        vote = class_index(self.name, label, classes)
        votes = pl.when(condition).then(pl.lit(vote, pl.Int8)).otherwise(pl.lit(ABSTAIN, pl.Int8))
        return Native(votes, self.tests)

    def says(self, classes: Sequence[str]) -> set[int] | None:
        """The indices of the classes that it can vote for; None where only the data tells.

        Raises
        ------
        ConfigError
            For a label that is no class.
        """
        if self._section.label is not None:
            return {class_index(self.name, self._section.label, classes)}
        return set(self._said(classes).values()) - {ABSTAIN} if self.values else None

    def __call__(self, x: Any) -> Any:
        """The label, as it is written in the configuration, for one item; `ABSTAIN` where it does not hold."""
        if self.answer is not None:
            raise InvalidFunction(only_spark(self))
        item = {column: [x[column] if isinstance(x, Mapping) else getattr(x, column)] for column in self.columns}
        if self.config.lookup is not None:
            return said_of(item[self.columns[0]][0], self.values, ABSTAIN, self.config.lookup.normalize)
        frame = pl.DataFrame(item) if item else pl.DataFrame({"": [None]})
        condition, label = self._condition(frame.schema)
        value = with_answers(frame, self.tests).with_columns(condition.alias("vote"))["vote"][0]
        if label is None:
            return ABSTAIN if value is None else value
        return label if value else ABSTAIN

    @property
    def _section(self) -> Any:
        return getattr(self.config, self.config.kind)

    @property
    def _gives(self) -> Gives:
        if self._section.label is not None:
            return "condition"
        return "vote" if self._section.grid is None else "probability"

    def _condition(self, schema: pl.Schema) -> tuple[pl.Expr, str | int | None]:
        """What must hold and the label where it does; without a label, the vote itself."""
        label = self._section.label
        if self.answer is not None:
            if self.config.expression is not None:
                check_result(self.name, self.config.expression.sql, schema[self.answer], gives=self._gives)
            return pl.col(self.answer), label
        if self.config.expression is not None:
            return bind_sql(self.name, self.config.expression.sql, schema, gives=self._gives), label
        if self.config.threshold is not None:
            return _within(self.name, self.config.threshold, schema), label
        _check_text(self, schema)
        (test,) = self.tests
        return test.expression, label

    def _lookup(self, classes: Sequence[str], schema: pl.Schema) -> pl.Expr:
        column = self.columns[0]
        dtype = schema[column]
        if not dtype.is_integer():
            _check_text(self, schema, "text or integers")
        votes = self._said(classes)
        options = self._section.normalize
        if options and dtype.is_integer():
            raise ConfigError(f"{self.name!r} normalizes text by {list(options)}, but column {column!r} is {dtype}.")
        value = normalized(pl.col(column).cast(pl.String), options) if options else pl.col(column)
        return lookup_votes(self.name, value, dtype, votes, ABSTAIN)

    def _said(self, classes: Sequence[str]) -> dict[str | int, int]:
        """The vote for each value of a lookup."""
        from_file = self._section.file is not None
        return {value: _looked_up(self.name, label, classes, from_file) for value, label in self.values.items()}


def make_rule(config: DeclarativeLFConfig, base_dir: str | Path = ".") -> Rule:
    """The rule of one declarative labeling function; a lookup's file is found from `base_dir`.

    Raises
    ------
    InvalidFunction
        For a file, a pattern or an expression that cannot be used.
    """
    if config.keyword is not None and not all(word.strip() for word in config.keyword.any):
        raise InvalidFunction(f"{config.name!r} has an empty keyword, which every text contains; remove it.")
    return Rule(config, read_lookup(config.name, config.lookup, Path(base_dir)) if config.lookup is not None else {})


def class_index(name: str, label: str | int, classes: Sequence[str]) -> int:
    """The index of a class given by name or index.

    Raises
    ------
    ConfigError
        If there is no such class.
    """
    if isinstance(label, str) and label in classes:
        return list(classes).index(label)
    if isinstance(label, int) and 0 <= label < len(classes):
        return label
    hint = did_you_mean(label, classes) if isinstance(label, str) else ""
    raise ConfigError(
        f"{name!r} votes {label!r}, which is no class; the classes are {first_few(classes, 12)}, "
        f"or 0..{len(classes) - 1} by index.{hint}"
    )


def _looked_up(name: str, label: str | int, classes: Sequence[str], from_file: bool) -> int:
    # A file holds text only: there "1" is the class of that name, or else an index.
    if from_file and isinstance(label, str) and label not in classes and label.removeprefix("-").isdecimal():
        label = int(label)
    return ABSTAIN if label == ABSTAIN else class_index(name, label, classes)


def only_spark(rule: Rule) -> str:
    """Why a rule cannot be evaluated on data in memory, and what to do."""
    what = "looks values up in a table" if rule.config.lookup is not None else "is an expression in Spark SQL"
    return (
        f"{rule.name!r} {what}, which only Spark evaluates, in a run of the project; for a frame in memory or a UDF "
        "leave it out with 'select'."
    )


def _is_sparks(config: DeclarativeLFConfig) -> bool:
    if config.lookup is not None:
        return config.lookup.table is not None
    return config.expression is not None and config.expression.dialect == "spark"


def _reads(config: DeclarativeLFConfig) -> tuple[str, ...] | None:
    if config.lookup is not None:
        return config.lookup.columns
    if config.expression is None:
        return (getattr(config, config.kind).column,)
    if _is_sparks(config):
        return None
    return tuple(sorted(set(parse_sql(config.name, config.expression.sql).meta.root_names())))


def _pattern(config: DeclarativeLFConfig) -> str | None:
    if config.keyword is not None:
        return keyword_pattern(config.keyword)
    return regex_pattern(config.regex) if config.regex is not None else None


def _check_text(rule: Rule, schema: pl.Schema, needs: str = "text") -> None:
    column = rule.columns[0]
    if schema[column] not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise ConfigError(
            f"{rule.name!r} is a {rule.kind} LF, which needs {needs}, but column {column!r} is {schema[column]}."
        )


def _within(name: str, config: ThresholdConfig, schema: pl.Schema) -> pl.Expr:
    dtype = schema[config.column]
    if not dtype.is_numeric() and dtype != pl.Null:
        raise ConfigError(f"{name!r} is a threshold LF, which needs a number, but column {config.column!r} is {dtype}.")
    # NaN would be greater than every number; it is no number, so it meets no bound.
    value = pl.col(config.column).cast(pl.Float64).fill_nan(None)
    bounds = (
        (config.above, value.gt),
        (config.at_least, value.ge),
        (config.below, value.lt),
        (config.at_most, value.le),
    )
    return pl.all_horizontal([holds(bound) for bound, holds in bounds if bound is not None])
