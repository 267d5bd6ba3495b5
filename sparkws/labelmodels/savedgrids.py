"""The grids of a saved label model as rows, and the names that votes have in the rows of its tables."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from sparkws.checks import shown
from sparkws.errors import DataError
from sparkws.grids import Grids, grids_from_plain, is_distribution

_CELL = "cell "


def vote_names(lf_names: Sequence[str], grids: Grids, classes: Sequence[str]) -> list[tuple[str | None, ...]]:
    """The votes of each function as they are named, abstention first: classes, or "cell 0", "cell 1", ..."""
    of_classes = (None, *classes)
    return [(None, *_cells(len(grids.of[name]))) if name in grids.of else of_classes for name in lf_names]


def grid_rows(grids: Grids, classes: Sequence[str]) -> pl.DataFrame:
    """A row for each probability that a cell declares."""
    told = [
        ("grid", lf, vote, label, p)
        for lf, cells in grids.of.items()
        for vote, cell in zip(_cells(len(cells)), cells, strict=True)
        for label, p in zip(classes, cell, strict=True)
    ]
    return pl.DataFrame(told, ["parameter", "lf", "vote", "class", "value"], orient="row")


def grids_from_rows(rows: pl.DataFrame, classes: Sequence[str]) -> Grids:
    """The grids that `grid_rows` wrote, from its rows in any order.

    Raises
    ------
    DataError
        If a cell lacks a probability.
    """
    grids = {}
    for (lf,), of_lf in rows.group_by("lf", maintain_order=True):
        cells = np.full((of_lf["vote"].n_unique(), len(classes)), np.nan)
        for vote, label, p in of_lf.select("vote", "class", "value").iter_rows():
            at = (vote or "").removeprefix(_CELL)
            if label in classes and at.isdecimal() and int(at) < len(cells):
                cells[int(at), list(classes).index(label)] = p
        if np.isnan(cells).any():
            raise DataError(f"the label model lacks probabilities of the grid of {lf!r}; fit it again.")
        grids[str(lf)] = tuple(map(tuple, cells.tolist()))
    return Grids(grids)


def stored_grids(plain: object, lf_names: Sequence[str], cardinality: int) -> Grids:
    """The grids that `Grids.to_plain` wrote, of functions that there are.

    Raises
    ------
    DataError
        If a cell is not a probability for each class, or a function is not one of the model.
    """
    if not isinstance(plain, Mapping):
        raise DataError(f"'grids' of the label model must be cells by function, got {shown(plain)}; fit it again.")
    for lf, cells in plain.items():
        if lf not in lf_names:
            raise DataError(f"the label model has the grid of {lf!r}, which it does not name; fit it again.")
        if not isinstance(cells, list) or not cells:
            raise DataError(
                f"the grid of {lf!r} of the label model must be a list of cells, got {shown(cells)}; fit it again."
            )
        for cell in cells:
            if not isinstance(cell, list) or len(cell) != cardinality or not is_distribution(cell):
                raise DataError(
                    f"a cell of the grid of {lf!r} of the label model must be {cardinality} probabilities that add up "
                    f"to 1, got {shown(cell)}; fit it again."
                )
    return grids_from_plain(plain)


def _cells(n: int) -> list[str]:
    return [f"{_CELL}{at}" for at in range(n)]
