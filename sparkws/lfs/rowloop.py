"""The one pass over the rows of a batch that all functions of single items share."""

import dis
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

import polars as pl

from sparkws.errors import InvalidFunction
from sparkws.lfs.faults import FaultLog
from sparkws.lfs.function import LabelingFunction
from sparkws.lfs.limits import Spot, TimeLimitExceeded, Watch, watched
from sparkws.lfs.preprocess import Preprocessor
from sparkws.lfs.returns import FAILED
from sparkws.lfs.rows import Row, unshared
from sparkws.trail import Trail

# Preprocessors and the functions that asked for them, each with its name.
Group = tuple[tuple[Preprocessor, ...], tuple[tuple[str, Callable[[Any], Any]], ...]]
# The same for one batch: what runs, whether each function needs values of its own, where its votes go.
_Step = tuple[str, Callable[[Any], Any]]
_Member = tuple[str, Callable[[Any], Any], Callable[[object], None]]
_Planned = tuple[tuple[_Step, ...], bool, list[_Member]]


def group_by_chain(lfs: Iterable[LabelingFunction]) -> tuple[Group, ...]:
    """The functions that have the same preprocessors share one run of them for each item."""
    groups: dict[tuple[Preprocessor, ...], list[tuple[str, Callable[[Any], Any]]]] = {}
    for lf in lfs:
        groups.setdefault(lf.chain, []).append((lf.name, lf.call))
    return tuple((chain, tuple(members)) for chain, members in groups.items())


def run_rows(
    frame: pl.DataFrame,
    n: int,
    groups: Iterable[Group],
    log: FaultLog,
    time_limit_s: float | None = None,
    trail: Trail | None = None,
) -> dict[str, list[object]]:
    """What every function returned for every item, `FAILED` where it raised.

    Parameters
    ----------
    frame : (n, ...) DataFrame
        What the functions read; it may have no columns at all, hence `n`.
    log : FaultLog
        Gets what was raised.
    time_limit_s : float, optional
        What each function, and each chain of preprocessors, may use of its time; the one that has used it up
        fails on the remaining items.
    trail : Trail, optional
        Gets what the process is at.
    """
    returned: dict[str, list[object]] = {name: [] for _, members in groups for name, _ in members}
    # An item's lists and dicts, and what preprocessors made, could be changed in place by a function.
    nested = any(dtype.is_nested() or dtype == pl.Object for dtype in frame.dtypes)
    plan: list[_Planned] = [
        (
            tuple((preprocessor.name, preprocessor.f) for preprocessor in chain),
            nested or bool(chain),
            [(name, call, returned[name].append) for name, call in members],
        )
        for chain, members in groups
    ]
    rows = _rows(frame, n)
    careful = trail is not None and trail.careful
    if trail is not None and careful:
        plan, rows = _noted(plan, rows, log, trail)

    def settle() -> None:
        if trail is not None:
            trail.note([*map(repr, returned)], log.whole)

    def watch(limit_s: float) -> Watch:
        return Watch(limit_s, lambda interrupted: _spot(interrupted, plan, log), trail, None if careful else settle)

    settle()
    with watched(watch, time_limit_s):
        _loop(plan, rows, log)
    return returned


def _loop(plan: list[_Planned], rows: Iterable[dict[str, Any]], log: FaultLog) -> None:
    make, share, lets_pass = Row.__new__, object.__setattr__, log.lets_pass
    for position, values in enumerate(rows):
        for chain, guarded, members in plan:
            shared = values
            if chain:
                try:
                    shared = _preprocessed(unshared(values), chain)
                except lets_pass:
                    raise
                except BaseException as error:
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
                except lets_pass:
                    raise
                except BaseException as error:
                    append(FAILED)
                    log.record(name, position, error)


def _line_of(name: str) -> int:
    """The line where `_loop` calls `name`: the last one where it comes up."""
    named = [(part.argval, part.positions) for part in dis.get_instructions(_loop)]
    # Some instructions load two variables at once.
    lines = [at.lineno for value, at in named if at and name in (value if isinstance(value, tuple) else (value,))]
    return max(line for line in lines if line is not None)


# Whatever Python code these lines run is that of users, or of ours within their `try`: an exception from a
# tick there becomes a fault. Anywhere else a tick must not raise, or votes would shift.
_CALLS, _PREPROCESSES = _line_of("call"), _line_of("_preprocessed")


def _spot(interrupted: FrameType, plan: list[_Planned], log: FaultLog) -> Spot | None:
    """Which function or preprocessor the interrupted frame belongs to."""
    below, frame = None, interrupted
    while frame.f_code is not _loop.__code__:
        if frame.f_back is None:
            return None
        below, frame = frame, frame.f_back
    if frame.f_lineno not in (_CALLS, _PREPROCESSES):
        return None
    found = frame.f_locals
    row, members = found["position"], found["members"]
    where = log.on(row)
    if frame.f_lineno == _CALLS:
        name, append = found["name"], found["append"]

        def stop_function(message: str) -> None:
            members[[member[0] for member in members].index(name)] = (name, _failing(message), append)

        return Spot(repr(name), where, row, below is not None, stop_function)
    first = found["chain"][0][0]
    running = first if below is None else below.f_locals.get("preprocessor", first)

    def stop_chain(message: str) -> None:
        at = [planned[2] is members for planned in plan].index(True)
        plan[at] = (((running, _failing(message)),), plan[at][1], members)

    return Spot(f"preprocessor {running!r}", where, row, below is not None, stop_chain)


def _failing(message: str) -> Callable[[Any], Any]:
    def fail(item: Any) -> Any:
        raise TimeLimitExceeded(message)

    return fail


def _noted(
    plan: list[_Planned], rows: Iterable[dict[str, Any]], log: FaultLog, trail: Trail
) -> tuple[list[_Planned], Iterator[dict[str, Any]]]:
    """The same with a note before every single call."""
    where = [""]

    def numbered() -> Iterator[dict[str, Any]]:
        for position, values in enumerate(rows):
            where[0] = log.on(position)
            yield values

    def noting(label: str, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def noted(item: Any) -> Any:
            trail.note([label], where[0])
            return f(item)

        return noted

    careful = [
        (
            tuple((name, noting(f"preprocessor {name!r}", f)) for name, f in chain),
            guarded,
            [(name, noting(repr(name), call), append) for name, call, append in members],
        )
        for chain, guarded, members in plan
    ]
    return careful, numbered()


def _rows(frame: pl.DataFrame, n: int) -> Iterator[dict[str, Any]]:
    return frame.iter_rows(named=True) if frame.width else ({} for _ in range(n))


def _preprocessed(values: dict[str, Any], chain: tuple[_Step, ...]) -> dict[str, Any]:
    item: Any = Row(values)
    for preprocessor, f in chain:
        item = f(item)
        if not hasattr(item, "__dict__"):
            raise InvalidFunction(f"preprocessor {preprocessor!r} returned {item!r}; it must return the item.")
    return dict(vars(item))
