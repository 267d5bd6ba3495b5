"""A function that uses up its time fails alone, and no tick ever touches anything but the code of functions."""

import re
import signal
import sys
import threading
import time
from contextlib import contextmanager
from itertools import repeat
from operator import itemgetter
from pathlib import Path

import polars as pl
import pytest

from sparkws.errors import FunctionFailed
from sparkws.lfs import LabelingFunction, LFSet, VotesKernel, preprocessor, rowloop, rowplan
from sparkws.lfs.faults import FaultLog
from sparkws.lfs.limits import Spot, TimeLimitExceeded, Watch, watched
from sparkws.lfs.returns import FAILED
from sparkws.vocab import ABSTAIN

SCHEMA = pl.Schema({"id": pl.String, "n": pl.Int64})
LIMIT_S = 0.2


def items(n=8):
    return pl.DataFrame({"id": [f"a{i}" for i in range(n)], "n": range(n)}, SCHEMA)


def kernel(*lfs, limit=LIMIT_S, on_fault="quarantine"):
    return VotesKernel(LFSet(lfs), ("even", "odd"), "id", SCHEMA, on_fault, limit)


def row_lf(name, f, **options):
    return LabelingFunction(name, f, columns=["n"], **options)


PARITY = row_lf("lf_parity", lambda x: x.n % 2)
LOW = row_lf("lf_low", lambda x: 0 if x.n < 3 else ABSTAIN)


def spins(x):
    while True:
        pass


def sleeps(x):
    time.sleep(3600)


def backtracks(x):
    return len(re.findall(r"(a+)+$", "a" * 64 + "b"))


def swallows_exceptions(x):
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def swallows_twice(x):
    for _ in range(2):
        try:
            while True:
                pass
        except BaseException:
            pass
    while True:
        pass


def waits_for_a_lock(x):
    threading.Semaphore(0).acquire()


HANGS = [spins, sleeps, backtracks, swallows_exceptions, swallows_twice, waits_for_a_lock]


@pytest.mark.parametrize("hang", HANGS, ids=lambda f: f.__name__)
def test_a_hanging_function_fails_alone(hang):
    bad = row_lf("lf_bad", lambda x: hang(x) if x.n == 3 else 1)
    votes, found = kernel(PARITY, bad, LOW).run(items())
    faults = found.faults
    assert votes["lf_parity"].to_list() == [0, 1, 0, 1, 0, 1, 0, 1]
    assert votes["lf_low"].to_list() == [0, 0, 0, -1, -1, -1, -1, -1]
    assert votes["lf_bad"].to_list() == [1, 1, 1, None, None, None, None, None]
    assert faults.counts == {("lf_bad", "TimeLimitExceeded"): 5}
    assert set(faults.sample["message"]) == {
        "'lf_bad' used up its 0.2 s on item_id 'a3' and is not called again in that batch; see 'lfs.time_limit_s'."
    }


def test_small_times_add_up():
    bad = row_lf("lf_bad", lambda x: time.sleep(0.02) or 1)
    votes, found = kernel(PARITY, bad).run(items(100))
    faults = found.faults
    n_votes = 100 - votes["lf_bad"].null_count()
    assert n_votes < 99
    assert votes["lf_bad"].to_list() == [1] * n_votes + [None] * (100 - n_votes)
    assert votes["lf_parity"].to_list() == [0, 1] * 50
    assert faults.counts_by_lf() == {"lf_bad": 100 - n_votes}


@pytest.mark.parametrize(("hang", "vectorized"), [(spins, "polars"), (sleeps, "polars"), (swallows_twice, "arrow")])
def test_a_hanging_function_of_batches_fails_alone(hang, vectorized):
    bad = LabelingFunction("lf_bad", hang, vectorized=vectorized, columns=["n"])
    votes, found = kernel(bad, PARITY).run(items())
    faults = found.faults
    assert votes["lf_bad"].to_list() == [None] * 8
    assert votes["lf_parity"].to_list() == [0, 1] * 4
    assert faults.counts == {("lf_bad", "TimeLimitExceeded"): 8}
    assert faults.sample["message"][0].startswith(
        "'lf_bad' used up its 0.2 s on a batch of 8 items from item_id 'a0' on"
    )


def test_a_hanging_preprocessor_fails_those_that_ask_for_it():
    @preprocessor
    def first(x):
        x.m = x.n
        return x

    @preprocessor(pre=[first])
    def hanging(x):
        if x.n == 2:
            spins(x)
        return x

    a, b = (row_lf(name, lambda x: x.m % 2, pre=[hanging]) for name in ("lf_a", "lf_b"))
    votes, found = kernel(a, PARITY, row_lf("lf_first", lambda x: x.m % 2, pre=[first]), b).run(items(4))
    faults = found.faults
    assert votes["lf_a"].to_list() == votes["lf_b"].to_list() == [0, 1, None, None]
    assert votes["lf_parity"].to_list() == votes["lf_first"].to_list() == [0, 1, 0, 1]
    assert faults.counts == {("lf_a", "TimeLimitExceeded"): 2, ("lf_b", "TimeLimitExceeded"): 2}
    assert faults.sample["message"][0].startswith("preprocessor 'hanging' used up its 0.2 s on item_id 'a")


