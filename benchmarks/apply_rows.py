"""The ten text LFs of `apply` in the row lane: what a source costs that only Spark can read.

sparkws streams Arrow batches out of Spark and votes back into it, and Spark writes the table; against Spark SQL
in the same session. Both votes tables are compared row by row before anything is timed. Beside them the same
columns go through `mapInArrow` with nothing done to them and nothing written: what the way alone costs.

The sizes are those of `apply`.
"""

from typing import Final

from benchmarks.apply_race import Race, open_race
from benchmarks.harness import Result, time_in_turns

ROUNDS: Final = 5


def run(size: str) -> Result:
    """The figures at a size."""
    with open_race(size, "benchmark apply_rows") as (race, n_rows):
        return Result("apply_rows", _figures(race, n_rows), {"ratio_spark_sql": (">=", 2.2)})


def _figures(race: Race, n_rows: int) -> dict[str, float]:
    everyone = {
        "sparkws": lambda: race.run_sparkws("rows"),
        "spark_sql": race.run_spark_sql,
        "nothing": race.run_nothing,
    }
    for run_one in everyone.values():
        run_one()
    race.compare(n_rows, ["spark_sql"])
    took = time_in_turns(everyone, rounds=ROUNDS)
    return {
        "rows": n_rows,
        **{f"rows_per_second_{name}": n_rows / took.median(name) for name in everyone},
        "ratio_spark_sql": took.ratio("spark_sql", "sparkws"),
        "ratio_nothing": took.ratio("nothing", "sparkws"),
    }
