"""What stays Spark's: joins, pivots and expressions, made as lazy data frames."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import polars as pl
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkws.checks import first_few
from sparkws.engine.refs import quote_column
from sparkws.engine.tables import Query, Source, first_line, read
from sparkws.engine.types import to_polars
from sparkws.errors import ConfigError, DataError, InvalidKeys
from sparkws.vocab import ABSTAIN, CLASS, GOLD, ITEM_ID, gold_column, vote_column

_SHOWN = 3


def choose_columns(
    spark: SparkSession,
    source: Source,
    expressions: Mapping[str, str],
    *,
    not_null: str,
) -> Query:
    """Named Spark SQL expressions over the rows of a source.

    Parameters
    ----------
    not_null : str
        Rows in which this column would be NULL are left out.

    Raises
    ------
    ConfigError
        If Spark does not understand an expression.
    """
    try:
        chosen = read(spark, source).select(*[F.expr(sql).alias(name) for name, sql in expressions.items()])
        return Query(f"a selection from {source}", chosen.where(F.col(not_null).isNotNull()))
    except PySparkException as error:
        raise ConfigError(
            f"Spark refuses {list(expressions.values())} over {str(source)!r}: {first_line(error)}."
        ) from None


def with_key(spark: SparkSession, source: Source, key: str, expression: str) -> Query:
    """The rows of a source with a key that a Spark SQL expression over its columns makes.

    Raises
    ------
    ConfigError
        If Spark does not understand the expression, or it gives another value each time.
    """
    rows, made = read(spark, source), F.expr(expression)
    try:
        # Spark takes no condition of a join that is not deterministic: asking for one finds it out without a job.
        one = spark.range(1).toDF("__sparkws_one")
        _ = rows.join(one, made.isNull()).columns
        keyed = rows.withColumn(key, made)
    except PySparkException as error:
        raise ConfigError(
            f"Spark refuses the key expression {expression!r} over {str(source)!r}: {first_line(error)}."
        ) from None
    return Query(f"{source} with the key {key}", keyed, source.inputs)


def with_columns(spark: SparkSession, source: Source, expressions: Mapping[str, str]) -> Query:
    """The rows of a source with more columns: named Spark SQL expressions over those that it has.

    Raises
    ------
    ConfigError
        If the source has a column of such a name, or Spark does not understand an expression.
    """
    _check_new(source, expressions)
    try:
        frame = read(spark, source).withColumns({name: F.expr(sql) for name, sql in expressions.items()})
    except PySparkException as error:
        raise ConfigError(
            f"Spark refuses {first_few(expressions.values())} over {str(source)!r}: {first_line(error)}."
        ) from None
    return Query(str(source), frame, source.inputs)


def with_joined(
    spark: SparkSession,
    source: Source,
    table: Source,
    *,
    on: Sequence[tuple[str, str]],
    columns: Mapping[str, str],
    hint: str = "",
) -> Query:
    """The rows of a source, each once, with columns of the row of a table that has the same key, else NULL.

    Parameters
    ----------
    table : Source
        Holds no key twice: a row would come back as often as its key is there.
    on : sequence of pairs of str
        A Spark SQL expression over the source, and the one over the table that it must equal. NULL equals nothing.
    columns : mapping of str to str
        New names, and Spark SQL expressions over the table.
    hint : str
        How Spark is to join, as "broadcast"; empty for its own choice.

    Raises
    ------
    ConfigError
        If the source has a column of such a name, or Spark does not understand an expression.
    """
    _check_new(source, columns)
    ours, theirs = [f"__sparkws_ours_{i}" for i in range(len(on))], [f"__sparkws_theirs_{i}" for i in range(len(on))]
    try:
        left = read(spark, source).withColumns({new: F.expr(sql) for new, (sql, _) in zip(ours, on, strict=True)})
        known = {**{new: sql for new, (_, sql) in zip(theirs, on, strict=True)}, **columns}
        right = read(spark, table).select(*[F.expr(sql).alias(new) for new, sql in known.items()])
        right = right.hint(hint) if hint else right
        equal = [F.col(quote_column(a)) == F.col(quote_column(b)) for a, b in zip(ours, theirs, strict=True)]
        joined = left.join(right, equal, "left").drop(*ours, *theirs)
    except PySparkException as error:
        raise ConfigError(f"Spark refuses to join {str(table)!r} to {str(source)!r}: {first_line(error)}.") from None
    return Query(str(source), joined, {**source.inputs, **table.inputs})


def _check_new(source: Source, names: Iterable[str]) -> None:
    has = {name.lower() for name in source.schema}
    there = [name for name in names if name.lower() in has]
    if there:
        raise ConfigError(
            f"{str(source)!r} already has columns called {first_few(there)}; name the new ones otherwise."
        )


def rows_of_key(spark: SparkSession, source: Source, column: str, key: str) -> pl.DataFrame:
    """The rows, at most a few, in which a column is what a text reads as; none where it reads as no value of it."""
    frame = read(spark, source)
    value = F.lit(key).try_cast(frame.schema[column].dataType)
    return to_polars(frame.where(F.col(quote_column(column)) == value).limit(_SHOWN).toArrow(), source.schema)


def keep_values(source: Query, column: str, values: Sequence[str]) -> Query:
    """The rows in which a column has one of some values."""
    return Query(source.label, source.frame.where(F.col(quote_column(column)).isin(list(values))), source.inputs)


def join_gold(spark: SparkSession, votes: Source, gold: Source, *, only_gold: bool) -> Query:
    """Votes with the known class of their item in the column `gold`, NULL where it is not known."""
    _check_same_key(votes, gold)
    known = read(spark, gold).select(F.col(ITEM_ID), F.col(CLASS).alias(GOLD))
    joined = read(spark, votes).join(known, ITEM_ID, "inner" if only_gold else "left")
    return Query(f"{votes} joined with gold", joined)


def join_votes(
    spark: SparkSession,
    votes: Mapping[str, tuple[Source, Sequence[str]]],
    gold: Mapping[str, Source],
    *,
    first: str | None = None,
    also: Sequence[str] = (),
) -> Query:
    """Votes on several tasks, a row for each item: the columns `task.function`, and `task.gold`.

    Who did not see an item abstained on it.

    Parameters
    ----------
    votes : mapping of str to (Source, sequence of str)
        The votes table of each task, and the functions whose columns are taken.
    gold : mapping of str to Source
        Known classes of some tasks; -1 where they are not known.
    first : str, optional
        Only the items of this task's table; by default those of any.
    also : sequence of str
        More columns of the table of the `first` task, kept under their names.
    """
    order = list(votes) if first is None else [first, *(task for task in votes if task != first)]
    anchor = votes[order[0]][0]
    how = "full" if first is None else "left"
    frames, kept = [], [F.col(ITEM_ID)]
    for number, task in enumerate(order):
        table, lf_names = votes[task]
        _check_same_key(anchor, table)
        seen = f"__sparkws_seen_{number}"
        renamed = [F.col(quote_column(name)).alias(vote_column(task, name)) for name in lf_names]
        own = [F.col(quote_column(name)) for name in also if task == first]
        frames.append(read(spark, table).select(ITEM_ID, F.lit(True).alias(seen), *renamed, *own))
        silent = F.lit(ABSTAIN).cast("byte")
        votes_of = [vote_column(task, name) for name in lf_names]
        kept += [F.when(F.col(seen), F.col(quote_column(name))).otherwise(silent).alias(name) for name in votes_of]
    kept += [F.col(quote_column(name)) for name in also]
    together = reduce(lambda left, right: left.join(right, ITEM_ID, how), frames).select(*kept)
    for task, table in gold.items():
        _check_same_key(anchor, table)
        known = read(spark, table).select(ITEM_ID, F.col(CLASS).alias(gold_column(task)))
        together = together.join(known, ITEM_ID, "left")
    unknown = F.lit(ABSTAIN).cast("byte")
    golds = map(gold_column, gold)
    filled = {name: F.coalesce(F.col(quote_column(name)), unknown) for name in golds}
    together = together.withColumns(filled)
    return Query(f"votes on {first_few(order)}", together)


def _check_same_key(votes: Source, gold: Source) -> None:
    """Refuse keys that Spark would compare by casting one to the type of the other."""
    ours, theirs = votes.schema[ITEM_ID], gold.schema[ITEM_ID]
    is_number = ours.is_numeric() and theirs.is_numeric()
    if ours != theirs and not is_number:
        raise InvalidKeys(
            f"the keys of {str(gold)!r} are {theirs}, those of {str(votes)!r} are {ours}; make them alike with "
            "'gold.key_expression' or 'source.key_expression'."
        )


def move_from_unknown(frame: DataFrame, group: str, unknown: int, count: str) -> DataFrame:
    """Every row twice: as it is, and with its count taken from the group of the unknown."""
    kept = F.struct(F.col(quote_column(group)).alias("g"), F.col(quote_column(count)).alias("n"))
    taken = F.struct(F.lit(unknown).cast("byte").alias("g"), (-F.col(quote_column(count))).alias("n"))
    both = frame.withColumn("both", F.explode(F.array(kept, taken)))
    return both.withColumns({group: F.col("both.g"), count: F.col("both.n")}).drop("both")


def pivot_votes(
    spark: SparkSession, source: Source, *, key: str, lf_column: str, vote_column: str, names: Mapping[str, str]
) -> Query:
    """A long table of votes as a wide one: a row for each item, a column for each LF.

    Parameters
    ----------
    names : mapping of str to str
        LFs as text in `lf_column`, and the column each becomes.

    Raises
    ------
    DataError
        If an LF voted twice on an item.
    """
    item, lf, vote = (F.col(quote_column(name)) for name in (key, lf_column, vote_column))
    long = read(spark, source).select(item.alias("item"), lf.cast("string").alias("lf"), vote.alias("vote"))
    repeated = long.groupBy("item", "lf").count().where("count > 1").orderBy(F.desc("count"), "lf", "item")
    twice = repeated.limit(_SHOWN + 1).collect()
    if twice:
        shown = first_few([f"{row['lf']} on {row['item']} ({row['count']:,} times)" for row in twice[:_SHOWN]])
        more = " and more" if len(twice) > _SHOWN else ""
        raise DataError(f"{str(source)!r} must hold one vote for an item and LF; more than one: {shown}{more}.")
    wide = long.groupBy("item").pivot("lf", list(names)).agg(F.first("vote"))
    # Renamed by position: an LF may be called like the key, or like another LF but for case.
    return Query(f"{source}, pivoted", wide.toDF(key, *names.values()))


def distinct_values(spark: SparkSession, source: Source, column: str, most: int) -> Sequence[str]:
    """The distinct values of a column as text, in order.

    Raises
    ------
    DataError
        If there are more than `most`.
    """
    texts = read(spark, source).select(F.col(quote_column(column)).cast("string").alias("value"))
    rows = texts.where("value IS NOT NULL").distinct().orderBy("value").limit(most + 1).collect()
    if len(rows) > most:
        raise DataError(f"column {column!r} of {str(source)!r} has more than {most:,} distinct values.")
    return [row["value"] for row in rows]


def sum_rows(frames: Sequence[DataFrame], count: str) -> DataFrame:
    """Rows that agree in everything but `count`, added up over all frames; sums of zero are dropped."""
    together = frames[0]
    for frame in frames[1:]:
        together = together.unionByName(frame)
    groups = [quote_column(name) for name in together.columns if name != count]
    total = F.sum(quote_column(count)).cast("long").alias(count)
    return together.groupBy(*groups).agg(total).where(F.col(quote_column(count)) != 0)
