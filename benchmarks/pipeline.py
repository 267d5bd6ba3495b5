"""The whole main job, from comments to published labels, against the same by hand.

`sparkws.run` in a warm session into an empty workspace: ten text LFs, counts, label model, labels, ledger,
all as Delta tables. The rival is pipeline_by_hand.py: two bare Python processes with polars and numpy over the
same files, from their start to their end. Votes and probabilities are compared item by item before anything is
timed. The keys are trusted, because the rival trusts them too; the default check of the keys is timed beside it.

Abstaining is an outcome here and nothing is smoothed: the model of the paper, which anyone would write by hand.
The sizes are 10 million rows (default) and 40 million (full).
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

import sparkws
from benchmarks.apply_data import comments_table
from benchmarks.harness import CACHE, Result, time_in_turns
from sparkws.config import SparkConfig
from sparkws.configfile import load_config
from sparkws.engine.session import SparkSession, open_session

HERE: Final = Path(__file__).parent
ROWS: Final = {"small": 400_000, "default": 10_000_000, "full": 40_000_000}
ROUNDS: Final = 3
CORES: Final = 2
LARGEST_DIFFERENCE: Final = 1e-6


def run(size: str) -> Result:
    """The figures at a size."""
    n_rows = ROWS[size]
    print(f"  {n_rows:,} comments in {CACHE}", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    items = comments_table(n_rows, CACHE)
    spark = open_session(SparkConfig(master=f"local[{CORES}]"), app_name="benchmark pipeline")
    try:
        with tempfile.TemporaryDirectory(prefix="sparkws-bench-") as scratch:
            figures = _figures(Both(spark, items, Path(scratch)), n_rows)
    finally:
        spark.stop()
    return Result("pipeline", figures, {"times_by_hand": ("<=", 2.0)})


def _figures(both: "Both", n_rows: int) -> dict[str, float]:
    everyone = {
        "sparkws": lambda: both.run_sparkws("trust"),
        "by_hand": both.run_by_hand,
        "keys_checked": lambda: both.run_sparkws("changed"),
    }
    for run_one in everyone.values():
        run_one()
    both.compare(n_rows)
    took = time_in_turns(everyone, rounds=ROUNDS)
    steps = {f"seconds_{name}": seconds for name, seconds in both.seconds_of_steps.items()}
    return {
        "rows": n_rows,
        **{f"rows_per_second_{name}": n_rows / took.median(name) for name in everyone},
        "times_by_hand": took.ratio("sparkws", "by_hand"),
        "times_by_hand_keys_checked": took.ratio("keys_checked", "by_hand"),
        **steps,
    }


@dataclass
class Both:
    """The two ways to the same labels; each begins with nothing."""

    spark: SparkSession
    items: Path
    scratch: Path

    def __post_init__(self) -> None:
        self.seconds_of_steps: dict[str, float] = {}

    def run_sparkws(self, key_check: str) -> None:
        """The main job."""
        places: dict[str, Any] = {
            "workspace": str(self._emptied("workspace")),
            "source": {"table": str(self.items)},
            "engine": {"key_check": key_check},
            "tasks": {"spam": {"label_model": {"abstain": "outcome", "smoothing": 0.0}}},
        }
        done = sparkws.run(self.spark, load_config(HERE / "apply_lfs.yaml", places))
        if key_check == "trust":
            self.seconds_of_steps = {step.step.removeprefix("spam."): step.seconds for step in done.steps}

    def run_by_hand(self) -> None:
        """Two bare processes."""
        files = [str(file) for file in sorted(self.items.glob("*.parquet"))]
        program = [sys.executable, str(HERE / "pipeline_by_hand.py"), str(self._emptied("by_hand"))]
        subprocess.run([*program, *files], check=True)

    def compare(self, n_rows: int) -> None:
        """Refuse to go on unless votes are equal and probabilities as good as equal, for as many items as there are."""
        with duckdb.connect(config={"threads": CORES}) as connection:
            both = {
                f"{side}_{table}": f"read_parquet('{self.scratch}/{folder}/*.parquet')"
                for table in ("votes", "labels")
                for side, folder in (("our", f"workspace/spam_{table}"), ("their", f"by_hand/{table}"))
            }
            same = f"SELECT count(*) FROM {both['our_votes']} NATURAL JOIN {both['their_votes']}"
            close = " AND ".join(f"abs(a.probs[{y}] - b.probs[{y}]) <= {LARGEST_DIFFERENCE}" for y in (1, 2))
            near = (
                f"SELECT count(*) FROM {both['our_labels']} a JOIN {both['their_labels']} b USING (item_id) "
                f"WHERE (a.probs IS NULL AND b.probs IS NULL) OR ({close} AND a.pred IS NOT DISTINCT FROM b.pred)"
            )
            rows = {name: connection.sql(f"SELECT count(*) FROM {table}").fetchall() for name, table in both.items()}
            assert all(count == [(n_rows,)] for count in rows.values()), rows
            for what, query in (("votes", same), ("labels", near)):
                found = connection.sql(query).fetchall()
                assert found == [(n_rows,)], f"only {found[0][0]:,} of {n_rows:,} {what} agree"
        print(f"  votes and labels of {n_rows:,} items agree", flush=True)

    def _emptied(self, name: str) -> Path:
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder
