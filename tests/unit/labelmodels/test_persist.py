"""A model that was saved is the model that was fitted, to the last bit."""

import json
from typing import get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.errors import DataError, IncompatibleStatistics, MissingColumns, NothingToFit
from sparkws.labelmodels.calibration import Calibration, calibrated
from sparkws.labelmodels.completion import MatrixCompletion
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.factory import fit_model
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.persist import KINDS, SCHEMA, from_json, from_rows, to_json, to_rows
from sparkws.labelmodels.precision import PrecisionVote
from sparkws.labelmodels.publishedtriplet import PublishedTriplet
from sparkws.labelmodels.superlf import SuperLF
from sparkws.labelmodels.triplet import Triplet
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.stats.patterns import of_matrix

CLASSES, LFS = ("HAM", "abstain", "SPAM"), synthetic.lf_names(4)


def fitted(kind=DawidSkene, seed=0, **options):
    rng = np.random.default_rng(seed)
    L = synthetic.sample(synthetic.random_truth(rng, 4, 3), 60, rng)[0]
    return L, kind(3, **options).fit(of_matrix(L, LFS, 3))


def assert_same(ours, theirs, L):
    assert type(ours) is type(theirs)
    assert ours.lf_names_ == theirs.lf_names_
    for name in ("cpt_", "class_balance_"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert getattr(ours, "n_polish_", 0) == getattr(theirs, "n_polish_", 0)
    assert (ours.n_iter_, ours.converged_, ours.log_likelihood_) == (
        theirs.n_iter_,
        theirs.converged_,
        theirs.log_likelihood_,
    )
    np.testing.assert_array_equal(ours.posterior(L), theirs.posterior(L))


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["outcome", "missing"]), st.randoms())
def test_both_ways_back_are_exact(seed, abstain, random):
    L, model = fitted(seed=seed, abstain=abstain)
    rows = to_rows(model, CLASSES)
    assert rows.schema == SCHEMA
    shuffled = rows[random.sample(range(rows.height), rows.height)]
    assert_same(from_rows(shuffled, CLASSES, LFS[::-1]), model, L)
    assert_same(from_json(to_json(model, CLASSES), CLASSES, LFS), model, L)
    assert from_rows(rows, CLASSES).abstain_ == abstain


def test_polish_is_remembered():
    L, model = fitted()
    model.n_polish_ = 7
    assert_same(from_rows(to_rows(model, CLASSES), CLASSES), model, L)
    assert_same(from_json(to_json(model, CLASSES), CLASSES), model, L)
    plain = json.loads(to_json(model, CLASSES))
    del plain["n_polish"]
    with pytest.raises(DataError, match=r"the label model lacks \['n_polish'\]; fit it again"):
        from_json(json.dumps(plain), CLASSES)


def test_a_temperature_is_remembered():
    L, model = fitted()
    corrected = calibrated(model, Calibration(1.7, 100))
    assert_same(from_rows(to_rows(corrected, CLASSES), CLASSES), corrected, L)
    assert_same(from_json(to_json(corrected, CLASSES), CLASSES), corrected, L)
    rows = to_rows(corrected, CLASSES).filter(pl.col("parameter") != "temperature")
    with pytest.raises(DataError, match=r"the label model lacks \['temperature'\]; fit it again\.$"):
        from_rows(rows, CLASSES)  # at 1 it would be as if it had never been calibrated
    plain = json.loads(to_json(corrected, CLASSES))
    for damaged in ({**plain, "temperature": None}, {key: plain[key] for key in plain if key != "temperature"}):
        with pytest.raises(DataError, match=r"the label model lacks \['temperature'\]; fit it again\.$"):
            from_json(json.dumps(damaged), CLASSES)


def test_majority_vote_comes_back():
    L, model = fitted(MajorityVote)
    assert_same(from_rows(to_rows(model, CLASSES), CLASSES, LFS), model, L)
    assert_same(from_json(to_json(model, CLASSES), CLASSES, LFS), model, L)


