"""Nobody else's rows are overwritten: not by a second job, not where somebody wrote to a table of ours."""

import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from sparkws.engine import lock
from sparkws.engine.lock import hold
from sparkws.engine.refs import parse_workspace
from tests.e2e.conftest import Project, ran, table

# A function that, once, writes a row into the votes table while the votes are being made.
WRITES_TOO = """

@labeling_function
def lf_writer(x):
    from pathlib import Path
    from deltalake import DeltaTable, write_deltalake
    if x.id == "c030" and not Path({flag!r}).exists():
        Path({flag!r}).touch()
        write_deltalake({votes!r}, DeltaTable({votes!r}).to_pyarrow_table().slice(0, 1), mode="append")
    return ABSTAIN
"""


def test_a_second_job_is_refused_by_name_or_waits(
    project: Project, run: Any, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project()
    tables = path.parent / "tables"
    tables.mkdir()
    first = hold(spark, parse_workspace(str(tables)), "'comments' by night", shares_folder=True, wait_s=0)
    first.__enter__()
    code, result, log = run(path)
    assert (code, result) == (4, None)
    assert f"workspace '{tables}' is in use by 'comments' by night (process " in log
    assert not (tables / "runs").exists()

    overlay = path.parent / "patient.yaml"
    overlay.write_text("engine: {lock_wait_s: 300}")
    waits = threading.Event()
    monkeypatch.setattr(lock.logger, "info", lambda text, *values: waits.set() if "waiting" in text else None)
    ends = threading.Thread(target=lambda: waits.wait(300) and first.__exit__(None, None, None))
    ends.start()
    assert run(path, "--overlay", str(overlay))[0] == 0
    ends.join()
    assert waits.is_set()


def test_a_table_that_somebody_else_changed_is_left_alone(project: Project, run: Any) -> None:
    path = project()
    run(path)
    labels = path.parent / "tables" / "spam_labels"
    DeltaTable(str(labels)).delete("item_id = 'c001'")
    code, _, log = run(path)
    assert code == 1
    assert f"table '{labels}' belongs to the step 'spam.labels', but another writer changed it" in log
    assert "version 1, a DELETE by delta-rs" in log
    assert table(path, "spam_labels").height == 59
    code, _, log = run(path, "--overwrite", "spam_lables")
    assert code == 2
    assert "'spam_lables' is no table of the project" in log
    assert "Did you mean 'spam_labels'?" in log
    code, _, log = run(path, "--older-than", "-1", command="clean")
    assert code == 2
    assert "got older_than_h=-1" in log

    code, result, _ = run(path, "--overwrite", "spam_labels")
    assert code == 0
    assert ran(result) == ["spam.labels"]
    assert table(path, "spam_labels").height == 60
    assert run(path)[1]["unchanged"]


def test_a_table_of_somebody_else_is_not_taken(project: Project, run: Any) -> None:
    path = project()
    foreign = pl.DataFrame({"mine": [1]}).to_arrow(compat_level=pl.CompatLevel.oldest())
    write_deltalake(str(path.parent / "tables" / "spam_votes"), foreign)
    code, _, log = run(path)
    assert code == 1
    assert "spam_votes' belongs to the step 'spam.votes', but another writer changed it: ['version 0, a WRITE" in log
    assert table(path, "spam_votes").to_dict(as_series=False) == {"mine": [1]}


def test_tables_that_were_only_rearranged_stand(project: Project, run: Any, spark: SparkSession) -> None:
    path = project()
    run(path)
    for name in ("spam_votes", "spam_patterns"):
        spark.sql(f"ALTER TABLE delta.`{path.parent}/tables/{name}` SET TBLPROPERTIES ('team' = 'trust')")
        spark.sql(
            f"OPTIMIZE delta.`{path.parent}/tables/{name}` ZORDER BY ({'item_id' if 'votes' in name else 'level'})"
        )
    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    spark.sql(f"VACUUM delta.`{path.parent}/tables/spam_votes` RETAIN 0 HOURS")
    spark.conf.unset("spark.databricks.delta.retentionDurationCheck.enabled")
    assert run(path)[1]["unchanged"]
    # What reads them anew reads the files that are still there.
    config = yaml.safe_load(path.read_text())
    config["tasks"]["spam"]["label_model"] = {"kind": "majority"}
    path.write_text(yaml.safe_dump(config))
    code, result, _ = run(path)
    assert code == 0
    assert ran(result) == ["spam.label_model", "spam.labels"]
    assert table(path, "spam_labels").height == 60


@pytest.mark.parametrize("lane", ["direct", "rows"])
def test_a_writer_in_the_middle_of_a_step_is_noticed(project: Project, run: Any, tmp_path: Path, lane: str) -> None:
    path = project()
    run(path, "--lane", lane)
    before = table(path, "spam_votes")
    module = path.parent / "functions.py"
    votes = str(path.parent / "tables" / "spam_votes")
    module.write_text(module.read_text() + WRITES_TOO.format(flag=str(tmp_path / "flag"), votes=votes))
    code, _, log = run(path, "--lane", lane)
    assert code == 1
    assert "another writer" in log
    assert "Traceback" not in log
    now = table(path, "spam_votes")
    assert now.height == before.height + 1
    assert "lf_writer" not in now.columns
    assert run(path, "--lane", lane)[0] == 1
    assert run(path, "--lane", lane, "--overwrite", "spam_votes")[0] == 0
    assert table(path, "spam_votes").height == 60
