"""Random small projects against a plain reference, for a given time: python -m tests.soak.run --minutes 10 --seed 7

A project is made, run, edited and run again. In a share of the projects the run is a client process of a
Spark Connect server that is killed at a random time and then run again until it is done. After every run
each table is compared with the reference. `--seed S --projects 1` brings one project back, but for the
moments at which it is killed.
"""

import argparse
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import sparkws
from sparkws.config import SparkConfig
from sparkws.engine.session import open_session
from sparkws.errors import SparkwsError
from tests.soak.compare import Difference, check_stop, compare, n_iters
from tests.soak.edits import ANYTHING, NO_VOTES, NOTHING, edit, spoil_keys
from tests.soak.files import Spark, fill, forget
from tests.soak.items import Row
from tests.soak.projects import Project, random_project
from tests.soak.reference import expect
from tests.tables import orphans

ROOT = Path(__file__).parents[2]
KILLED_SHARE = 0.25
MOST_EDITS = 4
MOST_KILLS = 2
MOST_RUNS = 3  # what a killed client had asked for, the server may still be doing when the next one comes
CLIENT_TIMEOUT_S = 300


@dataclass
class Tally:
    """What was done."""

    projects: int = 0
    runs: int = 0
    kills: int = 0
    orphans: int = 0
    rows: int = 0
    seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        """Add what was done for another project."""
        for part in fields(self):
            setattr(self, part.name, getattr(self, part.name) + getattr(other, part.name))


@dataclass
class Run:
    """A project at work: where its tables are, and what they must hold by now."""

    project: Project
    spark: Spark
    remote: str | None
    did: list[str] = field(default_factory=list)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    tally: Tally = field(default_factory=lambda: Tally(projects=1))
    work_s: float = 5.0
    ended_well: bool = False


def soak(seed: int, folder: Path, spark: Spark, *, remote: str | None = None, most_edits: int = MOST_EDITS) -> Tally:
    """Make a project of a seed, run it, edit it, run it again, and compare its tables after each run.

    Raises
    ------
    Difference
        With what was done, and the first row that differs; the project's folder is left as it is.
    """
    began = time.monotonic()
    rng = random.Random(seed)
    is_killed = rng.random() < KILLED_SHARE and remote is not None
    project = random_project(seed, folder / f"project_{seed}", rng, only_folders=is_killed)
    run = Run(project, spark, remote if is_killed else None, ["made"])
    try:
        fill(project, rng, spark)
        _run_and_compare(run, ANYTHING)
        for _ in range(rng.randrange(1, most_edits + 1)):
            if rng.random() < 0.15 and _may_spoil(project):
                mend = spoil_keys(project, rng)
                run.did.append("keys spoiled")
                _run_and_compare(run, ANYTHING)
                mend()
            what, effect = edit(project, rng, spark)
            run.did.append(what)
            _run_and_compare(run, effect)
    except Exception as error:
        told = error if isinstance(error, Difference) else f"{type(error).__name__}: {error}"
        raise Difference(f"project {seed} in {project.folder}, {', '.join(run.did)}: {told}") from error
    forget(project, spark)
    run.tally.seconds = time.monotonic() - began
    return run.tally


def _may_spoil(project: Project) -> bool:
    runs_functions = project.tasks[0].functions is not None
    return (
        runs_functions and project.way != "query" and not project.is_hidden and project.engine["key_check"] != "trust"
    )


def _run_and_compare(run: Run, effect: str) -> None:
    """One run, its tables, that nothing is left to do, and what is left beside the tables."""
    error = _run_here(run, effect) if run.remote is None else _run_killed(run)
    run.tally.runs += 1
    folders = _folders(run)
    published = n_iters(run.project, folders)
    expected = expect(run.project, published)
    if error != expected.error:
        raise Difference(f"the run ended with {error}, expected {expected.error}")
    check_stop(expected, published, folders)
    run.tables = {**run.tables, **expected.tables}
    run.tally.rows += compare(run.project, run.tables, folders)
    run.ended_well = error is None
    if run.project.in_catalog:
        return  # there Delta's own VACUUM cleans, by its own age
    left = orphans(folders.values())
    # Of a table without rows Spark writes a file, and then does not commit it.
    if run.remote is None and error is None and any(pq.read_metadata(file).num_rows for file in left):
        raise Difference(f"an undisturbed run left {left}")
    removed = sparkws.clean(run.spark, _config(run.project), older_than_h=0)
    if sorted(file for file in removed if file.endswith(".parquet")) != left:
        raise Difference(f"clean removed {removed}, expected {left}")
    run.tally.orphans += len(left)
    compare(run.project, run.tables, folders)


