"""Ten text LFs over generated comments, Delta source to committed votes table, in a warm session.

sparkws in the direct lane, against Spark SQL in the same session and DuckDB (Parquet to Parquet), on two
cores each. All three votes tables are compared row by row before anything is timed. The key check of
sparkws is timed apart, because the rivals make none.

The sizes are 4 million rows (default) and 40 million (full). Keys and texts are strings; rivals write with
their own default compression.
"""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb

from benchmarks.apply_data import comments_table
from benchmarks.harness import CACHE, Result, time_in_turns
from sparkws.config import ProjectConfig, SparkConfig
from sparkws.configfile import load_config
from sparkws.engine.history import Transition
from sparkws.engine.keys import check_keys
from sparkws.engine.lanes import Options
from sparkws.engine.reach import probe
from sparkws.engine.refs import parse_ref, parse_workspace
from sparkws.engine.session import SparkSession, open_session
from sparkws.engine.tables import Source, open_table
from sparkws.lfs import lfset_of
from sparkws.lfs.steps import make_votes

HERE: Final = Path(__file__).parent
ROWS: Final = {"small": 400_000, "default": 4_000_000, "full": 40_000_000}
ROUNDS: Final = 5
CORES: Final = 2


def run(size: str) -> Result:
    """The figures at a size."""
    n_rows = ROWS[size]
    print(f"  {n_rows:,} comments in {CACHE}", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    items = comments_table(n_rows, CACHE)
    spark = open_session(SparkConfig(master=f"local[{CORES}]"), app_name="benchmark apply")
    with tempfile.TemporaryDirectory(prefix="sparkws-bench-") as scratch:
        race = Race(spark, items, Path(scratch))
        try:
            figures = _figures(race, n_rows)
        finally:
            spark.stop()
    return Result("apply", figures, {"ratio_spark_sql": (">=", 6.0), "ratio_duckdb": (">=", 1.1)})


def _figures(race: "Race", n_rows: int) -> dict[str, float]:
    everyone = {"sparkws": race.run_sparkws, "spark_sql": race.run_spark_sql, "duckdb": race.run_duckdb}
    for run_one in everyone.values():
        run_one()
    race.compare(n_rows)
    took = time_in_turns(everyone, rounds=ROUNDS)
    keys = time_in_turns({"key_check": race.check_keys}, rounds=3)
    return {
        "rows": n_rows,
        **{f"rows_per_second_{name}": n_rows / took.median(name) for name in everyone},
        "ratio_spark_sql": took.ratio("spark_sql", "sparkws"),
        "ratio_duckdb": took.ratio("duckdb", "sparkws"),
        "key_check_seconds": keys.median("key_check"),
    }


@dataclass
class Race:
    """The three ways to the same votes; each writes a new table."""

    spark: SparkSession
    items: Path
    scratch: Path
    config: ProjectConfig = field(init=False)
    source: Source = field(init=False)

    def __post_init__(self) -> None:
        table = str(self.items)
        places = {"workspace": f"{self.scratch}/workspace", "source": {"table": table}}
        self.config = load_config(HERE / "apply_lfs.yaml", places)
        self.source = open_table(self.spark, parse_ref(table))
        self.duckdb = duckdb.connect(config={"threads": CORES, "preserve_insertion_order": False})

    def run_sparkws(self) -> None:
        """Everything that a run of the step does but the key check: also the probe of the folders."""
        task, key = self.config.tasks["spam"], self.config.source.key
        workspace = parse_workspace(str(self._emptied("workspace")))
        reach = probe(self.spark, read=[self.items], write=[workspace.root.folder])
        make_votes(
            self.spark,
            lfset_of(task.lfs),
            self.source,
            key=key,
            classes=task.classes,
            on_fault=task.lfs.on_fault,
            votes_target=workspace.table("spam_votes"),
            faults_target=workspace.table("spam_faults"),
            transition=Transition("sparkws/spam.votes", 1),
            options=Options(lane="direct", reach=reach),
            must_check_keys=False,
            direct=True,
        )

    def run_spark_sql(self) -> None:
        """A hand-written query, Delta to Delta."""
        select = (HERE / "apply_spark.sql").read_text().replace("{source}", f"delta.`{self.items}`")
        target = self._emptied("spark_sql") / "votes"
        self.spark.sql(f"CREATE TABLE delta.`{target}` USING delta AS {select}")

    def run_duckdb(self) -> None:
        """A hand-written query, Parquet to Parquet."""
        copy = (HERE / "apply_duckdb.sql").read_text().replace("{source}", f"'{self.items}/*.parquet'")
        self.duckdb.execute(copy.replace("{target}", f"'{self._emptied('duckdb')}/votes.parquet'"))

    def check_keys(self) -> None:
        """What sparkws does beyond its rivals."""
        check_keys(self.spark, self.source, self.config.source.key)

    def compare(self, n_rows: int) -> None:
        """Refuse to go on unless all three tables hold the same rows, and as many as there are items."""
        of = {
            "sparkws": f"read_parquet('{self.scratch}/workspace/spam_votes/*.parquet')",
            "spark_sql": f"read_parquet('{self.scratch}/spark_sql/votes/*.parquet')",
            "duckdb": f"read_parquet('{self.scratch}/duckdb/votes.parquet')",
        }
        names = [lf.name for lf in self.config.tasks["spam"].lfs.declarative]
        columns = ", ".join(["item_id", *names])
        counts = ", ".join(["count(*)", "count(DISTINCT item_id)", *(f"count_if({name} >= 0)" for name in names)])
        tallies = {side: self.duckdb.sql(f"SELECT {counts} FROM {rows}").fetchall()[0] for side, rows in of.items()}
        assert set(tallies.values()) == {tallies["sparkws"]}, tallies
        assert tallies["sparkws"][:2] == (n_rows, n_rows), tallies
        for rival in ("spark_sql", "duckdb"):
            # Keys are unique on both sides and equally many, so a row without a partner is all there can be.
            same = f"SELECT count(*) FROM (SELECT {columns} FROM {of['sparkws']}) NATURAL JOIN {of[rival]}"
            assert self.duckdb.sql(same).fetchall() == [(n_rows,)], f"{rival} has other votes"
        shares = ", ".join(f"{name} {n / n_rows:.1%}" for name, n in zip(names, tallies["sparkws"][2:], strict=True))
        print(f"  all three tables hold the same votes: {shares}", flush=True)

    def _emptied(self, name: str) -> Path:
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder
