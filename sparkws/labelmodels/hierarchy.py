"""Several tasks at once: what a vote for one task says of the others.

A task graph lists the label vectors that can be true, one class for each task. A function votes on one
or more tasks, so its vote is a *set* of feasible vectors: those that agree with it on every task on which it
did not abstain (section "Multi-task label model" of MeTaL, Ratner and others, AAAI 2019). Which sets occur is
known, and how often a function casts each of them given the true vector is a table, estimated by EM as in
Dawid and Skene's model. The posterior of a task is the sum over the vectors.

A table for each vector would have far more numbers than votes can tell. A vote for a task depends on the
true vector through the class that it has for that task only, so tables are shared by the vectors that have
the same class: P(vote on task | class of the task).
"""

from collections.abc import Collection, Sequence
from typing import Final, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_amounts, check_max_iter
from sparkws.errors import NothingToFit
from sparkws.feasible import TaskGraph
from sparkws.labelmodels.balance import MOSTLY_SINGLE_CLASS
from sparkws.labelmodels.estimate import has_converged
from sparkws.labelmodels.labelvectors import (
    VectorParameters,
    VectorRows,
    check_rows,
    check_tasks_of,
    hold,
    log_balance,
    log_factors,
    vector_scores,
)
from sparkws.labelmodels.posterior import FLOOR, normalize, one_hot
from sparkws.labelmodels.tables import PRIOR_ACCURACY, accurate_table, precise_table
from sparkws.vocab import ABSTAIN

Column = tuple[str, str]
BalanceSource = Literal["votes", "volume"]
V = TypeVar("V")


