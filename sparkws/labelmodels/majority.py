"""Majority vote: the share of each class among the votes of an item."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_cardinality, check_integers, check_label_matrix
from sparkws.grids import NO_GRIDS, Grids
from sparkws.labelmodels.em import check_fittable
from sparkws.labelmodels.labelmodel import LabelModelDefaults
from sparkws.labelmodels.posterior import predict, tempered, vote_shares
from sparkws.labelmodels.tables import HOW_FITTED, SINGLE_CLASS_PRECISION, Stored
from sparkws.stats.patterns import Patterns, collapse, unpack
from sparkws.vocab import ABSTAIN

# Shares of items above this are no accident of sampling: see `contradictions`.
MOST_AGAINST_ALL: Final = 0.01


class MajorityVote(LabelModelDefaults):
    """Every vote counts the same; an item's probabilities are the shares of its votes.

    A vote with a probability is shared between the classes as its cell says.

    Nothing is estimated. `class_balance_` describes the votes: the mean share of each class over the
    items with votes. There is no table of the functions (`cpt_` is None) and no likelihood.

    Parameters
    ----------
    cardinality : int
        The number of classes k.

    Examples
    --------
    >>> import numpy as np
    >>> model = MajorityVote(cardinality=2)
    >>> model.posterior(np.array([[0, 1, 1, -1], [-1, -1, -1, -1]], np.int8)).round(2).tolist()
    [[0.33, 0.67], [nan, nan]]
    """

    kind: Final = "majority"
    fits: Final = "patterns"
    stored: ClassVar[Mapping[str, Stored]] = HOW_FITTED

    def __init__(self, cardinality: int) -> None:
        self.cardinality = check_cardinality(cardinality)
        self.lf_names_: tuple[str, ...] = ()
        self.grids_: Grids = NO_GRIDS
        self.cpt_: NDArray[np.float64] | None = None
        self.class_balance_ = np.full(cardinality, 1 / cardinality)
        self.log_likelihood_: float | None = None
        self.n_iter_ = 0
        self.converged_ = True
        self.temperature_ = 1.0

    def fit(self, patterns: Patterns) -> Self:
        """Remember the functions and describe their votes.

        Raises
        ------
        NothingToFit
            If no item has a vote.
        IncompatibleStatistics
            If classes differ, or counts are negative.
        """
        check_fittable(patterns, self.cardinality)
        flat = collapse(patterns, keep_gold=False)
        shares = vote_shares(unpack(flat), self.cardinality, flat.says)
        voted = ~np.isnan(shares[:, 0])
        self.lf_names_, self.grids_ = patterns.lf_names, patterns.grids
        self.temperature_ = 1.0
        self.class_balance_ = np.average(shares[voted], axis=0, weights=flat.counts[voted])
        return self

    def posterior(self, L: NDArray[np.int8]) -> NDArray[np.float64]:
        """P(class | votes), `(n, k)`; NaN in the rows without a vote."""
        check_integers(L)
        # It can be asked before a fit, which would only tell it the names.
        names = self.lf_names_ or tuple(f"column {j}" for j in range(L.shape[-1]))
        check_label_matrix(L, names, self.cardinality, self.grids_)
        says = self.grids_.says(self.lf_names_, self.cardinality)
        return tempered(vote_shares(L, self.cardinality, says), self.temperature_)


def contradictions(
    L: NDArray[np.int8],
    counts: NDArray[np.int64],
    preds: NDArray[np.int32],
    cardinality: int,
    groups: Sequence[Sequence[int]] = (),
    says: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """How often predictions contradict the votes: what tells, without gold, that a model has gone astray.

    A model may overrule a majority where the others are better. That two or more functions agree, with
    no vote against, and the model says otherwise, hardly happens when it has found the class. A vote with a
    probability is one for a class from .75 on; below, it only leans, and functions do not all agree.

    Parameters
    ----------
    L : (u, m) int8 array in {-1, 0..k-1}
    counts : (u,) int64 array
        Items of each row.
    preds : (u,) int32 array
        Predicted classes, -1 where none.
    cardinality : int
    groups : sequence of sequences of int
        Functions that the model takes for dependent: that those of one group agree is nothing to contradict.
    says : (m, s, k) float64 array, optional
        As of `vote_shares`.

    Returns
    -------
    against_majority : float
        The share of the items that majority vote decides on which another class is predicted.
    against_all : float
        The share of the items with two or more votes, not all of one group, all for one class, on which another
        is predicted.
    """
    majority = predict(vote_shares(L, cardinality, None if says is None else _firm(says)))
    differs = (preds != majority) & (preds != ABSTAIN)
    decided = majority != ABSTAIN
    unanimous = agreed(L, cardinality, groups, says) != ABSTAIN
    against_majority, against_all = (
        float(counts[differs & among].sum() / max(counts[among].sum(), 1)) for among in (decided, unanimous)
    )
    return against_majority, against_all


def agreed(
    L: NDArray[np.int8],
    cardinality: int,
    groups: Sequence[Sequence[int]] = (),
    says: NDArray[np.float64] | None = None,
) -> NDArray[np.int32]:
    """The class that two or more votes, not all of one group, are all for, `(u,)`; -1 elsewhere. See `contradictions`.

    >>> agreed(np.array([[0, 0, -1], [1, -1, -1], [1, 1, 0]], np.int8), 2).tolist()
    [0, -1, -1]
    """
    shares = vote_shares(L, cardinality, None if says is None else _firm(says))
    voted = L != ABSTAIN
    n_voices = voted.sum(axis=1)
    for group in groups:
        of_group = voted[:, list(group)].sum(axis=1)
        n_voices = n_voices - np.maximum(of_group - 1, 0)
    preds = predict(shares)
    return np.where((preds != ABSTAIN) & (shares.max(axis=1) == 1) & (n_voices >= 2), preds, ABSTAIN)


def _firm(says: NDArray[np.float64]) -> NDArray[np.float64]:
    """What votes say, with those that are for a class as if they were certain."""
    is_for = np.equal(np.arange(says.shape[2]), says.argmax(axis=2)[:, :, None])
    return np.where(says.max(axis=2, keepdims=True) >= SINGLE_CLASS_PRECISION, is_for, says)
