"""How sure a label is itself: columns by hand from models by hand, and rows that bring the models back."""

from functools import partial

import numpy as np
import polars as pl
import pytest

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.labelmodels.doubt import Doubt
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.labelmodels.kernel import LabelsKernel
from sparkws.labelmodels.persist import SCHEMA, from_json, from_rows
from sparkws.labelmodels.savedtrust import doubt_of_rows, rows_with_trust
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.stats.counters import of_patterns
from sparkws.stats.patterns import of_matrix
from sparkws.vocab import ITEM_ID

CLASSES = ("no", "yes")
LOAD = partial(from_json, classes=CLASSES)
LFS = synthetic.lf_names(6)


def weighted(**weights):
    L = np.zeros((1, len(weights)), np.int8)
    return WeightedVote(2, weights).fit(of_matrix(L, tuple(weights), 2))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_columns_by_hand():
    model = weighted(lf_a=1.0, lf_b=2.0)
    replicates = [weighted(lf_a=x, lf_b=2.0) for x in np.linspace(0.05, 1.95, 39)]
    doubt = Doubt(replicates, [weighted(lf_b=2.0), weighted(lf_a=1.0)])
    L = np.array([[1, -1], [1, 1], [0, 1], [-1, -1]], np.int8)
    found = doubt.of(model, L, model.posterior(L))
    # One more weight of lf_a would be below the second of 39 with probability 2 / 40: from .1 to 1.9. In the third row
    # it speaks against the label.
    np.testing.assert_allclose(found["confidence_low"][:3], sigmoid(np.array([0.1, 2.1, 0.1])), atol=1e-9)
    np.testing.assert_allclose(found["confidence_high"][:3], sigmoid(np.array([1.9, 3.9, 1.9])), atol=1e-9)
    # Without lf_a the first item has no vote; the second has weights 3, 2 or 1, the third 1, 2 or -1.
    spread = [0, sigmoid(3) - sigmoid(1), sigmoid(2) - sigmoid(-1)]
    np.testing.assert_allclose(found["confidence_spread"][:3], spread, atol=1e-9)
    assert found.row(3) == (None, None, None)


def test_columns_that_nothing_could_be_found_for_are_there_and_empty():
    model = weighted(lf_a=1.0)
    L = np.array([[1]], np.int8)
    assert Doubt().of(model, L, model.posterior(L)).columns == []
    assert Doubt((), None).of(model, L, model.posterior(L)).rows(named=True) == [
        {"confidence_low": None, "confidence_high": None}
    ]
    assert Doubt(None, ()).of(model, L, model.posterior(L)).rows(named=True) == [{"confidence_spread": None}]


@pytest.fixture(scope="module")
def assessed():
    rng = np.random.default_rng(0)
    L, _ = synthetic.sample(synthetic.random_truth(rng, 6, 2, accuracy=(0.7, 0.9), coverage=(0.4, 0.8)), 800, rng)
    patterns = of_matrix(L, LFS, 2)
    config = LabelModelConfig(kind="dawid_skene", bootstrap=10, leave_one_out=3, label_intervals=True)
    return L, fit_label_model(config, patterns, of_patterns(patterns), CLASSES).assessed


def test_stored_models_give_the_same_columns_in_any_order_of_rows(assessed):
    L, found = assessed
    rows = rows_with_trust(found, CLASSES, {"lf_0": "f0"})
    assert rows.schema == SCHEMA
    shuffled = rows.sample(fraction=1, shuffle=True, seed=1)
    doubt = doubt_of_rows(shuffled, LOAD, Doubt((), ()))
    direct = Doubt(found.replicates, tuple(found.without.values()))
    model = from_rows(shuffled, CLASSES)
    ours, theirs = (each.of(model, L[:40], model.posterior(L[:40])) for each in (doubt, direct))
    assert ours.equals(theirs)
    only = doubt_of_rows(shuffled, LOAD, Doubt(None, ()))
    assert only.schema.names() == ["confidence_spread"]


def test_rows_tell_intervals_and_what_changes(assessed):
    _, found = assessed
    rows = rows_with_trust(found, CLASSES)
    told = found.told
    of_lf = rows.filter(lf="lf_2").filter(pl.col("parameter").str.starts_with("accuracy")).sort("parameter")
    assert of_lf["parameter"].to_list() == ["accuracy", "accuracy_high", "accuracy_low"]
    estimate, low, high = told["bootstrap"]["accuracy"]["lf_2"]
    assert of_lf["value"].to_list() == [estimate, high, low]
    ends = rows.filter(parameter="class_balance_low")
    assert dict(zip(ends["class"], ends["value"], strict=True)) == {
        name: pair[0] for name, pair in told["bootstrap"]["class_balance"].items()
    }
    assert rows.filter(parameter="changed_without").height == len(told["leave_one_out"]["changed"]) == 3


def test_labels_have_the_columns_where_they_are_asked_for(assessed):
    L, found = assessed
    votes = synthetic.votes_frame(L[:50], LFS).with_columns(pl.Series("gold", [1] + [None] * 49, dtype=pl.Int8))
    options = {"key_dtype": votes.schema[ITEM_ID], "votes_version": 3, "model_version": 4, "clamp_gold": True}
    plain, _ = LabelsKernel(model=found.model, **options).run(votes)
    doubt = Doubt(found.replicates, tuple(found.without.values()))
    labels, _ = LabelsKernel(model=found.model, **options, doubt=doubt).run(votes)
    assert labels.columns == [*plain.columns, "confidence_low", "confidence_high", "confidence_spread"]
    assert labels.select(plain.columns).equals(plain)
    assert labels.row(0)[-3:] == (1, 1, 0), "a class that is held is beyond doubt"
    told = labels[1:].drop_nulls("confidence")
    assert (told["confidence_low"] <= told["confidence"]).mean() > 0.9
    assert (told["confidence_high"] >= told["confidence"]).mean() > 0.9
    silent = labels.filter(pl.col("confidence").is_null())
    assert silent["confidence_low"].null_count() == silent.height
