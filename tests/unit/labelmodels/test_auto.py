"""The candidates of `auto`: what dependence, single classes and options make of them."""

import json

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.labelmodels import auto
from sparkws.labelmodels.auto import choose_for
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.posterior import hits
from sparkws.stats.counters import of_patterns
from sparkws.stats.patterns import of_matrix

LFS = synthetic.lf_names(7)


def world(seed=0, n=4000, **options):
    rng = np.random.default_rng(seed)
    return synthetic.sample(synthetic.random_truth(rng, 7, 2, **options), n, rng)


def choose(L, **options):
    return choose_for(LabelModelConfig(**options), of_matrix(L, LFS, 2), ("no", "yes"), gold_use="evaluate")


def accuracy(model, L, Y):
    voted = (L >= 0).any(axis=1)
    return hits(model.posterior(L)[voted], Y[voted]).mean()


def test_independent_functions_get_dawid_and_skene():
    L, Y = world(accuracy=(0.55, 0.95))
    chosen = choose(L)
    assert chosen.name.startswith("dawid_skene")
    assert [trial.name for trial in chosen.trials] == [
        "dawid_skene, one coin",
        "dawid_skene, abstain missing",
        "dawid_skene, abstain outcome",
    ]
    assert not chosen.dependencies.edges
    assert accuracy(chosen.model, L, Y) > accuracy(MajorityVote(2), L, Y) + 0.01


def test_functions_that_repeat_each_other_get_groups():
    L, Y = world(groups=[(0, 1, 4)], copy=0.9)
    chosen = choose(L)
    assert chosen.name.startswith("super_lf")
    assert chosen.model.groups_ == (("lf_0", "lf_1", "lf_4"),)
    assert chosen.dependencies.groups == chosen.model.groups_
    against = {trial.name: trial.against for trial in chosen.trials}
    assert "dependent" in against["dawid_skene, abstain missing"]
    assert accuracy(chosen.model, L, Y) > accuracy(MajorityVote(2), L, Y) + 0.02


def test_abstaining_that_depends_on_the_class_is_evidence():
    rng = np.random.default_rng(1)
    truth = synthetic.random_truth(rng, 7, 2, accuracy=(0.75, 0.9), coverage=(0.5, 0.7))
    cpt = truth.cpt.copy()
    for j, table in enumerate(cpt):  # each votes on 75 % of one class and on 45 % of the other
        table[1:] *= np.where(np.arange(2) == j % 2, 0.75, 0.45) / table[1:].sum(axis=0)
        table[0] = 1 - table[1:].sum(axis=0)
    L, Y = synthetic.sample(synthetic.Truth(class_balance=truth.class_balance, cpt=cpt), 8000, rng)
    chosen = choose(L)
    assert chosen.name == "dawid_skene, abstain outcome"
    assert accuracy(chosen.model, L, Y) > accuracy(MajorityVote(2), L, Y) + 0.02


def some_of_one_class(hit, false, rng):
    """Three functions of one class, which cast a fifth of the votes, beside four that vote both."""
    single = [synthetic.single_class_table(label, hit, false, 2) for label in (0, 1, 1)]
    several = [synthetic.table(accuracy, 0.8, 2) for accuracy in (0.7, 0.75, 0.8, 0.85)]
    truth = synthetic.Truth(class_balance=np.array([0.6, 0.4]), cpt=np.stack([*single, *several]))
    return synthetic.sample(truth, 3000, rng)[0]


def test_rules_of_one_class_are_not_taken_for_people_who_were_not_asked():
    L = some_of_one_class(0.5, 0.05, np.random.default_rng(3))
    assert [trial.name for trial in choose(L).trials] == ["dawid_skene, abstain outcome"]
    named = [trial.name for trial in choose(L, abstain="missing").trials]
    assert "dawid_skene, abstain missing" in named


def test_people_who_answer_always_the_same_leave_abstaining_missing():
    L = some_of_one_class(0.3, 0.3, np.random.default_rng(4))
    assert "dawid_skene, abstain missing" in [trial.name for trial in choose(L).trials]


def test_options_narrow_the_candidates():
    L, _ = world(groups=[(0, 1)], copy=0.9, n=2000)
    names = [trial.name for trial in choose(L, abstain="missing").trials]
    assert names == ["dawid_skene, one coin", "dawid_skene, abstain missing", "super_lf, abstain missing"]
    given = choose(L, groups=(("lf_2", "lf_3"),))
    assert given.dependencies is None
    assert all("dependent" in trial.against for trial in given.trials if trial.name.startswith("dawid_skene"))


def test_functions_of_a_single_class_are_not_compared_without_their_abstentions():
    L, _ = world(n_single_class=7, coverage=(0.1, 0.4), accuracy=(0.7, 0.95))
    names = [trial.name for trial in choose(L).trials]
    assert names == ["dawid_skene, abstain outcome", "precision"]


