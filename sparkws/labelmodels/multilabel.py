"""A multi-label task as one task of two classes for each label: its options, its report, its stored models."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.checks import first_few
from sparkws.config import LabelModelConfig
from sparkws.errors import IncompatibleStatistics, NothingToFit
from sparkws.labelmodels import persist
from sparkws.labelmodels.doubt import Doubt
from sparkws.labelmodels.findings import Finding
from sparkws.labelmodels.fitting import Fitted
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.metrics import evaluate
from sparkws.labelmodels.modelreport import MultiLabelReport
from sparkws.labelmodels.persist import SavedModel
from sparkws.labelmodels.posterior import TIE, predict
from sparkws.labelmodels.savedtrust import doubt_of_rows
from sparkws.modeloptions import chosen_functions
from sparkws.stats.counters import Counters
from sparkws.stats.patterns import Patterns, collapse, select, unpack
from sparkws.vocab import ABSENT, ABSTAINED, FAULTED, LABEL, LABEL_CLASSES, LABEL_STATUS, PRED, PRESENT, PROBS

_COMPARED: Final = ("label model", "majority")

# For each class its columns, and the function of each column.
Columns = Mapping[str, Mapping[str, str]]


def check_names(config: LabelModelConfig, labels: Columns) -> None:
    """Refuse options that name functions which do not vote; those of one label may name functions of others.

    Raises
    ------
    ConfigError
        With the name, and a suggestion for one that is close.
    """
    chosen_functions(config, tuple(dict.fromkeys(name for columns in labels.values() for name in columns.values())))


def config_of_label(config: LabelModelConfig, at: int, columns: Mapping[str, str]) -> LabelModelConfig:
    """The options of a task as those of its label number `at`, where functions are columns.

    Examples
    --------
    >>> task = LabelModelConfig(kind="weighted", weights={"lf_a": 2.0}, class_balance=(0.25, 0.5))
    >>> of_label = config_of_label(task, 0, {"lf_a__sports": "lf_a"})
    >>> dict(of_label.weights), of_label.class_balance
    ({'lf_a__sports': 2.0}, (0.75, 0.25))

    Raises
    ------
    NothingToFit
        If no chosen function votes on the label.
    """

    def columns_of(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(column for column, name in columns.items() if name in names)

    changed: dict[str, Any] = {"exclude": columns_of(config.exclude)}
    if config.lfs is not None:
        changed["lfs"] = columns_of(config.lfs)
    if not set(changed.get("lfs", columns)) - set(changed["exclude"]):
        raise NothingToFit("no labeling function that takes part votes on it")
    if not isinstance(config.class_balance, str):
        share = config.class_balance[at]
        changed["class_balance"] = (1 - share, share)
    changed["weights"] = {column: config.weights[name] for column, name in columns.items() if name in config.weights}
    if config.groups != "auto":
        groups = [columns_of(group) for group in config.groups]
        changed["groups"] = tuple(group for group in groups if len(group) > 1)
    return config.model_copy(update=changed)


def confusions(fitted: Fitted, patterns: Patterns) -> dict[str, NDArray[np.int64]]:
    """Of the model and of majority vote, the items of each known class that got each label, `(2, 3)`, none first."""
    counted = collapse(select(patterns, fitted.model.lf_names_))
    L = unpack(counted)
    found = {}
    for name, model in zip(_COMPARED, (fitted.model, MajorityVote(len(LABEL_CLASSES))), strict=True):
        probs = model.posterior(L)
        found[name] = evaluate(probs, predict(probs), counted.gold, counted.counts).confusion
    return found


def undecided(counters: Counters | None) -> dict[str, NDArray[np.int64]]:
    """The `confusions` of a label without a model, which decides no item; zeros if it was not counted."""
    gold = np.zeros(2, np.int64) if counters is None else counters.gold_items
    confusion = np.concatenate([gold[:, None], np.zeros((2, 2), np.int64)], axis=1)
    return dict.fromkeys(_COMPARED, confusion)


def report_of(
    fitted: Mapping[str, Fitted],
    missing: Mapping[str, str],
    counted: Mapping[str, Mapping[str, NDArray[np.int64]]],
) -> MultiLabelReport:
    """What has to be said of the models of all labels.

    Parameters
    ----------
    fitted : mapping of str to Fitted
        By label.
    missing : mapping of str to str
        Why other labels have no model.
    counted : mapping
        The `confusions` of each label.
    """
    warnings = [
        (label, Finding("no_model", f"label {label!r} has no model and is never decided: {why}."))
        for label, why in missing.items()
    ]
    for label, one in fitted.items():
        warnings += [(label, replace(found, message=_of_label(label, found))) for found in one.report.warnings]
    metrics = {name: _over_labels([of_label[name] for of_label in counted.values()]) for name in _COMPARED}
    return MultiLabelReport(
        labels={label: one.report for label, one in fitted.items()},
        metrics={name: figures for name, figures in metrics.items() if figures},
        warnings=warnings,
    )


def _of_label(label: str, found: Finding) -> str:
    if found.code == "no_votes_for_class" and LABEL_CLASSES[ABSENT] in found.message:
        return (
            f"label {label!r}: no labeling function votes that an item has it not, so that items with a vote can only "
            "get it. Let one vote against it: absent: true in the configuration, a dict of class to False in Python."
        )
    return f"label {label!r}: {found.message}"


def _over_labels(confusions: Sequence[NDArray[np.int64]]) -> dict[str, Any]:
    """Micro and macro F1 over labels, of those decided and of all that are known; empty where none is known.

    A label that is not decided is not predicted: it lowers recall in the figures over all.
    """
    known = [confusion for confusion in confusions if confusion.sum()]
    if not known:
        return {}
    decided, every = [_parts(confusion[:, 1:]) for confusion in known], [_parts(confusion) for confusion in known]
    n_decided, n_known = (sum(int(part.sum()) for part in parts) for parts in ([c[:, 1:] for c in known], known))
    n_right = sum(int(np.trace(confusion[:, 1:])) for confusion in known)
    return {
        "n_labels": len(known),
        "n_known": n_known,
        "n_decided": n_decided,
        "accuracy": n_right / n_decided if n_decided else None,
        "micro_f1": _f1(*np.sum(decided, axis=0)),
        "macro_f1": _mean([_f1(*parts) for parts in decided]),
        "micro_f1_overall": _f1(*np.sum(every, axis=0)),
        "macro_f1_overall": _mean([_f1(*parts) for parts in every]),
    }


def _parts(confusion: NDArray[np.int64]) -> tuple[int, int, int]:
    """Items that have the label and got it, that have it, and that got it."""
    return int(confusion[PRESENT, -1]), int(confusion[PRESENT].sum()), int(confusion[:, -1].sum())


def _f1(right: float, known: float, predicted: float) -> float | None:
    return 2 * right / (known + predicted) if known + predicted else None


def _mean(figures: Sequence[float | None]) -> float | None:
    determined = [figure for figure in figures if figure is not None]
    return float(np.mean(determined)) if determined else None


def published(found: Mapping[str, Any], at: int) -> dict[str, Any]:
    """The published prediction and status of the label number `at`, from the row of an item in the labels table."""
    p = None if found[PROBS] is None else found[PROBS][at]
    if p is None:
        return {PRED: None, LABEL_STATUS: FAULTED if found[LABEL_STATUS] == FAULTED else ABSTAINED}
    if at in found[PRED]:
        return {PRED: PRESENT}
    return {PRED: None if abs(p - 0.5) <= TIE else ABSENT}


def to_rows(rows_by_label: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The rows of the models of all labels, each as `persist.to_rows` makes them, with a column for the label."""
    parts = [rows.with_columns(pl.lit(label).alias(LABEL)) for label, rows in rows_by_label.items()]
    # In one piece: the pieces of a table are written in any order.
    return pl.concat(parts, rechunk=True).select(LABEL, pl.all().exclude(LABEL))


