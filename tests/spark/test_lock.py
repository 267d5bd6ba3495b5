"""One job at a time in a workspace, by a file or by a lease, however the other one ends."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from sparkws.engine import lock
from sparkws.engine.lock import hold
from sparkws.engine.refs import parse_workspace
from sparkws.errors import EngineError, WorkspaceBusy

HOLD_AND_WAIT = """
import sys
from sparkws.engine.lock import hold
from sparkws.engine.refs import parse_workspace
with hold(None, parse_workspace(sys.argv[1]), "'spam' by night", shares_folder=True, wait_s=0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_job(tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Starts a process that holds the workspace until its stdin is closed or it is killed."""
    started = []

    def start() -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", HOLD_AND_WAIT, str(tmp_path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(params=["file", "lease"])
def take(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> Callable[..., Any]:
    """Takes a workspace in either way."""
    workspace = parse_workspace(str(tmp_path / "tables"))
    (tmp_path / "tables").mkdir()

    def call(job: str, wait_s: float = 0.0) -> Any:
        return hold(spark, workspace, job, shares_folder=request.param == "file", wait_s=wait_s)

    return call


def test_the_second_is_refused_by_the_name_of_the_first(take: Callable[..., Any]) -> None:
    with take("'spam' by night") as check:
        check()
        with pytest.raises(WorkspaceBusy, match=r"tables' is in use by 'spam' by night \(process \d+ on .*lock_wait_s"):
            take("'spam' by day").__enter__()
    with take("'spam' by day"):
        pass


def test_the_second_waits(take: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    told, done = threading.Event(), threading.Event()
    monkeypatch.setattr(lock.logger, "info", lambda *_: told.set())

    def wait_for_it() -> None:
        with take("second", 60):
            done.set()

    second = threading.Thread(target=wait_for_it)
    with take("first"):
        second.start()
        assert told.wait(60)
        assert not done.is_set()
    second.join(60)
    assert done.is_set()


@pytest.mark.parametrize("signal", ["kill", "terminate"])
def test_a_killed_job_leaves_its_workspace_free(other_job: Callable[..., Any], tmp_path: Path, signal: str) -> None:
    process = other_job()
    workspace = parse_workspace(str(tmp_path))
    with pytest.raises(WorkspaceBusy, match=f"'spam' by night .process {process.pid} on"):
        hold(None, workspace, "mine", shares_folder=True, wait_s=0).__enter__()
    getattr(process, signal)()
    process.wait()
    with hold(None, workspace, "mine", shares_folder=True, wait_s=0):
        pass


@pytest.fixture
def lease(spark: SparkSession, tmp_path: Path) -> Callable[[str], lock._Lease]:
    """Makes leases of one workspace."""
    workspace = parse_workspace(str(tmp_path))
    return lambda holder: lock._Lease(spark, workspace, holder)


def test_a_lease_that_nobody_renews_lapses(lease: Callable[[str], lock._Lease]) -> None:
    dead, heir = lease("the dead, called 'D'"), lease("the heir")
    assert dead.take() is None
    assert (heir.take() or "").startswith("the dead, called 'D', whose lease ends at ")
    dead._set(-1, where=f"token = '{dead._token}'")  # as if its time had passed
    assert heir.take() is None
    heir.check()
    # The dead one was only stopped for a while: it must not go on.
    dead._renew()
    with pytest.raises(WorkspaceBusy, match="could not renew its lease of workspace"):
        dead.check()
    assert (dead.take() or "").startswith("the heir")
    for each in (dead, heir):
        each.release()


def test_a_lease_is_renewed(lease: Callable[[str], lock._Lease], spark: SparkSession) -> None:
    holder = lease("the holder")
    assert holder.take() is None
    holder._set(5, where=f"token = '{holder._token}'")
    holder._renew()
    holder.check()
    left = spark.sql(f"SELECT timestampdiff(SECOND, current_timestamp(), until) AS s FROM {holder._table}").first()
    assert left is not None
    assert left["s"] > 5
    holder.release()
    assert lease("the next").take() is None


def test_two_that_come_first_at_once(lease: Callable[[str], lock._Lease]) -> None:
    leases = [lease("one"), lease("other")]
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda each: each.take(), leases))
    assert said.count(None) <= 1
    if None not in said:  # each found the other at it
        assert leases[0].take() is None
    for each in leases:
        each.release()


def test_a_lock_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / lock.FILE).mkdir()
    with pytest.raises(EngineError, match=rf"the lock '{tmp_path}/.sparkws.lock' cannot be used \(Is a directory\)"):
        hold(None, parse_workspace(str(tmp_path)), "mine", shares_folder=True, wait_s=0).__enter__()
