"""The steps of a multi-label task: in both lanes, over any files, they give what the kernels give in memory."""

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
from sparkws.engine.reach import probe
from sparkws.engine.refs import parse_ref
from sparkws.engine.tables import TableVersion, open_version, read_rows
from sparkws.labelmodels import multilabel, multisteps
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.multikernel import MultiLabelsKernel
from sparkws.labelmodels.triplet import Triplet
from sparkws.stats import joint
from sparkws.stats.bylabel import LabelPatternsKernel, all_columns
from sparkws.stats.counters import of_patterns, with_faults
from sparkws.stats.joint import BothMomentsKernel
from sparkws.stats.multisteps import count_labels, read_label_counters
from sparkws.stats.patterns import Patterns, collapse
from sparkws.stats.steps import read_moments

LABELS = {
    "news": {f"lf_{j}__news": f"lf_{j}" for j in range(4)},
    "nobody": {},
    "sports": {f"lf_{j}__sports": f"lf_{j}" for j in range(3)},
}
COLUMNS = all_columns({label: tuple(columns) for label, columns in LABELS.items()})
CLASSES = list(LABELS)
N = 2400


@pytest.fixture(scope="module")
def votes() -> pl.DataFrame:
    """Votes on each label that are right four times in five, some of them faults; the labels of some are known."""
    rng = np.random.default_rng(0)
    columns, truth = {}, {}
    for label, names in LABELS.items():
        model = synthetic.random_truth(rng, max(len(names), 1), 2, accuracy=(0.7, 0.9), coverage=(0.4, 0.9))
        L, truth[label] = synthetic.sample(model, N, rng)
        columns |= {name: L[:, j] for j, name in enumerate(names)}
    frame = pl.DataFrame({"item_id": [f"c{i}" for i in range(N)], **columns})
    has = [[at for at, label in enumerate(LABELS) if truth[label][row]] if row % 3 else None for row in range(N)]
    faults = (pl.int_range(N) % 50 == 0).alias("faults")
    return frame.with_columns(
        pl.when(~faults).then(pl.col("lf_0__news")).alias("lf_0__news"),
        pl.Series("gold", has, dtype=pl.List(pl.Int8)),
    )


def store(spark: SparkSession, rows: pl.DataFrame, folder: Path, n_files: int) -> TableVersion:
    for number in range(n_files):
        part = rows[number::n_files].to_arrow(compat_level=pl.CompatLevel.oldest())
        write_deltalake(str(folder), part, mode="append")
    return open_version(spark, parse_ref(str(folder)))


def run(
    spark: SparkSession, votes: pl.DataFrame, folder: Path, lane: str, n_files: int, cap: int, **model: Any
) -> dict[str, Any]:
    """What the steps leave behind, with at most `cap` patterns read of a label."""
    reach = probe(spark, write=[folder])
    options = Options(lane=lane, batch_rows=400, task_bytes=1, reach=reach)  # type: ignore[arg-type]
    table = store(spark, votes.drop("gold"), folder / "votes", n_files)
    known = votes.select("item_id", pl.col("gold").alias("class")).drop_nulls()
    gold = store(spark, known, folder / "gold", 1)
    refs = {name: parse_ref(str(folder / name)) for name in ("patterns", "stats", "label_model", "labels")}
    counted = count_labels(
        spark,
        table,
        gold,
        {label: tuple(columns) for label, columns in LABELS.items()},
        {"lf_0__news": 48},
        refs["patterns"],
        refs["stats"],
        Transition("sparkws/test.stats", 1),
        options,
        most_patterns=cap,
        direct=True,
    )
    patterns = open_version(spark, refs["patterns"], counted.patterns_version)
    stats = open_version(spark, refs["stats"], counted.stats_version)
    config = LabelModelConfig(**model)
    report, version = multisteps.fit_labels(
        spark,
        config,
        patterns,
        read_label_counters(spark, stats),
        LABELS,
        refs["label_model"],
        Transition("sparkws/test.label_model", 2),
        options,
        gold_use="evaluate",
        max_fault_rate=1.0,
        direct=True,
        cap=cap,
        moments=read_moments(spark, stats),
    )
    stored = open_version(spark, refs["label_model"], version)
    written = multisteps.label_items(
        spark,
        config,
        table,
        stored,
        CLASSES,
        refs["labels"],
        Transition("sparkws/test.labels", 3),
        options,
        clamped=None,
    )
    return {
        "patterns": read_rows(spark, patterns),
        "stats": stats,
        "report": report,
        "parameters": read_rows(spark, stored),
        "models": multilabel.from_rows(read_rows(spark, stored), CLASSES),
        "labels": read_rows(spark, open_version(spark, refs["labels"], written.version)).sort("item_id"),
        "counts": written.statistic,
    }


