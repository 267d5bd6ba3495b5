"""Progress of a step: a bar while it runs on a terminal, one line in the log when it is done."""

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from sparkws.engine.session import SparkSession, count_tasks

logger = logging.getLogger(__name__)

_WIDTH = 24
_INTERVAL_S = 0.2


@contextmanager
def progress(spark: SparkSession, label: str, stream: TextIO | None = None) -> Iterator[None]:
    """Draw a bar of Spark's running tasks while the body runs, if `stream` is a terminal.

    `stream` is stderr by default. Where the session tells no task counts (Spark Connect), the bar shows
    the time only.
    """
    out = stream or sys.stderr
    if not out.isatty():
        yield
        return
    stop = threading.Event()
    drawer = threading.Thread(target=_draw, args=(spark, label, out, stop), daemon=True)
    drawer.start()
    try:
        yield
    finally:
        stop.set()
        drawer.join()
        out.write("\r\x1b[K")
        out.flush()


def _draw(spark: SparkSession, label: str, out: TextIO, stop: threading.Event) -> None:
    start = time.monotonic()
    while not stop.wait(_INTERVAL_S):
        out.write(f"\r\x1b[K{bar_line(label, count_tasks(spark), time.monotonic() - start)}")
        out.flush()


def bar_line(label: str, tasks: tuple[int, int] | None, seconds: float) -> str:
    """One line: the label, a bar of finished and known tasks, and the time.

    Parameters
    ----------
    tasks : (int, int) or None
        Finished and all tasks of the running stages.
    """
    if tasks is None or tasks[1] == 0:
        return f"{label:<28} {seconds:6.1f} s"
    done, known = tasks
    filled = _WIDTH * done // known
    return f"{label:<28} {'━' * filled}{'╌' * (_WIDTH - filled)} {done:,}/{known:,} tasks {seconds:6.1f} s"
