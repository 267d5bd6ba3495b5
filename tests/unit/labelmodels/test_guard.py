"""The guard: each thing that it reports, in a world where it is so, and silence where all is well."""

from dataclasses import replace

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.labelmodels.completion import MatrixCompletion
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.findings import estimated_accuracy
from sparkws.labelmodels.guard import check_model
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.posterior import predict
from sparkws.labelmodels.superlf import SuperLF
from sparkws.labelmodels.thirds import moments_of
from sparkws.labelmodels.triplet import Triplet
from sparkws.stats.counters import of_patterns
from sparkws.stats.patterns import of_matrix

CLASSES = ("HAM", "SPAM")


def world(n_lfs=6, n=2000, with_gold=True, **options):
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, n_lfs, 2, **options)
    L, Y = synthetic.sample(truth, n, rng)
    return L, of_matrix(L, synthetic.lf_names(n_lfs), 2, Y if with_gold else None)


def codes(model, patterns, **more):
    return {finding.code: finding.message for finding in check_model(model, patterns, CLASSES, **more)}


def altered(model, **attributes):
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


def test_nothing_is_said_where_all_is_well():
    _, patterns = world()
    assert codes(DawidSkene(2).fit(patterns), patterns) == {}
    assert codes(MajorityVote(2).fit(patterns), patterns) == {}


def test_a_collapse_is_reported():
    _, patterns = world(with_gold=False)
    model = altered(DawidSkene(2).fit(patterns), class_balance_=np.array([1.0, 1e-9]))
    found = codes(model, patterns)
    assert "puts 100.0% of the labeled items into 'HAM', majority vote" in found["collapsed"]
    assert "contradicts" in found["contradicts_votes"]


def test_functions_that_vote_alike_are_named_for_every_kind_that_counts_each():
    L, _ = world()
    names = (*synthetic.lf_names(6), "copy_a", "copy_b")
    patterns = of_matrix(np.column_stack([L, L[:, 0], L[:, 0]]), names, 2)
    moments = moments_of(patterns)
    fitted = [
        DawidSkene(2).fit(patterns),
        Triplet(2, class_balance="uniform").fit(moments.pairs),
        MajorityVote(2).fit(patterns),
        SuperLF(2, groups=[["lf_0", "copy_a"]]).fit(patterns),
    ]
    for model in fitted:
        message = codes(model, patterns)["repeated"]
        assert message.startswith("[['lf_0', 'copy_a', 'copy_b']] vote alike on practically all items")
        assert f"which {model.kind} counts several times" in message
    assert "repeated" not in codes(SuperLF(2, groups=[["lf_0", "copy_a", "copy_b"]]).fit(patterns), patterns)


def test_identical_columns_are_no_silent_certainty():
    column = np.random.default_rng(0).integers(0, 2, 1000).astype(np.int8)
    patterns = of_matrix(np.column_stack([column] * 5), synthetic.lf_names(5), 2)
    assert "repeated" in codes(DawidSkene(2).fit(patterns), patterns)


def test_functions_that_pairs_do_not_identify_are_named():
    L, patterns = world(n_lfs=4)
    model = Triplet(2, class_balance="uniform").fit(moments_of(patterns).pairs)
    assert "not_identified" not in codes(model, patterns)
    model.identified_ = np.array([True, False, True, True])
    assert codes(model, patterns)["not_identified"].startswith("How ['lf_1'] meets the other functions does not tell")
    three = of_matrix(np.where(L == 1, 2, L), synthetic.lf_names(4), 3)
    pairs_only = MatrixCompletion(3, class_balance=(0.4, 0.2, 0.4)).fit(moments_of(three).pairs)
    message = {f.code: f.message for f in check_model(pairs_only, three, ("A", "B", "C"))}["not_identified"]
    assert "and 1 more meet the other functions does not tell how good they are, so matrix_completion" in message


