"""Several tasks labeled together: from patterns of all their votes to one model, and to what is told of each task."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sparkws.config import TaskGraphConfig
from sparkws.feasible import TaskGraph
from sparkws.labelmodels.findings import below_chance, gold_of_one_class, never_votes, votes_of
from sparkws.labelmodels.fitting import summary
from sparkws.labelmodels.guard import check_labels
from sparkws.labelmodels.hierarchy import Column, Hierarchical
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.metrics import compare
from sparkws.labelmodels.modelreport import ModelReport, how_fitted
from sparkws.labelmodels.posterior import class_cpt
from sparkws.labelmodels.refits import work_of_vectors
from sparkws.labelmodels.refitted import Refitted, refit_all, told_of_bootstrap, told_of_leaving_out, too_large
from sparkws.labelmodels.sampling import REFIT_GAIN
from sparkws.labelmodels.taskview import TaskView, patterns_of_task
from sparkws.stats.counters import Counters
from sparkws.stats.patterns import Patterns, collapse, select, unpack
from sparkws.vocab import ABSTAIN, gold_column, vote_column

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
    return model.fit(*_rows(model, patterns, clamped))


def fit_again(
    config: TaskGraphConfig, model: Hierarchical, patterns: Patterns, clamped: Collection[str] = ()
) -> Refitted[Hierarchical]:
    """The model of all tasks fitted again, to bootstrap samples and without functions, as the configuration asks.

    Parameters
    ----------
    config : TaskGraphConfig
    model : Hierarchical
        What `fit_together` made of these.
    patterns, clamped
        See there.
    """
    names = [vote_column(task, lf) for task, lf in model.columns]
    seen = collapse(select(patterns, [*names, *map(gold_column, clamped)]))

    def refit(counted: Patterns) -> Hierarchical:
        columns = [column for column, name in zip(model.columns, names, strict=True) if name in counted.lf_names]
        again = Hierarchical(model.graph, columns, smoothing=config.smoothing, max_iter=config.max_iter)
        L, counts, known = _rows(again, counted, clamped)
        again.tol = REFIT_GAIN / max(float(counts @ (L != ABSTAIN).sum(axis=1)), 1.0)
        return again.fit(L, counts, known, start=model)

    return refit_all(
        refit,
        seen,
        np.random.default_rng(config.seed),
        bootstrap=config.bootstrap,
        leave_one_out=config.leave_one_out,
        work=work_of_vectors(model, unpack(seen)),
        functions=names,
    )


def kept_of(refitted: Refitted[Hierarchical], model: Hierarchical) -> tuple[Refitted[Hierarchical] | None, str | None]:
    """The models that make labels tell how sure they are; where they are too many numbers to keep, why not."""
    why_not = too_large(refitted, model.balance_.size + sum(table.size for table in model.cpts_))
    return (None, why_not) if why_not else (refitted, None)


def report_of(
    model: Hierarchical,
    task: str,
    of: OfTask,
    patterns: Patterns,
    *,
    n_items: int,
    level: int,
    gold_use: str,
    refitted: Refitted[Hierarchical] | None = None,
    clamped: Collection[str] = (),
) -> ModelReport:
    """What has to be said of one task: its labels come from the votes on all of them.

    Parameters
    ----------
    patterns : Patterns
        Over the columns `task.function`, and `task.gold` where classes are known.
    n_items, level : int
        The patterns are those of a 2^-level sample of so many items.
    refitted : Refitted, optional
        The model fitted again, see `fit_again`.
    clamped : collection of str
        Tasks of which known classes are held: those of others are evidence of this one's labels.
    """
    view, classes = TaskView(model, task), model.graph.classes[task]
    counted = patterns_of_task(view, patterns)
    L, counts, gold = unpack(counted), counted.counts, counted.gold
    probs, own = view.posterior(L), L[:, view.own]
    voted = (own != ABSTAIN).any(axis=1)  # elsewhere majority vote has nothing to say, and cannot be compared
    found = check_labels(view, probs[voted], own[voted], counts[voted], gold[voted], of.taking_part, classes, of.out)
    findings = [
        *never_votes(votes_of(of.counters, of.taking_part)),
        *gold_of_one_class(of.counters.gold_items, classes),
        *(finding for finding in found if finding.code not in _OF_ONE_TASK),
    ]
    if view.own:
        alone = view.by_itself()
        findings += below_chance(class_cpt(alone), alone.class_balance_, alone.lf_names_)
    bootstrap, leave_one_out = _trust(view, patterns, refitted or Refitted(), clamped)
    return ModelReport(
        **how_fitted(view, classes),
        tasks=model.graph.tasks,
        n_items=n_items,
        n_patterns=collapse(patterns).rows.height,
        level=level,
        left_out=of.out,
        not_chosen=of.not_chosen,
        lf_summary=summary(of.counters),
        gold_use=gold_use,
        metrics=compare({model.kind: probs, MajorityVote.kind: of.majority.posterior(own)}, gold, counts),
        bootstrap=bootstrap,
        leave_one_out=leave_one_out,
        warnings=findings,
    )


def _trust(
    view: TaskView, patterns: Patterns, refitted: Refitted[Hierarchical], clamped: Collection[str]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What models of bootstrap samples, and without functions, tell of a task."""
    others, classes = [name for name in clamped if name != view.task], view.model.graph.classes[view.task]
    held = TaskView(view.model, view.task, others)
    counted = collapse(select(patterns, held.lf_names_), keep_gold=False)
    views = refitted.map(lambda again: TaskView(again, view.task, others))
    return (
        told_of_bootstrap(views, held, counted, classes, held.name_of),
        told_of_leaving_out(views, held, counted, held.name_of),
    )


def _rows(
    model: Hierarchical, patterns: Patterns, clamped: Collection[str]
) -> tuple[NDArray[np.int8], NDArray[np.int64], NDArray[np.int8]]:
    """The distinct rows of votes, their items, and the known classes that are held."""
    graph, golds = model.graph, [gold_column(task) for task in model.graph.tasks if task in clamped]
    flat = collapse(select(patterns, [*(vote_column(task, lf) for task, lf in model.columns), *golds]), keep_gold=False)
    L, n_votes = unpack(flat), len(model.columns)
    known = np.full((len(L), len(graph.tasks)), ABSTAIN, np.int8)
    known[:, [t for t, task in enumerate(graph.tasks) if task in clamped]] = L[:, n_votes:]
    return L[:, :n_votes], flat.counts, known
