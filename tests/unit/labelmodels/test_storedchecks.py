"""What no fit gives is refused when it is read, by its name and its value; what was written is read to the last bit."""

import json
import math
import re

import numpy as np
import polars as pl
import pytest

from sparkws import synthetic
from sparkws.errors import DataError, SparkwsError
from sparkws.feasible import task_tree
from sparkws.grids import Grids
from sparkws.labelmodels.completion import MatrixCompletion
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.factory import fit_model
from sparkws.labelmodels.hierarchy import Hierarchical
from sparkws.labelmodels.persist import from_json, from_rows, to_json, to_rows
from sparkws.labelmodels.precision import PrecisionVote
from sparkws.labelmodels.savedgraph import graph_from_json, graph_to_json
from sparkws.labelmodels.superlf import SuperLF
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.stats.patterns import of_matrix

CLASSES, LFS = ("no", "yes"), synthetic.lf_names(3)
SOFT = Grids({"lf_2": ((0.9, 0.1), (0.5, 0.5), (0.1, 0.9))})
MODELS = {
    "dawid_skene": DawidSkene(2),
    "weighted": WeightedVote(2, dict.fromkeys(LFS, 0.5)),
    "precision": PrecisionVote(2),
    "matrix_completion": MatrixCompletion(2, class_balance="uniform"),
    "super_lf": SuperLF(2, groups=(LFS[:2],)),
}


def fitted(kind="dawid_skene", grids=None):
    rng = np.random.default_rng(0)
    L = synthetic.sample(synthetic.random_truth(rng, 3, 2), 200, rng)[0]
    return fit_model(MODELS[kind], of_matrix(L, LFS, 2) if grids is None else of_matrix(L, LFS, 2, grids=grids))


def changed(plain, path, value):
    """`plain` with another value at a path; without it where the value is `...`."""
    if not path:
        return value
    first, *rest = path
    if value is ... and not rest:
        return {key: inner for key, inner in plain.items() if key != first}
    new = changed(plain[first], rest, value) if rest else value
    return {**plain, first: new} if isinstance(plain, dict) else [*plain[:first], new, *plain[first + 1 :]]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["class_balance"], [5, 5], "'class_balance' of the label model must be within 0 and 1, got 5.0 at [0]; fit"),
        (["class_balance"], [0.5, 0.4], "must add up to 1, but class_balance adds up to 0.9; fit it again."),
        (["class_balance"], [1.0], "'class_balance' of the label model has the shape (1,), expected (2,)"),
        (["class_balance"], ["a", "b"], "'class_balance' of the label model must be numbers of the shape (2,), got"),
        (["class_balance"], ..., "the label model lacks ['class_balance']"),
        (["temperature"], 0, "'temperature' of the label model must be above 0, got 0.0; fit it again."),
        (["temperature"], -2, "'temperature' of the label model must be above 0, got -2.0"),
        (["temperature"], math.nan, "'temperature' of the label model must be finite, got nan"),
        (["temperature"], "hot", "'temperature' of the label model must be a number, got 'hot'"),
        (["cpt", 1, 2, 0], -0.25, "'cpt' of the label model must be within 0 and 1, got -0.25 at [1, 2, 0]"),
        (["cpt", 1], [[0.5, 0.5], [0.5, 0.2], [0, 0]], "must add up to 1, but cpt[1, :, 1] adds up to 0.7"),
        (["cpt", 1, 2], [0.1], "'cpt' of the label model must be numbers of the shape (3, 3, 2), got"),
        (["cpt"], [[[1, 1], [0, 0], [0, 0]]], "'cpt' of the label model has the shape (1, 3, 2), expected (3, 3, 2)"),
        (["cpt", 0, 0, 0], math.inf, "'cpt' of the label model must be finite, got inf at [0, 0, 0]"),
        (["cpt", 0, 0, 0], None, "'cpt' of the label model must be numbers of the shape (3, 3, 2)"),
        (["n_iter"], 1.5, "'n_iter' of the label model must be a whole number of at least 0, got 1.5"),
        (["n_iter"], -1, "'n_iter' of the label model must be a whole number of at least 0, got -1.0"),
        (["converged"], 7, "'converged' of the label model must be true or false, got 7.0"),
        (["log_likelihood"], math.inf, "'log_likelihood' of the label model must be finite, got inf"),
        (["kind"], ..., "a label model of the kind None is not known here"),
        (["kind"], ["a"], "a label model of the kind ['a'] is not known here"),
        (["lf_names"], ..., "the label model lacks ['lf_names']"),
        (["lf_names"], [], "the functions of the label model must be a list of names, got []"),
        (["lf_names"], ["a", "b", 3], "the functions of the label model must be a list of names, got ['a', 'b', 3]"),
        (["lf_names"], ["a", "b", "a"], "the functions of the label model must differ, got ['a'] more than once"),
        (["classes"], ..., "the label model lacks ['classes']"),
        (["classes"], "no", "the classes of the label model must be a list of names, got 'no'"),
        (["fingerprints"], [1], "'fingerprints' of the label model must be texts by function, got [1]"),
        (["grids"], {"lf_9": [[0.5, 0.5]]}, "the label model has the grid of 'lf_9', which it does not name"),
        (["grids"], [], "'grids' of the label model must be cells by function, got []"),
        (
            ["grids"],
            [{"lf_2": [[0.5] * 9] * 9}],
            "must be cells by function, got [{'lf_2': [[...], [...], [...], ...]}];",
        ),
        (["fingerprints"], [*"abcde"], "must be texts by function, got ['a', 'b', 'c'] and 2 more; fit it again."),
        (["format"], {str(at): at for at in range(5)}, "in format 1, got {'0': 0, '1': 1, '2': 2} and 2 more; fit"),
        (["class_balance"], {str(at): at for at in range(5)}, "got {'0': 0, '1': 1, '2': 2} and 2 more; fit it again."),
    ],
)
def test_json_that_no_model_has_is_refused(path, value, said):
    plain = json.loads(to_json(fitted(), CLASSES))
    with pytest.raises(DataError, match=re.escape(said)):
        from_json(json.dumps(changed(plain, path, value)), CLASSES)


