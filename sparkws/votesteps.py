"""The steps that make what is counted: known classes, results of preprocessors, and votes."""

import logging
from collections.abc import Mapping
from itertools import islice
from typing import Any

from sparkws.checks import first_few
from sparkws.config import GoldConfig, TaskConfig
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Written
from sparkws.engine.refs import parse_ref
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import Source, open_table
from sparkws.grids import Grids
from sparkws.lfs import LFSet, materialize
from sparkws.lfs import steps as lf_steps
from sparkws.lfs.ballots import Ballot, ballots_of, by_class, vote_columns
from sparkws.lfs.declarative import class_index
from sparkws.lfs.findings import Findings
from sparkws.lfs.leaks import gold_columns
from sparkws.lfs.preprocess import Preprocessor
from sparkws.lfs.shares import what_is_read
from sparkws.manage import ledger
from sparkws.manage.results import StepResult
from sparkws.opening import keyed_by
from sparkws.runner import Done, Job, output_of, read_ledger, run_step
from sparkws.stats import steps as stats_steps
from sparkws.vocab import ITEM_ID, PREP_PREFIX, slice_column

logger = logging.getLogger(__name__)

_SLOWEST = 10  # functions that are shown; the ledger has all


def gold_source(spark: SparkSession, job: Job, gold: GoldConfig, source: Source | None) -> tuple[Source, str]:
    """The table with the known classes, and the key of its items."""
    if gold.table is not None:
        known, key = open_table(spark, parse_ref(gold.table, job.config.base_dir)), gold.key or ITEM_ID
    else:
        assert source is not None
        assert job.config.source is not None
        known, key = source, gold.key or job.config.source.key
    return keyed_by(spark, known, key, gold.key_expression), key


def gold_step(
    spark: SparkSession, job: Job, name: str, task: TaskConfig, gold: GoldConfig, source: Source | None
) -> StepResult:
    """Write the known classes of a task's items, those of the source or of a table of their own."""
    known, key = gold_source(spark, job, gold, source)
    target = job.workspace.table(f"{name}_gold")

    def act(transition: Transition) -> Done:
        # The keys of the source were checked before its votes were committed; no others were.
        made = gold.key_expression is not None
        checked = gold.table is None and task.lfs is not None and _is_key(job, gold.key) and not made
        must_check = not checked and job.config.engine.key_check != "trust"
        version, n_rows = stats_steps.make_gold(
            spark,
            gold,
            known,
            key,
            task.classes,
            target,
            transition,
            must_check_keys=must_check,
            multi_label=task.multi_label,
        )
        return Done(outputs={f"{name}_gold": version}, n_rows=n_rows, details={})

    made_of = {
        "gold": gold.model_dump(mode="json"),
        "source": _text_of(job),
        "classes": list(task.classes),
        "key": key,
        **multi_label_only(task),
    }
    return run_step(spark, job, f"{name}.gold", known.inputs, made_of, act, [f"{name}_gold"])


def prep_step(
    spark: SparkSession, job: Job, task: TaskConfig, source: Source, preprocessor: Preprocessor
) -> StepResult:
    """Make what a preprocessor makes; all tasks share the table."""
    assert task.lfs is not None
    table, limit = f"{PREP_PREFIX}{preprocessor.name}", task.lfs.time_limit_s

    def act(transition: Transition) -> Done:
        version, counts = materialize.store_results(
            spark,
            preprocessor,
            source,
            job.workspace.table(table),
            transition,
            job.options,
            time_limit_s=limit,
            shares_folder=job.direct,
        )
        if counts["failed"]:
            logger.warning(
                "%s failed on %s of %s new inputs", preprocessor, f"{counts['failed']:,}", f"{counts['new']:,}"
            )
        return Done(outputs={table: version}, n_rows=counts["new"], details={"result": counts})

    made_of = {"source": _text_of(job), "code": preprocessor.fingerprint}
    return run_step(spark, job, f"prep.{preprocessor.name}", source.inputs, made_of, act, [table])


def votes_step(
    spark: SparkSession,
    job: Job,
    name: str,
    task: TaskConfig,
    source: Source,
    lfset: LFSet,
    prepared: Mapping[Preprocessor, StepResult],
) -> StepResult:
    """Run the labeling functions of a task over the source.

    Parameters
    ----------
    prepared : mapping of Preprocessor to StepResult
        The steps that materialized what the functions ask for.
    """
    config = job.config
    assert task.lfs is not None
    assert config.source is not None
    key, lfs = config.source.key, task.lfs
    step = f"{name}.votes"
    tables = lf_steps.open_tables(spark, lfset, config.base_dir)
    stored = {entry: output_of(spark, job, made, f"{PREP_PREFIX}{entry.name}") for entry, made in prepared.items()}
    hidden = gold_columns(task.gold, source.schema.names()) if lfset.given is None else ()
    if hidden:
        unknown = [lf.name for lf in lfset if lf.given is None]
        logger.info("no %s for %s, which do not say what they read", first_few(hidden), first_few(unknown))
    ballots = ballots_of(lfset, task.classes) if task.multi_label else {}

    def act(transition: Transition) -> Done:
        written, faults_version, lookups = lf_steps.make_votes(
            spark,
            lfset,
            source,
            key=key,
            classes=task.classes,
            on_fault=lfs.on_fault,
            time_limit_s=lfs.time_limit_s,
            hidden=hidden,
            votes_target=job.workspace.table(f"{name}_votes"),
            faults_target=job.workspace.table(f"{name}_faults"),
            transition=transition,
            options=job.options,
            must_check_keys=_must_check_keys(spark, job, step, source, key),
            direct=job.direct,
            tables=tables,
            stored=stored,
            multi_label=task.multi_label,
        )
        details = _details_of_votes(task, lfset, ballots, written, lookups)
        details["checked_key"] = None if config.engine.key_check == "trust" else key
        outputs = {f"{name}_votes": written.version, f"{name}_faults": faults_version}
        return Done(outputs=outputs, n_rows=written.n_rows, details=details)

    made_of = {
        "source": _text_of(job),
        "lfs": {lf.name: lf.fingerprint for lf in lfset},
        "order": list(lfset.names),
        "classes": list(task.classes),
        "key": key,
        "on_fault": lfs.on_fault,
        "limits": [lfs.time_limit_s, config.engine.worker_memory_mib],
        **({"hidden": list(hidden)} if hidden else {}),
        **multi_label_only(task),
    }
    inputs = lf_steps.inputs_of(source, {**tables, **{entry.name: table for entry, table in stored.items()}})
    return run_step(spark, job, step, inputs, made_of, act, [f"{name}_votes", f"{name}_faults"])


