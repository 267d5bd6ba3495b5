"""Labeling functions that vote with a probability: what they may return, and the cells that it becomes."""

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkws.errors import ConfigError, FunctionFailed, InvalidFunction, InvalidVote
from sparkws.lfconfig import DeclarativeLFConfig, VotesConfig
from sparkws.lfs import ImportKernel, LFSet, check_examples, declarative_lfs, labeling_function
from sparkws.lfs.explain import explained
from sparkws.lfs.kernel import VotesKernel
from sparkws.lfs.soft import cells_of_array, cells_of_values, nearest

GRID = (0.05, 0.2, 0.5, 0.8, 0.95)
CLASSES = ("ham", "spam")
THREE = ("a", "b", "c")
VECTORS = ((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8))
THREE_OF_TWO = ((0.9, 0.1), (0.5, 0.5), (0.2, 0.8))
P = [0.0, 0.11, 0.13, 0.66, 1.0, None, -1.0]
CELLS = [0, 0, 1, 3, 4, -1, -1]


def lf_of(values, soft=GRID, **options):
    """A function of single items that returns these values for the items 0, 1, ..."""

    def lf_soft(x):
        return values[x.n]

    return labeling_function("lf_soft", soft=soft, columns=["n"], **options)(lf_soft)


def votes(lf, n, classes=CLASSES, **options):
    return LFSet([lf]).apply(pl.DataFrame({"n": range(n)}), classes=classes, **options)[lf.name].to_list()


def test_a_probability_is_the_nearest_cell():
    values = [-1 if p is None else p for p in P]
    assert votes(lf_of(values), len(P)) == CELLS


def test_numbers_of_any_type_are_probabilities():
    assert votes(lf_of([np.float32(0.8), np.float64(0.2), 1, np.int64(0), -1, np.int8(-1)]), 6) == [3, 1, 4, 0, -1, -1]


@pytest.mark.parametrize(
    "returned",
    [
        pl.Series(P),
        pl.Series(P, dtype=pl.Float32),
        np.array([np.nan if p is None else p for p in [*P[:5], -1.0, -1.0]]),
        pa.array(P),
        pa.chunked_array([P[:3], P[3:]]),
        pd.Series([*P[:5], -1.0, -1.0]),
        P,
        tuple(P),
        np.array(P, object),
    ],
)
def test_a_batch_gets_the_cells_of_its_items(returned):
    lf = labeling_function("lf_soft", soft=GRID, columns=["n"], vectorized="polars")(lambda frame: returned)
    lf = LFSet([lf])
    frame = pl.DataFrame({"n": range(len(P))})
    kernel = VotesKernel(lf, CLASSES, "n", frame.schema)
    # What stands in memory is the same for any part of a batch, so the rehearsal gets the wrong length.
    with pytest.raises(InvalidVote, match="returned 7 votes for a batch of"):
        kernel.run(pl.DataFrame({"n": range(3)}))
    found, refused = cells_of_array("lf", returned, lf["lf_soft"].cells, CLASSES, frame["n"])
    assert (found.to_list(), refused) == (CELLS, {})


def test_batches_items_and_sql_give_the_same_votes():
    frame = pl.DataFrame({"id": range(7), "p": P})

    @labeling_function(soft=GRID)
    def lf_row(x):
        return -1 if x.p is None else x.p

    @labeling_function(soft=GRID, vectorized="polars", columns=["p"])
    def lf_batch(frame):
        return frame["p"]

    @labeling_function(soft=GRID, vectorized="arrow", columns=["p"])
    def lf_arrow(batch):
        return batch.column("p")

    sql = DeclarativeLFConfig.model_validate({"name": "lf_sql", "expression": {"sql": "p", "grid": list(GRID)}})
    lfs = LFSet([lf_row, lf_batch, lf_arrow, *declarative_lfs([sql])])
    found = lfs.apply(frame, classes=CLASSES, key="id")
    assert {tuple(found[name].to_list()) for name in lfs.names} == {tuple(CELLS)}
    assert [lf.kind for lf in lfs] == ["row", "polars", "arrow", "expression"]