@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        ("weighted", ["weights", 1], math.nan, "'weights' of the label model must be finite, got nan at [1]"),
        ("weighted", ["weights"], [1, 2], "'weights' of the label model has the shape (2,), expected (3,)"),
        ("precision", ["precision", 0, 1], 1.5, "'precision' of the label model must be within 0 and 1, got 1.5"),
        (
            "matrix_completion",
            ["identified"],
            [0, 1, 2],
            "'identified' of the label model must be true or false, got 2",
        ),
        ("super_lf", ["grouped"], 3, "'grouped' of the label model must be text, got 3"),
        ("super_lf", ["grouped"], "{", "the groups of the label model cannot be read"),
        ("matrix_completion", ["abstain"], [1], "'abstain' of the label model must be text, got [1]"),
        (
            "dawid_skene",
            ["abstain"],
            "ignored",
            "'abstain' of the label model must be one of ['outcome', 'missing', 'published'], got 'ignored'",
        ),
        ("dawid_skene", ["n_iter"], [1], "'n_iter' of the label model has the shape (1,)"),
    ],
)
def test_what_only_some_kinds_store_is_checked_too(kind, path, value, said):
    plain = json.loads(to_json(fitted(kind), CLASSES))
    with pytest.raises(DataError, match=re.escape(said)):
        from_json(json.dumps(changed(plain, path, value)), CLASSES)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["blocks", 0, "given", 0, 0], 2.0, "'given of the groups' of the label model must be within 0 and 1, got 2.0"),
        (["blocks", 0, "none"], [[1.0]], "'none of the groups' of the label model has the shape (1, 1)"),
        (["blocks", 0, "none"], ..., "cannot be read (KeyError('none'))"),
        (["blocks", 0, "lfs", 0], "lf_9", "cannot be read (KeyError('lf_9'))"),
        (["blocks", 0, "votes", 0, 0], 5, "votes outside -1..1, or variables or outcomes below 0"),
        (["blocks", 0, "variable", 0], -1, "votes outside -1..1, or variables or outcomes below 0"),
        (["blocks", 0, "outcome"], [0], "and 1 outcomes"),
        (["blocks", 0, "pooled"], 9, "pooled votes for 9"),
        (["alone"], [], "the groups of the label model must have each of ['lf_0', 'lf_1', 'lf_2'] once"),
    ],
)
def test_groups_that_no_model_has_are_refused(path, value, said):
    plain = json.loads(to_json(fitted("super_lf"), CLASSES))
    broken = {**plain, "grouped": json.dumps(changed(json.loads(plain["grouped"]), path, value))}
    with pytest.raises(DataError, match=re.escape(said)):
        from_json(json.dumps(broken), CLASSES)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([[0.9, 0.1], [0.5, 0.4], [0, 1]], "a cell of the grid of 'lf_2' of the label model must be 2 probabilities"),
        ([[0.9, 0.1], [0.5], [0, 1]], "add up to 1, got [0.5]"),
        ([[0.9, 0.1], [1.5, -0.5], [0, 1]], "add up to 1, got [1.5, -0.5]"),
        ([0.1, 0.9], "add up to 1, got 0.1"),
        ([], "the grid of 'lf_2' of the label model must be a list of cells, got []"),
        (dict.fromkeys("abcd", 1), "must be a list of cells, got {'a': 1, 'b': 1, 'c': 1} and 1 more; fit it again."),
        ([[0.1] * 9], "probabilities that add up to 1, got [0.1, 0.1, 0.1] and 6 more; fit it again."),
    ],
)
def test_grids_that_no_function_declares_are_refused(cells, said):
    plain = json.loads(to_json(fitted(grids=SOFT), CLASSES))
    with pytest.raises(DataError, match=re.escape(said)):
        from_json(json.dumps(changed(plain, ["grids", "lf_2"], cells)), CLASSES)