@pytest.mark.parametrize(("often", "share"), [(0.5, None), (0.95, "68%")])
def test_a_learned_group_that_casts_most_votes_is_not_told_from_the_class(often, share):
    rng = np.random.default_rng(2)
    cpt = np.stack([synthetic.table(0.75, coverage, 2) for coverage in [often] * 3 + [0.33] * 4])
    truth = synthetic.Truth(class_balance=np.array([0.5, 0.5]), cpt=cpt, groups=((0, 1, 2),), copy=0.9)
    patterns = of_matrix(synthetic.sample(truth, 4000, rng)[0], synthetic.lf_names(7), 2)
    model = SuperLF(2, abstain="missing").fit(patterns)
    assert model.groups_ == (("lf_0", "lf_1", "lf_2"),)
    found = codes(model, patterns)
    assert ("not_identified" in found) == (share is not None)
    if share is not None:
        assert f"cast {share} of the votes" in found["not_identified"]
    given = SuperLF(2, groups=model.groups_, abstain="missing").fit(patterns)
    assert "not_identified" not in codes(given, patterns)


def test_dependence_that_groups_leave_and_a_balance_that_triples_do_not_tell_are_named():
    rng = np.random.default_rng(0)
    leader = rng.integers(0, 2, 3000)
    L = np.where(rng.random((3000, 6)) < 0.8, leader[:, None], rng.integers(0, 2, (3000, 6))).astype(np.int8)
    L[:, 3:] = np.where(rng.random((3000, 3)) < 0.9, L[:, :3], L[:, 3:])
    patterns = of_matrix(L, synthetic.lf_names(6), 2)
    grouped = SuperLF(2, max_group=2, abstain="missing").fit(patterns)
    assert "not_identified" not in codes(grouped, patterns)
    (edge,) = (edge for edge in grouped.dependencies_.edges if edge.a == "lf_0")
    cut = replace(grouped.dependencies_, cut=(edge,))
    message = codes(altered(grouped, dependencies_=cut), patterns)["not_identified"]
    assert message.startswith("So many labeling functions depend on each other that [('lf_0', 'lf_3')] had to be taken")
    noise = of_matrix(rng.integers(0, 2, (200, 4)).astype(np.int8), synthetic.lf_names(4), 2)
    guessed = Triplet(2).fit(moments_of(noise).pairs, triples=moments_of(noise).triples)
    assert guessed.balance_source_ == "one_coin"
    told = [finding.message for finding in check_model(guessed, noise, CLASSES)]
    assert any(
        "three functions at a time do not tell the class balance, so triplet took" in message for message in told
    )


def test_a_class_that_is_never_predicted_is_reported():
    L = np.array([[0, 0, 0]] * 50 + [[1, 1, 0]] * 50 + [[2, -1, 0]], np.int8)
    patterns = of_matrix(L, ("a", "b", "c"), 3)
    model = altered(DawidSkene(3).fit(patterns), class_balance_=np.array([0.5, 0.5, 1e-9]))
    messages = [f.message for f in check_model(model, patterns, ("A", "B", "C")) if f.code == "class_never_predicted"]
    assert messages[0].startswith("The label model never predicts 'C', for which 1 votes are cast")


def test_a_result_worse_than_majority_is_reported_with_its_standard_error():
    L, patterns = world(n_lfs=8, n=5000, accuracy=(0.6, 0.8), groups=[(0, 1, 2, 3)], copy=0.9)
    message = codes(DawidSkene(2).fit(patterns), patterns)["worse_than_majority"]
    n_voted = int((L >= 0).any(axis=1).sum())
    assert message.startswith("Majority vote does better than dawid_skene: 0.")
    assert f"on {n_voted:,} gold items with votes (difference 0." in message
    assert "standard error 0.0" in message


def test_a_difference_within_chance_is_not_reported():
    _, patterns = world(n_lfs=8, n=40, accuracy=(0.6, 0.8), groups=[(0, 1, 2, 3)], copy=0.9)
    assert "worse_than_majority" not in codes(DawidSkene(2).fit(patterns), patterns)


def test_a_function_below_chance_is_reported():
    L, _ = world()
    L[:, 0] = np.where(L[:, 0] < 0, -1, 1 - L[:, 0])
    patterns = of_matrix(L, synthetic.lf_names(6), 2)
    message = codes(DawidSkene(2).fit(patterns), patterns)["below_chance"]
    assert message.startswith("'lf_0' is estimated to be right on 0.")


