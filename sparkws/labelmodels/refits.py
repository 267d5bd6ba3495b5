"""A fitted model fitted again to other counts, to see what they change.

The same kind of model with what it had resolved: the meaning of abstaining and the groups stay, so that refits
differ by the items alone, and a choice that took long is not made again.
"""

from collections.abc import Callable
from copy import copy
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sparkws.config import LabelModelConfig
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.factory import AnyModel, MomentModel, fit_model, make_label_model
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.precision import PrecisionVote
from sparkws.labelmodels.sampling import REFIT_GAIN
from sparkws.labelmodels.subset import options_of
from sparkws.labelmodels.superlf import SuperLF
from sparkws.labelmodels.tables import TableModel
from sparkws.stats.patterns import Patterns, unpack
from sparkws.vocab import ABSTAIN

Refit = Callable[[Patterns], AnyModel]

_FEWEST_STEPS: Final = 5  # of EM, that a refit takes even from a good start
_COLD: Final = 3  # times as many steps as the model took: without a start, and to the end
_OF_A_SUM: Final = 2  # units of work for the posterior of a vector
_OF_MOMENTS: Final = 3  # units of work for a pair of votes, and for a cell of the matrix of pairs


def refit_of(config: LabelModelConfig, model: AnyModel, *, clamp_gold: bool) -> Refit:
    """The fit that gave `model`, as a function of counts of the same functions or of some of them.

    EM starts from the model where it can, and ends when nothing is gained any more: its usual tolerance would
    leave it near its start.

    Parameters
    ----------
    config : LabelModelConfig
        The model's; of `auto`, the options of the candidates.
    model : fitted label model
    clamp_gold : bool
        Hold items with a known class at that class.
    """
    k = model.cardinality

    def refit(patterns: Patterns) -> AnyModel:
        names = patterns.lf_names
        changed: dict[str, Any] = {"kind": model.kind}
        if isinstance(model, TableModel):
            changed["abstain"] = model.abstain_
        if isinstance(model, SuperLF):
            changed["groups"] = model.groups_
        if isinstance(model, DawidSkene):
            changed["one_coin"] = model.one_coin
        if isinstance(model, PrecisionVote):
            return PrecisionVote(
                k, precision=model.precision, class_balance=model.class_balance, volume_power=model.volume_power
            ).fit(patterns)
        if isinstance(model, DawidSkene | SuperLF):
            n_votes = float(patterns.counts @ (unpack(patterns) != ABSTAIN).sum(axis=1))
            changed["tol"] = REFIT_GAIN / max(n_votes, 1.0)
        resolved = options_of(config.model_copy(update=changed), names)
        again = make_label_model(resolved, k, clamp_gold=clamp_gold)
        if isinstance(again, DawidSkene) and isinstance(model, DawidSkene):
            return again.fit(patterns, start=_of_some(model, names))
        return fit_model(again, patterns)

    return refit


def work_of(model: AnyModel, patterns: Patterns) -> float:
    """How much a refit has to do, in units of some 20 nanoseconds of one core; the same on every machine.

    Parameters
    ----------
    model : fitted label model
    patterns : Patterns
        What it was fitted on.
    """
    L = unpack(patterns)
    votes = (L != ABSTAIN).sum(axis=1).astype(np.float64)
    if isinstance(model, MomentModel):
        return L.size + _OF_MOMENTS * (float((votes**2).sum()) + float(L.shape[1] * model.cardinality) ** 2)
    steps = _COLD * model.n_iter_ if isinstance(model, SuperLF) else model.n_iter_
    return L.size + float(votes.sum()) * model.cardinality * max(steps, _FEWEST_STEPS)


def work_of_vectors(model: Hierarchical, L: NDArray[np.int8]) -> float:
    """As `work_of`, of a model of several tasks that was fitted on rows of votes `(u, c)`."""
    # Every step adds up the votes of a row for each vector, and takes logarithms and exponentials of the sums.
    sums = (np.count_nonzero(L != ABSTAIN) + _OF_A_SUM * len(L)) * len(model.balance_)
    return L.size + float(sums) * max(model.n_iter_, _FEWEST_STEPS)


def _of_some(model: DawidSkene, names: tuple[str, ...]) -> DawidSkene:
    """The model of some of its functions, to start from."""
    assert model.cpt_ is not None
    some = copy(model)
    some.lf_names_, some.grids_ = names, model.grids_.select(names)
    outcomes = some.grids_.n_outcomes(model.cardinality) + 1
    some.cpt_ = model.cpt_[[model.lf_names_.index(name) for name in names], :outcomes]
    return some
