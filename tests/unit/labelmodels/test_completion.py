"""Matrix completion: the published loss, exact recovery, what pairs do not identify, and dependent functions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad

from sparkws import synthetic
from sparkws.errors import ConfigError, NothingToFit
from sparkws.labelmodels.completion import MatrixCompletion, mask_of
from sparkws.labelmodels.maskedloss import Completion, make_completion, named, rotated, solve
from sparkws.labelmodels.thirds import moments_of
from sparkws.stats import moments
from sparkws.stats.patterns import of_matrix
from tests.exact import exact_moments

NAMES = ("a", "b", "c")


def fit(both, k=2, **options):
    return MatrixCompletion(k, **options).fit(both.pairs, triples=both.triples)


def test_the_published_loss_by_hand():
    """L = [[0, -1, 0], [0, 1, -1]], uniform balance, μ = μ⁰ + .05: .675175, and .03 for l2 = 1."""
    # Cells that never occur count too in the published loss: with them there are six.
    psi = np.array([[1, 0, 0, 0, 1, 0], [1, 0, 0, 1, 0, 0]], float)
    O = psi.T @ psi / 2
    label_of = np.array([0, 1, 0, 1, 0, 1])
    anchor = np.where(label_of[:, None] == [0, 1], np.clip(np.diagonal(O) * 0.7 / 0.5, 0, 1)[:, None], 0.0)
    mask = np.kron(1 - np.eye(3), np.ones((2, 2))).astype(bool)
    p = np.array([0.5, 0.5])
    assert Completion(O, mask, p, anchor, 0.0).loss(anchor + 0.05) == pytest.approx(0.675175)
    with_l2 = Completion(O, mask, p, anchor, 1.0).loss(anchor + 0.05)
    assert with_l2 == pytest.approx(0.675175 + 0.03)


def problem_of(seed, k=2, l2=0.0, groups=()):
    rng = np.random.default_rng(seed)
    truth = synthetic.random_truth(rng, 4, k, n_single_class=1)
    L, _ = synthetic.sample(truth, 200, rng)
    counted = moments.of_patterns(of_matrix(L, synthetic.lf_names(4), k))
    return counted, make_completion(counted, truth.class_balance, l2, mask_of(counted, groups))


@pytest.mark.parametrize("k", [2, 3])
def test_the_loss_is_the_formula_and_the_gradient_its_derivative(k):
    counted, problem = problem_of(1, k, l2=0.3, groups=[("lf_0", "lf_2")])
    rng = np.random.default_rng(0)
    mu = rng.random((len(counted.cells), k))
    lf = counted.lf_of
    naive = 0.0
    for i, j in np.ndindex(problem.O.shape):
        if lf[i] != lf[j] and {lf[i], lf[j]} != {0, 2}:
            naive += (counted.gram[i, j] / 200 - sum(problem.p[y] * mu[i, y] * mu[j, y] for y in range(k))) ** 2
    naive += sum((mu[i] @ problem.p - counted.gram[i, i] / 200) ** 2 for i in range(len(lf)))
    naive += 0.3**2 * ((mu - problem.anchor) ** 2).sum()
    assert problem.loss(mu) == pytest.approx(naive)
    error = check_grad(
        lambda x: problem.loss(x.reshape(mu.shape)),
        lambda x: 2 * problem.half_gradient(x.reshape(mu.shape)).ravel(),
        mu.ravel(),
    )
    assert error < 1e-5


def test_the_curvature_is_that_of_the_residuals():
    counted, problem = problem_of(2, 2, l2=0.3)
    rng = np.random.default_rng(0)
    shape = (len(counted.cells), 2)
    mu, step, h = rng.random(shape), rng.random(shape), 1e-6

    # Every residual as one vector, its derivative along the step by differences, and J'J step from that.
    def residuals(at):
        pairs, singles = problem.residuals(at)
        return np.concatenate([pairs.ravel(), singles, 0.3 * (at - problem.anchor).ravel()])

    along = (residuals(mu + h * step) - residuals(mu - h * step)) / (2 * h)
    expected = [
        along @ (residuals(mu + h * e.reshape(shape)) - residuals(mu - h * e.reshape(shape))) / (2 * h)
        for e in np.eye(mu.size)
    ]
    np.testing.assert_allclose(problem.curvature(mu, step).ravel(), expected, atol=1e-6)


@pytest.mark.parametrize(("n_single", "seed"), [(0, 0), (2, 1), (6, 2)])
def test_exact_moments_give_exact_tables(n_single, seed):
    truth = synthetic.random_truth(np.random.default_rng(seed), 7, 2, accuracy=(0.65, 0.9), n_single_class=n_single)
    model = fit(exact_moments(truth), smoothing=0)
    np.testing.assert_allclose(model.cpt_, truth.cpt, atol=1e-7)
    np.testing.assert_allclose(model.class_balance_, truth.class_balance, atol=1e-7)
    assert model.identified_.all()
    assert model.converged_
    assert model.n_iter_ < 50
    given_balance = MatrixCompletion(2, smoothing=0, class_balance=truth.class_balance)
    np.testing.assert_allclose(given_balance.fit(exact_moments(truth).pairs).cpt_, truth.cpt, atol=1e-7)


def test_three_classes_are_identified_by_third_moments_only():
    truth = synthetic.random_truth(np.random.default_rng(3), 5, 3, accuracy=(0.7, 0.9), n_single_class=2)
    both = exact_moments(truth)
    model = fit(both, 3, smoothing=0)
    np.testing.assert_allclose(model.cpt_, truth.cpt, atol=1e-4)
    assert model.identified_.all()
    pairs_only = MatrixCompletion(3, smoothing=0, class_balance=truth.class_balance).fit(both.pairs)
    assert pairs_only.loss_ < 1e-12
    assert not pairs_only.identified_.any()


@settings(max_examples=10)
@given(st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_rotated_tables_have_the_same_pairs(k, seed):
    rng = np.random.default_rng(seed)
    mu, p = rng.random((5, k)), rng.dirichlet(np.ones(k))
    turned = rotated(mu, p, rng)
    np.testing.assert_allclose((turned * p) @ turned.T, (mu * p) @ mu.T, atol=1e-9)
    np.testing.assert_allclose(turned @ p, mu @ p, atol=1e-9)


def test_mirrored_and_exchanged_columns_come_back():
    truth = synthetic.random_truth(np.random.default_rng(0), 4, 2, accuracy=(0.8, 0.9))
    mu, p = truth.cpt[:, 1:].reshape(8, 2), truth.class_balance
    mirrored = rotated(mu, p, np.random.default_rng(1))
    label_of = np.arange(8) % 2
    for one in (mu, mirrored, 2 * (mu @ p)[:, None] - mu if p[0] == p[1] else mirrored):
        np.testing.assert_allclose(named(one, p, label_of), mu, atol=1e-9)
    three = synthetic.random_truth(np.random.default_rng(0), 4, 3, accuracy=(0.8, 0.9)).cpt[:, 1:].reshape(12, 3)
    equal = np.full(3, 1 / 3)
    np.testing.assert_array_equal(named(three[:, [2, 0, 1]], equal, np.arange(12) % 3), three)
    unequal = np.array([0.2, 0.3, 0.5])
    np.testing.assert_array_equal(named(three[:, [1, 0, 2]], unequal, np.arange(12) % 3), three[:, [1, 0, 2]])


def test_pairs_of_a_group_are_left_out():
    truth = synthetic.random_truth(
        np.random.default_rng(4), 8, 2, accuracy=(0.65, 0.8), groups=[(0, 1, 2, 3)], copy=0.8
    )
    both = exact_moments(truth)
    options = {"smoothing": 0, "class_balance": truth.class_balance}
    without = MatrixCompletion(2, **options).fit(both.pairs)
    grouped = MatrixCompletion(2, groups=[("lf_0", "lf_1", "lf_2", "lf_3")], **options).fit(both.pairs)
    np.testing.assert_allclose(grouped.cpt_, truth.tables, atol=1e-6)
    assert np.abs(without.cpt_ - truth.tables).max() > 0.05
    with pytest.raises(ConfigError, match=r"groups name \['lf_o'\], which take no part"):
        MatrixCompletion(2, groups=[("lf_o", "lf_1")], **options).fit(both.pairs)


def test_regularization_pulls_toward_votes_of_the_prior_accuracy():
    truth = synthetic.random_truth(np.random.default_rng(4), 5, 2, accuracy=(0.85, 0.9))
    pairs = exact_moments(truth).pairs
    model = MatrixCompletion(2, l2=100, smoothing=0, class_balance="uniform", abstain="published").fit(pairs)
    rows = model.cpt_[:, 1:] * 0.5
    np.testing.assert_allclose(np.diagonal(rows, axis1=1, axis2=2) / rows.sum(axis=2), 0.7, atol=1e-3)
    strong = MatrixCompletion(3, l2=1, class_balance="uniform", abstain="published")
    assert strong.fit(moments_of(of_matrix(np.eye(3, dtype=np.int8), NAMES, 3)).pairs).identified_.all()


def test_two_functions_are_not_identified():
    L = np.array([[0, 0], [1, 1], [0, 1], [1, 1]], np.int8)
    model = MatrixCompletion(2, class_balance="uniform").fit(moments.of_patterns(of_matrix(L, NAMES[:2], 2)))
    assert model.identified_.tolist() == [False, False]


def test_where_iterations_end_that_is_told():
    _, problem = problem_of(5)
    found = solve(problem, problem.anchor, 1, 0.0)
    assert (found.n_iter, found.converged) == (1, False)
    assert solve(problem, problem.anchor, 500, 1e-8).converged


@settings(max_examples=10)
@given(st.permutations(range(6)), st.integers(0, 2**32 - 1))
def test_permuting_functions_permutes_their_tables(order, seed):
    rng = np.random.default_rng(seed)
    truth = synthetic.random_truth(rng, 6, 2, accuracy=(0.7, 0.9), n_single_class=2)
    L, _ = synthetic.sample(truth, 2000, rng)
    names = synthetic.lf_names(6)
    model = MatrixCompletion(2, class_balance=(0.4, 0.6))
    first = model.fit(moments.of_patterns(of_matrix(L, names, 2))).cpt_
    model.fit(moments.of_patterns(of_matrix(L[:, order], [names[j] for j in order], 2)))
    np.testing.assert_allclose(model.cpt_, first[order], atol=1e-5)


def test_options_are_checked():
    with pytest.raises(ConfigError, match="abstain must be 'auto', 'outcome', 'missing' or 'published', got 'ignored'"):
        MatrixCompletion(2, abstain="ignored")
    with pytest.raises(ConfigError, match="l2 must be at least 0 and finite, got -1"):
        MatrixCompletion(2, l2=-1)
    silent = moments.of_patterns(of_matrix(np.array([[-1]], np.int8), ("a",), 2))
    with pytest.raises(NothingToFit, match="none of the 1 items has a vote"):
        MatrixCompletion(2).fit(silent)
