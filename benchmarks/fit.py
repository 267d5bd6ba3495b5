"""Fitting Dawid and Skene's model with 20 LFs: from 2,000 patterns, and from a table of 5 million.

The large fit is the pipeline's step: from the Delta table of patterns, in a warm session on two cores, to
the stored model and its standard errors; once from the sample alone, once polished by EM over the whole
table. The rival is EM over rows in numpy, all votes in memory and reading not counted. Run on, it is also
the full fit that the errors of both are measured against.

The sizes are 5.3 million items (default), 400,000 (small) and 12 million (full); nearly every item has votes
of its own.
"""

import hashlib
import shutil
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from deltalake import write_deltalake
from numpy.typing import NDArray

from benchmarks.fit_rival import fit_rows
from benchmarks.harness import CACHE, Result, time_in_turns
from sparkws import synthetic
from sparkws.config import LabelModelConfig, SparkConfig
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options, reduce_batches
from sparkws.engine.reach import probe
from sparkws.engine.refs import parse_ref
from sparkws.engine.session import SparkSession, open_session
from sparkws.engine.tables import TableVersion, open_version
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.fitting import Fitted
from sparkws.labelmodels.steps import fit_model
from sparkws.stats import patterns
from sparkws.stats.counters import Counters, CountersKernel
from sparkws.stats.packing import key_columns
from sparkws.stats.patterns import Patterns, PatternsKernel, of_matrix, unpack

ROWS: Final = {"small": 400_000, "default": 5_300_000, "full": 12_000_000}
N_LFS: Final = 20
LFS: Final = synthetic.lf_names(N_LFS)
N_FILES: Final = 16
CORES: Final = 2
ROUNDS: Final = 3
TOL: Final = LabelModelConfig().tol
TRUTH: Final = synthetic.random_truth(np.random.default_rng(7), N_LFS, 2, accuracy=(0.6, 0.9), coverage=(0.3, 0.9))


def run(size: str) -> Result:
    """The figures at a size."""
    figures = _small_fits()
    L = votes(ROWS[size])
    table = patterns_table(L, CACHE)
    spark = open_session(SparkConfig(master=f"local[{CORES}]"), app_name="benchmark fit")
    with tempfile.TemporaryDirectory(prefix="sparkws-bench-") as scratch:
        try:
            found = _large_fits(LargeFit(spark, open_version(spark, parse_ref(str(table))), Path(scratch)), figures)
        finally:
            spark.stop()
    figures["patterns"] = pl.read_delta(str(table), columns=key_columns(LFS, 2)).n_unique()
    _compare(found, L, figures)
    return Result("fit", figures, {"seconds_2000": ("<=", 0.2), "seconds_5m": ("<=", 20.0)})


def votes(n: int) -> NDArray[np.int8]:
    """The votes of n items, `(n, m)`, the same in every run."""
    return synthetic.sample(TRUTH, n, np.random.default_rng([7, n]))[0]


def patterns_table(L: NDArray[np.int8], cache: Path) -> Path:
    """The folder of the Delta table of the items' patterns; made below `cache` unless it is there already."""
    made_by = TRUTH.cpt.tobytes() + b"".join(Path(module.__file__).read_bytes() for module in (synthetic, patterns))
    folder = cache / f"patterns-{len(L)}-{hashlib.sha256(made_by).hexdigest()[:12]}"
    if folder.exists():
        return folder
    print(f"  counting the patterns of {len(L):,} items into {folder}", flush=True)
    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    rows = PatternsKernel(LFS, 2).of_batch(synthetic.votes_frame(L)).rows
    # In no order, as Spark would write them behind a shuffle.
    shuffled = rows.sample(fraction=1, shuffle=True, seed=1)
    for number in range(N_FILES):
        write_deltalake(str(making), _arrow(shuffled[number::N_FILES]), mode="append")
    making.rename(folder)
    return folder


def _arrow(rows: pl.DataFrame) -> object:
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest())


