"""Samples of the items, and whether the standard errors they bring are honest."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.errors import NothingToFit
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.sampling import cap_patterns, level_to_read, sample_level, standard_error
from sparkws.stats.patterns import Patterns, PatternsKernel, at_level, collapse, of_matrix
from sparkws.vocab import MAX_LEVEL

LFS = synthetic.lf_names(4)


def test_the_smallest_level_that_fits():
    rows = [1000 >> level for level in range(MAX_LEVEL + 1)]
    assert sample_level(rows, cap=10_000) == 0
    assert sample_level(rows, cap=sum(rows)) == 0
    assert sample_level(rows, cap=sum(rows) - 1) == 1
    assert sample_level(rows, cap=sum(rows[5:])) == 5
    assert sample_level([7] * (MAX_LEVEL + 1), cap=3) == MAX_LEVEL


def test_patterns_are_capped_after_levels_are_summed():
    rng = np.random.default_rng(0)
    L = synthetic.sample(synthetic.random_truth(rng, 4, 2), 4000, rng)[0]
    counts = PatternsKernel(LFS, 2).of_batch(synthetic.votes_frame(L))
    distinct = collapse(counts).rows.height
    assert cap_patterns(counts, 0, cap=distinct) == (counts, 0)
    capped, level = cap_patterns(counts, 0, cap=distinct // 2)
    assert level > 0
    assert capped == at_level(counts, level)
    assert collapse(capped).rows.height <= distinct // 2


def test_levels_that_cannot_fit_are_not_read():
    halves = [1000 >> level for level in range(MAX_LEVEL + 1)]
    assert level_to_read(halves, 0, cap=1000) == 0
    assert level_to_read(halves, 0, cap=999) == 1
    assert level_to_read(halves, 1, cap=500) == 0
    assert level_to_read(halves, 1, cap=499) == 1
    # The same patterns on every level: no level has too many by itself, and all of them are read.
    assert level_to_read([7] * (MAX_LEVEL + 1), 0, cap=7) == 0
    assert level_to_read([7] * (MAX_LEVEL + 1), 0, cap=6) == MAX_LEVEL
    # However many classes are known, no more is read than `cap` patterns on all levels.
    assert level_to_read([20] * (MAX_LEVEL + 1), 3, cap=10) == 9


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.booleans())
def test_the_sample_is_the_largest_that_fits(seed, cap, has_gold):
    rng = np.random.default_rng(seed)
    L = synthetic.sample(synthetic.random_truth(rng, 4, 2), 300, rng)[0]
    gold = pl.Series("gold", rng.integers(-1, 2 if has_gold else 0, 300), dtype=pl.Int8)
    counts = PatternsKernel(LFS, 2, with_gold=True).of_batch(synthetic.votes_frame(L).with_columns(gold))
    rows = [counts.rows.filter(level=level).height for level in range(MAX_LEVEL + 1)]
    first = level_to_read(rows, 2 if has_gold else 0, cap)
    from_all = cap_patterns(counts, 0, cap)
    assert cap_patterns(at_level(counts, first), first, cap) == from_all


def test_all_items_bring_no_sampling_error():
    patterns = of_matrix(np.zeros((5, 4), np.int8), LFS, 2)
    model = DawidSkene(2).fit(patterns)
    errors = standard_error(model, patterns, 0, np.random.default_rng(0))
    assert not errors.cpt.any()
    assert not errors.class_balance.any()
    with pytest.raises(NothingToFit, match="no tables yet"):
        standard_error(DawidSkene(2), patterns, 1, np.random.default_rng(0))


def test_standard_errors_cover_the_fit_from_all_items():
    """Over repeated samples, errors in units of their standard error spread like Student's t with 9 degrees."""
    rng = np.random.default_rng(1)
    truth = synthetic.random_truth(rng, 4, 2, accuracy=(0.8, 0.9), coverage=(0.6, 0.9))
    L, _ = synthetic.sample(truth, 8000, rng)
    whole = of_matrix(L, LFS, 2)
    full = DawidSkene(2, abstain="missing").fit(whole)
    scaled = []
    for _ in range(20):
        # A quarter of the items without replacement, as a level of two zero bits would give.
        counts = rng.multivariate_hypergeometric(whole.counts, 2000)
        sample = Patterns(LFS, 2, whole.rows.with_columns(n_items=counts).filter(pl.col("n_items") > 0))
        fit = DawidSkene(2, abstain="missing").fit(sample)
        errors = standard_error(fit, sample, 2, rng)
        scaled.append(((fit.cpt_ - full.cpt_) / np.maximum(errors.cpt, 1e-12))[:, 1:].ravel())
        assert fit.cpt_ is not None, "the model itself is left as it was"
        assert fit.n_iter_ > 1
    inside = (np.abs(scaled) < 2.26).mean()
    assert 0.88 < inside < 0.99
