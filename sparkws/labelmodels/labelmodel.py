"""What a fitted label model is: the attributes that the stages after it read, and what most models say of them."""

from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sparkws.grids import Grids
from sparkws.labelmodels.edges import Dependencies

# All models share it, so that nobody may write to it.
_NOT_IN_QUESTION: Final[NDArray[np.bool_]] = np.zeros(0, np.bool_)
_NOT_IN_QUESTION.setflags(write=False)


class LabelModel(Protocol):
    """A fitted label model: what the stages after it read.

    Attributes
    ----------
    lf_names_ : tuple of str
        The m functions that it reads the votes of, in this order.
    grids_ : Grids
        Of those that vote with a probability.
    cpt_ : (m, k + 1, k) float64 array or None
        P(vote | class), abstain row first; None where a model has no such table.
    class_balance_ : (k,) float64 array
        P(class), sums to 1.
    log_likelihood_ : float or None
        Of the pattern counts that were fitted.
    n_iter_, converged_ : int, bool
        How the fit ended.
    temperature_ : float
        The correction of its probabilities, see `calibration`; 1 as long as there is none.
    balance_source_ : str
        Where `class_balance_` is from.
    abstain_ : {"outcome", "missing", "published"} or None
        What abstaining means to it, None where it means nothing.
    groups_ : tuple of tuples of str
        The functions whose votes it counts as one.
    dependencies_ : Dependencies or None
        What was found of functions that depend on each other, None where nobody looked.
    identified_ : (m,) bool array
        Which functions the statistics tell something of; empty where that is not in question.
    """

    @property
    def kind(self) -> str:
        """`majority`, `dawid_skene`, ...: what it is called in a configuration."""
        ...

    @property
    def fits(self) -> Literal["patterns", "moments"]:
        """The statistic that `fit` reads."""
        ...

    cardinality: int
    lf_names_: tuple[str, ...]
    grids_: Grids
    cpt_: NDArray[np.float64] | None
    class_balance_: NDArray[np.float64]
    log_likelihood_: float | None
    n_iter_: int
    converged_: bool
    temperature_: float

    @property
    def balance_source_(self) -> str: ...
    @property
    def abstain_(self) -> Literal["outcome", "missing", "published"] | None: ...
    @property
    def groups_(self) -> tuple[tuple[str, ...], ...]: ...
    @property
    def dependencies_(self) -> Dependencies | None: ...
    @property
    def identified_(self) -> NDArray[np.bool_]: ...

    def posterior(self, L: NDArray[np.int8]) -> NDArray[np.float64]:
        """P(class | votes), `(n, k)`; NaN in the rows without a vote."""
        ...


class LabelModelDefaults:
    """What most label models have nothing to say of, as `LabelModel` tells it."""

    balance_source_: str = "votes"
    abstain_: Literal["outcome", "missing", "published"] | None = None
    groups_: tuple[tuple[str, ...], ...] = ()
    dependencies_: Dependencies | None = None
    identified_: NDArray[np.bool_] = _NOT_IN_QUESTION
