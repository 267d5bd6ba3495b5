"""The ways to the votes of apply_lfs.yaml that the benchmarks `apply` and `apply_rows` set against each other."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import duckdb
import numpy as np
import polars as pl

from benchmarks.apart import CannotInstall, Rival, environment
from benchmarks.apply_data import comments_table
from benchmarks.harness import CACHE
from sparkws.config import ProjectConfig, SparkConfig
from sparkws.configfile import load_config
from sparkws.engine.history import Transition
from sparkws.engine.keys import check_keys
from sparkws.engine.lanes import Options
from sparkws.engine.reach import probe
from sparkws.engine.refs import parse_ref, parse_workspace
from sparkws.engine.session import SparkSession, open_session
from sparkws.engine.tables import Source, open_table, read
from sparkws.lfs import LFSet, lfset_of
from sparkws.lfs.steps import make_votes

HERE: Final = Path(__file__).parent
ROWS: Final = {"small": 400_000, "default": 4_000_000, "full": 40_000_000}
CORES: Final = 2
SAMPLE_ROWS: Final = 200_000  # what Snorkel gets; it collects every vote on the driver
SAMPLE_FILES: Final = 4
# The labeling part of Snorkel imports neither torch nor tensorboard, which it names as dependencies.
SNORKEL: Final = ("snorkel==0.10.0",)
SNORKEL_NEEDS: Final = ("numpy", "scipy", "pandas", "pyspark", "scikit-learn==1.9.1", "tqdm==4.70.1")


@dataclass
class Race:
    """Ways to the same votes; each writes a new table."""

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

    def run_sparkws(
        self,
        lane: Literal["direct", "rows"] = "direct",
        lfset: LFSet | None = None,
        items: Path | None = None,
        name: str = "workspace",
    ) -> None:
        """Everything that a run of the step does but the key check: also the probe of the folders.

        With other functions than the declared ones, over other items, and into another folder, if they are given.
        """
        task, key = self.config.tasks["spam"], self.config.source.key
        workspace = parse_workspace(str(self._emptied(name)))
        reach = probe(self.spark, read=[items or self.items], write=[workspace.root.folder])
        make_votes(
            self.spark,
            lfset or lfset_of(task.lfs),
            self.source if items is None else open_table(self.spark, parse_ref(str(items))),
            key=key,
            classes=task.classes,
            on_fault=task.lfs.on_fault,
            time_limit_s=task.lfs.time_limit_s,
            votes_target=workspace.table("spam_votes"),
            faults_target=workspace.table("spam_faults"),
            transition=Transition("sparkws/spam.votes", 1),
            options=Options(lane=lane, reach=reach),
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

    def run_nothing(self) -> None:
        """Spark streams the same columns through Python, which gives them back, and writes nothing."""
        rows = read(self.spark, self.source).select(self.config.source.key, "text")
        rows.mapInArrow(lambda batches: batches, rows.schema).write.format("noop").mode("overwrite").save()

    def check_keys(self) -> None:
        """What sparkws does beyond its rivals."""
        check_keys(self.spark, self.source, self.config.source.key)

    def compare(self, n_rows: int, rivals: Sequence[str]) -> None:
        """Refuse to go on unless all tables hold the same rows, and as many as there are items."""
        files = {
            "sparkws": f"{self.scratch}/workspace/spam_votes/*.parquet",
            "compiled": f"{self.scratch}/compiled/spam_votes/*.parquet",
            "spark_sql": f"{self.scratch}/spark_sql/votes/*.parquet",
            "duckdb": f"{self.scratch}/duckdb/votes.parquet",
        }
        of = {side: f"read_parquet('{files[side]}')" for side in ("sparkws", *rivals)}
        names = self.lf_names
        columns = ", ".join(["item_id", *names])
        counts = ", ".join(["count(*)", "count(DISTINCT item_id)", *(f"count_if({name} >= 0)" for name in names)])
        tallies = {side: self.duckdb.sql(f"SELECT {counts} FROM {rows}").fetchall()[0] for side, rows in of.items()}
        assert set(tallies.values()) == {tallies["sparkws"]}, tallies
        assert tallies["sparkws"][:2] == (n_rows, n_rows), tallies
        for rival in rivals:
            # Keys are unique on both sides and equally many, so a row without a partner is all there can be.
            same = f"SELECT count(*) FROM (SELECT {columns} FROM {of['sparkws']}) NATURAL JOIN {of[rival]}"
            assert self.duckdb.sql(same).fetchall() == [(n_rows,)], f"{rival} has other votes"
        shares = ", ".join(f"{name} {n / n_rows:.1%}" for name, n in zip(names, tallies["sparkws"][2:], strict=True))
        print(f"  all tables hold the same votes: {shares}", flush=True)

    def compare_sample(self, votes: Path) -> None:
        """Refuse to go on unless Snorkel's votes on its sample are those of sparkws."""
        with np.load(votes) as found:
            theirs = pl.DataFrame(found["L"], schema=dict.fromkeys(self.lf_names, pl.Int8))
            theirs.insert_column(0, pl.Series("item_id", found["keys"]))
        ours = pl.read_parquet(f"{self.scratch}/workspace/spam_votes/*.parquet")
        columns = theirs.columns
        same = ours.select(columns).join(theirs, on=columns, how="inner").height
        assert same == theirs["item_id"].n_unique() == theirs.height, f"Snorkel has other votes: {same:,} are the same"
        print(f"  Snorkel has the same votes on its sample of {theirs.height:,} comments", flush=True)

    @cached_property
    def lf_names(self) -> list[str]:
        """The labeling functions in order."""
        return [lf.name for lf in self.config.tasks["spam"].lfs.declarative]

    def _emptied(self, name: str) -> Path:
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder


@contextmanager
def open_race(size: str, app_name: str, rows: Mapping[str, int] = ROWS) -> Iterator[tuple[Race, int]]:
    """A race over generated comments in a session of its own, and how many comments there are."""
    n_rows = rows[size]
    print(f"  {n_rows:,} comments in {CACHE}", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    items = comments_table(n_rows, CACHE)
    spark = open_session(SparkConfig(master=f"local[{CORES}]"), app_name=app_name)
    try:
        with tempfile.TemporaryDirectory(prefix="sparkws-bench-") as scratch:
            yield Race(spark, items, Path(scratch)), n_rows
    finally:
        spark.stop()


@dataclass(frozen=True)
class Snorkel:
    """Snorkel at work on a sample, and the file that its votes are in after its first run."""

    rival: Rival
    n_rows: int
    votes: Path


def start_snorkel(race: Race, n_rows: int) -> Snorkel | None:
    """Snorkel, ready to run on the first comments of some files; None where it cannot be installed."""
    try:
        python = environment("snorkel", SNORKEL_NEEDS, SNORKEL)
    except CannotInstall as error:
        print(f"  Snorkel cannot be installed here, so it takes no part: {error}", flush=True)
        return None
    sample = race.scratch / "sample"
    sample.mkdir()
    each = min(SAMPLE_ROWS, n_rows // 4) // SAMPLE_FILES
    for file in sorted(race.items.glob("*.parquet"))[:SAMPLE_FILES]:
        pl.scan_parquet(file).head(each).collect().write_parquet(sample / file.name, compression="snappy")
    votes = race.scratch / "snorkel.npz"
    rival = Rival(python, HERE / "apply_snorkel.py", str(sample), str(votes), str(CORES))
    return Snorkel(rival, each * SAMPLE_FILES, votes)
