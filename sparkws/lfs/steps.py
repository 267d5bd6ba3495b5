"""The step `votes`: run labeling functions over a source, or take votes made elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sparkws.checks import check_columns
from sparkws.engine.expressions import check_expressions, expression_faults
from sparkws.engine.history import Transition
from sparkws.engine.keys import check_keys
from sparkws.engine.lanes import Options, Written, write_batches
from sparkws.engine.lookups import Lookup, Matches, with_lookups
from sparkws.engine.refs import TableRef, parse_ref
from sparkws.engine.relational import distinct_values, pivot_votes, with_columns
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import Source, open_table
from sparkws.engine.writes import write_rows
from sparkws.errors import TableNotFound
from sparkws.grids import grid_text, make_cells
from sparkws.lfconfig import LookupConfig, VotesConfig
from sparkws.lfs.ballots import told_of, vote_comments
from sparkws.lfs.declarative import Rule, class_index
from sparkws.lfs.findings import Findings
from sparkws.lfs.imports import Imported, ImportKernel, lf_column_names
from sparkws.lfs.kernel import VotesKernel
from sparkws.lfs.lfset import LFSet
from sparkws.lfs.lookup import check_comparable
from sparkws.lfs.materialize import with_stored
from sparkws.lfs.normalize import normalized_sql
from sparkws.lfs.options import check_reads
from sparkws.lfs.preprocess import Preprocessor
from sparkws.lfs.voter import until_equal
from sparkws.vocab import LABEL_CLASSES

_MOST_SOURCES = 10_000  # columns of a votes table made from a long one


def make_votes(
    spark: SparkSession,
    lfset: LFSet,
    source: Source,
    *,
    key: str,
    classes: tuple[str, ...],
    on_fault: str,
    time_limit_s: float | None,
    hidden: tuple[str, ...] = (),
    votes_target: TableRef,
    faults_target: TableRef,
    transition: Transition,
    options: Options,
    must_check_keys: bool,
    direct: bool,
    tables: Mapping[str, Source] | None = None,
    stored: Mapping[Preprocessor, Source] | None = None,
    multi_label: bool = False,
) -> tuple[Written[Findings], int, dict[str, dict[str, Any]]]:
    """Run every function on every item and commit the votes.

    It gives what was written, the faults' version, and what each lookup in a table counted.

    Parameters
    ----------
    tables : mapping of str to Source
        The table of each lookup in one, as `open_tables` found it.
    stored : mapping of Preprocessor to Source
        The table of each preprocessor that is materialized.
    multi_label : bool
        Items may have several classes: a column for each (function, class).

    Raises
    ------
    MissingColumns, ConfigError
        If the functions do not fit the source.
    InvalidKeys, InvalidVote, FunctionFailed
        If the data breaks a promise. Nothing is committed then.
    WorkerDied
        If a function ended its process, or had to be ended with it. Nothing is committed then.
    """
    answered = answer_by_spark(spark, lfset, with_stored(spark, source, stored or {}), tables or {})
    bound_to = (lfset, classes, key, answered.source.schema, on_fault, time_limit_s, hidden)
    kernel = VotesKernel(*bound_to, multi_label=multi_label)
    comments = vote_comments(lfset.comments(), kernel.ballots) if multi_label else lfset.comments()
    if must_check_keys:
        check_keys(spark, source, key)

    def write(interpreted: frozenset[str]) -> Written[Findings]:
        used = VotesKernel(*bound_to, interpreted) if interpreted else kernel
        return write_batches(spark, used, answered.source, votes_target, transition, options, comments=comments)

    kernel.log_compiled()
    with expression_faults(answered.expressions):
        written = until_equal(write)
    faults = written.statistic.faults.sample
    faults_version = write_rows(spark, faults_target, faults, direct=direct, transition=transition)
    return written, faults_version, answered.counts(written.n_rows)


@dataclass(frozen=True)
class Answered:
    """A source with a column for each function that Spark answers.

    Attributes
    ----------
    expressions : mapping of str to str
        The Spark SQL of each function that is an expression.
    looked_up : sequence of str
        The functions that are lookups in a table.
    """

    source: Source
    expressions: Mapping[str, str] = field(default_factory=dict)
    looked_up: Sequence[str] = ()
    matches: Matches | None = None

    def counts(self, n_items: int) -> dict[str, dict[str, Any]]:
        """Of each lookup its table, and what was counted when `n_items` items had been read."""
        if self.matches is None:
            return {}
        tables = [str(lookup.table) for lookup in self.matches.lookups]
        counted = zip(self.looked_up, tables, self.matches.counts(n_items), strict=True)
        return {name: {"table": table, **counts} for name, table, counts in counted}


def open_tables(spark: SparkSession, lfset: LFSet, base_dir: str) -> dict[str, Source]:
    """The table of each function that is a lookup in one, at the version that the whole run reads.

    Raises
    ------
    TableNotFound
        If there is no such table or version.
    """
    opened: dict[tuple[TableRef, int | None], Source] = {}
    tables = {}
    for rule in _sparks_rules(lfset):
        config = rule.config.lookup
        if config is not None and config.table is not None:
            at = parse_ref(config.table, base_dir), config.version
            if at not in opened:
                try:
                    opened[at] = open_table(spark, *at)
                except TableNotFound as error:
                    raise TableNotFound(f"{rule.name!r} looks values up in a table: {error}") from None
            tables[rule.name] = opened[at]
    return tables


def inputs_of(source: Source, tables: Mapping[str, Source]) -> dict[str, int | None]:
    """What a votes table is made of, with versions: the source and the tables of lookups."""
    inputs = dict(source.inputs)
    for table in tables.values():
        for name, version in table.inputs.items():
            if inputs.setdefault(name, version) != version:  # the same table as it was at another time
                inputs[f"{name} at {version}"] = version
    return inputs


def answer_by_spark(spark: SparkSession, lfset: LFSet, source: Source, tables: Mapping[str, Source]) -> Answered:
    """A source with the answers of Spark; the source itself where no function needs them.

    Raises
    ------
    MissingColumns, ConfigError
        If an expression or a lookup does not fit the source or its table.
    """
    rules = _sparks_rules(lfset)
    expressions = {rule.name: rule.config.expression.sql for rule in rules if rule.config.expression is not None}
    answered = source
    if expressions:
        check_expressions(spark, source, expressions)
        made = {str(rule.answer): expressions[rule.name] for rule in rules if rule.name in expressions}
        answered = with_columns(spark, source, made)
    lookups = {
        rule.name: _lookup(rule, rule.config.lookup, source, tables[rule.name])
        for rule in rules
        if rule.config.lookup is not None
    }
    if not lookups:
        return Answered(answered, expressions)
    answered, matches = with_lookups(spark, answered, list(lookups.values()))
    return Answered(answered, expressions, tuple(lookups), matches)


def _lookup(rule: Rule, config: LookupConfig, source: Source, table: Source) -> Lookup:
    """What Spark is to look up for a rule."""
    check_reads(rule.name, config.columns, source.schema)
    said = (config.label_column,) if config.label_column is not None else ()
    check_columns(str(table), (*config.keys, *said), table.schema.names())
    check_comparable(rule.name, config, source.schema, table.schema)
    return Lookup(
        answer=str(rule.answer),
        table=table,
        on=list(zip(config.columns, config.keys, strict=True)),
        compared=partial(normalized_sql, options=config.normalize),
        symmetric=config.symmetric,
        says=config.label_column,
        join=config.join,
    )


def _sparks_rules(lfset: LFSet) -> list[Rule]:
    return [lf.f for lf in lfset if isinstance(lf.f, Rule) and lf.f.answer is not None]


def import_votes(
    spark: SparkSession,
    config: VotesConfig,
    source: Source,
    *,
    classes: tuple[str, ...],
    votes_target: TableRef,
    transition: Transition,
    options: Options,
    must_check_keys: bool,
) -> tuple[Written[Imported], ImportKernel]:
    """Commit votes made elsewhere as a votes table; give what was written, and the kernel, which names the functions.

    Raises
    ------
    MissingColumns, InvalidKeys, InvalidVote, DataError
        If the table does not hold one vote for an item and function. Nothing is committed then.
    """
    if config.format == "long":
        assert config.lf_column is not None
        assert config.vote_column is not None
        check_columns(str(source), (config.key, config.lf_column, config.vote_column), source.schema.names())
        raw = distinct_values(spark, source, config.lf_column, _MOST_SOURCES)
        names = dict(zip(raw, lf_column_names(raw), strict=True))
        source = pivot_votes(
            spark, source, key=config.key, lf_column=config.lf_column, vote_column=config.vote_column, names=names
        )
        columns = tuple(names.values())
    else:
        columns = tuple(config.columns or (name for name in source.schema if name != config.key))
    soft = {column: make_cells(f"votes column {column!r}", grid) for column, grid in config.grids.items()}
    on_labels = config.columns if isinstance(config.columns, dict) else None
    voted = classes if on_labels is None else LABEL_CLASSES
    kernel = ImportKernel(config.key, columns, voted, source.schema, config.mapping, soft)
    comments = {}
    if on_labels is not None:
        at = [class_index("votes.columns", label, classes) for label in on_labels.values()]
        comments = {name: told_of(classes[label]) for name, label in zip(kernel.lf_names, at, strict=True)}
    if must_check_keys:
        check_keys(spark, source, config.key)
    for name, cells in kernel.grids.of.items():
        comments[name] = "; ".join(filter(None, (comments.get(name), grid_text(cells))))
    written = write_batches(spark, kernel, source, votes_target, transition, options, comments)
    return written, kernel
