"""A run of EM to its end, and the choice of what abstaining means, for any model of the family."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_amounts, check_max_iter
from sparkws.errors import ConfigError
from sparkws.grids import NO_GRIDS, Grids, classes_voted
from sparkws.labelmodels.balance import single_class_share
from sparkws.labelmodels.em import Problem, Rows, count_votes, e_step, expect, log_prior, m_step
from sparkws.labelmodels.majority import MOST_AGAINST_ALL, contradictions
from sparkws.labelmodels.posterior import predict, vote_shares

Abstain = Literal["auto", "outcome", "missing"]

SOME_SINGLE_CLASS: Final = 0.1  # a crowd has a worker who happened to answer one class only
# Where functions are independent, a right fit contradicts (almost) no unanimous votes, and 5 % of majority
# votes at most: in simulations 0 % and 4.2 %. Where they are not, EM finds what they share instead of the
# class: 0.6 % to 37 % of the unanimous votes and 5 % to 36 % of majority votes, on public sets and simulated.
_MOST_AGAINST_MAJORITY: Final = 0.1


@dataclass(frozen=True, eq=False)
class Estimate:
    """What one run of EM found."""

    cpt: NDArray[np.float64]
    class_balance: NDArray[np.float64]
    balance_source: str
    use_abstain: bool
    log_likelihood: float
    objective: tuple[float, ...]
    converged: bool


def climb(
    rows: Rows, problem: Problem, q: NDArray[np.float64], source: str, *, max_iter: int, least_gain: float
) -> Estimate:
    """Iterate from soft labels `(u, k)` until an iteration gains no more than `least_gain`."""
    objective: list[float] = []
    converged = False
    while len(objective) < max_iter and not converged:
        cpt, p = m_step(problem, expect(rows, q))
        q, log_sum = e_step(rows, cpt, p, use_abstain=problem.use_abstain)
        log_likelihood = float(rows.counts @ log_sum)
        objective.append(log_likelihood + log_prior(problem, cpt, p))
        converged = has_converged(objective, least_gain)
    return Estimate(cpt, p, source, problem.use_abstain, log_likelihood, tuple(objective), converged)


def choose_abstain(
    L: NDArray[np.int8],
    counts: NDArray[np.int64],
    cardinality: int,
    run: Callable[[bool], Estimate],
    label: Callable[[Estimate], NDArray[np.float64]],
    groups: Sequence[Sequence[int]] = (),
    grids: Grids = NO_GRIDS,
    lf_names: Sequence[str] = (),
) -> Estimate:
    """The estimate with abstaining as an outcome where it can be believed, else as missing.

    Parameters
    ----------
    L : (u, m) int8 array in {-1, 0..k-1}
    counts : (u,) int64 array
        Items of each row.
    cardinality : int
        The number of classes k.
    run : callable
        Estimates, told whether abstaining is an outcome.
    label : callable
        The posterior `(u, k)` of the rows under an estimate.
    groups : sequence of sequences of int
        Functions that are taken for dependent.
    grids, lf_names : Grids, sequence of str
        Of the functions, where some vote with a probability.
    """
    voted_for = classes_voted(L, grids.classes(lf_names, cardinality))
    if may_tell(count_votes(voted_for, counts, cardinality)):
        found = run(True)
        preds = predict(label(found))
        says = grids.says(lf_names, cardinality)
        against_majority, against_all = contradictions(L, counts, preds, cardinality, groups, says)
        if against_majority <= _MOST_AGAINST_MAJORITY and against_all <= MOST_AGAINST_ALL:
            return found
    return run(False)


def may_tell(votes: NDArray[np.int64]) -> bool:
    """Whether abstaining may tell something, by the votes `(m, k)`: some functions are made for a single class."""
    return single_class_share(votes) >= SOME_SINGLE_CLASS


def check_options(abstain: str, smoothing: float, max_iter: int, tol: float) -> None:
    """Refuse options that no fit has.

    Raises
    ------
    ConfigError
        With the option.
    """
    check_abstain(abstain)
    check_amounts({"smoothing": smoothing, "tol": tol})
    check_max_iter(max_iter)


def check_abstain(abstain: str, allowed: Sequence[str] = ("auto", "outcome", "missing")) -> None:
    """Refuse what abstaining cannot mean to a model.

    Raises
    ------
    ConfigError
        With the option.
    """
    if abstain not in allowed:
        raise ConfigError(f"abstain must be {', '.join(map(repr, allowed[:-1]))} or {allowed[-1]!r}, got {abstain!r}.")


def has_converged(objective: Sequence[float], least_gain: float) -> bool:
    """Whether the last iteration gained no more than `least_gain`."""
    return len(objective) > 1 and objective[-1] - objective[-2] <= least_gain


def majority_shares(
    L: NDArray[np.int8], cardinality: int, says: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Majority vote's soft labels, `(n, k)`; uniform in the rows without a vote. `says` as of `vote_shares`."""
    shares = vote_shares(L, cardinality, says)
    return np.where(np.isnan(shares), 1 / cardinality, shares)
