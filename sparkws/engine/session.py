"""The Spark session: the running one, or one of our own, with every setting that matters in one place."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from sparkws.config import SparkConfig
from sparkws.engine.remote import connect
from sparkws.errors import ConfigError, EngineError
from sparkws.jars import jar_paths

__all__ = [
    "DELTA_SETTINGS",
    "ONE_MACHINE_SETTINGS",
    "RUNTIME_SETTINGS",
    "SparkSession",
    "count_tasks",
    "is_connect",
    "open_session",
    "own_settings",
    "session",
]

logger = logging.getLogger(__name__)

# Settings that change results or speed between Spark versions; they can be set on a running session.
RUNTIME_SETTINGS: Final[Mapping[str, str]] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
    # That many long texts would not fit into a worker, nor into the 2 GiB of an Arrow column. Spark 4.0 lacks it.
    "spark.sql.execution.arrow.maxBytesPerBatch": str(64 << 20),
    # Readers outside Spark know INT96 as nanoseconds, which end in 2262.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.pyspark.udf.faulthandler.enabled": "true",
}

# Settings of a session that we start ourselves, on any master.
DELTA_SETTINGS: Final[Mapping[str, str]] = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

# Further ones of a session on this machine only.
ONE_MACHINE_SETTINGS: Final[Mapping[str, str]] = {
    # The defaults of 50 and 10,000 tasks suit clusters; on one machine they cost seconds a commit.
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    "spark.sql.shuffle.partitions": "8",
    # Nothing outside this machine takes part, and its name may not resolve.
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


def open_session(
    config: SparkConfig | None = None,
    *,
    app_name: str = "sparkws",
    submitted: bool = False,
    settings: Mapping[str, str] | None = None,
) -> SparkSession:
    """The session to work in.

    The running session where there is one (a notebook, Databricks); that of `config.remote` on Spark
    Connect; the one that spark-submit configured when `submitted`; else a local one of our own, on
    `config.master`, local[*] by default. `settings` go over those of `config`.
    """
    config = config or SparkConfig()
    running = _running()
    if running is not None:
        return _set_runtime(running)
    if config.remote is not None:
        return _set_runtime(connect(config.remote, app_name))
    builder = SparkSession.builder.appName(app_name)
    # Workers must run this interpreter; `python3` of the PATH may lack sparkws and pyarrow.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if submitted:
        return _set_runtime(builder.getOrCreate())
    chosen = {**own_settings(config), **config.settings, **(settings or {})}
    logger.info("starting Spark on %s", config.master or "local[*]")
    for key, value in chosen.items():
        builder = builder.config(key, value)
    try:
        return _set_runtime(builder.master(config.master or "local[*]").getOrCreate())
    except PySparkException as error:
        if error.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        raise ConfigError(
            f"Spark's launcher refuses to start on {config.master or 'local[*]'!r}; its own words stand above. It "
            "needs Java 17 (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; or point JAVA_HOME at it) and a "
            "'spark.master' that it knows."
        ) from None
    except Py4JError as error:
        raise EngineError(
            f"Spark cannot start on {config.master or 'local[*]'!r}: {_innermost(error)}. Is that master there, and "
            "does it have room?"
        ) from error


def _innermost(error: Exception) -> str:
    """What the JVM says is behind an error: the last cause that its stack trace names, else the first line."""
    lines = str(error).strip().splitlines()
    causes = [line for line in lines if line.startswith("Caused by: ")] or lines[1:2] or lines[:1]
    return causes[-1].removeprefix("Caused by: ").strip(": .")


@contextmanager
def session(
    config: SparkConfig | None = None, *, app_name: str = "sparkws", submitted: bool = False
) -> Iterator[SparkSession]:
    """The session to work in, as `open_session` gives it; one that was not running before is stopped behind it.

    Raises
    ------
    EngineError
        If Spark itself ends, or the way to it, while the body is at work.
    """
    is_own = _running() is None
    spark = open_session(config, app_name=app_name, submitted=submitted)
    try:
        yield spark
    except Exception as error:
        if not _is_cut_off(spark, error):
            raise
        is_own = False  # there is nothing left to stop
        raise EngineError(
            "Spark ended while the job was at work, or the way to it did; no table is half-written. Look into Spark's "
            "own log for the reason (often memory: spark.driver_memory), and run again."
        ) from error
    finally:
        if is_own:
            spark.stop()


def _is_cut_off(spark: SparkSession, error: Exception) -> bool:
    """Whether there is no Spark to talk to any more."""
    if is_connect(spark):  # its client would try for minutes
        return type(error).__module__.startswith(("grpc", "pyspark.errors")) and "UNAVAILABLE" in str(error)
    try:
        spark.conf.get("spark.app.name")
    except Exception:
        return True
    return False


def is_connect(spark: SparkSession) -> bool:
    """Whether the session is a client of a Spark Connect server."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


def count_tasks(spark: SparkSession) -> tuple[int, int] | None:
    """The finished and all tasks of the running stages; None where the session does not tell (Spark Connect)."""
    try:
        tracker = spark.sparkContext.statusTracker()
    except (PySparkException, AttributeError):
        return None
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    known = [stage for stage in stages if stage is not None]
    return sum(stage.numCompletedTasks for stage in known), sum(stage.numTasks for stage in known)


def own_settings(config: SparkConfig) -> dict[str, str]:
    """The settings of a session that we start ourselves, before those of the configuration go over them."""
    master = config.master or "local[*]"
    quiet = Path(__file__).with_name("log4j2.properties")
    own = {
        **DELTA_SETTINGS,
        **(ONE_MACHINE_SETTINGS if master.startswith("local") else {}),
        "spark.driver.memory": config.driver_memory,
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={quiet.as_uri()}",
    }
    jars = jar_paths()
    if jars:
        # A list: a pattern such as dir/*.jar would reach the driver only.
        own["spark.jars"] = ",".join(jars)
    return own


def _running() -> SparkSession | None:
    """The session of this process, also where another thread made it."""
    try:
        return SparkSession.active()
    except PySparkException:  # there is none
        return None


def _set_runtime(spark: SparkSession) -> SparkSession:
    # They log what the exception says that they raise, whether or not somebody handles it.
    for noisy in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    refused = []
    for key, value in RUNTIME_SETTINGS.items():
        try:
            spark.conf.set(key, value)
        except PySparkException:  # serverless compute refuses some of them and sets its own
            refused.append(key)
    if refused:
        logger.info("this runtime keeps its own settings of %s", refused)
    return spark
