"""Dependencies: planted groups are found exactly, independent functions have none, and each edge has its evidence."""

import json
from itertools import pairwise

import numpy as np
import pytest

from sparkws import synthetic
from sparkws.errors import ConfigError
from sparkws.labelmodels.edges import Dependencies, Edge, grow
from sparkws.labelmodels.ratio import likelihood_ratios
from sparkws.labelmodels.residuals import low_rank, pair_tables
from sparkws.labelmodels.sparse import sparse_part, split
from sparkws.labelmodels.structure import learn_dependencies
from sparkws.stats import moments
from sparkws.stats.patterns import of_matrix

TRIANGLE = {("lf_0", "lf_1"), ("lf_0", "lf_4"), ("lf_1", "lf_4")}


def counted(seed, n_lfs=7, k=2, n=20_000, **options):
    rng = np.random.default_rng(seed)
    L, _ = synthetic.sample(synthetic.random_truth(rng, n_lfs, k, **options), n, rng)
    return L, of_matrix(L, synthetic.lf_names(n_lfs), k)


def found(dependencies):
    return {(edge.a, edge.b) for edge in dependencies.edges}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("abstain", ["outcome", "missing"])
def test_a_planted_group_is_found_exactly(seed, k, abstain):
    _, patterns = counted(seed, k=k, groups=[(0, 1, 4)], copy=0.9)
    for statistics in (patterns, moments.of_patterns(patterns)):
        dependencies = learn_dependencies(statistics, abstain=abstain)
        assert found(dependencies) == TRIANGLE
        assert dependencies.groups == (("lf_0", "lf_1", "lf_4"),)
        assert not dependencies.cut


@pytest.mark.parametrize(
    "options",
    [
        {"n_lfs": 10},
        {"n_lfs": 10, "k": 3, "n": 5000},
        {"n_lfs": 8, "n": 300},
        {"n_lfs": 30, "n": 5000, "n_single_class": 30, "coverage": (0.02, 0.3)},
        {"n_lfs": 24, "n": 3000, "k": 4, "n_single_class": 24, "coverage": (0.003, 0.05), "accuracy": (0.8, 0.99)},
        {"n_lfs": 2},
        {"n_lfs": 1, "n": 50},
    ],
)
def test_independent_functions_have_no_edges(options):
    _, patterns = counted(3, **options)
    dependencies = learn_dependencies(patterns)
    assert not dependencies.edges
    n_lfs = options["n_lfs"]
    few = "Whether labeling functions depend on each other was not looked at: that takes 4 that vote for a class, and"
    some = (
        f"Of the {n_lfs} labeling functions looked at, no two were found to depend on each other beyond the class; less"
    )
    assert dependencies.message.startswith(some if n_lfs > 3 else few)
    assert not learn_dependencies(moments.of_patterns(patterns)).edges


def test_single_class_functions_that_fire_together_are_found():
    _, patterns = counted(
        0, n_lfs=20, n=10_000, n_single_class=20, coverage=(0.1, 0.3), groups=[(2, 4), (5, 7)], copy=0.8
    )
    dependencies = learn_dependencies(patterns)
    assert dependencies.abstain == "outcome"
    assert found(dependencies) == {("lf_2", "lf_4"), ("lf_5", "lf_7")}


def test_permuting_functions_permutes_the_edges():
    L, _ = counted(1, groups=[(0, 1, 4)], copy=0.7)
    order = [6, 4, 2, 0, 1, 3, 5]
    names = synthetic.lf_names(7)
    dependencies = learn_dependencies(of_matrix(L[:, order], [names[j] for j in order], 2))
    assert {tuple(sorted(pair)) for pair in found(dependencies)} == TRIANGLE


def test_evidence_is_told_in_plain_values():
    _, patterns = counted(0, groups=[(0, 1, 4)], copy=0.9)
    reads = {"lf_0": ["text", "author"], "lf_1": ["text"], "lf_2": ["text"]}
    dependencies = learn_dependencies(patterns, reads=reads)
    plain = json.loads(json.dumps(dependencies.to_plain()))
    assert plain["groups"] == [["lf_0", "lf_1", "lf_4"]]
    by_pair = {(edge["a"], edge["b"]): edge for edge in plain["edges"]}
    assert by_pair["lf_0", "lf_1"]["shared"] == ["text"]
    assert by_pair["lf_0", "lf_4"]["shared"] == []
    for edge in plain["edges"]:
        assert edge["p_value"] < 1e-6
        assert edge["likelihood_ratio"] > 100
        assert edge["excess"] > 0.3
    # Both copies are independent of each other once the one that they copy is known.
    assert min(abs(by_pair["lf_0", copy]["sparse"]) for copy in ("lf_1", "lf_4")) > 1
    assert "A group of labeling functions that repeat each other" in plain["message"]
    assert {edge.likelihood_ratio for edge in learn_dependencies(moments.of_patterns(patterns)).edges} == {None}


