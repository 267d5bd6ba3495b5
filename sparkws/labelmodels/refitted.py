"""Models fitted again, to bootstrap samples and without functions, and what they tell of a model, as plain values.

Refits cost as much as the model's own fit. Where a number is left open (`auto`) there are as many as some ten
seconds of one core allow, by a count of what there is to do that is the same on every machine; and what was left
out is told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparkws.errors import NothingToFit
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.trust import (
    COVERED,
    MOST_LEFT_OUT,
    accuracy_by_lf,
    draw_models,
    intervals,
    left_out,
    models_without,
)
from sparkws.stats.patterns import Patterns

M = TypeVar("M")
N = TypeVar("N", bound=LabelModel)
C = TypeVar("C")
Asked = int | Literal["auto"]

MOST_REPLICATES: Final = 50
FEWEST_REPLICATES: Final = 10  # of fewer, the ends of an interval are the two most extreme
FAR_APART: Final = 0.1
_BUDGET: Final = 5e8  # see `refits.work_of`
_SELECTING: Final = 3  # of some of the functions, for each vote of a pattern
_MOST_NUMBERS: Final = 1_000_000  # of models that travel to the workers


@dataclass(frozen=True, eq=False)
class Refitted(Generic[M]):
    """Models fitted again.

    Attributes
    ----------
    replicates : sequence of models
        Fitted to bootstrap samples.
    without : mapping of str to model, or None
        By the function that was left out; None where none was to be.
    functions : tuple of str
        Those that might have been left out.
    needed : tuple of str
        Those that were, and left nothing to fit.
    why_no_replicates, why_none_without : str
        Why there are none although a number was left open, or something was asked for.
    """

    replicates: Sequence[M] = ()
    without: Mapping[str, M] | None = None
    functions: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    why_no_replicates: str = ""
    why_none_without: str = ""

    def map(self, change: Callable[[M], C]) -> "Refitted[C]":
        """The same of what a function makes of the models."""
        return Refitted(
            [change(again) for again in self.replicates],
            None if self.without is None else {name: change(other) for name, other in self.without.items()},
            self.functions,
            self.needed,
            self.why_no_replicates,
            self.why_none_without,
        )


def refit_all(
    refit: Callable[[Patterns], M],
    patterns: Patterns,
    rng: np.random.Generator,
    *,
    bootstrap: Asked,
    leave_one_out: Asked,
    work: float,
    share: float = 1.0,
    functions: Sequence[str] | None = None,
) -> Refitted[M]:
    """Fit a model again as often as is asked for, or as there is time for.

    Parameters
    ----------
    refit : function of Patterns
        The model's fit, to the counts of all or of some of its functions.
    patterns : Patterns
        Whole counts: what it was fitted on.
    rng : Generator
        Draws the items.
    bootstrap, leave_one_out : int or "auto"
        How many bootstrap samples there are, and how many functions are left out.
    work : float
        Of a refit, in the units of `refits.work_of`.
    share : float
        Of what refits may cost where a number is left open.
    functions : sequence of str, optional
        The columns that may be left out; all by default.
    """
    names = patterns.lf_names if functions is None else tuple(functions)
    size = f"{patterns.rows.height:,} patterns of {len(names):,} functions"
    replicates: Sequence[M] = ()
    n, why_no_replicates = _number(bootstrap, work / share, MOST_REPLICATES, FEWEST_REPLICATES, size)
    if n:
        try:
            replicates = draw_models(refit, patterns, rng, n)
        except NothingToFit as error:
            why_no_replicates = str(error)
    selecting = _SELECTING * patterns.rows.height * len(patterns.lf_names)
    n, why_none_without = _number(leave_one_out, (work + selecting) / share, MOST_LEFT_OUT, 1, size)
    without, needed = models_without(refit, patterns, n, names) if n else (None, ())
    return Refitted(replicates, without, names, needed, why_no_replicates, why_none_without)


def told_of_bootstrap(
    refitted: Refitted[N], model: N, patterns: Patterns, classes: Sequence[str], called: Callable[[str], str] = str
) -> dict[str, Any]:
    """What models of bootstrap samples tell of a model: intervals, and how many labels stay the same.

    Parameters
    ----------
    refitted : Refitted
    model : label model
        Of the same functions.
    patterns : Patterns
        Of its columns.
    classes : sequence of str
    called : function of str
        What a column is called.
    """
    if not refitted.replicates:
        return {"n_replicates": 0, "why_not": refitted.why_no_replicates}
    found = intervals(refitted.replicates, model, patterns)
    labeled = ~np.isnan(found.confidence[:, 0])
    told: dict[str, Any] = {"n_replicates": found.n_replicates, "why_not": ""}
    told["class_balance"] = dict(zip(classes, found.class_balance.tolist(), strict=True))
    told["steady"] = _share(patterns.counts, labeled & (found.steady >= COVERED), labeled)
    estimated = accuracy_by_lf(model)
    if estimated is not None:
        ends = dict(zip(model.lf_names_, found.accuracy.tolist(), strict=True))
        rows = {name: [accuracy, *ends[name]] for name, accuracy in estimated.items()}
        told["accuracy"] = {called(name): None if np.isnan(row).any() else row for name, row in rows.items()}
    return told


def told_of_leaving_out(
    refitted: Refitted[N], model: N, patterns: Patterns, called: Callable[[str], str] = str
) -> dict[str, Any]:
    """What models without one of the functions tell of a model: the labels that change; see `told_of_bootstrap`."""
    n_functions = len(refitted.functions)
    if refitted.without is None:
        return {"changed": {}, "n_functions": n_functions, "why_not": refitted.why_none_without}
    found = left_out(refitted.without, model, patterns, refitted.needed)
    labeled = ~np.isnan(found.spread)
    told: dict[str, Any] = {"changed": dict(zip(map(called, found.names), found.changed.tolist(), strict=True))}
    told["n_functions"] = n_functions
    told["far_apart"] = _share(patterns.counts, labeled & (found.spread > FAR_APART), labeled)
    return {**told, "why_not": ""}


def too_large(refitted: Refitted[M], size: int, share: float = 1.0) -> str:
    """Why models of so many numbers are not kept beside the labels; nothing where they are.

    `share` is that of one of several models of a task.
    """
    n_numbers = size * (len(refitted.replicates) + len(refitted.without or ()))
    most = int(_MOST_NUMBERS * share)
    if n_numbers <= most:
        return ""
    return f"{n_numbers:,} numbers of the models behind them, of which at most {most:,} are kept"


def _number(asked: Asked, work: float, most: int, fewest: int, size: str) -> tuple[int, str]:
    """How many refits there are; where none although a number is left open, why."""
    if isinstance(asked, int):
        return asked, ""
    n = int(_BUDGET / max(work, 1.0))
    if n >= fewest:
        return min(n, most), ""
    times = "again" if fewest == 1 else f"{fewest} times again"
    return 0, f"{size} take too long to fit {times} unless a number is given"


def _share(counts: NDArray[np.int64], part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float | None:
    n = int(counts[whole].sum())
    return int(counts[part].sum()) / n if n else None
