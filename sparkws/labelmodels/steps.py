"""The steps `label_model` and `labels`: which tables, which kernels, which engine calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sparkws.config import LabelModelConfig
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options, Written, reduce_batches, write_batches
from sparkws.engine.refs import TableRef
from sparkws.engine.relational import join_gold, keep_values
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import Query, TableVersion, count_by, read, read_rows
from sparkws.engine.writes import write_rows
from sparkws.grids import NO_GRIDS, Grids
from sparkws.kernels import WriteKernel
from sparkws.labelmodels import persist
from sparkws.labelmodels.factory import Reads
from sparkws.labelmodels.fitting import Fitted, fit_label_model
from sparkws.labelmodels.kernel import LabelsKernel
from sparkws.labelmodels.labelcounts import LabelCounts
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.sampling import MAX_PATTERNS, cap_patterns, level_to_read
from sparkws.labelmodels.savedtrust import asked_of, doubt_of_rows, rows_with_trust
from sparkws.labelmodels.slicefigures import SliceFiguresKernel
from sparkws.stats.counters import Counters
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
    counted, level = read_capped(spark, patterns, kernel, counters.n_rows, counters.n_gold_classes, cap)
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
    doubt = doubt_of_rows(rows, partial(persist.from_json, classes=classes), asked_of(config))
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
    comments = {**label_comments(classes), **doubt.comments}
    return write_labels(spark, kernel, votes, clamped, target, transition, options, comments)


def write_labels(
    spark: SparkSession,
    kernel: WriteKernel[LabelCounts],
    votes: TableVersion,
    clamped: TableVersion | None,
    target: TableRef,
    transition: Transition,
    options: Options,
    comments: Mapping[str, str],
) -> Written[LabelCounts]:
    """Write the labels that a kernel makes of votes and, where it is held, of `clamped` gold."""
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
    return kernel.to_plain(reduce_batches(spark, kernel, patterns, options))


def label_comments(classes: Sequence[str]) -> dict[str, str]:
    """What is said of columns of the labels table."""
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
