"""The main job: items -> votes -> counts -> label model -> soft labels, for each task of a project.

Every step says what it reads, what else it depends on and what it writes. It runs when one of these
differs from its last success in the ledger, and is skipped otherwise. Steps commit one table at a time
and name the versions that they were made from, so a job killed anywhere and run again converges. What is
checked and opened before the steps is in `opening`, the steps that make votes in `votesteps`.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from sparkws import multilabel
from sparkws.checks import check_tasks, first_few
from sparkws.config import ProjectConfig, TaskConfig
from sparkws.engine.history import Transition
from sparkws.engine.lock import hold
from sparkws.engine.refs import parse_workspace
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import Source
from sparkws.grids import grids_from_plain
from sparkws.labelmodels import multisteps
from sparkws.labelmodels import steps as labelmodel_steps
from sparkws.labelmodels.sampling import MAX_PATTERNS
from sparkws.lfs import LabelingFunction, LFSet
from sparkws.lfs.preprocess import Preprocessor
from sparkws.manage.results import RunResult, StepResult
from sparkws.opening import check_graphs, check_prepared, check_tables, functions_of, open_source, prepare
from sparkws.runner import Done, Job, errors_of, output_of, run_step
from sparkws.stats import steps as stats_steps
from sparkws.taskgraphs import CountedTask, Together, label_together
from sparkws.votesteps import gold_source, gold_step, import_step, multi_label_only, prep_step, votes_step


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
        stats_steps.choose_gold(spark, task.gold, *gold_source(spark, job, task.gold, source))
    prepared: dict[Preprocessor, StepResult] = {}
    if lfset is not None:
        assert source is not None
        prepared = {entry: prep_step(spark, job, task, source, entry) for entry in lfset.materialized}
        votes = votes_step(spark, job, name, task, source, lfset, prepared)
    else:
        votes = import_step(spark, job, name, task)
    gold = None if task.gold is None else gold_step(spark, job, name, task, task.gold, source)
    if task.multi_label:
        stats = multilabel.count_step(spark, job, name, votes, gold)
    else:
        stats = _stats_step(spark, job, name, task, votes, gold)
    steps = [step for step in (*prepared.values(), votes, gold, stats) if step is not None]
    return steps, CountedTask(task, votes, gold, stats)


def _label_task(spark: SparkSession, job: Job, name: str, counted: CountedTask) -> list[StepResult]:
    """Fit the label model of a task by itself, and label its items."""
    fit = multilabel.model_step if counted.config.multi_label else _model_step
    with errors_of(f"task {name!r}") if len(job.config.tasks) > 1 else nullcontext():
        model = fit(spark, job, name, counted.config, counted.votes, counted.stats)
    return [model, _labels_step(spark, job, name, counted.config, counted.votes, counted.gold, model)]


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
        report = stored.fitted.report
        if f"{name}_slices" in stats.outputs:
            figures = labelmodel_steps.slice_figures(
                spark,
                stored.fitted.model,
                output_of(spark, job, stats, f"{name}_slices"),
                counters.lf_names,
                tuple(votes.details["slices"]),
                job.options,
                grids=counters.grids,
            )
            report = replace(report, slices=figures)
        return Done(outputs=outputs, n_rows=counters.n_items, details={"result": report.to_plain()})

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
        result = {"lane": written.lane.name, **written.statistic.to_plain(task.classes)}
        return Done(outputs={f"{name}_labels": written.version}, n_rows=written.n_rows, details={"result": result})

    inputs = {f"{name}_votes": votes.outputs[f"{name}_votes"], **model.outputs}
    if clamps and gold is not None:
        inputs.update(gold.outputs)
    policy = task.label_model
    made_of = {"classes": list(task.classes), "ties": policy.tie_break_policy, "seed": policy.seed, "clamp": clamps}
    made_of |= multi_label_only(task)
    return run_step(spark, job, f"{name}.labels", inputs, made_of, act, [f"{name}_labels"])
