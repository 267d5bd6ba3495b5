"""The ten text LFs of `apply` written as plain Python functions, which sparkws compiles.

In the direct lane, Delta source to committed votes table, against the same LFs declared, DuckDB, and the same
functions interpreted row by row (a function that is not declared deterministic is never compiled), the last
over a tenth of the comments. All votes are compared row by row before anything is timed.

The sizes are those of `apply`.
"""

from dataclasses import replace
from functools import partial
from typing import Final

from benchmarks.apply_data import comments_table
from benchmarks.apply_race import HERE, Race, open_race
from benchmarks.harness import CACHE, Result, time_in_turns
from sparkws.lfs import LFSet, load_modules

ROUNDS: Final = 5
GOALS: Final = {"ratio_declared": (">=", 0.9), "ratio_interpreted": (">=", 8.0), "ratio_duckdb": (">=", 1.3)}


def run(size: str) -> Result:
    """The figures at a size."""
    with open_race(size, "benchmark compiled") as (race, n_rows):
        return Result("compiled", _figures(race, n_rows), GOALS)


def _figures(race: Race, n_rows: int) -> dict[str, float]:
    written = LFSet(load_modules([HERE / "compiled_lfs.py"]))
    interpreted = LFSet([replace(lf, deterministic=False) for lf in written])
    few = n_rows // 10
    everyone = {
        "compiled": partial(race.run_sparkws, lfset=written, name="compiled"),
        "declared": race.run_sparkws,
        "duckdb": race.run_duckdb,
        "interpreted": partial(
            race.run_sparkws, lfset=interpreted, items=comments_table(few, CACHE), name="interpreted"
        ),
    }
    rows = {**dict.fromkeys(everyone, n_rows), "interpreted": few}
    for run_one in everyone.values():
        run_one()
    race.compare(n_rows, ["compiled", "duckdb"])
    took = time_in_turns(everyone, rounds=ROUNDS)
    return {
        "rows": n_rows,
        **{f"rows_per_second_{name}": rows[name] / took.median(name) for name in everyone},
        # Of seconds for a row, not of seconds: the interpreted functions get fewer.
        **{
            f"ratio_{name}": took.ratio(name, "compiled") * n_rows / rows[name]
            for name in ("declared", "interpreted", "duckdb")
        },
    }
