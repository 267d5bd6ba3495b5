"""Fits from a sample of the items, and the error that the sample brings.

Patterns are collected on the driver, so their number is capped. Above the cap the fit reads the rows
of level >= l: the items whose key hash starts with l zero bits, a sample of 2^-l of them that is the
same in every run and stays one under merging and subtracting.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.errors import NothingToFit
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.stats.patterns import Patterns, at_level, collapse
from sparkws.vocab import MAX_LEVEL, N_ITEMS

MAX_PATTERNS: Final = 1 << 18
N_GROUPS: Final = 10


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
    model: DawidSkene, patterns: Patterns, level: int, rng: np.random.Generator, n_groups: int = N_GROUPS
) -> StandardErrors:
    """The standard errors that sampling brings to a fitted model: delete-a-group jackknife.

    The sampled items are split at random into groups of equal chance; the model is fitted again without
    each group, from where it stands. With G groups the variance is (G - 1) / G times the sum of squared
    deviations of the refits (Kott 2001, Journal of Official Statistics 17), times 1 - 2^-level, because
    the sample is drawn without replacement from the very items that a full fit would read.

    Parameters
    ----------
    model : DawidSkene
        Fitted on `patterns`; not changed.
    patterns : Patterns
        The sample, its counts not negative.
    level : int
        The sample is 2^-level of the items; at level 0 every error is zero.
    rng : numpy Generator
    n_groups : int

    Raises
    ------
    NothingToFit
        If the model has no tables, or a group would leave nothing to fit.
    """
    if model.cpt_ is None:
        raise NothingToFit("the model has no tables yet; call fit before asking for their standard errors.")
    if level == 0:
        return StandardErrors(0, np.zeros_like(model.cpt_), np.zeros_like(model.class_balance_))
    flat = collapse(patterns)
    # (u,) items -> (u, n_groups): every item falls into a group by itself
    groups = rng.multinomial(flat.counts, np.full(n_groups, 1 / n_groups))
    tables, balances = [], []
    for taken in groups.T:
        rest = flat.rows.with_columns(pl.Series(N_ITEMS, flat.counts - taken)).filter(pl.col(N_ITEMS) > 0)
        # A shallow copy has the options; fit replaces every fitted attribute of it.
        refit = copy(model).fit(replace(flat, rows=rest), start=model)
        assert refit.cpt_ is not None
        tables.append(refit.cpt_)
        balances.append(refit.class_balance_)
    scale = np.sqrt((n_groups - 1) / n_groups * (1 - 2.0**-level))
    return StandardErrors(level, scale * _spread(tables), scale * _spread(balances))


def _spread(refits: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The root of the sum of squared deviations from the mean."""
    stacked = np.stack(refits)
    return np.asarray(np.sqrt(((stacked - stacked.mean(axis=0)) ** 2).sum(axis=0)), np.float64)
