"""Triplets as they were published, for comparison: Fu and others (2020), "Fast and three-rious".

Votes are +1 and -1, 0 for an abstention. With e_i = E[λ_i Y], E[λ_i λ_j] = e_i e_j wherever functions are
independent given the class and right equally often in both classes; where they are not, the accuracies are
biased, with functions of one class badly. `Triplet` needs neither and is the one to use.
"""

from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_switches, first_few
from sparkws.errors import ConfigError, NothingToFit
from sparkws.grids import refuse_soft
from sparkws.labelmodels.balance import ClassBalance
from sparkws.labelmodels.covariances import check_moments
from sparkws.labelmodels.tables import TableModel
from sparkws.labelmodels.thirds import moment_balance
from sparkws.labelmodels.triplet import FEWEST
from sparkws.stats.moments import Moments
from sparkws.stats.triples import Triples


class PublishedTriplet(TableModel):
    """The published triplet method for two classes, class 1 as +1.

    Parameters
    ----------
    cardinality : int
        Must be 2.
    class_balance : sequence of 2 floats, "estimate", "tensor", "uniform" or "dev"
    aggregate : {"median", "mean", "single"}
        Over the triples of a function: all of them, or only that with the first two other functions.
    prior_twice : bool
        Multiply the prior into the posterior twice, as the published code does; the formula has it once.

    Attributes
    ----------
    cpt_, class_balance_
        See `Triplet`. `class_balance_` is the prior of the posterior: squared if `prior_twice`.
    """

    kind: Final = "published_triplet"
    fits: Final = "moments"

    def __init__(
        self,
        cardinality: int,
        *,
        class_balance: ClassBalance = "uniform",
        aggregate: Literal["median", "mean", "single"] = "median",
        prior_twice: bool = True,
    ) -> None:
        super().__init__(cardinality)
        if cardinality != 2:
            raise ConfigError(f"the published triplets are for two classes, got {cardinality}; use DawidSkene.")
        if aggregate not in ("median", "mean", "single"):
            raise ConfigError(f"aggregate must be 'median', 'mean' or 'single', got {aggregate!r}.")
        check_switches({"prior_twice": prior_twice})
        self.class_balance = class_balance
        self.aggregate = aggregate
        self.prior_twice = prior_twice

    def fit(
        self, moments: Moments, *, triples: Triples | None = None, gold_items: NDArray[np.int64] | None = None
    ) -> Self:
        """Estimate the tables from products of votes; see `Triplet.fit`.

        Raises
        ------
        NothingToFit
            If there are fewer than three functions.
        IncompatibleStatistics
            If classes differ.
        """
        check_moments(moments, self.cardinality)
        refuse_soft(moments.grids, self.kind)
        if len(moments.lf_names) < FEWEST:
            raise NothingToFit(
                f"triplets need at least {FEWEST} labeling functions, got {len(moments.lf_names)}: "
                f"{first_few(moments.lf_names)}. Use MajorityVote, or add one."
            )
        balance, self.balance_source_ = moment_balance(self.class_balance, moments, triples, gold_items)
        self.cpt_ = published_tables(moments, published_accuracies(moments, self.aggregate), balance)
        self.lf_names_, self.temperature_ = moments.lf_names, 1.0
        squared = balance**2 / (balance**2).sum()
        self.class_balance_ = squared if self.prior_twice else balance
        self.abstain_, self.converged_ = "outcome", True
        return self


def published_accuracies(moments: Moments, aggregate: Literal["median", "mean", "single"]) -> NDArray[np.float64]:
    """E[λ_i Y] of each function, `(m,)`, all taken for positive."""
    m = len(moments.lf_names)
    sign = np.where(moments.label_of == 1, 1.0, -1.0)
    belongs = np.equal(np.arange(m)[:, None], moments.lf_of) * sign  # (m, c)
    product = belongs @ (moments.gram / moments.n_items) @ belongs.T
    found = np.empty(m)
    for i in range(m):
        others = np.delete(np.arange(m), i)
        if aggregate == "single":
            others = others[:2]
        j, l = (others[side] for side in np.triu_indices(len(others), 1))
        between = product[j, l]
        ratio = np.divide(product[i, j] * product[i, l], between, out=np.zeros(len(j)), where=between != 0)
        size = np.sqrt(np.abs(ratio))
        found[i] = size.mean() if aggregate == "mean" else np.median(size)
    return found


def published_tables(
    moments: Moments, accuracies: NDArray[np.float64], class_balance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Tables `(m, 3, 2)` for abstentions that do not depend on the class; negative numbers become positive."""
    negative, positive = (moments.votes / moments.n_items).T
    silent = 1 - negative - positive
    right = (1 + accuracies - silent) / 2
    pi = class_balance[1]
    joint = np.empty((len(silent), 3, 2))  # P(vote, class): abstained, -1, +1 by class -1, +1
    joint[:, 0] = silent[:, None] * class_balance
    joint[:, 2, 1] = (right + pi * (1 - silent) - negative) / 2
    joint[:, 1, 0] = (right - pi * (1 - silent) + negative) / 2
    joint[:, 2, 0] = positive - joint[:, 2, 1]
    joint[:, 1, 1] = negative - joint[:, 1, 0]
    joint = np.abs(joint)
    return np.asarray(joint / joint.sum(axis=1, keepdims=True), np.float64)
