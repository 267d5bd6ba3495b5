"""What label models share that are a table P(vote | class) of each function and a class balance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import check_cardinality, check_label_matrix
from sparkws.errors import NothingToFit
from sparkws.grids import NO_GRIDS, Grids
from sparkws.labelmodels.labelmodel import LabelModelDefaults
from sparkws.labelmodels.posterior import posterior

Axis = Literal["lf", "vote", "class"]

PRIOR_ACCURACY: Final = 0.7
SINGLE_CLASS_PRECISION: Final = 0.75
# Of a class above three quarters of the volume, a vote must still count for the class, not against it.
_ABOVE_VOLUME: Final = 0.02
MAX_PRECISION: Final = 0.99


@dataclass(frozen=True)
class Stored:
    """How a fitted attribute is saved: along which axes, and as what.

    What is no array of numbers is text, any or `one_of` some. Numbers are finite; `values` says whether they are
    shares, from 0 to 1, or positive, and `adds_up` along which axis they add up to 1: what is read and is otherwise is
    refused.
    """

    axes: tuple[Axis, ...] = ()
    number: type[float] | type[int] | type[bool] | type[str] = float
    one_of: tuple[str, ...] = ()
    values: Literal["any", "shares", "positive"] = "any"
    adds_up: Axis | None = None


HOW_FITTED: Final[Mapping[str, Stored]] = {
    "class_balance": Stored(("class",), values="shares", adds_up="class"),
    "n_iter": Stored(number=int),
    "converged": Stored(number=bool),
    "temperature": Stored(values="positive"),
}
TABLES: Final[Mapping[str, Stored]] = {
    **HOW_FITTED,
    "cpt": Stored(("lf", "vote", "class"), values="shares", adds_up="vote"),
    "abstain": Stored(number=str, one_of=("outcome", "missing", "published")),
}


# The cells `(c, k)` of each function that votes with a probability, by its place among the functions.
Soft = Mapping[int, NDArray[np.float64]]


def soft_cells(lf_names: Sequence[str], grids: Grids) -> Soft:
    """What the cells of soft functions are taken to say of the classes: what they declare, but never for certain."""
    cells = {j: np.array(grids.of[name]) for j, name in enumerate(lf_names) if name in grids.of}
    bounded = {j: np.maximum(of_lf, 1 - MAX_PRECISION) for j, of_lf in cells.items()}
    return {j: of_lf / of_lf.sum(axis=1, keepdims=True) for j, of_lf in bounded.items()}


class TableModel(LabelModelDefaults):
    """The fitted attributes of a model of independent functions, and the posterior that follows from them.

    Attributes
    ----------
    stored : mapping of str to Stored
        The fitted attributes that are saved, by their names without the underscore at the end.
    """

    stored: ClassVar[Mapping[str, Stored]] = TABLES

    def __init__(self, cardinality: int) -> None:
        self.cardinality = check_cardinality(cardinality)
        self.lf_names_: tuple[str, ...] = ()
        self.grids_: Grids = NO_GRIDS
        self.cpt_: NDArray[np.float64] | None = None
        self.class_balance_ = np.full(cardinality, 1 / cardinality)
        self.abstain_: Literal["outcome", "missing", "published"] = "missing"
        self.balance_source_ = ""
        self.log_likelihood_: float | None = None
        self.n_iter_ = 0
        self.converged_ = False
        self.temperature_ = 1.0

    @property
    def abstain_is_outcome_(self) -> bool:
        """Whether abstaining is evidence."""
        return self.abstain_ == "outcome"

    def posterior(self, L: NDArray[np.int8]) -> NDArray[np.float64]:
        """P(class | votes), `(n, k)`; NaN in the rows without a vote."""
        if self.cpt_ is None:
            raise NothingToFit(f"this {type(self).__name__} has no tables yet; call fit first.")
        check_label_matrix(L, self.lf_names_, self.cardinality, self.grids_)
        return posterior(
            L, self.cpt_, self.class_balance_, use_abstain=self.abstain_is_outcome_, temperature=self.temperature_
        )


def smoothed_tables(
    given_class: NDArray[np.float64],
    votes: NDArray[np.int64],
    n_items: int,
    class_balance: NDArray[np.float64],
    smoothing: float,
    identified: NDArray[np.bool_],
    soft: Soft | None = None,
) -> NDArray[np.float64]:
    """Tables `(m, k + 1, k)` from estimates that sampling error may have led out of bounds.

    What a vote says of the class is mixed with what `smoothing` votes of accuracy .7 would say, and abstention
    gets what the votes leave. A function that hardly ever votes is so near to them, whatever was estimated;
    thousands of votes are hardly moved. A function that is not identified says what they say.

    Parameters
    ----------
    given_class : (m, k, k) float64 array
        P(vote | class), any number; zero for votes that are never cast.
    votes : (m, k) int64 array
        Votes of each function for each class.
    n_items : int
    class_balance : (k,) float64 array
    smoothing : float
    identified : (m,) bool array
    soft : mapping of int to (c, k) float64 array, optional
        The cells of functions that vote with a probability: what a cell declares stands for the accuracy.
    """
    k = len(class_balance)
    joint = np.clip(given_class * class_balance, 0, None)  # (m, k votes, k classes)
    learned = joint / np.maximum(joint.sum(axis=2, keepdims=True), np.finfo(float).tiny)
    weight = np.where(identified[:, None] & (votes > 0), votes / np.maximum(votes + smoothing, 1), 0.0)[:, :, None]
    prior = claimed(PRIOR_ACCURACY, votes.shape, k, soft) if soft else accurate_table(PRIOR_ACCURACY, k)
    says = weight * learned + (1 - weight) * prior
    cast = (votes / n_items)[:, :, None] * says / class_balance
    # No class can have more votes than items.
    cast /= np.maximum(cast.sum(axis=1, keepdims=True), 1)
    # A function that votes on every item never abstains.
    silent = np.where((votes.sum(axis=1) < n_items)[:, None, None], 1 - cast.sum(axis=1, keepdims=True), 0.0)
    table = np.concatenate([silent, cast], axis=1)
    return np.asarray(table / table.sum(axis=1, keepdims=True), np.float64)


def accurate_table(accuracy: float, cardinality: int) -> NDArray[np.float64]:
    """P(class | vote) of a voter who is right with this probability, wrong in any way alike, `(k, k)`.

    >>> accurate_table(0.7, 2).round(1).tolist()
    [[0.7, 0.3], [0.3, 0.7]]
    """
    table = np.full((cardinality, cardinality), (1 - accuracy) / (cardinality - 1))
    np.fill_diagonal(table, accuracy)
    return table


def claimed(accuracy: float, shape: tuple[int, ...], cardinality: int, soft: Soft) -> NDArray[np.float64]:
    """P(class | vote) of voters of this accuracy, and of cells what they declare, `(m, s, k)`; `shape` is (m, s)."""
    says = np.repeat(_padded(accurate_table(accuracy, cardinality), shape[1])[None], shape[0], axis=0)
    for j, cells in soft.items():
        says[j] = _padded(cells, shape[1])
    return says


def fixed_precision(pi: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(y = l | vote l) of functions whose precision is not estimated, `(k,)`, for the volume of voting π."""
    precision = np.maximum(SINGLE_CLASS_PRECISION, pi + _ABOVE_VOLUME)
    return np.where(precision > MAX_PRECISION, (1 + pi) / 2, precision)


