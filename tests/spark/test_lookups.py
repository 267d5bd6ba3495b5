"""Lookups in a table and expressions in Spark SQL: votes of a whole pass against plain Python."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from sparkws.config import DeclarativeLFConfig
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options
from sparkws.engine.refs import TableRef, parse_ref
from sparkws.engine.tables import Source, open_table, open_version, read_rows
from sparkws.lfs import LFSet, declarative_lfs
from sparkws.lfs.steps import make_votes, open_tables

CLASSES = ("ham", "spam")
ITEMS = pl.DataFrame(
    {
        "id": range(9),
        "company": ["ACME, Inc.", " acme inc ", "Globex", None, "?!", "Initech", "globex", "nobody", "a`b.c d"],
        "n": [0, 1, 2, 3, None, 5, 6, 7, 8],
    }
)
# Globex is there twice with one class, Initech with two; a key without a class, and rows without a key.
BASE = pl.DataFrame(
    {
        "the name": ["Acme Inc", "Globex", "globex", "Initech", "Initech", None, "nobody", "...", "a`b.c d"],
        "kind": ["spam", "ham", "ham", "ham", "spam", "spam", None, "spam", "spam"],
    }
)


def table(folder: Path, name: str, rows: pl.DataFrame, mode: str = "overwrite") -> str:
    path = str(folder / name)
    write_deltalake(path, rows.to_arrow(compat_level=pl.CompatLevel.oldest()), mode=mode, schema_mode="overwrite")
    return path


def lfs(**kinds: Mapping[str, Any]) -> LFSet:
    configs = [DeclarativeLFConfig.model_validate({"name": name, **kind}) for name, kind in kinds.items()]
    return LFSet(declarative_lfs(configs))


class Pass:
    """Makes votes and gives them as columns, with what the lookups counted."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.folder, self.n = spark, folder, 0

    def __call__(
        self, lfset: LFSet, source: Source, *, key: str = "id", options: Options | None = None
    ) -> tuple[dict[str, list[int | None]], dict[str, dict[str, int]]]:
        self.n += 1
        target = TableRef(path=f"file:{self.folder}/votes{self.n}")
        written, _, counts = make_votes(
            self.spark,
            lfset,
            source,
            key=key,
            classes=CLASSES,
            on_fault="quarantine",
            time_limit_s=None,
            votes_target=target,
            faults_target=TableRef(path=f"file:{self.folder}/faults{self.n}"),
            transition=Transition("test", self.n),
            options=options or Options(),
            must_check_keys=True,
            direct=True,
            tables=open_tables(self.spark, lfset, str(self.folder)),
        )
        votes = read_rows(self.spark, open_version(self.spark, target)).sort("item_id")
        assert written.n_rows == len(votes)
        return {name: votes[name].to_list() for name in lfset.names}, counts


@pytest.fixture
def votes(spark: SparkSession, tmp_path: Path) -> Pass:
    return Pass(spark, tmp_path)


@pytest.fixture
def items(spark: SparkSession, tmp_path: Path) -> Source:
    return open_table(spark, parse_ref(table(tmp_path, "items", ITEMS)))


def test_a_table_says_the_class(spark: SparkSession, tmp_path: Path, votes: Pass, items: Source) -> None:
    where = {"column": "company", "table": table(tmp_path, "base", BASE), "key": "the name"}
    every = ["lower", "strip_punctuation", "collapse_whitespace"]
    lfset = lfs(
        lf_as_it_is={"lookup": {**where, "label_column": "kind"}},
        lf_known={"lookup": {**where, "label": "spam"}},
        lf_normalized={"lookup": {**where, "label_column": "kind", "normalize": every}},
        lf_short={"regex": {"column": "company", "pattern": "^.{0,3}$", "label": "ham"}},
    )
    found, counts = votes(lfset, items)
    assert found == {
        "lf_as_it_is": [-1, -1, 0, -1, -1, -1, 0, -1, 1],
        "lf_known": [-1, -1, 1, -1, -1, 1, 1, 1, 1],
        "lf_normalized": [1, 1, 0, -1, -1, -1, 0, -1, 1],
        "lf_short": [-1, -1, -1, -1, 0, -1, -1, -1, -1],
    }
    as_it_is = {"n_rows": 9, "n_keys": 7, "n_ambiguous": 1, "n_matched": 5, "n_undecided": 2}
    normalized = {"n_rows": 9, "n_keys": 5, "n_ambiguous": 1, "n_matched": 7, "n_undecided": 2}
    assert counts == {
        "lf_as_it_is": as_it_is,
        "lf_known": {**as_it_is, "n_ambiguous": 0, "n_undecided": 0},
        "lf_normalized": normalized,
    }
