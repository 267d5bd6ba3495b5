"""What the workers of a cluster can reach: where only the direct way is closed, rows are streamed; where data
would be lost, the job says so and stops.

The worker that cannot see a folder has mounts of its own, with an empty file system over that folder: it is
another machine as far as files are concerned.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import ROOT, Cluster, Project, unshare
from tests.tables import assert_same_tables

JOB = ROOT / "jobs" / "run_pipeline.py"


def test_names_and_views_take_the_row_lane(cluster: Cluster, project: Project, local_tables: Path) -> None:
    named = project.config("named", workspace="managed", source={"table": "managed.items", "key": "id"})
    viewed = project.config("viewed", source={"table": "managed.seen", "key": "id"})
    job = Path(__file__).with_name("by_name_job.py")
    ended = cluster.submit(job, str(project.folder), str(named), str(viewed))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    votes = [result["tasks"]["spam"]["votes"] for result in results]
    assert [vote["lane"] for vote in votes] == ["rows", "rows"]
    assert votes[0]["lane_reason"] == "'managed.spam_votes' is not a folder, so Spark commits to it"
    assert votes[1]["lane_reason"] == "only Spark can read a query, a view or a join"
    assert_same_tables(cluster.folder / "warehouse" / "managed.db", local_tables, task="spam")
    assert_same_tables(project.folder / "viewed", local_tables, task="spam")


@pytest.fixture(scope="module")
def hidden(cluster: Cluster, project: Project) -> Iterator[Path]:
    """A folder that a third worker does not see as everybody else does."""
    if not unshare():
        pytest.skip("this machine allows nobody to mount anything in a namespace of his own")
    folder = project.folder / "hidden"
    shutil.copytree(project.folder / "items", folder / "items")
    with cluster.worker("blind", hidden=folder):
        yield folder


@pytest.mark.parametrize("what", ["workspace", "source"])
def test_a_folder_that_a_worker_does_not_see_stops_the_job(
    cluster: Cluster, project: Project, hidden: Path, what: str
) -> None:
    if what == "workspace":
        folder = hidden / "tables"
        config = project.config("blind_to_workspace", workspace=str(folder))
        tables = folder
    else:
        folder = hidden / "items"
        config = project.config("blind_to_source", source={"table": str(folder), "key": "id"})
        tables = project.folder / "blind_to_source"
    ended = cluster.submit(JOB, "--config", str(config), "--task", "spam", slots=3)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert not list(tables.glob("*/_delta_log/*.json")), "nothing is committed"
    (said,) = ended.stdout.splitlines()
    assert repr(str(folder)) in said
    assert "shared by all workers" in said