@pytest.mark.parametrize("abstain", ["missing", "outcome"])
@pytest.mark.parametrize(("seed", "n_copies"), [(1, 1), (1, 3), (0, 4)])
def test_copies_are_a_group_however_many(seed, n_copies, abstain):
    """Half of the functions and more: what explains most of the agreement is then not the class."""
    rng = np.random.default_rng(seed)
    L, _ = synthetic.sample(synthetic.random_truth(rng, 5, 2, accuracy=(0.7, 0.85)), 3000, rng)
    L = np.column_stack([L] + [L[:, 0]] * n_copies)
    names = synthetic.lf_names(L.shape[1])
    assert learn_dependencies(of_matrix(L, names, 2), abstain=abstain).groups == ((names[0], *names[5:]),)


def test_the_sign_tells_agreement_from_opposition():
    L, _ = counted(0, groups=[(0, 1)], copy=0.9, coverage=(0.9, 0.95))
    L[:, 1] = np.where(L[:, 1] == -1, -1, 1 - L[:, 1])
    found = learn_dependencies(of_matrix(L, synthetic.lf_names(7), 2))
    (edge,) = found.edges
    assert edge.excess < -0.3
    assert "A group of labeling functions that contradict each other more than the class explains: " in found.message


@pytest.mark.parametrize("other_class", [False, True], ids=["of one class", "of two classes"])
def test_keywords_that_exclude_each_other_are_not_said_to_repeat_each_other(other_class):
    """Each text has one of four words at most, so that two of the words never meet, whatever they vote."""
    rng = np.random.default_rng(0)
    n = 10_000
    Y = rng.integers(0, 2, n)
    right, votes = rng.random((n, 5)) < 0.8, rng.random((n, 5)) < 0.7
    broad = np.where(votes, np.where(right, Y[:, None], 1 - Y[:, None]), -1)
    word = rng.integers(0, 4, n)
    fires = rng.random(n) < np.where(Y == 1, 0.9, 0.3)
    first = np.where((word == 0) & fires, 1, -1)
    second = np.where((word == 1) & (~fires if other_class else fires), 0 if other_class else 1, -1)
    L = np.column_stack([broad, first, second]).astype(np.int8)
    assert not ((first >= 0) & (second >= 0)).any()
    found = learn_dependencies(of_matrix(L, synthetic.lf_names(7), 2), abstain="outcome")
    (edge,) = found.edges
    assert (edge.a, edge.b, edge.meeting) == ("lf_5", "lf_6", 0)
    assert found.message == (
        "A group of labeling functions that avoid each other, so that where one votes the other does not: "
        "[('lf_5', 'lf_6')]."
    )


def test_a_group_of_several_kinds_of_dependence_is_told_as_one_that_depends():
    edges = [Edge(a="a", b="b", excess=0.5, misfit=9, p_value=0), Edge(a="b", b="c", excess=-0.5, misfit=9, p_value=0)]
    alike = Edge(a="d", b="e", excess=0.5, misfit=9, p_value=0, meeting=1.5)
    found = Dependencies(
        lf_names=tuple("abcdef"),
        abstain="outcome",
        edges=(*edges, alike),
        cut=(),
        groups=(("a", "b", "c"), ("d", "e")),
        max_group=6,
    )
    assert found.message == (
        "A group of labeling functions that depend on each other: [('a', 'b', 'c')]. "
        "A group of labeling functions that repeat each other: [('d', 'e')]."
    )


def test_what_all_functions_read_tells_nothing():
    _, patterns = counted(0, groups=[(0, 1, 4)], copy=0.9)
    reads = {name: ["column text"] for name in patterns.lf_names}
    assert learn_dependencies(patterns, reads=reads) == learn_dependencies(patterns)


def test_a_pair_that_reads_the_same_needs_less_evidence_and_others_a_little_more():
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 24, 2, coverage=(0.8, 0.9), groups=[(0, 1)], copy=0.12)
    L, _ = synthetic.sample(truth, 1200, rng)
    statistics = moments.of_patterns(of_matrix(L, synthetic.lf_names(24), 2))
    assert not found(learn_dependencies(statistics))
    hinted = learn_dependencies(statistics, reads={"lf_0": ["column a", "resource w"], "lf_1": ["resource w"]})
    assert found(hinted) == {("lf_0", "lf_1")}
    assert hinted.edges[0].shared == ("resource w",)
    assert not found(learn_dependencies(statistics, reads={"lf_2": ["resource w"], "lf_3": ["resource w"]}))


