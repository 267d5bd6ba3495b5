"""The step `prep.<name>`: make what a preprocessor makes of every input that its table does not know."""

from collections.abc import Mapping

from sparkws.checks import check_columns
from sparkws.engine.history import Transition
from sparkws.engine.inputs import append_new, count_rows, hashed_inputs, input_hash, with_results
from sparkws.engine.lanes import Options
from sparkws.engine.refs import TableRef
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import Source, find_table, open_version
from sparkws.lfs.preprocess import Preprocessor
from sparkws.lfs.stored import CODE, ERROR, INPUT, StoreKernel


def store_results(
    spark: SparkSession,
    preprocessor: Preprocessor,
    source: Source,
    target: TableRef,
    transition: Transition,
    options: Options,
    *,
    time_limit_s: float | None,
    shares_folder: bool,
) -> tuple[int, dict[str, int]]:
    """Append the results for new inputs; give the table's version, and how many inputs were new and how many failed.

    Inputs on which it failed before are tried again.

    Raises
    ------
    MissingColumns
        If the source lacks what it reads.
    InvalidFunction
        If it cannot be loaded, or makes something else than it promised. Nothing is committed then.
    WorkerDied
        If it ended its process. Nothing is committed then.
    """
    assert preprocessor.reads is not None
    check_columns(f"source of {preprocessor}", sorted(preprocessor.reads.columns), source.schema.names())
    hashed = hashed_inputs(spark, source, INPUT, _hash_of(preprocessor, source))
    kernel = StoreKernel(preprocessor, hashed.schema, time_limit_s)
    known = find_table(spark, target, shares_folder=shares_folder)
    version = append_new(
        spark,
        kernel,
        hashed,
        target,
        transition,
        options,
        known=known,
        input_column=INPUT,
        where=f"{_is_current(preprocessor)} AND {ERROR} IS NULL",
    )
    before = {"new": 0, "failed": 0} if known is None else _count(spark, known, preprocessor)
    after = _count(spark, open_version(spark, target, version), preprocessor)
    return version, {name: after[name] - before[name] for name in after}


def with_stored(spark: SparkSession, source: Source, stored: Mapping[Preprocessor, Source]) -> Source:
    """A source with the results of preprocessors, under the names by which the kernel knows them."""
    answered = source
    for preprocessor, table in stored.items():
        columns = preprocessor.stored
        answered = with_results(
            spark,
            answered,
            table,
            hashed=_hash_of(preprocessor, source),
            input_column=INPUT,
            where=_is_current(preprocessor),
            first=f"{ERROR} IS NOT NULL",
            columns={new: name or ERROR for name, new in columns.items()},
        )
    return answered


def _hash_of(preprocessor: Preprocessor, source: Source) -> str:
    assert preprocessor.reads is not None
    return input_hash([*preprocessor.reads.columns], source.schema)


def _is_current(preprocessor: Preprocessor) -> str:
    return f"{CODE} = '{preprocessor.fingerprint}'"


def _count(spark: SparkSession, table: Source, preprocessor: Preprocessor) -> dict[str, int]:
    is_current = _is_current(preprocessor)
    return count_rows(spark, table, {"new": is_current, "failed": f"{is_current} AND {ERROR} IS NOT NULL"})
