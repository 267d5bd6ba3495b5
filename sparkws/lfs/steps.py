"""The step `votes`: run labeling functions over a source, or take votes made elsewhere."""

from sparkws.checks import check_columns
from sparkws.config import VotesConfig
from sparkws.engine.history import Transition
from sparkws.engine.keys import check_keys
from sparkws.engine.lanes import Options, Written, write_batches
from sparkws.engine.refs import TableRef
from sparkws.engine.relational import distinct_values, pivot_votes
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import Source
from sparkws.engine.writes import write_rows
from sparkws.lfs.faults import Faults
from sparkws.lfs.imports import Imported, ImportKernel, lf_column_names
from sparkws.lfs.kernel import VotesKernel
from sparkws.lfs.lfset import LFSet

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
    votes_target: TableRef,
    faults_target: TableRef,
    transition: Transition,
    options: Options,
    must_check_keys: bool,
    direct: bool,
) -> tuple[Written[Faults], int]:
    """Run every function on every item and commit the votes; give what was written and the faults' version.

    Raises
    ------
    MissingColumns, ConfigError
        If the functions do not fit the source.
    InvalidKeys, InvalidVote, FunctionFailed
        If the data breaks a promise. Nothing is committed then.
    WorkerDied
        If a function ended its process, or had to be ended with it. Nothing is committed then.
    """
    kernel = VotesKernel(lfset, classes, key, source.schema, on_fault, time_limit_s)
    if must_check_keys:
        check_keys(spark, source, key)
    written = write_batches(spark, kernel, source, votes_target, transition, options, comments=lfset.comments())
    faults_version = write_rows(spark, faults_target, written.statistic.sample, direct=direct, transition=transition)
    return written, faults_version


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
) -> tuple[Written[Imported], tuple[str, ...]]:
    """Commit votes made elsewhere as a votes table; give what was written and the names of the functions.

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
        columns = config.columns or tuple(name for name in source.schema if name != config.key)
    kernel = ImportKernel(config.key, columns, classes, source.schema, config.mapping)
    if must_check_keys:
        check_keys(spark, source, config.key)
    written = write_batches(spark, kernel, source, votes_target, transition, options)
    return written, kernel.lf_names
