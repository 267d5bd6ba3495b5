"""Why an item has its label: what each vote adds to the log-odds; and what each function adds to a set.

The terms are those that the posterior is a sum of: the logarithm of the prior, and of the factor of each
vote. Only differences between classes matter, so every term is centered: its mean over the classes is zero.
Their sum is the logarithm of the posterior, centered.

Functions of a group cast one vote together, which is one term. It is told as the group's, and shared among
the members that voted in the proportion of what each would add by itself; where these cancel out, equally.
Members whose own vote would point elsewhere get a share with the opposite sign: together they make the term.

Of a task of a graph the terms are exact, too: one for each vote on the task, one for all votes on other tasks, which
speak of its class through the vectors that can be true. Of these each is told by what leaving it out changes: that
is exact one by one, but two that say the same add less together than both, so that their sum is not the term.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.checks import check_label_matrix
from sparkws.errors import NothingToFit
from sparkws.labelmodels.differences import check_same_functions
from sparkws.labelmodels.em import check_counted
from sparkws.labelmodels.groupscores import group_terms
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.posterior import FLOOR, log_table, normalize, predict
from sparkws.labelmodels.superlf import SuperLF
from sparkws.labelmodels.tables import TableModel
from sparkws.labelmodels.taskview import TaskView, class_terms
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.stats.patterns import Patterns, collapse, unpack
from sparkws.vocab import ABSTAIN

_CANCELS: Final = 1e-6
_BLOCK: Final = 1 << 22  # numbers of the terms of one block of patterns


@dataclass(frozen=True, eq=False, kw_only=True)
class Contributions:
    """The terms of the log-posterior of n items, each centered over the classes.

    Attributes
    ----------
    lf_names : tuple of str
        The m functions.
    groups : tuple of tuples of int
        Functions that have one term together, others by themselves.
    prior : (k,) float64 array
        The term of the class balance.
    of_groups : (n, g, k) float64 array
        The term of each group.
    of_lfs : (n, m, k) float64 array
        The same, shared among the members; zeros where `without` tells of a function instead.
    without : (n, m, k) float64 array
        Of votes on other tasks of a graph, and of their known classes, which have no shares: by how much the total
        changes if one is left out, exact one by one, but no sum. Zeros for all others.
    total : (n, k) float64 array
        The prior and the terms: the centered logarithm of the posterior.
    """

    lf_names: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    prior: NDArray[np.float64]
    of_groups: NDArray[np.float64]
    of_lfs: NDArray[np.float64]
    without: NDArray[np.float64]
    total: NDArray[np.float64]

    @property
    def amounts(self) -> NDArray[np.float64]:
        """What is told of each function, `(n, m, k)`: its share, or what leaving it out changes."""
        return np.asarray(self.of_lfs + self.without, np.float64)

    def log_odds(self, label: int, against: int) -> NDArray[np.float64]:
        """The same in log P(label) - log P(against), `(n, m)`."""
        amounts = self.amounts
        return np.asarray(amounts[:, :, label] - amounts[:, :, against], np.float64)


def contributions(model: LabelModel, L: NDArray[np.int8]) -> Contributions:
    """What the votes of each item add to its label.

    Parameters
    ----------
    model : label model
        Fitted; any whose posterior is a product of its tables, `SuperLF`, `WeightedVote`, and a task of a graph
        (`TaskView`). If it is calibrated, the terms are those of the corrected posterior.
    L : (n, m) int8 array in {-1, 0..k-1}
        Of a task of a graph, votes on all tasks.

    Raises
    ------
    NothingToFit
        If no vote has a term, as in majority vote.
    """
    if isinstance(model, TaskView):
        return _of_task(model, L)
    if not isinstance(model, WeightedVote) and model.cpt_ is None:
        raise NothingToFit(f"a {model.kind} model has no tables, so no vote has a term; fit one that has.")
    check_label_matrix(L, model.lf_names_, model.cardinality, model.grids_)
    if isinstance(model, WeightedVote):
        says = model.grids_.says(model.lf_names_, model.cardinality)
        says = np.repeat(np.eye(model.cardinality)[None], L.shape[1], axis=0) if says is None else says
        # (m, s + 1, k): nothing for an abstention, then the weight times what each vote says
        factors = np.pad(says * model.weights_[:, None, None], ((0, 0), (1, 0), (0, 0)))
        of_groups = of_lfs = _centered(_looked_up(factors, L))
        groups = _alone(L)
    else:
        assert isinstance(model, TableModel)
        groups, of_groups, of_lfs = _of_tables(model, L)
    prior = _centered(np.log(np.maximum(model.class_balance_, FLOOR)))
    total = prior + of_groups.sum(axis=1)
    prior, of_groups, of_lfs, total = (term / model.temperature_ for term in (prior, of_groups, of_lfs, total))
    return Contributions(
        lf_names=model.lf_names_,
        groups=groups,
        prior=prior,
        of_groups=of_groups,
        of_lfs=of_lfs,
        without=np.broadcast_to(0.0, of_lfs.shape),
        total=total,
    )


def what_each_adds(model: LabelModel, patterns: Patterns) -> pl.DataFrame:
    """A row for each function: what its votes add to the labels, the tables being as they are.

    Nothing is fitted again; `trust.leave_one_out` tells what fits without each function say.

    Parameters
    ----------
    model : label model
        Fitted on these functions; see `contributions`.
    patterns : Patterns
        Of a task of a graph those of `taskview.patterns_of_task`.

    Returns
    -------
    DataFrame
        `lf`; `items_voted`; `items_only`, which no other function votes on; `items_decided`, whose most
        probable class is another, or tied, without its share; `log_odds`, between the class that its share
        speaks for most and the one that it speaks against most, mean over the items that it votes on, NULL for a
        function that never votes; `accuracy_gain`, by how much its share raises the accuracy on items with known
        classes that others vote on too, NULL where there are none.

        Of a task of a graph the functions that vote on the task itself stand first, by their names; then those that
        vote on other tasks, called `task.function`, whose share is what leaving out their votes changes. Known
        classes of other tasks are no functions and have no row.

    Raises
    ------
    IncompatibleStatistics
        If the patterns are none, or not of the functions of the model in its order.
    NothingToFit
        As `contributions`.
    """
    check_counted(patterns, "what each function adds is told")
    check_same_functions("patterns", patterns.lf_names, model)
    flat = collapse(patterns)
    m = len(flat.lf_names)
    # per function: voted, only, decided, log-odds, known, right with it, right without it
    sums = np.zeros((7, m))
    step = max(1, _BLOCK // (m * model.cardinality))
    L, counts, gold = unpack(flat), flat.counts, flat.gold
    for start in range(0, len(L), step):
        rows = slice(start, start + step)
        votes, n = L[rows], counts[rows].astype(np.float64)
        terms = contributions(model, votes)
        preds = predict(normalize(terms.total)[0])
        voted = votes != ABSTAIN
        only = voted & (voted.sum(axis=1) == 1)[:, None]
        amounts = terms.amounts
        apart = amounts.max(axis=2) - amounts.min(axis=2)
        sums[0] += n @ voted
        sums[1] += n @ only
        sums[3] += n @ (apart * voted)
        for j in range(m):
            chosen = np.flatnonzero(voted[:, j] & ~only[:, j])
            without = predict(normalize(terms.total[chosen] - amounts[chosen, j])[0])
            sums[2, j] += n[chosen] @ (without != preds[chosen])
            known = gold[rows][chosen]
            counted = n[chosen] * (known != ABSTAIN)
            sums[4:, j] += [counted.sum(), counted @ (preds[chosen] == known), counted @ (without == known)]
    n_known = np.where(sums[4] > 0, sums[4], np.nan)
    found = pl.DataFrame(
        {
            "lf": pl.Series(flat.lf_names, dtype=pl.String),
            "items_voted": sums[0].astype(np.int64),
            "items_only": sums[1].astype(np.int64),
            "items_decided": sums[2].astype(np.int64),
            "log_odds": pl.Series(sums[3] / np.where(sums[0] > 0, sums[0], np.nan)).fill_nan(None),
            "accuracy_gain": pl.Series((sums[5] - sums[6]) / n_known).fill_nan(None),
        }
    )
    if not isinstance(model, TaskView):
        return found
    functions = [c for c in (*model.own, *model.beside) if c < len(model.model.columns)]  # known classes are none
    return found[functions].with_columns(pl.Series("lf", [model.name_of(flat.lf_names[c]) for c in functions]))


def _of_tables(
    model: TableModel, L: NDArray[np.int8]
) -> tuple[tuple[tuple[int, ...], ...], NDArray[np.float64], NDArray[np.float64]]:
    """The functions of each term, the terms `(n, g, k)` and the shares of the functions `(n, m, k)`."""
    cpt, use_abstain = model.cpt_, model.abstain_is_outcome_
    assert cpt is not None
    alone = _centered(_looked_up(log_table(cpt, use_abstain=use_abstain), L))
    if not isinstance(model, SuperLF) or model.recoding_ is None or model.tables_ is None:
        return _alone(L), alone, alone
    groups, terms = group_terms(L, model.recoding_, model.tables_, cpt, use_abstain=use_abstain)
    of_groups = _centered(terms)
    return groups, of_groups, _shared(of_groups, groups, alone, L, use_abstain=use_abstain)


def _of_task(model: TaskView, L: NDArray[np.int8]) -> Contributions:
    model.check(L)
    terms = class_terms(model, L)
    groups: tuple[tuple[int, ...], ...] = tuple((j,) for j in model.own)
    of_groups, of_lfs = terms.own, np.zeros((len(L), len(model.lf_names_), model.cardinality))
    without = np.zeros_like(of_lfs)
    of_lfs[:, model.own], without[:, model.beside] = terms.own, terms.without
    if model.beside:
        groups = (*groups, model.beside)
        of_groups = np.concatenate([of_groups, terms.beside[:, None]], axis=1)
    prior, of_groups = _centered(terms.prior), _centered(of_groups)
    return Contributions(
        lf_names=model.lf_names_,
        groups=groups,
        prior=prior,
        of_groups=of_groups,
        of_lfs=_centered(of_lfs),
        without=_centered(without),
        total=prior + of_groups.sum(axis=1),
    )


def _alone(L: NDArray[np.int8]) -> tuple[tuple[int, ...], ...]:
    """Each function by itself."""
    return tuple((j,) for j in range(L.shape[1]))


def _looked_up(factors: NDArray[np.float64], L: NDArray[np.int8]) -> NDArray[np.float64]:
    """The factor of each vote, `(n, m, k)`."""
    return np.asarray(factors[np.arange(L.shape[1]), L + 1], np.float64)


def _centered(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(terms - terms.mean(axis=-1, keepdims=True), np.float64)


def _shared(
    of_groups: NDArray[np.float64],
    groups: Sequence[Sequence[int]],
    alone: NDArray[np.float64],
    L: NDArray[np.int8],
    *,
    use_abstain: bool,
) -> NDArray[np.float64]:
    """The terms of groups `(n, g, k)` as shares of the functions `(n, m, k)`, which sum to them."""
    shares = np.empty_like(alone)
    for at, group in enumerate(groups):
        members = list(group)
        term = of_groups[:, at, None]
        if len(members) == 1:
            shares[:, members] = term
            continue
        voted = np.ones((len(L), len(members)), np.bool_) if use_abstain else L[:, members] != ABSTAIN
        equally = (voted / np.maximum(voted.sum(axis=1, keepdims=True), 1))[:, :, None]
        own = alone[:, members]
        total = own.sum(axis=1, keepdims=True)
        clear = np.abs(total) > _CANCELS
        shares[:, members] = term * np.where(clear, own / np.where(clear, total, 1.0), equally)
    return shares
