"""Lookups in a table: what a knowledge base says of each item, by a join of Spark's, and a count of what matched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any, Final

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from sparkws.engine.refs import quote_column
from sparkws.engine.relational import with_joined
from sparkws.engine.tables import Query, Source, first_line, read
from sparkws.engine.writes import observed_metrics
from sparkws.errors import ConfigError

_HINTS: Final[Mapping[str, str]] = {"auto": "", "broadcast": "broadcast", "shuffle": "merge"}
_SAID: Final = "said"


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """What is looked up.

    Attributes
    ----------
    answer : str
        The column that is added: what the table says, NULL where it says nothing.
    table : Source
    on : sequence of pairs of str
        A column of the source, and the one of the table that it must equal.
    compared : function of str
        What is compared of both: from the SQL of a column, the SQL of that.
    symmetric : bool
        Whether the two columns of either side may stand in any order.
    says : str or None
        The column of the table with what it says; None: TRUE for every key. A key of which its rows say
        different things says nothing.
    join : {"auto", "broadcast", "shuffle"}
        How Spark is to do it.
    """

    answer: str
    table: Source
    on: Sequence[tuple[str, str]]
    compared: Callable[[str], str] = str
    symmetric: bool = False
    says: str | None = None
    join: str = "auto"

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Spark SQL over the source, and over the table, of what must be equal."""
        both = [(self.compared(quote_column(ours)), self.compared(quote_column(theirs))) for ours, theirs in self.on]
        if not self.symmetric:
            return both
        (a, x), (b, y) = both
        return [(_of_pair(which, a, b), _of_pair(which, x, y)) for which in ("least", "greatest")]


@dataclass(frozen=True)
class Matches:
    """Counts that Spark takes while it reads a source with answers.

    Attributes
    ----------
    lookups : sequence of Lookup
    items : DataFrame
        The source with the answers, and what tells that a key was found.
    tables : sequence of DataFrame
        The table of each lookup, a row for each key.
    of_items, of_tables : Observation
        What Spark counts of them.
    """

    lookups: Sequence[Lookup]
    items: DataFrame
    tables: Sequence[DataFrame]
    of_items: Observation
    of_tables: Sequence[Observation]

    def counts(self, n_items: int) -> list[dict[str, int]]:
        """Of each lookup: rows and keys of its table, keys that are ambiguous, and the items that matched.

        Parameters
        ----------
        n_items : int
            How many items were read in the end. What Spark counted in an attempt that failed, or lost, is
            counted again.
        """
        items = observed_metrics(self.of_items)
        tables = [found for observation in self.of_tables if (found := observed_metrics(observation)) is not None]
        if items is None or items["n_items"] != n_items or len(tables) < len(self.tables):
            items = _only_row(self.items.agg(*_of_items(self.lookups)))
            both = zip(self.tables, self.lookups, strict=True)
            tables = [_only_row(table.agg(*_of_keys(lookup))) for table, lookup in both]
        return [
            {**_whole(found), "n_matched": items[f"n_matched_{i}"], "n_undecided": items[f"n_undecided_{i}"]}
            for i, found in enumerate(tables)
        ]


def with_lookups(spark: SparkSession, source: Source, lookups: Sequence[Lookup]) -> tuple[Source, Matches]:
    """The rows of a source, each once, with a column for the answer of each lookup; and the counts of matches.

    Raises
    ------
    ConfigError
        If Spark does not understand an expression.
    """
    answered, tables, of_tables = source, [], []
    for i, lookup in enumerate(lookups):
        table, observation = _by_key(spark, lookup), Observation()
        usable = table.observe(observation, *_of_keys(lookup)).where(_is_usable(lookup))
        keys = Query(str(lookup.table), usable, lookup.table.inputs)
        on = [(ours, f"key{j}") for j, (ours, _) in enumerate(lookup.keys)]
        said = {lookup.answer: _SAID, _found(i): "TRUE"}
        answered = with_joined(spark, answered, keys, on=on, columns=said, hint=_HINTS[lookup.join])
        tables.append(table)
        of_tables.append(observation)
    items, of_items = read(spark, answered), Observation()
    observed = items.observe(of_items, *_of_items(lookups)).drop(*map(_found, range(len(lookups))))
    return Query(str(source), observed, answered.inputs), Matches(lookups, items, tables, of_items, of_tables)


def _by_key(spark: SparkSession, lookup: Lookup) -> DataFrame:
    """A row for each key of a table, with what it says; NULL where its rows say different things."""
    try:
        keys = [F.expr(theirs).alias(f"key{j}") for j, (_, theirs) in enumerate(lookup.keys)]
        says = F.lit(True) if lookup.says is None else F.col(quote_column(lookup.says))
        rows = read(spark, lookup.table).select(*keys, says.alias(_SAID))
    except PySparkException as error:
        raise ConfigError(f"Spark refuses a lookup in {str(lookup.table)!r}: {first_line(error)}.") from None
    lowest, highest, n_rows = F.min(_SAID), F.max(_SAID), F.count(F.lit(1))
    by_key = rows.groupBy(*_keys(lookup)).agg(lowest.alias("lowest"), highest.alias("highest"), n_rows.alias("n_rows"))
    is_clear = F.col("lowest") == F.col("highest")
    return by_key.withColumn(_SAID, F.when(is_clear, F.col("lowest"))).withColumn("is_clear", is_clear)


def _of_pair(which: str, a: str, b: str) -> str:
    # Spark's least and greatest pass over NULL; a pair with one is no pair.
    return f"IF({a} IS NULL OR {b} IS NULL, NULL, {which}({a}, {b}))"


def _of_keys(lookup: Lookup) -> list[Column]:
    is_usable = _is_usable(lookup)
    return [
        F.sum("n_rows").alias("n_rows"),
        F.count_if(is_usable).alias("n_keys"),
        F.count_if(is_usable & ~F.col("is_clear")).alias("n_ambiguous"),
    ]


def _of_items(lookups: Sequence[Lookup]) -> list[Column]:
    counted = [F.count(F.lit(1)).alias("n_items")]
    for i, lookup in enumerate(lookups):
        found = F.col(quote_column(_found(i)))
        is_undecided = found.isNotNull() & F.col(quote_column(lookup.answer)).isNull()
        counted += [F.count(found).alias(f"n_matched_{i}"), F.count_if(is_undecided).alias(f"n_undecided_{i}")]
    return counted


def _is_usable(lookup: Lookup) -> Column:
    return reduce(and_, [F.col(key).isNotNull() for key in _keys(lookup)])


def _keys(lookup: Lookup) -> list[str]:
    return [f"key{j}" for j in range(len(lookup.on))]


def _found(i: int) -> str:
    """The name of the column that tells whether an item has a key of the table."""
    return f"__sparkws_found_{i}"


def _only_row(frame: DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = frame.collect()[0].asDict()
    return row


def _whole(counts: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(n or 0) for name, n in counts.items()}  # the sum over no rows is NULL