def test_a_hanging_function_fails_the_job_if_faults_do():
    with pytest.raises(
        FunctionFailed,
        match=r"'lf_bad' raised on 8 of 8 items of a batch; first on item_id 'a0': TimeLimitExceeded\(.*0\.2 s",
    ):
        kernel(PARITY, row_lf("lf_bad", spins), on_fault="fail").run(items())


def test_every_batch_has_its_own_time():
    hangs_once = row_lf("lf_bad", lambda x: spins(x) if x.n == 1 else 1)
    bound = kernel(hangs_once)
    assert [bound.run(part)[0]["lf_bad"].to_list() for part in (items()[:3], items()[3:])] == [
        [1, None, None],
        [1, 1, 1, 1, 1],
    ]


def test_a_table_in_memory_can_have_a_limit():
    lfs = LFSet([PARITY, row_lf("lf_bad", spins)])
    votes = lfs.apply(items(2), classes=("even", "odd"), on_fault="quarantine", time_limit_s=LIMIT_S)
    assert votes["lf_parity"].to_list() == [0, 1]
    assert votes["lf_bad"].to_list() == [None, None]


def slow(x):
    time.sleep(0.1)
    return x.n % 2


def test_without_a_limit_functions_take_their_time():
    assert kernel(row_lf("lf_slow", slow), limit=None).run(items(2))[0]["lf_slow"].to_list() == [0, 1]


def test_outside_the_main_thread_there_is_no_limit():
    votes = []
    thread = threading.Thread(target=lambda: votes.append(kernel(row_lf("lf_slow", slow)).run(items(2))[0]))
    thread.start()
    thread.join()
    assert votes[0]["lf_slow"].to_list() == [0, 1]


def test_an_alarm_within_a_function_is_its_own():
    def alarmed(x):
        def on_alarm(*_):
            raise ValueError("alarm")

        before = signal.signal(signal.SIGALRM, on_alarm)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        try:
            time.sleep(3600)
        except ValueError:
            return 1
        finally:
            signal.signal(signal.SIGALRM, before)

    votes, _ = kernel(row_lf("lf_alarmed", alarmed), row_lf("lf_bad", spins), limit=1.0).run(items(2))
    assert votes["lf_alarmed"].to_list() == [1, 1]
    assert votes["lf_bad"].to_list() == [None, None]


def test_nothing_is_left_behind():
    before = threading.active_count()
    kernel(row_lf("lf_bad", spins)).run(items(2))
    assert signal.getsignal(signal.SIGVTALRM) is signal.SIG_DFL
    assert threading.active_count() == before


def test_a_handler_of_somebody_else_is_left_alone():
    def theirs(*_):
        raise AssertionError("their handler ran")

    signal.signal(signal.SIGVTALRM, theirs)
    try:
        assert kernel(row_lf("lf_slow", slow)).run(items(2))[0]["lf_slow"].to_list() == [0, 1]
        assert signal.getsignal(signal.SIGVTALRM) is theirs
    finally:
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)


def test_a_function_within_a_function_is_under_the_outer_limit():
    inner = kernel(row_lf("lf_inner", spins), limit=3600)
    outer = row_lf("lf_outer", lambda x: inner.run(items(1)) and 1)
    votes, _ = kernel(outer, PARITY).run(items(2))
    assert votes["lf_parity"].to_list() == [0, 1]


# What a tick may meet, at any instruction: functions with and without preprocessors, of Python and of C
# alone, functions that fail, change their item or hold something whose end runs code.


class Ends:
    def __del__(self):
        self.gone = True


def with_end(x):
    x.end = Ends()
    return x.n % 2


@preprocessor
def doubled(x):
    x.m = 2 * x.n
    return x