@pytest.mark.parametrize(
    "model",
    [
        WeightedVote(3, dict.fromkeys(LFS, 0.5), class_balance=(0.5, 0.3, 0.2)),
        PrecisionVote(3, precision="learned"),
        DawidSkene(3, one_coin=True),
        Triplet(3, one_vs_rest=True, class_balance="uniform"),
        MatrixCompletion(3, class_balance="uniform"),
    ],
    ids=lambda model: model.kind,
)
def test_every_kind_comes_back(model):
    L, _ = fitted()
    fit_model(model, of_matrix(L, LFS, 3))
    for again in (from_rows(to_rows(model, CLASSES), CLASSES), from_json(to_json(model, CLASSES), CLASSES)):
        assert_same(again, model, L)
        for name in model.stored:
            np.testing.assert_array_equal(getattr(again, f"{name}_"), getattr(model, f"{name}_"))


def test_all_kinds_of_the_configuration_can_be_saved():
    kinds = get_args(LabelModelConfig.model_fields["kind"].annotation)
    assert set(kinds) - {"auto"} <= set(KINDS), "auto is saved as what it chose"
    for kind in KINDS:
        assert KINDS[kind](2).kind == kind
    two = fitted()[0] % 2
    model = fit_model(PublishedTriplet(2), of_matrix(two, LFS, 2))
    assert_same(from_json(to_json(model, CLASSES[:2]), CLASSES[:2]), model, two)


def test_functions_that_changed_are_named():
    _, model = fitted()
    then = {name: f"{name} as it was" for name in LFS[:3]} | {"lf_of_another_task": "x"}
    now = {name: f"{name} as it was" for name in LFS} | {"lf_1": "edited"}
    for save, load in ((to_json, from_json), (to_rows, from_rows)):
        saved = save(model, CLASSES, then)
        assert load(saved, CLASSES).lf_names_ == LFS
        load(saved, CLASSES, fingerprints=then)
        load(save(model, CLASSES), CLASSES, fingerprints=now)
        with pytest.raises(IncompatibleStatistics, match=r"not those of the label model: changed \['lf_1'\]; fit"):
            load(saved, CLASSES, fingerprints=now)
        everything = r"added \['lf_9'\], removed \['lf_2', 'lf_3'\], changed \['lf_1'\]; fit it again\.$"
        with pytest.raises(IncompatibleStatistics, match=everything):
            load(saved, CLASSES, (*LFS[:2], "lf_9"), now)
    rows = to_rows(model, CLASSES)
    with pytest.raises(DataError, match=r"table 'label model' lacks \['text'\]"):
        from_rows(rows.drop("text"), CLASSES)


def test_numbers_of_strangers_are_refused():
    _, model = fitted()
    rows = to_rows(model, CLASSES)
    odd = rows.filter(parameter="cpt")[:1].with_columns(lf=pl.lit("lf_x"))
    with pytest.raises(DataError, match="has numbers of 'lf_x', which it does not name"):
        from_rows(pl.concat([rows, odd]), CLASSES)


def test_rows_can_be_read_without_sparkws():
    _, model = fitted()
    rows = to_rows(model, CLASSES)
    cell = rows.filter(parameter="cpt", lf="lf_2", vote="SPAM").filter(pl.col("class") == "HAM")
    assert cell["value"].to_list() == [model.cpt_[2, 3, 0]]
    silent = rows.filter(pl.col("vote").is_null(), parameter="cpt", lf="lf_2")
    assert silent["value"].to_list() == model.cpt_[2, 0].tolist()


def test_a_loaded_model_can_be_fitted_further():
    L, model = fitted()
    again = from_json(to_json(model, CLASSES), CLASSES)
    assert DawidSkene(3).fit(of_matrix(L, LFS, 3), start=again).n_iter_ <= model.n_iter_


