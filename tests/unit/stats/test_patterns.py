"""Laws of the pattern counts, the packing by hand, and the naive count."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparkws import hashing
from sparkws.errors import IncompatibleStatistics, InvalidLabelMatrix, MissingColumns, NothingToFit
from sparkws.stats.packing import key_columns, lf_per_key
from sparkws.stats.patterns import (
    PatternsKernel,
    at_level,
    collapse,
    merge,
    of_matrix,
    select,
    subtract,
    unpack,
)

LFS, K = ("lf_link", "lf_caps", "lf_short"), 2
KERNEL = PatternsKernel(LFS, K, with_gold=True)
matrices = hnp.arrays(np.int8, st.tuples(st.integers(0, 60), st.just(4)), elements=st.integers(-1, K - 1))


def batch_of(matrix):
    """A votes table: three functions and gold."""
    columns = {name: matrix[:, j] for j, name in enumerate((*LFS, "gold"))}
    return pl.DataFrame({"item_id": [f"item {i}" for i in range(len(matrix))], **columns})


def test_three_items_by_hand():
    votes = pl.DataFrame(
        {"item_id": [1, 2, 3], "lf_link": [1, None, 1], "lf_caps": [-1, -1, -1], "lf_short": [0, 0, 0]},
        schema_overrides=dict.fromkeys(LFS, pl.Int8),
    )
    got = collapse(PatternsKernel(LFS, K).of_batch(votes))
    assert got.rows.rows() == [(0 + 0 * 3 + 1 * 9, -1, 0, 1), (2 + 0 * 3 + 1 * 9, -1, 0, 2)]
    assert unpack(got).tolist() == [[-1, -1, 0], [1, -1, 0]]
    assert got.n_items == 3


@settings(max_examples=15)
@given(matrices)
def test_equals_the_naive_count(matrix):
    batch = batch_of(matrix)
    levels = hashing.levels(hashing.hash_keys(batch["item_id"]))
    naive = Counter((*row, level) for row, level in zip(matrix.tolist(), levels.tolist(), strict=True))
    got = KERNEL.of_batch(batch)
    rows = zip(unpack(got).tolist(), got.gold.tolist(), got.rows["level"], got.counts.tolist(), strict=True)
    assert {(*votes, gold, level): n for votes, gold, level, n in rows} == naive


@settings(max_examples=15)
@given(matrices, st.integers(0, 60), st.randoms())
def test_any_split_in_any_order_gives_one_answer(matrix, cut, random):
    batch, order = batch_of(matrix), list(range(len(matrix)))
    random.shuffle(order)
    a, b = KERNEL.of_batch(batch[order[:cut]]), KERNEL.of_batch(batch[order[cut:]])
    whole = KERNEL.of_batch(batch)
    assert KERNEL.merge(KERNEL.merge(b, KERNEL.zero()), a) == KERNEL.merge(a, b) == whole
    assert subtract(whole, a) == b
    assert subtract(whole, whole) == KERNEL.zero()
    assert KERNEL.load(KERNEL.dump(whole).sample(fraction=1.0, shuffle=True, seed=1), is_whole=True) == whole
    assert KERNEL.load(pl.concat([KERNEL.dump(a), KERNEL.dump(b)])) == whole


@settings(max_examples=15)
@given(matrices, st.permutations(range(3)))
def test_selecting_permuted_functions_permutes_the_columns(matrix, order):
    names = [LFS[j] for j in order]
    got = select(KERNEL.of_batch(batch_of(matrix)), names)
    assert got == PatternsKernel(tuple(names), K, with_gold=True).of_batch(batch_of(matrix))


@settings(max_examples=15)
@given(matrices)
def test_selecting_some_functions_counts_as_if_the_others_were_not_there(matrix):
    got = select(KERNEL.of_batch(batch_of(matrix)), ["lf_short"])
    assert got == PatternsKernel(("lf_short",), K, with_gold=True).of_batch(batch_of(matrix))
    assert select(got, ["lf_short"]) is got


@settings(max_examples=10)
@given(st.sampled_from([(2, 39), (2, 40), (3, 65), (126, 9), (127, 9), (127, 10)]), st.integers(0, 2**32 - 1))
def test_keys_of_any_width_hold_every_vote(shape, seed):
    k, m = shape
    L = np.random.default_rng(seed).integers(-1, k, (5, m)).astype(np.int8)
    names = tuple(f"lf_{j}" for j in range(m))
    got = of_matrix(L, names, k)
    assert len(key_columns(names, k)) == -(-m // lf_per_key(k))
    assert sorted(unpack(got).tolist()) == sorted({tuple(row): list(row) for row in L.tolist()}.values())
    top = of_matrix(np.full((1, m), k - 1, np.int8), names, k)
    assert (unpack(top) == k - 1).all()


def test_levels_are_nested_samples():
    L = np.zeros((4000, 4), np.int8)
    counts = KERNEL.of_batch(batch_of(L))
    sizes = [at_level(counts, level).n_items for level in range(4)]
    assert sizes[0] == 4000
    assert sizes == sorted(sizes, reverse=True)
    assert abs(sizes[3] - 500) < 100
    assert collapse(counts).rows.height == 1


def test_gold_rows_move_from_unknown_to_their_class_by_negative_counts():
    everything = PatternsKernel(LFS, K).of_batch(batch_of(np.zeros((5, 4), np.int8)))
    known = KERNEL.of_batch(batch_of(np.zeros((5, 4), np.int8))[:2])
    as_unknown = PatternsKernel(LFS, K).of_batch(batch_of(np.zeros((5, 4), np.int8))[:2])
    taken = as_unknown.rows.with_columns(-pl.col("n_items"))
    part = KERNEL.load(pl.concat([known.rows, taken]))
    assert part.n_items == 0
    whole = KERNEL.merge(everything, part)
    assert collapse(whole).rows.select("gold", "n_items").rows() == [(-1, 3), (0, 2)]
    assert collapse(whole, keep_gold=False).rows["n_items"].to_list() == [5]
    with pytest.raises(IncompatibleStatistics, match="would count fewer than no items, the first -"):
        KERNEL.load(part.rows, is_whole=True)


def test_subtracting_strangers_is_refused():
    one, other = (of_matrix(np.array([row], np.int8), LFS, K) for row in ([1, -1, -1], [-1, 0, -1]))
    with pytest.raises(IncompatibleStatistics, match="1 patterns would count fewer than no items"):
        subtract(one, other)


def test_counts_of_other_functions_are_refused():
    L = np.zeros((1, 3), np.int8)
    with pytest.raises(IncompatibleStatistics, match=r"\['lf_other', 'lf_short'\] in one of them only"):
        merge(of_matrix(L, LFS, K), of_matrix(L, ("lf_link", "lf_caps", "lf_other"), K))
    with pytest.raises(IncompatibleStatistics, match="2 and 3 classes"):
        subtract(of_matrix(L, LFS, K), of_matrix(L, LFS, 3))
    assert of_matrix(L, LFS, K) != "patterns"


def test_selecting_what_was_not_counted_is_refused():
    counts = of_matrix(np.zeros((1, 3), np.int8), LFS, K)
    with pytest.raises(IncompatibleStatistics, match=r"do not count \['lf_lnk'\].* Did you mean 'lf_link'"):
        select(counts, ["lf_lnk"])
    with pytest.raises(NothingToFit, match=r"none of \['lf_link', 'lf_caps', 'lf_short'\] takes part"):
        select(counts, [])


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("lf_caps", "2 votes are outside -1..1 for cardinality=2; first: 'lf_caps' voted 2 on item_id 'item 1'"),
        ("gold", "2 votes are outside -1..1 for cardinality=2; first: 'gold' voted 2 on item_id 'item 1'"),
    ],
)
def test_votes_outside_the_classes_are_refused(column, message):
    batch = batch_of(np.zeros((3, 4), np.int8)).with_columns(pl.Series(column, [0, 2, -2], dtype=pl.Int8))
    with pytest.raises(InvalidLabelMatrix, match=message):
        KERNEL.of_batch(batch)


def test_votes_that_are_not_integers_are_refused():
    batch = batch_of(np.zeros((3, 4), np.int8)).with_columns(lf_caps=pl.lit(0.7))
    with pytest.raises(InvalidLabelMatrix, match=r"'lf_caps' of the votes is Float64, expected integers in -1..1"):
        KERNEL.of_batch(batch)
    with pytest.raises(InvalidLabelMatrix, match=r"'gold' .* voted 2 in row 0"):
        of_matrix(np.zeros((1, 3), np.int8), LFS, K, np.array([2], np.int8))


def test_missing_columns_are_refused():
    with pytest.raises(MissingColumns, match=r"'votes' lacks .'lf_short'"):
        KERNEL.of_batch(batch_of(np.zeros((3, 4), np.int8)).drop("lf_short"))
    with pytest.raises(MissingColumns, match=r"'patterns' lacks .'level'"):
        KERNEL.load(KERNEL.zero().rows.drop("level"))


def test_gold_of_another_length_is_refused():
    with pytest.raises(InvalidLabelMatrix, match=r"gold has shape \(1,\), expected \(2,\)"):
        of_matrix(np.zeros((2, 1), np.int8), ["a"], 2, np.zeros(1, np.int8))
