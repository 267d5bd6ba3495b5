"""A small project on disk: comments, functions in a module and in the configuration, gold for some items."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from sparkws.cli import main

MODULE = """
from sparkws import ABSTAIN, labeling_function

PRAISE = {"song", "lovely"}


@labeling_function
def lf_praise(x):
    return "ham" if PRAISE & set(x.text.split()) else ABSTAIN


@labeling_function(resources={"limit": 12})
def lf_short(x, limit):
    return "ham" if len(x.text) < limit else ABSTAIN


@labeling_function(owner="trust team")
def lf_money(x):
    amount = float(x.amount)  # NULL amounts fault
    return 1 if amount > 100 else ABSTAIN
"""

DECLARATIVE = [
    {"name": "lf_link", "regex": {"column": "text", "pattern": "https?://", "label": "spam"}},
    {"name": "lf_gift", "keyword": {"column": "text", "any": ["gift", "win"], "label": "spam"}},
]


def comments() -> pl.DataFrame:
    """60 comments; the truth of every second one is known."""
    texts = ["lovely song", "win a gift http://a.example", "see http://b.example now", "what a long day it was", "hm"]
    truth = ["ham", "spam", "spam", "ham", "ham"]
    n = 60
    return pl.DataFrame(
        {
            "id": [f"c{i:03d}" for i in range(n)],
            "text": [texts[i % 5] for i in range(n)],
            "amount": [float(7 * i) if i else None for i in range(n)],
            "truth": [truth[i % 5] if i % 2 else None for i in range(n)],
        }
    )


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes the project's files and gives the configuration's path; keyword arguments go over the task."""

    def write(items: pl.DataFrame | None = None, workspace: str = "./tables", **task: Any) -> Path:
        rows = comments() if items is None else items
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        write_deltalake(str(tmp_path / "comments"), table, mode="overwrite", schema_mode="overwrite")
        (tmp_path / "functions.py").write_text(MODULE)
        config = {
            "project": "comments",
            "workspace": workspace,
            "source": {"table": "./comments", "key": "id"},
            "tasks": {
                "spam": {
                    "classes": ["ham", "spam"],
                    "gold": {"column": "truth"},
                    "lfs": {"modules": ["functions.py"], "declarative": DECLARATIVE, "max_fault_rate": 0.02},
                    **task,
                }
            },
        }
        path = tmp_path / "project.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    return write


@pytest.fixture
def run(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any, str]]:
    """Runs the command in the session of the tests; gives exit code, JSON line and log."""

    def call(path: Path, *arguments: str) -> tuple[int, Any, str]:
        code = main(["run", "--config", str(path), *arguments])
        out, log = capsys.readouterr()
        return code, json.loads(out) if out else None, log

    return call


def table(path: Path, name: str, workspace: str = "tables") -> pl.DataFrame:
    """A table of the workspace beside a configuration, as delta-rs reads it."""
    frame = pl.from_arrow(DeltaTable(str(path.parent / workspace / name)).to_pyarrow_table())
    assert isinstance(frame, pl.DataFrame)
    return frame
