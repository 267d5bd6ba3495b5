"""Preprocessors of batches: every function sees what they made, and their failures are those of who asked."""

import re
import time

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkws.errors import FunctionFailed, InvalidFunction, MissingColumns
from sparkws.lfs import LabelingFunction, LFSet, VotesKernel, ahead, labeling_function, preprocessor

CLASSES = ("ham", "spam")
SCHEMA = pl.Schema({"id": pl.Int64, "text": pl.String, "n": pl.Int64})
ITEMS = pl.DataFrame({"id": [1, 2, 3], "text": ["a b", "c", "d e f"], "n": [1, 2, 3]}, SCHEMA)


def batch(f, columns=("text",), makes=("n_words",), kind="polars", **options):
    return preprocessor(columns=columns, makes=makes, vectorized=kind, **options)(f)


def run(*lfs, items=ITEMS, limit=None, on_fault="quarantine"):
    votes, found = VotesKernel(LFSet(lfs), CLASSES, "id", SCHEMA, on_fault, limit).run(items)
    return votes.drop("item_id").to_dict(as_series=False), found.faults


def count_words(frame):
    return {"n_words": frame["text"].str.split(" ").list.len()}


@preprocessor(vectorized="polars", columns=["text"], makes={"n_words": pl.Int64})
def counted(frame):
    return frame.with_columns(n_words=frame["text"].str.split(" ").list.len())


@preprocessor(vectorized="arrow", columns=["n_words", "n"], makes={"total": pl.Int64}, pre=[counted])
def totalled(records):
    return {"total": records["n_words"].to_numpy() + records["n"].to_numpy()}


@preprocessor
def halved(x):
    x.half = x.total // 2
    return x


@labeling_function(pre=[counted])
def lf_row(x):
    return 1 if x.n_words > 1 else 0


@labeling_function(pre=[totalled, halved])
def lf_half(x):
    return x.half % 2


@labeling_function(vectorized="polars", columns=["n"], pre=[totalled])
def lf_batch(frame):
    return (frame["total"] - frame["n"] - 1).clip(0, 1)


@labeling_function(vectorized="polars", pre=[counted])
def lf_all(frame):
    return frame.select((pl.col("n_words") + pl.col("n")) % 2).to_series()


@labeling_function
def lf_plain(x):
    return 1 if "n_words" in x else 0


LFS = (lf_row, lf_half, lf_batch, lf_plain, lf_all)
EXPECTED = {
    "lf_row": [1, 0, 1],
    "lf_half": [1, 1, 1],
    "lf_batch": [1, 0, 1],
    "lf_plain": [0, 0, 0],
    "lf_all": [1, 1, 0],
}


def test_functions_of_items_and_of_batches_see_what_they_made():
    assert run(*LFS)[0] == EXPECTED
    assert lf_row.columns == ("text",)
    assert lf_half.columns == ("n", "text")
    assert lf_batch.columns == ("n", "text")


@settings(max_examples=30, deadline=None)
@given(st.permutations(LFS), st.lists(st.integers(0, 2), max_size=6))
def test_neither_company_nor_batches_matter(lfs, rows):
    items = ITEMS[rows] if rows else ITEMS.clear()
    votes, _ = run(*lfs, items=items)
    assert votes == {lf.name: [EXPECTED[lf.name][row] for row in rows] for lf in lfs}


def test_it_runs_once_for_a_batch():
    heights = []

    def counts(frame):
        heights.append(frame.shape)
        return count_words(frame)

    shared = batch(counts)
    lfs = [LabelingFunction(f"lf_{i}", lambda x: x.n_words % 2, pre=[shared]) for i in range(3)]
    assert run(*lfs)[0] == {lf.name: [0, 1, 1] for lf in lfs}
    assert heights == [(3, 1)] * 2  # the second time to see whether votes change