def _small_fits() -> dict[str, float]:
    """2,000 patterns of 100,000 items."""
    rng = np.random.default_rng(3)
    L = votes(2000)
    counts = 1 + rng.multinomial(98_000, rng.dirichlet(np.full(2000, 0.3)))
    each = of_matrix(L, LFS, 2)
    counts = counts[: each.rows.height]
    counted = Patterns(LFS, 2, each.rows.with_columns(n_items=counts))
    rows = np.ascontiguousarray(np.repeat(unpack(counted), counts, axis=0).T)
    took = time_in_turns(
        {"sparkws": lambda: DawidSkene(2).fit(counted), "row_em": lambda: fit_rows(rows, 2, tol=TOL)},
        rounds=9,
        log=False,
    )
    return {
        "patterns_2000": each.rows.height,
        "seconds_2000": took.median("sparkws"),
        "seconds_2000_row_em": took.median("row_em"),
        "iterations_2000": DawidSkene(2).fit(counted).n_iter_,
    }


@dataclass
class LargeFit:
    """The step `label_model` over a stored table of patterns."""

    spark: SparkSession
    table: TableVersion
    scratch: Path
    n_fits: int = 0

    def counters(self) -> Counters:
        """What the step before has left."""
        return reduce_batches(self.spark, CountersKernel(LFS, 2), self.table, self.options())

    def options(self) -> Options:
        """The direct lane."""
        return Options(lane="direct", reach=probe(self.spark, read=[self.table.folder], write=[self.scratch]))

    def fit(self, counters: Counters, polish: int) -> Fitted:
        """From the table to a stored model, with its standard errors."""
        self.n_fits += 1
        return fit_model(
            self.spark,
            LabelModelConfig(kind="dawid_skene", abstain="missing", polish=polish, bootstrap=0, leave_one_out=0),
            self.table,
            counters,
            ("no", "yes"),
            parse_ref(f"{self.scratch}/label_model"),
            Transition("sparkws/benchmark", self.n_fits),
            self.options(),
            gold_use="evaluate",
            max_fault_rate=1.0,
            direct=True,
        ).fitted


def _large_fits(large: LargeFit, figures: dict[str, float]) -> dict[str, Fitted]:
    """The fit from the sample and the polished one; the figures get their times."""
    counters = large.counters()
    polish = {"sampled": 0, "polished": LabelModelConfig().polish}
    found: dict[str, Fitted] = {}

    def fit(name: str) -> None:
        found[name] = large.fit(counters, polish[name])

    took = time_in_turns({name: partial(fit, name) for name in polish}, rounds=ROUNDS)
    figures["rows"] = counters.n_rows
    figures["seconds_5m"], figures["seconds_5m_polished"] = took.median("sampled"), took.median("polished")
    figures["level"] = found["sampled"].report.level
    polished = found["polished"].report.polish
    assert polished is not None
    figures["polish_steps"], figures["polish_converged"] = polished["n_steps"], float(polished["converged"])
    return found


def _compare(found: dict[str, Fitted], L: NDArray[np.int8], figures: dict[str, float]) -> None:
    """The rival's time, and how far both fits are from where it comes to rest."""
    by_function = np.ascontiguousarray(L.T)
    start = time.perf_counter()
    *_, q = fit_rows(by_function, 2, tol=TOL)
    figures["seconds_5m_row_em"] = time.perf_counter() - start
    print(f"  EM over rows {figures['seconds_5m_row_em']:8.2f} s", flush=True)
    full = _full_fit(by_function, q)
    for name, fitted in found.items():
        figures[f"largest_error_{name}"] = _error(fitted, *full)
        error = fitted.report.largest_standard_error
        figures[f"largest_standard_error_{name}"] = np.nan if error is None else error


def _full_fit(by_function: NDArray[np.int8], q: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The tables, with abstaining as sparkws scales it, and the balance where EM over all rows comes to rest."""
    given_voted, balance, _ = fit_rows(by_function, 2, tol=0.0, max_iter=6, q=q)
    coverage = (by_function >= 0).mean(axis=1)[:, None, None]
    silent = np.repeat(1 - coverage, 2, axis=2)
    return np.concatenate([silent, coverage * given_voted], axis=1), balance


def _error(fitted: Fitted, cpt: NDArray[np.float64], balance: NDArray[np.float64]) -> float:
    """The largest difference from the full fit."""
    found = fitted.model.cpt_
    assert found is not None
    return float(max(np.abs(found - cpt).max(), np.abs(fitted.model.class_balance_ - balance).max()))