def _details_of_votes(
    task: TaskConfig,
    lfset: LFSet,
    ballots: Mapping[str, Ballot],
    written: Written[Findings],
    lookups: Mapping[str, Any],
) -> dict[str, Any]:
    """What the ledger keeps of a pass over the source, by column of votes: later steps and reports read it there."""
    found, costs = written.statistic.faults.counts_by_lf(), written.statistic.costs
    members = {slice_column(part): part for part in task.slices}
    voting = lfset.select(lf for lf in lfset.names if lf not in members)
    faults = {lf: n for lf, n in found.items() if lf not in members}
    by_function = costs.by_function()
    columns, reads = vote_columns(voting.names, ballots), what_is_read(voting)
    details: dict[str, Any] = {
        "lf_names": list(columns),
        **_grids(voting.grids(task.classes)),
        "fingerprints": {column: voting[lf].fingerprint for column, lf in columns.items()},
        "reads": {column: reads[lf] for column, lf in columns.items() if lf in reads},
        "slices": list(task.slices),
        "faults": {column: faults[lf] for column, lf in columns.items() if lf in faults},
        "costs": by_function,
        "result": {
            "lane": written.lane.name,
            "lane_reason": written.lane.reason,
            "faults": faults,
            "slice_faults": {members[name]: n for name, n in found.items() if name in members},
            "lookups": lookups,
            "rows_per_s_per_core": costs.rows_per_s,
            "slowest": dict(islice(by_function.items(), _SLOWEST)),
        },
    }
    if ballots:
        details["labels"] = by_class({name: ballot.columns for name, ballot in ballots.items()}, task.classes)
    return details


def import_step(spark: SparkSession, job: Job, name: str, task: TaskConfig) -> StepResult:
    """Take the votes of a task from a table that was made elsewhere."""
    votes = task.votes
    assert votes is not None
    source = keyed_by(spark, open_table(spark, parse_ref(votes.table, job.config.base_dir)), votes.key, None)
    step = f"{name}.votes"

    def act(transition: Transition) -> Done:
        written, kernel = lf_steps.import_votes(
            spark,
            votes,
            source,
            classes=task.classes,
            votes_target=job.workspace.table(f"{name}_votes"),
            transition=transition,
            options=job.options,
            must_check_keys=_must_check_keys(spark, job, step, source, votes.key),
        )
        checked = None if job.config.engine.key_check == "trust" else votes.key
        result = {"lane": written.lane.name, "lane_reason": written.lane.reason, "faults": {}}
        of_lfs = {"lf_names": list(kernel.lf_names), **_grids(kernel.grids)}
        details: dict[str, Any] = {**of_lfs, "faults": {}, "checked_key": checked, "result": result}
        if isinstance(votes.columns, dict):
            at = [class_index("votes.columns", label, task.classes) for label in votes.columns.values()]
            voted = {column: {column: label} for column, label in zip(kernel.lf_names, at, strict=True)}
            details["labels"] = by_class(voted, task.classes)
        return Done(outputs={f"{name}_votes": written.version}, n_rows=written.n_rows, details=details)

    made_of = {"votes": votes.model_dump(mode="json"), "classes": list(task.classes), **multi_label_only(task)}
    return run_step(spark, job, step, source.inputs, made_of, act, [f"{name}_votes"])


def _grids(grids: Grids) -> dict[str, Any]:
    """The grids of soft functions as a detail of the step that made their votes; nothing where there are none."""
    return {"grids": grids.to_plain()} if grids else {}


def multi_label_only(task: TaskConfig) -> dict[str, bool]:
    """What a step of a multi-label task depends on beside what steps of other tasks do."""
    return {"multi_label": True} if task.multi_label else {}


def _is_key(job: Job, key: str | None) -> bool:
    return key is None or (job.config.source is not None and key == job.config.source.key)


def _text_of(job: Job) -> dict[str, str | None]:
    """The query and the key of the source: its tables may stand still while these change."""
    source = job.config.source
    return {} if source is None else {"query": source.query, "key_expression": source.key_expression}


def _must_check_keys(spark: SparkSession, job: Job, step: str, source: Source, key: str) -> bool:
    """Whether the keys of a source have to be checked: not again for a version whose keys were found good."""
    if job.config.engine.key_check != "changed":
        return job.config.engine.key_check == "always"
    last = ledger.last_success(read_ledger(spark, job), step)
    if last is None or not source.inputs or None in source.inputs.values():
        return True
    if any(last.inputs.get(table) != version for table, version in source.inputs.items()):
        return True
    return last.details.get("checked_key") != key or last.fingerprints.get("source", {}) != _text_of(job)