@pytest.mark.parametrize(
    "returned",
    [
        {"n_words": [2, 1, 3]},
        {"n_words": np.array([2, 1, 3], dtype=object)},
        {"n_words": pl.Series([2, 1, 3]), "other": "whatever"},
        {"n_words": pa.array([2, 1, 3])},
        pl.DataFrame({"x": [0, 0, 0], "n_words": [2, 1, 3]}),
        pd.DataFrame({"n_words": [2, 1, 3]}),
        pa.table({"n_words": [2, 1, 3]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_takes_any_table(returned):
    made = batch(lambda frame: returned, makes={"n_words": pl.Int8})
    lf = LabelingFunction("lf_a", lambda x: x.n_words % 2, pre=[made], deterministic=False)
    assert run(lf)[0] == {"lf_a": [0, 1, 1]}


def twice():
    return pa.table([[1], [2]], ["n_words"] * 2)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ([1, 2, 3], "preprocessor 'p' returned [1, 2, 3] (list) for a batch, expected a polars or pandas DataFrame"),
        ({"n": [1, 2, 3]}, "preprocessor 'p' promised ['n_words'] but returned ['n'] without ['n_words']"),
        (
            {"n_words": [1]},
            "preprocessor 'p' returned 1 values of 'n_words' for a batch of 3 items",
        ),
        ({"n_words": ["a", "b", "c"]}, "as 'n_words', which is no column of type Int64"),
        (twice, "preprocessor 'p' returned the columns ['n_words'] more than once."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_not_promised_ends_the_run(returned, said):
    odd = batch(lambda frame: returned() if callable(returned) else returned, makes={"n_words": pl.Int64}, name="p")
    with pytest.raises(InvalidFunction, match=re.escape(said)):
        run(LabelingFunction("lf_a", lambda x: 1, pre=[odd]))


def fails(frame):
    raise KeyError("url")


def test_a_failing_one_fails_those_who_asked():
    bad = batch(fails, name="bad")
    behind = batch(count_words, makes=["n_words"], pre=[bad])
    lfs = [
        LabelingFunction("lf_items", lambda x: 1, pre=[bad]),
        LabelingFunction("lf_frame", lambda frame: [1] * 3, pre=[bad], vectorized="polars", columns=[]),
        LabelingFunction("lf_behind", lambda x: 1, pre=[behind]),
    ]
    votes, faults = run(*lfs, *LFS)
    assert votes == {**{lf.name: [None] * 3 for lf in lfs}, **EXPECTED}
    assert faults.counts == {(lf.name, "KeyError"): 3 for lf in lfs}
    with pytest.raises(FunctionFailed, match=r"'lf_items' raised on 3 of 3 items of a batch; .* KeyError\('url'\)"):
        run(*lfs, on_fault="fail")


def test_a_hanging_one_is_stopped():
    hanging = batch(lambda frame: time.sleep(3600), name="hanging")
    votes, faults = run(LabelingFunction("lf_a", lambda x: 1, pre=[hanging]), lf_row, limit=0.2)
    assert votes == {"lf_a": [None] * 3, "lf_row": EXPECTED["lf_row"]}
    assert faults.sample["message"][0].startswith("preprocessor 'hanging' used up its 0.2 s on a batch of 3 items")


class Thing:
    def __init__(self, text):
        self.text = text


def things(frame):
    return {"thing": [ValueError(text) if text == "c" else Thing(text) for text in frame["text"]]}


def test_objects_of_python_and_the_failure_of_a_single_one(monkeypatch):
    heights = []

    def observed(frame):
        heights.append(frame.height)
        return things(frame)

    made = batch(observed, makes={"thing": object})

    def texts(frame):
        return {"said": [getattr(thing, "text", "") for thing in frame["thing"]]}

    said = batch(texts, ["thing"], ["said"], pre=[made])
    lfs = [
        LabelingFunction("lf_items", lambda x: 1 if x.thing.text == x.text else 0, pre=[made]),
        LabelingFunction("lf_said", lambda x: 1 if x.said == x.text else 0, pre=[said]),
        LabelingFunction("lf_batch", lambda frame: [1] * frame.height, pre=[made], vectorized="polars"),
    ]
    monkeypatch.setattr("sparkws.lfs.kernel.OBJECT_ROWS", 2)
    votes, faults = run(*lfs)
    assert votes == {lf.name: [1, None, 1] for lf in lfs}
    assert faults.counts == {(lf.name, "ValueError"): 1 for lf in lfs}
    assert set(faults.sample["item_id"]) == {"2"}
    assert heights == [2, 2, 1, 1]  # each part once more, to see whether votes change
    assert ahead.OBJECT_ROWS > 2


def test_on_a_single_item():
    assert [lf({"text": "a b", "n": 3}) for lf in (lf_row, lf_half)] == [1, 0]
    made = batch(things, makes={"thing": object})
    lf = LabelingFunction("lf_a", lambda x: x.thing.text, pre=[made])
    assert lf({"text": "a"}) == "a"
    with pytest.raises(ValueError, match="c"):
        lf({"text": "c"})


def test_everything_where_it_names_no_columns():
    seen = batch(lambda frame: {"n_columns": [frame.width] * frame.height}, columns=None, makes=["n_columns"])
    lf = LabelingFunction("lf_a", lambda x: x.n_columns - 2, pre=[seen])
    assert lf.columns is None
    assert run(lf)[0] == {"lf_a": [1, 1, 1]}


def test_it_may_replace_a_column_for_those_who_asked():
    upper = batch(lambda frame: frame.select(pl.col("text").str.to_uppercase()), makes=["text"])
    lf = LabelingFunction("lf_a", lambda x: 1 if x.text.isupper() else 0, pre=[upper])
    plain = LabelingFunction("lf_b", lambda x: 1 if x.text.isupper() else 0)
    assert run(lf, plain)[0] == {"lf_a": [1, 1, 1], "lf_b": [0, 0, 0]}


def test_order_and_columns_are_checked():
    by_item = preprocessor("by_item")(lambda x: x)
    with pytest.raises(InvalidFunction, match="'lf_a' has 'counted', which runs before any item is looked at"):
        LabelingFunction("lf_a", lambda x: 1, pre=[by_item, counted])
    with pytest.raises(InvalidFunction, match=r"'lf_a' is vectorized, .* cannot have the preprocessors \['by_item'\]"):
        LabelingFunction("lf_a", lambda x: 1, pre=[by_item], vectorized="polars")
    with pytest.raises(InvalidFunction, match=r"preprocessor 'p' is vectorized, .* the preprocessors \['by_item'\]"):
        batch(count_words, pre=[by_item], name="p")
    reads = batch(count_words, columns=["txt"])
    with pytest.raises(MissingColumns, match=r"'lf_a' reads \['txt'\], which the source lacks"):
        run(LabelingFunction("lf_a", lambda x: 1, pre=[reads]))
    apart = batch(count_words, columns=["n_words"], makes=["more"], name="apart")
    with pytest.raises(MissingColumns, match=r"'lf_a' reads \['n_words'\], which the source lacks"):
        run(LabelingFunction("lf_a", lambda x: 1, pre=[counted, apart]))
