"""A refit to the same counts is the model; refits keep what the model had resolved, whatever its kind."""

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.labelmodels.refits import refit_of, work_of
from sparkws.stats.counters import of_patterns
from sparkws.stats.patterns import collapse, of_matrix, select

LFS = synthetic.lf_names(6)
KINDS = ("auto", "majority", "weighted", "precision", "dawid_skene", "super_lf", "triplet", "matrix_completion")


def world(n=2000):
    rng = np.random.default_rng(0)
    L, Y = synthetic.sample(synthetic.random_truth(rng, 6, 2, accuracy=(0.7, 0.9), coverage=(0.4, 0.8)), n, rng)
    return L, collapse(of_matrix(L, LFS, 2, Y), keep_gold=False)


def fitted(kind, **options):
    L, patterns = world()
    weights = dict.fromkeys(LFS, 1.0) if kind == "weighted" else {}
    sure = {"tol": 1e-12} if kind in ("auto", "dawid_skene", "super_lf") else {}
    config = LabelModelConfig(kind=kind, weights=weights, bootstrap=0, **sure, **options)
    return L, patterns, config, fit_label_model(config, patterns, of_patterns(patterns), ["no", "yes"]).model


@pytest.mark.parametrize("kind", KINDS)
def test_a_refit_to_the_same_counts_is_the_model_and_one_of_fewer_functions_is_of_its_kind(kind):
    L, patterns, config, model = fitted(kind)
    refit = refit_of(config, model, clamp_gold=False)
    again = refit(patterns)
    assert type(again) is type(model)
    np.testing.assert_allclose(again.posterior(L), model.posterior(L), atol=1e-3)
    some = refit(collapse(select(patterns, LFS[1:])))
    assert type(some) is type(model)
    assert some.lf_names_ == LFS[1:]


def test_what_was_resolved_stays():
    _, patterns, config, model = fitted("dawid_skene", abstain="outcome")
    open_again = config.model_copy(update={"abstain": "auto"})
    assert refit_of(open_again, model, clamp_gold=False)(patterns).abstain_ == "outcome"
    _, patterns, config, model = fitted("super_lf", groups=(("lf_0", "lf_1", "lf_2"), ("lf_3", "lf_4")))
    learned = config.model_copy(update={"groups": "auto"})
    refit = refit_of(learned, model, clamp_gold=False)
    assert refit(patterns).groups_ == model.groups_
    assert refit(collapse(select(patterns, LFS[1:4]))).groups_ == (("lf_1", "lf_2"),)


def test_a_refit_starts_from_the_model():
    _, patterns, config, model = fitted("dawid_skene")
    assert isinstance(model, DawidSkene)
    assert refit_of(config, model, clamp_gold=False)(patterns).n_iter_ < model.n_iter_


def test_more_patterns_and_functions_are_more_work():
    L, patterns, _, model = fitted("dawid_skene")
    assert work_of(model, patterns) > 2 * work_of(model, of_matrix(L[:100], LFS, 2)) > 0
    moments = fitted("triplet")[3]
    assert work_of(moments, patterns) > 0
