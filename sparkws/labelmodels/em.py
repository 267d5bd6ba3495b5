"""One iteration of EM for functions that are independent given the class, as plain functions of arrays.

The E-step is a function of pattern rows, the M-step one of what their soft labels add up to. So the same
code fits patterns in memory and, with sums made by workers, a table of them.

A function votes one of k classes. A variable made of several functions, and a function that votes with a
probability, has more outcomes than classes: its tables are `(m, s + 1, k)` with s of them, and everything else
stays the same. The module is longer than 300 lines because the sums of the E-step are read by the M-step in
the order in which they are made.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from sparkws.errors import IncompatibleStatistics, NothingToFit
from sparkws.labelmodels.balance import FEW_SINGLE_CLASS, single_class_share
from sparkws.labelmodels.posterior import FLOOR, log_table, normalize, one_hot
from sparkws.labelmodels.tables import (
    PRIOR_ACCURACY,
    Soft,
    accurate_table,
    cell_table,
    fixed_precision,
    precision_tables,
)
from sparkws.stats.packing import key_columns
from sparkws.stats.patterns import Patterns
from sparkws.vocab import ABSTAIN

# Of the pseudo-votes of a cell, those that it has however seldom it is voted. Were it all of them, cells that are
# hardly voted would draw the class balance toward the middle of the grid.
_RARE: Final = 0.1


@dataclass(frozen=True, eq=False)
class Rows:
    """Patterns as EM reads them.

    Attributes
    ----------
    votes : (u, m * k) sparse matrix of ones
    counts : (u,) float64 array
        Items of each pattern; in sums of at most 2^53 items exact.
    gold : (u,) int8 array
        The class to hold, -1 where none.
    """

    votes: "sparse.csr_array[Any, tuple[int, int]]"
    counts: NDArray[np.float64]
    gold: NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Expected:
    """What the soft labels of all items add up to: all that a step of EM needs to know of them.

    Attributes
    ----------
    votes : (m * k, k) float64 array
        Expected items of each class that got each vote.
    mass : (k,) float64 array
        Expected items of each class.
    voted : (k,) float64 array
        The same of the items that have a vote or a class that is held.
    """

    votes: NDArray[np.float64]
    mass: NDArray[np.float64]
    voted: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Problem:
    """What stays the same over the iterations, whatever the number of patterns.

    Attributes
    ----------
    prior : (m, k + 1, k) float64 array
        Pseudo-votes, abstain row first.
    fixed : (m, k + 1, k) float64 array
        The tables of functions that are not estimated, NaN elsewhere.
    coverage : (m,) float64 array
    balance : (k,) float64 array or None
        None if it is estimated.
    smoothing : float
        Pseudo-items of an estimated balance.
    use_abstain : bool
    n_votes : float
        The votes of all items.
    one_coin : bool
        A function is right equally often in all classes, and wrong in any way alike.
    """

    prior: NDArray[np.float64]
    fixed: NDArray[np.float64]
    coverage: NDArray[np.float64]
    balance: NDArray[np.float64] | None
    smoothing: float
    use_abstain: bool
    n_votes: float
    one_coin: bool = False


def make_rows(
    L: NDArray[np.integer[Any]], counts: NDArray[np.int64], gold: NDArray[np.int8] | None, cardinality: int
) -> Rows:
    """Patterns `(u, m)` with their items `(u,)` and the classes to hold `(u,)`, None for none."""
    held = np.full(len(L), ABSTAIN, np.int8) if gold is None else gold
    return Rows(one_hot(L, cardinality), counts.astype(np.float64), held)


def e_step(
    rows: Rows, cpt: NDArray[np.float64], class_balance: NDArray[np.float64], *, use_abstain: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Soft labels `(u, k)` under the tables, and the log-likelihood of one item of each pattern `(u,)`.

    A row depends on its own pattern only, bit for bit.
    """
    k = len(class_balance)
    factors = log_table(cpt, use_abstain=use_abstain)
    # Start every pattern from all functions abstaining, and exchange the factors of those that voted.
    none_voted = np.log(np.maximum(class_balance, FLOOR)) + factors[:, 0].sum(axis=0)
    change = (factors[:, 1:] - factors[:, :1]).reshape(-1, k)
    scores = none_voted + rows.votes @ change
    q, log_sum = normalize(scores)
    known = np.flatnonzero(rows.gold != ABSTAIN)
    log_sum[known] = scores[known, rows.gold[known]]
    return clamp(q, rows.gold), log_sum


