"""The account of one label: each vote, what it adds to the log-odds, their sum and the probability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.errors import NothingToFit
from sparkws.labelmodels.contributions import Contributions, contributions
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.taskview import TaskView
from sparkws.vocab import ABSTAIN

SCHEMA: Final = pl.Schema(
    {
        "lf": pl.String(),
        "vote": pl.String(),
        "log_odds": pl.Float64(),
        "group": pl.List(pl.String()),
        "task": pl.String(),
    }
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Account:
    """Why an item has its probabilities.

    Attributes
    ----------
    kind : str
        Of the label model.
    probs : mapping of str to float
        By class; empty without a vote.
    label, against : str or None
        The most probable class and the next: the log-odds are those of the first against the second.
    votes : DataFrame
        A row for each function: `lf`, `vote` (a class, of a vote with a probability with
        that, NULL where it abstained), `log_odds` that the vote adds,
        `group`, the other functions with which it casts one vote, `task`, the other task of a graph that it votes
        on. Those stand last, are called `task.function`, or `task.gold` for the known class, and their `log_odds`
        are what leaving out the vote takes away.
    beside : float or None
        Log-odds that the votes on other tasks of a graph add, all of them together; None elsewhere. The prior, the
        votes on the task itself and this are the total.
    prior, total : float or None
        Log-odds before any vote, and in all; None in models in which no vote has a term.
    temperature : float
        What all log-odds have been divided by.
    most_log_odds : float or None
        Of a task of a graph, the most that votes can add: larger amounts stand for certainty, by a known class of
        another task, or because no label vector has the class. None elsewhere, where nothing is certain.
    """

    kind: str
    probs: dict[str, float]
    label: str | None
    against: str | None
    votes: pl.DataFrame
    prior: float | None
    total: float | None
    temperature: float
    beside: float | None = None
    most_log_odds: float | None = None


def account_of(model: LabelModel, votes: NDArray[np.int8], classes: Sequence[str]) -> Account:
    """The account of an item with these votes `(m,)` under a fitted model."""
    L = votes[None]
    cast = [None if vote == ABSTAIN else _named(model, j, vote, classes) for j, vote in enumerate(votes.tolist())]
    table: dict[str, object] = {"lf": column_names(model), "vote": cast, "log_odds": None, "group": None, "task": None}
    if isinstance(model, TaskView):
        table["task"] = [None if j in model.own else model.tasks[j] for j in range(len(votes))]
    probs = model.posterior(L)[0]
    if np.isnan(probs).any():
        return Account(
            kind=model.kind,
            probs={},
            label=None,
            against=None,
            votes=_in_order(model, table),
            prior=None,
            total=None,
            temperature=model.temperature_,
        )
    first, second = np.argsort(-probs, kind="stable")[:2].tolist()
    prior = total = beside = None
    try:
        terms = contributions(model, L)
    except NothingToFit:  # majority vote: each vote counts the same, and their shares are the probabilities
        terms = None
    if terms is not None:
        prior = float(terms.prior[first] - terms.prior[second])
        total = float(terms.total[0, first] - terms.total[0, second])
        table["log_odds"] = terms.log_odds(first, second)[0]
        if isinstance(model, TaskView):
            beside = _beside(model, terms, first, second)
        else:
            others = {j: [model.lf_names_[i] for i in group if i != j] for group in terms.groups for j in group}
            table["group"] = [others[j] or None for j in range(len(votes))]
    return Account(
        kind=model.kind,
        probs=dict(zip(classes, probs.tolist(), strict=True)),
        label=classes[first],
        against=classes[second],
        votes=_in_order(model, table),
        prior=prior,
        total=total,
        temperature=model.temperature_,
        beside=beside,
        most_log_odds=model.most_log_odds if isinstance(model, TaskView) else None,
    )


def _named(model: LabelModel, column: int, vote: int, classes: Sequence[str]) -> str:
    """The class of a vote; of a vote with a probability, its most probable class with that."""
    if isinstance(model, TaskView):
        return model.classes_of(column)[vote]
    cells = model.grids_.of.get(model.lf_names_[column])
    if cells is None:
        return classes[vote]
    top = int(np.argmax(cells[vote]))
    return f"{classes[top]} {cells[vote][top]:.2f}"


def column_names(model: LabelModel) -> list[str]:
    """What its columns are called; of a task of a graph its own functions by their names alone."""
    return [model.name_of(name) if isinstance(model, TaskView) else name for name in model.lf_names_]


def _in_order(model: LabelModel, table: Mapping[str, object]) -> pl.DataFrame:
    """The rows of all functions, those of the task itself first."""
    rows = pl.DataFrame(table, SCHEMA)
    return rows[[*model.own, *model.beside]] if isinstance(model, TaskView) else rows


def _beside(model: TaskView, terms: Contributions, first: int, second: int) -> float | None:
    if not model.beside:
        return None
    together = terms.of_groups[0, terms.groups.index(model.beside)]
    return float(together[first] - together[second])
