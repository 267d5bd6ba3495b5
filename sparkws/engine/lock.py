"""One job at a time in a workspace: a second one waits, or is refused by the name of the first.

Where this process shares the workspace's folder with the workers, the lock is the operating system's on a
file, and it goes with the process, however that ends. Elsewhere (a catalog, storage that only Spark sees)
it is a lease: a row of a table that its holder renews, and that lapses when the holder is gone.

A process that sees the folder and one that does not use different locks, so they are not kept apart here;
the ledger's numbers and the histories of the tables then tell one of them that it is not alone.
"""

import fcntl
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol, TextIO

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from sparkws.engine.history import is_conflict
from sparkws.engine.refs import Workspace
from sparkws.engine.writes import PROPERTIES
from sparkws.errors import EngineError, WorkspaceBusy

logger = logging.getLogger(__name__)

FILE: Final = ".sparkws.lock"
TABLE: Final = "runs_lock"
LEASE_S: Final = 120


class _Lock(Protocol):
    """A way to keep others out of a workspace; who waits for it asks every `poll_s` seconds."""

    poll_s: float

    def take(self) -> str | None:
        """Take it; None when it is ours, else who has it."""
        ...

    def check(self) -> None:
        """See that it is still ours."""
        ...

    def release(self) -> None:
        """Let others in."""
        ...


@contextmanager
def hold(
    spark: SparkSession, workspace: Workspace, job: str, *, shares_folder: bool, wait_s: float
) -> Iterator[Callable[[], None]]:
    """Keep other jobs out of a workspace while the body runs; the value raises when that no longer holds.

    Parameters
    ----------
    job : str
        What others are told: the project and its tasks.
    shares_folder : bool
        Whether this process and the workers see the workspace's folder alike.
    wait_s : float
        How long to wait for another job to end.

    Raises
    ------
    WorkspaceBusy
        If another job still has the workspace, by its name.
    EngineError
        If the lock's file cannot be used.
    """
    since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    holder = f"{job} (process {os.getpid()} on {socket.gethostname()}, since {since})"
    folder = workspace.root.folder
    lock = _FileLock(folder, holder) if shares_folder and folder is not None else _Lease(spark, workspace, holder)
    _wait_for(lock, workspace, wait_s)
    try:
        yield lock.check
    finally:
        lock.release()


def _wait_for(lock: _Lock, workspace: Workspace, wait_s: float) -> None:
    end = time.monotonic() + wait_s
    told = ""
    while (other := lock.take()) is not None:
        left = end - time.monotonic()
        if left <= 0:
            raise WorkspaceBusy(
                f"workspace {str(workspace.root)!r} is in use by {other}; run again when it is done, or let this "
                f"job wait for it (engine.lock_wait_s is {wait_s:g})."
            )
        if other != told:
            logger.info("waiting up to %.0f s for %s, which is at work in %s", left, other, workspace.root)
            told = other
        time.sleep(min(lock.poll_s, left))


@contextmanager
def _no_matter_who_wins() -> Iterator[None]:
    try:
        yield
    except (PySparkException, Py4JError) as error:
        if not is_conflict(error) and "ALREADY_EXISTS" not in str(error):
            raise


class _FileLock:
    """A lock of the operating system on a file of the workspace's folder, which says who holds it.

    A process that this one forks holds it too, and longer where it lives longer.
    """

    poll_s = 1.0

    def __init__(self, folder: Path, holder: str) -> None:
        self._path = folder / FILE
        self._holder = holder
        self._file: TextIO | None = None

    def take(self) -> str | None:
        """Take it; None when it is ours, else who has it, as its file says."""
        try:
            file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            told = file.read().strip()
            file.close()
            return told or "another job"
        except OSError as error:
            file.close()
            raise self._unusable(error) from None
        file.truncate(0)
        file.write(self._holder)
        file.flush()
        self._file = file
        return None

    def _unusable(self, error: OSError) -> EngineError:
        return EngineError(
            f"the lock {str(self._path)!r} cannot be used ({error.strerror}); it has to be a file that this user may "
            "write, on a file system that knows locks."
        )

    def check(self) -> None:
        """The operating system keeps it as long as this process lives."""

    def release(self) -> None:
        """Let others in."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()


class _Lease:
    """A row in a table of the workspace; times are those of the Spark server, so no two clocks are compared."""

    poll_s = 5.0

    def __init__(self, spark: SparkSession, workspace: Workspace, holder: str) -> None:
        self._spark = spark
        self._table = workspace.table(TABLE).sql
        self._root = workspace.root
        # As bytes: Delta's UPDATE takes no parameters, and a name may hold quotes.
        self._holder = f"decode(X'{holder.encode().hex()}', 'UTF-8')"
        self._token = uuid.uuid4().hex
        self._renewed = 0.0
        self._lost = threading.Event()
        self._released = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def take(self) -> str | None:
        """Take it where its time has passed, and keep it; None when it is ours, else who has it."""
        properties = ", ".join(f"'{key}' = '{value}'" for key, value in PROPERTIES.items())
        with _no_matter_who_wins():
            self._spark.sql(
                f"CREATE TABLE IF NOT EXISTS {self._table} USING delta TBLPROPERTIES ({properties}) AS "
                "SELECT '' AS holder, '' AS token, timestamp'1970-01-01 00:00:00 UTC' AS until"
            )
        held = f"SELECT holder, token, until FROM {self._table} WHERE until >= current_timestamp()"  # noqa: S608
        others = self._spark.sql(held).collect()
        if not others:
            # Reads and writes in one transaction: of two that try at once, one fails or finds the other's time.
            with _no_matter_who_wins():
                self._set(LEASE_S, where="until < current_timestamp()")
            rows = self._spark.sql(f"SELECT holder, token, until FROM {self._table}").collect()  # noqa: S608
            others = [row for row in rows if row["token"] != self._token]
        if others:
            return f"{others[0]['holder']}, whose lease ends at {others[0]['until']:%H:%M:%S} unless it renews it"
        self._renewed = time.monotonic()
        self._keeper.start()
        return None

    def check(self) -> None:
        """See that nobody else took it while this process could not renew it.

        Raises
        ------
        WorkspaceBusy
            If somebody did.
        """
        if self._lost.is_set():
            raise WorkspaceBusy(
                f"this job could not renew its lease of workspace {str(self._root)!r} for {LEASE_S} seconds; another "
                "one may be at work there. Run again."
            )

    def release(self) -> None:
        """Let others in at once."""
        self._released.set()
        if self._keeper.ident is None:
            return
        self._keeper.join()
        with suppress(PySparkException, Py4JError, OSError):
            self._set(0, where=f"token = '{self._token}'")

    def _keep(self) -> None:
        while not self._released.wait(LEASE_S / 4):
            self._renew()

    def _renew(self) -> None:
        try:
            if self._set(LEASE_S, where=f"token = '{self._token}'"):
                self._renewed = time.monotonic()
            else:
                self._lost.set()
        except (PySparkException, Py4JError, OSError) as error:
            logger.warning("the lease of %s was not renewed: %s", self._root, str(error).splitlines()[0])
        if time.monotonic() - self._renewed > LEASE_S:
            self._lost.set()

    def _set(self, seconds: int, *, where: str) -> int:
        """Make the row ours for some seconds, and give the rows for which `where` held: 1 or 0."""
        until = f"current_timestamp() + make_dt_interval(0, 0, 0, {seconds:d})"
        ours = f"holder = {self._holder}, token = '{self._token}', until = {until}"
        return int(self._spark.sql(f"UPDATE {self._table} SET {ours} WHERE {where}").collect()[0][0])  # noqa: S608
