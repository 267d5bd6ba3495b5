"""Why an item has its label, and what each function of a task adds: from the tables that a run left.

An item is explained by the very versions of votes and label model that its published label names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl

from sparkws.checks import check_tasks, did_you_mean, first_few
from sparkws.config import ProjectConfig
from sparkws.engine.refs import parse_workspace
from sparkws.engine.relational import rows_of_key
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import TableVersion, find_table, open_version, read_rows
from sparkws.errors import ConfigError, DataError, NothingToFit
from sparkws.labelmodels import persist
from sparkws.labelmodels.account import Account, account_of
from sparkws.labelmodels.contributions import what_each_adds
from sparkws.labelmodels.pairs import pair_table
from sparkws.labelmodels.posterior import TIE, LabelModel
from sparkws.labelmodels.steps import read_capped
from sparkws.stats import moments
from sparkws.stats.multisteps import read_label_counters
from sparkws.stats.patterns import PatternsKernel, select
from sparkws.stats.steps import read_counters, read_moments
from sparkws.vocab import (
    ABSENT,
    ABSTAIN,
    ABSTAINED,
    FAULTED,
    ITEM_ID,
    LABEL,
    LABEL_CLASSES,
    LABEL_STATUS,
    MODEL_VERSION,
    PRED,
    PRESENT,
    PROBS,
    VOTES_VERSION,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class ExplainedItem:
    """Why an item has its published label.

    Attributes
    ----------
    task, item_id : str
    of_label : str or None
        The label of a multi-label task that is explained: whether it is present or absent.
    status : str
        As `label_status` of the published label.
    pred : str or None
        The class that was published.
    faulted : tuple of str
        The functions that raised on the item.
    account : Account
        The votes and what they add, by the label model. A class that was held is not its result.
    labels_version, votes_version, model_version : int
        Of the tables.
    newest_votes : int
        The version at which the votes are now.
    """

    task: str
    item_id: str
    status: str
    pred: str | None
    faulted: tuple[str, ...]
    account: Account
    labels_version: int
    votes_version: int
    model_version: int
    newest_votes: int
    of_label: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "account"}
        account = {entry.name: getattr(self.account, entry.name) for entry in fields(self.account)}
        return {**plain, **account, "votes": self.account.votes.to_dicts()}


@dataclass(frozen=True, eq=False, kw_only=True)
class ExplainedTask:
    """What the functions of a task add to its labels, and how they meet.

    Attributes
    ----------
    task, kind : str
        And the kind of its label model.
    functions : DataFrame or None
        See `labelmodels.what_each_adds`; None where no vote has a term, as in majority vote.
    pairs : DataFrame
        See `labelmodels.pair_table`.
    n_items : int
        Whose votes they count.
    level : int
        `functions` counts a 2^-level sample of the items, because they have too many patterns.
    of_label : str or None
        The label of a multi-label task that is explained.
    """

    task: str
    kind: str
    functions: pl.DataFrame | None
    pairs: pl.DataFrame
    n_items: int
    level: int
    of_label: str | None = None

    def worst_pairs(self, most: int) -> pl.DataFrame:
        """The pairs that the model explains worst, see `pair_table`; without tables, those that meet most often."""
        has = self.pairs.columns
        if "excess" not in has:
            return self.pairs.sort("both", descending=True, maintain_order=True).head(most)
        # As many errors as a correlation within a class is above its own of 1 / √n.
        met = pl.col("correlation").abs().fill_null(0) * self.n_items**0.5 if "correlation" in has else pl.lit(0.0)
        by = pl.max_horizontal(pl.col("excess").abs().fill_null(0), met)
        return self.pairs.sort(by, descending=True, maintain_order=True).head(most)

    def to_json(self, most_pairs: int) -> dict[str, Any]:
        """Plain values, with some of the pairs."""
        functions = None if self.functions is None else self.functions.to_dicts()
        pairs = self.worst_pairs(most_pairs).to_dicts()
        return {"kind": self.kind, "level": self.level, "functions": functions, "pairs": pairs}


def explain_item(
    spark: SparkSession, config: ProjectConfig, task: str, item_id: object, *, label: str | None = None
) -> ExplainedItem:
    """Each vote on an item and what it adds to its label.

    Parameters
    ----------
    item_id : key or text that reads as one
    label : str, optional
        Of a multi-label task, which of its classes: present or absent.

    Raises
    ------
    ConfigError
        For a task that does not exist, or is labeled together with others, and a label that it does not have.
    DataError
        If the task has no labels yet, or there is no such item.
    """
    classes = _classes(config, task, label)
    labels = _table(spark, config, task, "labels")
    row = rows_of_key(spark, labels, ITEM_ID, str(item_id))
    if not row.height:
        raise DataError(f"there is no item {str(item_id)!r} in {str(labels)!r}; its keys are {labels.schema[ITEM_ID]}.")
    found = row.row(0, named=True)
    if label is not None:
        found |= _of_label(found, config.tasks[task].classes.index(label))
    newest = _table(spark, config, task, "votes")
    votes = open_version(spark, newest.ref, found[VOTES_VERSION])
    model = _model(spark, _table(spark, config, task, "label_model", found[MODEL_VERSION]), classes, label)
    cast = rows_of_key(spark, votes, ITEM_ID, str(item_id)).row(0, named=True)
    own = [cast[name] for name in model.lf_names_]
    return ExplainedItem(
        task=task,
        item_id=str(found[ITEM_ID]),
        status=found[LABEL_STATUS],
        pred=None if found[PRED] is None else classes[found[PRED]],
        faulted=tuple(name for name, vote in zip(model.lf_names_, own, strict=True) if vote is None),
        account=account_of(model, np.array([ABSTAIN if vote is None else vote for vote in own], np.int8), classes),
        labels_version=labels.version,
        votes_version=votes.version,
        model_version=found[MODEL_VERSION],
        newest_votes=newest.version,
        of_label=label,
    )


def explain_task(spark: SparkSession, config: ProjectConfig, task: str, *, label: str | None = None) -> ExplainedTask:
    """What each function of a task adds to its labels, and how each two of them meet.

    Parameters
    ----------
    label : str, optional
        Of a multi-label task, which of its classes.

    Raises
    ------
    ConfigError
        For a task that does not exist, or is labeled together with others.
    DataError
        If the task has no label model yet.
    """
    classes = _classes(config, task, label)
    model = _model(spark, _table(spark, config, task, "label_model"), classes, label)
    stats = _table(spark, config, task, "stats")
    counters = read_counters(spark, stats) if label is None else read_label_counters(spark, stats)[label]
    both = read_moments(spark, stats)
    kernel = PatternsKernel(counters.lf_names, len(classes), grids=counters.grids)
    n_gold = int((counters.gold_items > 0).sum())
    table = _table(spark, config, task, "patterns")
    counted, level = read_capped(spark, table, kernel, counters.n_rows, n_gold, label=label)
    patterns = select(counted, model.lf_names_)
    pairs = moments.of_patterns(patterns) if both is None else moments.select(both.pairs, model.lf_names_)
    try:
        functions = what_each_adds(model, patterns)
    except NothingToFit:
        functions = None
    return ExplainedTask(
        task=task,
        kind=model.kind,
        functions=functions,
        pairs=pair_table(pairs, model),
        n_items=pairs.n_items,
        level=level,
        of_label=label,
    )


def _classes(config: ProjectConfig, task: str, label: str | None) -> tuple[str, ...]:
    """The classes of a task, or those of one label of a multi-label task."""
    check_tasks([task], config.tasks)
    classes = config.tasks[task].classes
    if not config.tasks[task].multi_label:
        if label is not None:
            raise ConfigError(f"task {task!r} has no labels by themselves, got label {label!r}; leave it out.")
        return classes
    if label not in classes:
        raise ConfigError(
            f"task {task!r} is multi_label, and each label is explained by itself: name one of {first_few(classes)} "
            f"by 'label' (--label), got {label!r}.{did_you_mean(label or '', classes)}"
        )
    return LABEL_CLASSES


def _of_label(found: Mapping[str, Any], at: int) -> dict[str, Any]:
    """The published prediction and status of one label, from the row of an item of a multi-label task."""
    p = None if found[PROBS] is None else found[PROBS][at]
    if p is None:
        return {PRED: None, LABEL_STATUS: FAULTED if found[LABEL_STATUS] == FAULTED else ABSTAINED}
    if at in found[PRED]:
        return {PRED: PRESENT}
    return {PRED: None if abs(p - 0.5) <= TIE else ABSENT}


def _table(
    spark: SparkSession, config: ProjectConfig, task: str, table: str, version: int | None = None
) -> TableVersion:
    """A table of a task, the newest version by default."""
    check_tasks([task], config.tasks)
    graphs = [name for name, graph in config.task_graphs.items() if task in graph.tasks]
    if graphs:
        raise ConfigError(
            f"task {task!r} is labeled by the one model of task graph {graphs[0]!r}, in which no vote has a term of "
            "its own; explain a task that has a label model by itself."
        )
    ref = parse_workspace(config.workspace, config.base_dir).table(f"{task}_{table}")
    if find_table(spark, ref) is None:
        raise DataError(f"there is no table {str(ref)!r} yet. Run: sparkws run --task {task}.")
    return open_version(spark, ref, version)


def _model(spark: SparkSession, table: TableVersion, classes: tuple[str, ...], label: str | None) -> LabelModel:
    rows = read_rows(spark, table)
    if label is None:
        return persist.from_rows(rows, classes)
    rows = rows.filter(pl.col(LABEL) == label)
    if not rows.height:
        raise DataError(f"label {label!r} has no model in {str(table)!r}, because no labeling function votes on it.")
    return persist.from_rows(rows.drop(LABEL), classes)
