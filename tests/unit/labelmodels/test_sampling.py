"""Samples of the items, and whether the standard errors they bring are honest."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sparkws import hashing, synthetic
from sparkws.errors import NothingToFit
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.polish import polish
from sparkws.labelmodels.sampling import (
    N_GROUPS,
    cap_patterns,
    level_to_read,
    sample_level,
    standard_error,
    standard_errors,
)
from sparkws.stats.counters import of_patterns
from sparkws.stats.patterns import PatternsKernel, at_level, collapse, of_matrix
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


INDEPENDENT = synthetic.random_truth(np.random.default_rng(5), 4, 2, accuracy=(0.75, 0.9), coverage=(0.5, 0.9))
# EM finds what the copies share as much as the class: the error is against the full fit, not the truth.
DEPENDENT = replace(INDEPENDENT, groups=((0, 1),), copy=0.4)


def errors_of_samples(truth, *, n=20_000, level=3, repetitions=60, n_steps=0, **options):
    """Distances of fits from samples to the fit from all items, and their reported errors, `(repetitions, cells)`.

    Each repetition gives the items other keys, so that other items have the level.
    """
    rng = np.random.default_rng(11)
    L, _ = synthetic.sample(truth, n, rng)
    whole = of_matrix(L, LFS, 2)
    counters = of_patterns(whole)
    # The samples stop by the same rule as the full fit; steps are measured against the peak itself.
    full = DawidSkene(2, **options, tol=1e-12 if n_steps else 1e-7).fit(whole)
    distances, errors = [], []
    for repetition in range(repetitions):
        keys = pl.Series(range(repetition * n, (repetition + 1) * n))
        sample = of_matrix(L[hashing.levels(hashing.hash_keys(keys)) >= level], LFS, 2)
        model = DawidSkene(2, **options).fit(sample)
        told = standard_errors(model, sample, level, rng, n_steps)[1]
        if n_steps:
            model.tol = 0.0
            model = polish(model, counters, lambda kernel: kernel.of_batch(whole.rows), n_steps)
            assert model.n_polish_ == n_steps
        distances.append(np.append(model.cpt_ - full.cpt_, model.class_balance_ - full.class_balance_))
        errors.append(np.append(told.cpt, told.class_balance))
    return np.array(distances), np.array(errors)


@pytest.mark.parametrize(
    ("truth", "abstain"), [(INDEPENDENT, "missing"), (DEPENDENT, "outcome")], ids=["independent", "dependent"]
)
def test_standard_errors_are_honest(truth, abstain):
    """The spread of fits from samples around the full fit is the reported one, and so is the share within two."""
    distances, errors = errors_of_samples(truth, abstain=abstain)
    ratio = np.sqrt((distances**2).mean(axis=0) / (errors**2).mean(axis=0))
    # A spread from 60 samples is uncertain by 1 / sqrt(120) = 9 %: three times that either way, for any cell.
    assert (np.abs(ratio - 1) < 0.28).all(), ratio
    assert abs(ratio.mean() - 1) < 0.15
    # Ten groups give Student's t with nine degrees: 92.3 % within two errors.
    covered = (np.abs(distances) <= 2 * errors).mean(axis=1)
    expected = 1 - 2 * stats.t.sf(2, N_GROUPS - 1)
    assert abs(covered.mean() - expected) < 3 * covered.std() / np.sqrt(len(covered))


def test_the_errors_that_steps_over_all_items_leave_are_honest():
    distances, errors = errors_of_samples(INDEPENDENT, abstain="missing", repetitions=30, n_steps=2)
    told = errors.mean(axis=0) > 1e-6  # how often a function abstains is known exactly by now
    assert np.abs(distances[:, ~told]).max() < 1e-6
    ratio = np.sqrt((distances[:, told] ** 2).mean(axis=0) / (errors[:, told] ** 2).mean(axis=0))
    # 30 samples: 13 %. The cells move together along the slowest direction of EM.
    assert abs(ratio.mean() - 1) < 0.4, ratio
    assert np.abs(distances).mean() < 0.006, "the fits from the samples alone are at .011"


def test_errors_do_not_depend_on_the_tolerance_of_the_fit():
    """A tolerance grows with the votes; refits that stop by it would not move away from the fit."""
    rng = np.random.default_rng(2)
    patterns = of_matrix(synthetic.sample(INDEPENDENT, 5000, rng)[0], LFS, 2)
    largest = []
    for tol in (1e-9, 1e-5):
        model = DawidSkene(2, abstain="missing", tol=tol).fit(patterns)
        largest.append(standard_error(model, patterns, 3, np.random.default_rng(3)).largest)
    assert largest[1] == pytest.approx(largest[0], rel=0.1)


def test_a_sample_of_too_few_items_has_no_error():
    patterns = of_matrix(np.array([[0, 0, 1, 1], [-1, -1, -1, -1]], np.int8), LFS, 2)
    model = DawidSkene(2).fit(patterns)
    with pytest.raises(NothingToFit, match=r"group \d of 10 holds all sampled items with votes"):
        standard_error(model, patterns, 1, np.random.default_rng(0))
