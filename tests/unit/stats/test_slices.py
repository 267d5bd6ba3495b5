"""Pattern counts of slices: those of the slice's items by themselves, however the votes are cut."""

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.errors import IncompatibleStatistics, MissingColumns
from sparkws.stats import counters, moments
from sparkws.stats.patterns import PatternsKernel, of_matrix
from sparkws.stats.slices import SlicesKernel, subtract

LFS = synthetic.lf_names(4)
KERNEL = SlicesKernel(LFS, 3, ("short", "odd", "none"), with_gold=True)


def votes(n=300, seed=0):
    rng = np.random.default_rng(seed)
    L = rng.integers(-1, 3, (n, 4)).astype(np.int8)
    members = {
        "slice_short": np.where(rng.random(n) < 0.3, 1, -1),
        "slice_odd": np.where(np.arange(n) % 2, 1, -1),
        "slice_none": np.full(n, -1),
    }
    frame = synthetic.votes_frame(L, LFS).with_columns(
        pl.Series("gold", rng.integers(-1, 3, n), pl.Int8),
        *(pl.Series(name, of, pl.Int8) for name, of in members.items()),
    )
    return L, members, frame


def test_a_slice_has_the_counts_of_its_items_alone():
    L, members, frame = votes()
    sliced = KERNEL.of_batch(frame)
    for name in KERNEL.slices:
        inside = members[f"slice_{name}"] == 1
        alone = of_matrix(L[inside], LFS, 3, frame["gold"].to_numpy()[inside])
        assert counters.of_patterns(sliced[name]).votes.tolist() == counters.of_patterns(alone).votes.tolist()
        assert moments.of_patterns(sliced[name]) == moments.of_patterns(alone)
        assert sliced[name] == PatternsKernel(LFS, 3, with_gold=True).of_batch(frame.filter(pl.Series(inside)))
    assert sliced["none"].n_items == 0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 120), max_size=4), st.randoms(use_true_random=False))
def test_any_cut_in_any_order_gives_the_same_and_what_was_added_can_be_taken_away(cuts, random):
    _, _, frame = votes(120)
    edges = [0, *sorted(cuts), 120]
    parts = [KERNEL.of_batch(frame[a:b]) for a, b in itertools.pairwise(edges)]
    random.shuffle(parts)
    whole = KERNEL.of_batch(frame)
    total = KERNEL.zero()
    for part in parts:
        total = KERNEL.merge(total, part)
    assert total == whole
    assert KERNEL.load(pl.concat([KERNEL.dump(part) for part in parts]), is_whole=True) == whole
    rest = subtract(whole, parts[0])
    assert KERNEL.merge(rest, parts[0]) == whole


def test_null_is_outside():
    _, _, frame = votes(10)
    failed = frame.with_columns(pl.lit(None, pl.Int8).alias("slice_short"))
    assert KERNEL.of_batch(failed)["short"].n_items == 0


def test_what_does_not_fit_is_refused():
    _, _, frame = votes(10)
    with pytest.raises(MissingColumns, match=r"lacks \['slice_odd'\]"):
        KERNEL.of_batch(frame.drop("slice_odd"))
    rows = KERNEL.dump(KERNEL.of_batch(frame))
    with pytest.raises(IncompatibleStatistics, match=r"slices \['shrt'\], expected .*Did you mean 'short'"):
        KERNEL.load(rows.with_columns(pl.lit("shrt").alias("slice")))
    with pytest.raises(IncompatibleStatistics, match=r"only one of the statistics counts the slices \['odd'\]"):
        subtract(KERNEL.zero(), {name: of for name, of in KERNEL.zero().items() if name != "odd"})
