"""A task of a graph as a label model: terms add up to its posterior, and leaving out a vote is what it says."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.feasible import task_graph, task_tree
from sparkws.labelmodels.account import account_of, column_names
from sparkws.labelmodels.contributions import contributions, what_each_adds
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.overview import overview
from sparkws.labelmodels.posterior import predict
from sparkws.labelmodels.taskview import TaskView, patterns_of_task
from sparkws.labelmodels.trust import accuracy_by_lf
from sparkws.stats.patterns import of_matrix

TREE = task_tree({"kind": ["person", "place"], "job": ["cook", "pilot", "nurse"]}, {"job": ("kind", "person")})
# Votes on "kind" and "job" alternate, so that own columns are no block.
COLUMNS = [("kind", "a"), ("job", "a"), ("kind", "b"), ("job", "x"), ("job", "y")]
NAMES = [f"{task}.{lf}" for task, lf in COLUMNS]


def votes(seed, n=200):
    rng = np.random.default_rng(seed)
    truth = TREE.feasible[rng.integers(len(TREE.feasible), size=n)]
    own = np.stack([truth[:, TREE.tasks.index(task)] for task, _ in COLUMNS], axis=1)
    sizes = [len(TREE.classes[task]) for task, _ in COLUMNS]
    L = np.where(rng.random(own.shape) < 0.8, own, rng.integers(0, sizes, own.shape))
    return np.where(rng.random(own.shape) < 0.4, -1, L).astype(np.int8), truth


def fitted(seed=0):
    L, _ = votes(seed)
    return Hierarchical(TREE, COLUMNS).fit(L)


def odds(probs):
    logarithms = np.log(probs)
    return logarithms - logarithms.mean(axis=1, keepdims=True)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["kind", "job"]))
def test_prior_own_votes_and_the_others_together_add_up_to_the_posterior(seed, task):
    view, L = TaskView(fitted(seed % 7), task), votes(seed, 60)[0]
    L = L[(L >= 0).any(axis=1)]
    terms = contributions(view, L)
    expected = odds(view.posterior(L))
    np.testing.assert_allclose(terms.total, expected, atol=1e-10)
    np.testing.assert_allclose(terms.prior + terms.of_groups.sum(axis=1), expected, atol=1e-10)
    assert terms.groups == (*((c,) for c in view.own), view.beside)
    # What is told of a vote is what the posterior loses without it, whatever the others are.
    for c in range(L.shape[1]):
        left = L.copy()
        left[:, c] = -1
        kept = (left >= 0).any(axis=1)
        without = odds(view.posterior(left[kept]))
        np.testing.assert_allclose(terms.total[kept] - terms.amounts[kept, c], without, atol=1e-10)
    assert (terms.amounts[L < 0] == 0).all(), "who did not vote adds nothing"


def test_terms_by_hand():
    """Two vectors of x that "u" tells apart, one of y: of two votes for a, the second has less left to add."""
    graph = task_graph({"t": ["x", "y"], "u": ["a", "b"]}, [("x", "a"), ("x", "b"), ("y", "b")])
    model = Hierarchical(graph, [("t", "f"), ("u", "g"), ("u", "h")])
    model.cpts_ = (np.array([[0.8, 0.4], [0.2, 0.6]]), *[np.array([[0.9, 0.3], [0.1, 0.7]])] * 2)
    model.seen_ = (np.ones(2, np.bool_),) * 3
    model.balance_ = np.array([0.2, 0.3, 0.5])
    view = TaskView(model, "t")
    terms = contributions(view, np.array([[0, 0, 0]], np.int8))

    def against(term):
        return term[..., 0] - term[..., 1]

    assert against(terms.prior) == pytest.approx(0)
    # The mean over the vectors of x, whose shares are .4 and .6, against the single one of y.
    both = np.log((0.4 * 0.9**2 + 0.6 * 0.3**2) / 0.3**2)
    one = np.log((0.4 * 0.9 + 0.6 * 0.3) / 0.3)
    np.testing.assert_allclose(against(terms.of_groups[0]), [np.log(0.8 / 0.4), both])
    np.testing.assert_allclose(against(terms.of_lfs[0]), [np.log(2), 0, 0], atol=1e-15)
    np.testing.assert_allclose(against(terms.without[0]), [0, both - one, both - one], atol=1e-15)
    np.testing.assert_allclose(terms.log_odds(0, 1)[0], [np.log(2), both - one, both - one])
    assert both - one < both < 2 * (both - one)

    account = account_of(view, np.array([0, 0, 0], np.int8), ("x", "y"))
    assert (account.label, account.against) == ("x", "y")
    assert account.beside == pytest.approx(both)
    assert account.prior + account.votes["log_odds"][0] + account.beside == pytest.approx(account.total)
    assert account.votes.select("lf", "vote", "task").rows() == [
        ("f", "x", None),
        ("u.g", "a", "u"),
        ("u.h", "a", "u"),
    ]


def test_a_known_class_of_another_task_decides():
    view = TaskView(fitted(), "kind", ["job"])
    place = TREE.classes["job"].index("not applicable")
    L = np.array([[0, -1, 0, -1, -1, place]], np.int8)  # two votes for a person, but no job applies
    terms = contributions(view, L)
    assert predict(view.posterior(L)).tolist() == [1]
    assert (terms.without[0, 5, 1] - terms.without[0, 5, 0]) > view.most_log_odds
    assert np.isfinite(terms.total).all()
    account = account_of(view, L[0], ("person", "place"))
    assert account.votes.select("lf", "vote").row(-1) == ("job.gold", "not applicable")
    assert column_names(view) == ["a", "job.a", "b", "job.x", "job.y", "job.gold"]
    silent = account_of(view, np.full(6, -1, np.int8), ("person", "place"))
    assert (silent.probs, silent.beside, silent.votes.height) == ({}, None, 6)


def against_a_known_class(n):
    """A view of t whose known u says x, and `n` functions on u and on t that are as sure as can be and say y."""
    graph = task_graph({"t": ["x", "y"], "u": ["a", "b"]}, [("x", "a"), ("y", "b")])
    model = Hierarchical(graph, [*(("u", f"f{j}") for j in range(n)), *(("t", f"g{j}") for j in range(n))])
    model.cpts_, model.seen_ = (np.eye(2),) * (2 * n), (np.ones(2, np.bool_),) * (2 * n)
    model.balance_ = np.array([1e-12, 1.0])
    return TaskView(model, "t", ["u"]), np.array([[1] * (2 * n) + [0]], np.int8)


@pytest.mark.parametrize("n", [1, 16, 500])
def test_no_votes_outweigh_a_known_class(n):
    view, L = against_a_known_class(n)
    assert view.posterior(L).tolist() == [[1, 0]]
    terms, account = contributions(view, L), account_of(view, L[0], ("x", "y"))
    assert np.exp(terms.total[0, 1] - terms.total[0, 0]) < 1e-16
    told = terms.log_odds(0, 1)[0]
    assert told[-1] > view.most_log_odds, "the known class"
    # Votes by themselves say no more than they do without it.
    np.testing.assert_allclose(told[:-1], -10 * np.log(10), rtol=1e-9)
    assert (account.label, account.against) == ("x", "y")
    assert min(account.total, account.beside) > account.most_log_odds > -account.prior


def test_votes_alone_are_never_certain():
    view, L = against_a_known_class(500)
    L[0, -1] = -1
    account = account_of(view, L[0], ("x", "y"))
    assert account.label == "y"
    assert account.total == pytest.approx(1001 * 10 * np.log(10))
    assert account.total < account.most_log_odds


def test_a_class_that_no_vector_has_is_ruled_out_whatever_votes_say():
    graph = task_graph({"t": ["x", "y"], "u": ["a", "b"]}, [("x", "a"), ("x", "b")])
    model = Hierarchical(graph, [("t", f"f{j}") for j in range(100)])
    model.cpts_, model.seen_ = (np.eye(2),) * 100, (np.ones(2, np.bool_),) * 100
    view, L = TaskView(model, "t"), np.ones((1, 100), np.int8)
    assert view.posterior(L).tolist() == [[1, 0]]
    terms = contributions(view, L)
    assert terms.total[0, 0] - terms.total[0, 1] > view.most_log_odds


def test_what_each_function_of_any_task_adds_is_what_the_labels_lose_without_it():
    L, truth = votes(3)
    model = fitted()
    gold = truth[:, TREE.tasks.index("kind")]
    counted = of_matrix(np.column_stack([L, gold]).astype(np.int8), [*NAMES, "kind.gold"], 4)
    view = TaskView(model, "kind")
    patterns = patterns_of_task(view, counted)
    assert (patterns.lf_names, patterns.n_items) == (view.lf_names_, len(L))
    table = what_each_adds(view, patterns)
    assert table["lf"].to_list() == ["a", "b", "job.a", "job.x", "job.y"]
    preds = predict(view.posterior(L))
    for name, c in zip(table["lf"], (0, 2, 1, 3, 4), strict=True):
        row = table.filter(lf=name).row(0, named=True)
        left = L.copy()
        left[:, c] = -1
        others = (left >= 0).any(axis=1)
        cast = L[:, c] >= 0
        assert row["items_voted"] == cast.sum()
        assert row["items_only"] == (cast & ~others).sum()
        chosen = cast & others
        without = predict(view.posterior(left[chosen]))
        assert row["items_decided"] == (without != preds[chosen]).sum()
        gain = (preds[chosen] == gold[chosen]).mean() - (without == gold[chosen]).mean()
        assert row["accuracy_gain"] == pytest.approx(gain)


def test_known_classes_are_no_functions_and_pairs_are_of_the_task_itself():
    L, truth = votes(4, 2000)
    gold = np.where(np.arange(len(L)) % 3, -1, truth[:, TREE.tasks.index("job")])
    counted = of_matrix(np.column_stack([L, gold]).astype(np.int8), [*NAMES, "job.gold"], 4)
    model = Hierarchical(TREE, COLUMNS).fit(L)
    held = overview(TaskView(model, "kind", ["job"]), counted)
    assert held.functions["lf"].to_list() == ["a", "b", "job.a", "job.x", "job.y"]
    assert held.pairs.select("a", "b").rows() == [("a", "b")]
    found = overview(TaskView(model, "job"), counted)
    assert found.functions["lf"].to_list() == ["a", "x", "y", "kind.a", "kind.b"]
    assert found.functions["accuracy_gain"].null_count() == 0
    assert found.n_items == len(L)
    # Given the class votes are independent: of two functions the expected share that agrees is a sum over classes.
    pair = found.pairs.row(0, named=True)
    one, two = model.cpts_[1], model.cpts_[3]
    expected = np.einsum("ly,ly,y->", one, two, model.balance_of("job"))
    assert (pair["a"], pair["b"]) == ("a", "x")
    assert pair["expected_agreement"] == pytest.approx(expected)
    both = (L[:, 1] >= 0) & (L[:, 3] >= 0)
    assert pair["both"] == both.sum()
    assert pair["agree"] == (L[both, 1] == L[both, 3]).sum()
    assert abs(pair["excess"]) < 3


def test_accuracies_are_of_votes_that_were_cast():
    """A function of one class has pseudo-votes only for the others: they are no votes that could be right."""
    L, _ = votes(5, 1000)
    L[:, 0] = np.where(L[:, 0] == 0, 0, -1)
    model = Hierarchical(TREE, COLUMNS).fit(L)
    found = accuracy_by_lf(TaskView(model, "kind"))
    pi = model.balance_of("kind")
    assert list(found) == ["kind.a", "kind.b"]
    assert found["kind.a"] == pytest.approx(0.7 * pi[0] / (0.7 * pi[0] + 0.3 * pi[1]))
    assert found["kind.b"] == pytest.approx(np.trace(model.cpts_[2] * pi))
    assert pl.Series(list(accuracy_by_lf(TaskView(model, "job")).values())).is_between(0.6, 0.95).all()
