"""The steps `label_model` and `labels` of tasks in a graph: which tables, which kernels, which engine calls."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sparkws.config import LabelModelConfig, TaskGraphConfig
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options, Written, reduce_batches, tabulate_batches, write_batches
from sparkws.engine.refs import TableRef
from sparkws.engine.relational import join_gold, join_votes, sum_rows
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import Query, Source, TableVersion, read_rows
from sparkws.engine.writes import write_rows
from sparkws.feasible import TaskGraph
from sparkws.labelmodels import savedgraph, steps
from sparkws.labelmodels.fitting import faulty
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.kernel import LabelsKernel
from sparkws.labelmodels.labelcounts import LabelCounts
from sparkws.labelmodels.modelreport import ModelReport
from sparkws.labelmodels.refitted import Refitted
from sparkws.labelmodels.sampling import MAX_PATTERNS
from sparkws.labelmodels.savedgraph import graph_from_json
from sparkws.labelmodels.savedtrust import asked_of, doubt_of_rows, task_rows_with_trust
from sparkws.labelmodels.slicefigures import SliceFiguresKernel, with_accuracy
from sparkws.labelmodels.steps import label_comments, read_capped
from sparkws.labelmodels.subset import with_faults_of
from sparkws.labelmodels.taskview import TaskView
from sparkws.labelmodels.together import OfTask, fit_again, fit_together, kept_of, report_of
from sparkws.modeloptions import chosen_functions
from sparkws.stats.counters import Counters, CountersKernel
from sparkws.stats.patterns import Patterns, PatternsKernel
from sparkws.stats.slices import SlicesKernel
from sparkws.vocab import ITEM_ID, N_ITEMS, gold_column, slice_column, vote_column

# The votes table of each task, and its functions.
VotesOn = Mapping[str, tuple[TableVersion, tuple[str, ...]]]


def part_of_task(
    spark: SparkSession,
    config: LabelModelConfig,
    patterns: TableVersion,
    counters: Counters,
    options: Options,
    *,
    max_fault_rate: float,
) -> OfTask:
    """What a task brings to a model of several: the functions that take part, and their counters."""
    chosen = chosen_functions(config, counters.lf_names)
    kernel = CountersKernel(counters.lf_names, counters.cardinality, chosen)
    found = counters
    if chosen != counters.lf_names:
        found = with_faults_of(reduce_batches(spark, kernel, patterns, options), counters)
    return OfTask(
        counters=found,
        out=tuple(faulty(found, max_fault_rate)),
        not_chosen=tuple(name for name in counters.lf_names if name not in chosen),
    )


@dataclass(frozen=True)
class FittedTogether:
    """A model of several tasks, the patterns that it was fitted from, and the models fitted again.

    Attributes
    ----------
    clamped : tuple of str
        Tasks of which known classes are held.
    """

    model: Hierarchical
    patterns: Patterns
    level: int
    refitted: Refitted[Hierarchical]
    clamped: tuple[str, ...]


def fit_graph(
    spark: SparkSession,
    config: TaskGraphConfig,
    graph: TaskGraph,
    tasks: Mapping[str, OfTask],
    patterns: TableVersion,
    columns: tuple[str, ...],
    n_rows: int,
    *,
    clamped: Collection[str] = (),
    cap: int = MAX_PATTERNS,
) -> FittedTogether:
    """Fit one model of several tasks from stored patterns of the votes on all of them, or from a sample of those.

    Parameters
    ----------
    columns : tuple of str
        The digits of the patterns.
    n_rows : int
        The rows of their table.
    clamped : collection of str
        Tasks of which known classes are held.
    """
    kernel = PatternsKernel(columns, graph.largest)
    counted, level = read_capped(spark, patterns, kernel, n_rows, 0, cap)
    model = fit_together(config, graph, tasks, counted, clamped)
    refitted = fit_again(config, model, counted, clamped)
    return FittedTogether(model, counted, level, refitted, tuple(clamped))


def store_task_model(
    spark: SparkSession,
    fitted: FittedTogether,
    task: str,
    of: OfTask,
    fingerprints: Mapping[tuple[str, str], str],
    target: TableRef,
    transition: Transition,
    *,
    direct: bool,
    n_items: int,
    gold_use: str,
    label_intervals: bool,
) -> tuple[ModelReport, int]:
    """Store a model of several tasks as the label model of one of them; the report, and the version of the table."""
    report = report_of(
        fitted.model,
        task,
        of,
        fitted.patterns,
        n_items=n_items,
        level=fitted.level,
        gold_use=gold_use,
        refitted=fitted.refitted,
        clamped=fitted.clamped,
    )
    kept, why_not = kept_of(fitted.refitted, fitted.model) if label_intervals else (None, None)
    rows = task_rows_with_trust(fitted.model, task, report, kept, fingerprints)
    version = write_rows(spark, target, rows, direct=direct, transition=transition)
    return replace(report, label_intervals=why_not), version


def label_task(
    spark: SparkSession,
    config: LabelModelConfig,
    task: str,
    votes: VotesOn,
    model: TableVersion,
    classes: Mapping[str, Sequence[str]],
    target: TableRef,
    transition: Transition,
    options: Options,
    *,
    clamped: Mapping[str, TableVersion],
    fingerprints: Mapping[tuple[str, str], str],
    graph: TaskGraphConfig,
) -> Written[LabelCounts]:
    """Turn votes on several tasks into the published labels of one of them, with a stored model.

    Known classes of `clamped` tasks are held: those of others as evidence, those of the task itself as its labels.
    """
    lf_names = {name: names for name, (_, names) in votes.items()}
    rows = read_rows(spark, model)
    loaded = savedgraph.graph_from_rows(rows, classes, lf_names, fingerprints)
    own, others = votes[task][0], {name: gold for name, gold in clamped.items() if name != task}
    doubt = doubt_of_rows(rows, lambda text: TaskView(graph_from_json(text), task, others), asked_of(graph))
    kernel = LabelsKernel(
        model=TaskView(loaded, task, others),
        key_dtype=own.schema[ITEM_ID],
        votes_version=own.version,
        model_version=model.version,
        tie_break_policy=config.tie_break_policy,
        seed=config.seed,
        clamp_gold=task in clamped,
        n_outcomes=loaded.graph.largest,
        known=tuple(map(gold_column, others)),
        doubt=doubt,
    )
    joined: Source = join_votes(spark, votes, others, first=task)
    if task in clamped:
        joined = join_gold(spark, joined, clamped[task], only_gold=False)
    in_rows = replace(options, lane="rows")
    comments = {**label_comments(classes[task]), **doubt.comments}
    return write_batches(spark, kernel, joined, target, transition, in_rows, comments)


def slice_figures(
    spark: SparkSession,
    model: Hierarchical,
    task: str,
    of: OfTask,
    votes: VotesOn,
    patterns: TableVersion,
    gold: TableVersion | None,
    slices: tuple[str, ...],
    options: Options,
) -> dict[str, dict[str, Any]]:
    """What a report says of each slice of a task: its votes and majority vote, and where gold is how good the model is.

    Parameters
    ----------
    patterns : TableVersion
        Of the slices, and of this task's votes alone; what the model says hangs on those on all tasks.
    """
    figures = steps.slice_figures(spark, of.majority, patterns, votes[task][1], slices, options)
    if gold is None:
        return figures
    return with_accuracy(figures, _judged(spark, model, task, votes, gold, slices), model.kind)


def _judged(
    spark: SparkSession,
    model: Hierarchical,
    task: str,
    votes: VotesOn,
    gold: TableVersion,
    slices: tuple[str, ...],
) -> dict[str, dict[str, Any]]:
    """The figures of a model of several tasks on the items of each slice of one whose class is known.

    They are judged where a function voted on the task itself, as for its majority vote.
    """
    joined = join_votes(spark, votes, {}, first=task, also=[slice_column(name) for name in slices])
    columns = tuple(vote_column(name, lf) for name, (_, lf_names) in votes.items() for lf in lf_names)
    largest = model.graph.largest
    counting = SlicesKernel(columns, largest, slices, with_gold=True)
    known = join_gold(spark, joined, gold, only_gold=True)
    summed = sum_rows([tabulate_batches(spark, counting, known, counting.dump_schema)], N_ITEMS)
    own = tuple(vote_column(of, lf) for of, lf in model.columns if of == task)
    kernel = SliceFiguresKernel(TaskView(model, task), columns, slices, n_outcomes=largest, judging=own)
    return kernel.to_plain(reduce_batches(spark, kernel, Query("patterns of slices", summed)))