def test_vectors_and_mappings_of_more_classes():
    values = [
        (0.7, 0.2, 0.1),
        np.array([0.2, 0.2, 0.6]),
        {"b": 0.9, "c": 0.1},
        {0: 0.3, 1: 0.3, 2: 0.4},
        [1, 0, 0],
        -1,
        pl.Series([0.0, 1.0, 0.0]),
    ]
    assert votes(lf_of(values, VECTORS), 7, THREE) == [0, 2, 1, 2, 0, -1, 1]


def test_batches_of_vectors():
    keys = pl.Series([1, 2, 3])
    rows = [[0.7, 0.2, 0.1], [0.2, 0.2, 0.6], [0.5, math.nan, 0.5]]
    for returned in (np.array(rows), np.array(rows, np.float32), pl.Series(rows), rows, pa.array(rows)):
        found, refused = cells_of_array("lf", returned, VECTORS, THREE, keys)
        assert found.to_list() == [0, 2, None]
        assert str(refused[2]).startswith("returned [0.5, nan, 0.5], expected a probability for each of")
    assert cells_of_array("lf", np.array([[1, 0, 0]]), VECTORS, THREE, keys[:1])[0].to_list() == [0]
    assert cells_of_array("lf", pl.Series([Decimal("0.8")]), THREE_OF_TWO, CLASSES, keys[:1])[0].to_list() == [2]


def test_two_classes_take_vectors_and_mappings_too():
    assert votes(lf_of([(0.2, 0.8), {"ham": 0.75, "spam": 0.25}, {"spam": 1.0}]), 3) == [3, 1, 4]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.2, "returned 1.2, expected the probability of 'spam', from 0 to 1, or ABSTAIN (-1)"),
        (-0.1, "returned -0.1, expected"),
        (10**400, "returned 1000"),
        (math.nan, "returned nan, expected the probability of 'spam'"),
        (math.inf, "returned inf, expected"),
        (None, "returned None, expected"),
        (True, "returned True, expected"),
        ("spam", "returned 'spam', expected the probability of 'spam'"),
        (Decimal("0.5"), "returned Decimal"),
        ((0.5, 0.4), "returned (0.5, 0.4), expected"),
        ((0.5, math.nan), "returned (0.5, nan)"),
        ((0.5, 0.3, 0.2), "returned (0.5, 0.3, 0.2)"),
        ({"spma": 1.0}, "expected a probability for each of ['ham', 'spam'] that add up to 1, or ABSTAIN (-1)"),
        ({"spam": 0.5}, "returned {'spam': 0.5}, expected a probability for each"),
        ({"spam": 0.5, 1: 0.5}, "expected a probability for each"),
        ({True: 1.0}, "expected a probability for each"),
    ],
)
def test_what_is_no_probability_is_a_fault_of_its_item(value, said):
    lf = lf_of([0.5, value])
    frame = pl.DataFrame({"n": range(2)})
    found, log = VotesKernel(LFSet([lf]), CLASSES, "n", frame.schema).run(frame)
    assert found["lf_soft"].to_list() == [2, None]
    assert log.faults.counts == {("lf_soft", "InvalidVote"): 1}
    assert said in log.faults.kept[0].message
    with pytest.raises(FunctionFailed, match=r"'lf_soft' raised on 1 of 2 items .* InvalidVote\(.returned"):
        votes(lf, 2, on_fault="fail")


def test_a_batch_has_faults_of_its_items():
    frame = pl.DataFrame({"n": range(4), "p": [0.5, 1.5, math.nan, None]})
    lf = labeling_function("lf_soft", soft=GRID, columns=["p"], vectorized="polars")(lambda frame: frame["p"])
    found, log = VotesKernel(LFSet([lf]), CLASSES, "n", frame.schema).run(frame)
    assert found["lf_soft"].to_list() == [2, None, None, -1]
    assert log.faults.counts == {("lf_soft", "InvalidVote"): 2}


