"""The steps `label_model` and `labels`: which tables, which kernels, which engine calls."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sparkws.config import LabelModelConfig, TaskGraphConfig
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options, Written, reduce_batches, write_batches
from sparkws.engine.refs import TableRef
from sparkws.engine.relational import join_gold, join_votes, keep_values
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import Query, Source, TableVersion, count_by, read, read_rows
from sparkws.engine.writes import write_rows
from sparkws.grids import NO_GRIDS, Grids
from sparkws.labelmodels import persist, savedgraph
from sparkws.labelmodels.doubt import Doubt
from sparkws.labelmodels.factory import Reads
from sparkws.labelmodels.fitting import Fitted, faulty, fit_label_model
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.kernel import LabelsKernel
from sparkws.labelmodels.labelcounts import LabelCounts
from sparkws.labelmodels.posterior import LabelModel
from sparkws.labelmodels.sampling import MAX_PATTERNS, cap_patterns, level_to_read
from sparkws.labelmodels.savedtrust import doubt_of_rows, rows_with_trust
from sparkws.labelmodels.slicefigures import SliceFiguresKernel
from sparkws.labelmodels.subset import chosen_functions, with_faults_of
from sparkws.labelmodels.taskgraph import TaskGraph
from sparkws.labelmodels.together import OfTask, OneOfSeveral, fit_together, gold_column
from sparkws.stats.counters import Counters, CountersKernel
from sparkws.stats.joint import BothMoments
from sparkws.stats.patterns import Patterns, PatternsKernel
from sparkws.vocab import ITEM_ID, LABEL, LEVEL, MAX_LEVEL, PRED


@dataclass(frozen=True)
class FittedVersion:
    """A fitted model, and the version of the table that holds it."""

    fitted: Fitted
    version: int


def fit_model(
    spark: SparkSession,
    config: LabelModelConfig,
    patterns: TableVersion,
    counters: Counters,
    classes: tuple[str, ...],
    target: TableRef,
    transition: Transition,
    options: Options,
    *,
    gold_use: str,
    max_fault_rate: float,
    direct: bool,
    cap: int = MAX_PATTERNS,
    moments: BothMoments | None = None,
    fingerprints: Mapping[str, str] | None = None,
    reads: Reads | None = None,
) -> FittedVersion:
    """Fit the label model from stored patterns and store it.

    When they are too many, the fit is from a sample of them and polished by passes over all, or from the moments
    of all items where the model reads those. `fingerprints` are those of the functions, stored beside it; `reads` says
    what their votes are made from.
    """
    kernel = PatternsKernel(counters.lf_names, len(classes), grids=counters.grids)
    n_gold = int((counters.gold_items > 0).sum())
    counted, level = read_capped(spark, patterns, kernel, counters.n_rows, n_gold, cap)
    fitted = fit_label_model(
        config,
        counted,
        counters,
        classes,
        gold_use=gold_use,
        max_fault_rate=max_fault_rate,
        level=level,
        moments=moments,
        reads=reads,
        carry=lambda kernel: reduce_batches(spark, kernel, patterns, options),
    )
    rows = rows_with_trust(fitted.assessed, classes, fingerprints)
    return FittedVersion(fitted, write_rows(spark, target, rows, direct=direct, transition=transition))


def label_items(
    spark: SparkSession,
    config: LabelModelConfig,
    votes: TableVersion,
    model: TableVersion,
    classes: Sequence[str],
    target: TableRef,
    transition: Transition,
    options: Options,
    *,
    clamped: TableVersion | None,
    fingerprints: Mapping[str, str] | None = None,
) -> Written[LabelCounts]:
    """Turn votes into published labels with a stored model; `clamped` gold is held, and joined by Spark.

    A model that was fitted on votes of functions with other `fingerprints` is refused.
    """
    rows = read_rows(spark, model)
    doubt = Doubt()
    if config.label_intervals:
        asked = {"bootstrap": config.bootstrap != 0, "leave_one_out": config.leave_one_out != 0}
        doubt = doubt_of_rows(rows, classes, **asked)
    kernel = LabelsKernel(
        model=persist.from_rows(rows, classes, fingerprints=fingerprints),
        key_dtype=votes.schema[ITEM_ID],
        votes_version=votes.version,
        model_version=model.version,
        tie_break_policy=config.tie_break_policy,
        seed=config.seed,
        clamp_gold=clamped is not None,
        doubt=doubt,
    )
    comments = {**_comments(classes), **doubt.comments}
    if clamped is None:
        return write_batches(spark, kernel, votes, target, transition, options, comments)
    # Only Spark joins, so the lane is that of rows, whatever was asked for.
    joined = join_gold(spark, votes, clamped, only_gold=False)
    return write_batches(spark, kernel, joined, target, transition, replace(options, lane="rows"), comments)


def slice_figures(
    spark: SparkSession,
    model: LabelModel,
    patterns: TableVersion,
    lf_names: tuple[str, ...],
    slices: tuple[str, ...],
    options: Options,
    *,
    grids: Grids = NO_GRIDS,
) -> dict[str, dict[str, Any]]:
    """What a report says of each slice, from the patterns of its items; all are read, however many there are."""
    kernel = SliceFiguresKernel(model, lf_names, slices, grids)
    return kernel.told(reduce_batches(spark, kernel, patterns, options))


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
    """A model of several tasks, and the patterns that it was fitted from."""

    model: Hierarchical
    patterns: Patterns
    level: int


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
    kernel = PatternsKernel(columns, max(map(len, graph.classes.values())))
    counted, level = read_capped(spark, patterns, kernel, n_rows, 0, cap)
    return FittedTogether(fit_together(config, graph, tasks, counted, clamped), counted, level)


def store_task_model(
    spark: SparkSession,
    model: Hierarchical,
    task: str,
    fingerprints: Mapping[tuple[str, str], str],
    target: TableRef,
    transition: Transition,
    *,
    direct: bool,
) -> int:
    """Store a model of several tasks as the label model of one of them, and give the table's version."""
    rows = savedgraph.task_rows(model, task, fingerprints)
    return write_rows(spark, target, rows, direct=direct, transition=transition)


