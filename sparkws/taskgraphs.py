"""Tasks of a graph, which one model labels: the steps that follow when all of them have their votes.

Patterns of the votes on all tasks are counted once. Then each task gets a label model and labels, by steps and in
tables that are called as those of a task by itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from sparkws.config import TaskConfig, TaskGraphConfig
from sparkws.engine.history import Transition
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import TableVersion
from sparkws.feasible import TaskGraph
from sparkws.grids import grids_from_plain, refuse_soft
from sparkws.labelmodels import graphsteps
from sparkws.labelmodels.graphsteps import FittedTogether
from sparkws.labelmodels.together import OfTask
from sparkws.manage.results import StepResult
from sparkws.runner import Done, Job, errors_of, output_of, run_step
from sparkws.stats import steps as stats_steps


@dataclass(frozen=True)
class CountedTask:
    """A task whose votes are made and counted, and the steps that did it."""

    config: TaskConfig
    votes: StepResult
    gold: StepResult | None
    stats: StepResult

    @property
    def lf_names(self) -> tuple[str, ...]:
        """The functions that vote on it."""
        return tuple(self.votes.details["lf_names"])

    @property
    def clamped(self) -> StepResult | None:
        """The step of the known classes, where they are held."""
        return self.gold if self.config.gold is not None and self.config.gold.use == "clamp" else None

    @property
    def max_fault_rate(self) -> float:
        """The share of faults above which a function takes no part."""
        return 1.0 if self.config.lfs is None else self.config.lfs.max_fault_rate


@dataclass(frozen=True)
class Together:
    """Tasks of a graph, in its order.

    Attributes
    ----------
    name : str
        What the configuration calls the graph.
    """

    name: str
    config: TaskGraphConfig
    graph: TaskGraph
    tasks: Mapping[str, CountedTask]

    @property
    def fingerprints(self) -> dict[tuple[str, str], str]:
        """Those of the functions, by task and name, where there are any."""
        known = {task: of.votes.details.get("fingerprints", {}) for task, of in self.tasks.items()}
        return {(task, lf): text for task, own in known.items() for lf, text in own.items()}


def label_together(spark: SparkSession, job: Job, together: Together) -> list[StepResult]:
    """Fit one model of the tasks of a graph, and label the items for each of them."""
    for task, of in together.tasks.items():
        grids = grids_from_plain(of.votes.details.get("grids", {}))
        refuse_soft(grids, f"task graph {together.name!r}, which labels {task!r},")
    counted = _stats_step(spark, job, together)
    steps = [counted]
    # Every task stores the model; the first that has to fits it for all.
    fit = cache(lambda: _fit(spark, job, together, counted))
    for task in together.tasks:
        with errors_of(f"task graph {together.name!r}"):
            model = _model_step(spark, job, together, task, counted, fit)
        steps += [model, _labels_step(spark, job, together, task, model)]
    return steps


def _stats_step(spark: SparkSession, job: Job, together: Together) -> StepResult:
    table = f"{together.name}_patterns"
    known = {task: of.gold for task, of in together.tasks.items() if of.gold is not None}

    def act(transition: Transition) -> Done:
        counted = stats_steps.count_together(
            spark,
            _votes(spark, job, together),
            {task: output_of(spark, job, gold, f"{task}_gold") for task, gold in known.items()},
            together.graph.largest,
            job.workspace.table(table),
            transition,
            job.options,
        )
        details = {"columns": list(counted.columns), "n_rows": counted.n_rows}
        return Done(outputs={table: counted.version}, n_rows=counted.n_items, details=details)

    inputs = {f"{task}_votes": of.votes.outputs[f"{task}_votes"] for task, of in together.tasks.items()}
    for gold in known.values():
        inputs.update(gold.outputs)
    made_of = {
        "lf_names": {task: list(of.lf_names) for task, of in together.tasks.items()},
        "n_classes": {task: len(names) for task, names in together.graph.classes.items()},
    }
    return run_step(spark, job, f"{together.name}.stats", inputs, made_of, act, [table])


def _model_step(
    spark: SparkSession,
    job: Job,
    together: Together,
    task: str,
    counted: StepResult,
    fit: Callable[[], tuple[Mapping[str, OfTask], FittedTogether]],
) -> StepResult:
    of_task = together.tasks[task]
    table, gold = f"{task}_label_model", of_task.config.gold
    slices = tuple(of_task.votes.details.get("slices", ()))
    gold_use = "evaluate" if gold is None else gold.use

    def act(transition: Transition) -> Done:
        parts, fitted = fit()
        report, version = graphsteps.store_task_model(
            spark,
            fitted,
            task,
            parts[task],
            together.fingerprints,
            job.workspace.table(table),
            transition,
            direct=job.direct,
            n_items=counted.n_rows,
            gold_use=gold_use,
            label_intervals=together.config.label_intervals,
        )
        if slices:
            figures = graphsteps.slice_figures(
                spark,
                fitted.model,
                task,
                parts[task],
                _votes(spark, job, together),
                output_of(spark, job, of_task.stats, f"{task}_slices"),
                None if of_task.gold is None else output_of(spark, job, of_task.gold, f"{task}_gold"),
                slices,
                job.options,
            )
            report = replace(report, slices=figures)
        return Done(outputs={table: version}, n_rows=counted.n_rows, details={"result": report.to_plain()})

    inputs = dict(counted.outputs)
    for of in together.tasks.values():
        inputs.update(of.stats.outputs)
    made_of = {
        "task_graph": together.config.model_dump(mode="json"),
        "classes": {name: list(classes) for name, classes in together.graph.classes.items()},
        "gold_use": gold_use,
        "tasks": {
            name: {
                "lf_names": list(of.lf_names),
                "lfs": of.config.label_model.lfs,
                "exclude": of.config.label_model.exclude,
                "max_fault_rate": of.max_fault_rate,
                "clamped": of.clamped is not None,
            }
            for name, of in together.tasks.items()
        },
    }
    return run_step(spark, job, f"{task}.label_model", inputs, made_of, act, [table])


def _fit(
    spark: SparkSession, job: Job, together: Together, counted: StepResult
) -> tuple[Mapping[str, OfTask], FittedTogether]:
    parts = {
        task: graphsteps.part_of_task(
            spark,
            of.config.label_model,
            output_of(spark, job, of.stats, f"{task}_patterns"),
            stats_steps.read_counters(spark, output_of(spark, job, of.stats, f"{task}_stats")),
            job.options,
            max_fault_rate=of.max_fault_rate,
        )
        for task, of in together.tasks.items()
    }
    fitted = graphsteps.fit_graph(
        spark,
        together.config,
        together.graph,
        parts,
        output_of(spark, job, counted, f"{together.name}_patterns"),
        tuple(counted.details["columns"]),
        counted.details["n_rows"],
        clamped=[task for task, of in together.tasks.items() if of.clamped is not None],
    )
    return parts, fitted


def _labels_step(spark: SparkSession, job: Job, together: Together, task: str, model: StepResult) -> StepResult:
    of, table = together.tasks[task], f"{task}_labels"
    golds = {name: one.clamped for name, one in together.tasks.items() if one.clamped is not None}
    classes = together.graph.classes

    def act(transition: Transition) -> Done:
        written = graphsteps.label_task(
            spark,
            of.config.label_model,
            task,
            _votes(spark, job, together),
            output_of(spark, job, model, f"{task}_label_model"),
            classes,
            job.workspace.table(table),
            transition,
            job.options,
            clamped={name: output_of(spark, job, gold, f"{name}_gold") for name, gold in golds.items()},
            fingerprints=together.fingerprints,
            graph=together.config,
        )
        result = {"lane": written.lane.name, **written.statistic.to_plain(classes[task])}
        return Done(outputs={table: written.version}, n_rows=written.n_rows, details={"result": result})

    inputs = {f"{name}_votes": one.votes.outputs[f"{name}_votes"] for name, one in together.tasks.items()}
    inputs.update(model.outputs)
    for gold in golds.values():
        inputs.update(gold.outputs)
    policy = of.config.label_model
    made_of = {
        "classes": {name: list(own) for name, own in classes.items()},
        "ties": policy.tie_break_policy,
        "seed": policy.seed,
        "clamp": list(golds),
    }
    return run_step(spark, job, f"{task}.labels", inputs, made_of, act, [table])


def _votes(spark: SparkSession, job: Job, together: Together) -> dict[str, tuple[TableVersion, tuple[str, ...]]]:
    return {
        task: (output_of(spark, job, of.votes, f"{task}_votes"), of.lf_names) for task, of in together.tasks.items()
    }
