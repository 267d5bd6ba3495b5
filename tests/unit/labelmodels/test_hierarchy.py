"""Label vectors of several tasks: the graph, the planted tree, and what a vote for one task says of another."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.errors import ConfigError, InvalidGold, InvalidLabelMatrix, NothingToFit
from sparkws.feasible import task_graph, task_tree
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.tables import fixed_precision
from sparkws.stats.patterns import of_matrix

# The tree of the published test: a root with two branches, each with two leaves.
TREE = task_tree(
    {"root": ["a", "b"], "under_a": ["a1", "a2"], "under_b": ["b1", "b2"]},
    {"under_a": ("root", "a"), "under_b": ("root", "b")},
)


def planted(rng, n=1000, n_lfs=10, accuracy=(0.6, 0.9), coverage=0.8):
    """Votes on every task of the tree by functions that are wrong at random, and the true vectors."""
    columns = [(task, f"lf_{j}") for j in range(n_lfs) for task in TREE.tasks]
    truth = TREE.feasible[rng.integers(len(TREE.feasible), size=n)]
    L = np.empty((n, len(columns)), np.int8)
    for c, (task, _) in enumerate(columns):
        t = TREE.tasks.index(task)
        k = len(TREE.classes[task])
        wrong = (truth[:, t] + rng.integers(1, k, n)) % k
        L[:, c] = np.where(rng.random(n) < rng.uniform(*accuracy), truth[:, t], wrong)
        L[rng.random(n) > coverage, c] = -1
    return columns, L, truth


def test_vectors_of_a_tree():
    assert TREE.classes["under_a"] == ("a1", "a2", "not applicable")
    assert sorted(TREE.feasible.tolist()) == [[0, 0, 2], [0, 1, 2], [1, 2, 0], [1, 2, 1]]


def test_a_planted_tree_is_recovered():
    columns, L, truth = planted(np.random.default_rng(0))
    model = Hierarchical(TREE, columns).fit(L)
    assert model.converged_
    for t, probs in enumerate(model.posterior(L).values()):
        assert (probs.argmax(axis=1) == truth[:, t]).mean() > 0.95
        np.testing.assert_allclose(probs.sum(axis=1), 1)
    assert (np.diff(model.objective_) >= -1e-9 * abs(model.objective_[0])).all()


def test_functions_may_vote_on_other_tasks_each_and_the_graph_tells_the_rest():
    rng = np.random.default_rng(1)
    columns, L, truth = planted(rng, n=3000, n_lfs=8)
    # three functions know the root only, the others the leaves only
    kept = [c for c, (task, lf) in enumerate(columns) if (task == "root") == (lf in ("lf_0", "lf_1", "lf_2"))]
    model = Hierarchical(TREE, [columns[c] for c in kept]).fit(L[:, kept])
    leaves_only = L[:, kept].copy()
    leaves_only[:, [at for at, c in enumerate(kept) if columns[c][0] == "root"]] = -1
    told = model.posterior(leaves_only)["root"]
    voted = ~np.isnan(told[:, 0])
    assert (told[voted].argmax(axis=1) == truth[voted, 0]).mean() > 0.9


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_equals_the_naive_formula(seed):
    rng = np.random.default_rng(seed)
    columns, L, _ = planted(rng, n=60, n_lfs=2)
    model = Hierarchical(TREE, columns, max_iter=3).fit(L)
    probs = model.posterior_vectors(L)
    for row, got in zip(L, probs, strict=True):
        expected = model.balance_.copy()
        for f, vector in enumerate(TREE.feasible):
            for (task, _), table, vote in zip(columns, model.cpts_, row, strict=True):
                if vote >= 0:
                    expected[f] *= table[vote, vector[TREE.tasks.index(task)]]
        if (row >= 0).any():
            np.testing.assert_allclose(got, expected / expected.sum(), atol=1e-12)
        else:
            assert np.isnan(got).all()


def test_of_one_task_it_is_dawid_and_skene():
    rng = np.random.default_rng(2)
    truth = synthetic.random_truth(rng, 6, 3, accuracy=(0.7, 0.95))
    L, _ = synthetic.sample(truth, 5000, rng)
    graph = task_graph({"only": ["x", "y", "z"]}, [["x"], ["y"], ["z"]])
    model = Hierarchical(graph, [("only", name) for name in synthetic.lf_names(6)]).fit(L)
    other = DawidSkene(3, abstain="missing").fit(of_matrix(L, synthetic.lf_names(6), 3))
    voted = (L >= 0).any(axis=1)
    np.testing.assert_allclose(model.posterior(L)["only"][voted], other.posterior(L)[voted], atol=2e-3)


def test_known_classes_are_held():
    rng = np.random.default_rng(4)
    columns, L, truth = planted(rng, n=1500, n_lfs=2, accuracy=(0.5, 0.6))
    known = np.where(rng.random((len(L), 1)) < 0.5, truth, -1).astype(np.int8)
    known[::2, 0] = -1  # of some items only the leaves
    blind, told = Hierarchical(TREE, columns).fit(L), Hierarchical(TREE, columns).fit(L, known=known)
    unknown = (known == -1).all(axis=1) & (L >= 0).any(axis=1)
    right = [(model.posterior(L)["root"].argmax(axis=1) == truth[:, 0])[unknown].mean() for model in (blind, told)]
    assert right[1] >= right[0]
    # With everything known, tables are the shares of votes, and vectors those of the items.
    full = Hierarchical(TREE, columns, smoothing=0).fit(L, known=truth)
    votes, root = L[:, 0], truth[:, 0]
    shares = [[((votes == l) & (root == y)).sum() / ((votes >= 0) & (root == y)).sum() for y in (0, 1)] for l in (0, 1)]
    np.testing.assert_allclose(full.cpts_[0], shares)
    vectors = [(truth == vector).all(axis=1).mean() for vector in TREE.feasible]
    np.testing.assert_allclose(full.balance_, vectors)


def test_counts_are_items_and_permuting_columns_changes_nothing():
    columns, L, _ = planted(np.random.default_rng(3), n=200, n_lfs=3)
    rows, counts = np.unique(np.vstack([L, L[:50]]), axis=0, return_counts=True)
    ours = Hierarchical(TREE, columns).fit(rows, counts)
    theirs = Hierarchical(TREE, columns[::-1]).fit(np.vstack([L, L[:50]])[:, ::-1])
    np.testing.assert_allclose(theirs.posterior_vectors(L[:, ::-1]), ours.posterior_vectors(L), atol=1e-6)


def test_a_column_of_one_class_still_speaks_for_it():
    graph = task_graph({"t": ["x", "y"]}, list(product(["x", "y"])))
    L = np.array([[0, -1, 0], [0, 1, 1], [-1, 1, 1], [0, 0, 0]] * 10, np.int8)
    L[:, 0] = np.where(L[:, 0] == 0, 0, -1)
    model = Hierarchical(graph, [("t", "a"), ("t", "b"), ("t", "c")]).fit(L)
    np.testing.assert_allclose(model.cpts_[0], [[0.7, 0.3], [0.3, 0.7]])
    assert model.balance_source_ == "votes"


def test_rare_classes_do_not_die_out_where_functions_vote_a_single_class():
    rng = np.random.default_rng(5)
    shares = np.array([0.6, 0.3, 0.07, 0.03])
    truth = TREE.feasible[rng.choice(4, size=4000, p=shares)]
    columns, votes = [], []
    for t, (task, names) in enumerate(TREE.classes.items()):
        for y in range(len(names)):
            for j in range(2):
                fires = rng.random(len(truth)) < np.where(truth[:, t] == y, 0.35, 0.01)
                columns.append((task, f"lf_{y}_{j}"))
                votes.append(np.where(fires, y, -1))
    L = np.array(votes, np.int8).T
    model = Hierarchical(TREE, columns).fit(L)
    assert model.balance_source_ == "volume"
    for t, (task, probs) in enumerate(model.posterior(L).items()):
        told = ~np.isnan(probs[:, 0])
        preds = probs[told].argmax(axis=1)
        # EM leaves the rarest class a hundredth of its items.
        for y in range(len(TREE.classes[task])):
            assert (preds[truth[told, t] == y] == y).mean() > 0.5
        # One vote on the item: it is right with the precision of its class.
        pi = model.balance_of(task)
        for c, (of, lf) in enumerate(columns):
            if of == task:
                alone = np.full((1, len(columns)), -1, np.int8)
                alone[0, c] = y = int(lf[3])
                np.testing.assert_allclose(model.posterior(alone)[task][0, y], fixed_precision(pi)[y])


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ConfigError, match="'bird' is no class of task 'animal'"):
        task_graph({"animal": ["cat", "dog"]}, [["bird"]])
    with pytest.raises(ConfigError, match=r"vector \['cat', 'dog'\] has 2 classes, expected one for each"):
        task_graph({"animal": ["cat", "dog"]}, [["cat", "dog"]])
    with pytest.raises(ConfigError, match="has no feasible vector"):
        task_graph({"animal": ["cat", "dog"]}, [])
    with pytest.raises(ConfigError, match="'job' is under class 'thing' of 'kind', which is not a class"):
        task_tree({"kind": ["person"], "job": ["cook"]}, {"job": ("kind", "thing")})
    with pytest.raises(ConfigError, match="'size' has a parent and is no task"):
        task_tree({"kind": ["person"]}, {"size": ("kind", "person")})
    with pytest.raises(ConfigError, match="more than 65,536 label vectors"):
        task_tree({f"t{j}": ["x", "y"] for j in range(17)}, {})
    with pytest.raises(ConfigError, match="'lf' votes on 'color', which is no task"):
        Hierarchical(TREE, [("color", "lf")])
    with pytest.raises(ConfigError, match="smoothing must be at least 0 and finite, got -1"):
        Hierarchical(TREE, [], smoothing=-1)
    with pytest.raises(ConfigError, match="max_iter must be at least 1, got 0"):
        Hierarchical(TREE, [], max_iter=0)
    with pytest.raises(InvalidLabelMatrix, match="L has the type float64, expected integers"):
        Hierarchical(TREE, [("root", "lf")]).fit(np.zeros((1, 1)))
    model = Hierarchical(TREE, [("root", "lf")])
    with pytest.raises(NothingToFit, match="no tables yet; call fit first"):
        model.posterior(np.zeros((1, 1), np.int8))
    with pytest.raises(NothingToFit, match="none of the 2 rows has a vote"):
        model.fit(np.full((2, 1), -1, np.int8))
    with pytest.raises(InvalidLabelMatrix, match=r"'lf' voted 2 on task 'root', expected -1\.\.1"):
        model.fit(np.array([[2]], np.int8))
    impossible = np.array([[0, 2, 0]], np.int8)
    with pytest.raises(InvalidGold, match=r"1 rows have known classes .* first {'root': 'a', 'under_a': 'not applic"):
        model.fit(np.zeros((1, 1), np.int8), known=impossible)
    with pytest.raises(InvalidLabelMatrix, match=r"shape \(1, 2\), expected \(n, 1\)"):
        model.fit(np.zeros((1, 2), np.int8))
