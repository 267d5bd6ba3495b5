"""Functions that misbehave as code: the others' votes are right, or one sentence says which one it was."""

import subprocess
import sys
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

# What each does on item c003; it abstains on all others.
BAD = {
    "lf_exits": "import sys; sys.exit(0)",
    "lf_interrupts": "raise KeyboardInterrupt",
    "lf_hangs": "import time; time.sleep(3600)",
    "lf_hoards": "bytearray(2 << 30)",
    "lf_ends": "import os; os._exit(0)",
    "lf_stuck": "from itertools import repeat; max(repeat(0))",
}
GOOD = {"lf_praise": "song", "lf_link": "http", "lf_gift": "gift"}


@pytest.fixture
def write(project: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Writes a project with bad functions and gives the configuration's path."""

    def write(*names: str, lane: str, **lfs: Any) -> Path:
        path = project()
        config = yaml.safe_load(path.read_text())
        task = config["tasks"]["spam"]
        task["lfs"] = {**task["lfs"], "max_fault_rate": 1.0, "time_limit_s": 2.0, **lfs}
        config["engine"] = {"lane": lane, "key_check": "trust", "worker_memory_mib": 512}
        path.write_text(yaml.safe_dump(config))
        module = tmp_path / "functions.py"
        for name in names:
            bad = f'    if x.id == "c003":\n        {BAD[name]}\n    return ABSTAIN\n'
            module.write_text(f"{module.read_text()}\n\n@labeling_function\ndef {name}(x):\n{bad}")
        return path

    return write


@pytest.fixture
def run(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> Callable[[Path], tuple[int, str]]:
    """Runs the job in the session of the tests; gives exit code and log."""

    def run(path: Path) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["run", "--config", str(path)])
        return code, capsys.readouterr().err

    return run


def check_one_sentence(log: str, sentence: str, tmp_path: Path) -> None:
    assert sentence in log.splitlines()[-1]
    assert "Traceback" not in log
    assert "at org.apache" not in log
    assert not DeltaTable.is_deltatable(str(tmp_path / "tables/spam_votes"))


@pytest.mark.parametrize("lane", ["direct", "rows"])
def test_functions_that_can_be_stopped_fail_alone(write, run, tmp_path, lane):
    bad = ("lf_exits", "lf_interrupts", "lf_hangs", "lf_hoards")
    code, log = run(write(*bad, lane=lane))
    assert code == 0, log
    votes = pl.read_delta(str(tmp_path / "tables/spam_votes")).sort("item_id")
    items = comments().sort("id")
    assert votes["item_id"].to_list() == items["id"].to_list()
    for name, word in GOOD.items():
        vote = 0 if name == "lf_praise" else 1
        assert votes[name].to_list() == [vote if word in text else -1 for text in items["text"]]
    at = votes.with_row_index().filter(item_id="c003")["index"][0]
    for name in bad:
        assert votes[name][:at].to_list() == [-1] * at
        assert votes[name][at] is None
    for name in ("lf_exits", "lf_interrupts"):
        assert votes[name].null_count() == 1
    faults = pl.read_delta(str(tmp_path / "tables/spam_faults"))
    said = {lf: (error_class, message) for lf, error_class, message in faults["lf", "error_class", "message"].rows()}
    assert said["lf_exits"] == ("SystemExit", "0")
    assert said["lf_interrupts"] == ("KeyboardInterrupt", "")
    assert said["lf_hangs"][0] == "TimeLimitExceeded"
    assert "'lf_hangs' used up its 2 s on item_id 'c003'" in said["lf_hangs"][1]
    assert said["lf_hoards"][0] == "MemoryError"
    assert "'engine.worker_memory_mib'" in said["lf_hoards"][1]


def test_a_hanging_function_fails_the_job_if_faults_do(write, run, tmp_path):
    path = write("lf_hangs", lane="rows", on_fault="fail")
    module = tmp_path / "functions.py"
    module.write_text(module.read_text().replace("float(x.amount)", "x.amount or 0"))  # which fails as well
    code, log = run(path)
    assert code == 3
    check_one_sentence(log, "first on item_id 'c003': TimeLimitExceeded(\"'lf_hangs' used up its 2 s", tmp_path)


@pytest.mark.parametrize(("name", "lane"), [("lf_ends", "direct"), ("lf_ends", "rows"), ("lf_stuck", "direct")])
def test_a_function_that_takes_the_process_with_it_is_named(write, run, tmp_path, name, lane):
    code, log = run(write(name, lane=lane))
    assert code == 1
    check_one_sentence(log, f"a Python worker died in '{name}' on item_id 'c003'", tmp_path)


def test_it_is_named_too_where_spark_tries_nothing_again(write, tmp_path):
    path = write("lf_ends", lane="direct")
    command = [sys.executable, "-m", "sparkws.cli", "run", "--config", str(path), "--master", "local[1]"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1
    check_one_sentence(ended.stderr.strip(), "a Python worker died in 'lf_ends' on item_id 'c003'", tmp_path)
