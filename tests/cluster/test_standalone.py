"""The job on a standalone cluster: the tables of local mode, also when an executor dies in the middle.

A labeling function of the project kills the executor that it runs on, once: its tasks run again elsewhere,
the driver keeps what other tasks handed back, and what the dead one left on disk is never read.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from tests.cluster.conftest import ROOT, Cluster, Project
from tests.tables import assert_same_tables

JOB = ROOT / "jobs" / "run_pipeline.py"


@dataclass(frozen=True)
class Events:
    """What the driver's event log says of a job."""

    events: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["Event"] == f"SparkListener{kind}"]

    def tasks(self, place: str) -> list[dict[str, Any]]:
        """The ended tasks of stages that a line of the module `place` asked for."""
        stages = [event["Stage Info"] for event in self.of("StageSubmitted")]
        chosen = {stage["Stage ID"] for stage in stages if place in stage["Stage Name"]}
        return [event for event in self.of("TaskEnd") if event["Stage ID"] in chosen]


def run_and_lose_an_executor(cluster: Cluster, config: Path, project: Project, folder: Path) -> tuple[Events, Any, str]:
    """Submit the job; gives its events, its JSON line and its log. It has lost one executor while it made votes."""
    project.flag.unlink(missing_ok=True)
    told = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": folder.as_uri(),
        "spark.eventLog.rolling.enabled": "false",
        "spark.eventLog.compress": "false",
        "spark.sql.files.maxPartitionBytes": "1m",  # in the row lane too a task reads a file or two
    }
    submitted = cluster.submit(JOB, "--config", str(config), "--task", "spam", **told)
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    (log,) = folder.iterdir()
    events = Events([json.loads(line) for line in log.read_text().splitlines()])
    assert project.flag.exists()
    (removed,) = events.of("ExecutorRemoved")
    assert removed["Removed Reason"] == "Command exited with code 137"
    assert f"Lost executor {removed['Executor ID']}" in submitted.stderr
    tasks = events.of("TaskEnd")
    (lost,) = [task for task in tasks if task["Task End Reason"]["Reason"] == "ExecutorLostFailure"]
    good = [task for task in tasks if task["Stage ID"] == lost["Stage ID"] and task is not lost]
    ended_at = lost["Task Info"]["Finish Time"]
    assert sum(task["Task Info"]["Finish Time"] <= ended_at for task in good) >= 3, "several were done by then"
    (again,) = [task for task in good if task["Task Info"]["Index"] == lost["Task Info"]["Index"]]
    assert again["Task Info"]["Launch Time"] >= ended_at
    return events, json.loads(submitted.stdout.splitlines()[-1]), submitted.stdout


def test_an_executor_dies_in_the_direct_lane(
    cluster: Cluster, project: Project, local_tables: Path, tmp_path: Path
) -> None:
    events, result, _ = run_and_lose_an_executor(cluster, project.config("direct"), project, tmp_path)
    assert result["tasks"]["spam"]["votes"]["lane"] == "direct"
    # The probe has asked every slot: one task on each of the two workers.
    probed = [task["Task Info"]["Executor ID"] for task in events.tasks("engine/reach.py")]
    assert sorted(probed) == ["0", "1"]

    votes = project.folder / "direct" / "spam_votes"
    committed = {Path(uri.removeprefix("file://")).name for uri in DeltaTable(str(votes)).file_uris()}
    left = {path.name for path in votes.glob("*.parquet")} - committed
    assert len(committed) == 10
    assert left, "the dead executor had written a file of its task"
    assert_same_tables(project.folder / "direct", local_tables, task="spam")


def test_an_executor_dies_in_the_row_lane(
    cluster: Cluster, project: Project, local_tables: Path, tmp_path: Path
) -> None:
    source = {"query": "SELECT * FROM {items}", "tables": {"items": "./items"}, "key": "id"}
    config = project.config("by_query", source=source)
    _, result, log = run_and_lose_an_executor(cluster, config, project, tmp_path)
    assert result["tasks"]["spam"]["votes"]["lane"] == "rows"
    assert "only Spark can read a query, a view or a join" in log
    assert_same_tables(project.folder / "by_query", local_tables, task="spam")
