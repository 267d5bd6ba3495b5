"""The step `stats`: moments are stored where patterns are too many for a fit, and equal those of all votes."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from sparkws import synthetic
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options
from sparkws.engine.reach import probe
from sparkws.engine.refs import parse_ref
from sparkws.engine.tables import TableVersion, open_version
from sparkws.stats.joint import BothMoments, BothMomentsKernel
from sparkws.stats.steps import count_votes, read_counters, read_moments

LFS = synthetic.lf_names(5)


@pytest.fixture(scope="module")
def votes() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 5, 3, accuracy=(0.6, 0.9), coverage=(0.3, 0.9))
    return synthetic.votes_frame(synthetic.sample(truth, 3000, rng)[0], LFS)


def count(spark: SparkSession, votes: pl.DataFrame, folder: Path, lane: str, n_files: int, most: int) -> TableVersion:
    """The version of the stats table that the step leaves behind for votes in some files."""
    for number in range(n_files):
        part = votes[number::n_files].to_arrow(compat_level=pl.CompatLevel.oldest())
        write_deltalake(str(folder / "votes"), part, mode="append")
    target = parse_ref(str(folder / "stats"))
    counted = count_votes(
        spark,
        open_version(spark, parse_ref(str(folder / "votes"))),
        None,
        LFS,
        3,
        {},
        parse_ref(str(folder / "patterns")),
        target,
        Transition("sparkws/test.stats", 1),
        Options(lane=lane, batch_rows=400, task_bytes=1, reach=probe(spark, write=[folder])),  # type: ignore[arg-type]
        most_patterns=most,
        direct=True,
    )
    return open_version(spark, target, counted.stats_version)


@pytest.mark.parametrize(("lane", "n_files"), [("direct", 1), ("direct", 5), ("rows", 2)])
def test_stored_moments_are_those_of_all_votes(
    spark: SparkSession, votes: pl.DataFrame, tmp_path: Path, lane: str, n_files: int
) -> None:
    stats = count(spark, votes, tmp_path, lane, n_files, most=10)
    found = read_moments(spark, stats)
    assert isinstance(found, BothMoments)
    expected = BothMomentsKernel(LFS, 3, found.triples.chosen).of_batch(votes)
    assert found == expected
    assert len(found.triples.chosen) == 10  # all of five functions
    assert (read_counters(spark, stats).votes == expected.pairs.votes).all()


def test_few_patterns_tell_them(spark: SparkSession, votes: pl.DataFrame, tmp_path: Path) -> None:
    assert read_moments(spark, count(spark, votes, tmp_path, "direct", 1, most=100_000)) is None
