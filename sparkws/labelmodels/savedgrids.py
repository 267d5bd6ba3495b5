"""The grids of a saved label model as rows, and the names that votes have in the rows of its tables."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from sparkws.errors import DataError
from sparkws.grids import Grids

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
            at = vote.removeprefix(_CELL)
            if label in classes and at.isdecimal() and int(at) < len(cells):
                cells[int(at), list(classes).index(label)] = p
        if np.isnan(cells).any():
            raise DataError(f"the label model lacks probabilities of the grid of {lf!r}; fit it again.")
        grids[str(lf)] = tuple(map(tuple, cells.tolist()))
    return Grids(grids)


def _cells(n: int) -> list[str]:
    return [f"{_CELL}{at}" for at in range(n)]
