"""Run one step, or skip it: the ledger is read before it and written behind it."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from sparkws.config import ProjectConfig
from sparkws.engine.history import Transition, commits_after, refuse_strangers
from sparkws.engine.lanes import Options
from sparkws.engine.progress import progress
from sparkws.engine.refs import Workspace
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import TableVersion, find_table, find_version, open_version, read_rows
from sparkws.engine.writes import write_rows
from sparkws.errors import ConfigError, DataError, EngineError
from sparkws.manage import ledger, plan
from sparkws.manage.results import StepResult
from sparkws.vocab import RUNS, VERSION

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that the steps of one run share.

    Attributes
    ----------
    direct : bool
        Whether this process may write small tables of the workspace itself.
    overwrite : frozenset of str
        Tables that are replaced although another writer changed them.
    check_lock : function
        Raises when the job no longer has the workspace for itself.
    """

    config: ProjectConfig
    workspace: Workspace
    options: Options
    direct: bool
    overwrite: frozenset[str] = frozenset()
    check_lock: Callable[[], None] = lambda: None


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
    writes: Sequence[str],
) -> StepResult:
    """Run a step unless its last success still stands, and write both into the ledger.

    Parameters
    ----------
    inputs, made_of : mapping
        What the step reads, with versions, and what else it depends on.
    act : function of a Transition
        Does it.
    writes : sequence of str
        The tables of the workspace that it replaces.

    Raises
    ------
    TableChanged
        If another writer changed one of the tables behind the step's back.
    """
    job.check_lock()
    # As the ledger gives it back; another version of sparkws may count, fit or tell differently.
    made_of = {**json.loads(json.dumps(made_of)), "sparkws": VERSION}
    records = read_ledger(spark, job)
    last = ledger.last_success(records, step)
    found = {table: find_version(spark, job.workspace.table(table), shares_folder=job.direct) for table in writes}
    standing = _undisturbed(spark, job, step, found, {} if last is None else last.outputs)
    reason = plan.why_run(last, inputs, made_of, standing)
    if last is not None and not reason:
        logger.info("%-24s up to date", step)
        return _result(last, "skipped", reason)
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
    versions = {str(job.workspace.table(table)): version for table, version in found.items()}
    transition = Transition(f"sparkws/{step}", begun.sequence, inputs, versions, job.check_lock)
    done = _perform(spark, job, begun, lambda: act(transition))
    logger.info("%-24s %s rows in %.1f s", step, f"{done.n_rows:,}", done.seconds)
    return _result(done, "done", reason)


@contextmanager
def errors_of(what: str) -> Iterator[None]:
    """What is wrong with the data or the configuration of one of several tasks is told with its name in front.

    >>> with errors_of("task 'spam'"):
    ...     raise DataError("no item has a vote.")
    Traceback (most recent call last):
    sparkws.errors.DataError: task 'spam': no item has a vote.
    """
    try:
        yield
    except (ConfigError, DataError) as error:
        raise type(error)(f"{what}: {error}") from error


def _perform(spark: SparkSession, job: Job, begun: ledger.StepRecord, act: Callable[[], Done]) -> ledger.StepRecord:
    """Do what a step does, and tell the ledger how it ended."""
    start = time.monotonic()
    try:
        with progress(spark, begun.step):
            done = act()
        job.check_lock()
    except BaseException as error:
        seconds = time.monotonic() - start
        failed = replace(begun, status="failed", seconds=seconds, details={"error": str(error)})
        with suppress(Exception):  # the error itself is what has to be told
            _append(spark, job, failed)
        raise
    ended = replace(
        begun,
        status="done",
        seconds=time.monotonic() - start,
        outputs=done.outputs,
        n_rows=done.n_rows,
        details=json.loads(json.dumps(done.details)),
    )
    _append(spark, job, ended)
    return ended


def _result(record: ledger.StepRecord, status: Literal["done", "skipped"], reason: str) -> StepResult:
    return StepResult(
        step=record.step,
        status=status,
        reason=reason,
        outputs=record.outputs,
        seconds=record.seconds if status == "done" else 0.0,
        n_rows=record.n_rows,
        details=record.details,
    )


def read_ledger(spark: SparkSession, job: Job) -> list[ledger.StepRecord]:
    runs = find_table(spark, job.workspace.table(RUNS), shares_folder=job.direct)
    return [] if runs is None else ledger.from_rows(read_rows(spark, runs))


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
    write_rows(spark, job.workspace.table(RUNS), ledger.to_rows([record]), direct=job.direct, mode="append")


def _undisturbed(
    spark: SparkSession, job: Job, step: str, found: Mapping[str, int | None], recorded: Mapping[str, int | None]
) -> dict[str, int | None]:
    """The versions at which the tables of a step stand, commits that keep all rows not counted.

    Raises
    ------
    TableChanged
        If somebody else changed one of them.
    """
    versions: dict[str, int | None] = {}
    for table, newest in found.items():
        versions[table] = newest
        ref, before = job.workspace.table(table), recorded.get(table)
        if newest is None or table in job.overwrite or (newest == before and ref.folder is None):
            continue
        # A run that never ended recorded no version, and a table that was made anew is below it.
        known = before if before is not None and before <= newest else None
        # The commit at that version is looked at too: a table that somebody dropped and made again may stand there.
        commits = commits_after(spark, ref, -1 if known is None else known - 1)
        refuse_strangers(ref, commits, step)
        if known is not None and all(commit.keeps_rows for commit in commits if commit.version > known):
            versions[table] = known
    return versions


def output_of(spark: SparkSession, job: Job, step: StepResult, table: str) -> TableVersion:
    """A table as a step left it.

    Where somebody only rearranged it since, that is the newest version: files of the older ones may be gone.
    """
    ref, version = job.workspace.table(table), step.outputs[table]
    assert version is not None
    behind = commits_after(spark, ref, version)
    is_same = bool(behind) and all(commit.keeps_rows for commit in behind)
    return open_version(spark, ref, behind[-1].version if is_same else version)