def precise_table(pi: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(vote | class), `(k, k)`, of votes that are right with `fixed_precision` for the volume of voting π.

    By Bayes a row is proportional to P(class | vote) / π, and only its ratios are evidence. Columns sum to at most 1.

    >>> precise_table(np.array([0.5, 0.5])).tolist()
    [[0.75, 0.25], [0.25, 0.75]]
    """
    safe = np.clip(pi, np.finfo(float).tiny, 1 - 1e-12)
    precision = fixed_precision(safe)
    table = np.repeat(((1 - precision) / (1 - safe))[:, None], len(pi), axis=1)
    np.fill_diagonal(table, precision / safe)
    return np.asarray(table / table.sum(axis=0).max(), np.float64)


def precision_tables(
    precision: NDArray[np.float64], votes: NDArray[np.int64], n_items: int, pi: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Tables `(m, k + 1, k)` of functions whose votes are right with the precisions `(m, k)`.

    By Bayes, P(vote l | y) is proportional to P(y | vote l) / π_y: a_l / π_l for y = l, and
    (1 - a_l) / (1 - π_l) elsewhere, because errors spread over the other classes as π does. A row may be
    scaled freely, only its ratios are evidence; columns of a table sum to 1.
    """
    k = len(pi)
    rows = np.repeat(((1 - precision) / (1 - pi))[:, :, None], k, axis=2)
    rows[:, np.arange(k), np.arange(k)] = precision / pi
    rows *= (votes / n_items)[:, :, None]
    rows /= np.maximum(rows.sum(axis=1).max(axis=1), 1)[:, None, None]
    return np.concatenate([1 - rows.sum(axis=1, keepdims=True), rows], axis=1)


def cell_table(
    cells: NDArray[np.float64], votes: NDArray[np.int64], n_items: int, pi: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The table `(s + 1, k)` of a function that votes with a probability and is taken at its word.

    By Bayes, P(cell | y) is proportional to P(y | cell) / π_y: a cell that says what π does is no evidence. As in
    `precision_tables`, only ratios within a row count.

    Parameters
    ----------
    cells : (c, k) float64 array
        P(class | cell).
    votes : (s,) int64 array
        How often each cell was voted.
    """
    rows = _padded(cells, len(votes)) / pi * (votes / n_items)[:, None]
    rows /= max(float(rows.sum(axis=0).max()), 1.0)
    return np.concatenate([1 - rows.sum(axis=0, keepdims=True), rows])


def _padded(rows: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Rows of zeros below, so that there are n."""
    return np.concatenate([rows, np.zeros((n - len(rows), rows.shape[1]))])
