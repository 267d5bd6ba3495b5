"""Two random projects of `make soak`, so that it never rots; nothing is killed here."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.soak.run import soak


@pytest.mark.parametrize("seed", [9, 12])
def test_a_random_project_is_as_the_reference_says(spark: SparkSession, tmp_path: Path, seed: int) -> None:
    done = soak(seed, tmp_path, spark, most_edits=1)
    assert done.runs >= 2
    assert done.rows > 100