def test_an_exception_is_a_fault_as_ever():
    def lf_soft(x):
        return 1 / x.n

    lf = labeling_function("lf_soft", soft=GRID)(lf_soft)
    assert votes(lf, 3, on_fault="quarantine") == [None, 4, 2]


def test_a_batch_of_something_else_is_refused():
    lf = labeling_function("lf_soft", soft=GRID, columns=["n"], vectorized="polars")(lambda frame: 0.5)
    with pytest.raises(InvalidVote, match=r"'lf_soft' returned 0.5 \(float\) for a batch, expected a polars Series"):
        votes(lf, 2)


def test_a_grid_of_the_classes_votes_as_a_hard_function():
    lf = lf_of([0.1, 0.9, -1, 1, 0], (0, 1))
    assert votes(lf, 5) == [0, 1, -1, 1, 0]
    assert not LFSet([lf]).grids(CLASSES)


def test_a_grid_of_other_classes_is_refused_before_any_item():
    with pytest.raises(ConfigError, match=r"the grid of 'lf_soft' has probabilities of 2 classes, but the task has 3"):
        votes(lf_of([0.5]), 1, THREE)


def test_a_wrong_grid_is_refused_where_it_is_declared():
    with pytest.raises(InvalidFunction, match="the grid of 'lf_soft' must be ascending probabilities"):
        lf_of([0.5], (0.5, 0.2))
    with pytest.raises(ValueError, match="gives a probability, so it has no 'label'"):
        DeclarativeLFConfig.model_validate({"name": "a", "expression": {"sql": "p", "grid": [0.5], "label": "spam"}})
    with pytest.raises(ValueError, match="the grid of a soft vote must be ascending"):
        DeclarativeLFConfig.model_validate({"name": "a", "expression": {"sql": "p", "grid": [0.5, 0.1]}})
    for wrong in (["a"], [True], 0.5, [0.1, [0.5, 0.5]]):
        with pytest.raises(ValueError, match="grid of a soft vote must be a") as refused:
            DeclarativeLFConfig.model_validate({"name": "a", "expression": {"sql": "p", "grid": wrong}})
        assert len(refused.value.errors()) == 1


def test_a_configured_grid_is_what_its_dump_says():
    for grid in ([0.1, 0.9], [[0.5, 0.25, 0.25], [0, 0, 1]]):
        config = DeclarativeLFConfig.model_validate({"name": "a", "expression": {"sql": "p", "grid": grid}})
        assert DeclarativeLFConfig.model_validate(config.model_dump(mode="json")) == config


def test_an_expression_without_a_probability_is_refused():
    config = DeclarativeLFConfig.model_validate({"name": "lf", "expression": {"sql": "t", "grid": [0.5]}})
    frame = pl.DataFrame({"id": [1], "t": ["x"], "p": [0.5]})
    with pytest.raises(InvalidFunction, match=r"has a grid, so its expression 't' must give a prob.*but it gives"):
        LFSet(declarative_lfs([config])).apply(frame, classes=CLASSES, key="id")
    config = DeclarativeLFConfig.model_validate({"name": "lf", "expression": {"sql": "p"}})
    with pytest.raises(InvalidFunction, match="or a 'grid' to vote with a probability"):
        LFSet(declarative_lfs([config])).apply(frame, classes=CLASSES, key="id")


def test_the_grid_is_part_of_the_fingerprint_and_told():
    one, other, hard = lf_of([0.5]), lf_of([0.5], (0.1, 0.9)), lf_of([0.5], None)
    assert len({one.fingerprint, other.fingerprint, hard.fingerprint}) == 3
    assert "soft" not in hard.described
    assert "votes the index of a cell: P(class 1) of 0.1, 0.9" in LFSet([other]).comments()["lf_soft"]
    assert LFSet([other]).describe()["grid"].to_list() == ["0.1, 0.9"]


