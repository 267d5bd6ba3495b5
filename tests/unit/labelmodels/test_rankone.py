"""The rank-one fit: exact where the matrix is one, the naive stationary point where it is not, and robust if asked."""

import numpy as np
import pytest

from sparkws.labelmodels.rankone import rank_one


def drawn(d, seed=0, noise=0.0):
    rng = np.random.default_rng(seed)
    u = rng.uniform(0.3, 0.9, d)
    upper = np.triu(rng.uniform(0.5, 2, (d, d)) * (rng.random((d, d)) < 0.8), 1)
    errors = np.triu(rng.normal(0, noise, (d, d)), 1)
    return u, np.outer(u, u) + errors + errors.T, upper + upper.T


def test_a_matrix_of_rank_one_comes_back_whatever_is_missing():
    u, target, weights = drawn(12)
    target = np.where(weights > 0, target, 99.0)
    found = rank_one(target, weights, np.full(12, 0.5), max_iter=500, tol=1e-14)
    np.testing.assert_allclose(found, u, atol=1e-10)


def test_it_rests_where_the_sum_of_squares_does():
    """F = Σ w (C - u uᵀ)² + 2 t Σ (u - prior)² has no slope there."""
    _, target, weights = drawn(6, seed=1, noise=0.2)
    prior, precision = np.linspace(0.2, 0.8, 6), 3.0
    found = rank_one(target, weights, np.full(6, 0.5), prior=prior, prior_precision=precision, max_iter=1000, tol=1e-14)

    def loss(u):
        pairs = sum(weights[i, j] * (target[i, j] - u[i] * u[j]) ** 2 for i in range(6) for j in range(6))
        return pairs + 2 * precision * sum((u[i] - prior[i]) ** 2 for i in range(6))

    slopes = [(loss(found + 1e-5 * e) - loss(found - 1e-5 * e)) / 2e-5 for e in np.eye(6)]
    np.testing.assert_allclose(slopes, 0, atol=1e-7)


def test_what_nothing_is_told_of_keeps_the_start_and_bounds_hold():
    target = np.array([[0.0, 4.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    weights = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    found = rank_one(target, weights, np.array([0.5, 0.5, 0.25]), highest=1.0, max_iter=100, tol=1e-12)
    np.testing.assert_array_equal(found, [1.0, 1.0, 0.25])


def test_with_errors_a_pair_that_is_far_off_counts_less():
    u, target, weights = drawn(20, seed=2)
    weights = np.where(weights > 0, 1.0, 0.0)
    i, j = np.argwhere(weights > 0)[0]
    target[i, j] = target[j, i] = 5.0
    squares = rank_one(target, weights, u, max_iter=500, tol=1e-12)
    robust = rank_one(target, weights, u, error=np.full((20, 20), 0.01), max_iter=500, tol=1e-12)
    assert np.abs(robust - u).max() < 0.02 < 0.2 < np.abs(squares - u).max()
    assert rank_one(target[:0, :0], weights[:0, :0], u[:0], max_iter=5, tol=1e-12).shape == (0,)


@pytest.mark.parametrize("max_iter", [1, 3])
def test_half_of_each_step_is_taken(max_iter):
    """By hand for two: u ← (u + C / u') / 2 with C = 1."""
    target = np.array([[0.0, 1.0], [1.0, 0.0]])
    found = rank_one(target, target, np.array([2.0, 2.0]), max_iter=max_iter, tol=0.0)
    expected = 2.0
    for _ in range(max_iter):
        expected = (expected + 1 / expected) / 2
    np.testing.assert_allclose(found, expected)