def test_rows_that_no_model_has_are_refused():
    rows = to_rows(fitted(), CLASSES)
    of = pl.col("parameter")

    def refused(told, said):
        with pytest.raises(DataError, match=re.escape(said)):
            from_rows(told, CLASSES)

    def with_value(parameter, value):
        return rows.with_columns(value=pl.when(of == parameter).then(value).otherwise("value"))

    refused(with_value("class_balance", 5.0), "'class_balance' of the label model must be within 0 and 1, got 5.0")
    refused(with_value("temperature", 0.0), "'temperature' of the label model must be above 0, got 0.0")
    refused(with_value("cpt", 0.9), "'cpt' of the label model must add up to 1, but cpt[0, :, 0] adds up to 2.7")
    refused(with_value("cpt", math.inf), "'cpt' of the label model must be finite, got inf")
    refused(with_value("converged", 0.5), "'converged' of the label model must be true or false, got 0.5")
    refused(pl.concat([rows, rows.filter(of == "cpt")[:1]]), "has a number of cpt more than once")
    refused(pl.concat([rows, rows.filter(of == "n_iter")]), "has a number of n_iter more than once")
    refused(rows.filter(of != "lf"), "the functions of the label model must be a list of names, got []")
    nameless = rows.with_columns(lf=pl.when(of == "lf").then(None).otherwise("lf"))
    refused(nameless, "the functions of the label model must be a list of names, got [None, None, None]")
    soft = to_rows(fitted(grids=SOFT), CLASSES)
    refused(soft.filter((of != "grid") | (pl.col("vote") != "cell 1")), "lacks probabilities of the grid of 'lf_2'")
    refused(
        soft.with_columns(vote=pl.when(of == "grid").then(None).otherwise("vote")),
        "lacks probabilities of the grid of 'lf_2'",
    )


GRAPH = task_tree({"kind": ["person", "place"], "job": ["cook", "pilot"]}, {"job": ("kind", "person")})


