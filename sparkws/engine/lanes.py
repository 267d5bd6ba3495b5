"""Carry a kernel over a table: map it, reduce it, write its rows; in the direct or in the row lane.

Direct: Spark tasks receive names of data files and scan them beside the file. Rows: Spark reads and
streams Arrow batches. Both give the same answers; the log tells which was taken, and why. In either,
workers write files themselves where they share the target's folder with the driver.
"""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Generic, Literal, TypeVar

import polars as pl
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from sparkws.checks import check_columns
from sparkws.config import LaneOption
from sparkws.engine import programs
from sparkws.engine.commit import commit_files
from sparkws.engine.direct import Scan, Unit, list_units, plan_tasks
from sparkws.engine.failures import our_errors
from sparkws.engine.history import Transition
from sparkws.engine.reach import Reach, probe, why_not
from sparkws.engine.refs import TableRef, quote_column
from sparkws.engine.tables import Query, Source, TableVersion, open_version, read
from sparkws.engine.types import spark_schema
from sparkws.engine.worker import Care, Program, carry
from sparkws.engine.writes import Destination, observed_metrics, write_frame
from sparkws.errors import LaneUnavailable, WorkerDied
from sparkws.kernels import MapKernel, ReduceKernel, WriteKernel

S = TypeVar("S")
logger = logging.getLogger(__name__)

_COUNTED_AT_ONCE: Final = 10  # batches: counting makes nothing of the size of its rows, and each batch has a cost
WRITTEN_DDL: Final = "add string, n_rows long, statistic binary"  # the columns of programs.WRITTEN


@dataclass(frozen=True, kw_only=True)
class Options:
    """How work is carried.

    Attributes
    ----------
    lane : {"auto", "direct", "rows"}
    task_bytes : int
        The most that a task of the direct lane reads.
    batch_rows : int
        The most rows that a kernel sees at once; one that only counts sees ten times as many.
    care : Care
        How workers guard against functions that misbehave.
    reach : Reach or None
        What a probe of the folders found; None: probe when it is needed.
    """

    lane: LaneOption = "auto"
    task_bytes: int = 256 << 20
    batch_rows: int = 100_000
    care: Care = field(default_factory=Care)
    reach: Reach | None = None


@dataclass(frozen=True)
class Lane:
    """The lane that was taken, and why."""

    name: Literal["direct", "rows"]
    reason: str


@dataclass(frozen=True)
class Written(Generic[S]):
    """What a write left behind: the table's version, its rows, and the statistic of the rows."""

    version: int
    n_rows: int
    statistic: S
    lane: Lane


def choose_lane(spark: SparkSession, source: Source, options: Options, target: TableRef | None = None) -> Lane:
    """The lane for a source, and for a target where workers are to write it.

    Raises
    ------
    LaneUnavailable
        If the direct lane is forced and closed.
    FolderNotShared
        If a worker does not see a folder as this process does.
    """
    if options.lane == "rows":
        return Lane("rows", "asked for")
    problem = _against_direct(spark, source, options, target)
    if not problem:
        return Lane("direct", "asked for" if options.lane == "direct" else "workers can open the files themselves")
    if options.lane == "direct":
        raise LaneUnavailable(f"the direct lane is closed for {str(source)!r}: {problem}. Use lane: auto or rows.")
    return Lane("rows", problem)


def map_batches(spark: SparkSession, kernel: MapKernel, source: Source, options: Options | None = None) -> DataFrame:
    """The kernel's rows for the rows of a source, as a lazy Spark data frame."""
    options = options or Options()
    schema = spark_schema(kernel.schema)
    return _stream(spark, source, kernel.columns, programs.MapFrames(kernel), schema, options)


def reduce_batches(spark: SparkSession, kernel: ReduceKernel[S], source: Source, options: Options | None = None) -> S:
    """The kernel's statistic of all rows of a source; only one small row a task reaches the driver."""
    options = options or Options()
    frame = _stream(spark, source, kernel.columns, programs.FoldFrames(kernel), "statistic binary", options)
    with our_errors():
        packed = frame.toArrow().column("statistic").to_pylist()
    return programs.merge_packed(kernel, packed)


