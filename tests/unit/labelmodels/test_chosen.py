"""The choice of `auto` is made from a sample; what it takes is fitted on all."""

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.labelmodels import DawidSkene, auto
from sparkws.labelmodels.chosen import choose_and_fit
from sparkws.stats import PatternsKernel, patterns_of_matrix

CLASSES = ("no", "yes")
NAMES = synthetic.lf_names(8)
TRUTH = synthetic.random_truth(np.random.default_rng(0), 8, 2, accuracy=(0.65, 0.9), coverage=(0.4, 0.9))


@pytest.fixture(scope="module")
def patterns():
    L, _ = synthetic.sample(TRUTH, 20_000, np.random.default_rng(1))
    return PatternsKernel(NAMES, 2).of_batch(synthetic.votes_frame(L, NAMES))


@pytest.fixture
def looked_at(monkeypatch):
    """The items of the patterns that the choice saw."""
    seen, choose_for = [], auto.choose_for

    def watched(config, patterns, *args, **kwargs):
        seen.append(patterns.n_items)
        return choose_for(config, patterns, *args, **kwargs)

    monkeypatch.setattr(auto, "choose_for", watched)
    return seen


def test_many_patterns_are_chosen_from_a_sample_and_fitted_as_a_whole(patterns, looked_at):
    model, choice = choose_and_fit(LabelModelConfig(), patterns, CLASSES, gold_use="evaluate", most=2000)
    assert isinstance(model, DawidSkene)
    assert 1000 < looked_at[0] < 10_000
    assert choice.model.cpt_ is not model.cpt_
    whole = DawidSkene(2, abstain=model.abstain_, one_coin=model.one_coin).fit(patterns)
    np.testing.assert_allclose(model.cpt_, whole.cpt_, atol=2e-3)
    assert np.abs(choice.model.cpt_ - whole.cpt_).max() > 5e-3


def test_few_patterns_are_all_looked_at(patterns, looked_at):
    model, choice = choose_and_fit(LabelModelConfig(), patterns, CLASSES, gold_use="evaluate")
    assert looked_at == [20_000]
    assert model is choice.model


def test_known_classes_are_not_thinned(patterns, looked_at):
    choose_and_fit(LabelModelConfig(), patterns, CLASSES, gold_use="dev", most=2000)
    assert looked_at == [20_000]


def test_items_without_keys_cannot_be_sampled_and_are_all_looked_at(looked_at):
    L, _ = synthetic.sample(TRUTH, 3000, np.random.default_rng(2))
    choose_and_fit(LabelModelConfig(), patterns_of_matrix(L, NAMES, 2), CLASSES, gold_use="evaluate", most=100)
    assert looked_at == [3000]
