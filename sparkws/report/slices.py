"""What the report says of slices, as lines of text."""

from collections.abc import Mapping
from typing import Any


def describe_slices(slices: Mapping[str, Mapping[str, Any]], faults: Mapping[str, int]) -> list[str]:
    """A line of figures for each slice below their names, and what its condition failed on.

    Parameters
    ----------
    slices : mapping of str to figures
        As `SliceFiguresKernel.to_plain` gives them.
    faults : mapping of str to int
        Items on which the condition of a slice failed.
    """
    if not slices:
        return []
    kinds = list(next(iter(slices.values()))["accuracy"])
    table = [["slice", "items", "coverage", "overlaps", "conflicts", "gold", *kinds]]
    for name, figures in slices.items():
        shares = [figures[share] for share in ("coverage", "overlaps", "conflicts")]
        cells = ["-" if value is None else f"{value:.4f}" for value in (*shares, *figures["accuracy"].values())]
        table.append([name, f"{figures['n_items']:,}", *cells[:3], f"{figures['n_gold']:,}", *cells[3:]])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]))
    return [*lines, *(f"slice {name}: its condition failed on {n:,} items, left outside" for name, n in faults.items())]