def test_a_class_without_votes_and_too_few_overlaps_are_reported():
    patterns = of_matrix(np.array([[1, 1, -1], [1, -1, -1], [-1, -1, 1]], np.int8), ("a", "b", "c"), 2)
    found = codes(MajorityVote(2).fit(patterns), patterns, out_for_faults=["d"])
    assert found["no_votes_for_class"].startswith("No labeling function votes for ['HAM'], so no item")
    assert found["few_overlaps"].startswith(
        "Only 2 labeling functions ever vote on an item together with another, ['a', 'b']"
    )
    assert found["out_for_faults"].startswith("['d'] faulted on too many items and takes no part")


@pytest.mark.parametrize(
    ("silent", "said"),
    [
        ([2], "['lf_2'] never votes: look at its condition, or leave it out."),
        ([2, 4], "['lf_2', 'lf_4'] never vote: look at their conditions, or leave them out."),
    ],
)
@pytest.mark.parametrize("kind", [MajorityVote, DawidSkene])
def test_functions_that_never_vote_are_reported(kind, silent, said):
    L, _ = world()
    L[:, silent] = -1
    patterns = of_matrix(L, synthetic.lf_names(6), 2)
    model = kind(2).fit(patterns)
    assert codes(model, patterns)["never_votes"] == said
    # In a sample a rare function is silent too: counters of all items tell.
    L[0, silent] = 1
    counters = of_patterns(of_matrix(L, synthetic.lf_names(6), 2))
    assert "never_votes" not in codes(model, patterns, counters=counters)


def test_gold_of_one_class_is_reported():
    L, _ = world(n=300)
    gold = np.full(300, -1, np.int8)
    gold[:20] = 1
    patterns = of_matrix(L, synthetic.lf_names(6), 2, gold)
    assert codes(MajorityVote(2).fit(patterns), patterns)["gold_of_one_class"] == (
        "The known classes of 20 items are all 'SPAM', so accuracy on them says little: who always says 'SPAM' is "
        "never wrong. Add gold of other classes."
    )
    gold[0] = 0
    both = of_matrix(L, synthetic.lf_names(6), 2, gold)
    assert "gold_of_one_class" not in codes(MajorityVote(2).fit(both), both)


def test_a_fit_that_was_stopped_is_reported():
    _, patterns = world()
    found = codes(DawidSkene(2, max_iter=1).fit(patterns), patterns)
    assert found["not_converged"] == "dawid_skene had not converged after 1 iterations; raise max_iter."


def test_estimated_accuracy_by_hand():
    cpt = np.stack([synthetic.table(0.8, 0.5, 2), synthetic.single_class_table(1, 0.5, 0.25, 2)])
    right, blind = estimated_accuracy(cpt, np.array([0.75, 0.25]))
    np.testing.assert_allclose(right, [0.8, 0.125 / 0.3125])
    np.testing.assert_allclose(blind, [0.65 * 0.75 + 0.35 * 0.25, 0.25])
    silent = np.concatenate([np.ones((1, 1, 2)), np.zeros((1, 2, 2))], axis=1)
    assert np.isnan(estimated_accuracy(silent, np.array([0.5, 0.5]))[0]).all()


@pytest.mark.parametrize("n_out", [1, 2])
def test_functions_that_are_out_are_counted_in_words(n_out):
    _, patterns = world()
    message = codes(MajorityVote(2).fit(patterns), patterns, out_for_faults=["x", "y"][:n_out])["out_for_faults"]
    assert ("takes no part" if n_out == 1 else "take no part") in message


def test_a_class_that_is_rare_is_not_a_collapse_while_what_all_votes_say_is_kept():
    rng = np.random.default_rng(4)
    cpt = np.stack([synthetic.table(0.9, 0.6, 2)] * 8)
    truth = synthetic.Truth(class_balance=np.array([0.985, 0.015]), cpt=cpt)
    L, Y = synthetic.sample(truth, 6000, rng)
    patterns = of_matrix(L, synthetic.lf_names(8), 2)
    model = DawidSkene(2).fit(patterns)
    preds = predict(model.posterior(L))
    assert (preds == 0).mean() > 0.98
    assert (preds == Y).mean() > (predict(MajorityVote(2).posterior(L)) == Y).mean()
    assert "collapsed" not in codes(model, patterns)
    blind = altered(model, class_balance_=np.array([1 - 1e-9, 1e-9]))
    assert "collapsed" in codes(blind, patterns)
