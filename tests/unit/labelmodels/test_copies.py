"""Functions that vote alike: copies are found, what agrees for other reasons is not."""

import numpy as np

from sparkws import synthetic
from sparkws.labelmodels import copies as module
from sparkws.labelmodels.copies import alike_pairs, copies
from sparkws.stats.moments import of_patterns
from sparkws.stats.patterns import of_matrix


def ones(L):
    return np.ones(len(L), np.int64)


def world(n=2000, m=5, **options):
    rng = np.random.default_rng(0)
    return synthetic.sample(synthetic.random_truth(rng, m, 2, **options), n, rng)[0], rng


def test_copies_are_found_also_where_one_abstains_more_often():
    L, rng = world()
    copy = np.where(rng.random(len(L)) < 0.5, L[:, 1], -1)
    almost = np.where(rng.random(len(L)) < 0.002, 1 - np.abs(L[:, 3]), L[:, 3])
    assert copies(np.column_stack([L, copy, almost]).astype(np.int8), ones(L), 2) == ((1, 5), (3, 6))


def test_pairs_that_vote_alike_are_found_in_moments_too():
    L, rng = world()
    copy = np.where(rng.random(len(L)) < 0.5, L[:, 1], -1)
    single, _ = world(n_single_class=5, coverage=(0.3, 0.6))
    L = np.column_stack([L, copy, single[:, 0], single[:, 0]]).astype(np.int8)
    counted = of_patterns(of_matrix(L, synthetic.lf_names(8), 2))
    assert np.argwhere(alike_pairs(counted, use_abstain=False)).tolist() == [[1, 5], [5, 1]]
    assert np.argwhere(alike_pairs(counted, use_abstain=True)).tolist() == [[1, 5], [5, 1], [6, 7], [7, 6]]


def test_counts_weigh_as_rows_do():
    L, _ = world(m=3)
    L = np.column_stack([L, L[:, 2]])
    rows, counts = np.unique(L, axis=0, return_counts=True)
    assert copies(rows, counts, 2) == copies(L, ones(L), 2) == ((2, 3),)


def test_what_agrees_for_other_reasons_is_no_copy():
    good, _ = world(accuracy=(0.97, 0.98), coverage=(0.9, 0.99))
    assert copies(good, ones(good), 2) == ()
    few, _ = world(n=80)
    assert copies(np.column_stack([few, few]), ones(few), 2) == ()
    # Of one class each, they agree whenever they meet; always voting for one class is agreeing too.
    single, _ = world(n_single_class=5, coverage=(0.3, 0.6))
    assert copies(single, ones(single), 2) == ()
    always = np.zeros((1000, 3), np.int8)
    assert copies(always, ones(always), 2) == ()


def test_functions_of_one_class_that_fire_on_the_same_items_are_copies():
    single, _ = world(n_single_class=5, coverage=(0.3, 0.6))
    assert copies(np.column_stack([single, single[:, 4]]), ones(single), 2) == ((4, 5),)


def test_very_many_functions_are_not_compared(monkeypatch):
    monkeypatch.setattr(module, "_MOST_WORK", 10)
    L = np.array([[0, 0], [1, 1]] * 200, np.int8)
    assert copies(L, ones(L), 2) == ()
