"""Whose session it is: one that is running is taken, by any thread, and left running."""

import subprocess
import sys
import threading

import pytest
from pyspark.sql import SparkSession

from sparkws.engine.session import session


def test_a_running_session_is_taken_and_left_running(spark: SparkSession) -> None:
    with session() as taken:
        assert taken is spark
    assert spark.range(3).count() == 3


def test_another_thread_does_not_stop_it(spark: SparkSession) -> None:
    taken: list[SparkSession] = []

    def work() -> None:
        with session() as same:
            taken.append(same)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert taken == [spark]
    assert spark.range(3).count() == 3


def test_it_is_left_running_behind_an_error(spark: SparkSession) -> None:
    with pytest.raises(KeyError, match="gone"), session():
        raise KeyError("gone")
    assert spark.range(3).count() == 3


@pytest.mark.parametrize(
    ("master", "said"),
    [
        ("nonsense", "ConfigError: Spark's launcher refuses to start on 'nonsense'"),
        ("spark://nowhere", "EngineError: Spark cannot start on 'spark://nowhere': "),
    ],
)
def test_a_master_that_is_none_is_a_sentence(master: str, said: str) -> None:
    code = f"from sparkws import config, open_session; open_session(config.SparkConfig(master={master!r}))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.stderr.strip().splitlines()[-1].startswith(f"sparkws.errors.{said}")
