"""Votes of groups of functions as single votes: what lets dependent functions be counted once.

The votes of a group together are one outcome of one variable: three functions that vote 1, 1, -1 have cast
the vote `(1, 1, -1)`. Only outcomes that were seen have a code. Given the class, the variables are
independent where the functions are not.

Where abstaining is *missing*, only who voted can be known of an item, not why. Then each set of voters of a
group is a variable of its own, seen on the items on which exactly they voted: P(votes | who voted, class).
Members of a single class have nothing to estimate there; of those that vote one class, any number of votes
counts as one, unless they are few: then they are people who answer always the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import first_few
from sparkws.errors import ConfigError
from sparkws.labelmodels.balance import FEW_SINGLE_CLASS, single_class_share
from sparkws.labelmodels.em import Problem, make_problem
from sparkws.labelmodels.tables import Soft
from sparkws.vocab import ABSTAIN

_KEY_BITS: Final = 62


@dataclass(frozen=True, eq=False)
class Block:
    """Functions whose votes together are the outcomes of one or more variables.

    Attributes
    ----------
    columns : (g,) int64 array
        The functions.
    tuples : (t, g) int8 array in {-1, 0..k-1}
        The votes that were seen together, none of them all abstentions; sorted by `_keys`. Empty if `pooled`.
    variable, outcome : (t,) int64 arrays
        What each tuple is: which of the block's variables, counted from 0, and which outcome of it.
    pooled : int or None
        The class that all of them vote: the one variable has the one outcome that any of them did.
    """

    columns: NDArray[np.int64]
    tuples: NDArray[np.int8]
    variable: NDArray[np.int64]
    outcome: NDArray[np.int64]
    pooled: int | None = None

    @property
    def n_variables(self) -> int:
        """The variables of the block."""
        return 1 if self.pooled is not None else int(self.variable.max()) + 1

    @property
    def n_outcomes(self) -> int:
        """The most outcomes that one of them has."""
        return self.pooled + 1 if self.pooled is not None else int(self.outcome.max()) + 1


@dataclass(frozen=True, eq=False)
class Recoding:
    """From votes `(n, m)` to the outcomes of variables.

    Attributes
    ----------
    cardinality : int
        The most votes that a function can cast: the classes, or the cells of a grid.
    singles : (s,) int64 array
        Functions that are a variable each, the first ones, with the classes as outcomes.
    blocks : tuple of Block
        The variables after those, in this order.
    """

    cardinality: int
    singles: NDArray[np.int64]
    blocks: tuple[Block, ...]

    @cached_property
    def first(self) -> tuple[int, ...]:
        """The first variable of each block, and the number of variables."""
        sizes = [len(self.singles), *(block.n_variables for block in self.blocks)]
        return tuple(int(end) for end in np.cumsum(sizes))

    @property
    def columns(self) -> tuple[tuple[int, ...], ...]:
        """The functions that each variable is made of."""
        of_blocks = [tuple(block.columns.tolist()) for block in self.blocks for _ in range(block.n_variables)]
        return (*((j,) for j in self.singles.tolist()), *of_blocks)

    @property
    def n_variables(self) -> int:
        """The number of variables."""
        return self.first[-1]

    @property
    def n_outcomes(self) -> int:
        """The most outcomes that a variable has."""
        return max([self.cardinality, *(block.n_outcomes for block in self.blocks)])

    def apply(self, L: NDArray[np.int8]) -> tuple[NDArray[np.int32], Mapping[int, NDArray[np.int64]]]:
        """The outcome of each variable `(n, n_variables)`, -1 where there is none, and what could not be coded.

        The mapping tells for a block the rows with votes that were not seen together when it was made; its
        variables are -1 there.
        """
        V = np.full((len(L), self.n_variables), ABSTAIN, np.int32)
        V[:, : len(self.singles)] = L[:, self.singles]
        unseen = {}
        for number, (block, first) in enumerate(zip(self.blocks, self.first, strict=False)):
            votes = L[:, block.columns]
            voted = np.flatnonzero((votes != ABSTAIN).any(axis=1))
            if block.pooled is not None:
                V[voted, first] = block.pooled
                continue
            known, keys = _keys(block.tuples, self.cardinality), _keys(votes[voted], self.cardinality)
            place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            found = known[place] == keys
            V[voted[found], first + block.variable[place[found]]] = block.outcome[place[found]]
            if not found.all():
                unseen[number] = voted[~found]
        return V, unseen


def make_recoding(
    L: NDArray[np.int8],
    groups: Sequence[Sequence[int]],
    votes: NDArray[np.int64],
    *,
    use_abstain: bool,
) -> Recoding:
    """The variables of groups, with the outcomes that occur.

    Parameters
    ----------
    L : (u, m) int8 array in {-1, 0..k-1}
    groups : sequence of sequences of int
        Functions that depend on each other; those in no group are by themselves.
    votes : (m, s) int64 array
        How often each function cast each vote.
    use_abstain : bool
        Whether abstaining is an outcome.

    Raises
    ------
    ConfigError
        If a group has more combinations of votes than 62 bits can number.
    """
    m, k = votes.shape
    n_classes = (votes > 0).sum(axis=1)
    singles = set(range(m)) - {j for group in groups for j in group}
    blocks = []
    for group in groups:
        parts = [list(group)]
        if not use_abstain and single_class_share(votes) >= FEW_SINGLE_CLASS:
            by_class = [[j for j in group if n_classes[j] == 1 and votes[j, label]] for label in range(k)]
            parts = [[j for j in group if n_classes[j] > 1]]
            blocks += [_pooled(part, label) for label, part in enumerate(by_class) if len(part) > 1]
            singles |= {part[0] for part in by_class if len(part) == 1} | {j for j in group if not n_classes[j]}
        for part in parts:
            block = _block(L, part, k, use_abstain=use_abstain) if len(part) > 1 else None
            if block is None:
                singles |= set(part)
            else:
                blocks.append(block)
    return Recoding(k, np.array(sorted(singles), np.int64), tuple(blocks))


def recode_problem(
    recoding: Recoding,
    V: NDArray[np.int32],
    counts: NDArray[np.int64],
    votes: NDArray[np.int64],
    balance: NDArray[np.float64] | None,
    volume: NDArray[np.float64],
    *,
    use_abstain: bool,
    smoothing: float,
    soft: Soft | None = None,
) -> Problem:
    """The parts of a fit that stay the same, for the variables; those of the functions for functions by themselves.

    The pseudo-votes of a group are distributed as if its members were independent.

    Parameters
    ----------
    V : (u, n_variables) int32 array
    counts : (u,) int64 array
    votes : (m, k) int64 array
    balance, volume, use_abstain, smoothing, soft
        As of `em.make_problem`; soft functions are by themselves.
    """
    m, n_votes = votes.shape
    k = len(volume)
    n_items = int(counts.sum())
    pooled = [
        (at, block) for block, at in zip(recoding.blocks, recoding.first, strict=False) if block.pooled is not None
    ]
    # Below the functions, a row of votes for each pooled block: a voter of one class.
    together = [(counts @ (V[:, at] != ABSTAIN)) * (votes[block.columns].sum(axis=0) > 0) for at, block in pooled]
    known = make_problem(
        np.vstack([votes, *together]).astype(np.int64),
        n_items,
        balance,
        volume,
        use_abstain=use_abstain,
        smoothing=1.0,
        soft=soft,
    )
    prior = np.zeros((recoding.n_variables, recoding.n_outcomes + 1, k))
    fixed = np.full_like(prior, np.nan)
    rows = [*recoding.singles.tolist(), *range(m, m + len(pooled))]
    where = [*range(len(recoding.singles)), *(at for at, _ in pooled)]
    prior[where, : n_votes + 1] = known.prior[rows]
    fixed[where, : n_votes + 1] = known.fixed[rows]
    for block, first in zip(recoding.blocks, recoding.first, strict=False):
        if block.pooled is not None:
            continue
        factors = known.prior[block.columns[None, :], block.tuples + 1]  # (t, g, k)
        if not use_abstain:
            factors = np.where((block.tuples == ABSTAIN)[:, :, None], 1.0, factors)
        prior[first + block.variable, block.outcome + 1] = factors.prod(axis=1)
        if use_abstain:
            prior[first, 0] = known.prior[block.columns, 0].prod(axis=0)
    coverage = counts @ (V != ABSTAIN) / n_items
    coverage[where] = known.coverage[rows]
    return replace(
        known, prior=smoothing * prior, fixed=fixed, coverage=coverage, smoothing=smoothing, n_votes=float(votes.sum())
    )


def marginals(recoding: Recoding, cpt: NDArray[np.float64], alone: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(vote | class) of each function by itself, `(m, s + 1, k)`, from the tables of the variables.

    Parameters
    ----------
    cpt : (n_variables, s + 1, k) float64 array
    alone : (m, k + 1, k) float64 array
        The tables of functions whose votes have a fixed precision, which members of pooled blocks have.
    """
    tables = np.zeros_like(alone)
    tables[recoding.singles] = cpt[: len(recoding.singles), : alone.shape[1]]
    for block, first in zip(recoding.blocks, recoding.first, strict=False):
        if block.pooled is not None:
            tables[block.columns] = alone[block.columns]
            continue
        outcomes = cpt[first + block.variable, block.outcome + 1]  # (t, k)
        for place, j in enumerate(block.columns.tolist()):
            voted = np.flatnonzero(block.tuples[:, place] != ABSTAIN)
            np.add.at(tables[j], block.tuples[voted, place] + 1, outcomes[voted])
    grouped = np.concatenate([np.empty(0, np.int64), *(block.columns for block in recoding.blocks)])
    tables[grouped, 0] = np.maximum(1 - tables[grouped, 1:].sum(axis=1), 0.0)
    return tables


