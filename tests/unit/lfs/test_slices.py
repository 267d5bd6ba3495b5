"""Conditions that tell who is in a slice, as columns of the votes."""

import polars as pl
import pytest

from sparkws.config import TaskConfig
from sparkws.errors import ConfigError, InvalidFunction
from sparkws.lfconfig import ExpressionConfig
from sparkws.lfs import LFSet, labeling_function
from sparkws.lfs.slices import with_slices


@labeling_function
def lf_link(x):
    return "spam" if "http" in x.text else -1


ITEMS = pl.DataFrame({"item_id": ["a", "b", "c"], "text": ["hi", "http://x", None]})


def task(**slices):
    return TaskConfig(classes=("ham", "spam"), lfs={"modules": ("lfs.py",)}, slices=slices)


def test_members_have_one_and_others_minus_one():
    slices = task(short="length(text) < 3", long={"sql": "length(text) >= 3"}).slices
    lfset = with_slices(LFSet([lf_link]), slices)
    votes = lfset.apply(ITEMS, classes=("ham", "spam"), key="item_id", on_fault="quarantine")
    assert votes["slice_short"].to_list() == [1, -1, -1]
    assert votes["slice_long"].to_list() == [-1, 1, -1]
    assert votes.columns == ["item_id", "lf_link", "slice_short", "slice_long"]
    assert "slice short: 1 in it, -1 outside" in lfset.comments()["slice_short"]
    assert with_slices(LFSet([lf_link]), {}).names == ("lf_link",)


@pytest.mark.parametrize("name", ["lf_link", "LF_Link"])
def test_a_slice_called_like_a_function_is_refused(name):
    with pytest.raises(ConfigError, match=f"slice '{name}' is called like a labeling function"):
        with_slices(LFSet([lf_link]), {name: ExpressionConfig(sql="true")})


def test_conditions_that_cannot_be_are_refused():
    with pytest.raises(InvalidFunction, match=r"'slice_short' has the expression 'length.*', which polars cannot"):
        with_slices(LFSet([lf_link]), task(short="length(text) <").slices)
    with pytest.raises(InvalidFunction, match=r"'slice_often' .* looks at more than one item"):
        with_slices(LFSet([lf_link]), task(often="count(text) > 1").slices)
    lengths = with_slices(LFSet([lf_link]), task(length="length(text)").slices)
    with pytest.raises(InvalidFunction, match=r"'slice_length' .* must be a condition, but it gives UInt32"):
        lengths.apply(ITEMS, classes=("ham", "spam"), key="item_id")
    with pytest.raises(ValueError, match="slice 'a' is a condition and has no label"):
        task(a={"sql": "true", "label": 1})
    with pytest.raises(ValueError, match=r"must differ by more than case, got .'a', 'A'"):
        task(a="true", A="true")
    with pytest.raises(ValueError, match=r"slices \['a'\] are found in the pass that runs 'lfs'"):
        TaskConfig(classes=("ham", "spam"), votes={"table": "t"}, slices={"a": "true"})
