"""Functions that misbehave as code: the others' votes are right, or one sentence says which one it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from sparkws.cli import main
from tests.e2e.conftest import comments

BAD = {
    "lf_exits": "import sys\n    sys.exit(0)",
    "lf_hangs": "while True:\n        pass",
    "lf_sleeps": "import time\n    time.sleep(3600)",
    "lf_ends": "import os\n    os._exit(0)",
    "lf_crashes": "import ctypes\n    ctypes.string_at(0)",
    "lf_stuck": "from itertools import repeat\n    max(repeat(0))",
    "lf_hoards": "hoard = []\n    while True:\n        hoard.append(bytearray(10_000_000))",
}
GOOD = ["lf_praise", "lf_short", "lf_link", "lf_gift"]


@pytest.fixture
def run(
    spark: SparkSession, capsys: pytest.CaptureFixture[str], project: Callable[..., Path], tmp_path: Path
) -> Callable[..., tuple[int, str]]:
    """Runs the job with a bad function that misbehaves on item c003 only; gives exit code and log."""

    def run(name: str, lane: str, *, vectorized: bool = False, **lfs: Any) -> tuple[int, str]:
        path = project()
        config = yaml.safe_load(path.read_text())
        task = config["tasks"]["spam"]
        task["lfs"] = {**task["lfs"], "max_fault_rate": 1.0, "time_limit_s": 1.0, **lfs}
        config["engine"] = {"lane": lane, "worker_memory_mib": 512}
        path.write_text(yaml.safe_dump(config))
        head = (
            f'@labeling_function(vectorized="polars")\ndef {name}(x):\n    if "c003" not in x["id"]:\n'
            if vectorized
            else f'@labeling_function\ndef {name}(x):\n    if x.id != "c003":\n'
        )
        returned = '[-1] * len(x["id"])' if vectorized else "-1"
        bad = f"\n\n{head}        return {returned}\n    {BAD[name]}\n    return {returned}\n"
        module = tmp_path / "functions.py"
        module.write_text(module.read_text() + bad)
        capsys.readouterr()
        code = main(["run", "--config", str(path)])
        return code, capsys.readouterr().err

    return run


def votes_of(tmp_path: Path) -> pl.DataFrame:
    return pl.read_delta(str(tmp_path / "tables/spam_votes")).sort("item_id")


def is_right(votes: pl.DataFrame) -> bool:
    items = comments().sort("id")
    text = items["text"]
    expected = {
        "lf_praise": text.str.contains("song").replace_strict({True: 0, False: -1}),
        "lf_short": text.str.len_chars().lt(12).replace_strict({True: 0, False: -1}),
        "lf_link": text.str.contains("http").replace_strict({True: 1, False: -1}),
        "lf_gift": text.str.contains("gift").replace_strict({True: 1, False: -1}),
    }
    return votes["item_id"].to_list() == items["id"].to_list() and all(
        votes[name].to_list() == column.to_list() for name, column in expected.items()
    )


@pytest.mark.parametrize("lane", ["direct", "rows"])
@pytest.mark.parametrize("name", ["lf_exits", "lf_hangs", "lf_hoards"])
def test_a_function_that_can_be_stopped_fails_alone(run, tmp_path, name, lane):
    code, log = run(name, lane)
    assert code == 0, log
    votes = votes_of(tmp_path)
    assert is_right(votes)
    assert votes.filter(item_id="c003")[name].to_list() == [None]


@pytest.mark.parametrize("lane", ["direct", "rows"])
@pytest.mark.parametrize("name", ["lf_ends", "lf_stuck"])
def test_a_function_that_takes_the_process_with_it_is_named(run, tmp_path, name, lane):
    code, log = run(name, lane)
    assert code == 1
    assert f"a Python worker died in '{name}' on item_id 'c003'" in log
    assert "Traceback" not in log
    assert "at org.apache" not in log
    assert not DeltaTable.is_deltatable(str(tmp_path / "tables/spam_votes"))
