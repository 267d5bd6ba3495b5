"""Ten text LFs over generated comments, Delta source to committed votes table, in a warm session.

sparkws in the direct lane, against Spark SQL in the same session, DuckDB (Parquet to Parquet), and Snorkel's
`SparkLFApplier` over a sample of the same comments (it writes nothing), on two cores each. All votes are
compared row by row before anything is timed. The key check of sparkws is timed apart, because the rivals make
none. Snorkel has an environment of its own; where it cannot be installed, that is said and its figures are left
out.

The sizes are 4 million rows (default) and 40 million (full). Keys and texts are strings; rivals write with
their own default compression.
"""

from typing import Final

from benchmarks.apply_race import Race, Snorkel, open_race, start_snorkel
from benchmarks.harness import Result, time_in_turns

ROUNDS: Final = 5
GOALS: Final = {"ratio_spark_sql": (">=", 6.0), "ratio_duckdb": (">=", 1.1), "ratio_snorkel": (">=", 25.0)}


def run(size: str) -> Result:
    """The figures at a size."""
    with open_race(size, "benchmark apply") as (race, n_rows):
        snorkel = start_snorkel(race, n_rows)
        try:
            figures = _figures(race, n_rows, snorkel)
        finally:
            if snorkel is not None:
                snorkel.rival.close()
    return Result("apply", figures, {name: goal for name, goal in GOALS.items() if name in figures})


def _figures(race: Race, n_rows: int, snorkel: Snorkel | None) -> dict[str, float]:
    everyone = {"sparkws": race.run_sparkws, "spark_sql": race.run_spark_sql, "duckdb": race.run_duckdb}
    rows = dict.fromkeys(everyone, n_rows)
    if snorkel is not None:
        everyone["snorkel"] = snorkel.rival.run
        rows["snorkel"] = snorkel.n_rows
    for run_one in everyone.values():
        run_one()
    race.compare(n_rows, ["spark_sql", "duckdb"])
    if snorkel is not None:
        race.compare_sample(snorkel.votes)
    took = time_in_turns(everyone, rounds=ROUNDS)
    keys = time_in_turns({"key_check": race.check_keys}, rounds=3)
    return {
        "rows": n_rows,
        **{f"rows_per_second_{name}": rows[name] / took.median(name) for name in everyone},
        # Of seconds for a row, not of seconds: Snorkel's sample is smaller.
        **{f"ratio_{name}": took.ratio(name, "sparkws") * n_rows / rows[name] for name in list(everyone)[1:]},
        "key_check_seconds": keys.median("key_check"),
    }
