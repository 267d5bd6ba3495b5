"""Multi-label tasks: options of a label, figures over labels, what is said, and how models are stored."""

import numpy as np
import pytest

from sparkws.config import LabelModelConfig
from sparkws.errors import ConfigError, IncompatibleStatistics, NothingToFit
from sparkws.labelmodels import multilabel, persist
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.fitting import fit_label_model
from sparkws.labelmodels.majority import MajorityVote
from sparkws.stats.counters import of_patterns
from sparkws.stats.patterns import of_matrix
from sparkws.vocab import LABEL_CLASSES

COLUMNS = {"f__a": "f", "g__a": "g", "h__a": "h"}
LABELS = {"a": COLUMNS, "b": {"f__b": "f"}}


def test_options_of_functions_become_those_of_their_columns():
    weighted = LabelModelConfig(kind="weighted", weights={"f": 1.0, "k": 2.0})
    assert multilabel.config_of_label(weighted, 0, COLUMNS).weights == {"f__a": 1.0}
    config = LabelModelConfig(class_balance=(0.25, 0.9), groups=(("f", "h", "k"), ("f", "k")), exclude=("g",))
    got = multilabel.config_of_label(config, 0, COLUMNS)
    assert got.class_balance == (0.75, 0.25)
    assert got.groups == (("f__a", "h__a"),)
    assert got.exclude == ("g__a",)
    assert multilabel.config_of_label(LabelModelConfig(lfs=("g", "f")), 0, COLUMNS).lfs == ("f__a", "g__a")


@pytest.mark.parametrize("options", [{"lfs": ("g",)}, {"exclude": ("f",)}])
def test_a_label_without_a_chosen_function_has_nothing_to_fit(options):
    with pytest.raises(NothingToFit, match="no labeling function that takes part votes on it"):
        multilabel.config_of_label(LabelModelConfig(**options), 1, LABELS["b"])


@pytest.mark.parametrize(
    "options",
    [{"exclude": ("ff",)}, {"weights": {"ff": 1.0}, "kind": "weighted"}, {"groups": (("f", "ff"),)}],
)
def test_options_that_name_no_function_are_refused(options):
    with pytest.raises(ConfigError, match=f"'label_model.{next(iter(options))}' names \\['ff'\\].*Did you mean 'f'"):
        multilabel.check_names(LabelModelConfig(**options), LABELS)
    multilabel.check_names(LabelModelConfig(exclude=("h",)), LABELS)


def fitted(L, gold, names):
    patterns = of_matrix(np.array(L, np.int8), names, 2, np.array(gold, np.int8))
    one = fit_label_model(LabelModelConfig(kind="majority"), patterns, of_patterns(patterns), LABEL_CLASSES)
    return one, multilabel.confusions(one, patterns)


def test_figures_over_labels_by_hand():
    # Label a: has and got it, has it and got none, has it not and got it; the last is not known.
    one, of_a = fitted([[1, 1], [-1, -1], [1, -1], [1, 1]], [1, 1, 0, -1], ("f__a", "g__a"))
    # Label b: has and got it, has and lost it, has it not and lost it.
    two, of_b = fitted([[1], [0], [0]], [1, 1, 0], ("f__b",))
    assert of_a["label model"].tolist() == [[0, 0, 1], [1, 0, 1]]
    report = multilabel.report_of({"a": one, "b": two}, {}, {"a": of_a, "b": of_b})
    figures = report.metrics["label model"]
    assert figures == report.metrics["majority"]
    assert (figures["n_labels"], figures["n_known"], figures["n_decided"]) == (2, 6, 5)
    assert figures["accuracy"] == 3 / 5
    # F1 of decided labels: a 2 * 1 / (1 + 2), b 2 * 1 / (2 + 1); together 2 * 2 / (3 + 3)
    assert figures["macro_f1"] == pytest.approx(2 / 3)
    assert figures["micro_f1"] == pytest.approx(2 / 3)
    # With the undecided one, which has a: a 2 * 1 / (2 + 2); together 2 * 2 / (4 + 3)
    assert figures["macro_f1_overall"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert figures["micro_f1_overall"] == pytest.approx(4 / 7)


def test_a_label_without_a_model_lowers_the_figures_over_all():
    one, of_a = fitted([[1]], [1], ("f__a",))
    counters = of_patterns(of_matrix(np.array([[-1]], np.int8), ["f__b"], 2, np.array([1], np.int8)))
    counted = {"a": of_a, "b": multilabel.undecided(counters), "c": multilabel.undecided(None)}
    report = multilabel.report_of({"a": one}, {"b": "nobody votes"}, counted)
    figures = report.metrics["label model"]
    assert (figures["micro_f1"], figures["macro_f1_overall"]) == (1.0, 0.5)
    assert report.to_plain()["warnings"][0] == {
        "code": "no_model",
        "label": "b",
        "message": "label 'b' has no model and is never decided: nobody votes.",
    }


def test_without_known_classes_there_are_no_figures():
    one, of_a = fitted([[1]], [-1], ("f__a",))
    assert multilabel.report_of({"a": one}, {}, {"a": of_a}).metrics == {}


def test_findings_name_their_label():
    one, of_a = fitted([[1, -1], [-1, 1]], [-1, -1], ("f__a", "g__a"))
    warnings = {
        found["code"]: found for found in multilabel.report_of({"a": one}, {}, {"a": of_a}).to_plain()["warnings"]
    }
    assert warnings["few_overlaps"]["label"] == "a"
    assert warnings["few_overlaps"]["message"].startswith("label 'a': No two labeling functions ever vote")
    assert "no labeling function votes that an item has it not" in warnings["no_votes_for_class"]["message"]


def models():
    L = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 1], [0, -1, 0]] * 5, np.int8)
    one = DawidSkene(2).fit(of_matrix(L, list(COLUMNS), 2))
    return {"a": one, "b": MajorityVote(2).fit(of_matrix(L[:, :1], ["f__b"], 2))}


def rows_of(stored, fingerprints):
    return multilabel.to_rows(
        {label: persist.to_rows(one, LABEL_CLASSES, fingerprints) for label, one in stored.items()}
    )


def test_models_come_back_from_their_rows_in_any_order():
    stored = models()
    rows = rows_of(stored, {"f__a": "12", "f__b": "34"})
    back = multilabel.from_rows(rows.sample(fraction=1, shuffle=True, seed=0), ["a", "b", "c"], {"f__a": "12"})
    assert list(back) == ["a", "b", "c"]
    assert back["c"] is None
    L = np.array([[1, 0, -1], [0, 0, 1]], np.int8)
    assert back["a"].posterior(L).tolist() == stored["a"].posterior(L).tolist()
    assert back["b"].lf_names_ == ("f__b",)


def test_models_of_other_labels_or_functions_are_refused():
    rows = rows_of(models(), {"f__b": "34"})
    with pytest.raises(IncompatibleStatistics, match=r"of other labels: it has \['b'\], expected \['a', 'c'\]"):
        multilabel.from_rows(rows, ["a", "c"])
    with pytest.raises(IncompatibleStatistics, match=r"label 'b': .*: changed \['f__b'\]; fit it"):
        multilabel.from_rows(rows, ["a", "b"], {"f__b": "35"})
    with pytest.raises(IncompatibleStatistics, match="an item has one class, expected one for each label"):
        multilabel.from_rows(persist.to_rows(models()["b"], LABEL_CLASSES), ["a", "b"])
