"""What a run left of a task, read back as it was read then: an item with its votes and model, a model with its counts.

Of a task of a graph the ledger tells which versions of the other tasks' tables its labels were made from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from sparkws.checks import check_tasks, did_you_mean, first_few
from sparkws.config import ProjectConfig
from sparkws.engine.refs import parse_workspace
from sparkws.engine.relational import rows_of_key
from sparkws.engine.session import SparkSession
from sparkws.engine.tables import TableVersion, find_table, open_version, read_rows
from sparkws.errors import ConfigError, DataError
from sparkws.labelmodels import persist
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.multilabel import published
from sparkws.labelmodels.savedgraph import graph_from_rows
from sparkws.labelmodels.steps import read_capped
from sparkws.labelmodels.taskview import TaskView
from sparkws.manage import ledger
from sparkws.stats.joint import BothMoments
from sparkws.stats.multisteps import read_label_counters
from sparkws.stats.patterns import Patterns, PatternsKernel
from sparkws.stats.steps import read_counters, read_moments
from sparkws.vocab import (
    ABSTAIN,
    CLASS,
    ITEM_ID,
    LABEL,
    LABEL_CLASSES,
    MODEL_VERSION,
    RUNS,
    VOTES_VERSION,
    gold_column,
    vote_column,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredItem:
    """An item of the labels table, and what its label was made from.

    Attributes
    ----------
    row : mapping
        Of the labels table; of one label of a multi-label task, with that label's prediction and status.
    model : label model
    votes : sequence of int or None
        Of the model's functions, None where one raised.
    labels, newest_votes : TableVersion
        The labels table, and the votes table as it is now.
    """

    row: Mapping[str, Any]
    model: LabelModel
    votes: Sequence[int | None]
    labels: TableVersion
    newest_votes: TableVersion


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredTask:
    """The label model of a task, and counts of the votes of its functions.

    Attributes
    ----------
    patterns : Patterns
        Of a 2^-level sample of the items; of a task of a graph, of the votes on all tasks.
    both : BothMoments or None
        Of all items, where vote vectors are too many.
    """

    model: LabelModel
    patterns: Patterns
    level: int
    both: BothMoments | None


def classes_of(config: ProjectConfig, task: str, label: str | None) -> tuple[str, ...]:
    """The classes of a task, or those of one label of a multi-label task.

    Raises
    ------
    ConfigError
        For a task or a label that does not exist, and where a label is to be named or has no meaning.
    """
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


def read_item(spark: SparkSession, config: ProjectConfig, task: str, item_id: object, label: str | None) -> StoredItem:
    """An item with the very versions of votes and label model that its published label names.

    Raises
    ------
    ConfigError
        See `classes_of`.
    DataError
        If the task has no labels yet, or there is no such item.
    """
    classes = classes_of(config, task, label)
    labels = _table(spark, config, task, f"{task}_labels")
    row = _row(spark, labels, item_id)
    if not row:
        raise DataError(f"there is no item {str(item_id)!r} in {str(labels)!r}; its keys are {labels.schema[ITEM_ID]}.")
    if label is not None:
        row |= published(row, config.tasks[task].classes.index(label))
    stored = _table(spark, config, task, f"{task}_label_model", row[MODEL_VERSION])
    graph = graph_of_task(config, task)
    if graph is None:
        model = _model(spark, stored, classes, label)
        cast = _row(spark, _table(spark, config, task, f"{task}_votes", row[VOTES_VERSION]), item_id)
    else:
        made = _maker(spark, config, task, labels, f"{task}_labels")
        held = [name for name in config.task_graphs[graph].tasks if f"{name}_gold" in made.inputs]
        model, cast = _view(spark, config, graph, task, stored, held), {}
        for name in config.task_graphs[graph].tasks:
            votes = _row(spark, _table(spark, config, task, f"{name}_votes", made.inputs[f"{name}_votes"]), item_id)
            cast |= {vote_column(name, lf): vote for lf, vote in votes.items()}
        for name in held:
            known = _row(spark, _table(spark, config, task, f"{name}_gold", made.inputs[f"{name}_gold"]), item_id)
            cast |= {gold_column(name): known[CLASS]} if known else {}
    return StoredItem(
        row=row,
        model=model,
        # Who did not see the item of another task's table abstained on it.
        votes=[cast.get(name, ABSTAIN) for name in model.lf_names_],
        labels=labels,
        newest_votes=_table(spark, config, task, f"{task}_votes"),
    )


def read_task(spark: SparkSession, config: ProjectConfig, task: str, label: str | None) -> StoredTask:
    """The newest label model of a task, and the counts that are there.

    Raises
    ------
    ConfigError
        See `classes_of`.
    DataError
        If the task has no label model yet.
    """
    classes = classes_of(config, task, label)
    stored = _table(spark, config, task, f"{task}_label_model")
    stats = _table(spark, config, task, f"{task}_stats")
    graph = graph_of_task(config, task)
    model: LabelModel
    if graph is None:
        model = _model(spark, stored, classes, label)
        counters = read_counters(spark, stats) if label is None else read_label_counters(spark, stats)[label]
        kernel = PatternsKernel(counters.lf_names, len(classes), grids=counters.grids)
        table, n_rows = _table(spark, config, task, f"{task}_patterns"), counters.n_rows
        n_gold = counters.n_gold_classes
    else:
        made = _maker(spark, config, task, stored, f"{task}_label_model")
        held = [name for name, told in made.fingerprints["tasks"].items() if told["clamped"]]
        model = _view(spark, config, graph, task, stored, held)
        table = _table(spark, config, task, f"{graph}_patterns")
        counted = _maker(spark, config, task, table, f"{graph}_patterns").details
        kernel = PatternsKernel(tuple(counted["columns"]), model.model.graph.largest)
        n_rows, n_gold = counted["n_rows"], 0
    patterns, level = read_capped(spark, table, kernel, n_rows, n_gold, label=label)
    return StoredTask(model=model, patterns=patterns, level=level, both=read_moments(spark, stats))


def graph_of_task(config: ProjectConfig, task: str) -> str | None:
    """The task graph that a task is in."""
    return next((name for name, graph in config.task_graphs.items() if task in graph.tasks), None)


def _view(
    spark: SparkSession, config: ProjectConfig, graph: str, task: str, stored: TableVersion, held: Sequence[str]
) -> TaskView:
    classes = {name: config.tasks[name].classes for name in config.task_graphs[graph].tasks}
    loaded = graph_from_rows(read_rows(spark, stored), classes)
    return TaskView(loaded, task, [name for name in held if name != task])


def _maker(spark: SparkSession, config: ProjectConfig, task: str, table: TableVersion, name: str) -> ledger.StepRecord:
    """The run that made a table."""
    records = ledger.from_rows(read_rows(spark, _table(spark, config, task, RUNS)))
    made = ledger.maker_of(records, name, table.version)
    if made is None:
        raise DataError(
            f"the table {RUNS!r} has no run that made {str(table)!r}, so nothing tells what it was made from. Run: "
            f"sparkws run --overwrite {name}."
        )
    return made


def _table(
    spark: SparkSession, config: ProjectConfig, task: str, name: str, version: int | None = None
) -> TableVersion:
    """A table of the workspace, the newest version by default."""
    ref = parse_workspace(config.workspace, config.base_dir).table(name)
    if find_table(spark, ref) is None:
        raise DataError(f"there is no table {str(ref)!r} yet. Run: sparkws run --task {task}.")
    return open_version(spark, ref, version)


def _row(spark: SparkSession, table: TableVersion, item_id: object) -> dict[str, Any]:
    """The row of an item; empty where there is none."""
    rows = rows_of_key(spark, table, ITEM_ID, str(item_id))
    return rows.row(0, named=True) if rows.height else {}


def _model(spark: SparkSession, table: TableVersion, classes: tuple[str, ...], label: str | None) -> LabelModel:
    rows = read_rows(spark, table)
    if label is None:
        return persist.from_rows(rows, classes)
    own = rows.filter(pl.col(LABEL) == label)
    if not own.height:
        has = rows[LABEL].unique().sort().to_list()
        raise DataError(
            f"label {label!r} has no model in {str(table)!r}, because no labeling function votes on it; write one, or "
            f"name one of {first_few(has)}."
        )
    return persist.from_rows(own.drop(LABEL), classes)