def test_it_is_not_compiled():
    @labeling_function(soft=GRID)
    def lf_soft(x):
        return 0.9 if "http" in x.text else -1

    assert explained(lf_soft, CLASSES).why == "votes with a probability"


def test_examples_expect_probabilities():
    def of(vote):
        @labeling_function(soft=GRID, examples=[({"p": 0.9}, vote)])
        def lf_soft(x):
            return x.p

        return check_examples(LFSet([lf_soft]), CLASSES)

    assert of(0.95).n_kept == 1
    assert of((0.1, 0.9)).n_kept == 1
    (missed,) = of(0.5).missed
    assert str(missed) == "'lf_soft' voted 0.95 on its example 1, {'p': 0.9}, expected 0.5"
    with pytest.raises(InvalidFunction, match="expects 'spam', which is no vote: the probability of 'spam', from"):
        of("spam")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_no_other_cell_is_nearer_and_a_batch_equals_row_by_row(values, grid):
    cells = tuple((1 - p, p) for p in sorted(set(grid)))
    found, refused = cells_of_values("lf", values, cells, CLASSES)
    assert not refused
    for value, cell in zip(values, found.to_list(), strict=True):
        assert abs(cells[cell][1] - value) <= min(abs(p - value) for _, p in cells) + 1e-9
        assert nearest(np.array([[1 - value, value]]), cells).tolist() == [cell]


def test_probabilities_made_elsewhere():
    frame = pl.DataFrame({"id": [1, 2, 3], "bert": [0.9, None, 0.1], "rule": ["spam", None, "ham"]})
    cells = {"bert": tuple((1 - p, p) for p in GRID)}
    kernel = ImportKernel("id", ("bert", "rule"), CLASSES, frame.schema, soft=cells)
    found, _ = kernel.run(frame)
    assert found["bert"].to_list() == [4, -1, 0]
    assert found["rule"].to_list() == [1, -1, 0]
    assert found.schema == kernel.schema
    assert kernel.grids.of == cells
    with pytest.raises(InvalidVote, match=r"'bert' has 1 values that are no prob.* on item_id 3 it returned 1.1"):
        kernel.run(frame.with_columns(bert=pl.Series([0.9, None, 1.1])))


def test_vectors_made_elsewhere():
    frame = pl.DataFrame({"id": [1, 2], "bert": [[0.7, 0.2, 0.1], None]})
    kernel = ImportKernel("id", ("bert",), THREE, frame.schema, soft={"bert": VECTORS})
    assert kernel.run(frame)[0]["bert"].to_list() == [0, -1]


def test_wrong_imports_are_refused():
    frame = pl.DataFrame({"id": [1], "t": ["x"], "p": [0.5]})
    with pytest.raises(ConfigError, match="votes column 't' has a grid, but is String"):
        ImportKernel("id", ("t",), CLASSES, frame.schema, soft={"t": ((0.5, 0.5),)})
    with pytest.raises(ConfigError, match=r"or give the grid of its probabilities in 'votes\.grids'"):
        ImportKernel("id", ("p",), CLASSES, frame.schema)
    with pytest.raises(ConfigError, match="of 2 classes, but the task has 3"):
        ImportKernel("id", ("p",), THREE, frame.schema, soft={"p": ((0.5, 0.5),)})
    with pytest.raises(ValueError, match="'grids' is for format: wide"):
        VotesConfig(table="t", format="long", lf_column="lf", vote_column="v", grids={"a": (0.5,)})
    with pytest.raises(ValueError, match=r"'grids' names \['b'\], which are not in 'columns'"):
        VotesConfig(table="t", columns=("a",), grids={"b": (0.5,)})
