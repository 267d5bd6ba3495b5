"""The model of `auto` in situations whose right answer is known."""

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.labelmodels.choose import Candidate, choose_model
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.majority import MajorityVote
from sparkws.stats.patterns import of_matrix

LFS = synthetic.lf_names(6)
CLASSES = ("no", "yes")


def missing(patterns):
    return DawidSkene(2, abstain="missing").fit(patterns)


def outcome(patterns):
    return DawidSkene(2, abstain="outcome").fit(patterns)


def upside_down(patterns):
    """A model that has found the opposite of the class."""
    model = missing(patterns)
    model.cpt_ = model.cpt_[:, :, ::-1]
    return model


def choose(L, candidates, gold=None, single=missing, with_gold=None):
    counted = of_matrix(L, synthetic.lf_names(L.shape[1]), 2, gold)
    return choose_model(
        [Candidate(name, fit) for name, fit in candidates.items()],
        Candidate("precision", single),
        MajorityVote(2).fit,
        counted,
        CLASSES,
        np.random.default_rng(0),
        with_gold=gold is not None if with_gold is None else with_gold,
    )


def sample(accuracies, n, seed=0):
    truth = synthetic.Truth(
        class_balance=np.array([0.5, 0.5]), cpt=np.stack([synthetic.table(a, 0.7, 2) for a in accuracies])
    )
    return synthetic.sample(truth, n, np.random.default_rng(seed))


def test_a_model_that_knows_who_is_better_replaces_majority_vote():
    L, _ = sample((0.95, 0.9, 0.55, 0.55, 0.6, 0.6), 4000)
    chosen = choose(L, {"missing": missing})
    assert chosen.name == "missing"
    assert "not seen" in chosen.reason
    assert chosen.trials[0].gain.is_certain


def test_where_functions_are_equally_good_majority_vote_stays():
    L, _ = sample((0.7,) * 6, 500)
    chosen = choose(L, {"missing": missing})
    assert chosen.name == "majority"
    assert isinstance(chosen.model, MajorityVote)


def test_a_model_with_findings_against_it_is_not_taken_however_well_it_foretells():
    L, _ = sample((0.95, 0.9, 0.55, 0.55, 0.6, 0.6), 4000)
    chosen = choose(L, {"upside_down": upside_down})
    assert chosen.name == "majority"
    assert "contradicts_votes" in chosen.trials[0].against
    both = choose(L, {"upside_down": upside_down, "missing": missing})
    assert both.name == "missing"


def one_sided(n=3000):
    truth = synthetic.Truth(
        class_balance=np.array([0.5, 0.5]),
        cpt=np.stack([synthetic.single_class_table(j % 2, 0.2, 0.03, 2) for j in range(8)]),
    )
    return synthetic.sample(truth, n, np.random.default_rng(0))[0]


def test_votes_of_a_single_class_each_get_the_model_for_them_where_no_other_is_left():
    chosen = choose(one_sided(), {"upside_down": upside_down})
    assert chosen.name == "precision"
    assert "100% of the votes" in chosen.reason
    assert [trial.name for trial in chosen.trials] == ["upside_down", "precision"]
    assert chosen.trials[1].gain is None
    assert choose(one_sided(), {"outcome": outcome}).name == "outcome"


def test_the_simpler_model_stays_where_another_is_not_surely_better():
    L, _ = sample((0.95, 0.9, 0.55, 0.55, 0.6, 0.6), 4000)
    assert choose(L, {"simple": missing, "same": missing}).name == "simple"
    assert choose(L, {"same": outcome, "simple": missing}).name == "same"


def test_known_classes_outweigh_findings():
    L, Y = sample((0.95, 0.9, 0.55, 0.55, 0.6, 0.6), 4000)
    refuted = Candidate("missing", missing, ("dependent",))

    def chosen(gold):
        counted = of_matrix(L, LFS, 2, gold)
        vote = MajorityVote(2).fit
        return choose_model([refuted], refuted, vote, counted, CLASSES, np.random.default_rng(0), with_gold=True).name

    gold = np.where(np.arange(len(L)) < 400, Y, -1).astype(np.int8)
    assert chosen(gold) == "missing"
    assert chosen(np.where(np.arange(len(L)) < 20, Y, -1).astype(np.int8)) == "majority"


def test_a_steady_model_whose_independence_was_looked_at_may_contradict_votes():
    """Six functions that are worse than blind outvote three that are nearly always right."""
    L, _ = sample((0.97, 0.97, 0.97, 0.35, 0.35, 0.35), 6000)
    options = ([], Candidate("precision", missing), MajorityVote(2).fit, of_matrix(L, LFS, 2), CLASSES)

    def against(**known):
        candidates = [Candidate("missing", missing, **known)]
        return choose_model(candidates, *options[1:], np.random.default_rng(0), with_gold=False).trials[0].against

    assert "contradicts_votes" in against()
    assert "contradicts_votes" not in against(may_contradict=True)


def test_what_is_known_against_a_model_before_its_fit_counts():
    L, _ = sample((0.95, 0.9, 0.55, 0.55, 0.6, 0.6), 4000)
    refuted = Candidate("missing", missing, ("dependent",))
    counted = of_matrix(L, LFS, 2)
    single = Candidate("precision", missing)
    chosen = choose_model(
        [refuted], single, MajorityVote(2).fit, counted, CLASSES, np.random.default_rng(0), with_gold=False
    )
    assert chosen.name == "majority"
    assert chosen.trials[0].against == ("dependent",)


def test_a_model_that_two_halves_of_the_items_contradict_each_other_about_is_not_taken():
    """Eight functions that vote on one item of fifty: what their abstentions tell is chance."""
    truth = synthetic.Truth(
        class_balance=np.array([0.5, 0.5]),
        cpt=np.stack([synthetic.single_class_table(j % 2, 0.03, 0.01, 2) for j in range(8)]),
    )
    L, _ = synthetic.sample(truth, 1000, np.random.default_rng(1))
    trial = choose(L, {"outcome": outcome}).trials[0]
    assert trial.unsteady > 0.15
    assert "unsteady" in trial.against


def test_two_functions_do_not_tell_who_is_better():
    L, _ = sample((0.9, 0.6), 1000)
    chosen = choose(L, {"missing": missing})
    assert chosen.name == "majority"
    assert "fewer than 3 functions" in chosen.reason


@pytest.mark.parametrize(("flip", "expected"), [(False, "missing"), (True, "majority")])
def test_known_classes_decide_where_there_are_some(flip, expected):
    L, _ = sample((0.95, 0.9, 0.55, 0.55, 0.55, 0.55), 3000)
    gold = np.full(len(L), -1, np.int8)
    model = missing(of_matrix(L, LFS, 2)).posterior(L).argmax(axis=1)
    majority = MajorityVote(2).posterior(L)
    apart = np.flatnonzero((majority.max(axis=1) > 0.5) & (majority.argmax(axis=1) != model))
    # The known classes are all where the two differ: those of the model, or those of majority vote.
    gold[apart] = majority.argmax(axis=1)[apart] if flip else model[apart]
    assert len(apart) >= 50
    chosen = choose(L, {"missing": missing}, gold)
    assert chosen.name == expected
    # Without leave to see them, nothing of this counts.
    blind = choose(L, {"missing": missing}, gold, with_gold=False)
    assert blind.name == "missing"
    assert blind.trials[0].known is None
