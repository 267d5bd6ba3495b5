"""A function whose votes do not follow from the item alone is refused, unless it says so."""

import random
import time

import polars as pl
import pytest

from sparkws.errors import VotesNotRepeatable
from sparkws.lfs import LabelingFunction, LFSet, VotesKernel, labeling_function, preprocessor

CLASSES = ("ham", "spam")


def run(*lfs, n=5, limit=None):
    frame = pl.DataFrame({"id": [f"i{row}" for row in range(n)], "n": range(n)}, {"id": pl.String, "n": pl.Int64})
    return VotesKernel(LFSet(lfs), CLASSES, "id", frame.schema, time_limit_s=limit).run(frame)


def by_chance(x):
    return random.randint(0, 1 << 20) % 2


def of_earlier_rows():
    seen = []

    def f(x):
        seen.append(x.n)
        return int(x.n < max(seen))

    return f


def faults_at_times():
    calls = []

    def f(x):
        calls.append(x.n)
        return 1 // (len(calls) > 3)

    return f


def by_the_batch(frame):
    return (frame["n"] > frame["n"].mean()).cast(pl.Int8)


@pytest.mark.parametrize("n", [5, 1000])
@pytest.mark.parametrize(
    ("f", "told"), [(by_chance, "votes 'ham'|votes 'spam'"), (of_earlier_rows(), "votes 'spam' when")]
)
def test_chance_and_memories_of_other_rows_are_refused(f, told, n):
    random.seed(7)
    with pytest.raises(VotesNotRepeatable, match=rf"'lf_a' votes '\w+' on item_id 'i\d+', and .*({told})"):
        run(LabelingFunction("lf_b", lambda x: x.n % 2), LabelingFunction("lf_a", f), n=n)


def test_faults_that_come_and_go_are_refused():
    with pytest.raises(
        VotesNotRepeatable, match="'lf_a' fails on item_id 'i2', and votes 'spam' when it is run again;"
    ):
        run(LabelingFunction("lf_a", faults_at_times()))


def test_a_vectorized_function_that_looks_at_its_batch_is_refused():
    lf = LabelingFunction("lf_a", by_the_batch, vectorized="polars", columns=["n"])
    items = pl.DataFrame({"id": range(1000), "n": [10**9 if row == 5 else row for row in range(1000)]})
    kernel = VotesKernel(LFSet([lf]), CLASSES, "id", items.schema)
    with pytest.raises(VotesNotRepeatable, match=r"on 32 of the batch's items alone; .*deterministic=False"):
        kernel.run(items)


def test_what_is_declared_so_votes_as_it_likes():
    lf = labeling_function("lf_a", deterministic=False)(by_chance)
    votes, _ = run(lf, n=50)
    assert set(votes["lf_a"]) <= {0, 1}
    assert "not deterministic" in LFSet([lf]).comments()["lf_a"]
    assert LFSet([lf]).describe()["deterministic"].to_list() == [False]
    assert lf.fingerprint == LabelingFunction("lf_a", by_chance).fingerprint


def test_what_is_declared_so_runs_once():
    calls = []
    run(LabelingFunction("lf_a", lambda x: len(calls.append(x.n) or []) - 1, deterministic=False))
    assert calls == [0, 1, 2, 3, 4]


def test_a_preprocessor_by_chance_is_refused_with_the_function_that_asks_for_it():
    @preprocessor
    def noise(x):
        x.noise = random.random()
        return x

    with pytest.raises(VotesNotRepeatable, match="'lf_a'"):
        run(LabelingFunction("lf_a", lambda x: int(x.noise > 0.5), pre=[noise]), n=100)


def test_faults_that_stay_and_what_used_up_its_time_are_none_of_this():
    def slow(x):
        while x.n == 2:
            time.sleep(0.001)
        return 1

    votes, _ = run(LabelingFunction("lf_a", slow), LabelingFunction("lf_b", lambda x: 1 // x.n), limit=0.1)
    assert votes["lf_a"].to_list() == [1, 1, None, None, None]
    assert votes["lf_b"].to_list() == [None, 1, 0, 0, 0]


def test_no_items_are_no_reason():
    assert run(LabelingFunction("lf_a", by_chance), n=0)[0].is_empty()
