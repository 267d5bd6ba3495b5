"""Several tasks labeled together: from patterns of all their votes to one model, and to what is told of each task."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from sparkws.config import TaskGraphConfig
from sparkws.grids import NO_GRIDS
from sparkws.labelmodels.findings import below_chance, gold_of_one_class, never_votes, votes_of
from sparkws.labelmodels.fitting import summary
from sparkws.labelmodels.guard import check_labels
from sparkws.labelmodels.hierarchy import Column, Hierarchical
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.metrics import compare
from sparkws.labelmodels.taskgraph import TaskGraph
from sparkws.stats.counters import Counters
from sparkws.stats.patterns import Patterns, collapse, unpack
from sparkws.vocab import ABSTAIN, GOLD

# Said of a task by itself: votes on other tasks speak for its classes too, and may overrule those on it.
_OF_ONE_TASK: Final = frozenset({"no_votes_for_class", "few_overlaps", "contradicts_votes"})


@dataclass(frozen=True, kw_only=True)
class OfTask:
    """What one task brings.

    Attributes
    ----------
    counters : Counters
        Of the functions that the configuration chooses.
    out : tuple of str
        Those of them that faulted too often.
    not_chosen : tuple of str
        The others.
    """

    counters: Counters
    out: tuple[str, ...]
    not_chosen: tuple[str, ...]

    @property
    def taking_part(self) -> tuple[str, ...]:
        """The functions that the model reads."""
        return tuple(name for name in self.counters.lf_names if name not in self.out)

    @property
    def majority(self) -> MajorityVote:
        """Majority vote of those functions, on this task alone."""
        majority = MajorityVote(self.counters.cardinality)
        majority.lf_names_ = self.taking_part
        return majority


class OneOfSeveral:
    """One task of a fitted model of several, as a `LabelModel` over the columns `task.function` of all of them.

    Parameters
    ----------
    model : Hierarchical
    task : str
    clamped : collection of str
        Tasks of which known classes are held; their columns `task.gold` follow those of the votes.
    """

    kind: Final = Hierarchical.kind
    fits: Literal["patterns", "moments"] = "patterns"

    def __init__(self, model: Hierarchical, task: str, clamped: Collection[str] = ()) -> None:
        self.model = model
        self.task = task
        self.clamped = tuple(name for name in model.graph.tasks if name in clamped)
        self.cardinality = len(model.graph.classes[task])
        self.lf_names_ = (*(f"{of}.{lf}" for of, lf in model.columns), *map(gold_column, self.clamped))
        self.cpt_: NDArray[np.float64] | None = None
        self.class_balance_ = model.balance_of(task)
        self.log_likelihood_ = model.log_likelihood_
        self.n_iter_ = model.n_iter_
        self.converged_ = model.converged_
        self.grids_ = NO_GRIDS
        self.temperature_ = 1.0

    def posterior(self, L: NDArray[np.int8]) -> NDArray[np.float64]:
        """P(class | votes on all tasks, known classes), `(n, k)`; NaN in the rows without a vote on any."""
        n_votes = len(self.model.columns)
        known = np.full((len(L), len(self.model.graph.tasks)), ABSTAIN, np.int8)
        known[:, [self.model.graph.tasks.index(name) for name in self.clamped]] = L[:, n_votes:]
        return self.model.posterior(L[:, :n_votes], known if self.clamped else None)[self.task]


def gold_column(task: str) -> str:
    """The column that holds the known classes of a task, beside those of votes on all tasks."""
    return f"{task}.{GOLD}"


def fit_together(
    config: TaskGraphConfig,
    graph: TaskGraph,
    tasks: Mapping[str, OfTask],
    patterns: Patterns,
    clamped: Collection[str] = (),
) -> Hierarchical:
    """The model of all tasks, from patterns over the columns `task.function`.

    Known classes of the `clamped` tasks, in the columns `task.gold`, are held.

    Raises
    ------
    NothingToFit
        If no item has a vote on any task.
    """
    columns: list[Column] = [(task, lf) for task, of in tasks.items() for lf in of.taking_part]
    model = Hierarchical(graph, columns, smoothing=config.smoothing, max_iter=config.max_iter, tol=config.tol)
    flat = collapse(patterns)
    L = unpack(flat)
    known = np.full((len(L), len(graph.tasks)), ABSTAIN, np.int8)
    for t, task in enumerate(graph.tasks):
        if task in clamped:
            known[:, t] = L[:, flat.lf_names.index(gold_column(task))]
    votes = L[:, _places(flat, [f"{task}.{lf}" for task, lf in columns])]
    distinct, row = np.unique(np.hstack([votes, known]), axis=0, return_inverse=True)
    counts = np.zeros(len(distinct), np.int64)
    np.add.at(counts, row.ravel(), flat.counts)
    return model.fit(distinct[:, : len(columns)], counts, distinct[:, len(columns) :])


def report_of(
    model: Hierarchical, task: str, of: OfTask, patterns: Patterns, *, n_items: int, level: int, gold_use: str
) -> dict[str, Any]:
    """What has to be said of one task, as plain values: its labels come from the votes on all of them.

    Parameters
    ----------
    patterns : Patterns
        Over the columns `task.function`, and `task.gold` where classes are known.
    n_items, level : int
        The patterns are those of a 2^-level sample of so many items.
    """
    view, classes = OneOfSeveral(model, task), model.graph.classes[task]
    flat = collapse(patterns)
    L, counts = unpack(flat), flat.counts
    probs = view.posterior(L[:, _places(flat, view.lf_names_)])
    own = L[:, _places(flat, [f"{task}.{lf}" for lf in of.taking_part])]
    at_gold = gold_column(task)
    gold = L[:, flat.lf_names.index(at_gold)] if at_gold in flat.lf_names else np.full(len(L), ABSTAIN, np.int8)
    voted = (own != ABSTAIN).any(axis=1)  # elsewhere majority vote has nothing to say, and cannot be compared
    found = check_labels(view, probs[voted], own[voted], counts[voted], gold[voted], of.taking_part, classes, of.out)
    findings = [
        *never_votes(votes_of(of.counters, of.taking_part)),
        *gold_of_one_class(of.counters.gold_items, classes),
    ]
    findings += [finding for finding in found if finding.code not in _OF_ONE_TASK]
    tables = [table for (of_task, _), table in zip(model.columns, model.cpts_, strict=True) if of_task == task]
    if tables:
        # (m, k + 1, k): abstaining tells nothing, so its row is empty
        cpt = np.stack([np.vstack([np.zeros(len(classes)), table]) for table in tables])
        findings += below_chance(cpt, view.class_balance_, of.taking_part)
    return {
        "kind": model.kind,
        "tasks": list(model.graph.tasks),
        "choice": None,
        "class_balance": dict(zip(classes, view.class_balance_.tolist(), strict=True)),
        "balance_source": model.balance_source_,
        "abstain": "missing",
        "n_iter": model.n_iter_,
        "converged": model.converged_,
        "log_likelihood": model.log_likelihood_,
        "n_items": n_items,
        "n_patterns": flat.rows.height,
        "level": level,
        "largest_standard_error": None,
        "polish": None,
        "dependencies": None,
        "left_out": list(of.out),
        "not_chosen": list(of.not_chosen),
        "lf_summary": summary(of.counters),
        "gold_use": gold_use,
        "metrics": compare({model.kind: probs, MajorityVote.kind: of.majority.posterior(own)}, gold, counts),
        "warnings": [asdict(finding) for finding in findings],
    }


def _places(patterns: Patterns, columns: Sequence[str]) -> list[int]:
    return [patterns.lf_names.index(name) for name in columns]
