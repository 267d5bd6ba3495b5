"""A time limit for functions of users that costs their calls nothing: samples of where the interpreter is.

Every so often the main thread gets a signal. Python runs its handler in the main thread between two
instructions and shows it the frame that it interrupts, so the handler knows which function is running, and
an exception that it raises comes out of that very place.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from sparkws.lfs.ticks import can_tick, ticking
from sparkws.trail import Trail

_TICK_S: Final = 0.05
_TICKS_A_LIMIT: Final = 20  # of a limit so small that a tick would be too coarse


class TimeLimitExceeded(BaseException):
    """A function used up its time for a batch; no `Exception`, so that `except Exception` lets it pass."""


@dataclass(frozen=True)
class Spot:
    """Where a tick found the interpreter.

    Attributes
    ----------
    label : str
        The function, as it is told.
    where : str
        The item or the batch, as the end of a sentence.
    row : int
        The row of the batch.
    within : bool
        Whether the code of the function itself was interrupted, so that an exception comes out of it.
    stop : function
        Sees to it that the function is not called again, but fails with the message.
    """

    label: str
    where: str
    row: int
    within: bool
    stop: Callable[[str], None]


class Watch:
    """Adds up what each function uses of its time, and interrupts what has used it up.

    Parameters
    ----------
    limit_s : float
        Seconds that each function has.
    find : function
        The spot that a frame belongs to; None if it is in no function.
    trail : Trail or None
        Told what the process is at when ticks find it in the same call for a while.
    settle : function, optional
        Tells the trail again what the process is at in general; where it is missing, somebody else tells
        the trail of every call.
    """

    def __init__(
        self,
        limit_s: float,
        find: Callable[[FrameType], Spot | None],
        trail: Trail | None = None,
        settle: Callable[[], None] | None = None,
    ) -> None:
        self._limit_s, self._find, self._trail, self._settle = limit_s, find, trail, settle
        self.interval_s = min(_TICK_S, limit_s / _TICKS_A_LIMIT)
        self._messages: dict[str, str] = {}
        self._used: defaultdict[str, float] = defaultdict(float)
        self._last = self._guarded = self._since = time.monotonic()
        self._call: tuple[str, int] | None = None
        self._is_told = False

    def begin(self) -> None:
        """Start to count; from now on something has to tick."""
        self._last = self._guarded = time.monotonic()
        self._guard()

    def tick(self, frame: FrameType | None) -> None:
        """Count the time since the last tick for the function that `frame` is in.

        Raises
        ------
        TimeLimitExceeded
            If that function has used up its time and its own code is what was interrupted.
        """
        now = time.monotonic()
        elapsed, self._last = now - self._last, now
        spot = None if frame is None else self._find(frame)
        self._tell(spot)
        used = 0.0
        if spot is not None:
            self._used[spot.label] += elapsed
            used = self._used[spot.label]
        if spot is None or used <= self._limit_s:
            if now - self._guarded > min(1.0, self._limit_s / 2):
                self._guarded = now
                self._guard()
            return
        # From here on the guard is not put off: a function that swallows what is raised meets it in the end.
        message = self._messages.setdefault(
            spot.label,
            f"{spot.label} used up its {self._limit_s:g} s {spot.where} and is not called again in that "
            "batch; see 'lfs.time_limit_s'.",
        )
        spot.stop(message)
        if spot.within:
            raise TimeLimitExceeded(message)

    def end(self) -> None:
        """Take back what would end the process."""
        if self._trail is not None:
            self._trail.unguard()

    def _guard(self) -> None:
        if self._trail is not None:
            self._trail.guard(2 * self._limit_s + 1)

    def _tell(self, spot: Spot | None) -> None:
        call = None if spot is None else (spot.label, spot.row)
        if call != self._call:
            self._call, self._since = call, self._last
        if self._trail is None or self._settle is None:
            return
        stays = spot is not None and self._last - self._since >= self.interval_s
        if spot is not None and stays and not self._is_told:
            self._trail.note([spot.label], spot.where)
        elif self._is_told and not stays:
            self._settle()
        self._is_told = stays


@contextmanager
def watched(watch: Callable[[float], Watch], limit_s: float | None) -> Iterator[None]:
    """Let a watch tick while the body runs.

    Without a limit nothing ticks, nor outside the main thread, where Python handles no signals, nor where
    somebody else handles the signal, nor on systems without its timer: there is no limit then.
    """
    if limit_s is None or not can_tick():
        yield
        return
    watching = watch(limit_s)
    try:
        with ticking(watching.interval_s, watching.tick) as is_ticking:
            if is_ticking:
                watching.begin()
            yield
    finally:
        watching.end()


def call_within(
    f: Callable[[Any], Any], argument: Any, label: str, where: str, limit_s: float | None, trail: Trail | None
) -> Any:
    """`f(argument)` within its time.

    Raises
    ------
    TimeLimitExceeded
        If it has used up `limit_s`.
    """

    def find(interrupted: FrameType) -> Spot | None:
        frame: FrameType | None = interrupted
        while frame is not None and frame.f_code is not _call.__code__:
            frame = frame.f_back
        return None if frame is None else Spot(label, where, 0, within=True, stop=lambda _: None)

    if trail is not None:
        trail.note([label], where)
    with watched(lambda limit: Watch(limit, find, trail), limit_s):
        return _call(f, argument)


def _call(f: Callable[[Any], Any], argument: Any) -> Any:
    return f(argument)
