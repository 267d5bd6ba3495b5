"""What functions cost: exact sums, shares of the whole, timing that finds the slow one and changes no vote."""

import time

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkws.lfconfig import DeclarativeLFConfig
from sparkws.lfs import LabelingFunction, LFSet, VotesKernel, costs, declarative_lfs, findings, preprocessor
from sparkws.lfs.costs import NATIVE, PYTHON, TOGETHER, WHOLE, Clock, Costs
from sparkws.lfs.faults import Faults
from sparkws.lfs.findings import Findings

COUNT = st.integers(0, 10**12)
KEY = st.tuples(st.sampled_from([NATIVE, PYTHON, WHOLE]), st.sampled_from(["", "lf_a", "lf_b"]))
COSTS = st.builds(Costs, st.dictionaries(KEY, st.tuples(COUNT, COUNT)))
FOUND = st.builds(Findings, st.builds(Faults, st.integers(0, 9)), COSTS)


@given(FOUND, FOUND, FOUND)
def test_findings_add_up_in_any_order_and_travel(a, b, c):
    merge = findings.merge
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, b) == merge(b, a)
    assert merge(a, Findings()) == a
    assert findings.load(findings.dump(a)) == a


def test_rates_and_shares_by_hand():
    timed = {
        (WHOLE, ""): (1000, 10_000_000),
        (TOGETHER, ""): (1000, 2_000_000),
        (NATIVE, "lf_a"): (100, 100_000),  # 1000 ns a row alone; three of them would be 4500, together it is 2000
        (NATIVE, "lf_b"): (50, 100_000),
        (NATIVE, "lf_c"): (0, 0),
        (PYTHON, "lf_slow"): (32, 160_000),
    }
    found = Costs(timed)
    assert found.rows_per_s == 100_000
    assert found.by_function() == {
        "lf_slow": {"rows_per_s": 200_000, "share": 0.7143},
        "lf_b": {"rows_per_s": 1_120_000, "share": 0.127},
        "lf_a": {"rows_per_s": 2_250_000, "share": 0.0635},
    }
    assert (Costs().rows_per_s, Costs().by_function()) == (None, {})


def test_a_clock_times_what_it_is_asked_to():
    clock = Clock({"lf_a"})

    def fails(x):
        time.sleep(0.002)
        raise ValueError(x)

    with pytest.raises(ValueError, match="3"):
        clock.timed("lf_a", fails)(3)
    assert clock.timed("lf_b", fails) is fails
    ((key, (rows, nanoseconds)),) = clock.costs(7).items()
    assert (key, rows) == ((PYTHON, "lf_a"), 7)
    assert nanoseconds >= 2_000_000


def test_the_slow_ones_are_seen_whatever_their_kind():
    @preprocessor
    def slow(x):
        time.sleep(0.0005)
        x.slow = 1
        return x

    def waits(x):
        time.sleep(0.001)
        return x.n % 2

    def waits_for_all(frame):
        time.sleep(0.02)
        return (frame["n"] % 2).cast(pl.Int8)

    rule = DeclarativeLFConfig(name="lf_rule", threshold={"column": "n", "above": 3, "label": 1})
    lfs = [
        LabelingFunction("lf_quick", lambda x: x.n % 2),
        LabelingFunction("lf_row", waits),
        LabelingFunction("lf_chance", lambda x: waits(x) and time.time_ns() % 2, deterministic=False),
        LabelingFunction("lf_pre", lambda x: x.slow, pre=[slow]),
        LabelingFunction("lf_batch", waits_for_all, vectorized="polars", columns=["n"]),
        *declarative_lfs([rule]),
    ]
    items = pl.DataFrame({"id": range(40), "n": range(40)})
    kernel = VotesKernel(LFSet(lfs), ("a", "b"), "id", items.schema)
    found = kernel.merge(kernel.run(items)[1], kernel.run(items[:0])[1]).costs.by_function()
    slowest = {"lf_chance", "lf_row", "preprocessor 'slow'", "lf_batch"}
    assert {*list(found)[:4]} == slowest
    assert {*found} == {*slowest, "lf_quick", "lf_pre", "lf_rule"}
    assert found["lf_row"]["rows_per_s"] < 1000
    assert found["lf_batch"]["rows_per_s"] < 2000
    assert all(0 <= cost["share"] <= 1 for cost in found.values())


def test_natives_take_turns():
    section = {"column": "text", "pattern": "a", "label": 1}
    lfs = declarative_lfs([DeclarativeLFConfig(name=f"lf_{i}", regex=section) for i in range(9)])
    items = pl.DataFrame({"text": ["abc", "b"] * 3000})
    kernel = VotesKernel(LFSet(lfs), ("a", "b"), "text", items.schema)
    natives = {lf.name: lf.f.native(("a", "b"), items.schema) for lf in lfs}
    once = [costs.time_alone(items, natives, turn, budget_ns=0) for turn in range(18)]
    assert [[name for (_, name), (rows, _) in found.items() if rows] for found in once] == [
        [f"lf_{turn % 9}"] for turn in range(18)
    ]
    assert all(rows in (0, 500) for found in once for rows, _ in found.values())
    all_of_them = costs.time_alone(items, natives, 4, budget_ns=10**12)
    assert all(rows and nanoseconds for rows, nanoseconds in all_of_them.values())
    assert {name for kind, name in kernel.run(items)[1].costs.timed if kind == NATIVE} == set(natives)


def test_what_used_up_its_time_took_it():
    def slow(x):
        while x.n == 1:
            time.sleep(0.001)
        return 1

    items = pl.DataFrame({"id": range(3), "n": range(3)})
    kernel = VotesKernel(LFSet([LabelingFunction("lf_a", slow)]), ("a", "b"), "id", items.schema, time_limit_s=0.1)
    assert kernel.run(items)[1].costs.timed[PYTHON, "lf_a"] == (3, 100_000_000)