MIXED = LFSet(
    [
        row_lf("lf_c", itemgetter("n")),
        row_lf("lf_python", lambda x: x.get("n") % 2),
        row_lf("lf_doubled", lambda x: x.m // 4, pre=[doubled]),
        row_lf("lf_raises", lambda x: 1 // x.n),
        row_lf("lf_other", lambda x: x["m"] // 2, pre=[doubled]),
        row_lf("lf_end", with_end),
    ]
)
EXPECTED = {
    "lf_c": [0, 1],
    "lf_python": [0, 1],
    "lf_doubled": [0, 0],
    "lf_raises": [FAILED, 1],
    "lf_other": [0, 1],
    "lf_end": [0, 1],
}


def check_columns(returned):
    """Every column is right up to where its function was stopped, and failed from there on."""
    stopped = [name for name, expected in EXPECTED.items() if returned[name] != expected]
    for name in stopped:
        got, expected = returned[name], EXPECTED[name]
        n_right = next(row for row in range(2) if got[row] != expected[row])
        assert got == expected[:n_right] + [FAILED] * (2 - n_right)
    return stopped


TRACED = ("rowloop.py", "rowplan.py", "rows.py", "faults.py", Path(__file__).name)


def tick_at(k):
    """Stands in for the signal: one tick just before the k-th instruction that is run."""

    @contextmanager
    def ticking(make, limit_s):
        watch, seen = make(limit_s), 0

        def trace(frame, event, arg):
            nonlocal seen
            if Path(frame.f_code.co_filename).name not in TRACED:
                return None
            frame.f_trace_opcodes = True
            if event == "opcode":
                seen += 1
                if seen == k:
                    sys.settrace(None)
                    watch.tick(frame)
            return trace

        ours = sys.gettrace()
        sys.settrace(trace)
        try:
            yield
        finally:
            sys.settrace(ours)
        if seen < k:
            raise EOFError

    return ticking


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what is raised in __del__
def test_a_tick_at_any_instruction_fails_one_function_at_most(monkeypatch):
    frame = items(2).select("n")
    plan = rowplan.plan_rows(MIXED)
    stopped = set()
    k = 0
    while True:
        k += 1
        monkeypatch.setattr(rowloop, "watched", tick_at(k))
        log = FaultLog(items(2)["id"], dict.fromkeys(MIXED.names, ""))
        assert len(log.ranks) == 2  # what is computed on the first fault is not what is tried here
        try:
            returned = rowloop.run_rows(frame, 2, plan, log, 1e-9)
        except EOFError:
            break
        failed = check_columns(returned)
        assert len(failed) <= 1 or failed == ["lf_doubled", "lf_other"]
        assert log.faults().counts_by_lf() == {
            name: n_failed for name, values in returned.items() if (n_failed := values.count(FAILED))
        }
        stopped.update(failed)
    assert k > 300
    assert stopped == set(EXPECTED)


def test_many_real_ticks_shift_no_vote():
    """Ticks as fast as they come, limits so small that every function meets one sooner or later."""
    n = 50_000
    lfs = [row_lf(f"lf_{i}", lambda x, i=i: (x.n + i) % 2) for i in range(8)]
    votes, found = kernel(*lfs, limit=0.001).run(items(n))
    faults = found.faults
    assert votes["item_id"].to_list() == items(n)["id"].to_list()
    for i in range(8):
        got = votes[f"lf_{i}"].to_list()
        n_votes = n - votes[f"lf_{i}"].null_count()
        assert got == [(row + i) % 2 for row in range(n_votes)] + [None] * (n - n_votes)
    assert faults.counts_by_lf() == {name: count for name in votes.columns[1:] if (count := votes[name].null_count())}
    assert faults.counts_by_lf()


class Told:
    """Notes what a trail is told."""

    careful = False

    def __init__(self):
        self.told = []

    def note(self, functions, where):
        self.told.append((tuple(functions), where))

    def clear(self):
        self.told.append(None)

    def guard(self, seconds):
        self.told.append(seconds)

    def unguard(self):
        self.told.append("unguarded")


def run_told(lfs, n, careful=False, limit=None):
    told = Told()
    told.careful = careful
    log = FaultLog(items(n)["id"], {lf.name: "" for lf in lfs})
    rowloop.run_rows(items(n).select("n"), n, rowplan.plan_rows(lfs), log, limit, told)
    return told.told


def test_the_trail_tells_all_functions_of_a_batch_and_the_one_that_stays():
    told = run_told([PARITY, row_lf("lf_bad", spins)], 2, limit=0.4)
    whole = (("'lf_parity'", "'lf_bad'"), "on a batch of 2 items from item_id 'a0' on")
    assert told[:2] == [whole, 2 * 0.4 + 1]
    assert (("'lf_bad'",), "on item_id 'a0'") in told
    assert told[-1] == "unguarded"


def test_a_careful_trail_tells_every_call():
    told = run_told([PARITY, row_lf("lf_doubled", lambda x: x.m % 2, pre=[doubled])], 2, careful=True)
    calls = ["preprocessor 'doubled'", "'lf_parity'", "'lf_doubled'"]
    assert told[1:] == [((call,), f"on item_id '{item}'") for item in ("a0", "a1") for call in calls]


def test_a_function_that_swallows_everything_is_guarded_no_longer():
    told = Told()
    frame = sys._getframe()
    spot = Spot("'lf_a'", "on item_id 'a0'", 0, within=True, stop=lambda message: None)
    watch = Watch(1e-9, lambda _: spot, told)
    watch.begin()
    for _ in range(3):
        with pytest.raises(TimeLimitExceeded, match=r"'lf_a' used up its 1e-09 s on item_id 'a0'"):
            watch.tick(frame)
    assert told.told == [2e-9 + 1]


def test_a_watch_ticks_while_the_body_runs():
    ticks = threading.Semaphore(0)

    class Counts(Watch):
        def tick(self, frame):
            ticks.release()

    with watched(lambda limit_s: Counts(limit_s, lambda _: None), 0.01):
        for _ in repeat(None, 3):
            assert ticks.acquire(timeout=60)
