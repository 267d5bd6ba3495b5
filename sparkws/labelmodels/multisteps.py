"""The steps `label_model` and `labels` of a multi-label task: those of a task for each label, in one table each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from sparkws.config import LabelModelConfig
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options, Written, reduce_batches
from sparkws.engine.refs import TableRef
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import TableVersion, read_rows
from sparkws.engine.writes import write_rows
from sparkws.errors import NothingToFit
from sparkws.kernels import ReduceKernel
from sparkws.labelmodels import multilabel
from sparkws.labelmodels.factory import Reads
from sparkws.labelmodels.fitting import Fitted, fit_label_model
from sparkws.labelmodels.labelcounts import LabelCounts
from sparkws.labelmodels.modelreport import MultiLabelReport
from sparkws.labelmodels.multikernel import MultiLabelsKernel
from sparkws.labelmodels.multilabel import Columns
from sparkws.labelmodels.sampling import MAX_PATTERNS
from sparkws.labelmodels.savedtrust import asked_of, rows_with_trust
from sparkws.labelmodels.steps import of_label, read_capped, write_labels
from sparkws.stats import joint
from sparkws.stats.bylabel import label_kernel
from sparkws.stats.counters import Counters
from sparkws.stats.joint import BothMoments
from sparkws.vocab import CONFIDENCE, ITEM_ID, LABEL_CLASSES, PRED, PROBS

S = TypeVar("S")


def fit_labels(
    spark: SparkSession,
    config: LabelModelConfig,
    patterns: TableVersion,
    counters: Mapping[str, Counters],
    labels: Columns,
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
) -> tuple[MultiLabelReport, int]:
    """Fit a label model for each label as `fit_model` does for a task, and store them together.

    It gives the report and the version of the table.

    Parameters
    ----------
    counters : mapping of str to Counters
        Of each label that is voted on.
    labels : mapping
        The columns of each class, with their functions. `fingerprints` and `reads` are by column.

    Raises
    ------
    ConfigError
        If the options name functions that do not vote.
    NothingToFit
        If no label has a model; says why of the first.
    """
    multilabel.check_names(config, labels)
    fitted: dict[str, Fitted] = {}
    missing: dict[str, str] = {}
    confusions = {}
    for at, (label, columns) in enumerate(labels.items()):
        try:
            options_of_label = multilabel.config_of_label(config, at, columns)
            counted = counters[label]
            kernel = label_kernel(counted.lf_names)
            n_rows, n_gold = counted.n_rows, counted.n_gold_classes
            seen, level = read_capped(spark, patterns, kernel, n_rows, n_gold, cap, label=label)
            fitted[label] = fit_label_model(
                options_of_label,
                seen,
                counted,
                LABEL_CLASSES,
                gold_use=gold_use,
                max_fault_rate=max_fault_rate,
                level=level,
                moments=None if moments is None else joint.select(moments, counted.lf_names),
                reads=reads,
                carry=partial(_carried, spark, patterns, label, options),
                share=1 / len(labels),
            )
            confusions[label] = multilabel.confusions(fitted[label], seen)
        except NothingToFit as error:
            missing[label] = str(error).removesuffix(".")
            confusions[label] = multilabel.undecided(counters.get(label))
    if not fitted:
        label, why = next(iter(missing.items()))
        raise NothingToFit(f"no label of the task has a model; {label!r}: {why}.")
    rows = multilabel.to_rows(
        {label: rows_with_trust(one.assessed, LABEL_CLASSES, fingerprints) for label, one in fitted.items()}
    )
    version = write_rows(spark, target, rows, direct=direct, transition=transition)
    return multilabel.report_of(fitted, missing, confusions), version


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
    """Turn votes into published labels with the stored models of all labels, as `steps.label_items` does for a task."""
    named = ", ".join(f"{i} {name}" for i, name in enumerate(classes))
    comments = {
        PROBS: f"P(has the class) for each class, NULL where nobody voted on it: {named}",
        PRED: f"indices of the classes that the item has more probably than not: {named}",
        CONFIDENCE: "that of the least certain class that was voted on",
    }
    rows, asked = read_rows(spark, model), asked_of(config)
    kernel = MultiLabelsKernel(
        models=multilabel.from_rows(rows, classes, fingerprints),
        key_dtype=votes.schema[ITEM_ID],
        votes_version=votes.version,
        model_version=model.version,
        tie_break_policy=config.tie_break_policy,
        seed=config.seed,
        clamp_gold=clamped is not None,
        doubts=multilabel.doubts_of_rows(rows, asked),
        asked=asked,
    )
    comments |= kernel.doubt_comments
    return write_labels(spark, kernel, votes, clamped, target, transition, options, comments)


def _carried(spark: SparkSession, patterns: TableVersion, label: str, options: Options, kernel: ReduceKernel[S]) -> S:
    # Only Spark picks the rows of a label, so the lane is that of rows, whatever was asked for.
    return reduce_batches(spark, kernel, of_label(spark, patterns, label), replace(options, lane="rows"))
