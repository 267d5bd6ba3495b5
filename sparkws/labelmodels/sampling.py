"""Fits from a sample of the items, and the error that the sample brings.

Patterns are collected on the driver, so their number is capped. Above the cap the fit reads the rows
of level >= l: the items whose key hash starts with l zero bits, a sample of 2^-l of them that is the
same in every run and stays one under merging and subtracting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sparkws.errors import NothingToFit
from sparkws.labelmodels.dawidskene import DawidSkene, see
from sparkws.labelmodels.estimate import Estimate
from sparkws.stats.patterns import Patterns, at_level, collapse
from sparkws.vocab import ABSTAIN, MAX_LEVEL

MAX_PATTERNS: Final = 1 << 18
N_GROUPS: Final = 10
# A refit without a group gains a fraction of a unit of log-likelihood for each parameter. The tolerance of
# a fit grows with its votes and would stop it on its way, and errors would look smaller than they are.
REFIT_GAIN: Final = 1e-5


@dataclass(frozen=True, eq=False)
class StandardErrors:
    """The error of a fit from a sample, against a fit from all items.

    Attributes
    ----------
    level : int
        The sample is 2^-level of the items.
    cpt : (m, k + 1, k) float64 array
        One standard error of each cell of the table.
    class_balance : (k,) float64 array
    """

    level: int
    cpt: NDArray[np.float64]
    class_balance: NDArray[np.float64]

    @property
    def largest(self) -> float:
        """The largest of all."""
        return float(max(self.cpt.max(), self.class_balance.max()))


def sample_level(rows_per_level: Sequence[int], cap: int = MAX_PATTERNS) -> int:
    """The smallest level whose sample has at most `cap` pattern rows; the last level if none has.

    Parameters
    ----------
    rows_per_level : sequence of int
        The pattern rows of exactly level 0, 1, ..., `MAX_LEVEL`; levels left out at the end have none.
    cap : int

    Examples
    --------
    >>> sample_level([500, 250, 125], cap=400)
    1
    """
    # rows of level >= l, for each l: sums from the end
    within = np.cumsum(np.asarray(rows_per_level, np.int64)[::-1])[::-1]
    fitting = np.flatnonzero(within <= cap)
    return int(fitting[0]) if len(fitting) else min(len(within), MAX_LEVEL)


def level_to_read(rows_per_level: Sequence[int], n_gold: int, cap: int = MAX_PATTERNS) -> int:
    """The level whose rows are read to find the largest sample of at most `cap` distinct patterns.

    A pattern has a row for each level and each known class with which it was seen. So a level that has
    more than `cap` rows for each of the classes and none has too many patterns by itself. And never are
    more rows read than `cap` patterns seen on every level would have.

    Parameters
    ----------
    rows_per_level : sequence of int
        The pattern rows of exactly level 0, 1, ..., `MAX_LEVEL`.
    n_gold : int
        The classes that are known of some items.
    cap : int

    Examples
    --------
    >>> level_to_read([500, 250, 125], n_gold=0, cap=300)
    1
    """
    crowded = np.flatnonzero(np.asarray(rows_per_level) > cap * (n_gold + 1))
    behind = int(crowded[-1]) + 1 if len(crowded) else 0
    return min(MAX_LEVEL, max(behind, sample_level(rows_per_level, (MAX_LEVEL + 1) * cap)))


def cap_patterns(patterns: Patterns, level: int, cap: int = MAX_PATTERNS) -> tuple[Patterns, int]:
    """The largest sample that has at most `cap` distinct patterns, and its level.

    Parameters
    ----------
    patterns : Patterns
        The rows of `level` or more.
    """
    while collapse(patterns, keep_gold=False).rows.height > cap and level < MAX_LEVEL:
        level += 1
        patterns = at_level(patterns, level)
    return patterns, level


def standard_error(
    model: DawidSkene, patterns: Patterns, level: int, rng: np.random.Generator, *, n_groups: int = N_GROUPS
) -> StandardErrors:
    """The standard errors that sampling brings to a fitted model; see `standard_errors`."""
    return standard_errors(model, patterns, level, rng, 0, n_groups=n_groups)[0]


def standard_errors(
    model: DawidSkene,
    patterns: Patterns,
    level: int,
    rng: np.random.Generator,
    n_steps: int,
    *,
    n_groups: int = N_GROUPS,
) -> tuple[StandardErrors, StandardErrors]:
    """The standard errors that sampling brings to a fitted model, and those left after steps over all items.

    The first are a delete-a-group jackknife: the sampled items are split at random into groups of equal
    chance; the model is fitted again without each group, from where it stands. With G groups the variance
    is (G - 1) / G times the sum of squared deviations of the refits (Kott 2001, Journal of Official
    Statistics 17), times 1 - 2^-level, because the sample is drawn without replacement from the very items
    that a full fit would read. Ten groups make Student's t with nine degrees of freedom: two errors
    cover the full fit in 92 % of the cases, 2.26 errors in 95 %.

    Steps of EM over all items bring a model closer to the full fit, by a map that is linear near it and
    that EM over the sample has nearly too: what is left of the errors is what as many steps over the
    sample leave of the deviations of the refits.

    Parameters
    ----------
    model : DawidSkene
        Fitted on `patterns`; not changed.
    patterns : Patterns
        The sample, its counts not negative.
    level : int
        The sample is 2^-level of the items; at level 0 every error is zero.
    rng : numpy Generator
    n_steps : int
        The steps of EM over all items that followed the fit.
    n_groups : int

    Raises
    ------
    NothingToFit
        If the model has no tables, or a group would leave nothing to fit.
    """
    if model.cpt_ is None:
        raise NothingToFit("the model has no tables yet; call fit before asking for their standard errors.")
    if level == 0:
        none = StandardErrors(0, np.zeros_like(model.cpt_), np.zeros_like(model.class_balance_))
        return none, none
    seen = see(patterns, clamp_gold=model.clamp_gold)
    use_abstain = model.abstain_ == "outcome"
    # (u,) items -> (u, n_groups): every item falls into a group by itself
    groups = rng.multinomial(seen.counts, np.full(n_groups, 1 / n_groups))
    voted = (seen.L != ABSTAIN).any(axis=1)
    refits, advanced = [], []
    for number, taken in enumerate(groups.T):
        rest = seen.counting(seen.counts - taken)
        if not rest.counts[voted].any():
            raise NothingToFit(
                f"group {number} of {n_groups} holds all sampled items with votes, so the error of the sample cannot "
                "be told; it needs more items."
            )
        start = model.cpt_, model.class_balance_
        refit = model.estimate(rest, start, use_abstain=use_abstain, max_iter=model.max_iter, least_gain=REFIT_GAIN)
        refits.append(refit)
        if n_steps:
            start = refit.cpt, refit.class_balance
            refit = model.estimate(seen, start, use_abstain=use_abstain, max_iter=n_steps, least_gain=-np.inf)
        advanced.append(refit)
    scale = float(np.sqrt((n_groups - 1) / n_groups * (1 - 2.0**-level)))
    return _errors(level, scale, refits), _errors(level, scale, advanced)


def _errors(level: int, scale: float, refits: Sequence[Estimate]) -> StandardErrors:
    tables, balances = [refit.cpt for refit in refits], [refit.class_balance for refit in refits]
    return StandardErrors(level, scale * _spread(tables), scale * _spread(balances))


def _spread(refits: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The root of the sum of squared deviations from the mean."""
    stacked = np.stack(refits)
    return np.asarray(np.sqrt(((stacked - stacked.mean(axis=0)) ** 2).sum(axis=0)), np.float64)