def test_functions_most_of_which_never_meet_are_searched_too():
    """Like a crowd: each item is shown to five of sixty workers."""
    rng = np.random.default_rng(0)
    Y = rng.integers(0, 2, 600)
    L = np.full((600, 60), -1, np.int8)
    for row, label in zip(L, Y, strict=True):
        row[rng.choice(60, 5, replace=False)] = np.where(rng.random(5) < 0.8, label, 1 - label)
    assert not learn_dependencies(of_matrix(L, synthetic.lf_names(60), 2)).edges


def test_a_group_above_the_cap_is_split_and_that_is_said():
    _, patterns = counted(0, groups=[(0, 1, 4)], copy=0.9)
    dependencies = learn_dependencies(patterns, max_group=2)
    assert [len(group) for group in dependencies.groups] == [2]
    assert len(dependencies.edges) == 1
    assert len(dependencies.cut) == 2
    assert abs(dependencies.edges[0].excess) >= max(abs(edge.excess) for edge in dependencies.cut)
    assert "a group has at most 2 members" in dependencies.message


def test_three_groups_are_left_to_tell_the_class():
    rng = np.random.default_rng(0)
    truth = synthetic.random_truth(rng, 5, 2, coverage=(0.8, 0.95), groups=[(0, 1, 2)], copy=0.9)
    L, _ = synthetic.sample(truth, 5000, rng)
    L = np.column_stack([L, np.where(rng.random((5000, 1)) < 0.9, L[:, 3:4], 0).astype(np.int8)])
    dependencies = learn_dependencies(of_matrix(L, synthetic.lf_names(6), 2), abstain="missing")
    members = sum(len(group) for group in dependencies.groups)
    assert len(dependencies.groups) + 6 - members >= 3


def chain(names):
    """Edges from each function to the next."""
    return [Edge(a=a, b=b, excess=0.5, misfit=100.0, p_value=0.0) for a, b in pairwise(names)]


def test_groups_that_never_meet_are_not_left_to_tell_the_class():
    """Two teams that see other items: that there are functions in the other one does not help."""
    names = synthetic.lf_names(9)
    team = np.arange(9) // 5
    meet = team[:, None] == team
    edges = chain(names[:5]) + chain(names[5:])
    kept, cut = grow(edges, 6, names, meet)
    assert [edge.a for edge in kept] == ["lf_0", "lf_1", "lf_5"]
    assert [edge.a for edge in cut] == ["lf_2", "lf_3", "lf_6", "lf_7"]
    # Where all meet, {0..4}, {5, 6, 7} and {8} are three groups.
    assert [edge.a for edge in grow(edges, 6, names, np.ones((9, 9), np.bool_))[1]] == ["lf_7"]
    # Others that meet the group, but not each other, do not tell it from the class either.
    star = np.zeros((4, 4), np.bool_)
    star[0], star[:, 0] = True, True
    assert not grow(chain(names[:2]), 6, names[:4], star)[0]
    star[2, 3] = star[3, 2] = True
    assert grow(chain(names[:2]), 6, names[:4], star)[0]


def test_functions_that_never_vote_are_not_left_to_tell_the_class():
    L, _ = counted(0, n_lfs=4, coverage=(0.8, 0.95), groups=[(0, 1, 2)], copy=0.9)
    silent = np.full((len(L), 3), -1, np.int8)
    patterns = of_matrix(np.column_stack([L, silent]), synthetic.lf_names(7), 2)
    dependencies = learn_dependencies(patterns, abstain="outcome")
    assert [len(group) for group in dependencies.groups] == [2]
    assert dependencies.cut
    assert "3 groups that meet must be left to tell the class" in dependencies.message


def test_a_team_of_a_crowd_keeps_three_groups_of_its_own():
    rng = np.random.default_rng(0)
    L = np.full((8000, 10), -1, np.int8)
    for team in range(2):
        truth = synthetic.random_truth(
            rng, 5, 2, accuracy=(0.6, 0.8), coverage=(1.0, 1.0), groups=[(0, 1, 2, 3)] if team else (), copy=0.8
        )
        L[4000 * team : 4000 * team + 4000, 5 * team : 5 * team + 5] = synthetic.sample(truth, 4000, rng)[0]
    dependencies = learn_dependencies(of_matrix(L, synthetic.lf_names(10), 2), abstain="missing")
    grouped = {name for group in dependencies.groups for name in group}
    assert grouped <= {"lf_5", "lf_6", "lf_7", "lf_8"}
    assert len(dependencies.groups) + 5 - len(grouped) == 3
    assert dependencies.cut


