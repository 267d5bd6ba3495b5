"""Scores of label vectors, the classes of several tasks at once, from votes on any of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sparkws.checks import check_integers, first_few
from sparkws.errors import ConfigError, IncompatibleStatistics, InvalidGold, InvalidLabelMatrix
from sparkws.feasible import TaskGraph
from sparkws.labelmodels.posterior import FLOOR
from sparkws.vocab import ABSTAIN


@dataclass(frozen=True, eq=False)
class VectorRows:
    """Distinct rows of votes, as EM reads them.

    Attributes
    ----------
    cast : (u, c * k) sparse array
        The votes as ones: a product with it adds up over those of a row.
    held : (u, f) or (1, f) float64 array
        0 for the vectors that agree with what is known, else minus infinity.
    weights : (u,) float64 array
        The items of each row.
    voted : (u,) bool array
        Whether a row has a vote or a known class.
    n_votes : float
        Of all items.
    """

    cast: "sparse.csr_array[Any, tuple[int, int]]"
    held: NDArray[np.float64]
    weights: NDArray[np.float64]
    voted: NDArray[np.bool_]
    n_votes: float


@dataclass(frozen=True, eq=False)
class VectorParameters:
    """P(vote | class) of each column, and P(vector), `(f,)`."""

    tables: tuple[NDArray[np.float64], ...]
    balance: NDArray[np.float64]


def check_tasks_of(columns: Sequence[tuple[str, str]], graph: TaskGraph) -> None:
    """Refuse columns of (task, function) that are none, or there twice, or of no task.

    Raises
    ------
    ConfigError
        With the first of no task, or with the columns.
    """
    for task, lf in columns:
        if task not in graph.tasks:
            raise ConfigError(f"{lf!r} votes on {task!r}, which is no task; the tasks are {list(graph.tasks)}.")
    if not columns or len(set(columns)) < len(columns):
        raise ConfigError(
            f"columns must be one task and function or more, none of them twice, got {first_few(columns, 12)}."
        )


def check_rows(
    L: NDArray[np.int8],
    counts: NDArray[np.int64] | None,
    known: NDArray[np.int8] | None,
    columns: Sequence[tuple[str, str]],
    graph: TaskGraph,
) -> None:
    """Refuse rows of votes, their items and known classes as `check_votes_on`, `check_counts` and `check_known` do."""
    check_votes_on(L, columns, graph)
    if counts is not None:
        check_counts(counts, len(L))
    if known is not None:
        check_known(known, len(L), graph)


def check_votes_on(L: NDArray[np.int8], columns: Sequence[tuple[str, str]], graph: TaskGraph) -> None:
    """Refuse all but an array `(n, c)` of votes: a class of the task of each column of (task, function), or -1.

    Raises
    ------
    InvalidLabelMatrix
        With the first that is none.
    """
    check_integers(L)
    if L.ndim != 2 or L.shape[1] != len(columns):
        raise InvalidLabelMatrix(f"L has shape {L.shape}, expected (n, {len(columns)}): {first_few(columns)}.")
    for (task, lf), votes in zip(columns, L.T, strict=True):
        outside = _outside(votes, graph, task)
        if len(outside):
            raise InvalidLabelMatrix(f"{lf!r} voted {outside[0]} on task {task!r}, {_expected(graph, task)}.")


def check_known(known: NDArray[np.int8], n: int, graph: TaskGraph) -> None:
    """Refuse all but an array `(n, t)` of known classes: one of each task, or -1.

    Raises
    ------
    InvalidGold
        With its shape, or the first that is none.
    """
    if not isinstance(known, np.ndarray) or known.shape != (n, len(graph.tasks)):
        raise InvalidGold(
            f"known has shape {np.shape(known)}, expected the array ({n}, {len(graph.tasks)}), a class or -1 of each "
            f"task: {first_few(graph.tasks, 12)}."
        )
    for task, classes in zip(graph.tasks, known.T, strict=True):
        outside = _outside(classes, graph, task)
        if len(outside):
            raise InvalidGold(f"known has {outside[0]} for task {task!r}, {_expected(graph, task)}.")


def check_counts(counts: NDArray[np.int64], n: int) -> None:
    """Refuse all but the items of each of n rows.

    Raises
    ------
    IncompatibleStatistics
        With their shape, or the first that is negative.
    """
    if not isinstance(counts, np.ndarray) or counts.shape != (n,):
        raise IncompatibleStatistics(
            f"counts has shape {np.shape(counts)}, expected the array ({n},), the items of each row of L."
        )
    negative = counts[~(counts >= 0)]
    if len(negative):
        raise IncompatibleStatistics(f"counts has {negative[0]}, expected the items of each row of L, none below 0.")


def _outside(classes: NDArray[np.int8], graph: TaskGraph, task: str) -> NDArray[np.int8]:
    return classes[~((classes >= ABSTAIN) & (classes < len(graph.classes[task])))]


def _expected(graph: TaskGraph, task: str) -> str:
    return f"expected -1..{len(graph.classes[task]) - 1}: {first_few(graph.classes[task])}"


def log_factors(tables: Sequence[NDArray[np.float64]], classes: NDArray[np.int8]) -> NDArray[np.float64]:
    """The logarithm of P(vote | label vector) of each column, `(c, k, f)`; zeros where a task has fewer classes.

    Parameters
    ----------
    tables : sequence of (k_t, k_t) float64 arrays
        P(vote | class of its task) of each column.
    classes : (c, f) int8 array
        The class that each vector has for the column's task.
    """
    factors = np.zeros((len(tables), max(map(len, tables), default=1), classes.shape[1]))
    for c, table in enumerate(tables):
        factors[c, : len(table)] = np.log(np.maximum(table, FLOOR))[:, classes[c]]
    return factors


def vector_scores(
    cast: "sparse.csr_array[Any, tuple[int, int]]", factors: NDArray[np.float64], balance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The logarithms of P(vector) Π P(vote | vector), `(n, f)`.

    Parameters
    ----------
    cast : (n, c * k) sparse array
        The votes as ones, see `posterior.one_hot`: abstentions have no entry.
    factors : (c, k, f) float64 array
    balance : (f,) float64 array
    """
    summed: NDArray[np.float64] = cast @ factors.reshape(-1, len(balance))
    return log_balance(balance) + summed


