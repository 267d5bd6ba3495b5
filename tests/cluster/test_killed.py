"""A job killed anywhere and run again leaves the tables of an undisturbed run, and nothing that `clean` does not find.

One Spark Connect server outlives all the killed clients, as it would theirs; one test kills the JVM itself.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.conftest import ENVIRONMENT, ConnectServer, Project
from tests.tables import assert_same_tables, orphans

KILLED = Path(__file__).with_name("killed.py")
RANDOM_TIMES = 3
MOST_RUNS = 3  # what a killed client had asked for, the server may still be doing when the next one comes

# The arguments of a command -> the process that runs it.
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(connect_server: ConnectServer) -> Start:
    """Starts the command as a client of the server, in a process of its own; at `point` it is killed."""

    def call(*arguments: str, point: str = "", own_jvm: bool = False) -> "subprocess.Popen[str]":
        command = [str(KILLED), point] if point else ["-m", "sparkws.cli"]
        where = ["--master", "local[2]"] if own_jvm else ["--remote", connect_server.url]
        return subprocess.Popen(
            [sys.executable, *command, *arguments, *where],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return call


def run(start: Start, config: Path, *arguments: str) -> dict[str, object]:
    """What the command says, run until it says that it is done."""
    for _ in range(MOST_RUNS):
        process = start("run", "--config", str(config), "--task", "spam", *arguments)
        out, log = process.communicate(timeout=300)
        if process.returncode == 0:
            found: dict[str, object] = json.loads(out)
            return found
    raise AssertionError(log)


@pytest.fixture(scope="session")
def undisturbed(project: Project, local_tables: Path) -> Path:
    return local_tables


def assert_recovers(start: Start, project: Project, name: str, undisturbed: Path, *arguments: str) -> None:
    """Run again: the tables are those of the undisturbed run, and then there is nothing left to do or to find."""
    config, workspace = project.folder / f"{name}.yaml", project.folder / name
    run(start, config, *arguments)
    assert_same_tables(workspace, undisturbed, task="spam", versions=False)
    assert run(start, config, *arguments)["unchanged"]
    left = orphans(workspace.glob("spam_*"))
    out, log = start("clean", "--config", str(config), "--older-than", "0").communicate(timeout=300)
    assert sorted(file for file in json.loads(out)["removed"] if file.endswith(".parquet")) == left, log
    assert orphans(workspace.glob("spam_*")) == []
    assert_same_tables(workspace, undisturbed, task="spam", versions=False)


@pytest.mark.parametrize(
    ("point", "lane", "leaves_orphans"),
    [
        ("worker files written", "direct", True),
        ("worker files written", "rows", True),
        ("before the commit", "direct", True),
        ("after the commit", "direct", False),
        ("after the commit", "rows", False),
        ("between votes and statistics", "direct", False),
        ("before the ledger's last line", "direct", False),
    ],
)
def test_killed_at_a_point(
    start: Start, project: Project, undisturbed: Path, point: str, lane: str, leaves_orphans: bool
) -> None:
    name = f"killed_{lane}_{point}".replace(" ", "_").replace("'", "")
    config = project.config(name)
    process = start("run", "--config", str(config), "--task", "spam", "--lane", lane, point=point)
    _, log = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, log
    assert bool(orphans((project.folder / name).glob("spam_*"))) == leaves_orphans
    assert_recovers(start, project, name, undisturbed, "--lane", lane)


@pytest.mark.parametrize("lane", ["direct", "rows"])
def test_killed_at_random_times(start: Start, project: Project, undisturbed: Path, lane: str) -> None:
    began = time.monotonic()
    run(start, project.config(f"calm_{lane}"), "--lane", lane)
    took = time.monotonic() - began
    name = f"killed_at_random_{lane}"
    config = project.config(name)
    for share in random.Random(lane).sample(range(100), RANDOM_TIMES):  # of the time of a calm run, in percent
        process = start("run", "--config", str(config), "--task", "spam", "--lane", lane)
        try:
            process.communicate(timeout=took * share / 100)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    assert_recovers(start, project, name, undisturbed, "--lane", lane)


def test_the_jvm_is_killed(start: Start, project: Project, undisturbed: Path) -> None:
    config = project.config("jvm_killed")
    process = start("run", "--config", str(config), "--task", "spam", own_jvm=True)
    assert process.stderr is not None
    told = ""
    while "lane for" not in told:  # the votes are being made
        told = process.stderr.readline()
        assert told, "the job ended before its votes were made"
    os.kill(jvm_of(process.pid), signal.SIGKILL)
    _, log = process.communicate(timeout=300)
    assert process.returncode == 1
    # The libraries between say more before it.
    assert "Spark ended while the job was at work" in log.splitlines()[-1]
    assert_recovers(start, project, "jvm_killed", undisturbed)


def jvm_of(pid: int) -> int:
    """The JVM that a process started, perhaps by way of a shell."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in map(int, children):
        if b"java" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0]:
            return child
        if found := jvm_of(child):
            return found
    return 0
