"""What is kept of a preprocessor's results stays within bounds, and never shows."""

import pickle
from datetime import date

import pytest

from sparkws.lfs import memo as module
from sparkws.lfs.memo import Memo


def filled(*texts, most=10):
    memo = Memo(most, ("text",))
    for text in texts:
        before = {"text": text, "tags": ["x"]}
        memo.put(memo.key(before), before, {**before, "words": text.split()})
    return memo


def found(memo, text):
    return memo.get(memo.key({"text": text}))


def test_what_was_not_used_for_the_longest_time_goes():
    memo = filled("a", "b", most=2)
    assert found(memo, "a") == {"words": ["a"]}
    before = {"text": "c"}
    memo.put(memo.key(before), before, {**before, "n": 1})
    assert (found(memo, "a"), found(memo, "b"), found(memo, "c")) == ({"words": ["a"]}, None, {"n": 1})


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 10_000)
    memo = filled(*(f"{i} " * 100 for i in range(100)), most=1000)
    assert 0 < len(memo) < 20
    assert len(filled("a" * 20_000)) == 0


def test_what_is_given_is_nobody_elses():
    memo = filled("a b")
    found(memo, "a b")["words"].clear()
    assert found(memo, "a b") == {"words": ["a", "b"]}


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (0.0, -0.0), (1, 1.0), (None, 0), (b"a", "a"), (date(2026, 1, 1), "2026-01-01")]
)
def test_values_that_can_be_told_apart_are(one, other):
    memo = Memo(10, ("value",))
    assert memo.key({"value": one}) != memo.key({"value": other})


def test_only_plain_data_is_known():
    memo = Memo(10, None)
    assert memo.key({"text": "a", "tags": []}) is None
    assert memo.key({"text": object()}) is None
    assert memo.key({"a": 1}) != memo.key({"b": 1})
    assert Memo(10, ("text",)).key({"text": "a", "tags": []}) is not None
    assert Memo(10, ("text",)).key({"text": None}) != Memo(10, ("text",)).key({})


@pytest.mark.parametrize("after", [{"text": "a", "made": object()}, {"text": "a", "made": ([],)}, {"made": 1}])
def test_only_plain_results_are_kept(after):
    memo = Memo(10, ("text",))
    memo.put(memo.key({"text": "a"}), {"text": "a"}, after)
    assert len(memo) == 0


def test_it_travels_empty():
    memo = filled("a")
    there = pickle.loads(pickle.dumps(memo))
    assert len(there) == 0
    assert there.key({"text": "a"}) == memo.key({"text": "a"})
