"""Faults add up exactly, and their sample does not depend on the order."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.errors import FunctionFailed
from sparkws.hashing import hash_keys
from sparkws.lfs import faults
from sparkws.lfs.faults import MESSAGE_LENGTH, SAMPLE_PER_LF, FaultLog, Faults

QUICK = settings(max_examples=25, deadline=None)

FINGERPRINTS = {"lf_a": "aa", "lf_b": "bb"}
# (item, LF, exception) for each fault; an item fails an LF at most once.
raised = st.dictionaries(
    st.tuples(st.integers(0, 60), st.sampled_from(sorted(FINGERPRINTS))),
    st.sampled_from([KeyError("url"), ValueError("no"), ValueError("yes")]),
    max_size=60,
)


def of(items, raised):
    log = FaultLog(pl.Series(items, dtype=pl.Int64), FINGERPRINTS)
    for (item, lf), error in raised.items():
        if item in items:
            log.record(lf, items.index(item), error)
    return log.faults()


@QUICK
@given(raised, st.permutations(range(61)), st.integers(0, 61), st.integers(0, 61))
def test_any_split_in_any_order_gives_one_answer(raised, order, cut, other):
    low, high = sorted((cut, other))
    a, b, c = (of(list(part), raised) for part in (order[:low], order[low:high], order[high:]))
    whole = of(list(range(61)), raised)
    assert faults.merge(faults.merge(a, b), c) == faults.merge(a, faults.merge(b, c)) == whole
    assert faults.merge(c, faults.merge(b, a)) == whole
    assert faults.merge(whole, faults.zero()) == faults.merge(faults.zero(), whole) == whole
    assert faults.load(faults.dump(whole)) == whole


@QUICK
@given(raised)
def test_equals_the_naive_sample(raised):
    whole = of(list(range(61)), raised)
    for lf in FINGERPRINTS:
        items = pl.Series([str(item) for item, name in raised if name == lf], dtype=pl.String)
        ranked = sorted(zip(hash_keys(items).tolist(), items, strict=True))
        assert [fault.item_id for fault in whole.kept if fault.lf == lf] == [i for _, i in ranked[:SAMPLE_PER_LF]]
        assert whole.counts_by_lf().get(lf, 0) == len(items)
    assert whole.n_items == 61


def test_by_hand():
    log = FaultLog(pl.Series(["a", "b"]), FINGERPRINTS)
    log.record("lf_a", 1, KeyError("url"))
    log.record_all("lf_b", ValueError("x" * 1000))
    got = log.faults()
    assert got.counts == {("lf_a", "KeyError"): 1, ("lf_b", "ValueError"): 2}
    assert got.counts_by_lf() == {"lf_a": 1, "lf_b": 2}
    first = got.sample.row(0, named=True)
    assert first == {
        "item_id": "b",
        "lf": "lf_a",
        "error_class": "KeyError",
        "message": "'url'",
        "lf_fingerprint": "aa",
    }
    assert got.sample["message"].str.len_chars().max() == MESSAGE_LENGTH
    assert Faults().sample.schema == got.sample.schema


@QUICK
@given(st.lists(st.integers(-(2**127), 2**127 - 1), unique=True, max_size=40))
def test_failing_at_once_is_failing_everywhere(items):
    at_once, one_by_one = (FaultLog(pl.Series(items, dtype=pl.Int128), FINGERPRINTS) for _ in range(2))
    at_once.record_all("lf_a", ValueError("no"))
    for row in range(len(items)):
        one_by_one.record("lf_a", row, ValueError("no"))
    assert at_once.faults() == one_by_one.faults()


def test_fail_names_the_first():
    log = FaultLog(pl.Series(["a16", "a17", "a18"]), FINGERPRINTS)
    log.fail()
    log.record("lf_a", 1, KeyError("url"))
    log.record("lf_a", 2, ValueError())
    with pytest.raises(
        FunctionFailed,
        match=r"'lf_a' raised on 2 of 3 items of a batch; first on item_id 'a17': "
        r"KeyError\('url'\). Mend it, or set on_fault: quarantine.",
    ) as caught:
        log.fail()
    assert isinstance(caught.value.__cause__, KeyError)


def test_keys_of_bytes_are_shown_in_hex():
    log = FaultLog(pl.Series([b"\xff"]), FINGERPRINTS)
    log.record("lf_a", 0, ValueError())
    assert log.faults().sample["item_id"].to_list() == ["ff"]


def test_a_message_with_half_a_surrogate_pair_is_written_as_an_escape():
    log = FaultLog(pl.Series(["a"]), {"lf": "0"})
    log.record("lf", 0, ValueError("bad \ud800"))
    sample = log.faults().sample
    assert sample["message"].to_list() == ["bad \\ud800"]
    with pytest.raises(FunctionFailed, match=r"bad \\+ud800"):
        log.fail()


def test_an_exception_that_cannot_be_shown_is_counted():
    class Strange(Exception):
        def __str__(self):
            raise RuntimeError

    log = FaultLog(pl.Series(["a"]), FINGERPRINTS)
    log.record("lf_a", 0, Strange())
    assert log.faults().counts == {("lf_a", "Strange"): 1}
