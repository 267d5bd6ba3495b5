"""The steps `gold` and `stats`: which tables, which kernels, which engine calls."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import polars as pl

from sparkws.checks import check_columns
from sparkws.config import GoldConfig
from sparkws.engine.failures import our_errors
from sparkws.engine.history import Transition
from sparkws.engine.keys import check_keys
from sparkws.engine.lanes import Options, map_batches, reduce_batches, tabulate_batches, write_batches
from sparkws.engine.refs import TableRef, quote_column
from sparkws.engine.relational import (
    choose_columns,
    distinct_values,
    join_gold,
    join_votes,
    keep_values,
    move_from_unknown,
    sum_rows,
)
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import Query, Source, TableVersion, count_by, open_version, read_rows
from sparkws.engine.writes import write_frame, write_rows
from sparkws.grids import NO_GRIDS, Grids
from sparkws.kernels import ReduceKernel
from sparkws.stats import counters as counting
from sparkws.stats import joint
from sparkws.stats.counters import Counters
from sparkws.stats.gold import GoldKernel, check_splits
from sparkws.stats.joint import BothMoments, BothMomentsKernel
from sparkws.stats.patterns import PatternsKernel
from sparkws.stats.slices import SlicesKernel
from sparkws.stats.table import PatternTableKernel
from sparkws.stats.triples import choose_triples
from sparkws.vocab import ABSTAIN, CLASS, GOLD, ITEM_ID, N_ITEMS, SPLIT

_MOST_SPLITS = 1000

S = TypeVar("S")

STATS_SCHEMA = pl.Schema({"kind": pl.String, "votes_version": pl.Int64, "payload": pl.String})


class TabulateKernel(ReduceKernel[S], Protocol[S]):
    """A kernel whose statistic is too large for the driver, so that Spark adds its rows up."""

    @property
    def dump_schema(self) -> pl.Schema:
        """The columns of the rows."""
        ...


@dataclass(frozen=True)
class Counted:
    """What the statistics step left behind: versions of its tables, and the counters."""

    patterns_version: int
    stats_version: int
    counters: Counters

    @property
    def n_rows(self) -> int:
        """The patterns."""
        return self.counters.n_rows


def choose_gold(spark: SparkSession, config: GoldConfig, source: Source, key: str) -> Query:
    """Key, class and split of every item whose class is known, in any split; lazy.

    Raises
    ------
    MissingColumns, ConfigError
        For a column that is not there, an expression that Spark refuses.
    """
    named = [key, *(name for name in (config.column, config.split_column) if name is not None)]
    check_columns(str(source), named, source.schema.names())
    expressions = {ITEM_ID: quote_column(key), CLASS: config.expression or quote_column(config.column or "")}
    expressions[SPLIT] = quote_column(config.split_column) if config.split_column else "CAST(NULL AS STRING)"
    return choose_columns(spark, source, expressions, not_null=CLASS)


def make_gold(
    spark: SparkSession,
    config: GoldConfig,
    source: Source,
    key: str,
    classes: tuple[str, ...],
    target: TableRef,
    transition: Transition,
    *,
    must_check_keys: bool,
    multi_label: bool = False,
) -> tuple[int, int]:
    """Write the known classes of items, and give the table's version and its rows.

    Raises
    ------
    InvalidKeys, InvalidGold, MissingColumns, ConfigError
        For a key that is NULL or there twice, a class or a split that does not exist, an expression that
        fails.
    """
    if must_check_keys:
        check_keys(spark, source, key)
    chosen = choose_gold(spark, config, source, key)
    if config.splits is not None:
        check_splits(config.splits, distinct_values(spark, chosen, SPLIT, _MOST_SPLITS))
        chosen = keep_values(chosen, SPLIT, config.splits)
    kernel = GoldKernel(ITEM_ID, CLASS, SPLIT, classes, chosen.schema[ITEM_ID], multi_label)
    with our_errors():
        version = write_frame(spark, target, map_batches(spark, kernel, chosen), transition=transition)
    return version, sum(count_by(spark, open_version(spark, target), SPLIT).values())


def count_votes(
    spark: SparkSession,
    votes: TableVersion,
    gold: TableVersion | None,
    lf_names: tuple[str, ...],
    cardinality: int,
    faults: Mapping[str, int],
    patterns_target: TableRef,
    stats_target: TableRef,
    transition: Transition,
    options: Options,
    *,
    most_patterns: int,
    direct: bool,
    grids: Grids = NO_GRIDS,
) -> Counted:
    """Count distinct vote vectors in one pass over the votes, and what follows from the counts.

    Where there are more of them than a fit reads, second and third moments are counted in a pass of their own
    and stored too; else they follow from the patterns.

    Items with gold are counted once more by themselves: what they add under their class they take from
    the count of unknown class. Counts are exact, so the pass over all votes needs no join.
    """
    kernel = PatternsKernel(lf_names, cardinality, grids=grids)
    known = PatternsKernel(lf_names, cardinality, with_gold=True, grids=grids)
    summed = sum_patterns(spark, kernel, known, votes, gold, options)
    # Only Spark adds them up, so the lane is that of rows, whatever was asked for.
    in_rows = replace(options, lane="rows")
    table = PatternTableKernel(lf_names, cardinality, grids)
    written = write_batches(spark, table, summed, patterns_target, transition, in_rows)
    counters = counting.with_faults(written.statistic, faults)
    payloads = {"counters": counting.to_json(counters)}
    if counters.n_rows > most_patterns:
        payloads["moments"] = joint.to_json(_count_moments(spark, votes, counters, options))
    rows = pl.DataFrame([(kind, votes.version, text) for kind, text in payloads.items()], STATS_SCHEMA, orient="row")
    stats_version = write_rows(spark, stats_target, rows, direct=direct, transition=transition)
    return Counted(written.version, stats_version, counters)


def count_slices(
    spark: SparkSession,
    votes: TableVersion,
    gold: TableVersion | None,
    lf_names: tuple[str, ...],
    cardinality: int,
    slices: tuple[str, ...],
    target: TableRef,
    transition: Transition,
    options: Options,
    *,
    grids: Grids = NO_GRIDS,
) -> int:
    """Count distinct vote vectors in each slice, as `count_votes` does of all items, and give the table's version."""
    kernel = SlicesKernel(lf_names, cardinality, slices, grids=grids)
    parts = [tabulate_batches(spark, kernel, votes, kernel.dump_schema, options)]
    if gold is not None:
        joined = join_gold(spark, votes, gold, only_gold=True)
        known = SlicesKernel(lf_names, cardinality, slices, with_gold=True, grids=grids)
        counted_apart = tabulate_batches(spark, known, joined, kernel.dump_schema)
        parts.append(move_from_unknown(counted_apart, GOLD, ABSTAIN, N_ITEMS))
    with our_errors():
        return write_frame(spark, target, sum_rows(parts, N_ITEMS), transition=transition)


