"""Eight functions of single comments that only Python can run, Delta source to committed votes table.

sparkws in the direct lane, in a warm session on two cores, with all that it does around the functions: faults
told apart and sampled, a time limit, no function seeing what another has done to an item, a few items run twice,
costs. The rival is row_functions_by_hand.py: a loop over the rows that calls the very same functions, in two bare
Python processes with half of the files each, from their start to their end, Parquet in, Parquet out. Items are
named tuples there, which is the least that a function can be given. All votes are compared before anything is
timed.

The sizes are a million rows (default), 100,000 (small) and 4 million (full).
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.apply_data import comments_table
from benchmarks.harness import CACHE, Result, time_in_turns
from sparkws.config import SparkConfig
from sparkws.configfile import load_config
from sparkws.engine.history import Transition
from sparkws.engine.lanes import Options
from sparkws.engine.reach import probe
from sparkws.engine.refs import parse_ref, parse_workspace
from sparkws.engine.session import SparkSession, open_session
from sparkws.engine.tables import open_table
from sparkws.lfs import lfset_of
from sparkws.lfs.steps import make_votes

HERE: Final = Path(__file__).parent
ROWS: Final = {"small": 100_000, "default": 1_000_000, "full": 4_000_000}
CORES: Final = 2
ROUNDS: Final = 5


def run(size: str) -> Result:
    """The figures at a size."""
    n_rows = ROWS[size]
    print(f"  {n_rows:,} comments in {CACHE}", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    items = comments_table(n_rows, CACHE)
    spark = open_session(SparkConfig(master=f"local[{CORES}]"), app_name="benchmark row_functions")
    try:
        with tempfile.TemporaryDirectory(prefix="sparkws-bench-") as scratch:
            figures = _figures(Both(spark, items, Path(scratch)), n_rows)
    finally:
        spark.stop()
    return Result("row_functions", figures, {"ratio_by_hand": (">=", 0.9)})


def _figures(both: "Both", n_rows: int) -> dict[str, float]:
    everyone = {"sparkws": both.run_sparkws, "by_hand": both.run_by_hand}
    for run_one in everyone.values():
        run_one()
    both.compare(n_rows)
    took = time_in_turns(everyone, rounds=ROUNDS)
    return {
        "rows": n_rows,
        **{f"rows_per_second_{name}": n_rows / took.median(name) for name in everyone},
        "ratio_by_hand": took.ratio("by_hand", "sparkws"),
    }


@dataclass(frozen=True)
class Both:
    """Both ways to the same votes; each writes a new table."""

    spark: SparkSession
    items: Path
    scratch: Path

    def run_sparkws(self) -> None:
        """Everything that a run of the step does but the key check: also the probe of the folders."""
        workspace = self._emptied("workspace")
        config = load_config(
            HERE / "row_functions.yaml", {"workspace": str(workspace), "source": {"table": str(self.items)}}
        )
        task, source = config.tasks["spam"], config.source
        assert task.lfs is not None
        assert source is not None
        tables = parse_workspace(str(workspace))
        make_votes(
            self.spark,
            lfset_of(task.lfs, HERE),
            open_table(self.spark, parse_ref(str(self.items))),
            key=source.key,
            classes=task.classes,
            on_fault=task.lfs.on_fault,
            time_limit_s=task.lfs.time_limit_s,
            votes_target=tables.table("spam_votes"),
            faults_target=tables.table("spam_faults"),
            transition=Transition("sparkws/spam.votes", 1),
            options=Options(reach=probe(self.spark, read=[self.items], write=[workspace])),
            must_check_keys=False,
            direct=True,
        )

    def run_by_hand(self) -> None:
        """A process for each core, with every second file each."""
        target = self._emptied("by_hand")
        files = sorted(map(str, self.items.glob("*.parquet")))
        program = [sys.executable, str(HERE / "row_functions_by_hand.py"), str(target)]
        processes = [subprocess.Popen([*program, *files[core::CORES]]) for core in range(CORES)]
        assert [process.wait() for process in processes] == [0] * CORES

    def compare(self, n_rows: int) -> None:
        """Refuse to go on unless both tables hold the same votes, one row for each comment."""
        theirs = pl.read_parquet(f"{self.scratch}/by_hand/*.parquet").sort("item_id")
        ours = pl.read_parquet(f"{self.scratch}/workspace/spam_votes/*.parquet").sort("item_id")
        assert ours.height == ours["item_id"].n_unique() == n_rows
        assert ours.select(theirs.columns).equals(theirs), "the loop by hand has other votes"
        votes = ours.drop("item_id")
        told = [f"{column.name} {(column >= 0).mean():.1%}, {column.null_count():,} faults" for column in votes]
        print(f"  both hold the same votes: {'; '.join(told)}", flush=True)

    def _emptied(self, name: str) -> Path:
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder
