"""A standalone cluster and a Spark Connect server, each in processes of its own, shared by the tests of the folder.

A test submits jobs as a user does. What the processes say is read as it comes, so that nothing is waited
for longer than it takes; they end with the run, whatever a test does.
"""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyspark
import pytest
import yaml
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from sparkws.cli import main
from sparkws.config import SparkConfig
from sparkws.engine.session import own_settings

ROOT = Path(__file__).parents[2]
HOME = Path(pyspark.__file__).parent
START_TIMEOUT_S = 180  # a JVM on a machine that is busy with other things
COMMAND_TIMEOUT_S = 600

# Sizes of the source's files: the direct lane gives a task at most a MiB, so these are four tasks of a file
# and three of two files, in this order.
FILE_KIB = (760, 740, 720, 700, 400, 395, 390, 385, 380, 375)
ROWS_OF_FILE = 120

MODULE = """
import os
import signal
from pathlib import Path

from sparkws import ABSTAIN, labeling_function

FATAL = {fatal!r}  # the item that its executor does not survive, once
FLAG = {flag!r}


def own_executor():
    \"\"\"The process of the executor above this worker; None in local mode.\"\"\"
    pid = os.getpid()
    while pid > 1:
        if b"CoarseGrainedExecutorBackend" in Path(f"/proc/{{pid}}/cmdline").read_bytes():
            return pid
        pid = int(Path(f"/proc/{{pid}}/stat").read_text().rpartition(")")[2].split()[1])
    return None


def die_once():
    executor = own_executor()
    if executor is None:
        return
    try:
        os.close(os.open(FLAG, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(executor, signal.SIGKILL)


@labeling_function
def lf_praise(x):
    if x.id == FATAL:
        die_once()
    return "ham" if {{"song", "lovely"}} & set(x.text.split()) else ABSTAIN


@labeling_function(resources={{"limit": 18}})
def lf_short(x, limit):
    return "ham" if len(x.text) < limit else ABSTAIN


@labeling_function
def lf_money(x):
    return "spam" if float(x.amount) > 60 else ABSTAIN  # NULL amounts fault
"""

DECLARATIVE = [
    {"name": "lf_link", "regex": {"column": "text", "pattern": "https?://", "label": "spam"}},
    {"name": "lf_gift", "keyword": {"column": "text", "any": ["gift", "win"], "label": "spam"}},
]

# The same interpreter everywhere, nothing but loopback, and no settings of the machine's own Spark.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))},
    "SPARK_HOME": str(HOME),
    "SPARK_LOCAL_IP": "127.0.0.1",
    "PYSPARK_PYTHON": sys.executable,
    "PYSPARK_DRIVER_PYTHON": sys.executable,
}


