"""From a configuration to a fitted model and its report, for every kind, from patterns or from moments."""

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.labelmodels.factory import MomentModel
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.labelmodels.thirds import moments_of, tensor_balance
from sparkws.stats.counters import of_patterns, with_faults
from sparkws.stats.patterns import of_matrix

LFS = synthetic.lf_names(7)
KINDS = ("majority", "weighted", "precision", "dawid_skene", "triplet", "published_triplet", "matrix_completion")


def world(n=3000):
    rng = np.random.default_rng(0)
    L, Y = synthetic.sample(synthetic.random_truth(rng, 7, 2, accuracy=(0.7, 0.9)), n, rng)
    return L, of_matrix(L, LFS, 2, Y)


def config_of(kind, **options):
    weights = dict.fromkeys(LFS, 1.0) if kind == "weighted" else {}
    return LabelModelConfig(kind=kind, weights=weights, bootstrap=0, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_fitted_and_reported(kind):
    L, patterns = world()
    fitted = fit_label_model(config_of(kind), patterns, of_patterns(patterns), ["no", "yes"])
    assert fitted.report.kind == fitted.model.kind == kind
    assert fitted.report.metrics[kind]["accuracy_ties_shared"] > 0.85
    np.testing.assert_allclose(fitted.model.posterior(L[:50]).sum(axis=1), 1)
    assert fitted.report.warnings == []


def test_models_of_moments_read_those_of_all_items_where_patterns_are_a_sample():
    _, patterns = world()
    half = world(1500)[1]
    both = moments_of(patterns)
    for kind in ("triplet", "matrix_completion"):
        config = config_of(kind, class_balance="dev")
        whole = fit_label_model(config, patterns, of_patterns(patterns), ["no", "yes"], gold_use="dev")
        sampled = fit_label_model(
            config, half, of_patterns(patterns), ["no", "yes"], gold_use="dev", level=1, moments=both
        )
        assert isinstance(sampled.model, MomentModel)
        assert sampled.report.level == 0
        assert whole.model.balance_source_ == "dev"
        # Known classes are counted in the sample, votes in all items.
        np.testing.assert_allclose(sampled.model.cpt_, whole.model.cpt_, atol=0.02)


def test_a_function_that_faults_takes_no_part_in_moments_either():
    _, patterns = world()
    counters = with_faults(of_patterns(patterns), {"lf_2": 1000})
    fitted = fit_label_model(
        config_of("triplet"), patterns, counters, ["no", "yes"], max_fault_rate=0.1, moments=moments_of(patterns)
    )
    assert fitted.model.lf_names_ == tuple(name for name in LFS if name != "lf_2")
    assert fitted.model.cpt_.shape == (6, 3, 2)


@pytest.mark.parametrize("kind", ["dawid_skene", "super_lf", "precision", "weighted", "triplet"])
def test_a_balance_from_triples_reaches_every_kind(kind):
    _, patterns = world()
    fitted = fit_label_model(config_of(kind, class_balance="tensor"), patterns, of_patterns(patterns), ["no", "yes"])
    assert fitted.report.balance_source == "tensor"
    np.testing.assert_array_equal(fitted.model.class_balance_, tensor_balance(patterns))


def test_what_functions_read_is_told_beside_the_evidence():
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 7, 2, groups=[(0, 1)], copy=0.9)
    patterns = of_matrix(synthetic.sample(truth, 5000, rng)[0], LFS, 2)
    reads = {"lf_0": ["column text", "data WORDS"], "lf_1": ["data WORDS"]}
    report = fit_label_model(config_of("super_lf"), patterns, of_patterns(patterns), ["no", "yes"], reads=reads).report
    assert [(edge["a"], edge["b"], edge["shared"]) for edge in report.dependencies["edges"]] == [
        ("lf_0", "lf_1", ("data WORDS",))
    ]
