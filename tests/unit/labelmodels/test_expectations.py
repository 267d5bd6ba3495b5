"""Expectations as integers: any partitioning gives one answer, which is that of EM in memory, and nothing overflows."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.errors import MissingColumns
from sparkws.labelmodels.em import e_step, expect, make_rows
from sparkws.labelmodels.expectations import ExpectationsKernel
from sparkws.stats import packing
from sparkws.stats.patterns import of_matrix, unpack

LFS = synthetic.lf_names(5)


def drawn(seed, k=2, n=80, **options):
    """Patterns of items, some with known classes, and a kernel with the tables that made their votes."""
    rng = np.random.default_rng(seed)
    truth = synthetic.random_truth(rng, 5, k, n_single_class=2)
    L, Y = synthetic.sample(truth, n, rng)
    patterns = of_matrix(L, LFS, k, np.where(rng.random(n) < 0.3, Y, -1).astype(np.int8))
    kernel = ExpectationsKernel(
        **{
            "lf_names": LFS,
            "taking_part": LFS,
            "cardinality": k,
            "n_items": n,
            "cpt": truth.cpt,
            "class_balance": truth.class_balance,
            "use_abstain": True,
            "clamp_gold": False,
            **options,
        }
    )
    return patterns, kernel


@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 3),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(0, 80), max_size=4),
    st.randoms(),
)
def test_any_partitioning_in_any_order_gives_one_answer(seed, k, use_abstain, clamp, cuts, random):
    patterns, kernel = drawn(seed, k, use_abstain=use_abstain, clamp_gold=clamp)
    rows = patterns.rows[random.sample(range(patterns.rows.height), patterns.rows.height)]
    ends = sorted([0, *cuts, rows.height])
    parts = [kernel.of_batch(rows[a:b]) for a, b in pairwise(ends)]
    random.shuffle(parts)
    whole, total = kernel.of_batch(patterns.rows), kernel.zero()
    for part in parts:
        total = kernel.merge(part, total)
    assert total == whole
    assert kernel.load(pl.concat([kernel.dump(part) for part in parts])) == whole
    assert whole != "sums"
    a, b, c = (kernel.of_batch(rows[i::3]) for i in range(3))
    assert kernel.merge(a, kernel.merge(b, c)) == kernel.merge(kernel.merge(c, b), a) == whole


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(2, 3), st.booleans(), st.booleans())
def test_the_sums_are_those_of_em_in_memory(seed, k, use_abstain, clamp):
    patterns, kernel = drawn(seed, k, use_abstain=use_abstain, clamp_gold=clamp)
    value = kernel.of_batch(patterns.rows)
    rows = make_rows(unpack(patterns), patterns.counts, patterns.gold if clamp else None, k)
    q, log_sum = e_step(rows, kernel.cpt, kernel.class_balance, use_abstain=use_abstain)
    expected = expect(rows, q)
    # A row is rounded to the nearest multiple of 2^-30.
    error = patterns.rows.height * 2.0**-31
    for name in ("votes", "mass", "voted"):
        np.testing.assert_allclose(getattr(kernel.expected(value), name), getattr(expected, name), atol=error, rtol=0)
    assert kernel.log_likelihood(value) == pytest.approx(patterns.counts @ log_sum, abs=error + 1e-9)
    assert value.n_items == patterns.n_items


def test_two_patterns_by_hand():
    rows = of_matrix(np.array([[0, -1], [0, -1], [-1, -1]], np.int8), ("lf_a", "lf_b"), 2).rows
    cpt = np.array([[[0.5, 0.5], [0.375, 0.125], [0.125, 0.375]], [[0.5, 0.5], [0.25, 0.25], [0.25, 0.25]]])
    kernel = ExpectationsKernel(
        lf_names=("lf_a", "lf_b"),
        taking_part=("lf_a",),
        cardinality=2,
        n_items=3,
        cpt=cpt[:1],
        class_balance=np.array([0.5, 0.5]),
        use_abstain=False,
        clamp_gold=False,
    )
    found = kernel.expected(kernel.of_batch(rows))
    # Two items voted 0, which is three times likelier in class 0; the third is undecided and silent.
    np.testing.assert_allclose(found.mass, [1.5 + 0.5, 0.5 + 0.5])
    np.testing.assert_allclose(found.voted, [1.5, 0.5])
    np.testing.assert_allclose(found.votes, [[1.5, 0.5], [0, 0]])
    assert kernel.log_likelihood(kernel.of_batch(rows)) == pytest.approx(2 * np.log(0.5 * (0.375 + 0.125)))


def test_majority_votes_shares_where_there_are_no_tables():
    rows = of_matrix(np.array([[0, 0, 1], [1, -1, -1], [-1, -1, -1]], np.int8), ("a", "b", "c"), 2).rows
    kernel = ExpectationsKernel(
        lf_names=("a", "b", "c"),
        taking_part=("a", "b", "c"),
        cardinality=2,
        n_items=3,
        cpt=None,
        class_balance=np.array([0.5, 0.5]),
        use_abstain=False,
        clamp_gold=False,
    )
    found = kernel.of_batch(rows)
    np.testing.assert_allclose(kernel.expected(found).voted, [2 / 3, 1 + 1 / 3])
    np.testing.assert_allclose(kernel.expected(found).mass, [2 / 3 + 0.5, 1 + 1 / 3 + 0.5])
    assert kernel.log_likelihood(found) == 0


def test_blocks_of_a_large_batch_add_up(monkeypatch):
    patterns, kernel = drawn(1)
    whole = kernel.of_batch(patterns.rows)
    monkeypatch.setattr(packing, "_BLOCK_VOTES", 11)
    assert kernel.of_batch(patterns.rows) == whole


@pytest.mark.parametrize("log_items", [32, 33, 40, 61])
def test_the_largest_tables_do_not_overflow(log_items):
    """Counts as large as a table can have: sums in whole numbers of any size are the reference."""
    patterns, kernel = drawn(2, n=60, clamp_gold=True)
    height = patterns.rows.height
    share = 2**log_items // height
    counts = np.full(height, share)
    counts[0] += 2**log_items - share * height
    rows = patterns.rows.with_columns(n_items=counts)
    kernel = replace(kernel, n_items=2**log_items)
    value = kernel.of_batch(rows)
    assert value.n_items == 2**log_items
    unit = 2**kernel.item_bits
    assert kernel.item_bits == {32: 29, 33: 28, 40: 21, 61: 0}[log_items]
    # Soft labels sum to one, so masses sum to the items, but for what rounding adds.
    assert abs(sum(value.mass.tolist()) - 2**log_items * unit) <= height + 2.0**-50 * 2**log_items * unit
    exact = [0] * 2
    reference = make_rows(unpack(patterns), counts, patterns.gold, 2)
    q, log_sum = e_step(reference, kernel.cpt, kernel.class_balance, use_abstain=True)
    for n, row in zip(counts.tolist(), q.tolist(), strict=True):
        for y in range(2):
            exact[y] += round(n * row[y] * unit)
    assert value.mass.tolist() == exact
    assert (value.mass > 0).all()
    log_likelihood = float(counts.astype(float) @ log_sum)
    assert kernel.log_likelihood(value) == pytest.approx(log_likelihood, rel=1e-12)
    assert abs(value.log_likelihood) < 2**62


def test_known_classes_are_read_only_to_be_held():
    patterns, kernel = drawn(3)
    assert "gold" not in kernel.columns
    assert kernel.of_batch(patterns.rows.drop("gold")) == kernel.of_batch(patterns.rows)
    held = replace(kernel, clamp_gold=True)
    assert "gold" in held.columns
    with pytest.raises(MissingColumns, match=r"'patterns' lacks .'gold'"):
        held.of_batch(patterns.rows.drop("gold"))
    with pytest.raises(MissingColumns, match=r"'expectations' lacks \['mass'\]"):
        kernel.load(kernel.dump(kernel.zero()).drop("mass"))
