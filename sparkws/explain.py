"""Why an item has its label, and what each function of a task adds: from the tables that a run left.

An item is explained by the very versions of votes and label model that its published label names.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl

from sparkws.config import ProjectConfig
from sparkws.engine.session import SparkSession
from sparkws.labelmodels.account import Account, account_of, column_names
from sparkws.labelmodels.overview import overview
from sparkws.labelmodels.pairs import worst_pairs
from sparkws.readback import classes_of, read_item, read_task
from sparkws.vocab import ABSTAIN, ITEM_ID, LABEL_STATUS, MODEL_VERSION, PRED, VOTES_VERSION


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
        The functions that raised on the item; of a task of a graph also those of other tasks, as `task.function`.
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

    def to_plain(self) -> dict[str, Any]:
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
        See `labelmodels.what_each_adds`, also for the rows of a task of a graph, which functions of other tasks have
        too; None where no vote has a term, as in majority vote.
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
        """The pairs that the model explains worst; without tables, those that meet most often."""
        return worst_pairs(self.pairs, self.n_items, most)

    def to_plain(self, most_pairs: int) -> dict[str, Any]:
        """Plain values, with some of the pairs."""
        functions = None if self.functions is None else self.functions.to_dicts()
        pairs = self.worst_pairs(most_pairs).to_dicts()
        return {"kind": self.kind, "level": self.level, "functions": functions, "pairs": pairs}


def explain_item(
    spark: SparkSession, config: ProjectConfig, task: str, item_id: object, *, label: str | None = None
) -> ExplainedItem:
    """Each vote on an item and what it adds to its label.

    Of a task of a graph, the votes on the task itself, all votes on other tasks together, and what leaving out each
    of these changes; see `labelmodels.contributions`.

    Parameters
    ----------
    item_id : key or text that reads as one
    label : str, optional
        Of a multi-label task, which of its classes: present or absent.

    Raises
    ------
    ConfigError
        For a task that does not exist, and a label that it does not have.
    DataError
        If the task has no labels yet, or there is no such item.
    """
    classes, found = classes_of(config, task, label), read_item(spark, config, task, item_id, label)
    row, model = found.row, found.model
    votes = np.array([ABSTAIN if vote is None else vote for vote in found.votes], np.int8)
    return ExplainedItem(
        task=task,
        item_id=str(row[ITEM_ID]),
        status=row[LABEL_STATUS],
        pred=None if row[PRED] is None else classes[row[PRED]],
        faulted=tuple(name for name, vote in zip(column_names(model), found.votes, strict=True) if vote is None),
        account=account_of(model, votes, classes),
        labels_version=found.labels.version,
        votes_version=row[VOTES_VERSION],
        model_version=row[MODEL_VERSION],
        newest_votes=found.newest_votes.version,
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
        For a task that does not exist, and a label that it does not have.
    DataError
        If the task has no label model yet.
    """
    stored = read_task(spark, config, task, label)
    found = overview(stored.model, stored.patterns, stored.both)
    return ExplainedTask(
        task=task,
        kind=stored.model.kind,
        functions=found.functions,
        pairs=found.pairs,
        n_items=found.n_items,
        level=stored.level,
        of_label=label,
    )
