"""What a program does on Spark Connect: names, views, a UDF, the notebook, and what goes wrong.

    python connect_client.py NAME sc://host:port FOLDER [CONFIG...]

It runs in a process without Java, because a process that has once opened a remote session has pyspark's
functions in another state. `tests/cluster/test_connect.py` starts it and looks at what it leaves behind.
"""

import contextlib
import io
import json
import runpy
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import polars as pl
from pyspark.sql import functions as F

import sparkws
from sparkws.cli import main
from sparkws.config import SparkConfig
from sparkws.engine.session import count_tasks, session
from sparkws.lfs import lfset_of

ROOT = Path(__file__).parents[2]


def tell(found: object) -> None:
    """One line of JSON for the test."""
    sys.stdout.write(json.dumps(found) + "\n")


def run_by_name(url: str, folder: str, config: str) -> None:
    """Tables of a catalog, a view as the source; the functions in a query give the votes of the table."""
    spark = sparkws.open_session(SparkConfig(remote=url))
    assert count_tasks(spark) is None, "a remote session tells no counts of tasks"
    spark.sql("CREATE SCHEMA by_name")
    spark.read.format("delta").load(f"{folder}/items").write.format("delta").saveAsTable("by_name.items")
    spark.sql("CREATE VIEW by_name.seen AS SELECT * FROM by_name.items")
    project = sparkws.load_config(config)
    tell(sparkws.run(spark, project, tasks=["spam"]).to_plain())

    task = project.tasks["spam"]
    assert task.lfs is not None
    lfset = lfset_of(task.lfs, project.base_dir)
    items = spark.table("by_name.items").drop("noise")
    found = items.select("id", lfset.as_udf(classes=list(task.classes))(F.struct("*")).alias("v")).select("id", "v.*")
    votes = spark.table("by_name.spam_votes").withColumnRenamed("item_id", "id")
    both = [pl.DataFrame(pl.from_arrow(frame.toArrow())).sort("id") for frame in (found, votes)]
    assert both[0].equals(both[1]), (both[0], both[1])


def run_notebook(url: str, folder: str) -> None:
    """The notebook takes the session that is running, and leaves it running; so does a job in another thread."""
    spark = sparkws.open_session(SparkConfig(remote=url))
    runpy.run_path(str(ROOT / "notebooks" / "label_your_table.py"), init_globals={"workspace": f"{folder}/notebook"})

    def in_a_thread() -> None:
        with session(SparkConfig(remote=url)) as same:
            assert same is spark

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    assert spark.range(3).count() == 3


def run_badly(url: str, folder: str, *configs: str) -> None:
    """Tells of each configuration the exit code and the last line of the log."""
    for config in configs:
        log = io.StringIO()
        with contextlib.redirect_stderr(log), contextlib.redirect_stdout(io.StringIO()):
            code = main(["run", "--config", config, "--remote", url])
        tell([code, log.getvalue().splitlines()])


PROGRAMS: dict[str, Callable[..., None]] = {"by_name": run_by_name, "notebook": run_notebook, "badly": run_badly}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
