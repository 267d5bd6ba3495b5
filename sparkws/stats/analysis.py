"""The report about labeling functions, from counters alone.

Columns and figures are those of Snorkel's `LFAnalysis.lf_summary`, which people know.
"""

from collections.abc import Collection
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.stats.counters import Counters, of_patterns
from sparkws.stats.patterns import Patterns

MAX_WIDTH: Final = 120
_OUT: Final = "takes no part"


def lf_summary(counts: Counters | Patterns, *, accuracy_over: Literal["votes", "gold"] = "votes") -> pl.DataFrame:
    """One row for each labeling function.

    Parameters
    ----------
    counts : Counters or Patterns
        Of the items that the report is about.
    accuracy_over : {"votes", "gold"}
        Snorkel divides the correct votes by all votes of the function, so a vote on an item without a
        known class counts as wrong. "gold" divides by the votes on items with one: the figure to read
        where only a sample has gold.

    Returns
    -------
    DataFrame
        `lf`, `j`, `Polarity` (classes that it voted), `Coverage`, `Overlaps` and `Conflicts` (shares of
        all items). With known classes also `Correct`, `Incorrect` (items) and `Emp. Acc.`. A share of nothing is
        null, where Snorkel has 0.
    """
    counters = of_patterns(counts) if isinstance(counts, Patterns) else counts
    n = np.full(len(counters.lf_names), counters.n_items)
    n_votes = counters.votes.sum(axis=1)
    voted_for = counters.votes_for
    table = pl.DataFrame(
        {
            "lf": pl.Series(counters.lf_names, dtype=pl.String),
            "j": np.arange(len(counters.lf_names)),
            "Polarity": pl.Series([np.flatnonzero(row).tolist() for row in voted_for], dtype=pl.List(pl.Int64)),
            "Coverage": _share(n_votes, n),
            "Overlaps": _share(counters.overlaps, n),
            "Conflicts": _share(counters.conflicts, n),
        }
    )
    if not counters.gold_items.any():
        return table
    correct, incorrect = counters.correct, counters.incorrect
    accuracy = _accuracy(correct, n_votes if accuracy_over == "votes" else correct + incorrect)
    return table.hstack(pl.DataFrame({"Correct": correct, "Incorrect": incorrect, "Emp. Acc.": accuracy}))


def render(table: pl.DataFrame, *, faults: NDArray[np.int64] | None = None, takes_no_part: Collection[str] = ()) -> str:
    """A report as aligned plain text for a terminal, at most 120 characters wide.

    Parameters
    ----------
    table : DataFrame
        What `lf_summary` gave.
    faults : (m,) int64 array, optional
        Items on which each function faulted; adds a column.
    takes_no_part : collection of str
        Functions that the label model leaves out; marked.
    """
    columns = [[name, *(_text(name, value) for value in table[name])] for name in table.columns]
    if faults is not None:
        columns.append(["Faults", *(f"{n:,}" for n in faults)])
    if takes_no_part:
        columns.append(["", *(_OUT if name in takes_no_part else "" for name in table["lf"])])
    columns[0][0] = ""
    # Names and polarities may be of any length; the figures are never cut.
    fixed = sum(max(map(len, column)) + 2 for column in (columns[1], *columns[3:]))
    longest_polarity = max(8, min(max(map(len, columns[2])), 30))
    longest_name = max(12, MAX_WIDTH - fixed - longest_polarity - 2)
    columns[0] = [_cut(cell, longest_name) for cell in columns[0]]
    columns[2] = [_cut(cell, longest_polarity) for cell in columns[2]]

    widths = [max(map(len, column)) for column in columns]
    left = {0, 2} | ({len(columns) - 1} if takes_no_part else set())
    padded = [
        [cell.ljust(width) if at in left else cell.rjust(width) for cell in column]
        for at, (column, width) in enumerate(zip(columns, widths, strict=True))
    ]
    lines = ["  ".join(row) for row in zip(*padded, strict=True)]
    return "\n".join(line.rstrip() for line in lines)


def _accuracy(correct: NDArray[np.int64], votes: NDArray[np.int64]) -> pl.Series:
    # Snorkel's own order of operations, (right - wrong) / votes brought to 0..1, so that figures agree to the bit.
    return 0.5 * (_share(2 * correct - votes, votes) + 1)


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> pl.Series:
    """The ratio of each two numbers, null where it is of nothing."""
    share = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return pl.Series(share, dtype=pl.Float64).fill_nan(None)


def _text(column: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, pl.Series):
        return str(value.to_list())
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and column != "j" else str(value)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
