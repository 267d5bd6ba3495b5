"""From votes and a table of what each function votes given the class, to P(class | votes).

Predictions, ties and shares of votes rest on the same conventions: NaN where there is no vote, and the order of
outcomes in a table.
"""

from functools import reduce
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from sparkws import hashing
from sparkws.errors import ConfigError
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.vocab import ABSTAIN

TieBreakPolicy = Literal["abstain", "random"]

# The products of a few hundred probabilities, added in another order, differ by some 1e-13; no fit
# determines a probability to 1e-9. What is closer than this is a tie that rounding would decide.
TIE: Final = 1e-9

# Below this an estimated probability says only that the event was not seen. It keeps logarithms finite.
FLOOR: Final = 1e-10
_TABLE_ROWS: Final = 1 << 10


def posterior(
    L: NDArray[np.int8],
    cpt: NDArray[np.float64],
    class_balance: NDArray[np.float64],
    *,
    use_abstain: bool,
    temperature: float = 1.0,
) -> NDArray[np.float64]:
    """P(class | votes) of independent functions: p_y Π_j P(vote_j | y), normalized.

    Parameters
    ----------
    L : (n, m) int8 array in {-1, 0..k-1}
        In the tables of s votes, s being more than k where functions vote with a probability, in {-1, 0..s-1}.
    cpt : (m, k + 1, k) float64 array
        P(vote | class), abstain row first; `(m, s + 1, k)`.
    class_balance : (k,) float64 array
    use_abstain : bool
        Whether abstaining is evidence. If not, the factors of functions that abstained are left out.
    temperature : float
        What the logarithms are divided by, see `calibration`.

    Returns
    -------
    (n, k) float64 array
        Rows sum to 1; NaN in the rows without a vote, which get no label: there the prior is all that
        could be said, and it is not evidence about the item.
    """
    scores = log_scores(L, cpt, class_balance, use_abstain=use_abstain)
    probs = normalize(scores / temperature)[0]
    probs[(L == ABSTAIN).all(axis=1)] = np.nan
    return probs


def log_scores(
    L: NDArray[np.integer[Any]], cpt: NDArray[np.float64], class_balance: NDArray[np.float64], *, use_abstain: bool
) -> NDArray[np.float64]:
    """The logarithms of p_y Π_j P(vote_j | y), `(n, k)`."""
    log_likelihood = log_table(cpt, use_abstain=use_abstain)
    # A sum of logarithms, because a product of 1,200 probabilities is zero in floating point.
    scores = np.tile(np.log(np.maximum(class_balance, FLOOR)), (len(L), 1))
    together = _lfs_together(cpt.shape[1] - 1)
    for first in range(0, L.shape[1], together):
        scores += _sums(log_likelihood[first : first + together]).take(
            _codes(L[:, first : first + together], cpt.shape[1]), axis=0
        )
    return scores


def _lfs_together(n_outcomes: int) -> int:
    """Of how many functions the votes are looked up at once: tables of all their votes stay small."""
    return max(1, int(np.log(_TABLE_ROWS) / np.log(n_outcomes + 1)))


