"""The ways in: spark-submit, a notebook, the command without a running session."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyspark
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]
Project = Callable[..., Path]


def submit(*arguments: str) -> subprocess.CompletedProcess[str]:
    """spark-submit as a user calls it, with the properties that set-up wrote.

    It gives both streams of a Python job as its own stdout; the JSON object is the last line.
    """
    home = Path(pyspark.__file__).parent
    own = {"SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    properties = ROOT / "conf" / "local" / "spark-defaults.conf"
    command = [str(home / "bin" / "spark-submit"), "--master", "local[2]", "--properties-file", str(properties)]
    job = str(ROOT / "jobs" / "run_pipeline.py")
    return subprocess.run(
        [*command, job, *arguments], env={**os.environ, **own}, capture_output=True, text=True, timeout=240
    )


def test_spark_submit_runs_the_job(project: Project) -> None:
    path = project()
    ended = submit("--config", str(path))
    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout.splitlines()[-1])
    assert [step["status"] for step in result["steps"]] == ["done"] * 5
    assert "direct lane" in ended.stdout
    # Spark says nothing; the JVM itself has a line about a module, and one about options of the environment.
    of_the_jvm = ("WARNING: Using incubator modules", "Picked up JAVA_TOOL_OPTIONS")
    assert [line for line in ended.stderr.splitlines() if not line.startswith(of_the_jvm)] == []


def test_spark_submit_gives_the_exit_code(project: Project) -> None:
    path = project(label_model={"kind": "oracle"})
    ended = submit("--config", str(path))
    assert ended.returncode == 2
    assert "'auto', 'majority'" in ended.stdout


def test_the_notebook_runs_here(spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notebook = ROOT / "notebooks" / "label_your_table.py"
    assert notebook.read_text().startswith("# Databricks notebook source\n")
    runpy.run_path(str(notebook), init_globals={"workspace": str(tmp_path / "tables")})
    labels = pl.from_arrow(DeltaTable(str(tmp_path / "tables" / "spam_labels")).to_pyarrow_table())
    assert isinstance(labels, pl.DataFrame)
    assert dict(labels.sort("item_id").select("item_id", "pred").iter_rows()) == {
        "c1": 1,
        "c2": 0,
        "c3": None,
        "c4": 1,
        "c5": None,
    }
    assert "task spam" in capsys.readouterr().out


class Widgets:
    """What a Databricks notebook finds as dbutils.widgets."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def text(self, name: str, default: str, label: str) -> None:
        self.values.setdefault(name, default)

    def get(self, name: str) -> str:
        return self.values[name]


def test_the_notebook_takes_databricks_widgets_and_names(spark: SparkSession) -> None:
    spark.sql("CREATE SCHEMA IF NOT EXISTS notebook_demo")
    dbutils = type("Utilities", (), {"widgets": Widgets(workspace="notebook_demo")})()
    runpy.run_path(str(ROOT / "notebooks" / "label_your_table.py"), init_globals={"dbutils": dbutils})
    assert spark.table("notebook_demo.spam_labels").count() == 5
