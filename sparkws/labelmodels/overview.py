"""What the functions of a task add to its labels, and how they meet: of a task by itself, and of one of a graph."""

from dataclasses import dataclass, replace

import polars as pl

from sparkws.errors import NothingToFit
from sparkws.labelmodels.contributions import what_each_adds
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.pairs import pair_table
from sparkws.labelmodels.taskview import TaskView, patterns_of_task
from sparkws.stats import moments
from sparkws.stats.joint import BothMoments
from sparkws.stats.patterns import Patterns, select


@dataclass(frozen=True, eq=False)
class Overview:
    """What is found of the functions of a task.

    Attributes
    ----------
    functions : DataFrame or None
        See `what_each_adds`; None where no vote has a term, as in majority vote.
    pairs : DataFrame
        See `pair_table`; of a task of a graph, pairs of the functions that vote on it.
    n_items : int
        Whose votes the pairs count.
    """

    functions: pl.DataFrame | None
    pairs: pl.DataFrame
    n_items: int


def overview(model: LabelModel, patterns: Patterns, both: BothMoments | None = None) -> Overview:
    """What each function adds to the labels of a task, and how each two of them meet.

    Parameters
    ----------
    model : label model
        Fitted, of a task by itself or of one of a graph (`TaskView`).
    patterns : Patterns
        Of its functions and maybe others; of a task of a graph over the columns `task.function` and `task.gold`.
    both : BothMoments, optional
        Of the task's functions on all items, where the patterns are a sample.
    """
    explaining: LabelModel = model
    if isinstance(model, TaskView):
        counted, explaining = patterns_of_task(model, patterns), model.by_itself()
        own = select(counted, [model.lf_names_[c] for c in model.own])
        meeting = replace(own, lf_names=explaining.lf_names_)
    else:
        counted = meeting = select(patterns, model.lf_names_)
    pairs = moments.of_patterns(meeting) if both is None else moments.select(both.pairs, explaining.lf_names_)
    try:
        functions = what_each_adds(model, counted)
    except NothingToFit:
        functions = None
    return Overview(functions, pair_table(pairs, explaining), pairs.n_items)