def _sums(factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of the factors `(g, k + 1, k)` for each combination of votes, `((k + 1)^g, k)`, the last vote fastest."""
    sums = np.zeros((1, factors.shape[2]))
    for factor in factors:
        # (c, 1, k) + (1, k + 1, k): every combination so far with every vote of the next function
        sums = (sums[:, None] + factor[None]).reshape(-1, factors.shape[2])
    return sums


def _codes(L: NDArray[np.integer[Any]], base: int) -> NDArray[np.int32]:
    """The row of `_sums` for each row of votes `(n, g)`."""
    codes = np.zeros(len(L), np.int32)
    for column in L.T:
        codes *= base
        codes += column
        codes += 1
    return codes


def log_table(cpt: NDArray[np.float64], *, use_abstain: bool) -> NDArray[np.float64]:
    """The logarithm of the factor of each vote, `(m, k + 1, k)`.

    The floor is relative to the class where the vote is most probable, so that a rare vote stays
    evidence; a vote that no class can cast has the same factor in every class and says nothing.
    """
    likeliest = cpt.max(axis=2, keepdims=True)
    factors = np.log(np.where(likeliest > 0, np.maximum(cpt, FLOOR * likeliest), 1.0))
    if not use_abstain:
        factors[:, 0, :] = 0.0
    return np.asarray(factors, np.float64)


def normalize(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities `(n, k)` of log scores `(n, k)`, and the logarithm of each row's sum `(n,)`."""
    # Column by column: numpy reduces rows of a few numbers several times more slowly.
    top = reduce(np.maximum, scores.T)[:, None]
    exp = np.exp(scores - top)
    total = reduce(np.add, exp.T)[:, None]
    return exp / total, (top + np.log(total))[:, 0]


def tempered(probs: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probabilities `(n, k)` raised to 1 / temperature and normalized; rows of NaN stay.

    >>> tempered(np.array([[0.9, 0.1], [0.5, 0.5]]), 2.0).round(3).tolist()
    [[0.75, 0.25], [0.5, 0.5]]
    """
    return probs if temperature == 1 else normalize(np.log(np.maximum(probs, FLOOR)) / temperature)[0]


def one_hot(L: NDArray[np.integer[Any]], cardinality: int) -> "sparse.csr_array[Any, tuple[int, int]]":
    """The votes as a sparse matrix of ones, `(n, m * k)`; abstentions have no entry."""
    n, m = L.shape
    ends = np.concatenate([[0], np.cumsum((L != ABSTAIN).sum(axis=1))])
    columns = np.empty(ends[-1], np.int32)
    # Function by function, as votes lie in memory: a mask over the whole matrix takes several times as long.
    free = ends[:-1].copy()  # where the next vote of each row goes
    for j, votes in enumerate(L.T):
        voted = np.flatnonzero(votes != ABSTAIN)
        columns[free[voted]] = votes[voted].astype(np.int32) + j * cardinality
        free[voted] += 1
    return sparse.csr_array((np.ones(len(columns)), columns, ends), shape=(n, m * cardinality))


def predict(
    probs: NDArray[np.float64],
    hashes: NDArray[np.uint64] | None = None,
    tie_break_policy: TieBreakPolicy = "abstain",
    seed: int = 0,
) -> NDArray[np.int32]:
    """The most probable class of every row, `(n,)`, -1 where there is none.

    Parameters
    ----------
    probs : (n, k) float64 array
        NaN in rows without a label.
    hashes : (n,) uint64 array
        The hashes of the items' keys; needed to break ties at random.
    tie_break_policy : {"abstain", "random"}
        Among classes within `TIE` of the highest: none, or one chosen by the key's hash and the seed, so
        that the same item gets the same class on every machine and in every run.
    seed : int
        Another seed chooses otherwise.

    Raises
    ------
    ConfigError
        For another policy, or "random" without hashes.
    """
    if tie_break_policy not in ("abstain", "random"):
        raise ConfigError(f"tie_break_policy must be 'abstain' or 'random', got {tie_break_policy!r}.")
    if not len(probs):
        return np.empty(0, np.int32)
    labeled = ~np.isnan(probs[:, 0])
    filled = np.where(labeled[:, None], probs, 0.0)
    # Column by column, as in `normalize`.
    tied = filled >= reduce(np.maximum, filled.T)[:, None] - TIE
    n_tied = reduce(np.add, tied.T.astype(np.int64))
    preds = np.where(labeled, filled.argmax(axis=1), ABSTAIN).astype(np.int32)
    rows = np.flatnonzero(labeled & (n_tied > 1))
    if tie_break_policy == "abstain":
        preds[rows] = ABSTAIN
    elif len(rows):
        if hashes is None:
            raise ConfigError("tie_break_policy='random' chooses by the hash of the key: give hashes.")
        # The levels of the statistics take the leading bits of the hash, so it is hashed again with the seed.
        salt = hashing.hash_keys(pl.Series([seed], dtype=pl.Int64))[0]
        dice = hashing.hash_keys(pl.Series((hashes[rows] ^ salt).view(np.int64)))
        chosen = (dice % n_tied[rows].astype(np.uint64)).astype(np.int64)
        # (r, k): the position of each tied class among the tied ones; argmax finds the chosen one
        place = np.cumsum(tied[rows], axis=1) - 1
        preds[rows] = (tied[rows] & (place == chosen[:, None])).argmax(axis=1)
    return preds


def hits(probs: NDArray[np.float64], gold: NDArray[np.int8]) -> NDArray[np.float64]:
    """How right each row is, `(n,)`: 1 if the known class is the most probable, its share if it ties for it.

    Parameters
    ----------
    probs : (n, k) float64 array
        Without NaN.
    gold : (n,) int8 array in 0..k-1
    """
    return np.asarray(top_shares(probs)[np.arange(len(gold)), gold], np.float64)


def top_shares(probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The predicted class of each row as shares, `(n, k)`: classes that tie for the most probable have equal ones."""
    top = probs >= probs.max(axis=1, keepdims=True) - TIE
    return np.asarray(top / top.sum(axis=1, keepdims=True), np.float64)


def vote_shares(L: NDArray[np.int8], cardinality: int, says: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """The share of each class among the votes of each row, `(n, k)`; NaN in the rows without a vote.

    A vote with a probability is shared as its cell says; `says` is that of `Grids.says`.
    """
    if says is None:
        votes = np.stack([np.equal(L, label).sum(axis=1) for label in range(cardinality)], axis=1).astype(np.float64)
        total = votes.sum(axis=1, keepdims=True)
    else:
        votes = said(L, says)
        total = (L != ABSTAIN).sum(axis=1, keepdims=True)
    return np.asarray(np.divide(votes, total, out=np.full_like(votes, np.nan), where=total > 0), np.float64)


def said(
    L: NDArray[np.integer[Any]], says: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The sum of what the votes of each row say of the classes, `(n, k)`, times the weights of the functions `(m,)`."""
    total = np.zeros((len(L), says.shape[2]))
    nothing = np.zeros((1, says.shape[2]))
    for j, (votes, cells) in enumerate(zip(L.T, says, strict=True)):
        table = np.concatenate([nothing, cells])  # (s + 1, k), nothing for an abstention
        total += (table if weights is None else weights[j] * table)[votes + 1]
    return total


def class_cpt(model: LabelModel) -> NDArray[np.float64]:
    """P(class that is voted for | class) of a model with tables, `(m, k + 1, k)`, votes for no class first.

    The tables themselves where all functions vote for a class; a cell is a vote for its most probable class.
    """
    assert model.cpt_ is not None
    return votes_for_classes(model.cpt_, model.grids_.classes(model.lf_names_, model.cardinality))


def votes_for_classes(cpt: NDArray[np.float64], classes: NDArray[np.int8] | None) -> NDArray[np.float64]:
    """Tables of votes `(m, s + 1, k)` as those of the classes that they are for; `classes` as of `Grids.classes`."""
    if classes is None:
        return cpt
    is_for = np.equal(classes[:, :, None], np.arange(ABSTAIN, cpt.shape[2])).astype(np.float64)
    # (m, k + 1, s + 1) @ (m, s + 1, k) -> (m, k + 1, k)
    return is_for.transpose(0, 2, 1) @ cpt