def tabulate_batches(
    spark: SparkSession,
    kernel: ReduceKernel[S],
    source: Source,
    schema: pl.Schema,
    options: Options | None = None,
) -> DataFrame:
    """The rows of the statistic, one set for each task: for statistics too large for the driver.

    `sum_rows` adds them up in Spark. `schema` is that of the rows which the kernel dumps.
    """
    program = programs.TabulateFrames(kernel, schema)
    return _stream(spark, source, kernel.columns, program, spark_schema(schema), options or Options())


def write_batches(
    spark: SparkSession,
    kernel: WriteKernel[S],
    source: Source,
    target: TableRef,
    transition: Transition,
    options: Options | None = None,
    comments: Mapping[str, str] | None = None,
) -> Written[S]:
    """Replace the content of `target` by the kernel's rows, in one commit, and give their statistic.

    In the direct lane a file of the target covers a file of the source, or a range of its row groups,
    in order. In the row lane workers write the files too where they share the target's folder; elsewhere
    the rows go back to Spark, which writes them. Nothing is committed when a task fails. Where a worker died
    in one of several functions, all is tried once more with a note of each call: it tells which, or succeeds.
    """
    options = options or Options()
    check_columns(str(source), kernel.columns, source.schema.names())
    lane = choose_lane(spark, source, options, target)
    logger.info("%s lane for %s -> %s: %s", lane.name, source, target, lane.reason)
    to = Destination(target, transition, comments or {})
    if lane.name == "direct":
        write = _write_direct
    elif target.folder is not None and not why_not(spark, options.reach, target.folder, written=True):
        write = _write_streamed
    else:
        write = _write_rows
    try:
        return write(spark, kernel, source, to, options, lane)
    except WorkerDied as died:
        if len(died.functions) < 2 or options.care.careful:
            raise
        logger.warning("%s Trying once more, slower, to tell which.", died)
    careful = replace(options, care=replace(options.care, careful=True))
    return write(spark, kernel, source, to, careful, lane)


def _stream(
    spark: SparkSession,
    source: Source,
    columns: tuple[str, ...],
    program: programs.MapFrames | programs.FoldFrames[S] | programs.TabulateFrames[S],
    schema: object,
    options: Options,
) -> DataFrame:
    check_columns(str(source), columns, source.schema.names())
    lane = choose_lane(spark, source, options)
    logger.info("%s lane for %s: %s", lane.name, source, lane.reason)
    wanted = _narrowed(source, columns)
    batch_rows = options.batch_rows * (_COUNTED_AT_ONCE if isinstance(program, programs.FoldFrames) else 1)
    if lane.name == "direct":
        tasks = _tasks(spark, source, options, widest_rows=1 << 62)
        carried = programs.OfTasks(program, tasks, Scan(wanted, batch_rows))
        return _numbers(spark, len(tasks)).mapInArrow(carry(carried, options.care), schema)
    frame = _numbered_columns(spark, source, columns)
    return frame.mapInArrow(carry(programs.OfRows(program, wanted, batch_rows), options.care), schema)


def _write_direct(
    spark: SparkSession, kernel: WriteKernel[S], source: Source, to: Destination, options: Options, lane: Lane
) -> Written[S]:
    tasks = _tasks(spark, source, options, widest_rows=_most_rows(kernel, options))
    program = programs.WriteUnits(kernel, tasks, Scan(_narrowed(source, kernel.columns), options.batch_rows), to.folder)
    return _commit_written(_numbers(spark, len(tasks)), program, kernel, options, to, lane)


def _write_streamed(
    spark: SparkSession, kernel: WriteKernel[S], source: Source, to: Destination, options: Options, lane: Lane
) -> Written[S]:
    program = programs.WriteFrames(kernel, to.folder, _most_rows(kernel, options))
    carried = programs.OfRows(program, _narrowed(source, kernel.columns), options.batch_rows)
    return _commit_written(_numbered_columns(spark, source, kernel.columns), carried, kernel, options, to, lane)


