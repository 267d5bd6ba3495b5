"""A fit reads no more pattern rows than it may: all of them, or a sample by level."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pyspark.sql import SparkSession

from sparkws.config import LabelModelConfig
from sparkws.engine.history import Transition
from sparkws.engine.refs import parse_ref
from sparkws.engine.tables import open_version
from sparkws.engine.writes import write_rows
from sparkws.labelmodels import steps
from sparkws.stats.counters import of_patterns
from sparkws.stats.patterns import PatternsKernel
from sparkws.vocab import ITEM_ID, LEVEL

LFS = ("lf_a", "lf_b", "lf_c", "lf_d")


def test_patterns_beyond_the_limit_are_sampled(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes = np.random.default_rng(3).integers(-1, 2, (500, 4))
    table = pl.DataFrame(votes, schema=dict.fromkeys(LFS, pl.Int8)).with_row_index(ITEM_ID)
    patterns = PatternsKernel(LFS, 2).of_batch(table)
    ref = parse_ref(str(tmp_path / "patterns"))
    write_rows(spark, ref, patterns.rows, direct=True, transition=Transition("sparkws/test", 1))
    of_level = {level: patterns.rows.filter(pl.col(LEVEL) >= level) for level in (0, 1, 2)}
    sampled = {}
    for level, rows in of_level.items():
        monkeypatch.setattr(steps, "_MAX_ROWS", rows.height)
        fitted = steps.fit_model(
            spark,
            LabelModelConfig(),
            open_version(spark, ref),
            of_patterns(patterns),
            ("ham", "spam"),
            parse_ref(str(tmp_path / f"model {level}")),
            Transition("sparkws/test", 1),
            gold_use="evaluate",
            max_fault_rate=1.0,
            direct=True,
        ).fitted.report
        distinct = rows.select(pl.exclude(LEVEL, "n_items")).unique().height
        sampled[level] = (fitted["level"], fitted["n_patterns"]) == (level, distinct)
    assert len({rows.height for rows in of_level.values()}) == 3
    assert sampled == {0: True, 1: True, 2: True}