def in_memory(votes: pl.DataFrame) -> dict[str, Patterns]:
    return LabelPatternsKernel({k: tuple(v) for k, v in LABELS.items()}, with_gold=True).of_batch(votes)


@pytest.mark.parametrize(("lane", "n_files"), [("direct", 5), ("rows", 2)])
def test_every_table_is_that_of_the_kernels(
    spark: SparkSession, votes: pl.DataFrame, tmp_path: Path, lane: str, n_files: int
) -> None:
    found = run(spark, votes, tmp_path, lane, n_files, 10_000, kind="dawid_skene", abstain="missing")
    counted = in_memory(votes)
    kernel = LabelPatternsKernel({k: tuple(v) for k, v in LABELS.items()})
    assert kernel.load(found["patterns"]) == counted
    counters = {label: of_patterns(patterns) for label, patterns in counted.items()}
    counters["news"] = with_faults(counters["news"], {"lf_0__news": 48})
    assert read_label_counters(spark, found["stats"]) == counters
    assert found["models"]["nobody"] is None
    report = found["report"]
    for label in ("news", "sports"):
        whole = DawidSkene(2, abstain="missing").fit(collapse(counted[label], keep_gold=False))
        assert found["models"][label].cpt_.tolist() == whole.cpt_.tolist()
        assert report.labels[label].metrics["dawid_skene"]["accuracy"] > 0.75
        of_label = found["parameters"].filter(label=label)
        told = report.labels[label].bootstrap["accuracy"]
        assert of_label.filter(parameter="accuracy_low").select("lf", "value").rows() == [
            (name, low) for name, (_, low, _) in told.items()
        ]
    assert report.metrics["label model"]["n_labels"] == 2
    assert report.to_plain()["warnings"][0]["code"] == "no_model"

    made_from = {"key_dtype": pl.String(), "votes_version": n_files - 1, "model_version": 0}
    rows, counts = MultiLabelsKernel(models=found["models"], **made_from).run(votes)
    assert found["labels"].equals(rows.sort("item_id"))
    assert found["counts"] == counts


def test_too_many_patterns_are_fitted_from_a_sample(spark: SparkSession, votes: pl.DataFrame, tmp_path: Path) -> None:
    found = run(spark, votes, tmp_path, "direct", 1, 60, kind="dawid_skene", abstain="missing", polish=2)
    polish = found["report"].labels["news"].polish
    assert polish["sample_level"] > 0
    assert polish["n_steps"] > 0


def test_models_from_moments_read_their_part_of_them(spark: SparkSession, votes: pl.DataFrame, tmp_path: Path) -> None:
    found = run(spark, votes, tmp_path, "direct", 2, 60, kind="triplet")
    moments = read_moments(spark, found["stats"])
    assert moments is not None
    assert moments == BothMomentsKernel(COLUMNS, 2, moments.triples.chosen).of_batch(votes)
    own = joint.select(moments, tuple(LABELS["sports"]))
    whole = Triplet(2).fit(own.pairs, triples=own.triples, gold_items=np.zeros(2, np.int64))
    assert found["models"]["sports"].cpt_.tolist() == whole.cpt_.tolist()