def test_a_model_of_other_names_is_refused():
    _, model = fitted()
    text, rows = to_json(model, CLASSES), to_rows(model, CLASSES)
    for load, saved in ((from_json, text), (from_rows, rows)):
        with pytest.raises(
            IncompatibleStatistics, match=r"not those of the label model: added \['lf_9'\], removed \['lf_3'\]; fit it"
        ):
            load(saved, CLASSES, (*LFS[:3], "lf_9"))
        with pytest.raises(IncompatibleStatistics, match=r"other classes: it lacks \['EGGS'\] and has \['SPAM'\]"):
            load(saved, ("HAM", "abstain", "EGGS"))
    with pytest.raises(IncompatibleStatistics, match=r"classes in the order \['HAM', 'abstain', 'SPAM'\], expected"):
        from_json(text, CLASSES[::-1])


def test_rows_of_numbers_are_read_in_another_order_of_classes():
    L, model = fitted(class_balance=(0.5, 0.3, 0.2))
    turned = from_rows(to_rows(model, CLASSES), CLASSES[::-1]).posterior(np.where(L < 0, L, 2 - L).astype(np.int8))
    np.testing.assert_allclose(turned[:, ::-1], model.posterior(L), rtol=1e-12)


def test_rows_of_groups_are_of_one_order_of_classes():
    """Their votes are indices of classes, so that another order would give the votes another meaning."""
    L, model = fitted(SuperLF, groups=[LFS[:2]], abstain="outcome")
    rows = to_rows(model, CLASSES)
    shuffled = rows.sample(fraction=1, shuffle=True, seed=1)
    assert_same(from_rows(shuffled, CLASSES), model, L)
    turned = (
        r"classes in the order \['HAM', 'abstain', 'SPAM'\], expected \['SPAM', 'abstain', 'HAM'\]; fit it again\.$"
    )
    with pytest.raises(IncompatibleStatistics, match=turned):
        from_rows(shuffled, CLASSES[::-1])
    with pytest.raises(DataError, match=r"the classes of the label model must be a list of names, got \[\]; fit"):
        from_rows(rows.filter(pl.col("parameter") != "class"), CLASSES)


def test_what_is_no_model_is_refused():
    _, model = fitted()
    rows = to_rows(model, CLASSES)
    with pytest.raises(DataError, match="not the JSON of a label model"):
        from_json("{", CLASSES)
    with pytest.raises(DataError, match="expected a label model in format 1, got 2"):
        from_json(json.dumps({"format": 2}), CLASSES)
    with pytest.raises(DataError, match="the kind 'oracle' is not known here"):
        from_rows(rows.with_columns(kind=pl.lit("oracle")), CLASSES)
    with pytest.raises(DataError, match=r"the rows of one label model, got 0 rows of the kinds \[\]"):
        from_rows(rows[:0], CLASSES)
    with pytest.raises(MissingColumns, match=r"'label model' lacks \['kind'\]"):
        from_rows(rows.drop("kind"), CLASSES)
    with pytest.raises(NothingToFit, match="call fit before saving it"):
        to_json(DawidSkene(3), CLASSES)
    with pytest.raises(IncompatibleStatistics, match="has 3 classes, got names for 2"):
        to_rows(model, CLASSES[:2])


def test_a_model_with_holes_is_refused():
    model = DawidSkene(2)
    model.lf_names_ = ("lf_a", "lf_b")
    model.cpt_ = np.full((2, 3, 2), 1 / 3)
    model.log_likelihood_ = -1.0
    rows = to_rows(model, ["no", "yes"])
    with pytest.raises(DataError, match="lacks 6 cells of cpt, first of 'lf_b'"):
        from_rows(rows.filter(~((pl.col("parameter") == "cpt") & (pl.col("lf") == "lf_b"))), ["no", "yes"])
    with pytest.raises(DataError, match=r"lacks .'log_likelihood'"):
        from_rows(rows.filter(pl.col("parameter") != "log_likelihood"), ["no", "yes"])
