"""The one pass over the rows of a batch that all functions of single items share."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import polars as pl

from sparkws.errors import InvalidFunction
from sparkws.lfs.faults import FAULTS, FaultLog
from sparkws.lfs.function import LabelingFunction
from sparkws.lfs.preprocess import Preprocessor
from sparkws.lfs.returns import FAILED
from sparkws.lfs.rows import Row, unshared

# Preprocessors and the functions that asked for them, each with its name.
Group = tuple[tuple[Preprocessor, ...], tuple[tuple[str, Callable[[Any], Any]], ...]]


def group_by_chain(lfs: Iterable[LabelingFunction]) -> tuple[Group, ...]:
    """The functions that have the same preprocessors share one run of them for each item."""
    groups: dict[tuple[Preprocessor, ...], list[tuple[str, Callable[[Any], Any]]]] = {}
    for lf in lfs:
        groups.setdefault(lf.chain, []).append((lf.name, lf.call))
    return tuple((chain, tuple(members)) for chain, members in groups.items())


def run_rows(frame: pl.DataFrame, n: int, groups: Iterable[Group], log: FaultLog) -> dict[str, list[object]]:
    """What every function returned for every item, `FAILED` where it raised.

    Parameters
    ----------
    frame : (n, ...) DataFrame
        What the functions read; it may have no columns at all, hence `n`.
    log : FaultLog
        Gets what was raised.
    """
    returned: dict[str, list[object]] = {name: [] for _, members in groups for name, _ in members}
    # An item's lists and dicts, and what preprocessors made, could be changed in place by a function.
    nested = any(dtype.is_nested() or dtype == pl.Object for dtype in frame.dtypes)
    plan = [
        (chain, nested or bool(chain), [(name, call, returned[name].append) for name, call in members])
        for chain, members in groups
    ]
    make, share = Row.__new__, object.__setattr__
    for position, values in enumerate(_rows(frame, n)):
        for chain, guarded, members in plan:
            shared = values
            if chain:
                try:
                    shared = _preprocessed(unshared(values), chain)
                except FAULTS as error:
                    for name, _, append in members:
                        append(FAILED)
                        log.record(name, position, error)
                    continue
            row = make(Row)
            for name, call, append in members:
                # The one before may have set something, which gave the row a dict of its own.
                if guarded:
                    share(row, "__dict__", unshared(shared))
                elif row.__dict__ is not shared:
                    share(row, "__dict__", shared)
                try:
                    append(call(row))
                except FAULTS as error:
                    append(FAILED)
                    log.record(name, position, error)
    return returned


def _rows(frame: pl.DataFrame, n: int) -> Iterator[dict[str, Any]]:
    return frame.iter_rows(named=True) if frame.width else ({} for _ in range(n))


def _preprocessed(values: dict[str, Any], chain: tuple[Preprocessor, ...]) -> dict[str, Any]:
    item: Any = Row(values)
    for preprocessor in chain:
        item = preprocessor.f(item)
        if not hasattr(item, "__dict__"):
            raise InvalidFunction(f"preprocessor {preprocessor.name!r} returned {item!r}; it must return the item.")
    return dict(vars(item))
