"""A time limit for functions of users that costs their calls nothing: samples of where the interpreter is.

A helper thread sends the main thread a signal every so often. Python runs its handler in the main thread
between two instructions and shows it the frame that it interrupts, so the handler knows which function is
running, and an exception that it raises comes out of that very place.
"""

import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from sparkws.trail import Trail

_TICK_S: Final = 0.05
_TICKS_A_LIMIT: Final = 20  # of a limit so small that a tick would be too coarse
# Unlike SIGALRM it is not what functions use for time limits of their own.
_SIGNAL: Final = getattr(signal, "SIGVTALRM", None)


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
        Told what the process is at when two ticks find it in the same call.
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
        self._used: defaultdict[str, float] = defaultdict(float)
        self._last = self._guarded = time.monotonic()
        self._call: tuple[str, int] | None = None
        self._is_told = False
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
        message = (
            f"{spot.label} used up its {self._limit_s:g} s for a batch {spot.where} and is not called again in that "
            "batch; see 'lfs.time_limit_s'."
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
        is_same, self._call = call == self._call, call
        if self._trail is None or self._settle is None:
            return
        if spot is not None and is_same:
            if not self._is_told:
                self._trail.note([spot.label], spot.where)
                self._is_told = True
        elif self._is_told:
            self._settle()
            self._is_told = False


@contextmanager
def watched(watch: Callable[[float], Watch], limit_s: float | None) -> Iterator[None]:
    """Let a watch tick while the body runs.

    Without a limit nothing ticks, nor outside the main thread, where Python handles no signals, nor where
    somebody else handles the signal.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if limit_s is None or not in_main or _SIGNAL is None or signal.getsignal(_SIGNAL) is not signal.SIG_DFL:
        yield
        return
    watching = watch(limit_s)
    stop = threading.Event()
    interval_s = min(_TICK_S, limit_s / _TICKS_A_LIMIT)
    ticker = threading.Thread(target=_send, args=(threading.get_ident(), interval_s, stop), daemon=True)
    try:
        signal.signal(_SIGNAL, lambda _, frame: watching.tick(frame))
        ticker.start()
        yield
    finally:
        stop.set()
        if ticker.ident is not None:
            ticker.join()
        # To ignore a signal drops one that is under way, which by default would end the process.
        signal.signal(_SIGNAL, signal.SIG_IGN)
        signal.signal(_SIGNAL, signal.SIG_DFL)
        watching.end()


def _send(thread: int, interval_s: float, stop: threading.Event) -> None:
    while not stop.wait(interval_s):
        assert _SIGNAL is not None
        signal.pthread_kill(thread, _SIGNAL)


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
