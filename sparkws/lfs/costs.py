"""What labeling functions cost: nanoseconds for rows, in whole numbers that add up in any order.

Functions of batches are timed as they run. Functions of single items are timed on the few rows on which they
run again, so that the loop over all rows pays nothing. Of those that polars evaluates together a few are
evaluated alone on a part of a batch, others on other batches.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from sparkws.lfs.native import Native, evaluate

WHOLE, TOGETHER, NATIVE, PYTHON = "whole", "together", "native", "python"
SCHEMA: Final = pl.Schema({"kind": pl.String, "lf": pl.String, "n_items": pl.Int64, "nanoseconds": pl.Int64})
_FEWEST_ROWS: Final = 500
_PART: Final = 100  # of a batch is what is evaluated alone
BUDGET: Final = 200  # of the time of a batch is what timing single functions may take


@dataclass(frozen=True)
class Costs:
    """What was timed.

    Attributes
    ----------
    timed : mapping
        For each (kind, name) the rows and what they took in nanoseconds. The whole pass over all functions and
        what polars evaluates together are kinds of their own; a native function that was not timed yet has
        no rows.
    """

    timed: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    @property
    def rows_per_s(self) -> float | None:
        """Rows in a second of one core, all functions together; None for no rows."""
        n_rows, nanoseconds = self.timed.get((WHOLE, ""), (0, 0))
        return 1e9 * n_rows / nanoseconds if n_rows else None

    def by_function(self) -> dict[str, dict[str, float]]:
        """Rows in a second of one core, and the share of the time of all functions, for each; the slowest first.

        What polars evaluates together takes less than the sum of its functions alone, because they share
        searches: of its functions counts what they take alone, scaled to what they took together.
        """
        n_rows, together = self.timed.get((TOGETHER, ""), (0, 0))
        if not n_rows:
            return {}
        alone = {name: timed for (kind, name), timed in self.timed.items() if kind == NATIVE}
        known = [nanoseconds / rows for rows, nanoseconds in alone.values() if rows]
        scale = together / n_rows / (sum(known) / len(known) * len(alone)) if known else 1.0
        total = together / n_rows if alone else 0.0
        rates: defaultdict[str, float] = defaultdict(float)
        for (kind, name), (rows, nanoseconds) in self.timed.items():
            if kind == PYTHON:
                total += nanoseconds / rows
            # A compiled function is both: where its expression cannot tell, it is asked itself.
            if kind in (NATIVE, PYTHON) and alone.get(name) != (0, 0):
                rates[name] += nanoseconds / rows * (scale if kind == NATIVE else 1)
        ordered = sorted(rates.items(), key=lambda rate: (-rate[1], rate[0]))
        return {
            name: {"rows_per_s": float(f"{1e9 / rate:.3g}"), "share": round(rate / total, 4)} for name, rate in ordered
        }


def merge(a: Costs, b: Costs) -> Costs:
    """What was timed in both."""
    keys = sorted({*a.timed, *b.timed})
    pairs = [(a.timed.get(key, (0, 0)), b.timed.get(key, (0, 0))) for key in keys]
    return Costs({key: (one[0] + two[0], one[1] + two[1]) for key, (one, two) in zip(keys, pairs, strict=True)})


def dump(costs: Costs) -> pl.DataFrame:
    """A row for each kind and name."""
    rows = [(kind, name, *timed) for (kind, name), timed in costs.timed.items()]
    return pl.DataFrame(rows, SCHEMA, orient="row")


def load(rows: pl.DataFrame) -> Costs:
    """What `dump` wrote."""
    return Costs({(kind, name): (n_items, took) for kind, name, n_items, took in rows.select(SCHEMA.names()).rows()})


class Clock:
    """Adds up what calls of some functions take.

    Parameters
    ----------
    names : collection of str
        The functions to be timed; others are called as they are.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self.spent = Counter(dict.fromkeys(names, 0))  # of compiled functions many are never asked

    def timed(self, name: str, f: Callable[..., Any]) -> Callable[..., Any]:
        """The function, which tells how long each call takes."""
        if name not in self._names:
            return f
        spent, now = self.spent, time.perf_counter_ns

        def call(*arguments: Any) -> Any:
            start = now()
            try:
                return f(*arguments)
            finally:
                spent[name] += now() - start

        return call

    def costs(self, n_rows: int) -> dict[tuple[str, str], tuple[int, int]]:
        """What was timed for so many rows."""
        return {(PYTHON, name): (n_rows, max(took, n_rows)) for name, took in self.spent.items()}


def time_alone(
    batch: pl.DataFrame, natives: Mapping[str, Native], turn: int, budget_ns: int
) -> dict[tuple[str, str], tuple[int, int]]:
    """What some of the functions that polars evaluates take by themselves, on a part of a batch.

    Parameters
    ----------
    turn : int
        Any number, another one for another batch: which function comes first, and which part it is.
    budget_ns : int
        When this has been spent, the other functions wait for other batches; one is always timed.
    """
    found: dict[tuple[str, str], tuple[int, int]] = {(NATIVE, name): (0, 0) for name in natives}
    names, n = list(natives), batch.height
    size = min(n, max(_FEWEST_ROWS, n // _PART))
    part, nothing = batch.slice(turn % (n - size + 1), size), batch.clear()
    first = turn % max(len(names), 1)
    spent = 0
    for name in names[first:] + names[:first]:
        alone = {name: natives[name]}
        # Without rows it takes what polars needs to begin, which has nothing to do with the function.
        full, empty = _took(part, alone), _took(nothing, alone)
        found[NATIVE, name] = (size, max(full - empty, size))  # a nanosecond a row at least, or there is no rate
        spent += full + empty
        if spent > budget_ns:
            break
    return found


def _took(batch: pl.DataFrame, natives: Mapping[str, Native]) -> int:
    start = time.perf_counter_ns()
    evaluate(batch, natives)
    return time.perf_counter_ns() - start
