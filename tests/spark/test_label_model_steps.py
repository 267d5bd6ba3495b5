"""The step `label_model`: a fit from a sample and its polish through Spark give what they give in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options
from sparkws.engine.reach import Reach, probe
from sparkws.engine.refs import parse_ref
from sparkws.engine.tables import TableVersion, open_version, read_rows
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.persist import from_rows
from sparkws.labelmodels.steps import FittedVersion, fit_model
from sparkws.stats.counters import of_patterns
from sparkws.stats.patterns import Patterns, PatternsKernel, collapse

CLASSES = ("no", "yes")
LFS = synthetic.lf_names(7)
CAP = 150


def patterns_of(n: int) -> Patterns:
    """Pattern counts of n items; the classes of some are known, and wrong."""
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 7, 2, accuracy=(0.7, 0.9), coverage=(0.5, 0.9))
    L, Y = synthetic.sample(truth, n, rng)
    gold = pl.Series("gold", np.where(rng.random(n) < 0.1, 1 - Y, -1), dtype=pl.Int8)
    return PatternsKernel(LFS, 2, with_gold=True).of_batch(synthetic.votes_frame(L, LFS).with_columns(gold))


@pytest.fixture(scope="module")
def counted() -> Patterns:
    return patterns_of(8000)


@pytest.fixture
def files_apart(spark: SparkSession) -> Iterator[None]:
    """In the row lane a partition for every file, and splits of files that hold no row group."""
    spark.conf.set("spark.sql.files.openCostInBytes", "1g")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "16k")
    yield
    spark.conf.unset("spark.sql.files.openCostInBytes")
    spark.conf.unset("spark.sql.files.maxPartitionBytes")


def store(spark: SparkSession, rows: pl.DataFrame, folder: Path, n_files: int) -> TableVersion:
    """The rows in a table of some files, in shuffled order."""
    shuffled = rows.sample(fraction=1, shuffle=True, seed=n_files)
    for number in range(n_files):
        part = shuffled[number::n_files].to_arrow(compat_level=pl.CompatLevel.oldest())
        write_deltalake(str(folder), part, mode="append")
    return open_version(spark, parse_ref(str(folder)))


def fit(
    spark: SparkSession,
    counted: Patterns,
    table: TableVersion,
    lane: str,
    reach: Reach,
    *,
    cap: int = CAP,
    **options: Any,
) -> tuple[FittedVersion, pl.DataFrame]:
    """What the step gives, and the rows of the model that it stored."""
    assert table.folder is not None
    target = parse_ref(str(table.folder.parent / f"model_{lane}"))
    config = LabelModelConfig(**{"kind": "dawid_skene", "abstain": "missing", "polish": 100, **options})
    stored = fit_model(
        spark,
        config,
        table,
        of_patterns(counted),
        CLASSES,
        target,
        Transition("sparkws/test.label_model", 1),
        Options(lane=lane, batch_rows=97, task_bytes=1, reach=reach),  # type: ignore[arg-type]
        gold_use="evaluate",
        max_fault_rate=1.0,
        direct=True,
        cap=cap,
    )
    return stored, read_rows(spark, open_version(spark, target, stored.version))


@pytest.mark.usefixtures("files_apart")
def test_lanes_and_partitions_change_no_bit(spark: SparkSession, counted: Patterns, tmp_path: Path) -> None:
    reach = probe(spark, write=[tmp_path])
    found = []
    for n_files in (1, 2, 5):
        table = store(spark, counted.rows, tmp_path / str(n_files) / "patterns", n_files)
        for lane in ("direct", "rows"):
            stored, rows = fit(spark, counted, table, lane, reach, polish=1, class_balance="uniform")
            found.append((rows, stored.fitted.report))
    for rows, report in found[1:]:
        assert rows.equals(found[0][0])
        assert report == found[0][1]
    report = found[0][1]
    assert report.level > 0
    assert report.n_patterns < 2 * CAP < collapse(counted).rows.height
    assert report.polish["n_steps"] == 1


def test_polished_to_the_end_it_is_the_fit_from_everything(
    spark: SparkSession, counted: Patterns, tmp_path: Path
) -> None:
    table = store(spark, counted.rows, tmp_path / "patterns", 2)
    reach = probe(spark, write=[tmp_path])
    stored, rows = fit(spark, counted, table, "direct", reach, tol=1e-9)
    full = DawidSkene(2, abstain="missing", tol=1e-12).fit(collapse(counted, keep_gold=False))
    model = from_rows(rows, CLASSES, LFS)
    assert isinstance(model, DawidSkene)
    np.testing.assert_allclose(model.cpt_, full.cpt_, atol=1e-4)
    np.testing.assert_allclose(model.class_balance_, full.class_balance_, atol=1e-4)
    report = stored.fitted.report
    assert report.level == 0
    assert report.polish["converged"]
    assert report.polish["n_steps"] == model.n_polish_ > 3
    assert report.largest_standard_error < 1e-4 < report.polish["largest_standard_error_before"]
    everything, _ = fit(spark, counted, table, "rows", reach, cap=1 << 18)
    assert (everything.fitted.report.level, everything.fitted.report.polish) == (0, None)
    assert everything.fitted.model.log_likelihood_ == pytest.approx(model.log_likelihood_)
