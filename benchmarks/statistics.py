"""Second moments of a votes table of 20 LFs, from the table to the counts, on two cores in a warm session.

The rivals are Spark's own: the sums of the same columns, which is little more than reading them, and the same
Gram matrix as one query of conditional counts, over a tenth of the items because it takes so long. All counts
are compared before anything is timed. The sizes are 20 million items (default), 100 million (full) and 1 million
(small); `full` also tells how long a billion items would take at the rate found.
"""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from deltalake import Schema
from deltalake.transaction import AddAction, create_table_with_add_actions
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from benchmarks.harness import CACHE, Result, time_in_turns
from sparkws import synthetic
from sparkws.config import SparkConfig
from sparkws.engine.files import write_parquet
from sparkws.engine.lanes import Options, reduce_batches
from sparkws.engine.reach import probe
from sparkws.engine.refs import parse_ref
from sparkws.engine.session import open_session
from sparkws.engine.tables import TableVersion, open_version, read
from sparkws.engine.types import arrow_schema
from sparkws.stats.moments import Moments, MomentsKernel

ROWS: Final = {"small": 1_000_000, "default": 20_000_000, "full": 100_000_000}
# At least so many times the rate of the sums: reading and starting cost the same at any size.
GOALS: Final = {"small": 1.3, "default": 1.3, "full": 3.0}
N_LFS: Final = 20
CORES: Final = 2
ROUNDS: Final = 5
FILE_ROWS: Final = 1_000_000
LFS: Final = synthetic.lf_names(N_LFS)
TRUTH: Final = synthetic.random_truth(np.random.default_rng(5), N_LFS, 2, accuracy=(0.6, 0.9), coverage=(0.05, 0.5))


def run(size: str) -> Result:
    """The figures at a size."""
    n_rows = ROWS[size]
    folders = [votes_table(n_rows), votes_table(n_rows // 10)]
    spark = open_session(SparkConfig(master=f"local[{CORES}]"), app_name="benchmark statistics")
    try:
        options = Options(lane="direct", reach=probe(spark, read=folders))
        whole, tenth = (Table(spark, open_version(spark, parse_ref(str(folder))), options) for folder in folders)
        _compare(whole, tenth)
        alternatives = {"sparkws": whole.moments, "sum": whole.sums, "gram": tenth.gram}
        took = time_in_turns(alternatives, rounds=ROUNDS)
    finally:
        spark.stop()
    rows = {"sparkws": n_rows, "sum": n_rows, "gram": n_rows // 10}
    figures = {
        "rows": n_rows,
        **{f"rows_per_second_{name}": rows[name] / took.median(name) for name in rows},
        "ratio_sum": took.ratio("sum", "sparkws"),
        "ratio_gram": took.ratio("gram", "sparkws") * 10,
        "seconds_a_billion": 1e9 / n_rows * took.median("sparkws"),
    }
    return Result("statistics", figures, {"ratio_sum": (">=", GOALS[size]), "ratio_gram": (">=", 10.0)})


@dataclass(frozen=True)
class Table:
    """A votes table and the three ways to count it."""

    spark: SparkSession
    votes: TableVersion
    options: Options

    def moments(self) -> Moments:
        """Ours, in the direct lane."""
        return reduce_batches(self.spark, MomentsKernel(LFS, 2), self.votes, self.options)

    def sums(self) -> list[int]:
        """The sum of each column."""
        sums = [f"sum({name}) AS {name}" for name in LFS]
        return list(read(self.spark, self.votes).selectExpr(*sums).collect()[0])

    def gram(self) -> NDArray[np.int64]:
        """The Gram matrix of the votes 0 and 1 of all functions, `(m * 2, m * 2)`."""
        cells = [f"{name} = {label}" for name in LFS for label in (0, 1)]
        pairs = [(i, j) for i in range(len(cells)) for j in range(i, len(cells))]
        counts = [f"count_if({cells[i]} AND {cells[j]}) AS c{i}_{j}" for i, j in pairs]
        gram = np.zeros((len(cells), len(cells)), np.int64)
        for (i, j), count in zip(pairs, read(self.spark, self.votes).selectExpr(*counts).collect()[0], strict=True):
            gram[i, j] = gram[j, i] = count
        return gram


def votes_table(n_rows: int) -> Path:
    """The folder of a votes table of so many items, the same in every run; made unless it is there."""
    folder = CACHE / f"votes-{n_rows}-{hashlib.sha256(TRUTH.cpt.tobytes() + b'as workers write').hexdigest()[:12]}"
    if folder.exists():
        return folder
    print(f"  making {n_rows:,} items with votes in {folder}", flush=True)
    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    adds = []
    for start in range(0, n_rows, FILE_ROWS):
        L, _ = synthetic.sample(TRUTH, min(FILE_ROWS, n_rows - start), np.random.default_rng([5, start]))
        rows = pl.DataFrame({"item_id": range(start, start + len(L)), **dict(zip(LFS, L.T, strict=True))})
        add = write_parquet(rows, making / f"part-{start}.parquet")  # as workers write votes
        adds.append(AddAction(add["path"], add["size"], {}, add["modified"], True, add["stats"]))
    create_table_with_add_actions(str(making), Schema.from_arrow(arrow_schema(rows.schema)), adds, mode="error")
    making.rename(folder)
    return folder


def _compare(whole: Table, tenth: Table) -> None:
    """Stop unless all alternatives count the same."""
    found = tenth.moments()
    if found.cells.tolist() != list(range(2 * N_LFS)) or not (found.gram == tenth.gram()).all():
        raise AssertionError("the Gram matrices differ")
    found = whole.moments()
    silent = found.n_items - found.votes.sum(axis=1)
    if (found.votes[:, 1] - silent).tolist() != whole.sums():
        raise AssertionError("the sums differ")
