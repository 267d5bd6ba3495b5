"""What a Python worker runs first, imported there before polars or anything else that starts threads.

A program is pickled by value inside a small carrier, so that the number of threads is set before its
modules are imported, and labeling functions from a project's own files travel with it.
"""

import base64
import gc
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zipimport import zipimporter

from sparkws import errors
from sparkws.engine.memory import limited_memory
from sparkws.errors import SparkwsError
from sparkws.trail import explain_death, leaving_trail

if TYPE_CHECKING:
    import pyarrow as pa

_THREAD_VARIABLES = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_DIED = "Python worker exited unexpectedly"  # Spark's words
_OPEN, _CLOSE = "sparkws-error<", ">sparkws-error"


class Program(Protocol):
    """What is carried: Arrow batches in, Arrow batches out."""

    def __call__(self, batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]": ...


@dataclass(frozen=True)
class Care:
    """How a worker guards against the functions that it runs.

    Attributes
    ----------
    memory_mib : int or None
        What it may use of the memory; None: a share of the machine's.
    careful : bool
        Note each single call before it is made, to find out which one ends the process.
    """

    memory_mib: int | None = None
    careful: bool = False


@dataclass(frozen=True)
class Carrier:
    """The function that Spark is given.

    Attributes
    ----------
    program : bytes
        A pickled `Program`.
    care : Care
        What the worker takes care of around it.
    """

    program: bytes
    care: Care = Care()

    def __call__(self, batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        limit_threads(1)
        forget_archives()
        from pyspark import TaskContext, cloudpickle

        task = TaskContext.get()
        # A task that is tried again may have ended its worker.
        careful = self.care.careful or (task is not None and task.attemptNumber() > 0)
        if task is not None:
            pass_over_imports(len(sys.modules))
        # Without a task this is the process of somebody who looks at a program; a limit is for workers only.
        with limited_memory(self.care.memory_mib) if task is not None else nullcontext():
            try:
                with leaving_trail(crash_file(), careful=careful):
                    yield from cloudpickle.loads(self.program)(batches)
            except SparkwsError as error:
                raise WorkerError(encode_error(error)) from None


class WorkerError(Exception):
    """Carries an error of ours through Spark, as text that `decode_error` finds again."""


def carry(program: Program, care: Care = Care()) -> Carrier:
    """`program`, ready for Spark."""
    from pyspark import cloudpickle

    return Carrier(cloudpickle.dumps(program), care)


def crash_file() -> Path | None:
    """The file of this worker for the tracebacks of crashes, which Spark reads when the process died.

    None where Spark does not ask for tracebacks; then nobody learns what the worker was at.
    """
    folder = os.environ.get("PYTHON_FAULTHANDLER_DIR")
    return None if folder is None else Path(folder, str(os.getpid()))


def limit_threads(n_threads: int) -> None:
    """Give polars and BLAS `n_threads` threads, because Spark already runs one task a core."""
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(n_threads)


def forget_archives() -> None:
    """Drop the finders of Spark's own archives.

    Spark calls `importlib.invalidate_caches` before every task, and Python 3.11 then reads the directory
    of each archive again, once for every package inside: .09 seconds of every task. A finder that is
    needed again is made from the directory that Python still holds. An archive that is replaced under the
    same path while a worker lives would not be noticed.
    """
    for path, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, zipimporter):
            del sys.path_importer_cache[path]


@cache
def pass_over_imports(n_modules: int) -> None:
    """Keep the garbage collector from what is there now, once for each number of modules.

    Spark collects garbage at the end of every task, and to look through all modules takes .05 seconds. When the
    next task starts, nothing is left that a collection would find.
    """
    gc.freeze()


def encode_error(error: SparkwsError) -> str:
    """An error as text to read, and once more so that it survives stack traces: letters and digits between marks."""
    content = json.dumps([type(error).__name__, str(error), vars(error)], default=str)
    readable = str(error).encode("utf-8", "backslashreplace").decode()
    return f"{type(error).__name__}: {readable}\n{_OPEN}{base64.b64encode(content.encode()).decode()}{_CLOSE}"


def decode_error(text: str) -> SparkwsError | None:
    """The error in a stack trace, if there is one of ours, or a worker died."""
    found = re.search(f"{_OPEN}([A-Za-z0-9+/=]+){_CLOSE}", text)  # a message may hold one of the marks
    if found is None:
        return explain_death(text) if _DIED in text else None
    content: list[Any] = json.loads(base64.b64decode(found[1]))
    kind: type[SparkwsError] = getattr(errors, content[0], SparkwsError)
    error = kind(content[1])
    vars(error).update(content[2])
    return error
