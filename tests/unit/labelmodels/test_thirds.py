"""The class balance from third moments: against the formula over items, exact, and for several classes."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from sparkws import synthetic
from sparkws.errors import IncompatibleStatistics, NothingToFit
from sparkws.labelmodels.tensor import _likelihood, fit_triples
from sparkws.labelmodels.thirds import moment_balance, moments_of, tensor_balance
from sparkws.stats.patterns import of_matrix
from tests.exact import exact_moments


def balance(both, option="estimate", gold=None):
    return moment_balance(option, both.pairs, both.triples, gold)


def test_two_classes_against_the_formula_over_items():
    """Without abstentions κ = E[abc] / √(C_ab C_ac C_bc) for centered a, b, c, and π = (1 - κ / √(4 + κ²)) / 2."""
    rng = np.random.default_rng(0)
    cpt = np.stack([synthetic.table(accuracy, 1.0, 2) for accuracy in (0.9, 0.8, 0.85)])
    truth = synthetic.Truth(class_balance=np.array([0.75, 0.25]), cpt=cpt)
    L, _ = synthetic.sample(truth, 4000, rng)
    a, b, c = (L - L.mean(axis=0)).T
    kappa = (a * b * c).mean() / np.sqrt((a * b).mean() * (a * c).mean() * (b * c).mean())
    naive = 0.5 * (1 - kappa / np.sqrt(4 + kappa**2))
    found, source = balance(moments_of(of_matrix(L, ("a", "b", "c"), 2)))
    assert source == "estimate"
    np.testing.assert_allclose(found, [1 - naive, naive], atol=1e-9)
    assert naive == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize(("k", "n_single"), [(2, 0), (2, 6), (3, 0), (3, 3), (4, 2)])
def test_exact_triples_give_balance_and_tables(k, n_single):
    rng = np.random.default_rng(k + n_single)
    m = 6 if k < 4 else 5
    truth = synthetic.random_truth(rng, m, k, accuracy=(0.7, 0.9), coverage=(0.5, 0.9), n_single_class=min(n_single, m))
    both = exact_moments(truth)
    found = fit_triples(both.triples, both.pairs.votes)
    np.testing.assert_allclose(found.class_balance, truth.class_balance, atol=1e-3)
    np.testing.assert_allclose(found.cpt, truth.cpt, atol=1e-3)
    assert found.seen.all()
    assert found.converged


@pytest.mark.parametrize("k", [2, 3])
def test_a_balance_from_triples_is_asked_for_by_name(k):
    truth = synthetic.random_truth(np.random.default_rng(k), 6, k, accuracy=(0.7, 0.9), coverage=(0.5, 0.9))
    both = exact_moments(truth)
    found, source = balance(both, "tensor")
    assert source == "tensor"
    np.testing.assert_allclose(found, truth.class_balance, atol=1e-3)
    np.testing.assert_array_equal(tensor_balance(both), found)


@pytest.mark.parametrize("k", [2, 3])
def test_votes_that_do_not_tell_the_balance_are_refused_by_name_and_have_a_stand_in_otherwise(k):
    rng = np.random.default_rng(0)
    L = rng.integers(-1, k, (300, 4)).astype(np.int8)  # noise, with no class behind it
    patterns = of_matrix(L, ("a", "b", "c", "d"), k)
    with pytest.raises(NothingToFit, match=r"the votes of 4 triples of labeling functions on 300 items do not"):
        tensor_balance(patterns)
    assert balance(moments_of(patterns))[1] == "volume"


@pytest.mark.parametrize("k", [2, 3])
def test_ten_thousand_items_tell_the_balance_within_a_few_hundredths(k):
    rng = np.random.default_rng(k)
    truth = synthetic.random_truth(rng, 25, k, accuracy=(0.7, 0.9), coverage=(0.5, 0.9))
    L, _ = synthetic.sample(truth, 10_000, rng)
    found, _ = balance(moments_of(of_matrix(L, synthetic.lf_names(25), k)))
    np.testing.assert_allclose(found, truth.class_balance, atol=0.02)


def test_the_gradient_is_that_of_the_likelihood():
    rng = np.random.default_rng(1)
    chosen = np.array([[0, 1, 2], [1, 2, 3]])
    weight, p, cpt = rng.random((2, 3, 3, 3)), rng.random(2), rng.random((4, 3, 2))

    def split(x):
        return np.exp(x[:2]), np.exp(x[2:]).reshape(4, 3, 2)

    def gradient(x):
        _, of_p, of_cpt = _likelihood(weight, chosen, *split(x))
        return np.concatenate([of_p, of_cpt.ravel()])

    x0 = np.log(np.concatenate([p, cpt.ravel()]))
    assert check_grad(lambda x: _likelihood(weight, chosen, *split(x))[0], gradient, x0) < 1e-4


def test_functions_in_no_triple_keep_the_start():
    truth = synthetic.random_truth(np.random.default_rng(0), 5, 3, accuracy=(0.7, 0.9))
    both = exact_moments(truth)
    triples = type(both.triples)(both.pairs.lf_names, 3, ((0, 1, 2),), both.triples.n_items, both.triples.counts[:1])
    found = fit_triples(triples, both.pairs.votes)
    assert found.seen.tolist() == [True, True, True, False, False]
    rows = found.cpt[3, 1:]
    np.testing.assert_allclose(np.diagonal(rows) / rows.sum(axis=1), 0.7)


def test_other_ways_to_a_balance():
    truth = synthetic.random_truth(np.random.default_rng(0), 4, 2)
    both = exact_moments(truth)
    assert [part.tolist() if isinstance(part, np.ndarray) else part for part in balance(both, "uniform")] == [
        [0.5, 0.5],
        "uniform",
    ]
    assert balance(both, (0.2, 0.8))[1] == "given"
    found, source = balance(both, "dev", np.array([29, 69]))
    assert (found.tolist(), source) == ([0.3, 0.7], "dev")
    with pytest.raises(NothingToFit, match="class_balance='dev' counts the items with a known class"):
        balance(both, "dev", np.array([0, 0]))
    with pytest.raises(NothingToFit, match="class_balance='estimate' needs the third moments of three functions"):
        moment_balance("estimate", both.pairs, None, None)
    other = exact_moments(synthetic.random_truth(np.random.default_rng(0), 5, 2))
    with pytest.raises(IncompatibleStatistics, match="second and third moments are of different labeling functions"):
        moment_balance("estimate", both.pairs, other.triples, None)


def test_where_sampling_error_hides_the_balance_it_is_the_volume_of_voting():
    L = np.random.default_rng(0).choice(np.array([-1, 0, 1], np.int8), size=(60, 3), p=[0.4, 0.4, 0.2])
    both = moments_of(of_matrix(L, ("a", "b", "c"), 2))
    found, source = balance(both)
    assert source == "volume"
    votes = both.pairs.votes.sum(axis=0) + 0.5
    np.testing.assert_allclose(found, votes / votes.sum())