def doubts_of_rows(rows: pl.DataFrame, asked: Doubt) -> dict[str, Doubt]:
    """What makes the columns that tell how sure the labels of each class are, by label; see `doubt_of_rows`."""
    load = partial(persist.from_json, classes=LABEL_CLASSES)
    return {label: doubt_of_rows(rows.filter(pl.col(LABEL) == label), load, asked) for label in rows[LABEL].unique()}


def from_rows(
    rows: pl.DataFrame, labels: Sequence[str], fingerprints: Mapping[str, str] | None = None
) -> dict[str, SavedModel | None]:
    """The models that `to_rows` wrote by label, None for a label without one.

    Raises
    ------
    DataError
        If the rows are not those of label models.
    IncompatibleStatistics
        If labels or functions differ; says which.
    """
    if LABEL not in rows.columns:
        raise IncompatibleStatistics(
            "the label model is that of a task where an item has one class, expected one for each label; fit it again."
        )
    strange = sorted(set(rows[LABEL].unique()) - set(labels))
    if strange:
        raise IncompatibleStatistics(
            f"the label model is of other labels: it has {first_few(strange)}, expected {first_few(labels, 12)}; "
            "fit it again."
        )
    found: dict[str, SavedModel | None] = dict.fromkeys(labels)
    for label in rows[LABEL].unique():
        of_label = rows.filter(pl.col(LABEL) == label).drop(LABEL)
        try:
            found[label] = persist.from_rows(of_label, LABEL_CLASSES, fingerprints=fingerprints)
        except IncompatibleStatistics as error:
            raise IncompatibleStatistics(f"label {label!r}: {error}") from None
    return found
