"""The steps `label_model` and `labels`: which tables, which kernels, which engine calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sparkws.config import LabelModelConfig
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options, Written, reduce_batches, write_batches
from sparkws.engine.refs import TableRef
from sparkws.engine.relational import join_gold
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import TableVersion, count_by, read_rows
from sparkws.engine.writes import write_rows
from sparkws.labelmodels import persist
from sparkws.labelmodels.factory import Reads
from sparkws.labelmodels.fitting import Fitted, fit_label_model
from sparkws.labelmodels.kernel import LabelCounts, LabelsKernel
from sparkws.labelmodels.sampling import MAX_PATTERNS, cap_patterns, level_to_read
from sparkws.stats.counters import Counters
from sparkws.stats.joint import BothMoments
from sparkws.stats.patterns import PatternsKernel
from sparkws.vocab import ITEM_ID, LEVEL, MAX_LEVEL, PRED


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
    kernel = PatternsKernel(counters.lf_names, len(classes))
    level = 0
    if counters.n_rows > cap:
        by_level = count_by(spark, patterns, LEVEL)
        n_gold = int((counters.gold_items > 0).sum())
        level = level_to_read([by_level.get(at, 0) for at in range(MAX_LEVEL + 1)], n_gold, cap)
    counted = kernel.load(read_rows(spark, patterns, at_least=(LEVEL, level)), is_whole=True)
    counted, level = cap_patterns(counted, level, cap)
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
    rows = persist.to_rows(fitted.model, classes, fingerprints)
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
    kernel = LabelsKernel(
        model=persist.from_rows(read_rows(spark, model), classes, fingerprints=fingerprints),
        key_dtype=votes.schema[ITEM_ID],
        votes_version=votes.version,
        model_version=model.version,
        tie_break_policy=config.tie_break_policy,
        seed=config.seed,
        clamp_gold=clamped is not None,
    )
    comments = {PRED: "index of the class: " + ", ".join(f"{i} {name}" for i, name in enumerate(classes))}
    if clamped is None:
        return write_batches(spark, kernel, votes, target, transition, options, comments)
    # Only Spark joins, so the lane is that of rows, whatever was asked for.
    joined = join_gold(spark, votes, clamped, only_gold=False)
    return write_batches(spark, kernel, joined, target, transition, replace(options, lane="rows"), comments)