def expect(rows: Rows, q: NDArray[np.float64]) -> Expected:
    """The sums of the soft labels `(u, k)` over all items."""
    return Expected(*add_up(rows, rows.counts[:, None] * q))


def add_up(rows: Rows, expected: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Votes `(m * k, k)`, mass `(k,)` and mass of the rows that tell something `(k,)`, in the type of `expected`."""
    silent = np.flatnonzero((rows.votes.indptr[1:] == rows.votes.indptr[:-1]) & (rows.gold == ABSTAIN))
    mass, unspoken = (np.array([column.sum() for column in part.T]) for part in (expected, expected[silent]))
    # (m * k, u) @ (u, k) -> (m * k, k)
    ones = rows.votes.astype(expected.dtype, copy=False)
    return ones.T @ expected, mass, mass - unspoken


def m_step(problem: Problem, expected: Expected) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tables `(m, k + 1, k)` and balance `(k,)` that fit the expectations best."""
    m, outcomes, k = problem.prior.shape
    votes = expected.votes.reshape(m, outcomes - 1, k)  # m functions, as many votes as they have, k classes
    if problem.use_abstain:
        # Rounding may leave a function that never abstains a little below none.
        abstained = np.maximum(expected.mass - votes.sum(axis=1, keepdims=True), 0.0)
        table = np.concatenate([abstained, votes], axis=1) + problem.prior
        cpt = table / np.maximum(table.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    else:
        table = votes + problem.prior[:, 1:]
        if problem.one_coin:
            table = _one_coin(table)
        given_voted = table / np.maximum(table.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        silent = np.broadcast_to((1 - problem.coverage)[:, None, None], (m, 1, k))
        cpt = np.concatenate([silent, problem.coverage[:, None, None] * given_voted], axis=1)
    cpt = np.where(np.isnan(problem.fixed), cpt, problem.fixed)
    if problem.balance is not None:
        return cpt, problem.balance
    # Where abstaining is missing, items without votes and without a known class say nothing about the balance.
    mass = expected.mass if problem.use_abstain else expected.voted
    return cpt, (mass + problem.smoothing / k) / (mass.sum() + problem.smoothing)


def _one_coin(votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(vote | class) `(m, k, k)` of functions that were right on the same share of every class."""
    k = votes.shape[2]
    right = np.trace(votes, axis1=1, axis2=2)
    share = right / np.maximum(votes.sum(axis=(1, 2)), np.finfo(float).tiny)
    return np.stack([accurate_table(accuracy, k) for accuracy in share.tolist()])


def make_problem(
    votes: NDArray[np.int64],
    n_items: int,
    balance: NDArray[np.float64] | None,
    volume: NDArray[np.float64],
    *,
    use_abstain: bool,
    smoothing: float,
    prior_accuracy: float = PRIOR_ACCURACY,
    one_coin: bool = False,
    soft: Soft | None = None,
) -> Problem:
    """The parts of a fit that stay the same.

    Parameters
    ----------
    votes : (m, s) int64 array
        How often each function cast each vote: one of the k classes, or a cell of its grid.
    n_items : int
        Items, those without votes included.
    balance : (k,) float64 array or None
        P(class); None if it is estimated.
    volume : (k,) float64 array
        The volume of voting, which stands for the balance in the pseudo-votes while it is estimated.
    use_abstain : bool
        Whether abstaining is an outcome.
    smoothing : float
        Pseudo-votes of each function and class.
    prior_accuracy : float
        Of the pseudo-votes.
    one_coin : bool
        See `Problem`; abstaining must be missing.
    soft : mapping of int to (c, k) float64 array, optional
        The cells of functions that vote with a probability. There are `smoothing` pseudo-votes for each cell,
        spread over the cells as these are voted and over the classes as they declare. A tenth more for every
        cell makes one that is hardly voted say what it declares.
    """
    m, s = votes.shape
    k = len(volume)
    coverage = votes.sum(axis=1) / n_items
    pi = volume if balance is None else balance
    fixed = np.full((m, s + 1, k), np.nan)
    accurate = accurate_table(prior_accuracy, k)
    if use_abstain:
        # (k, k) precision -> (m, k, k): the votes a function casts, spread over the classes as π does
        prior = (votes[:, :k] / n_items)[:, :, None] * (accurate / pi)[None]
        prior *= np.minimum(1, 0.99 / np.maximum(prior.sum(axis=1, keepdims=True), FLOOR))
        prior = np.concatenate([1 - prior.sum(axis=1, keepdims=True), prior], axis=1)
    else:
        prior = np.concatenate([np.zeros((m, 1, k)), np.repeat(accurate[None], m, axis=0)], axis=1)
        single = np.flatnonzero((votes > 0).sum(axis=1) == 1)
        if single_class_share(votes) < FEW_SINGLE_CLASS:
            single = single[:0]  # who always answers the same says nothing
        fixed[single, : k + 1] = precision_tables(
            np.repeat(fixed_precision(pi)[None], len(single), axis=0), votes[single, :k], n_items, pi
        )
    if soft:
        prior = np.concatenate([prior, np.zeros((m, s - k, k))], axis=1)
        for j, cells in soft.items():
            often = votes[j, : len(cells)] / max(votes[j].sum(), 1)
            prior[j] = 0.0
            prior[j, 1 : len(cells) + 1] = (len(cells) * often + _RARE)[:, None] * cells
            if use_abstain:
                # As often as it abstains, so that pseudo-votes do not make it vote more often.
                prior[j, 0] = prior[j, 1:].sum(axis=0) * (1 - coverage[j]) / max(coverage[j], 1 / n_items)
            is_single = not use_abstain and np.count_nonzero(votes[j]) == 1
            fixed[j] = cell_table(cells, votes[j], n_items, pi) if is_single else np.nan
    return Problem(
        prior=smoothing * prior,
        fixed=fixed,
        coverage=coverage,
        balance=balance,
        smoothing=smoothing,
        use_abstain=use_abstain,
        n_votes=float(votes.sum()),
        one_coin=one_coin,
    )


def log_prior(problem: Problem, cpt: NDArray[np.float64], class_balance: NDArray[np.float64]) -> float:
    """The part of the objective that the pseudo-votes and pseudo-items make."""
    table = cpt
    if not problem.use_abstain:
        table = cpt / np.maximum(problem.coverage, FLOOR)[:, None, None]
    free = np.isnan(problem.fixed) & (problem.prior > 0) & (table > 0)
    total = float((problem.prior[free] * np.log(table[free])).sum())
    if problem.balance is None:
        total += problem.smoothing / len(class_balance) * float(np.log(np.maximum(class_balance, FLOOR)).sum())
    return total


def count_votes(L: NDArray[np.int8], counts: NDArray[np.int64], cardinality: int) -> NDArray[np.int64]:
    """Votes of each function for each class, `(m, k)`."""
    return np.stack([counts @ np.equal(L, label) for label in range(cardinality)], axis=1)


def clamp(q: NDArray[np.float64], gold: NDArray[np.int8]) -> NDArray[np.float64]:
    """Posteriors `(u, k)` that are certain in the rows with a known class `(u,)`, -1 where unknown."""
    known = np.flatnonzero(gold != ABSTAIN)
    if not len(known):
        return q
    held = q.copy()
    held[known] = np.eye(q.shape[1])[gold[known]]
    return held


def check_counted(patterns: Patterns, what: str) -> None:
    """Refuse anything but pattern counts; `what` is made from them, as "a label model is fitted".

    Raises
    ------
    IncompatibleStatistics
        With what came instead.
    """
    if not isinstance(patterns, Patterns):
        raise IncompatibleStatistics(
            f"{what} from pattern counts, got {type(patterns).__name__}; count a label matrix first: "
            "sparkws.patterns_of_matrix(L, lf_names, cardinality)."
        )


def check_fittable(patterns: Patterns, cardinality: int) -> None:
    """Refuse counts that no model can be fitted from.

    Raises
    ------
    IncompatibleStatistics
        If they are of another number of classes, or a count is negative.
    NothingToFit
        If no item has a vote.
    """
    check_counted(patterns, "a label model is fitted")
    if patterns.cardinality != cardinality:
        raise IncompatibleStatistics(
            f"the patterns have {patterns.cardinality} classes, the label model {cardinality}; make them equal."
        )
    if (patterns.counts < 0).any():
        raise IncompatibleStatistics(
            "the patterns hold negative counts: a part of a statistic, not a whole; load the whole."
        )
    # Digits of abstentions are zero, so an item without a vote has zero in every key.
    keys = key_columns(patterns.lf_names, patterns.n_outcomes)
    if not patterns.rows.select(pl.any_horizontal(pl.col(keys) != 0).any()).item():
        raise NothingToFit(
            f"none of the {patterns.n_items:,} items has a vote; check that the labeling functions fire."
        )
