"""EM over the whole pattern table, after a fit from a sample of it.

A step is one pass over the table: workers make the E-step and add up expectations as integers, the driver
makes the M-step with the code of the fit in memory. What reaches the driver has the size of the model.
"""

from copy import copy
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np

from sparkws.errors import IncompatibleStatistics, NothingToFit
from sparkws.kernels import ReduceKernel
from sparkws.labelmodels.balance import choose_balance
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.em import log_prior, m_step, make_problem
from sparkws.labelmodels.estimate import has_converged
from sparkws.labelmodels.expectations import ExpectationsKernel, Sums
from sparkws.labelmodels.tables import soft_cells
from sparkws.stats.counters import Counters

S = TypeVar("S")


class Carry(Protocol):
    """Carries a kernel over the pattern table of all items."""

    def __call__(self, kernel: ReduceKernel[S], /) -> S:
        """The kernel's statistic."""
        ...


def polish(model: DawidSkene, counters: Counters, carry: Carry, n_steps: int) -> DawidSkene:
    """A model that was fitted from a sample, brought closer to the fit from all items.

    Its `n_polish_` tells the steps, and `converged_` whether the last one gained less than `tol` a vote.

    Parameters
    ----------
    model : DawidSkene
        Fitted on a sample; not changed. What it resolved "auto" to is kept.
    counters : Counters
        Of all items.
    carry : callable
        Gives a kernel's statistic of all items.
    n_steps : int
        The most steps, at least 1. There is one pass more than steps, which tells the likelihood of the
        result, and one for the volume of voting where the balance is estimated.

    Raises
    ------
    NothingToFit
        If the model was not fitted.
    IncompatibleStatistics
        If the table does not hold the items that were counted.
    """
    if model.cpt_ is None:
        raise NothingToFit("the model has no tables yet; call fit before polishing it.")
    chosen = [counters.lf_names.index(name) for name in model.lf_names_]
    k = model.cardinality
    votes = counters.votes[chosen, : model.grids_.n_outcomes(k)]
    use_abstain = model.abstain_ == "outcome"
    kernel = ExpectationsKernel(
        lf_names=counters.lf_names,
        taking_part=model.lf_names_,
        cardinality=k,
        n_items=counters.n_items,
        cpt=model.cpt_,
        class_balance=model.class_balance_,
        use_abstain=use_abstain,
        clamp_gold=model.clamp_gold,
        grids=counters.grids,
    )
    spoken = np.full(k, 1 / k)
    if model.class_balance == "estimate":
        majority = replace(kernel, cpt=None, clamp_gold=False)
        spoken = majority.expected(_carried(carry, majority)).voted + 1 / k
        spoken /= spoken.sum()
    balance, source = choose_balance(
        model.class_balance,
        counters.votes_for[chosen],
        spoken,
        np.arange(k, dtype=np.int8),
        counters.gold_items,
        use_abstain=use_abstain,
    )
    problem = make_problem(
        votes,
        counters.n_items,
        balance,
        spoken,
        use_abstain=use_abstain,
        smoothing=model.smoothing,
        prior_accuracy=model.prior_accuracy,
        one_coin=model.one_coin,
        soft=soft_cells(model.lf_names_, model.grids_),
    )
    sums = _carried(carry, kernel)
    objective: list[float] = []
    converged = False
    while len(objective) < n_steps and not converged:
        cpt, p = m_step(problem, kernel.expected(sums))
        kernel = replace(kernel, cpt=cpt, class_balance=p)
        sums = _carried(carry, kernel)
        objective.append(kernel.log_likelihood(sums) + log_prior(problem, cpt, p))
        converged = has_converged(objective, model.tol * problem.n_votes)
    polished = copy(model)
    polished.cpt_, polished.class_balance_, polished.balance_source_ = kernel.cpt, kernel.class_balance, source
    polished.log_likelihood_, polished.objective_ = kernel.log_likelihood(sums), tuple(objective)
    polished.converged_ = converged
    polished.n_polish_ = len(objective)
    return polished


def _carried(carry: Carry, kernel: ExpectationsKernel) -> Sums:
    sums = carry(kernel)
    if sums.n_items != kernel.n_items:
        raise IncompatibleStatistics(
            f"the pattern table holds {sums.n_items:,} items, {kernel.n_items:,} were counted; count the votes again."
        )
    return sums
