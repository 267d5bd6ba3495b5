"""200 declarative keyword and regex LFs over one text column, Delta source to committed votes table, in a warm session.

sparkws in the direct lane on two cores, against one polars query with the same 200 expressions written by hand
(many_lfs_polars.py), in a process for each core that has half of the files, Parquet to Parquet. All votes are compared
row by row before anything is timed. The key check of sparkws is left out, because the rival makes none.

The sizes are 1 million comments (default) and 4 million (full), those of the benchmark `apply`.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl

from benchmarks.apart import Rival
from benchmarks.apply_race import CORES, HERE, Race, open_race
from benchmarks.harness import Result, time_in_turns
from benchmarks.many_lfs_set import sections
from sparkws.lfconfig import DeclarativeLFConfig
from sparkws.lfs import LFSet, declarative_lfs

ROUNDS: Final = 5
ROWS: Final = {"small": 100_000, "default": 1_000_000, "full": 4_000_000}
GOALS: Final = {"ratio_polars": (">=", 2.0)}


def run(size: str) -> Result:
    """The figures at a size."""
    with open_race(size, "benchmark many_lfs", ROWS) as (race, n_rows):
        listed = list(sections())
        lfset = LFSet(declarative_lfs(DeclarativeLFConfig.model_validate(section) for section in listed))
        folder = race.scratch / "polars"
        folder.mkdir()
        rivals = _start(race, folder, listed)
        try:
            figures = _figures(race, n_rows, lfset, folder, rivals)
        finally:
            for rival in rivals:
                rival.close()
    return Result("many_lfs", figures, GOALS)


def _start(race: Race, folder: Path, listed: list[dict[str, Any]]) -> list[Rival]:
    """A process for each core, with every second file."""
    written = race.scratch / "lfs.json"
    written.write_text(json.dumps(listed))
    files = sorted(map(str, race.items.glob("*.parquet")))
    program = HERE / "many_lfs_polars.py"
    return [
        Rival(Path(sys.executable), program, str(written), str(folder), *files[core::CORES]) for core in range(CORES)
    ]


def _figures(race: Race, n_rows: int, lfset: LFSet, folder: Path, rivals: list[Rival]) -> dict[str, float]:
    def run_polars() -> None:
        with ThreadPoolExecutor(len(rivals)) as pool:
            list(pool.map(Rival.run, rivals))

    everyone = {"sparkws": partial(race.run_sparkws, lfset=lfset, name="many"), "polars": run_polars}
    for run_one in everyone.values():
        run_one()
    _compare(race.scratch / "many" / "spam_votes", folder, lfset.names, n_rows)
    took = time_in_turns(everyone, rounds=ROUNDS)
    return {
        "rows": n_rows,
        "lfs": len(lfset),
        **{f"rows_per_second_{name}": n_rows / took.median(name) for name in everyone},
        "ratio_polars": took.ratio("polars", "sparkws"),
    }


def _compare(ours: Path, theirs: Path, names: tuple[str, ...], n_rows: int) -> None:
    """Refuse to go on unless both hold the same rows."""
    tables = [
        pl.read_parquet(f"{folder}/*.parquet").select("item_id", *names).sort("item_id") for folder in (ours, theirs)
    ]
    assert tables[0].height == tables[0]["item_id"].n_unique() == n_rows, tables[0].height
    others = [name for name in tables[0].columns if not tables[0][name].equals(tables[1][name])]
    assert not others, f"polars has other votes: {others}"
    shares = sorted((tables[0][name] >= 0).mean() for name in names)
    print(
        f"  both tables hold the same votes; LFs vote on {shares[0]:.2%} to {shares[-1]:.1%} of the comments,", end=" "
    )
    print(f"half of them on fewer than {shares[len(shares) // 2]:.1%}", flush=True)
