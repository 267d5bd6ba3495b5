"""Compiled functions in a job: equal in both lanes, and interpreted where a translation turns out wrong."""

import logging
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options
from sparkws.engine.reach import probe
from sparkws.engine.refs import TableRef, parse_ref
from sparkws.engine.tables import open_table, open_version, read_rows
from sparkws.lfs import LFSet, labeling_function
from sparkws.lfs.compile import compiled
from sparkws.lfs.steps import make_votes

ITEMS = pl.DataFrame({"id": range(200), "text": ["a", "win a car", None, "WIN"] * 50})


@labeling_function
def lf_win(x):
    return 1 if "win" in x.text.lower() else -1


@labeling_function
def lf_here(x):
    return 0 if x.text is not None else -1


@pytest.mark.parametrize("lane", ["direct", "rows"])
@pytest.mark.parametrize("is_wrong", [False, True])
def test_votes_are_those_of_the_functions_themselves(
    spark: SparkSession,
    tmp_path: Path,
    lane: str,
    is_wrong: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if is_wrong:

        def mistranslated(lf, *bound):
            native = compiled(lf, *bound)
            return replace(native, expression=pl.lit(0, pl.Int8)) if lf.name == "lf_win" else native

        monkeypatch.setattr("sparkws.lfs.compiled.compiled", mistranslated)
    write_deltalake(str(tmp_path / "items"), ITEMS.to_arrow(compat_level=pl.CompatLevel.oldest()))
    source, target = open_table(spark, parse_ref(str(tmp_path / "items"))), TableRef(path=f"file:{tmp_path}/votes")
    with caplog.at_level(logging.INFO, logger="sparkws.lfs"):
        written, _, _ = make_votes(
            spark,
            LFSet([lf_win, lf_here]),
            source,
            key="id",
            classes=("ham", "spam"),
            on_fault="quarantine",
            time_limit_s=None,
            votes_target=target,
            faults_target=TableRef(path=f"file:{tmp_path}/faults"),
            transition=Transition("test", 1),
            options=Options(lane=lane, reach=probe(spark, read=[tmp_path / "items"], write=[tmp_path])),
            must_check_keys=True,
            direct=True,
        )
    votes = read_rows(spark, open_version(spark, target)).sort("item_id")
    assert votes["lf_win"].to_list() == [-1, 1, None, 1] * 50
    assert votes["lf_here"].to_list() == [0, 0, -1, 0] * 50
    assert written.statistic.faults.counts == {("lf_win", "AttributeError"): 50}
    assert "2 of 2 Python functions compiled" in caplog.text
    assert ("'lf_win' does not vote as its translation: compiled it votes 'ham'" in caplog.text) == is_wrong