def test_pair_tables_by_hand():
    L = np.array([[0, 0], [0, 1], [1, 1], [1, -1]], np.int8)
    tables = pair_tables(moments.of_patterns(of_matrix(L, ("a", "b"), 2)), use_abstain=False)
    # on the three items with both votes a votes 0 twice and 1 once, b 0 once and 1 twice
    assert tables.n_both[0, 1] == 3
    np.testing.assert_allclose(tables.blind[:2, 2:], [[2 / 3, 4 / 3], [1 / 3, 2 / 3]])
    np.testing.assert_allclose(tables.observed[:2, 2:], [[1, 1], [0, 1]])
    spread = np.sqrt([0.5 * 0.5, 0.5 * 0.5, 1 / 3 * 2 / 3, 1 / 3 * 2 / 3])
    np.testing.assert_allclose(tables.spread, spread)
    assert tables.correlation[0, 2] == pytest.approx((1 - 2 / 3) / 3 / spread[0] / spread[2])
    outcome = pair_tables(moments.of_patterns(of_matrix(L, ("a", "b"), 2)), use_abstain=True)
    assert outcome.n_both[0, 1] == 4
    assert outcome.blind[0, 3] == 2 * 2 / 4


def test_low_rank_finds_exact_loadings():
    truth = synthetic.random_truth(np.random.default_rng(0), 6, 2)
    L, joint = synthetic.exact(truth)
    counts = np.rint(joint.sum(axis=1) * 10**9).astype(np.int64)
    votes = moments.MomentsKernel(synthetic.lf_names(6), 2).of_rows(list(L.T), counts)
    tables = pair_tables(votes, use_abstain=True)
    U, _ = low_rank(tables, np.zeros((6, 6), bool), 1, None)
    pi = truth.class_balance
    delta = (truth.cpt[:, 1:, 1] - truth.cpt[:, 1:, 0]).ravel()
    expected = np.sqrt(pi[0] * pi[1]) * delta / tables.spread
    np.testing.assert_allclose(np.abs(U[:, 0]), np.abs(expected), atol=1e-3)


def test_the_split_of_an_exact_sum_finds_where_it_is_sparse():
    S = np.eye(6)
    S[0, 1] = S[1, 0] = 0.6
    loading = np.full((6, 1), 0.3)
    got = split(S - loading @ loading.T, np.arange(6), 1 / np.sqrt(6))
    off = np.abs(got - np.diag(np.diagonal(got)))
    assert off.argmax() in (1, 6)
    assert off[0, 1] > 2 * np.sort(off[np.triu_indices(6, 1)])[-2]


def test_the_sparse_part_of_copies_stands_out():
    for k in (2, 3):
        _, patterns = counted(0, k=k, groups=[(0, 1, 4)], copy=0.9)
        S = np.abs(sparse_part(moments.of_patterns(patterns)))
        others = np.triu(S, 1)
        others[0, [1, 4]] = 0
        assert min(S[0, 1], S[0, 4]) > 3 * others.max()


def test_the_likelihood_ratio_is_small_where_there_is_nothing():
    _, patterns = counted(5)
    pairs = [("lf_0", "lf_1"), ("lf_2", "lf_3")]
    ratios = likelihood_ratios(patterns, pairs, pairs, use_abstain=True)
    assert all(ratio.p_value > 1e-3 for ratio in ratios)


def test_options_out_of_range_are_refused():
    _, patterns = counted(0, n=100)
    with pytest.raises(ConfigError, match="got 0 and 6"):
        learn_dependencies(patterns, false_rate=0)
    with pytest.raises(ConfigError, match=r"max_group at least 2, got 0\.01 and 1"):
        learn_dependencies(patterns, max_group=1)


def test_correlations_of_functions_that_seldom_meet_are_correlations():
    """Workers who got the same few items: loadings without bounds explain them by figures far above one."""
    rng = np.random.default_rng(1)
    Y, block = rng.integers(0, 2, 400), np.arange(400) // 20
    who = [np.repeat(block[:, None] == np.arange(20), 3, axis=1)]
    who += [(rng.random(20)[block] < share)[:, None] for share in (0.9, 0.5, 0.3, 0.3)]
    shown = np.hstack(who)
    accuracy = np.concatenate([rng.choice([0.55, 0.85, 0.98], 60), [0.5, 0.5, 0.85, 0.92]])
    right = rng.random(shown.shape) < accuracy
    L = np.where(shown, np.where(right, Y[:, None], 1 - Y[:, None]), -1).astype(np.int8)
    patterns = of_matrix(L, synthetic.lf_names(64), 2)
    edges = learn_dependencies(patterns, abstain="outcome").edges
    assert edges
    assert all(abs(edge.excess) <= 1 for edge in edges)
    assert not learn_dependencies(patterns, abstain="missing").edges
