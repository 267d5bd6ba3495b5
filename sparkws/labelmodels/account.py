"""The account of one label: each vote, what it adds to the log-odds, their sum and the probability."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.errors import NothingToFit
from sparkws.labelmodels.contributions import contributions
from sparkws.labelmodels.posterior import LabelModel
from sparkws.vocab import ABSTAIN

SCHEMA: Final = pl.Schema(
    {"lf": pl.String(), "vote": pl.String(), "log_odds": pl.Float64(), "group": pl.List(pl.String())}
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
        `group`, the other functions with which it casts one vote.
    prior, total : float or None
        Log-odds before any vote, and in all; None in models in which no vote has a term.
    temperature : float
        What all log-odds have been divided by.
    """

    kind: str
    probs: dict[str, float]
    label: str | None
    against: str | None
    votes: pl.DataFrame
    prior: float | None
    total: float | None
    temperature: float


def account_of(model: LabelModel, votes: NDArray[np.int8], classes: Sequence[str]) -> Account:
    """The account of an item with these votes `(m,)` under a fitted model."""
    L = votes[None]
    names = [
        None if vote == ABSTAIN else _named(model, lf, vote, classes)
        for lf, vote in zip(model.lf_names_, votes.tolist(), strict=True)
    ]
    table: dict[str, object] = {"lf": model.lf_names_, "vote": names, "log_odds": None, "group": None}
    probs = model.posterior(L)[0]
    if np.isnan(probs).any():
        return _account(model, {}, (None, None), pl.DataFrame(table, SCHEMA), None, None)
    first, second = np.argsort(-probs, kind="stable")[:2].tolist()
    prior = total = None
    try:
        terms = contributions(model, L)
    except NothingToFit:  # majority vote: each vote counts the same, and their shares are the probabilities
        terms = None
    if terms is not None:
        prior = float(terms.prior[first] - terms.prior[second])
        total = float(terms.total[0, first] - terms.total[0, second])
        others = {j: [model.lf_names_[i] for i in group if i != j] for group in terms.groups for j in group}
        table["log_odds"] = terms.log_odds(first, second)[0]
        table["group"] = [others[j] or None for j in range(len(votes))]
    by_class = dict(zip(classes, probs.tolist(), strict=True))
    return _account(model, by_class, (classes[first], classes[second]), pl.DataFrame(table, SCHEMA), prior, total)


def _named(model: LabelModel, lf: str, vote: int, classes: Sequence[str]) -> str:
    """The class of a vote; of a vote with a probability, its most probable class with that."""
    cells = model.grids_.of.get(lf)
    if cells is None:
        return classes[vote]
    top = int(np.argmax(cells[vote]))
    return f"{classes[top]} {cells[vote][top]:.2f}"


def _account(
    model: LabelModel,
    probs: dict[str, float],
    compared: tuple[str | None, str | None],
    votes: pl.DataFrame,
    prior: float | None,
    total: float | None,
) -> Account:
    label, against = compared
    return Account(
        kind=model.kind,
        probs=probs,
        label=label,
        against=against,
        votes=votes,
        prior=prior,
        total=total,
        temperature=model.temperature_,
    )