def _commit_written(
    frame: DataFrame, program: Program, kernel: WriteKernel[S], options: Options, to: Destination, lane: Lane
) -> Written[S]:
    """Let workers write files, and commit them."""
    is_new = not to.folder.exists()
    to.folder.mkdir(parents=True, exist_ok=True)
    try:
        with our_errors():
            written = frame.mapInArrow(carry(program, options.care), WRITTEN_DDL).toArrow()
    except BaseException:
        if is_new:  # readers would take a folder without a log for a broken table
            shutil.rmtree(to.folder, ignore_errors=True)
        raise
    statistic = programs.merge_packed(kernel, written.column("statistic").to_pylist())
    adds = [json.loads(add) for add in written.column("add").to_pylist()]
    version = commit_files(frame.sparkSession, to, kernel.schema, adds)
    return Written(version, sum(written.column("n_rows").to_pylist()), statistic, lane)


def _write_rows(
    spark: SparkSession, kernel: WriteKernel[S], source: Source, to: Destination, options: Options, lane: Lane
) -> Written[S]:
    program = programs.OfRows(programs.TallyFrames(kernel), _narrowed(source, kernel.columns), options.batch_rows)
    schema = spark_schema(kernel.schema)
    fields = [f"{quote_column(field.name)} {field.dataType.simpleString()}" for field in schema.fields]
    carried = ", ".join([*fields, f"{quote_column(programs.TALLY)} binary"])
    observed = Observation()
    rows = _numbered_columns(spark, source, kernel.columns).mapInArrow(carry(program, options.care), carried)
    tallied = rows.observe(observed, F.count(F.lit(1)).alias("n_rows"), F.collect_list(programs.TALLY).alias("tallies"))
    frame = tallied.select(
        *[
            F.col(quote_column(name)).alias(
                name, metadata={"comment": to.comments[name]} if name in to.comments else {}
            )
            for name in kernel.schema
        ]
    )
    with our_errors():
        version = write_frame(spark, to.ref, frame, transition=to.transition)
    found = observed_metrics(observed)
    if found is None:
        # Creating or replacing a named table loses them: the rows are there, their statistic is made again.
        logger.info("Spark tells nothing of the rows that it wrote to %s; counting them again", to.ref)
        statistic = reduce_batches(spark, programs.StatisticOnly(kernel), source, options)
        return Written(version, read(spark, open_version(spark, to.ref, version)).count(), statistic, lane)
    statistic = programs.merge_packed(kernel, [bytes(part) for part in found["tallies"]])
    return Written(version, found["n_rows"], statistic, lane)


def _against_direct(spark: SparkSession, source: Source, options: Options, target: TableRef | None) -> str:
    """Why the direct lane is closed; empty when it is open."""
    if isinstance(source, Query):
        return "only Spark can read a query, a view or a join"
    if source.hidden:
        return source.hidden
    if source.folder is None:
        return "its location is not a folder of a file system that this process sees"
    if target is not None and target.folder is None:
        return f"{str(target)!r} is not a folder, so Spark commits to it"
    problem = why_not(spark, options.reach, source.folder, written=False)
    if not problem and target is not None and target.folder is not None:
        problem = why_not(spark, options.reach, target.folder, written=True)
    return problem


def _tasks(spark: SparkSession, source: Source, options: Options, *, widest_rows: int) -> list[list[Unit]]:
    assert isinstance(source, TableVersion)
    slots = (options.reach or probe(spark)).slots
    return plan_tasks(list_units(source), slots=slots, task_bytes=options.task_bytes, widest_rows=widest_rows)


def _numbers(spark: SparkSession, n_tasks: int) -> DataFrame:
    """The numbers of the tasks, each in a Spark task of its own; an empty table has one task without a number."""
    return spark.range(0, n_tasks, 1, n_tasks) if n_tasks else spark.range(0, 0, 1, 1)


def _numbered_columns(spark: SparkSession, source: Source, columns: tuple[str, ...]) -> DataFrame:
    """Columns under plain names, in order: mapInArrow would take a dot in a name for a field of a struct."""
    numbered = [F.col(quote_column(name)).alias(f"c{i}") for i, name in enumerate(columns)]
    return read(spark, source).select(*numbered)


def _narrowed(source: Source, columns: tuple[str, ...]) -> pl.Schema:
    schema = source.schema
    return pl.Schema({name: schema[name] for name in columns})


def _most_rows(kernel: WriteKernel[S], options: Options) -> int:
    """The rows of a file: they are held until it is written, so wide tables get shorter files."""
    row_bytes = sum(1 if dtype == pl.Int8 else 32 for dtype in kernel.schema.dtypes())
    return max(1, options.task_bytes // row_bytes)
