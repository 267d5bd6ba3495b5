"""The one pass over the rows of a batch that all functions of single items share."""

import dis
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import FrameType
from typing import Any

import polars as pl

from sparkws.lfs.ahead import Given
from sparkws.lfs.costs import Clock
from sparkws.lfs.faults import FaultLog
from sparkws.lfs.limits import Spot, TimeLimitExceeded, Watch, watched
from sparkws.lfs.preprocess import Preprocessor
from sparkws.lfs.returns import FAILED
from sparkws.lfs.rowplan import Made, RowPlan, bind
from sparkws.lfs.rows import Row, unshared
from sparkws.trail import Trail

# For one batch: what runs before the functions, and for each result of it the functions that see it, whether
# each needs values of its own, and where its votes go.
_Step = tuple[int, int, Callable[[Made, int], dict[str, Any]]]
_Member = tuple[str, Callable[[Any], Any], Callable[[object], None]]
_Planned = tuple[int, bool, list[_Member]]


def run_rows(
    frame: pl.DataFrame,
    n: int,
    plan: RowPlan,
    log: FaultLog,
    time_limit_s: float | None = None,
    trail: Trail | None = None,
    given: Mapping[Preprocessor, Given] | None = None,
    clock: Clock | None = None,
) -> dict[str, list[object]]:
    """What every function returned for every item, `FAILED` where it raised.

    Parameters
    ----------
    frame : (n, ...) DataFrame
        What the functions read; it may have no columns at all, hence `n`.
    log : FaultLog
        Gets what was raised.
    time_limit_s : float, optional
        What each function and each preprocessor may use of its time; the one that has used it up fails on the
        remaining items.
    trail : Trail, optional
        Gets what the process is at.
    given : dict, optional
        What preprocessors of batches made of these items.
    clock : Clock, optional
        Times what it is asked to.
    """
    timed = Clock(()).timed if clock is None else clock.timed
    returned: dict[str, list[object]] = {lf.name: [] for _, members in plan.groups for lf in members}
    # An item's lists and dicts, and what preprocessors made, could be changed in place by a function.
    nested = any(dtype.is_nested() or dtype == pl.Object for dtype in frame.dtypes)
    labels = [str(step.preprocessor) for step in plan.steps]
    steps: list[_Step] = [
        (number, step.at, timed(labels[number], bind(step, given or {}))) for number, step in enumerate(plan.steps)
    ]
    groups: list[_Planned] = [
        (at, nested or at > 0, [(lf.name, timed(lf.name, lf.call), returned[lf.name].append) for lf in members])
        for at, members in plan.groups
    ]
    rows = _rows(frame, n)
    careful = trail is not None and trail.careful
    if trail is not None and careful:
        steps, groups, rows = _noted(steps, labels, groups, rows, log, trail)

    def settle() -> None:
        if trail is not None:
            trail.note([*map(repr, returned)], log.whole)

    def watch(limit_s: float) -> Watch:
        find = partial(_spot, steps=steps, labels=labels, log=log)
        return Watch(limit_s, find, trail, None if careful else settle)

    settle()
    with watched(watch, time_limit_s):
        _loop(steps, groups, rows, log)
    return returned


def _loop(steps: list[_Step], groups: list[_Planned], rows: Iterable[dict[str, Any]], log: FaultLog) -> None:
    make, share, lets_pass = Row.__new__, object.__setattr__, log.lets_pass
    for position, values in enumerate(rows):
        if steps:
            made: Made = [values]
        for _number, at, step in steps:  # whoever interrupts asks for the number
            if type(made[at]) is not dict:
                made.append(made[at])
                continue
            try:
                made.append(step(made, position))
            except lets_pass:
                raise
            except BaseException as error:
                made.append(error)
        for at, guarded, members in groups:
            shared = values
            if at:
                shared = made[at]
                if type(shared) is not dict:
                    for name, _, append in members:
                        append(FAILED)
                        log.record(name, position, shared)
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
        if steps:
            made.clear()  # an exception in it holds on to it


def _line_of(name: str) -> int:
    """The line where `_loop` calls `name`: the last one where it comes up."""
    named = [(part.argval, part.positions) for part in dis.get_instructions(_loop)]
    # Some instructions load two variables at once.
    lines = [at.lineno for value, at in named if at and name in (value if isinstance(value, tuple) else (value,))]
    return max(line for line in lines if line is not None)


# Whatever Python code these lines run is that of users, or of ours within their `try`: an exception from a
# tick there becomes a fault. Anywhere else a tick must not raise, or votes would shift.
_CALLS, _PREPROCESSES = _line_of("call"), _line_of("step")


def _spot(interrupted: FrameType, steps: list[_Step], labels: list[str], log: FaultLog) -> Spot | None:
    """Which function or preprocessor the interrupted frame belongs to."""
    below, frame = None, interrupted
    while frame.f_code is not _loop.__code__:
        if frame.f_back is None:
            return None
        below, frame = frame, frame.f_back
    if frame.f_lineno not in (_CALLS, _PREPROCESSES):
        return None
    found = frame.f_locals
    row = found["position"]
    where = log.on(row)
    if frame.f_lineno == _CALLS:
        name, append, members = found["name"], found["append"], found["members"]

        def stop_function(message: str) -> None:
            members[[member[0] for member in members].index(name)] = (name, _failing(message), append)

        return Spot(repr(name), where, row, below is not None, stop_function)
    number, at = found["_number"], found["at"]

    def stop_step(message: str) -> None:
        steps[number] = (number, at, _failing(message))

    return Spot(labels[number], where, row, below is not None, stop_step)


def _failing(message: str) -> Callable[..., Any]:
    def fail(*arguments: Any) -> Any:
        raise TimeLimitExceeded(message)

    return fail


def _noted(
    steps: list[_Step],
    labels: list[str],
    groups: list[_Planned],
    rows: Iterable[dict[str, Any]],
    log: FaultLog,
    trail: Trail,
) -> tuple[list[_Step], list[_Planned], Iterator[dict[str, Any]]]:
    """The same with a note before every single call."""
    where = [""]

    def numbered() -> Iterator[dict[str, Any]]:
        for position, values in enumerate(rows):
            where[0] = log.on(position)
            yield values

    def noting(label: str, f: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            trail.note([label], where[0])
            return f(*arguments)

        return noted

    return (
        [(number, at, noting(labels[number], step)) for number, at, step in steps],
        [
            (at, guarded, [(name, noting(repr(name), call), append) for name, call, append in members])
            for at, guarded, members in groups
        ],
        numbered(),
    )


def _rows(frame: pl.DataFrame, n: int) -> Iterator[dict[str, Any]]:
    return frame.iter_rows(named=True) if frame.width else ({} for _ in range(n))
