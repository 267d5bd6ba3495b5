"""Tiers and the one Spark session. The folder of a test is its marker; the quick tier runs first."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# A law is tried on a machine that may be busy with other things.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

TIERS = ("unit", "spark", "e2e", "cluster")
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(_tier(item))
        if _tier(item) == "unit":
            # In front of the marks of the test itself, so that a test may still expect a warning.
            item.add_marker(pytest.mark.filterwarnings("error"), append=False)
    items.sort(key=lambda item: TIERS.index(_tier(item)))


def _tier(item: pytest.Item) -> str:
    folder = item.path.relative_to(_HERE).parts[0]
    if folder not in TIERS:
        raise pytest.UsageError(f"{item.path} belongs to no tier; move it into one of {list(TIERS)} of tests/.")
    return folder


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SparkSession]":
    """The session of the whole run, made when the first test asks for it."""
    from sparkws.config import SparkConfig
    from sparkws.engine.session import open_session

    folder = tmp_path_factory.mktemp("spark")
    session = open_session(
        # Two tasks at once, so that what is not associative has a chance to show; a task may fail once. Texts of
        # 100 MB are several times in the memory of Spark on their way through the row lane.
        SparkConfig(master="local[2,2]", driver_memory="4g"),
        app_name="sparkws tests",
        settings={
            # Tests are small: more partitions would be time spent on empty tasks.
            "spark.sql.shuffle.partitions": "2",
            # Nothing is left in the checkout.
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
            "spark.local.dir": str(folder / "local"),
            # A listing of a log is parsed again rather than kept: tests make hundreds of tables.
            "spark.databricks.delta.log.cacheSize": "3",
        },
    )
    yield session
    session.stop()