def _pooled(columns: Sequence[int], label: int) -> Block:
    none = np.empty(0, np.int64)
    return Block(np.array(columns, np.int64), np.empty((0, len(columns)), np.int8), none, none, pooled=label)


def _block(L: NDArray[np.int8], columns: Sequence[int], cardinality: int, *, use_abstain: bool) -> Block | None:
    """The block of functions that vote; None if none of them ever does."""
    if len(columns) * np.log2(cardinality + 1) > _KEY_BITS:
        raise ConfigError(
            f"a group of {len(columns)} labeling functions, the columns {first_few(columns)}, has more combinations of "
            f"votes for {cardinality} classes than can be numbered; split it."
        )
    chosen = np.array(columns, np.int64)
    keys, at = np.unique(_keys(L[:, chosen], cardinality), return_index=True)
    tuples = L[np.ix_(at[keys > 0], chosen)]
    if not len(tuples):
        return None
    if use_abstain:
        return Block(chosen, tuples, np.zeros(len(tuples), np.int64), np.arange(len(tuples)))
    voters = _keys((tuples != ABSTAIN).astype(np.int8) - 1, 1)
    _, variable, sizes = np.unique(voters, return_inverse=True, return_counts=True)
    # Outcomes are counted within their variable: places in the order of variables, less those before it.
    outcome = np.empty(len(tuples), np.int64)
    outcome[np.argsort(variable, kind="stable")] = np.arange(len(tuples)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return Block(chosen, tuples, variable.astype(np.int64), outcome)


def _keys(votes: NDArray[np.int8], cardinality: int) -> NDArray[np.int64]:
    """A number for each row of votes `(n, g)`, 0 for abstentions only."""
    base = np.int64(cardinality + 1) ** np.arange(votes.shape[1], dtype=np.int64)
    return np.asarray((votes.astype(np.int64) + 1) @ base, np.int64)
