"""From a configuration to a fitted model and its report, for every kind, from patterns or from moments."""

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.labelmodels.factory import MomentModel, moments_of
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.stats.counters import of_patterns, with_faults
from sparkws.stats.patterns import of_matrix

LFS = synthetic.lf_names(7)
KINDS = ("majority", "weighted", "precision", "dawid_skene", "triplet", "published_triplet", "matrix_completion")


def world(n=3000):
    rng = np.random.default_rng(0)
    L, Y = synthetic.sample(synthetic.random_truth(rng, 7, 2, accuracy=(0.7, 0.9)), n, rng)
    return L, of_matrix(L, LFS, 2, Y)


def config_of(kind, **options):
    return LabelModelConfig(kind=kind, weights=dict.fromkeys(LFS, 1.0) if kind == "weighted" else {}, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_fitted_and_reported(kind):
    L, patterns = world()
    fitted = fit_label_model(config_of(kind), patterns, of_patterns(patterns), ["no", "yes"])
    assert fitted.report["kind"] == fitted.model.kind == kind
    assert fitted.report["metrics"][kind]["accuracy_ties_shared"] > 0.85
    np.testing.assert_allclose(fitted.model.posterior(L[:50]).sum(axis=1), 1)
    assert fitted.report["warnings"] == []


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
        assert sampled.report["level"] == 0
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
