"""What users write: the decorator's forms, and what it refuses."""

import enum
import re
from datetime import date
from types import SimpleNamespace

import polars as pl
import pytest

from sparkws.errors import InvalidFunction
from sparkws.lfs import LabelingFunction, labeling_function, preprocessor
from sparkws.vocab import ABSTAIN

SPAM = 1


@labeling_function
def lf_bare(x):
    return SPAM if "http" in x.text else ABSTAIN


@labeling_function()
def lf_called(x):
    return SPAM if "http" in x["text"] else ABSTAIN


@labeling_function(name="lf_other_name", resources={"words": ("buy",)})
def lf_with_resources(x, words):
    return SPAM if any(word in x.text for word in words) else ABSTAIN


def test_bare_and_called_forms_are_one():
    assert (lf_bare.name, lf_called.name, lf_with_resources.name) == ("lf_bare", "lf_called", "lf_other_name")
    assert lf_bare.columns == lf_called.columns == lf_with_resources.columns == ("text",)
    assert {lf.kind for lf in (lf_bare, lf_called, lf_with_resources)} == {"row"}


def test_a_name_may_come_first_as_in_snorkel():
    made = labeling_function("lf_first", {"word": "a"})(lambda x, word: word in x.text)
    assert made.name == "lf_first"
    assert made(SimpleNamespace(text="a")) is True


def test_is_callable_on_anything_with_attributes():
    assert lf_bare(SimpleNamespace(text="http://a")) == SPAM
    assert lf_bare({"text": "hello"}) == ABSTAIN
    assert lf_with_resources(SimpleNamespace(text="buy now")) == SPAM
    assert lf_called({"text": "http://a"}) == SPAM


def test_the_class_is_called_as_in_snorkel():
    made = LabelingFunction(name="keyword_buy", f=lambda x, word: word in x.text, resources={"word": "buy"})
    assert made(SimpleNamespace(text="buy")) is True
    assert LabelingFunction("lf_none", lambda x: -1, None, None).resources == {}


def test_preprocessors_of_a_call_leave_the_item_alone():
    @preprocessor
    def lowered(x):
        x.text = x.text.lower()
        return x

    @labeling_function(pre=[lowered])
    def lf_low(x):
        return SPAM if "buy" in x.text else ABSTAIN

    item = SimpleNamespace(text="BUY")
    assert lf_low(item) == SPAM
    assert item.text == "BUY"


def test_a_vectorized_one_is_called_with_a_frame():
    @labeling_function(vectorized="polars", columns=["text"])
    def lf_short(frame):
        return frame["text"].str.len_chars() < 3

    assert lf_short(pl.DataFrame({"text": ["a", "abc"]})).to_list() == [True, False]
    assert lf_short.kind == "polars"


def test_dates_are_kept_as_dates():
    made = LabelingFunction("lf_dated", lambda x: -1, valid_from="2026-01-31", valid_to=date(2027, 1, 1))
    assert (made.valid_from, made.valid_to) == (date(2026, 1, 31), date(2027, 1, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "lf-dash"}, "'lf-dash' cannot be the name of a labeling function"),
        ({"name": "lf_a\n"}, r"'lf_a\n' cannot be the name"),
        (
            {"name": "Item_ID"},
            "'Item_ID' cannot be the name of a labeling function: a column beside its votes has that name",
        ),
        ({"f": "text"}, "'lf_a' needs a function of an item, got 'text'."),
        ({"resources": {"words": 1}}, "'lf_a' cannot be called with an item and the resources ['words']"),
        ({"f": lambda x, words: 1}, "missing a required argument: 'words'"),
        ({"pre": [len]}, "'pre' of 'lf_a' holds <built-in function len>; decorate it with @preprocessor."),
        ({"pre": preprocessor(lambda x: x)}, "'pre' of 'lf_a' must be a list of preprocessors"),
        ({"vectorized": "pandas"}, "must be one of ['polars', 'arrow'] or None, got 'pandas'."),
        ({"vectorized": "polars", "pre": [preprocessor(lambda x: x)]}, "cannot have the preprocessors ['<lambda>']"),
        ({"columns": "text"}, "'columns' of 'lf_a' must be a list of names, got 'text'."),
        ({"valid_from": "31.1.2026"}, "'valid_from' of 'lf_a' must be a date such as '2026-01-31', got '31.1.2026'."),
        ({"valid_to": 2026}, "'valid_to' of 'lf_a' must be a date such as '2026-01-31', got 2026."),
    ],
)
def test_refuses_with_the_value(options, message):
    with pytest.raises(InvalidFunction, match=re.escape(message)):
        LabelingFunction(**{"name": "lf_a", "f": lambda x: -1, **options})


def test_refuses_an_unknown_option_with_a_suggestion():
    with pytest.raises(InvalidFunction, match=r"takes no 'colums'; .* Did you mean 'columns'\?"):
        labeling_function(name="lf_a", colums=["text"])


def test_refuses_columns_that_hide_what_is_read():
    def f(x):
        return x.text + x.url

    with pytest.raises(InvalidFunction, match=r"'lf_a' reads \['url'\] beyond its 'columns' \['text'\]; add them."):
        LabelingFunction("lf_a", f, columns=["text"])


def test_a_preprocessor_must_be_a_function():
    with pytest.raises(InvalidFunction, match=r"preprocessor 'words' needs a function of an item, got \['a'\]."):
        preprocessor("words")(["a"])


def test_enums_are_values_like_any():
    class Label(enum.IntEnum):
        SPAM = 1

    assert LabelingFunction("lf_a", lambda x: Label.SPAM)(SimpleNamespace()) == 1
