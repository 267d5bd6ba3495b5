"""The peak memory of the driver over the main job, at a number of comments and at ten times as many.

Votes, counts, label model and labels of the comments of the benchmark `apply`, each size in a process of
its own: a million and ten (default), or a tenth of that (small). The goal is on the Python process, through
which statistics travel; the peak of the JVM beside it, which runs the tasks' Spark side too on this machine
and takes what its heap limit lets it take, is told.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks.apply_data import comments_table
from benchmarks.harness import CACHE, Result
from sparkws import pipeline
from sparkws.config import SparkConfig
from sparkws.configfile import load_config
from sparkws.engine.session import open_session

HERE: Final = Path(__file__).parent
ROWS: Final = {"small": (100_000, 1_000_000), "default": (1_000_000, 10_000_000), "full": (1_000_000, 10_000_000)}
CORES: Final = 2


def run(size: str) -> Result:
    """The figures at a size."""
    CACHE.mkdir(parents=True, exist_ok=True)
    peaks = []
    for n_rows in ROWS[size]:
        items = comments_table(n_rows, CACHE)
        command = [sys.executable, "-m", "benchmarks.driver_memory", str(items)]
        told = subprocess.run(command, cwd=HERE.parent, check=True, capture_output=True, text=True).stdout
        peaks.append(json.loads(told.splitlines()[-1]))
        print(f"  {n_rows:,} rows: {peaks[-1]}", flush=True)
    few, many = peaks
    figures = {
        "rows": ROWS[size][0],
        "rows_many": ROWS[size][1],
        **{f"{name}_mib": value for name, value in few.items()},
        **{f"{name}_mib_many": value for name, value in many.items()},
        "ratio_driver": many["driver"] / few["driver"],
        "ratio_jvm": many["jvm"] / few["jvm"],
    }
    return Result("driver_memory", figures, {"ratio_driver": ("<=", 1.1)})


def main(items: str) -> None:
    """Run the main job over a table, and print the peaks of this process and of its JVM as the last line."""
    spark = open_session(SparkConfig(master=f"local[{CORES}]"), app_name="benchmark driver_memory")
    with tempfile.TemporaryDirectory(prefix="sparkws-bench-") as scratch:
        try:
            places = {"workspace": f"{scratch}/workspace", "source": {"table": items}}
            pipeline.run(spark, load_config(HERE / "apply_lfs.yaml", places))
            peaks = {"driver": peak_mib(os.getpid()), "jvm": max(map(peak_mib, _java_below(os.getpid())))}
        finally:
            spark.stop()
    print(json.dumps(peaks))


def peak_mib(pid: int) -> float:
    """The most memory that a process ever had resident, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) / 1024


def _java_below(pid: int) -> list[int]:
    """The Java processes among the descendants of a process."""
    children: dict[int, list[int]] = {}
    java = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # a process that has just ended
            # "12 (a name) S 7 ...": number, name, state, parent
            head, _, rest = stat.read_text().rpartition(") ")
            number, _, name = head.partition(" (")
            children.setdefault(int(rest.split()[1]), []).append(int(number))
            java |= {int(number)} if name == "java" else set()
    below = [pid]
    for process in below:  # grows while it is walked
        below += children.get(process, [])
    return [process for process in below if process in java]


if __name__ == "__main__":
    main(sys.argv[1])
