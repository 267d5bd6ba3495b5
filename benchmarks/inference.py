"""Soft labels of a votes table of 20 LFs, written and committed, on two cores in a warm session.

The step `labels` of the pipeline, with a Dawid-Skene model fitted from a sample of the same votes, against
Spark copying the votes table: reading it and writing a Delta table, with no arithmetic at all. Probabilities are
compared with the naive product of the paper before anything is timed. The sizes are 20 million items (default), 100
million (full) and 1 million (small).
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from pyspark.sql import SparkSession

from benchmarks.harness import Result, time_in_turns
from benchmarks.statistics import CORES, LFS, ROUNDS, ROWS, TRUTH, votes_table
from sparkws import synthetic
from sparkws.config import LabelModelConfig, SparkConfig
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options
from sparkws.engine.reach import probe
from sparkws.engine.refs import TableRef, parse_ref
from sparkws.engine.session import open_session
from sparkws.engine.tables import TableVersion, open_version, read
from sparkws.engine.writes import write_frame, write_rows
from sparkws.labelmodels import DawidSkene, persist
from sparkws.labelmodels.steps import label_items
from sparkws.stats import patterns_of_matrix

CLASSES: Final = ("no", "yes")


def run(size: str) -> Result:
    """The figures at a size."""
    n_rows = ROWS[size]
    folder = votes_table(n_rows)
    spark = open_session(SparkConfig(master=f"local[{CORES}]"), app_name="benchmark inference")
    with tempfile.TemporaryDirectory(prefix="sparkws-bench-") as scratch:
        try:
            work = Work(spark, open_version(spark, parse_ref(str(folder))), Path(scratch), fit_model())
            work.compare()
            took = time_in_turns({"sparkws": work.label, "copy": work.copy}, rounds=ROUNDS)
        finally:
            spark.stop()
    figures = {
        "rows": n_rows,
        **{f"rows_per_second_{name}": n_rows / took.median(name) for name in took.seconds},
        "ratio_copy": took.ratio("copy", "sparkws"),
    }
    return Result("inference", figures, {"ratio_copy": (">=", 2.0)})


def fit_model() -> DawidSkene:
    """Fitted from 100,000 items like those of the table."""
    L, _ = synthetic.sample(TRUTH, 100_000, np.random.default_rng(5))
    return DawidSkene(2, abstain="missing").fit(patterns_of_matrix(L, LFS, 2))


@dataclass
class Work:
    """A votes table, and what is made of it below a folder."""

    spark: SparkSession
    votes: TableVersion
    scratch: Path
    model: DawidSkene
    n_runs: int = 0

    def label(self) -> TableVersion:
        """Label all items into a new table."""
        target, transition = self._next("labels")
        stored = parse_ref(str(self.scratch / "model"))
        if not (self.scratch / "model").exists():
            write_rows(self.spark, stored, persist.to_rows(self.model, CLASSES), direct=True)
        written = label_items(
            self.spark,
            LabelModelConfig(),
            self.votes,
            open_version(self.spark, stored),
            CLASSES,
            target,
            transition,
            Options(lane="direct", reach=probe(self.spark, read=[self.votes.folder], write=[self.scratch])),
            clamped=None,
        )
        return open_version(self.spark, target, written.version)

    def copy(self) -> None:
        """Let Spark copy the votes into a new table."""
        target, transition = self._next("copy")
        write_frame(self.spark, target, read(self.spark, self.votes), transition=transition)

    def compare(self) -> None:
        """Stop unless the labels of some items are those of the naive formula."""
        labels = pl.scan_delta(str(self.label().folder)).head(1000).collect()
        known = pl.scan_delta(str(self.votes.folder)).filter(pl.col("item_id").is_in(labels["item_id"].implode()))
        votes = known.collect().join(labels, "item_id", maintain_order="right")
        L = votes.select(LFS).to_numpy()
        assert self.model.cpt_ is not None
        for row, got in zip(L, labels["probs"].to_list(), strict=True):
            product = self.model.class_balance_.copy()
            for j, vote in enumerate(row):
                if vote >= 0:
                    product *= self.model.cpt_[j, vote + 1]
            if (row >= 0).any() and not np.allclose(got, product / product.sum(), rtol=0, atol=1e-12):
                raise AssertionError(f"votes {row.tolist()} give {got}, the naive formula {product / product.sum()}")

    def _next(self, name: str) -> tuple[TableRef, Transition]:
        """A table that is not there yet; the one before is removed."""
        shutil.rmtree(self.scratch / f"{name}{self.n_runs - 2}", ignore_errors=True)
        self.n_runs += 1
        return parse_ref(str(self.scratch / f"{name}{self.n_runs}")), Transition(f"sparkws/{name}", self.n_runs)
