import inspect
from typing import get_args

import pytest

from sparkws.config import LabelModelConfig
from sparkws.errors import ConfigError
from sparkws.labelmodels.factory import make_label_model
from sparkws.modeloptions import OPTIONS, not_read, readers

KINDS = tuple(kind for kind in OPTIONS if kind != "auto")
# Another value than the default of each option, that its kinds take.
OTHER = {
    "class_balance": (0.4, 0.6),
    "abstain": "missing",
    "smoothing": 3.0,
    "one_coin": True,
    "groups": (("a", "b"),),
    "max_group": 3,
    "weights": {"a": 1.0},
    "precision": "learned",
    "one_vs_rest": True,
    "l2": 0.5,
    "max_iter": 7,
    "tol": 1e-3,
    "polish": 3,
}


def test_the_table_has_every_kind_and_every_option_that_not_all_read():
    assert set(OPTIONS) == set(get_args(LabelModelConfig.model_fields["kind"].annotation))
    assert {option for options in OPTIONS.values() for option in options} == set(OTHER)
    assert set(OTHER) < set(LabelModelConfig.model_fields)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_holds_every_option_that_its_kind_reads(kind):
    given = {option: OTHER[option] for option in OPTIONS[kind]}
    model = make_label_model(LabelModelConfig(kind=kind, **given), 2)
    assert model.kind == kind
    for option, value in given.items():
        if option == "polish":  # of the fit from a sample
            continue
        held = model.class_balance_.tolist() if (kind, option) == ("weighted", "class_balance") else None
        assert held == [0.4, 0.6] if held else getattr(model, option) == value


@pytest.mark.parametrize("kind", KINDS)
def test_an_option_of_the_class_that_a_configuration_can_say_is_in_the_table(kind):
    model = make_label_model(LabelModelConfig(kind=kind), 2)
    taken = set(inspect.signature(type(model).__init__).parameters) & set(OTHER)
    # Given by who uses the class alone: another tolerance is of another loss, and groups are not learned for it.
    alone = {"matrix_completion": {"tol", "groups"}}.get(kind, set())
    assert taken - alone == set(OPTIONS[kind]) - {"polish"}


@pytest.mark.parametrize("kind", OPTIONS)
def test_what_a_kind_does_not_read_is_refused_with_the_kinds_that_do(kind):
    for option in not_read(kind, OTHER):
        assert kind not in readers(option)
        with pytest.raises(ValueError, match=f"kind: {kind} does not read '{option}' .of {', '.join(readers(option))}"):
            LabelModelConfig(kind=kind, **{option: OTHER[option]})
        default = LabelModelConfig.model_fields[option].default
        assert LabelModelConfig(kind=kind, **{option: default}).kind == kind  # a complete file says all of them


def test_auto_is_made_by_its_candidates():
    with pytest.raises(ConfigError, match=r"kind 'auto' here.*fit_label_model.*name one of \['majority', .*'triplet'"):
        make_label_model(LabelModelConfig(), 2)
