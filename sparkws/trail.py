"""What a Python worker is at, in a file that outlives it.

Spark hands a worker a file of its own, for the tracebacks of crashes: it removes the file when a task is
done, and puts the content into the error when the process died, however it died. Whoever calls functions
that may end a process notes them here first, so that the error names them on any cluster.
"""

import base64
import faulthandler
import json
import mmap
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from sparkws.errors import WorkerDied

_OPEN, _CLOSE = "sparkws-trail<", ">sparkws-trail"
_SIZE: Final = 1 << 14  # of the note; behind it is what a crash or the watchdog writes
_MOST_FUNCTIONS, _MOST_CHARS = 20, 100  # so that a note fits


@dataclass(frozen=True)
class Place:
    """What a worker is at.

    Attributes
    ----------
    functions : tuple of str
        The function that it is in, or those in one of which it may be; as they are told.
    n_more : int
        Further functions that are not listed.
    where : str
        The item or the batch, as the end of a sentence.
    """

    functions: tuple[str, ...]
    n_more: int
    where: str


class Trail:
    """The file of this process.

    Attributes
    ----------
    careful : bool
        Note every function before it is called, also those that are called for every item: slow, and
        asked for after a worker has died.
    """

    def __init__(self, path: Path, *, careful: bool = False) -> None:
        self.careful = careful
        self._file = path.open("r+b", buffering=0)
        self._file.write(b" " * (_SIZE - 1) + b"\n")
        # A note is a copy within memory that the system writes down, whatever becomes of the process.
        self._map = mmap.mmap(self._file.fileno(), _SIZE)
        # Behind the note: as Spark opened the file, a crash would write over it.
        faulthandler.enable(self._file)

    def note(self, functions: Sequence[str], where: str) -> None:
        """Say that the process is in one of `functions`."""
        listed = tuple(name[:_MOST_CHARS] for name in functions[:_MOST_FUNCTIONS])
        place = Place(listed, len(functions) - len(listed), where[: 4 * _MOST_CHARS])
        content = base64.b64encode(json.dumps(asdict(place), ensure_ascii=False).encode())
        self._write(_OPEN.encode() + content + _CLOSE.encode())

    def clear(self) -> None:
        """Say that the process is in no function."""
        self._write(b"")

    def guard(self, seconds: float) -> None:
        """End the process in so many seconds unless this or `unguard` is called before; works in any code."""
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._file)

    def unguard(self) -> None:
        """Take `guard` back."""
        faulthandler.cancel_dump_traceback_later()

    def close(self) -> None:
        """Leave the file to Spark."""
        self.unguard()
        faulthandler.disable()
        self._map.close()
        self._file.close()

    def _write(self, note: bytes) -> None:
        self._map[: _SIZE - 1] = note[: _SIZE - 1].ljust(_SIZE - 1)


_TRAIL: ContextVar[Trail | None] = ContextVar("trail", default=None)


def current_trail() -> Trail | None:
    """The trail of this worker; None in any other process."""
    return _TRAIL.get()


@contextmanager
def leaving_trail(path: Path | None, *, careful: bool = False) -> Iterator[None]:
    """Let what runs within leave a trail at `path`, or none where there is no such file."""
    if path is None or not path.exists():
        yield
        return
    trail = Trail(path, careful=careful)
    token = _TRAIL.set(trail)
    try:
        yield
    finally:
        _TRAIL.reset(token)
        trail.close()


def read_trail(text: str) -> Place | None:
    """The place in the error of a worker that died, if it was in a function."""
    found = re.search(f"{_OPEN}([A-Za-z0-9+/=]*){_CLOSE}", text)
    if found is None:
        return None
    content = json.loads(base64.b64decode(found[1]))
    return Place(tuple(content["functions"]), content["n_more"], content["where"])


def explain_death(text: str) -> WorkerDied:
    """The error of a worker that died, from Spark's text."""
    place = read_trail(text)
    fatal = re.search(r"Fatal Python error: ([^\n]+)", text)
    if place is None:
        how = f" ({fatal[1].strip()})" if fatal else ""
        return WorkerDied(
            f"a Python worker died outside labeling functions{how}; most often the memory was used up. "
            "Lower 'engine.task_mib' or 'engine.batch_rows', or raise 'engine.worker_memory_mib'."
        )
    names = ", ".join(place.functions) + (f" and {place.n_more} more" if place.n_more else "")
    who = names if len(place.functions) == 1 else f"one of {names}"
    if "Timeout (" in text:
        why = "it did not return long after its time limit and could not be interrupted, so its process was ended"
        what = "mend it, take it out, or raise 'lfs.time_limit_s'"
    else:
        how = f": {fatal[1].strip()}" if fatal else ""
        why = f"it ended its process, crashed or used up the memory{how}"
        what = "mend it or take it out"
    error = WorkerDied(f"a Python worker died in {who} {place.where}: {why}; {what}.")
    error.functions = place.functions
    return error