class Daemon:
    """A process that runs until it is stopped, and what it has said so far."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir(parents=True)
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that its children can be told from others
            preexec_fn=_end_with_parent,
        )
        self._said: list[str] = []
        self._news = threading.Condition()
        self._has_ended = False
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str, timeout_s: float = START_TIMEOUT_S) -> re.Match[str]:
        """The first place where it says `pattern`; fails when it ends or is silent about it for too long."""
        with self._news:
            self._news.wait_for(lambda: self._has_ended or re.search(pattern, self.text), timeout_s)
            found = re.search(pattern, self.text)
        assert found, f"{self.process.args} never said {pattern!r} but:\n{self.text[-4000:]}"
        return found

    @property
    def text(self) -> str:
        """Everything said so far."""
        return "".join(self._said)

    def stop(self) -> None:
        """End it, and everything that it started."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=20)
        for pid in _of_session(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(timeout=20)
        self._reader.join(timeout=20)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._said.append(line)
                self._news.notify_all()
        with self._news:
            self._has_ended = True
            self._news.notify_all()


def _end_with_parent() -> None:
    """Ask Linux to end this process when the tests are killed, which leaves them no time to stop it."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _of_session(leader: int) -> Iterator[int]:
    """The processes of a session: Python workers leave the group of their executor, but not its session."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # pid (name) state ppid pgrp session ...; a name may hold blanks and parentheses
            if int(stat.read_text().rpartition(")")[2].split()[3]) == leader:
                yield int(stat.parent.name)


@contextmanager
def daemon(command: Sequence[str], folder: Path, environment: Mapping[str, str] = ENVIRONMENT) -> Iterator[Daemon]:
    """A daemon that works in `folder`, stopped behind the body."""
    started = Daemon(command, folder, environment)
    try:
        yield started
    finally:
        started.stop()


@dataclass(frozen=True)
class Cluster:
    """A master on loopback, and how to give it workers and jobs."""

    url: str
    folder: Path
    workers: tuple[Daemon, ...] = ()

    @contextmanager
    def worker(self, name: str, *, hidden: Path | None = None) -> "Iterator[Daemon]":
        """One more worker of one core; where `hidden` is named, it sees an empty folder of its own there."""
        folder = self.folder / name
        place = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0", "--work-dir", str(folder / "work")]
        command = _spark_class("worker.Worker", *place, "--cores", "1", "--memory", "700m", self.url)
        if hidden is not None:
            blind = 'mount -t tmpfs none "$0" && exec "$@"'
            command = [*unshare(), "/bin/sh", "-c", blind, str(hidden), *command]
        with daemon(command, folder, {**ENVIRONMENT, "SPARK_DAEMON_MEMORY": "256m"}) as started:
            started.wait_for("Successfully registered with master")
            yield started

    def submit(
        self, script: Path | str, *arguments: str, slots: int = 2, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """spark-submit on this cluster as a user calls it, with the properties that set-up wrote.

        Both streams of a Python job come as its own stdout. The job starts when `slots` cores are there.
        """
        properties = ROOT / "conf" / "local" / "spark-defaults.conf"
        chosen = {
            "spark.executor.memory": "700m",
            "spark.driver.memory": "1g",
            "spark.driver.host": "127.0.0.1",
            "spark.cores.max": str(slots),
            "spark.scheduler.minRegisteredResourcesRatio": "1",
            "spark.scheduler.maxRegisteredResourcesWaitingTime": "120s",
            "spark.sql.shuffle.partitions": "4",
            "spark.sql.warehouse.dir": (self.folder / "warehouse").as_uri(),
            **settings,
        }
        command = [str(HOME / "bin" / "spark-submit"), "--master", self.url, "--properties-file", str(properties)]
        for key, value in chosen.items():
            command += ["--conf", f"{key}={value}"]
        return subprocess.run(
            [*command, str(script), *arguments],
            cwd=self.folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )


def unshare() -> list[str]:
    """The command that gives a process mounts of its own; empty where the machine allows nobody to."""
    if shutil.which("unshare"):
        for command in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
            tried = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
            if tried.returncode == 0:
                return command
    return []


def _spark_class(name: str, *arguments: str) -> list[str]:
    return [str(HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", *arguments]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A standalone cluster: a master, and two workers of one core each."""
    folder = tmp_path_factory.mktemp("cluster")
    command = _spark_class("master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
    with ExitStack() as stack:
        own = {**ENVIRONMENT, "SPARK_DAEMON_MEMORY": "256m"}
        master = stack.enter_context(daemon(command, folder / "master", own))
        bare = Cluster(master.wait_for(r"Starting Spark master at (spark://\S+)")[1], folder)
        workers = [stack.enter_context(bare.worker(f"worker{i}")) for i in range(2)]
        yield Cluster(bare.url, folder, tuple(workers))


@dataclass(frozen=True)
class ConnectServer:
    """A Spark Connect server with Delta: its address, and the folder of tables that have a name only."""

    url: str
    warehouse: Path

    def client(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A process that could not start a JVM, because it finds none."""
        return subprocess.run(
            command,
            cwd=ROOT,
            env={**ENVIRONMENT, "JAVA_HOME": "/nowhere"},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )


@pytest.fixture(scope="session")
def connect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConnectServer]:
    """A Spark Connect server in a process of its own."""
    folder = tmp_path_factory.mktemp("connect")
    chosen = own_settings(SparkConfig(driver_memory="1g"))
    del chosen["spark.driver.extraJavaOptions"]  # quiet, and what it says is waited for
    chosen |= {
        "spark.sql.shuffle.partitions": "2",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "0",
        "spark.sql.warehouse.dir": (folder / "warehouse").as_uri(),
        "spark.local.dir": str(folder / "local"),
    }
    command = [str(HOME / "bin" / "spark-submit"), "--master", "local[2]", "--name", "sparkws connect tests"]
    for key, value in chosen.items():
        command += ["--conf", f"{key}={value}"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    with daemon(command, folder / "server") as server:
        port = server.wait_for(r"Spark Connect server started at: \S*:(\d+)")[1]
        yield ConnectServer(f"sc://127.0.0.1:{port}", folder / "warehouse")


@dataclass(frozen=True)
class Project:
    """Files of a project: items in several data files, functions, gold, votes of a crowd."""

    folder: Path

    @property
    def flag(self) -> Path:
        """There once an item has killed its executor."""
        return self.folder / "killed"

    def config(self, name: str, **sections: Any) -> Path:
        """A configuration whose tables go into the folder `name`; `sections` go over its own."""
        config = {
            "project": "comments",
            "workspace": f"./{name}",
            "source": {"table": "./items", "key": "id"},
            "tasks": {
                "spam": {
                    "classes": ["ham", "spam"],
                    "gold": {"column": "truth"},
                    "lfs": {"modules": ["functions.py"], "declarative": DECLARATIVE},
                },
                "crowd": {
                    "classes": ["ham", "spam"],
                    "gold": {"table": "./items", "key": "id", "column": "truth", "use": "clamp"},
                    "votes": {
                        "table": "./crowd",
                        "key": "item",
                        "format": "long",
                        "lf_column": "worker",
                        "vote_column": "answer",
                    },
                },
            },
            "engine": {"task_mib": 1},
            **sections,
        }
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(config))
        return path


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project of all tests in this folder."""
    folder = tmp_path_factory.mktemp("project")
    rng = np.random.default_rng(11)
    crowd = []
    for number, size_kib in enumerate(FILE_KIB):
        items = _items(number, size_kib, rng)
        write_deltalake(str(folder / "items"), items.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="append")
        is_spam = items["text"].str.contains("http|gift").to_numpy()
        for worker in ("ann", "bo", "cy"):
            answers = np.where(rng.random(items.height) < 0.8, is_spam, ~is_spam)
            asked = items.select(pl.col("id").alias("item"), pl.lit(worker).alias("worker")).with_columns(
                pl.Series("answer", np.where(answers, "spam", "ham"))
            )
            crowd.append(asked.filter(pl.Series(rng.random(items.height) < 0.7)))
    write_deltalake(str(folder / "crowd"), pl.concat(crowd).to_arrow(compat_level=pl.CompatLevel.oldest()))
    # In the second file of the fifth task: four tasks are done then, and one file of its own is written.
    fatal = f"i{5 * ROWS_OF_FILE + 60:05d}"
    (folder / "functions.py").write_text(MODULE.format(fatal=fatal, flag=str(folder / "killed")))
    return Project(folder)


def _items(number: int, size_kib: int, rng: np.random.Generator) -> pl.DataFrame:
    """The rows of one data file; noise that nothing reads makes it as large as it has to be."""
    texts = ["lovely song", "win a gift http://a.example", "see http://b.example now", "what a long day it was", "hm"]
    chosen = rng.integers(0, len(texts), ROWS_OF_FILE)
    numbers = range(number * ROWS_OF_FILE, (number + 1) * ROWS_OF_FILE)
    noise = [rng.bytes(size_kib * 1024 // ROWS_OF_FILE) for _ in numbers]
    return pl.DataFrame(
        {
            "id": [f"i{i:05d}" for i in numbers],
            "text": [texts[i] for i in chosen],
            "amount": [float(i % 97) if i % 50 else None for i in numbers],
            "truth": [("ham", "spam")[int(chosen[i % ROWS_OF_FILE] in (1, 2))] if i % 3 else None for i in numbers],
            "noise": noise,
        }
    )


@pytest.fixture(scope="session")
def local_tables(spark: SparkSession, project: Project) -> Path:
    """The project's tables as one process makes them, in local mode."""
    assert main(["run", "--config", str(project.config("local"))]) == 0
    return project.folder / "local"
