"""Slices and joined votes through Spark: both lanes, any number of files, give what the kernels give in memory."""

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
from sparkws.engine.relational import join_votes
from sparkws.engine.tables import TableVersion, open_version, read, read_rows
from sparkws.errors import InvalidKeys
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.slicefigures import SliceFiguresKernel
from sparkws.labelmodels.steps import slice_figures
from sparkws.stats.patterns import PatternsKernel
from sparkws.stats.slices import SlicesKernel
from sparkws.stats.steps import count_slices, count_together

LFS = synthetic.lf_names(4)
SLICES = ("early", "rare", "none")
N = 1000


def store(spark: SparkSession, rows: pl.DataFrame, folder: Path, n_files: int) -> TableVersion:
    """The rows in a table of some files, in shuffled order."""
    shuffled = rows.sample(fraction=1, shuffle=True, seed=n_files)
    for number in range(n_files):
        part = shuffled[number::n_files].to_arrow(compat_level=pl.CompatLevel.oldest())
        write_deltalake(str(folder), part, mode="append")
    return open_version(spark, parse_ref(str(folder)))


def world() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Votes with who is in which slice, and the known classes of a third of the items."""
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 4, 3, accuracy=(0.6, 0.9), coverage=(0.3, 0.9))
    L, Y = synthetic.sample(truth, N, rng)
    members = (np.arange(N) < 400, rng.random(N) < 0.05, np.zeros(N, bool))
    columns = [
        pl.Series(f"slice_{name}", np.where(inside, 1, -1), pl.Int8)
        for name, inside in zip(SLICES, members, strict=True)
    ]
    votes = synthetic.votes_frame(L, LFS).with_columns(columns)
    votes = votes.with_columns(pl.when(pl.int_range(N) % 7 > 0).then(pl.col("slice_early")))  # NULL: it failed
    gold = votes.select("item_id", pl.Series("class", Y, pl.Int8))[::3]
    return votes, gold


@pytest.mark.parametrize(("lane", "n_files"), [("direct", 2), ("rows", 5)])
def test_slices_are_counted_and_told_as_in_memory(spark: SparkSession, tmp_path: Path, lane: str, n_files: int) -> None:
    votes, gold = world()
    options = Options(lane=lane, batch_rows=100, task_bytes=1, reach=probe(spark, write=[tmp_path]))  # type: ignore[arg-type]
    target = parse_ref(str(tmp_path / "slices"))
    tables = [store(spark, rows, tmp_path / name, n_files) for name, rows in (("votes", votes), ("gold", gold))]
    version = count_slices(spark, *tables, LFS, 3, SLICES, target, Transition("sparkws/test.stats", 1), options)
    stored = open_version(spark, target, version)
    known = votes.join(gold, "item_id", how="left").rename({"class": "gold"})
    expected = SlicesKernel(LFS, 3, SLICES, with_gold=True).of_batch(known)
    found = SlicesKernel(LFS, 3, SLICES).load(read_rows(spark, stored), is_whole=True)
    assert found == expected
    assert found["early"].n_items == 342

    model = DawidSkene(3).fit(PatternsKernel(LFS, 3).of_batch(votes))
    kernel = SliceFiguresKernel(model, LFS, SLICES)
    in_memory = kernel.to_plain(kernel.of_batch(SlicesKernel(LFS, 3, SLICES).dump(expected)))
    assert slice_figures(spark, model, stored, LFS, SLICES, options) == in_memory
    assert in_memory["none"] == {
        **dict.fromkeys(("n_items", "n_gold"), 0),
        **dict.fromkeys(("coverage", "overlaps", "conflicts"), None),
        "accuracy": {"dawid_skene": None, "majority": None},
    }


def test_votes_on_tasks_are_joined_by_key(spark: SparkSession, tmp_path: Path) -> None:
    """Who did not see an item abstained; a vote that failed is NULL and stays so."""
    votes, gold = world()
    a = votes.select("item_id", LFS[0], pl.col(LFS[1]))[:700].with_columns(
        pl.when(pl.int_range(700) > 0).then(pl.col(LFS[1]))
    )
    b = votes.select("item_id", LFS[0])[300:]
    tables = {
        "a": (store(spark, a, tmp_path / "a", 2), (LFS[0], LFS[1])),
        "b": (store(spark, b, tmp_path / "b", 3), (LFS[0],)),
    }
    known = {"b": store(spark, gold, tmp_path / "gold", 1)}
    columns = [f"a.{LFS[0]}", f"a.{LFS[1]}", f"b.{LFS[0]}", "b.gold"]
    expected = (
        a.rename({LFS[0]: columns[0], LFS[1]: columns[1]})
        .join(b.rename({LFS[0]: columns[2]}), "item_id", how="full", coalesce=True)
        .join(gold.rename({"class": "b.gold"}), "item_id", how="left")
        .with_columns(pl.col("b.gold").fill_null(-1))
    )
    seen = {task: pl.col("item_id").is_in(rows["item_id"].to_list()) for task, rows in (("a", a), ("b", b))}
    expected = expected.with_columns(
        *(pl.when(seen[name[0]]).then(pl.col(name)).otherwise(pl.lit(-1, pl.Int8)) for name in columns[:3])
    ).sort("item_id")

    def frame(joined: object) -> pl.DataFrame:
        return pl.DataFrame(pl.from_arrow(read(spark, joined).toArrow())).sort("item_id")  # type: ignore[arg-type]

    assert frame(join_votes(spark, tables, known)).equals(expected)
    left = frame(join_votes(spark, tables, {}, first="b"))
    assert left["item_id"].to_list() == b["item_id"].sort().to_list()
    assert left.select("item_id", *columns[:3]).equals(expected.join(b, "item_id", how="semi").drop("b.gold"))
    assert expected[columns[1]].null_count() == 1

    options = Options(lane="auto", batch_rows=100, reach=probe(spark, write=[tmp_path]))
    target = parse_ref(str(tmp_path / "patterns"))
    counted = count_together(spark, tables, known, 3, target, Transition("sparkws/test.stats", 1), options)
    assert counted.columns == tuple(columns)
    assert counted.n_items == N
    kernel = PatternsKernel(counted.columns, 3)
    assert kernel.load(read_rows(spark, open_version(spark, target, counted.version))) == kernel.of_batch(expected)

    other = b.with_columns(pl.col("item_id").cast(pl.String) + "x")
    tables["b"] = (store(spark, other, tmp_path / "other", 1), (LFS[0],))
    with pytest.raises(InvalidKeys, match=r"the keys of .* are String, those of .* are Int64"):
        join_votes(spark, tables, {})
