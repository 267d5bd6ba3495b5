"""Label matrices whose truth is known, exact and sampled.

A test of a label model needs votes from functions whose tables it knows: either all vote vectors with
their exact probabilities, from which a right method recovers the tables without sampling error, or a
sample of items with their classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.vocab import ABSTAIN, ITEM_ID


@dataclass(frozen=True, eq=False, kw_only=True)
class Truth:
    """How votes come about.

    Attributes
    ----------
    class_balance : (k,) float64 array
        P(class), sums to 1.
    cpt : (m, k + 1, k) float64 array
        P(vote | class), abstain row first, sums to 1 over axis 1.
    groups : tuple of tuples of int
        Functions that depend on each other: with probability `copy` a member casts the vote of the first
        of its group, else one of its own. A member's own table then is a mixture, `tables` gives it.
    copy : float
        In 0..1.
    """

    class_balance: NDArray[np.float64]
    cpt: NDArray[np.float64]
    groups: tuple[tuple[int, ...], ...] = ()
    copy: float = 0.0

    @property
    def n_lfs(self) -> int:
        """The number of functions m."""
        return len(self.cpt)

    @property
    def cardinality(self) -> int:
        """The number of classes k."""
        return len(self.class_balance)

    @property
    def tables(self) -> NDArray[np.float64]:
        """P(vote | class) of each function by itself, copied votes included, `(m, k + 1, k)`."""
        tables = self.cpt.copy()
        for leader, *members in self.groups:
            for member in members:
                tables[member] = self.copy * self.cpt[leader] + (1 - self.copy) * self.cpt[member]
        return tables


def lf_names(n_lfs: int) -> tuple[str, ...]:
    """Names for m functions: `lf_0`, `lf_1`, ..."""
    return tuple(f"lf_{j}" for j in range(n_lfs))


def table(accuracy: float, coverage: float, cardinality: int) -> NDArray[np.float64]:
    """P(vote | class) of a function that votes every class equally well, `(k + 1, k)`, abstain row first.

    >>> table(0.8, 0.5, 2).round(2).tolist()
    [[0.5, 0.5], [0.4, 0.1], [0.1, 0.4]]
    """
    votes = np.full((cardinality, cardinality), coverage * (1 - accuracy) / (cardinality - 1))
    np.fill_diagonal(votes, coverage * accuracy)
    return np.vstack([np.full((1, cardinality), 1 - coverage), votes])


def single_class_table(label: int, hit_rate: float, false_rate: float, cardinality: int) -> NDArray[np.float64]:
    """P(vote | class) of a function that votes `label` or abstains, `(k + 1, k)`, abstain row first.

    It votes on the share `hit_rate` of the items of its class and on `false_rate` of all others.

    >>> single_class_table(1, 0.5, 0.1, 2).tolist()
    [[0.9, 0.5], [0.0, 0.0], [0.1, 0.5]]
    """
    rows = np.zeros((cardinality + 1, cardinality))
    rows[label + 1] = false_rate
    rows[label + 1, label] = hit_rate
    rows[0] = 1 - rows[label + 1]
    return rows


def random_truth(
    rng: np.random.Generator,
    n_lfs: int,
    cardinality: int,
    *,
    accuracy: tuple[float, float] = (0.6, 0.9),
    coverage: tuple[float, float] = (0.3, 0.9),
    n_single_class: int = 0,
    groups: Sequence[Sequence[int]] = (),
    copy: float = 0.0,
) -> Truth:
    """Functions with accuracies and coverages drawn uniformly from the given ranges, and a drawn balance.

    The last `n_single_class` of them vote one class only, in turn 0, 1, ..., with the drawn accuracy as
    their precision under a uniform balance.
    """
    balance = rng.uniform(1, 2, cardinality)
    cpt = np.empty((n_lfs, cardinality + 1, cardinality))
    for j in range(n_lfs):
        right, covered = rng.uniform(*accuracy), rng.uniform(*coverage)
        first_single = n_lfs - n_single_class
        if j < first_single:
            cpt[j] = table(right, covered, cardinality)
        else:
            wrong = covered * (1 - right) / (cardinality - 1)
            cpt[j] = single_class_table((j - first_single) % cardinality, covered * right, wrong, cardinality)
    return Truth(
        class_balance=balance / balance.sum(), cpt=cpt, groups=tuple(tuple(group) for group in groups), copy=copy
    )


def exact(truth: Truth) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """All vote vectors and their joint probabilities with each class.

    Returns
    -------
    L : ((k + 1)^m, m) int8 array in {-1, 0..k-1}
    joint : ((k + 1)^m, k) float64 array
        P(votes, class); sums to 1 over everything, and over axis 1 to the probability of the votes.
    """
    m, k = truth.n_lfs, truth.cardinality
    L = np.array(list(product(range(ABSTAIN, k), repeat=m)), np.int8).reshape(-1, m)
    joint = np.tile(truth.class_balance, (len(L), 1))
    leader_of = {member: group[0] for group in truth.groups for member in group[1:]}
    for j in range(m):
        own = truth.cpt[j][L[:, j] + 1]
        if j in leader_of:
            same = (L[:, j] == L[:, leader_of[j]])[:, None]
            own = truth.copy * same + (1 - truth.copy) * own
        joint = joint * own
    return L, joint


def sample(truth: Truth, n: int, rng: np.random.Generator) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Votes `(n, m)` in {-1, 0..k-1} and classes `(n,)` of n items."""
    m, k = truth.n_lfs, truth.cardinality
    Y = rng.choice(k, size=n, p=truth.class_balance).astype(np.int8)
    cumulative = truth.cpt.cumsum(axis=1)
    L = np.empty((n, m), np.int8)
    for j in range(m):
        # (k + 1, n): the vote is the first outcome whose cumulative probability exceeds the draw
        L[:, j] = (rng.random(n) >= cumulative[j, :-1][:, Y]).sum(axis=0) - 1
    for leader, *members in truth.groups:
        for member in members:
            L[:, member] = np.where(rng.random(n) < truth.copy, L[:, leader], L[:, member])
    return L, Y


def votes_frame(
    L: NDArray[np.int8], names: Sequence[str] | None = None, item_ids: Sequence[object] | None = None
) -> pl.DataFrame:
    """A votes table: `item_id` (0, 1, ... unless given) and one Int8 column for each function."""
    names = lf_names(L.shape[1]) if names is None else names
    keys = pl.Series(ITEM_ID, range(len(L)) if item_ids is None else item_ids, dtype=None)
    return pl.DataFrame([keys, *(pl.Series(name, L[:, j], dtype=pl.Int8) for j, name in enumerate(names))])
