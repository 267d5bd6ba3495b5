"""The main job: items -> votes -> counts -> label model -> soft labels, for each task of a project.

Every step says what it reads, what else it depends on and what it writes. It runs when one of these
differs from its last success in the ledger, and is skipped otherwise. Steps commit one table at a time
and name the versions that they were made from, so a job killed anywhere and run again converges. The
module is longer than 300 lines so that all steps of a task, in their order, are read in one place; what is
checked and opened before them is in `opening`.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from sparkws import severally
from sparkws.checks import check_tasks, first_few
from sparkws.config import GoldConfig, ProjectConfig, TaskConfig
from sparkws.engine.history import Transition
from sparkws.engine.lock import hold
from sparkws.engine.refs import parse_ref, parse_workspace
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import Source, open_table
from sparkws.grids import Grids, grids_from_plain
from sparkws.jointly import CountedTask, Together, label_together
from sparkws.labelmodels import multisteps
from sparkws.labelmodels import steps as labelmodel_steps
from sparkws.labelmodels.sampling import MAX_PATTERNS
from sparkws.lfs import LabelingFunction, LFSet, materialize
from sparkws.lfs import steps as lf_steps
from sparkws.lfs.ballots import ballots_of, by_class, vote_columns
from sparkws.lfs.declarative import class_index
from sparkws.lfs.leaks import gold_columns
from sparkws.lfs.preprocess import Preprocessor
from sparkws.lfs.shares import what_is_read
from sparkws.manage import ledger
from sparkws.manage.results import RunResult, StepResult
from sparkws.opening import check_graphs, check_prepared, check_tables, functions_of, keyed_by, open_source, prepare
from sparkws.runner import Done, Job, output_of, read_ledger, run_step
from sparkws.stats import steps as stats_steps
from sparkws.vocab import ITEM_ID, PREP_PREFIX, slice_column

logger = logging.getLogger(__name__)

_SLOWEST = 10  # functions that are shown; the ledger has all


def run(
    spark: SparkSession,
    config: ProjectConfig,
    *,
    tasks: Sequence[str] | None = None,
    functions: Mapping[str, Iterable[LabelingFunction]] | None = None,
    overwrite: Sequence[str] = (),
) -> RunResult:
    """Bring the tables of a project up to date and tell what was done.

    Parameters
    ----------
    tasks : sequence of str, optional
        Run these tasks only; all by default.
    functions : mapping of str to labeling functions, optional
        Functions of a notebook, by task: they go before those that the configuration names.
    overwrite : sequence of str
        Tables of the workspace, such as "spam_votes", that are replaced although another writer changed them.

    Raises
    ------
    ConfigError
        For a task that does not exist, functions that do not fit the source or read what gold is made from.
    ExampleMissed
        If a function does not vote as its examples say.
    DataError
        For data that breaks a promise: keys, votes, classes.
    WorkspaceBusy
        If another job is at work in the workspace, after `engine.lock_wait_s`.
    TableChanged
        If another writer changed a table that belongs to the project.
    FolderNotShared
        If a worker does not see the source or the workspace as this process does.
    """
    check_tasks([*(tasks or ()), *(functions or ())], config.tasks)
    chosen = tuple(config.tasks) if tasks is None else tuple(tasks)
    lfsets = {name: functions_of(name, config.tasks[name], config.base_dir, functions or {}) for name in chosen}
    graphs = check_graphs(config, chosen)
    prepared = check_prepared(config, [lfset for lfset in lfsets.values() if lfset is not None])
    check_tables(config, prepared, overwrite)
    workspace = parse_workspace(config.workspace, config.base_dir)
    source = None if config.source is None else open_source(spark, config)
    job = replace(prepare(spark, config, workspace, source), overwrite=frozenset(overwrite))
    steps: list[StepResult] = []
    wait_s, called = config.engine.lock_wait_s, f"{config.project!r} with {first_few(chosen)}"
    with hold(spark, workspace, called, shares_folder=job.direct, wait_s=wait_s) as check_lock:
        locked = replace(job, check_lock=check_lock)
        if config.source is not None:  # it may have moved while another job was waited for
            source = open_source(spark, config)
        counted: dict[str, CountedTask] = {}
        for name in chosen:
            made, counted[name] = _count_task(spark, locked, name, config.tasks[name], source, lfsets[name])
            steps += made
            if not any(name in graph.tasks for graph in graphs.values()):
                steps += _label_task(spark, locked, name, counted[name])
        for name, graph in graphs.items():
            own = {task: counted[task] for task in graph.tasks}
            steps += label_together(spark, locked, Together(name, config.task_graphs[name], graph, own))
    return RunResult(project=config.project, workspace=str(workspace.root), tasks=chosen, steps=tuple(steps))


def _count_task(
    spark: SparkSession, job: Job, name: str, task: TaskConfig, source: Source | None, lfset: LFSet | None
) -> tuple[list[StepResult], CountedTask]:
    """Make the votes of a task and count them."""
    if task.gold is not None:  # what is wrong with it is better told before the votes are made
        stats_steps.choose_gold(spark, task.gold, *_gold_source(spark, job, task.gold, source))
    prepared: dict[Preprocessor, StepResult] = {}
    if lfset is not None:
        assert source is not None
        prepared = {entry: _prep_step(spark, job, task, source, entry) for entry in lfset.materialized}
        votes = _votes_step(spark, job, name, task, source, lfset, prepared)
    else:
        votes = _import_step(spark, job, name, task)
    gold = None if task.gold is None else _gold_step(spark, job, name, task, task.gold, source)
    if task.multi_label:
        stats = severally.count_step(spark, job, name, votes, gold)
    else:
        stats = _stats_step(spark, job, name, task, votes, gold)
    steps = [step for step in (*prepared.values(), votes, gold, stats) if step is not None]
    return steps, CountedTask(task, votes, gold, stats)


def _label_task(spark: SparkSession, job: Job, name: str, counted: CountedTask) -> list[StepResult]:
    """Fit the label model of a task by itself, and label its items."""
    fit = severally.model_step if counted.config.multi_label else _model_step
    model = fit(spark, job, name, counted.config, counted.votes, counted.stats)
    return [model, _labels_step(spark, job, name, counted.config, counted.votes, counted.gold, model)]


def _gold_source(spark: SparkSession, job: Job, gold: GoldConfig, source: Source | None) -> tuple[Source, str]:
    """The table with the known classes, and the key of its items."""
    if gold.table is not None:
        known, key = open_table(spark, parse_ref(gold.table, job.config.base_dir)), gold.key or ITEM_ID
    else:
        assert source is not None
        assert job.config.source is not None
        known, key = source, gold.key or job.config.source.key
    return keyed_by(spark, known, key, gold.key_expression), key


def _gold_step(
    spark: SparkSession, job: Job, name: str, task: TaskConfig, gold: GoldConfig, source: Source | None
) -> StepResult:
    known, key = _gold_source(spark, job, gold, source)
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
        **_multi(task),
    }
    return run_step(spark, job, f"{name}.gold", known.inputs, made_of, act, [f"{name}_gold"])


def _prep_step(
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


def _votes_step(
    spark: SparkSession,
    job: Job,
    name: str,
    task: TaskConfig,
    source: Source,
    lfset: LFSet,
    prepared: Mapping[Preprocessor, StepResult],
) -> StepResult:
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
            "checked_key": None if config.engine.key_check == "trust" else key,
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
        **_multi(task),
    }
    inputs = lf_steps.inputs_of(source, {**tables, **{entry.name: table for entry, table in stored.items()}})
    return run_step(spark, job, step, inputs, made_of, act, [f"{name}_votes", f"{name}_faults"])


def _import_step(spark: SparkSession, job: Job, name: str, task: TaskConfig) -> StepResult:
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

    made_of = {"votes": votes.model_dump(mode="json"), "classes": list(task.classes), **_multi(task)}
    return run_step(spark, job, step, source.inputs, made_of, act, [f"{name}_votes"])


def _stats_step(
    spark: SparkSession, job: Job, name: str, task: TaskConfig, votes: StepResult, gold: StepResult | None
) -> StepResult:
    grids = votes.details.get("grids", {})

    def act(transition: Transition) -> Done:
        counted = stats_steps.count_votes(
            spark,
            output_of(spark, job, votes, f"{name}_votes"),
            None if gold is None else output_of(spark, job, gold, f"{name}_gold"),
            tuple(votes.details["lf_names"]),
            len(task.classes),
            votes.details["faults"],
            job.workspace.table(f"{name}_patterns"),
            job.workspace.table(f"{name}_stats"),
            transition,
            job.options,
            most_patterns=MAX_PATTERNS,
            direct=job.direct,
            grids=grids_from_plain(grids),
        )
        outputs = {f"{name}_patterns": counted.patterns_version, f"{name}_stats": counted.stats_version}
        if slices:
            outputs[f"{name}_slices"] = stats_steps.count_slices(
                spark,
                output_of(spark, job, votes, f"{name}_votes"),
                None if gold is None else output_of(spark, job, gold, f"{name}_gold"),
                tuple(votes.details["lf_names"]),
                len(task.classes),
                slices,
                job.workspace.table(f"{name}_slices"),
                transition,
                job.options,
                grids=grids_from_plain(grids),
            )
        return Done(outputs=outputs, n_rows=counted.counters.n_rows, details={})

    slices = tuple(votes.details.get("slices", ()))
    inputs = {f"{name}_votes": votes.outputs[f"{name}_votes"]}
    if gold is not None:
        inputs.update(gold.outputs)
    made_of = {
        "lf_names": votes.details["lf_names"],
        "n_classes": len(task.classes),
        **({"grids": grids} if grids else {}),
    }
    writes = [f"{name}_patterns", f"{name}_stats", *([f"{name}_slices"] if slices else [])]
    return run_step(spark, job, f"{name}.stats", inputs, made_of, act, writes)


def _model_step(
    spark: SparkSession, job: Job, name: str, task: TaskConfig, votes: StepResult, stats: StepResult
) -> StepResult:
    gold_use = "evaluate" if task.gold is None else task.gold.use
    max_fault_rate = 1.0 if task.lfs is None else task.lfs.max_fault_rate

    def act(transition: Transition) -> Done:
        counted = output_of(spark, job, stats, f"{name}_stats")
        counters = stats_steps.read_counters(spark, counted)
        stored = labelmodel_steps.fit_model(
            spark,
            task.label_model,
            output_of(spark, job, stats, f"{name}_patterns"),
            counters,
            task.classes,
            job.workspace.table(f"{name}_label_model"),
            transition,
            job.options,
            gold_use=gold_use,
            max_fault_rate=max_fault_rate,
            direct=job.direct,
            moments=stats_steps.read_moments(spark, counted),
            fingerprints=votes.details.get("fingerprints", {}),
            reads=votes.details.get("reads", {}),
        )
        outputs = {f"{name}_label_model": stored.version}
        report = {**stored.fitted.report}
        if f"{name}_slices" in stats.outputs:
            report["slices"] = labelmodel_steps.slice_figures(
                spark,
                stored.fitted.model,
                output_of(spark, job, stats, f"{name}_slices"),
                counters.lf_names,
                tuple(votes.details["slices"]),
                job.options,
                grids=counters.grids,
            )
        return Done(outputs=outputs, n_rows=counters.n_items, details={"result": report})

    made_of = {
        "label_model": task.label_model.model_dump(mode="json"),
        "classes": list(task.classes),
        "gold_use": gold_use,
        "max_fault_rate": max_fault_rate,
        "lfs": votes.details["lf_names"],
    }
    return run_step(spark, job, f"{name}.label_model", stats.outputs, made_of, act, [f"{name}_label_model"])


def _labels_step(
    spark: SparkSession,
    job: Job,
    name: str,
    task: TaskConfig,
    votes: StepResult,
    gold: StepResult | None,
    model: StepResult,
) -> StepResult:
    clamps = task.gold is not None and task.gold.use == "clamp"

    def act(transition: Transition) -> Done:
        label = multisteps.label_items if task.multi_label else labelmodel_steps.label_items
        written = label(
            spark,
            task.label_model,
            output_of(spark, job, votes, f"{name}_votes"),
            output_of(spark, job, model, f"{name}_label_model"),
            task.classes,
            job.workspace.table(f"{name}_labels"),
            transition,
            job.options,
            clamped=output_of(spark, job, gold, f"{name}_gold") if clamps and gold is not None else None,
            fingerprints=votes.details.get("fingerprints", {}),
        )
        result = {"lane": written.lane.name, **written.statistic.told(task.classes)}
        return Done(outputs={f"{name}_labels": written.version}, n_rows=written.n_rows, details={"result": result})

    inputs = {f"{name}_votes": votes.outputs[f"{name}_votes"], **model.outputs}
    if clamps and gold is not None:
        inputs.update(gold.outputs)
    policy = task.label_model
    made_of = {"classes": list(task.classes), "ties": policy.tie_break_policy, "seed": policy.seed, "clamp": clamps}
    made_of |= _multi(task)
    return run_step(spark, job, f"{name}.labels", inputs, made_of, act, [f"{name}_labels"])


def _grids(grids: Grids) -> dict[str, Any]:
    """The grids of soft functions as a detail of the step that made their votes; nothing where there are none."""
    return {"grids": grids.to_plain()} if grids else {}


def _multi(task: TaskConfig) -> dict[str, bool]:
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
