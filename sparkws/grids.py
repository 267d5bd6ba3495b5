"""Soft votes: probabilities as cells of a declared grid, so that they are counted exactly like other votes.

A function that votes with a probability declares a grid of them. Its vote is the index of the cell that is
nearest to what it returns, -1 where it abstains. A cell is a vector: P(class | cell), as the function claims it,
with how common the classes are already in it. A vote for a class is the cell that is one there and zero
elsewhere, so a grid of these in the order of the classes is none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Real
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sparkws.errors import ConfigError
from sparkws.vocab import ABSTAIN, MAX_CLASSES

Cells = tuple[tuple[float, ...], ...]
# What is written for a grid: P of the class with index 1 of two classes, or a vector over the classes.
Declared = Sequence[float] | Sequence[Sequence[float]]

# As far as probabilities that a model computed in single precision may be from adding up to 1.
SUM_TOLERANCE: Final = 1e-3
_TIE: Final = 1e-9


@dataclass(frozen=True)
class Grids:
    """The grids of the functions that vote with a probability, by function; the others vote for a class.

    Attributes
    ----------
    of : mapping of str to Cells
        For each soft function its cells, each with the probability of each class.
    """

    of: Mapping[str, Cells] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.of)

    def n_outcomes(self, cardinality: int) -> int:
        """The most votes that a function can cast: the number s of digits that a vote may be.

        >>> Grids({"lf_soft": ((0.9, 0.1), (0.5, 0.5), (0.1, 0.9))}).n_outcomes(2), Grids().n_outcomes(2)
        (3, 2)
        """
        return max([cardinality, *map(len, self.of.values())])

    def sizes(self, lf_names: Iterable[str], cardinality: int) -> tuple[int, ...]:
        """How many votes each function can cast."""
        return tuple(len(self.of[name]) if name in self.of else cardinality for name in lf_names)

    def select(self, lf_names: Iterable[str]) -> "Grids":
        """The grids of these functions only."""
        return Grids({name: self.of[name] for name in lf_names if name in self.of})

    def says(self, lf_names: Sequence[str], cardinality: int) -> NDArray[np.float64] | None:
        """P(class) as each vote claims it, `(m, s, k)`; None where all functions vote for a class.

        Zero for votes that a function cannot cast.
        """
        if not self.of:
            return None
        says = np.zeros((len(lf_names), self.n_outcomes(cardinality), cardinality))
        for row, name in zip(says, lf_names, strict=True):
            cells = np.array(self.of[name]) if name in self.of else np.eye(cardinality)
            row[: len(cells)] = cells
        return says

    def classes(self, lf_names: Sequence[str], cardinality: int) -> NDArray[np.int8] | None:
        """The class that each vote is for, `(m, s + 1)`, abstentions first; None where all vote for a class.

        It is the most probable one of a cell, and -1 where two are equally probable, as for votes that a
        function cannot cast.
        """
        says = self.says(lf_names, cardinality)
        if says is None:
            return None
        top = says >= says.max(axis=2, keepdims=True) - _TIE
        voted = np.where(top.sum(axis=2) == 1, says.argmax(axis=2), ABSTAIN)
        none = np.full((len(lf_names), 1), ABSTAIN)
        return np.concatenate([none, voted], axis=1).astype(np.int8)

    def to_plain(self) -> dict[str, list[list[float]]]:
        """The grids as lists, for JSON."""
        return {name: [list(cell) for cell in cells] for name, cells in self.of.items()}


NO_GRIDS: Final = Grids()


def grids_from_plain(plain: Mapping[str, Sequence[Sequence[float]]]) -> Grids:
    """The grids that `to_plain` wrote."""
    return Grids({name: tuple(tuple(cell) for cell in cells) for name, cells in plain.items()})


def classes_voted(L: NDArray[np.integer[Any]], classes: NDArray[np.int8] | None) -> NDArray[Any]:
    """The class that each vote is for, `(n, m)`, -1 where there is none; `classes` as `Grids.classes` gives them."""
    return L if classes is None else classes[np.arange(L.shape[1]), L + 1]


def make_cells(owner: str, declared: Any) -> Cells:
    """The cells of a declared grid.

    Parameters
    ----------
    owner : str
        Whose it is, for messages.
    declared : numbers, or vectors
        Numbers are P(class of index 1) of two classes, ascending; a vector has a probability for each class.

    Raises
    ------
    ConfigError
        If it is anything else, has no cell or more than 127, or one twice.

    Examples
    --------
    >>> make_cells("'lf_soft'", (0.25, 0.75))
    ((0.75, 0.25), (0.25, 0.75))
    """
    listed = _listed(declared)
    if listed is None or not 1 <= len(listed) <= MAX_CLASSES:
        raise ConfigError(
            f"the grid of {owner} must be a list of 1 to {MAX_CLASSES} probabilities or vectors, "
            f"got {declared if listed is None else len(listed)!r}."
        )
    numbers = [float(value) for value in listed if is_number(value)]
    if len(numbers) == len(listed):
        wrong = [value for value in numbers if not 0 <= value <= 1]
        if wrong or any(a >= b for a, b in pairwise(numbers)):
            raise ConfigError(f"the grid of {owner} must be ascending probabilities, got {declared!r}.")
        return tuple((1 - value, value) for value in numbers)
    vectors = [_listed(value) for value in listed]
    for given, vector in zip(listed, vectors, strict=True):
        if vector is None or len(vector) != len(vectors[0] or ()) or not is_distribution(vector):
            raise ConfigError(
                f"a cell of the grid of {owner} must be a vector with a probability for each class, as many as the "
                f"first and adding up to 1, got {given!r}."
            )
    cells = tuple(tuple(float(p) / float(sum(vector)) for p in vector) for vector in vectors if vector is not None)
    if len(set(cells)) != len(cells):
        raise ConfigError(f"the grid of {owner} has the same cell twice: {declared!r}.")
    return cells


def settled(owner: str, declared: Any) -> tuple[float, ...] | Cells:
    """A declared grid as tuples: numbers where numbers were declared.

    Raises
    ------
    ConfigError
        As `make_cells`.
    """
    cells = make_cells(owner, declared)
    return tuple(cell[1] for cell in cells) if all(map(is_number, _listed(declared) or ())) else cells


def bind_cells(owner: str, cells: Cells, classes: Sequence[str]) -> Cells | None:
    """The cells of a function of a task with these classes; None for a grid that says no more than votes do.

    Raises
    ------
    ConfigError
        If the cells are of another number of classes.
    """
    k = len(classes)
    if len(cells[0]) != k:
        raise ConfigError(
            f"the grid of {owner} has probabilities of {len(cells[0])} classes, but the task has {k}; give each cell "
            f"as a vector in the order {list(classes)[:12]}."
        )
    return None if cells == tuple(map(tuple, np.eye(k).tolist())) else cells


def refuse_soft(grids: Grids, who: str) -> None:
    """Refuse soft votes where only votes for a class can be used; `who` does, as "super_lf".

    Raises
    ------
    ConfigError
        With the functions.
    """
    if grids:
        names = list(grids.of)
        raise ConfigError(
            f"{who} takes no votes with a probability, as {names[:3]!r} {'casts' if len(names) == 1 else 'cast'} them; "
            "take dawid_skene, precision, weighted or majority, or leave the grids out."
        )


def is_distribution(vector: Sequence[Any]) -> bool:
    """Whether these are at least two probabilities that add up to 1."""
    return (
        len(vector) > 1
        and all(is_number(p) and 0 <= p <= 1 for p in vector)
        and abs(float(sum(vector)) - 1) <= SUM_TOLERANCE
    )


def cell_texts(cells: Cells) -> tuple[str, ...]:
    """How the cells are told: P(class of index 1) of two classes, else all probabilities.

    >>> cell_texts(((0.75, 0.25), (0.25, 0.75)))
    ('0.25', '0.75')
    """
    if len(cells[0]) == 2:
        return tuple(f"{cell[1]:g}" for cell in cells)
    return tuple("/".join(f"{p:g}" for p in cell) for cell in cells)


def grid_text(cells: Cells) -> str:
    """What is said of a column of votes that are cells.

    >>> grid_text(((0.75, 0.25), (0.25, 0.75)))
    'votes the index of a cell: P(class 1) of 0.25, 0.75'
    """
    what = "P(class 1)" if len(cells[0]) == 2 else "P(each class)"
    return f"votes the index of a cell: {what} of {', '.join(cell_texts(cells))}"


def _listed(value: Any) -> list[Any] | None:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else None


def is_number(value: object) -> bool:
    """Whether a value is a real number, of Python or NumPy, and no truth value."""
    return isinstance(value, Real) and not isinstance(value, bool)
