"""What is told of slices: hand-made rows, and the measures that the label model has over the same items."""

import numpy as np
import polars as pl
import pytest

from sparkws import synthetic
from sparkws.config import LabelModelConfig
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.slicefigures import SliceFiguresKernel
from sparkws.stats.counters import of_patterns
from sparkws.stats.patterns import of_matrix
from sparkws.stats.slices import SlicesKernel


def rows_of(slices, lf_names, k):
    patterns = {name: of_matrix(L, lf_names, k, gold) for name, (L, gold) in slices.items()}
    return SlicesKernel(lf_names, k, tuple(slices)).dump(patterns)


def test_figures_by_hand():
    L = np.array([[0, 0, -1], [0, 1, -1], [1, -1, -1], [-1, -1, -1], [-1, -1, 1]], np.int8)
    gold = np.array([0, 0, 0, 1, -1], np.int8)
    names = ("a", "b", "c")
    rows = rows_of({"all": (L, gold), "empty": (L[:0], gold[:0])}, names, 2)
    model = MajorityVote(2).fit(of_matrix(L, names, 2))
    kernel = SliceFiguresKernel(model, names, ("all", "empty"))
    told = kernel.to_plain(kernel.of_batch(rows))
    assert told["all"] == {
        "n_items": 5,
        "coverage": 0.8,
        "overlaps": 0.4,
        "conflicts": 0.2,
        "n_gold": 4,
        "accuracy": {"majority": pytest.approx((1 + 0.5 + 0) / 3)},
    }
    nothing = {"coverage": None, "overlaps": None, "conflicts": None, "accuracy": {"majority": None}}
    assert told["empty"] == {"n_items": 0, "n_gold": 0, **nothing}
    judged = SliceFiguresKernel(model, names, ("all",), judging=("b",))
    assert judged.to_plain(judged.of_batch(rows))["all"]["accuracy"] == {"majority": (1 + 0.5) / 2}
    # Of a model that does not read them, the votes are not there.
    without = SliceFiguresKernel(MajorityVote(2).fit(of_matrix(L[:, [0, 2]], ("a", "c"), 2)), names, ("all",))
    assert without.to_plain(without.of_batch(rows))["all"]["overlaps"] == 0


def test_of_a_slice_of_everything_they_are_those_of_the_report_and_parts_add_up():
    rng = np.random.default_rng(0)
    names = synthetic.lf_names(6)
    L, Y = synthetic.sample(synthetic.random_truth(rng, 6, 3, accuracy=(0.5, 0.9)), 1000, rng)
    gold = np.where(rng.random(1000) < 0.5, Y, -1).astype(np.int8)
    patterns = of_matrix(L, names, 3, gold)
    config = LabelModelConfig(kind="dawid_skene")
    fitted = fit_label_model(config, patterns, of_patterns(patterns), ["x", "y", "z"])
    assert isinstance(fitted.model, DawidSkene)
    kernel = SliceFiguresKernel(fitted.model, names, ("first", "all"))
    rows = rows_of({"first": (L[:300], gold[:300]), "all": (L, gold)}, names, 3)
    whole = kernel.of_batch(rows)
    for kind, accuracy in kernel.to_plain(whole)["all"]["accuracy"].items():
        assert accuracy == pytest.approx(fitted.report.metrics[kind]["accuracy_ties_shared"], abs=1e-8)
    shuffled = rows.sample(fraction=1, shuffle=True, seed=1)
    parts = [kernel.of_batch(part) for part in (shuffled[:200], shuffled[200:], shuffled[:0])]
    np.testing.assert_array_equal(kernel.merge(kernel.merge(parts[0], parts[1]), parts[2]), whole)
    loaded = kernel.load(pl.concat([kernel.dump(part) for part in parts]))
    np.testing.assert_array_equal(loaded, whole)
