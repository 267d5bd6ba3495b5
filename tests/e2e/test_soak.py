"""Two random projects of `make soak`, so that it never rots; nothing is killed here."""

import ast
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.soak.run import soak

HERE = Path(__file__).parents[1] / "soak"


@pytest.mark.parametrize("seed", [22, 35])
def test_a_random_project_is_as_the_reference_says(spark: SparkSession, tmp_path: Path, seed: int) -> None:
    done = soak(seed, tmp_path, spark, most_edits=1)
    assert done.runs >= 2
    assert done.rows > 100


def test_the_reference_owes_nothing_to_sparkws() -> None:
    modules = sorted(path for path in HERE.glob("*.py") if path.name != "run.py")
    assert HERE / "reference.py" in modules
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in named if name.partition(".")[0] == "sparkws"], path.name