def log_balance(balance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of P(vector), `(f,)`."""
    return np.asarray(np.log(np.maximum(balance, FLOOR)), np.float64)


def hold(known: NDArray[np.int8], graph: TaskGraph) -> NDArray[np.float64]:
    """0 for the vectors that agree with the known classes of a row, else minus infinity, `(u, f)`.

    Parameters
    ----------
    known : (u, t) int8 array
        The known class of each task, -1 where unknown.
    graph : TaskGraph

    Raises
    ------
    InvalidGold
        If the known classes of a row cannot be true together.
    """
    possible = np.ones((len(known), len(graph.feasible)), np.bool_)
    for classes, of_task in zip(known.T, graph.feasible.T, strict=True):
        possible &= (classes == ABSTAIN)[:, None] | (classes[:, None] == of_task)
    impossible = np.flatnonzero(~possible.any(axis=1))
    if len(impossible):
        first = zip(graph.classes.items(), known[impossible[0]].tolist(), strict=True)
        told = {task: names[y] for (task, names), y in first if y != ABSTAIN}
        raise InvalidGold(
            f"{len(impossible):,} rows have known classes that the task graph does not let be true together, first "
            f"{told}; mend the gold, or the graph."
        )
    return np.where(possible, 0.0, -np.inf)


def most_log_odds(n_columns: int, n_vectors: int) -> float:
    """The most log-odds between two classes that votes and the prior can give.

    The logarithm of each vote and of each vector lies within that of `FLOOR` and 0.

    Parameters
    ----------
    n_columns, n_vectors : int
    """
    return float(np.log(n_vectors) - (n_columns + 1) * np.log(FLOOR))


def ruled_out(n_columns: int, n_vectors: int) -> float:
    """The logarithm that stands for nothing where terms are subtracted, as those of minus infinity cannot be.

    Whatever the votes are, and whichever is left out, a class that is ruled out stays more than `most_log_odds` below
    one that is not: one of them would be needed for a prior that is as low as `FLOOR`, another for the votes.
    """
    return -3 * most_log_odds(n_columns, n_vectors)


def log_sums(
    scores: NDArray[np.float64], classes: NDArray[np.int8], cardinality: int, nothing: float
) -> NDArray[np.float64]:
    """The logarithm of the sum over the vectors of each class of one task, `(n, k)`.

    Parameters
    ----------
    scores : (n, f) float64 array
        Logarithms.
    classes : (f,) int8 array
        The class of each vector.
    cardinality : int
        The number of classes k.
    nothing : float
        What stands for a class of no vector, see `ruled_out`.
    """
    order = np.argsort(classes, kind="stable")
    present, first = np.unique(classes[order], return_index=True)
    sums = np.full((len(scores), cardinality), nothing)
    # (n, f) in the order of classes -> (n, classes that there are)
    sums[:, present] = np.logaddexp.reduceat(scores[:, order], first, axis=1)
    return sums