def test_dependence_of_very_many_functions_is_not_searched_for(monkeypatch):
    monkeypatch.setattr(auto, "_MOST_CELLS", 10)
    L, _ = world(groups=[(0, 1, 4)], copy=0.9)
    chosen = choose(L)
    assert chosen.dependencies is None
    assert not any("dependent" in trial.against for trial in chosen.trials)
    single, _ = world(n_single_class=7, coverage=(0.4, 0.6))
    monkeypatch.setattr(auto, "_MOST_CELLS", 5)
    assert "untested" in choose(single).trials[0].against


def test_few_items_do_not_show_that_functions_of_one_class_are_independent():
    options = {"n_single_class": 7, "coverage": (0.3, 0.6), "accuracy": (0.7, 0.95)}
    against = {n: choose(world(n=n, **options)[0]).trials[0].against for n in (300, 8000)}
    assert "untested" in against[300]
    assert "untested" not in against[8000]


def test_a_group_does_not_show_that_the_other_functions_of_one_class_are_independent():
    options = {"n_single_class": 6, "coverage": (0.3, 0.6), "accuracy": (0.7, 0.95)}
    against = {}
    for n in (300, 8000):
        rng = np.random.default_rng(0)
        L, _ = synthetic.sample(synthetic.random_truth(rng, 6, 2, **options), n, rng)
        chosen = choose(np.column_stack([L, L[:, 0]]))
        assert chosen.dependencies.groups == (("lf_0", "lf_6"),)
        against[n] = {trial.name: trial.against for trial in chosen.trials}["super_lf, abstain outcome"]
    assert "untested" in against[300]
    assert "untested" not in against[8000]


def test_ties_of_classes_that_are_voted_alike_stay_ties():
    rng = np.random.default_rng(0)
    L = np.where(rng.random((3000, 6)) < 0.15, np.array([0, 0, 0, 1, 1, 1]), -1).astype(np.int8)
    chosen = choose(np.column_stack([L, np.full(3000, -1, np.int8)]), abstain="missing")
    assert chosen.name == "majority"
    assert chosen.trials[-1].against == ("even_volumes",)


def test_of_two_classes_the_volume_only_breaks_ties():
    """Six functions vote for a frequent class, one for a rare one, which must not overrule two of the others."""
    rng = np.random.default_rng(0)
    L = np.where(rng.random((3000, 7)) < 0.15, np.array([0, 0, 0, 0, 0, 0, 1]), -1).astype(np.int8)
    chosen = choose(L, abstain="missing")
    assert chosen.name == "precision"
    probs = chosen.model.posterior(np.array([[0, 0, -1, -1, -1, -1, 1], [0, -1, -1, -1, -1, -1, 1]], np.int8))
    assert probs.argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize("copy", [0.0, 0.9])
def test_a_report_tells_candidates_and_dependencies_in_plain_values(copy):
    L, _ = world(groups=[(0, 1, 4)], copy=copy)
    patterns = of_matrix(L, LFS, 2)
    report = fit_label_model(LabelModelConfig(), patterns, of_patterns(patterns), ("no", "yes")).report
    plain = json.loads(json.dumps(report.to_plain()))
    assert {"name", "heldout_gain", "accuracy_gain", "against", "unsteady"} == set(plain["choice"]["trials"][0])
    assert bool(plain["dependencies"]["edges"]) == (copy > 0)
    assert plain["dependencies"]["counted_once"] == (copy > 0)
    assert choose(L).to_plain()["name"] == plain["choice"]["name"]


def test_of_a_few_items_majority_vote_stays_and_tells_why():
    for seed in range(8):
        L = np.random.default_rng(seed).integers(0, 2, (3 + seed, 7)).astype(np.int8)
        chosen = choose(L)
        assert chosen.name == "majority"
        assert chosen.reason == f"{3 + seed} items with votes do not tell models apart, 30 may"


def test_dependencies_are_those_of_what_abstaining_means_to_the_chosen_model():
    """Six workers each got the same items, so that who answers depends on who else does; what they answer does not."""
    rng = np.random.default_rng(0)
    Y = rng.integers(0, 2, 3000)
    shown = rng.integers(0, 2, 3000)[:, None] == np.array([0, 0, 0, 0, 1, 1, 1])
    shown |= rng.random((3000, 7)) < 0.3
    right = rng.random((3000, 7)) < np.array([0.6, 0.9, 0.7, 0.95, 0.6, 0.9, 0.8])
    L = np.where(shown, np.where(right, Y[:, None], 1 - Y[:, None]), -1).astype(np.int8)
    chosen = choose(L)
    assert chosen.model.abstain_ == "missing"
    assert chosen.dependencies.abstain == "missing"
    assert not chosen.dependencies.edges
    assert choose(L, abstain="outcome").dependencies.edges
