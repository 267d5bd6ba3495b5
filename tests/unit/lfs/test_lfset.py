"""Sets: order, names, and the way a notebook uses them."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sparkws.errors import ConfigError, FunctionFailed, InvalidFunction
from sparkws.lfconfig import LFsConfig
from sparkws.lfs import LabelingFunction, LFSet, label_matrix, labeling_function, lfset_of

CLASSES = ("ham", "spam")


@labeling_function(owner="ann", source="rules of 2026", valid_from="2026-01-01")
def lf_link(x):
    return "spam" if "http" in x.text else -1


@labeling_function(vectorized="polars")
def lf_short(frame):
    return (frame["text"].str.len_chars() < 5).cast(pl.Int8) - 1


LFS = LFSet([lf_link, lf_short])


def test_is_an_ordered_collection():
    assert LFS.names == ("lf_link", "lf_short")
    assert len(LFS) == 2
    assert list(LFS) == [lf_link, lf_short]
    assert LFS["lf_short"] is lf_short
    assert LFS.select(["lf_short", "lf_link"]).names == ("lf_short", "lf_link")
    assert LFS.columns is None
    assert LFS.select(["lf_link"]).columns == ("text",)


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match=r"no labeling function 'lf_lnk' among .* Did you mean 'lf_link'\?"):
        LFS["lf_lnk"]
    with pytest.raises(ConfigError, match="no labeling function 'other'"):
        LFS.select(["other"])


def test_names_differ_by_more_than_case():
    with pytest.raises(ConfigError, match=r"must differ by more than case, got \['lf_a', 'LF_A'\]."):
        LFSet([LabelingFunction("lf_a", len), LabelingFunction("LF_A", len)])


def test_holds_functions_only():
    with pytest.raises(InvalidFunction, match="an LF set holds labeling functions, got <built-in function len>"):
        LFSet([lf_link, len])


def test_describes_itself():
    described = LFS.describe()
    assert described["kind"].to_list() == ["row", "polars"]
    assert described["columns"].to_list() == [["text"], None]
    assert described["fingerprint"].to_list() == [lf_link.fingerprint, lf_short.fingerprint]
    assert described.row(0)[3:7] == (True, "ann", "rules of 2026", date(2026, 1, 1))
    assert LFSet([]).describe().schema == described.schema
    comment = LFS.comments()["lf_link"]
    assert comment.startswith("row LF; reads text; owner ann; source rules of 2026; valid from 2026-01-01; finger")


TEXTS = {"text": ["http://a", "hi"]}


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame, pa.table, pa.RecordBatch.from_pydict])
def test_applies_to_tables_of_any_library(make):
    votes = LFS.apply(make(TEXTS), classes=CLASSES)
    assert votes.rows() == [(0, 1, -1), (1, -1, 0)]
    assert votes.columns == ["item_id", "lf_link", "lf_short"]
    L = label_matrix(votes)
    assert L.dtype == np.int8
    assert L.tolist() == [[1, -1], [-1, 0]]


def test_applies_with_a_key():
    votes = LFS.apply(pl.DataFrame({**TEXTS, "id": ["a", "b"]}), classes=CLASSES, key="id")
    assert votes["item_id"].to_list() == ["a", "b"]


def test_a_failure_is_loud_in_a_notebook_unless_asked():
    missing = pl.DataFrame({"text": ["a", None]})
    with pytest.raises(
        FunctionFailed, match="'lf_link' raised on 1 of 2 items of a batch; first on item_id 1: TypeErr"
    ):
        LFS.apply(missing, classes=CLASSES)
    votes = LFS.apply(missing, classes=CLASSES, on_fault="quarantine")
    assert votes["lf_link"].to_list() == [-1, None]
    assert label_matrix(votes)[:, 0].tolist() == [-1, -1]


def test_other_things_are_no_tables():
    with pytest.raises(ConfigError, match="expected a polars, pandas or Arrow table, got list"):
        LFS.apply([1], classes=CLASSES)


def test_is_made_of_a_configuration(tmp_path):
    (tmp_path / "lfs.py").write_text(
        "from sparkws.lfs import labeling_function\n@labeling_function\ndef lf_one(x):\n    return 1\n"
    )
    config = LFsConfig.model_validate(
        {"modules": ["lfs.py"], "declarative": [{"name": "lf_two", "expression": {"sql": "1"}, "owner": "ann"}]}
    )
    made = lfset_of(config, tmp_path)
    assert made.names == ("lf_one", "lf_two")
    assert made["lf_two"].owner == "ann"
    with pytest.raises(ConfigError, match=r"the task has no labeling functions; name files in 'lfs\.modules'"):
        lfset_of(LFsConfig(), tmp_path)
