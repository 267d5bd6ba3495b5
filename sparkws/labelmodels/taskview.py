"""One task of a model of several, as a label model: what the votes on all tasks say of its class.

A vote on the task itself has the same factor under all label vectors of a class, so it adds to the log-odds of the
class whatever the other votes are. Votes on other tasks speak through the vectors: what they add, they add together.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.grids import NO_GRIDS
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.labelmodel import LabelModelDefaults
from sparkws.labelmodels.labelvectors import check_votes_on, log_balance, log_sums, most_log_odds, ruled_out
from sparkws.labelmodels.posterior import FLOOR
from sparkws.stats.patterns import Patterns, collapse, select, unpack
from sparkws.vocab import ABSTAIN, GOLD, gold_column, vote_column

_BLOCK: Final = 1 << 22  # numbers of the scores of one block of rows


class TaskView(LabelModelDefaults):
    """One task of a fitted model of several, as a `LabelModel` over the columns `task.function` of all of them.

    Parameters
    ----------
    model : Hierarchical
    task : str
    clamped : collection of str
        Tasks of which known classes are held; their columns `task.gold` follow those of the votes.

    Attributes
    ----------
    tasks : tuple of str
        The task that each column votes on.
    own : tuple of int
        The columns that vote on the task itself.
    beside : tuple of int
        The columns of votes on other tasks, and of their known classes.

    Examples
    --------
    Nobody votes on the kind, but a cook is a person.

    >>> from sparkws.labelmodels import Hierarchical, contributions, task_tree
    >>> tree = task_tree({"kind": ["person", "place"], "job": ["cook", "pilot"]}, {"job": ("kind", "person")})
    >>> votes = np.array([[0, 0], [0, 1], [0, 0], [1, 2], [1, 2]], np.int8)
    >>> kind = TaskView(Hierarchical(tree, [("kind", "lf_name"), ("job", "lf_job")]).fit(votes), "kind")
    >>> terms = contributions(kind, np.array([[-1, 0]], np.int8))
    >>> terms.log_odds(0, 1).round(1).tolist()
    [[0.0, 1.2]]
    """

    kind: Final = Hierarchical.kind
    fits: Literal["patterns", "moments"] = "patterns"

    def __init__(self, model: Hierarchical, task: str, clamped: Collection[str] = ()) -> None:
        self.model = model
        self.task = task
        self.clamped = tuple(name for name in model.graph.tasks if name in clamped)
        self.lf_names_ = (*(vote_column(of, lf) for of, lf in model.columns), *map(gold_column, self.clamped))
        self.tasks = (*(of for of, _ in model.columns), *self.clamped)
        self.own = tuple(c for c, (of, _) in enumerate(model.columns) if of == task)
        self.beside = tuple(c for c in range(len(self.lf_names_)) if c not in self.own)
        self.cpt_: NDArray[np.float64] | None = None
        self.class_balance_ = model.balance_of(task)
        self.cardinality = len(self.class_balance_)
        self.balance_source_: str = model.balance_source_
        self.abstain_ = "missing"
        self.log_likelihood_ = model.log_likelihood_
        self.n_iter_ = model.n_iter_
        self.converged_ = model.converged_
        self.grids_ = NO_GRIDS
        self.temperature_ = 1.0

    def posterior(self, L: NDArray[np.int8]) -> NDArray[np.float64]:
        """P(class | votes on all tasks, known classes), `(n, k)`; NaN in the rows without a vote on any."""
        self.check(L)
        n_votes = len(self.model.columns)
        known = np.full((len(L), len(self.model.graph.tasks)), ABSTAIN, np.int8)
        known[:, [self.model.graph.tasks.index(name) for name in self.clamped]] = L[:, n_votes:]
        return self.model.posterior(L[:, :n_votes], known if self.clamped else None)[self.task]

    @property
    def most_log_odds(self) -> float:
        """The most that votes can give: more are of a known class, or of a class that no vector has."""
        return most_log_odds(len(self.lf_names_), len(self.model.balance_))

    def check(self, L: NDArray[np.int8]) -> None:
        """Refuse all but votes on all tasks and known classes, `(n, c)`.

        Raises
        ------
        InvalidLabelMatrix
            With the first that is none.
        """
        check_votes_on(L, [*self.model.columns, *((task, GOLD) for task in self.clamped)], self.model.graph)

    def name_of(self, column: str) -> str:
        """What a column is called where the task is the subject: its own functions by their names alone."""
        return column.removeprefix(f"{self.task}.") if self.lf_names_.index(column) in self.own else column

    def classes_of(self, column: int) -> tuple[str, ...]:
        """The classes that a column votes for."""
        return self.model.graph.classes[self.tasks[column]]

    def by_itself(self) -> DawidSkene:
        """The functions of the task, called by their names alone, as a model that knows no other task.

        Given the class of the task they vote independently of each other, so their tables say of pairs and
        accuracies what those of the model say. Votes that were never cast have none.
        """
        alone = DawidSkene(self.cardinality, abstain="missing")
        alone.lf_names_ = tuple(self.model.columns[c][1] for c in self.own)
        k = self.cardinality
        alone.cpt_ = np.zeros((len(self.own), k + 1, k))
        for j, c in enumerate(self.own):
            alone.cpt_[j, 1:] = self.model.cpts_[c] * self.model.seen_[c][:, None]
        alone.class_balance_ = self.class_balance_
        alone.n_iter_, alone.converged_ = self.n_iter_, self.converged_
        return alone


def patterns_of_task(view: TaskView, patterns: Patterns) -> Patterns:
    """The counts over the columns of a task's view, whose gold is the known class of the task.

    Parameters
    ----------
    view : TaskView
    patterns : Patterns
        Over the columns `task.function`, and `task.gold` where classes are known.
    """
    gold = gold_column(view.task)
    if gold not in patterns.lf_names:
        return collapse(select(patterns, view.lf_names_), keep_gold=False)
    chosen = select(patterns, [*(name for name in view.lf_names_ if name != gold), gold])
    known = pl.Series(GOLD, unpack(chosen)[:, -1], dtype=pl.Int8)
    return collapse(select(replace(chosen, rows=chosen.rows.with_columns(known)), view.lf_names_))


@dataclass(frozen=True, eq=False)
class ClassTerms:
    """The logarithm of the posterior of a task's classes as a sum; each term but for a constant.

    Attributes
    ----------
    prior : (k,) float64 array
        Of the class balance.
    own : (n, o, k) float64 array
        Of each vote on the task itself.
    beside : (n, k) float64 array
        Of the votes on other tasks and their known classes together.
    without : (n, b, k) float64 array
        By how much the sum changes if one of these is left out: exact one by one, but no sum.
    """

    prior: NDArray[np.float64]
    own: NDArray[np.float64]
    beside: NDArray[np.float64]
    without: NDArray[np.float64]


def class_terms(view: TaskView, L: NDArray[np.int8]) -> ClassTerms:
    """What the posterior of a task is a sum of, for rows of votes and known classes `(n, c)`.

    P(y | votes) is proportional to P(y) Π P(own vote | y) times the mean of Π P(other vote | vector) over the
    vectors of class y, each with its share of the class.
    """
    n, k = len(L), view.cardinality
    own = np.zeros((n, len(view.own), k))
    for j, c in enumerate(view.own):
        factors = np.log(np.maximum(view.model.cpts_[c], FLOOR))
        own[:, j] = np.where((L[:, c] != ABSTAIN)[:, None], factors[L[:, c]], 0.0)
    balance, classes = log_balance(view.model.balance_), view.model.graph.classes_of(view.task)
    nothing = ruled_out(len(view.lf_names_), len(balance))
    prior = log_sums(balance[None], classes, k, nothing)[0]
    beside, without = np.zeros((n, k)), np.zeros((n, len(view.beside), k))
    factors_beside = [_factors(view, c, nothing) for c in view.beside]
    step = max(1, _BLOCK // len(balance))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        votes = L[rows][:, view.beside]
        scores = np.tile(balance, (len(votes), 1))
        for j, factors in enumerate(factors_beside):
            scores += np.where((votes[:, j] != ABSTAIN)[:, None], factors[votes[:, j]], 0.0)
        together = log_sums(scores, classes, k, nothing)
        beside[rows] = together - prior
        for j, factors in enumerate(factors_beside):
            voted = np.flatnonzero(votes[:, j] != ABSTAIN)
            left = log_sums(scores[voted] - factors[votes[voted, j]], classes, k, nothing)
            without[start + voted, j] = together[voted] - left
    return ClassTerms(prior, own, beside, without)


def _factors(view: TaskView, column: int, nothing: float) -> NDArray[np.float64]:
    """The logarithm of the factor of each vote of a column under each vector, `(k, f)`.

    A known class rules vectors out, by `nothing`.
    """
    graph = view.model.graph
    classes = graph.classes_of(view.tasks[column])
    if column < len(view.model.columns):
        return np.asarray(np.log(np.maximum(view.model.cpts_[column], FLOOR))[:, classes], np.float64)
    return np.where(np.arange(len(view.classes_of(column)))[:, None] == classes, 0.0, nothing)
