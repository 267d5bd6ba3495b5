"""What the posterior of grouped functions is made of: a factor for each group, and for each function in none."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import did_you_mean
from sparkws.errors import ConfigError
from sparkws.labelmodels.posterior import FLOOR, log_scores, log_table
from sparkws.labelmodels.recoding import Recoding
from sparkws.vocab import ABSTAIN


def group_scores(
    L: NDArray[np.int8],
    recoding: Recoding,
    tables: NDArray[np.float64],
    cpt: NDArray[np.float64],
    class_balance: NDArray[np.float64],
    *,
    use_abstain: bool,
) -> NDArray[np.float64]:
    """The logarithms of p_y Π_G P(votes of G | y), `(n, k)`.

    Parameters
    ----------
    L : (n, m) int8 array in {-1, 0..k-1}
    recoding : Recoding
    tables : (n_variables, s + 1, k) float64 array
        Of its variables.
    cpt : (m, k + 1, k) float64 array
        Of the functions by themselves, for votes of a group that have no code.
    class_balance : (k,) float64 array
    use_abstain : bool
    """
    V, unseen = recoding.apply(L)
    scores = log_scores(V, tables, class_balance, use_abstain=use_abstain)
    if unseen:
        alone = log_table(cpt, use_abstain=use_abstain)
        silent = log_table(tables, use_abstain=use_abstain)[:, 0]
        for number, rows in unseen.items():
            columns = recoding.blocks[number].columns
            first, end = recoding.first[number : number + 2]
            # What was added for the variables, as if none had an outcome, is exchanged for the members' factors.
            scores[rows] += alone[columns, L[np.ix_(rows, columns)] + 1].sum(axis=1) - silent[first:end].sum(axis=0)
    return scores


def joint_scores(
    L: NDArray[np.int8],
    recoding: Recoding,
    tables: NDArray[np.float64],
    cpt: NDArray[np.float64],
    class_balance: NDArray[np.float64],
    *,
    use_abstain: bool,
) -> NDArray[np.float64]:
    """The logarithms of P(y, votes and abstentions), `(n, k)`; parameters as of `group_scores`.

    Where abstaining is missing, who votes does not depend on the class, and has a probability all the same: that
    of each set of voters of a group, and of each function in none.
    """
    scores = group_scores(L, recoding, tables, cpt, class_balance, use_abstain=use_abstain)
    if use_abstain:
        return scores
    silent = log_table(cpt, use_abstain=True)[:, 0]
    voted = np.not_equal(L, ABSTAIN)
    scores += (~voted[:, recoding.singles]).astype(np.float64) @ silent[recoding.singles]
    V, unseen = recoding.apply(L)
    for number, (block, first) in enumerate(zip(recoding.blocks, recoding.first, strict=False)):
        of_block = slice(first, first + block.n_variables)
        nobody = (V[:, of_block] == ABSTAIN).all(axis=1)
        # Of the sets of voters at most one has voted, so that nobody is what all of them leave.
        nothing = np.log(np.maximum(1 - (1 - tables[of_block, 0]).sum(axis=0), FLOOR))
        mine = voted[:, block.columns]
        scores += np.where(nobody[:, None], nothing, 0.0)
        if block.pooled is not None:
            # The outcome tells that any of them voted; which, as if they were independent.
            each = np.clip(1 - cpt[block.columns, 0].mean(axis=1), FLOOR, 1 - FLOOR)
            which = np.where(mine, np.log(each), np.log(1 - each)).sum(axis=1) - np.log(
                -np.expm1(np.log1p(-each).sum())
            )
            scores += np.where(nobody, 0.0, which)[:, None]
        if number in unseen:
            rows = unseen[number]
            scores[rows] += (~mine[rows]).astype(np.float64) @ silent[block.columns] - nothing
    return scores


def group_terms(
    L: NDArray[np.int8],
    recoding: Recoding,
    tables: NDArray[np.float64],
    cpt: NDArray[np.float64],
    *,
    use_abstain: bool,
) -> tuple[tuple[tuple[int, ...], ...], NDArray[np.float64]]:
    """The functions of each factor of the posterior, and its logarithm for each row, `(n, g, k)`."""
    V, unseen = recoding.apply(L)
    factors = log_table(tables, use_abstain=use_abstain)
    n_alone = len(recoding.singles)
    groups = [(int(j),) for j in recoding.singles]
    terms = [factors[at][V[:, at] + 1] for at in range(n_alone)]
    alone = log_table(cpt, use_abstain=use_abstain)
    for number, block in enumerate(recoding.blocks):
        first, end = recoding.first[number : number + 2]
        term = factors[np.arange(first, end), V[:, first:end] + 1].sum(axis=1)
        if number in unseen:
            rows = unseen[number]
            term[rows] = alone[block.columns, L[np.ix_(rows, block.columns)] + 1].sum(axis=1)
        groups.append(tuple(block.columns.tolist()))
        terms.append(term)
    return tuple(groups), np.stack(terms, axis=1)


def index_groups(groups: Sequence[Sequence[str]], lf_names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """The groups of two or more as columns, each in the order of the functions.

    Raises
    ------
    ConfigError
        If a name is not among the functions, or in two groups.
    """
    where = {name: j for j, name in enumerate(lf_names)}
    named = [name for group in groups for name in group]
    unknown = [name for name in named if name not in where]
    if unknown:
        raise ConfigError(
            f"the groups name {unknown[0]!r}, which is no labeling function here.{did_you_mean(unknown[0], lf_names)}"
        )
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ConfigError(f"{twice[0]!r} is in more than one group, or twice in one; a function has one group.")
    indexed = (tuple(sorted(where[name] for name in group)) for group in groups if len(group) > 1)
    return tuple(sorted(indexed))
