"""Votes with given weights."""

import math
from collections.abc import Mapping
from typing import ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_cardinality, check_class_balance, check_label_matrix, did_you_mean, first_few
from sparkws.errors import ConfigError, NothingToFit
from sparkws.grids import NO_GRIDS, Grids
from sparkws.labelmodels.em import check_fittable
from sparkws.labelmodels.labelmodel import LabelModelDefaults
from sparkws.labelmodels.posterior import FLOOR, normalize, said
from sparkws.labelmodels.tables import HOW_FITTED, Stored
from sparkws.stats.patterns import Patterns
from sparkws.vocab import ABSTAIN


class WeightedVote(LabelModelDefaults):
    """Each vote adds its function's weight to the log-odds of the class that it names.

    P(y) is proportional to class_balance_y exp(Σ of the weights of the votes for y). Nothing is estimated.
    A vote with a probability adds that share of the weight to each class.
    There is no table of the functions (`cpt_` is None) and no likelihood.

    Parameters
    ----------
    cardinality : int
        The number of classes k.
    weights : mapping of function name to float
        Log-odds that a vote is worth, for every function that takes part. log(a (k - 1) / (1 - a)) is the
        weight of a voter who is right with probability a and wrong in any way alike.
    class_balance : sequence of k floats, optional
        Uniform by default.

    Examples
    --------
    >>> from sparkws.stats.patterns import of_matrix
    >>> L = np.array([[0, 1], [-1, 1]], np.int8)
    >>> model = WeightedVote(2, {"a": 1.0, "b": 2.0}).fit(of_matrix(L, ["a", "b"], 2))
    >>> model.posterior(L).round(2).tolist()
    [[0.27, 0.73], [0.12, 0.88]]
    """

    kind: Final = "weighted"
    fits: Final = "patterns"
    stored: ClassVar[Mapping[str, Stored]] = {**HOW_FITTED, "weights": Stored(("lf",))}

    def __init__(
        self,
        cardinality: int,
        weights: Mapping[str, float] | None = None,
        *,
        class_balance: tuple[float, ...] | None = None,
    ) -> None:
        self.cardinality = check_cardinality(cardinality)
        self.weights = dict(weights or {})
        strange = {name: weight for name, weight in self.weights.items() if not math.isfinite(weight)}
        if strange:
            raise ConfigError(f"weights must be finite, got {strange}; give 0 to ignore a labeling function.")
        uniform = np.full(cardinality, 1 / cardinality)
        self.class_balance_ = uniform if class_balance is None else check_class_balance(class_balance, cardinality)
        self.balance_source_ = "uniform" if class_balance is None else "given"
        self.lf_names_: tuple[str, ...] = ()
        self.grids_: Grids = NO_GRIDS
        self.weights_: NDArray[np.float64] = np.zeros(0)
        self.cpt_: NDArray[np.float64] | None = None
        self.log_likelihood_: float | None = None
        self.n_iter_ = 0
        self.converged_ = True
        self.temperature_ = 1.0

    def fit(self, patterns: Patterns) -> Self:
        """Take the weights of the functions that the patterns count.

        Raises
        ------
        ConfigError
            If a function has no weight, or a weight no function.
        NothingToFit
            If no item has a vote.
        IncompatibleStatistics
            If classes differ, or counts are negative.
        """
        check_fittable(patterns, self.cardinality)
        lacks = [name for name in patterns.lf_names if name not in self.weights]
        strange = [name for name in self.weights if name not in patterns.lf_names]
        if lacks:
            raise ConfigError(f"weights lack {first_few(lacks)}; give each labeling function a weight, 0 to ignore it.")
        if strange:
            raise ConfigError(
                f"weights name {first_few(strange)}, which take no part.{did_you_mean(strange[0], patterns.lf_names)}"
            )
        self.weights_ = np.array([self.weights[name] for name in patterns.lf_names], np.float64)
        self.lf_names_, self.grids_ = patterns.lf_names, patterns.grids
        self.temperature_ = 1.0
        return self

    def posterior(self, L: NDArray[np.int8]) -> NDArray[np.float64]:
        """P(class | votes), `(n, k)`; NaN in the rows without a vote."""
        if not self.lf_names_:
            raise NothingToFit("this WeightedVote has no weights yet; call fit first.")
        check_label_matrix(L, self.lf_names_, self.cardinality, self.grids_)
        says = self.grids_.says(self.lf_names_, self.cardinality)
        if says is None:
            votes = np.stack([np.equal(L, y) @ self.weights_ for y in range(self.cardinality)], axis=1)
        else:
            votes = said(L, says, self.weights_)
        scores = np.log(np.maximum(self.class_balance_, FLOOR)) + votes
        probs = normalize(scores / self.temperature_)[0]
        probs[(L == ABSTAIN).all(axis=1)] = np.nan
        return probs