def _run_here(run: Run, effect: str) -> str | None:
    """Run the project in the session; gives the class of the error that ended it."""
    config = _config(run.project)
    try:
        result = sparkws.run(run.spark, config)
    except SparkwsError as error:
        return type(error).__name__
    if run.ended_well:
        again = [step.step for step in result.steps if step.status == "done"]
        if effect == NOTHING and again:
            raise Difference(f"{again} ran although nothing changed")
        if effect == NO_VOTES and any(step.endswith(".votes") for step in again):
            raise Difference(f"{again} ran although no votes changed")
    if not sparkws.run(run.spark, config).is_unchanged:
        raise Difference("a second run found something to do")
    return None


def _run_killed(run: Run) -> str | None:
    """Run the project as a client that is killed, then until it is done, and once more for nothing."""
    for _ in range(random.randrange(1, MOST_KILLS + 1)):
        process = _start_client(run)
        _wait_for_work(process)
        try:
            process.communicate(timeout=run.work_s * random.random())
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            run.tally.kills += 1
    error = ""
    for _ in range(MOST_RUNS):
        process = _start_client(run)
        told = _wait_for_work(process)
        began = time.monotonic()
        log = told + process.communicate(timeout=CLIENT_TIMEOUT_S)[1]
        if process.returncode == 0:
            run.work_s = time.monotonic() - began
            break
        expected = expect(run.project, {}).error
        if process.returncode == 3 and expected is not None:
            return expected
        error = log
    else:
        raise Difference(f"the client did not recover: {error}")
    result = sparkws.run(run.spark, _config(run.project))
    if not result.is_unchanged:
        raise Difference(f"a run behind the client found something to do: {[s.step for s in result.steps if s.reason]}")
    return None


def _wait_for_work(process: "subprocess.Popen[str]") -> str:
    """What a client says until its first step runs, or until it ends."""
    assert process.stderr is not None
    told = ""
    for line in process.stderr:
        told += line
        if " runs: " in line:
            break
    return told


def _start_client(run: Run) -> "subprocess.Popen[str]":
    assert run.remote is not None
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "sparkws.cli", "run", "--config", str(run.project.config), "--remote", run.remote],
        cwd=ROOT,
        env=own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _config(project: Project) -> Any:
    return sparkws.load_config(project.config)


def _folders(run: Run) -> Mapping[str, Path]:
    """Where the tables of the workspace are, whether they are there yet or not."""
    project = run.project
    names = [f"{task.name}_{table}" for task in project.tasks for table in sparkws.vocab.TASK_TABLES]
    if not project.in_catalog:
        return {name: project.folder / "tables" / name for name in names}
    root = run.spark.sql(f"DESCRIBE SCHEMA {project.schema_name}").where("info_name = 'Location'").collect()[0][1]
    return {name: Path(root.removeprefix("file:")) / name for name in names}


@contextmanager
def open_server(folder: Path) -> Iterator[tuple[Spark, str]]:
    """A local session, and the address at which its JVM serves Spark Connect."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spark = open_session(
        SparkConfig(master="local[2,2]"),
        app_name="sparkws soak",
        settings={
            "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(port),
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
            "spark.local.dir": str(folder / "local"),
        },
    )
    spark.sparkContext.setLogLevel("OFF")  # the server is surprised by every client that is killed
    try:
        yield spark, f"sc://127.0.0.1:{port}"
    finally:
        spark.stop()


def main() -> int:
    """Soak until the time is over or a table differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--projects", type=int, default=1_000_000, help="make at most so many")
    parser.add_argument("--seed", type=int, help="of the first project, the next ones count up; by default the time")
    arguments = parser.parse_args()
    first = int(time.time()) if arguments.seed is None else arguments.seed
    folder = Path(tempfile.mkdtemp(prefix="sparkws-soak-"))
    end = time.monotonic() + 60 * arguments.minutes
    total = Tally()
    with open_server(folder) as (spark, remote):
        for seed in range(first, first + arguments.projects):
            if time.monotonic() > end:
                break
            try:
                done = soak(seed, folder, spark, remote=remote)
            except Difference as difference:
                print(f"DIFFERENCE {difference}\nagain: make soak SEED={seed} ARGS='--projects 1'", flush=True)
                return 1
            total.add(done)
            print(f"seed {seed}: {_shown(done)}", flush=True)
    print(f"no difference in {total.projects} projects: {_shown(total)}")
    shutil.rmtree(folder)
    return 0


def _shown(tally: Tally) -> str:
    return (
        f"{tally.runs} runs, {tally.kills} kills, {tally.orphans} orphans, {tally.rows:,} rows compared, "
        f"{tally.seconds:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