def label_task(
    spark: SparkSession,
    config: LabelModelConfig,
    task: str,
    votes: Mapping[str, tuple[TableVersion, tuple[str, ...]]],
    model: TableVersion,
    classes: Mapping[str, Sequence[str]],
    target: TableRef,
    transition: Transition,
    options: Options,
    *,
    clamped: Mapping[str, TableVersion],
    fingerprints: Mapping[tuple[str, str], str],
) -> Written[LabelCounts]:
    """Turn votes on several tasks into the published labels of one of them, with a stored model.

    Known classes of `clamped` tasks are held: those of others as evidence, those of the task itself as its labels.
    """
    lf_names = {name: names for name, (_, names) in votes.items()}
    loaded = savedgraph.graph_from_rows(read_rows(spark, model), classes, lf_names, fingerprints)
    own, others = votes[task][0], {name: gold for name, gold in clamped.items() if name != task}
    kernel = LabelsKernel(
        model=OneOfSeveral(loaded, task, others),
        key_dtype=own.schema[ITEM_ID],
        votes_version=own.version,
        model_version=model.version,
        tie_break_policy=config.tie_break_policy,
        seed=config.seed,
        clamp_gold=task in clamped,
        n_outcomes=max(map(len, classes.values())),
        known=tuple(map(gold_column, others)),
    )
    joined: Source = join_votes(spark, votes, others, first=task)
    if task in clamped:
        joined = join_gold(spark, joined, clamped[task], only_gold=False)
    in_rows = replace(options, lane="rows")
    return write_batches(spark, kernel, joined, target, transition, in_rows, _comments(classes[task]))


def _comments(classes: Sequence[str]) -> dict[str, str]:
    return {PRED: "index of the class: " + ", ".join(f"{i} {name}" for i, name in enumerate(classes))}


def read_capped(
    spark: SparkSession,
    patterns: TableVersion,
    kernel: PatternsKernel,
    n_rows: int,
    n_gold: int,
    cap: int = MAX_PATTERNS,
    *,
    label: str | None = None,
) -> tuple[Patterns, int]:
    """All patterns (of a label), or where they are more than `cap` those of a sample of the items; and its level."""
    level, equal = 0, None if label is None else (LABEL, label)
    if n_rows > cap:
        by_level = count_by(spark, patterns if label is None else of_label(spark, patterns, label), LEVEL)
        level = level_to_read([by_level.get(at, 0) for at in range(MAX_LEVEL + 1)], n_gold, cap)
    counted = kernel.load(read_rows(spark, patterns, at_least=(LEVEL, level), equal=equal), is_whole=True)
    return cap_patterns(counted, level, cap)


def of_label(spark: SparkSession, patterns: TableVersion, label: str) -> Query:
    """The stored patterns of one label of a multi-label task."""
    return keep_values(Query(f"{patterns} of {label}", read(spark, patterns)), LABEL, [label])
