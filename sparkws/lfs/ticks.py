"""Ticks: a signal for the main thread every so often, whatever that thread is doing."""

import ctypes
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType
from typing import Any, Final

# Not SIGALRM: functions use that, and the one timer that Python offers for it, for time limits of their own.
_SIGNAL: Final = getattr(signal, "SIGVTALRM", None)
_CLOCK_MONOTONIC, _SIGEV_THREAD_ID = 1, 4  # of Linux


class _Event(ctypes.Structure):
    """Linux's `sigevent`; it reads 64 bytes."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread", ctypes.c_int),
        ("unused", ctypes.c_char * 48),
    )


class _Times(ctypes.Structure):
    """Linux's `itimerspec`: seconds and nanoseconds of the interval, then of the first expiry."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns"))


@contextmanager
def ticking(interval_s: float, on_tick: Callable[[FrameType | None], None]) -> Iterator[bool]:
    """Call `on_tick` with the frame that it interrupts every `interval_s` while the body runs.

    What comes out is whether the system had a timer left. It sends the signal, because a thread could not
    while a regular expression backtracks, and would otherwise come to run where functions wait for
    something, so that these would seem to take all the time.
    """
    assert _SIGNAL is not None
    library = _library()
    event = _Event(signal=_SIGNAL, notify=_SIGEV_THREAD_ID, thread=threading.get_native_id())
    timer = ctypes.c_void_p()
    seconds, rest = divmod(interval_s, 1)
    parts = (int(seconds), max(1, int(rest * 1e9)))

    def handle(_: int, interrupted: FrameType | None) -> None:
        frame = interrupted
        while frame is not None:
            if frame.f_code is handle.__code__:
                return  # a tick within a tick would take the handler for what was interrupted
            frame = frame.f_back
        on_tick(interrupted)

    signal.signal(_SIGNAL, handle)
    is_made = library.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) == 0
    try:
        if is_made:
            library.timer_settime(timer, 0, ctypes.byref(_Times(*parts, *parts)), None)
        yield is_made
    finally:
        if is_made:
            library.timer_delete(timer)
        # To ignore a signal drops one that is under way, which by default would end the process.
        signal.signal(_SIGNAL, signal.SIG_IGN)
        signal.signal(_SIGNAL, signal.SIG_DFL)


def can_tick() -> bool:
    """Whether this thread can have ticks: on Linux the main one, unless somebody else handles the signal."""
    if _SIGNAL is None or threading.current_thread() is not threading.main_thread():
        return False
    return signal.getsignal(_SIGNAL) is signal.SIG_DFL and _library() is not None


@cache
def _library() -> Any:
    for name in (None, "librt.so.1"):  # glibc before 2.34 has timers apart
        try:
            library = ctypes.CDLL(name)
            _ = library.timer_create, library.timer_settime, library.timer_delete
        except (OSError, AttributeError):
            continue
        return library
    return None
