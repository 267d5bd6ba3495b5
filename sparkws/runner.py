"""Run one step, or skip it: the ledger is read before it and written behind it."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sparkws.config import ProjectConfig
from sparkws.engine.lanes import Options
from sparkws.engine.progress import progress
from sparkws.engine.refs import Workspace
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import TableVersion, find_version, open_version, read_rows
from sparkws.engine.writes import Transition, write_rows
from sparkws.errors import EngineError, TableNotFound
from sparkws.manage import ledger, plan
from sparkws.manage.results import StepResult
from sparkws.vocab import VERSION

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that the steps of one run share.

    Attributes
    ----------
    direct : bool
        Whether this process may write small tables of the workspace itself.
    """

    config: ProjectConfig
    workspace: Workspace
    options: Options
    direct: bool


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a step hands back: versions of the tables that it wrote, its rows, and what it found."""

    outputs: Mapping[str, int | None]
    n_rows: int
    details: Mapping[str, Any]


def run_step(
    spark: SparkSession,
    job: Job,
    step: str,
    inputs: Mapping[str, int | None],
    made_of: Mapping[str, Any],
    act: Callable[[Transition], Done],
) -> StepResult:
    """Run a step unless its last success still stands, and write both into the ledger."""
    # As the ledger gives it back; another version of sparkws may count, fit or tell differently.
    made_of = {**json.loads(json.dumps(made_of)), "sparkws": VERSION}
    records = read_ledger(spark, job)
    last = ledger.last_success(records, step)
    outputs = {} if last is None else {table: _version(spark, job, table) for table in last.outputs}
    reason = plan.why_run(last, inputs, made_of, outputs)
    if last is not None and not reason:
        logger.info("%-24s up to date", step)
        return StepResult(
            step=step,
            status="skipped",
            reason="",
            outputs=last.outputs,
            seconds=0.0,
            n_rows=last.n_rows,
            details=last.details,
        )
    logger.info("%-24s runs: %s", step, reason)
    begun = ledger.StepRecord(
        step=step,
        sequence=ledger.next_sequence(records),
        status="started",
        inputs=inputs,
        fingerprints=made_of,
        started_at=datetime.now(UTC),
        sparkws_version=VERSION,
    )
    _reserve(spark, job, begun)
    start = time.monotonic()
    try:
        note = json.dumps({"step": step, "inputs": dict(inputs)})
        with progress(spark, step):
            done = act(Transition(f"sparkws/{step}", begun.sequence, note))
    except BaseException as error:
        seconds = time.monotonic() - start
        failed = replace(begun, status="failed", seconds=seconds, details={"error": str(error)})
        with suppress(Exception):  # the error itself is what has to be told
            _append(spark, job, failed)
        raise
    seconds = time.monotonic() - start
    details = json.loads(json.dumps(done.details))
    _append(
        spark,
        job,
        replace(begun, status="done", seconds=seconds, outputs=done.outputs, n_rows=done.n_rows, details=details),
    )
    logger.info("%-24s %s rows in %.1f s", step, f"{done.n_rows:,}", seconds)
    return StepResult(
        step=step,
        status="done",
        reason=reason,
        outputs=done.outputs,
        seconds=seconds,
        n_rows=done.n_rows,
        details=details,
    )


def read_ledger(spark: SparkSession, job: Job) -> list[ledger.StepRecord]:
    ref = job.workspace.table("runs")
    try:
        runs = open_version(spark, ref)
    except TableNotFound:
        return []
    return ledger.from_rows(read_rows(spark, runs))


def _reserve(spark: SparkSession, job: Job, begun: ledger.StepRecord) -> None:
    """Write the row of a step that starts, and see that nobody else took its number."""
    _append(spark, job, begun)
    rivals = [record for record in read_ledger(spark, job) if record.sequence == begun.sequence]
    if len(rivals) > 1:
        raise EngineError(
            f"another run is at work in workspace {str(job.workspace.root)!r}: {[record.step for record in rivals]} "
            f"took the same number {begun.sequence}. Run one job at a time in a workspace; run again when it is done."
        )


def _append(spark: SparkSession, job: Job, record: ledger.StepRecord) -> None:
    write_rows(spark, job.workspace.table("runs"), ledger.to_rows([record]), direct=job.direct, mode="append")


def _version(spark: SparkSession, job: Job, table: str) -> int | None:
    return find_version(spark, job.workspace.table(table))


def output_of(spark: SparkSession, job: Job, step: StepResult, table: str) -> TableVersion:
    """A table as a step left it."""
    return open_version(spark, job.workspace.table(table), step.outputs[table])