def graph_text():
    rng = np.random.default_rng(0)
    truth = GRAPH.feasible[rng.integers(len(GRAPH.feasible), size=300)]
    L = np.where(rng.random((300, 4)) < 0.3, -1, truth[:, [0, 0, 1, 1]]).astype(np.int8)
    columns = [("kind", "lf_a"), ("kind", "lf_b"), ("job", "lf_a"), ("job", "lf_b")]
    return graph_to_json(Hierarchical(GRAPH, columns).fit(L))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["balance"], [5, 5, 5], "'balance' of the label model must be within 0 and 1, got 5.0 at [0]"),
        (["balance"], [0.5, 0.2, 0.2], "'balance' of the label model must add up to 1, but balance adds up to 0.9"),
        (["balance"], [1.0], "'balance' of the label model has the shape (1,), expected (3,)"),
        (["columns", 1, "cpt"], [[1.0, 0.5], [0.2, 0.5]], "'cpt of lf_b' of the label model must add up to 1"),
        (["columns", 1, "cpt"], [[1.0, -0.5], [0.0, 1.5]], "'cpt of lf_b' of the label model must be within 0 and 1"),
        (["columns", 2, "cpt"], [[1.0, 0.0], [0.0, 1.0]], "'cpt of lf_a' of the label model has the shape (2, 2)"),
        (["columns", 0, "seen"], [True], "'seen of lf_a' of the label model has the shape (1,), expected (2,)"),
        (["columns", 0, "seen"], [1, 2], "'seen of lf_a' of the label model must be true or false, got 2.0"),
        (["columns", 2, "cpt"], ..., "a function of the label model of several tasks lacks ['cpt']"),
        (["columns", 2, "task"], "jobs", "has the function 'lf_a' of task 'jobs', which it does not name"),
        (["columns"], {}, "'columns' of the label model of several tasks must be a list of functions, got {}"),
        (["tasks"], ["kind"], "must be pairs of a task and its classes, got ['kind']"),
        (["tasks"], [[1, 2, 3], *"abc"], "a task and its classes, got [[1, 2, 3], 'a', 'b'] and 1 more; fit it again."),
        (
            ["columns"],
            {"task": "kind", "lf": "lf_a", "cpt": [[0.5] * 2] * 2, "seen": [True, True]},
            "a list of functions, got {'task': 'kind', 'lf': 'lf_a', 'cpt': [[0.5, 0.5], [0.5, 0.5]]} and 1 more; fit",
        ),
        (["tasks", 1, 0], "kind", "the tasks of the label model must differ, got ['kind'] more than once"),
        (["tasks", 0, 1], [], "the classes of task 'kind' of the label model must be a list of names, got []"),
        (["feasible", 0, 1], 7, "has the class 7 of task 'job', which has 3"),
        (["feasible", 0, 1], -1, "'feasible' of the label model must be a whole number of at least 0, got -1.0"),
        (["feasible"], [], "'feasible' of the label model has the shape (0,), expected (1, 2)"),
        (["n_iter"], "many", "'n_iter' of the label model must be a number, got 'many'"),
        (["log_likelihood"], math.nan, "'log_likelihood' of the label model must be finite, got nan"),
        (["balance_source"], 3, "'balance_source' of the label model must be text, got 3"),
    ],
)
def test_a_graph_that_no_fit_gives_is_refused(path, value, said):
    plain = json.loads(graph_text())
    with pytest.raises(SparkwsError, match=re.escape(said)):
        graph_from_json(json.dumps(changed(plain, path, value)))


@pytest.mark.parametrize("kind", MODELS)
def test_what_was_written_is_read_to_the_last_bit(kind):
    model = fitted(kind)
    text = to_json(model, CLASSES)
    assert to_json(from_json(text, CLASSES), CLASSES) == text
    assert to_json(from_rows(to_rows(model, CLASSES), CLASSES), CLASSES) == text
    assert graph_to_json(graph_from_json(graph_text())) == graph_text()
