"""What functions that vote with a probability declare, and what known classes say of it, as lines of a report."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_MOST_CELLS: Final = 12


def soft_lines(found: Mapping[str, Mapping[str, Any]], classes: Sequence[str]) -> list[str]:
    """A line for each function; with two classes, the cells too."""
    return [_line(name, of, classes) for name, of in found.items()]


def _line(name: str, of: Mapping[str, Any], classes: Sequence[str]) -> str:
    cells, error, n_known = of["cells"], of["calibration_error"], sum(of["known"])
    said = f"{name} votes with a probability, in {'one cell' if len(cells) == 1 else f'{len(cells)} cells'}"
    if error is None:
        return said
    said += f": calibration error {error:.3f} on {n_known:,} votes on gold items"
    if len(classes) > 2 or len(cells) > _MOST_CELLS:
        return said
    seen = [
        f"{cell[1]:g}: {'-' if shares is None else f'{shares[1]:.2f}'}"
        for cell, shares in zip(cells, of["observed"], strict=True)
    ]
    return f"{said}; what it says of {classes[1]}, and what is true: {', '.join(seen)}"