@dataclass(frozen=True)
class CountedTogether:
    """Patterns of votes on several tasks: their table's version, its columns, and how much there is.

    Attributes
    ----------
    columns : tuple of str
        The digits of the patterns: `task.function`, and `task.gold` where classes are known.
    """

    version: int
    columns: tuple[str, ...]
    n_items: int
    n_rows: int


def count_together(
    spark: SparkSession,
    votes: Mapping[str, tuple[TableVersion, tuple[str, ...]]],
    gold: Mapping[str, TableVersion],
    cardinality: int,
    target: TableRef,
    transition: Transition,
    options: Options,
) -> CountedTogether:
    """Count distinct vectors of the votes on all of some tasks, and of the classes that are known.

    Parameters
    ----------
    votes : mapping of str to (TableVersion, tuple of str)
        Of each task the votes table and its functions.
    gold : mapping of str to TableVersion
    cardinality : int
        The most classes that a task has.
    """
    joined = join_votes(spark, votes, gold)
    columns = tuple(name for name in joined.schema if name != ITEM_ID)
    kernel = PatternsKernel(columns, cardinality)
    summed = Query(
        "pattern counts", sum_rows([tabulate_batches(spark, kernel, joined, kernel.dump_schema, options)], N_ITEMS)
    )
    table = PatternTableKernel(columns, cardinality)
    written = write_batches(spark, table, summed, target, transition, replace(options, lane="rows"))
    return CountedTogether(written.version, columns, written.statistic.n_items, written.statistic.n_rows)


def read_counters(spark: SparkSession, stats: TableVersion) -> Counters:
    """The counters that `count_votes` stored."""
    return counting.from_json(_payloads(spark, stats)["counters"])


def read_moments(spark: SparkSession, stats: TableVersion) -> BothMoments | None:
    """The moments that `count_votes` stored; None where they follow from the patterns."""
    text = _payloads(spark, stats).get("moments")
    return None if text is None else joint.from_json(text)


def sum_patterns(
    spark: SparkSession,
    kernel: TabulateKernel[S],
    known: TabulateKernel[S],
    votes: TableVersion,
    gold: TableVersion | None,
    options: Options,
) -> Query:
    """The pattern counts of all items; `known` counts those with gold once more, under their class."""
    parts = [tabulate_batches(spark, kernel, votes, kernel.dump_schema, options)]
    if gold is not None:
        joined = join_gold(spark, votes, gold, only_gold=True)
        counted_apart = tabulate_batches(spark, known, joined, kernel.dump_schema)
        parts.append(move_from_unknown(counted_apart, GOLD, ABSTAIN, N_ITEMS))
    return Query("pattern counts", sum_rows(parts, N_ITEMS))


def _count_moments(spark: SparkSession, votes: TableVersion, counters: Counters, options: Options) -> BothMoments:
    # The same triples in every run: moments of two versions can be added and subtracted.
    chosen = choose_triples(counters.votes, np.random.default_rng(0))
    kernel = BothMomentsKernel(counters.lf_names, counters.cardinality, chosen, counters.grids)
    return reduce_batches(spark, kernel, votes, options)


def _payloads(spark: SparkSession, stats: TableVersion) -> dict[str, str]:
    return dict(read_rows(spark, stats).select("kind", "payload").iter_rows())
