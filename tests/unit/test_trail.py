"""A process that dies in a function leaves a sentence that names it."""

import subprocess
import sys
from textwrap import dedent

import pytest

from sparkws.trail import Place, Trail, current_trail, explain_death, leaving_trail, read_trail

AROUND = "SparkException: Python worker exited unexpectedly (crashed): {} \n\tat org.apache.spark"


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "4711"
    file.touch()
    return file


def test_a_note_survives_a_stack_trace(path):
    with leaving_trail(path):
        trail = current_trail()
        trail.note(["'lf_a'", "'lf_b'"], "on item_id 'ü7'")
        trail.note(["'lf_ü'"], "on item_id 'ü7'")
        text = AROUND.format(path.read_text())
    assert current_trail() is None
    assert read_trail(text) == Place(("'lf_ü'",), 0, "on item_id 'ü7'")


def test_a_cleared_trail_leads_nowhere(path):
    with leaving_trail(path):
        current_trail().note(["'lf_a'"], "on item_id 1")
        current_trail().clear()
        text = path.read_text()
    assert text.strip() == ""
    assert read_trail(text) is None


def test_the_longest_note_fits(path):
    trail = Trail(path)
    names = [f"'lf_{'ü' * 500}{i}'" for i in range(500)]
    trail.note(names, "on item_id " + "\U0001f600" * 5000)
    place = read_trail(path.read_text())
    trail.close()
    assert len(place.functions) + place.n_more == 500
    assert all(name.startswith("'lf_ü") for name in place.functions)


def test_without_a_file_there_is_no_trail(tmp_path):
    for nowhere in (None, tmp_path / "missing"):
        with leaving_trail(nowhere):
            assert current_trail() is None
    assert list(tmp_path.iterdir()) == []


DEATHS = {
    "os._exit(3)": "it ended its process, crashed or used up the memory; mend it or take it out.",
    "os.kill(os.getpid(), 9)": "it ended its process, crashed or used up the memory; mend it or take it out.",
    "ctypes.string_at(0)": "it ended its process, crashed or used up the memory: Segmentation fault; mend it",
    "max(itertools.repeat(0))": "it did not return long after its time limit and could not be interrupted, so its "
    "process was ended; mend it, take it out, or raise 'lfs.time_limit_s'.",
    "swallows()": "it did not return long after its time limit and could not be interrupted",
}


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("kind", ["row", "vectorized"])
def test_a_process_that_dies_in_a_function_names_it(path, death, kind):
    code = f"""
        import ctypes, itertools, os, sys
        from pathlib import Path
        import polars as pl
        from sparkws.lfs import LFSet, LabelingFunction, VotesKernel
        from sparkws.trail import leaving_trail

        def swallows():
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass

        def bad(x):
            if {kind != "row"} or x.n == 1:
                {death}
            return -1

        options = {{"columns": ["n"], "vectorized": {None if kind == "row" else "polars"!r}}}
        lfs = LFSet([LabelingFunction("lf_good", lambda x: x.n), LabelingFunction("lf_bad", bad, **options)])
        items = pl.DataFrame({{"id": ["a", "b", "c"], "n": [0, 1, 2]}})
        with leaving_trail(Path({str(path)!r}), careful=True):
            VotesKernel(lfs, ("x", "y", "z"), "id", items.schema, time_limit_s=0.2).run(items)
    """
    ended = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=120)
    assert ended.returncode != 0
    assert "Error" not in ended.stderr
    error = explain_death(AROUND.format(path.read_text()))
    where = "on item_id 'b'" if kind == "row" else "on a batch of 3 items from item_id 'a' on"
    assert str(error).startswith(f"a Python worker died in 'lf_bad' {where}: {DEATHS[death]}")
    assert error.functions == ("'lf_bad'",)


def test_a_death_among_several_functions_names_them(path):
    trail = Trail(path)
    trail.note([f"'lf_{i}'" for i in range(22)], "on a batch of 9 items from item_id 1 on")
    error = explain_death(AROUND.format(path.read_text()))
    trail.close()
    assert str(error).startswith("a Python worker died in one of 'lf_0', 'lf_1', 'lf_2', ")
    assert "'lf_19' and 2 more on a batch of 9 items from item_id 1 on: it ended its process" in str(error)
    assert len(error.functions) == 20


def test_a_death_outside_functions_tells_what_to_turn():
    error = explain_death(AROUND.format("Fatal Python error: Aborted\n\nCurrent thread"))
    assert str(error) == (
        "a Python worker died outside labeling functions (Aborted); most often the memory was used up. "
        "Lower 'engine.task_mib' or 'engine.batch_rows', or raise 'engine.worker_memory_mib'."
    )
    assert error.functions == ()