class Hierarchical:
    """The label vectors of items, from votes on several tasks.

    Abstaining is missing: it says nothing. A function need not vote on every task. What a column that votes
    a single class is worth cannot be learned where abstaining is missing. Where most votes are of such columns,
    neither can the balance of the vectors, and EM would let the rare ones die out: then the balance is the volume of
    voting, and a vote of a single class is right with the precision that `PrecisionVote` gives it. Elsewhere such a
    column keeps the accuracy of the pseudo-votes.

    Parameters
    ----------
    graph : TaskGraph
    columns : sequence of (str, str)
        Task and function of each column of the votes.
    smoothing : float
        Pseudo-votes of accuracy .7 added to each column and class.
    max_iter, tol : int, float
        EM stops when the objective gains less than `tol` a vote.

    Attributes
    ----------
    cpts_ : tuple of (k_t, k_t) float64 arrays
        For each column P(vote | class of its task), given that it votes; of a column of a single class only the
        ratios within a row tell something.
    seen_ : tuple of (k_t,) bool arrays
        For each column which votes it cast: of the others a table holds pseudo-votes only.
    balance_ : (f,) float64 array
        P(label vector), in the order of `graph.feasible`.
    balance_source_ : {"votes", "volume"}
        Whether EM estimated it, or it is the volume of voting.
    log_likelihood_, objective_, n_iter_, converged_
        How the fit ended.
    """

    kind: Final = "hierarchical"

    def __init__(
        self,
        graph: TaskGraph,
        columns: Sequence[Column],
        *,
        smoothing: float = 10.0,
        max_iter: int = 1000,
        tol: float = 1e-7,
    ) -> None:
        check_amounts({"smoothing": smoothing, "tol": tol})
        check_max_iter(max_iter)
        check_tasks_of(columns, graph)
        self.graph = graph
        self.columns = tuple(columns)
        self.smoothing = smoothing
        self.max_iter = max_iter
        self.tol = tol
        self.cpts_: tuple[NDArray[np.float64], ...] = ()
        self.balance_ = np.full(len(graph.feasible), 1 / len(graph.feasible))
        self.seen_: tuple[NDArray[np.bool_], ...] = ()
        self.balance_source_: BalanceSource = "votes"
        self.log_likelihood_: float | None = None
        self.objective_: tuple[float, ...] = ()
        self.n_iter_ = 0
        self.converged_ = False

    def fit(
        self,
        L: NDArray[np.int8],
        counts: NDArray[np.int64] | None = None,
        known: NDArray[np.int8] | None = None,
        *,
        start: "Hierarchical | None" = None,
    ) -> Self:
        """Estimate the tables from distinct rows of votes.

        Parameters
        ----------
        L : (u, c) int8 array
            The vote of each column: a class of its task, or -1.
        counts : (u,) int64 array, optional
            Items of each row, 1 by default.
        known : (u, t) int8 array, optional
            The known class of each task, which is held; -1 where unknown.
        start : Hierarchical, optional
            Fitted, with these columns and maybe others: what it had resolved stays, which columns vote a single
            class and where the balance comes from. EM begins with its tables, unless that is the volume of voting.

        Raises
        ------
        InvalidLabelMatrix
            If a vote is no class of its task.
        InvalidGold
            If a known class is none of its task, or those of a row cannot be true together.
        IncompatibleStatistics
            If `counts` are not those of the rows.
        NothingToFit
            If no row has a vote.
        """
        rows = self._rows(L, counts, known)
        seen = self._seen(L) if start is None else tuple(self._of(start, start.seen_))
        fixed = frozenset(c for c, votes in enumerate(seen) if votes.sum() <= 1)
        self.balance_source_ = self._balance_source(rows, L, fixed) if start is None else start.balance_source_
        begun = self._begin(rows, fixed, start)
        found, likelihood, objective, self.converged_ = self._climb(rows, begun, fixed)
        self.cpts_, self.balance_, self.seen_ = found.tables, found.balance, seen
        self.log_likelihood_, self.objective_, self.n_iter_ = likelihood, objective, len(objective)
        return self

    def _rows(
        self, L: NDArray[np.int8], counts: NDArray[np.int64] | None, known: NDArray[np.int8] | None
    ) -> VectorRows:
        check_rows(L, counts, known, self.columns, self.graph)
        weights = np.ones(len(L)) if counts is None else counts.astype(np.float64)
        n_votes = float(weights @ (L != ABSTAIN).sum(axis=1))
        if not n_votes:
            raise NothingToFit(f"none of the {len(L):,} rows has a vote on any task; check that the functions fire.")
        held = np.zeros((1, len(self.balance_))) if known is None else hold(known, self.graph)
        voted = (L != ABSTAIN).any(axis=1) | (held < 0).any(axis=1)
        return VectorRows(one_hot(L, max(self._sizes)), held, weights, voted, n_votes)

    def _seen(self, L: NDArray[np.int8]) -> tuple[NDArray[np.bool_], ...]:
        """Which votes each column casts."""
        return tuple(np.isin(np.arange(k), votes) for k, votes in zip(self._sizes, L.T, strict=True))

    def _of(self, other: "Hierarchical", values: Sequence[V]) -> list[V]:
        """The values that another model has for these columns."""
        return [values[other.columns.index(column)] for column in self.columns]

    def _balance_source(self, rows: VectorRows, L: NDArray[np.int8], fixed: Collection[int]) -> BalanceSource:
        single = float(rows.weights @ (L[:, sorted(fixed)] != ABSTAIN).sum(axis=1)) / rows.n_votes
        return "volume" if single >= MOSTLY_SINGLE_CLASS else "votes"

    def _begin(self, rows: VectorRows, fixed: Collection[int], start: "Hierarchical | None") -> VectorParameters:
        """Where EM starts, and what it leaves as it is: the tables of columns of one class, a balance by volume."""
        f = len(self.balance_)
        if start is not None and self.balance_source_ == "votes":
            return VectorParameters(tuple(self._of(start, start.cpts_)), start.balance_)
        # From votes that are right with the accuracy of the pseudo-votes, all vectors being as probable.
        tables = tuple(accurate_table(PRIOR_ACCURACY, k).T for k in self._sizes)
        begun = VectorParameters(tables, np.full(f, 1 / f))
        if self.balance_source_ == "votes":
            return begun
        q, _ = self._expect(rows, begun)
        balance = self._shares(rows.weights[:, None] * q, rows.voted)
        precise = tuple(
            precise_table(self._balance(balance, task)) if c in fixed else table
            for c, ((task, _), table) in enumerate(zip(self.columns, tables, strict=True))
        )
        return VectorParameters(precise, balance)

    def _climb(
        self, rows: VectorRows, found: VectorParameters, fixed: Collection[int]
    ) -> tuple[VectorParameters, float, tuple[float, ...], bool]:
        """The parameters when EM ends, the log-likelihood, the objective of each step and whether it converged."""
        priors = [self.smoothing * accurate_table(PRIOR_ACCURACY, k).T for k in self._sizes]
        objective: list[float] = []
        converged, likelihood = False, 0.0
        q, _ = self._expect(rows, found)
        while len(objective) < self.max_iter and not converged:
            expected = rows.weights[:, None] * q
            learned = self._tables(np.asarray(rows.cast.T @ expected), priors)
            tables = tuple(table if c in fixed else learned[c] for c, table in enumerate(found.tables))
            balance = self._shares(expected, rows.voted) if self.balance_source_ == "votes" else found.balance
            found = VectorParameters(tables, balance)
            q, log_sum = self._expect(rows, found)
            likelihood = float(rows.weights[rows.voted] @ log_sum[rows.voted])
            objective.append(likelihood + self._of_pseudo_votes(found, priors))
            converged = has_converged(objective, self.tol * rows.n_votes)
        return found, likelihood, tuple(objective), converged

    def _expect(self, rows: VectorRows, at: VectorParameters) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """P(vector | votes, known classes), `(u, f)`, and the logarithm of the probability of each row, `(u,)`."""
        return normalize(vector_scores(rows.cast, self._factors(at.tables), at.balance) + rows.held)

    def _of_pseudo_votes(self, at: VectorParameters, priors: Sequence[NDArray[np.float64]]) -> float:
        """Their log-likelihood."""
        of_tables = sum(float((p * np.log(np.maximum(t, FLOOR))).sum()) for p, t in zip(priors, at.tables, strict=True))
        return of_tables + self.smoothing / len(at.balance) * float(log_balance(at.balance).sum())

    def posterior_vectors(self, L: NDArray[np.int8], known: NDArray[np.int8] | None = None) -> NDArray[np.float64]:
        """P(label vector | votes, known classes), `(n, f)`; NaN in the rows without a vote.

        Parameters
        ----------
        L : (n, c) int8 array
        known : (n, t) int8 array, optional
            The known class of each task, -1 where unknown.

        Raises
        ------
        NothingToFit
            If the model was not fitted.
        InvalidLabelMatrix
            If a vote is no class of its task.
        InvalidGold
            If the known classes of a row cannot be true together.
        """
        if not self.cpts_:
            raise NothingToFit("this Hierarchical has no tables yet; call fit first.")
        check_rows(L, None, known, self.columns, self.graph)
        scores = vector_scores(one_hot(L, max(self._sizes)), self.factors_, self.balance_)
        probs = normalize(scores if known is None else scores + hold(known, self.graph))[0]
        probs[(L == ABSTAIN).all(axis=1)] = np.nan
        return probs

    def posterior(self, L: NDArray[np.int8], known: NDArray[np.int8] | None = None) -> dict[str, NDArray[np.float64]]:
        """P(class | votes, known classes) of each task, `(n, k_t)`; NaN in the rows without a vote on any task.

        A task on which nobody voted is told by what the votes say of the others. What `posterior_vectors` refuses
        is refused here.
        """
        probs = self.posterior_vectors(L, known)
        return {
            task: np.stack([probs[:, self.graph.feasible[:, t] == y].sum(axis=1) for y in range(len(names))], axis=1)
            for t, (task, names) in enumerate(self.graph.classes.items())
        }

    def balance_of(self, task: str) -> NDArray[np.float64]:
        """P(class) of a task, `(k_t,)`."""
        return self._balance(self.balance_, task)

    def _balance(self, of_vectors: NDArray[np.float64], task: str) -> NDArray[np.float64]:
        shares = np.bincount(self.graph.classes_of(task), weights=of_vectors, minlength=len(self.graph.classes[task]))
        return np.asarray(shares, np.float64)

    def _shares(self, expected: NDArray[np.float64], voted: NDArray[np.bool_]) -> NDArray[np.float64]:
        """P(label vector) from expected items of each, `(u, f)`, and the pseudo-votes."""
        mass = expected[voted].sum(axis=0) + self.smoothing / expected.shape[1]
        return np.asarray(mass / mass.sum(), np.float64)

    @property
    def _sizes(self) -> list[int]:
        """The classes of each column's task."""
        return [len(self.graph.classes[task]) for task, _ in self.columns]

    @property
    def factors_(self) -> NDArray[np.float64]:
        """The logarithm of P(vote | label vector) of each column, `(c, k, f)`."""
        return self._factors(self.cpts_)

    def _factors(self, tables: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        return log_factors(tables, np.stack([self._of_vectors(c) for c in range(len(self.columns))]))

    def _of_vectors(self, column: int) -> NDArray[np.int8]:
        """The class that each feasible vector has for the column's task, `(f,)`."""
        return self.graph.classes_of(self.columns[column][0])

    def _tables(
        self, expected: NDArray[np.float64], priors: Sequence[NDArray[np.float64]]
    ) -> list[NDArray[np.float64]]:
        """P(vote | class) of each column, `(k_t, k_t)`, from expected items of each vote and vector `(c * k, f)`."""
        tables = []
        for c, (of_vote, prior) in enumerate(zip(np.split(expected, len(priors)), priors, strict=True)):
            k = len(prior)
            # (f, k) which class a vector has, so (k, f) @ (f, k): expected items of each vote and class
            counted = of_vote[:k] @ (self._of_vectors(c)[:, None] == np.arange(k)).astype(np.float64) + prior
            tables.append(counted / np.maximum(counted.sum(axis=0), np.finfo(float).tiny))
        return tables
