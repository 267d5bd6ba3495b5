"""Rows of a preprocessor's table: what it made of each input, or why it failed."""

import re

import polars as pl
import pytest

from sparkws.errors import ConfigError, InvalidFunction
from sparkws.lfs import LabelingFunction, LFSet, VotesKernel, preprocessor
from sparkws.lfs.preprocess import Preprocessor
from sparkws.lfs.stored import StoreKernel

INPUTS = pl.DataFrame({"input_hash": ["i", "j", "k"], "text": ["a b", "", "c"], "n": [1, 2, 3]})
SIZES = {"n_words": pl.Int32}


@preprocessor(makes=SIZES, materialize=True)
def of_items(x):
    x.n_words = len(x.text.split()) // bool(x.text)
    return x


@preprocessor(vectorized="polars", columns=["text"], makes={"n_words": pl.Int32}, materialize=True)
def of_batches(frame):
    return {"n_words": [len(text.split()) for text in frame["text"]]}


@preprocessor(vectorized="polars", columns=["text"], makes=SIZES, materialize=True)
def fails(frame):
    raise KeyError("model")


def rows(entry):
    made = StoreKernel(entry, INPUTS.schema)(INPUTS.select("input_hash", "text"))
    assert set(made["code"]) == {entry.fingerprint}
    assert made["input_hash"].to_list() == ["i", "j", "k"]
    return made["n_words"].to_list(), made["error"].to_list()


def test_a_row_for_each_input():
    assert rows(of_batches) == ([2, 0, 1], [None] * 3)
    n_words, errors = rows(of_items)
    assert n_words == [2, None, 1]
    assert errors[0] is errors[2] is None
    assert errors[1].startswith("ZeroDivisionError(")
    assert rows(fails) == ([None] * 3, ["KeyError('model')"] * 3)


def test_the_kernel_takes_what_is_stored_instead_of_making_it():
    entry = of_items
    source = INPUTS.rename({"input_hash": "id"}).with_columns(
        pl.Series(entry.stored["n_words"], [7, None, 8], dtype=pl.Int32),
        pl.Series(entry.stored[""], [None, "no", None]),
    )
    seen = []
    lfs = [
        LabelingFunction("lf_a", lambda x: x.n_words - 7, pre=[entry], columns=["text"]),
        LabelingFunction("lf_all", lambda x: seen.extend(dict(x)) or 1, pre=[entry]),
    ]
    kernel = VotesKernel(LFSet(lfs), ("ham", "spam"), "id", source.schema)
    votes, found = kernel.run(source.select(kernel.columns))
    faults = found.faults
    assert votes["lf_a"].to_list() == [0, None, 1]
    assert faults.counts[("lf_a", "StoredFailure")] == 1
    assert set(seen) == {"id", "text", "n", "n_words"}


def test_without_a_table_it_runs_as_any_other():
    lf = LabelingFunction("lf_a", lambda x: x.n_words - 1, pre=[of_items])
    got = LFSet([lf]).apply(INPUTS.filter(pl.col("text") != ""), classes=("ham", "spam"))
    assert got["lf_a"].to_list() == [1, 0]


def test_only_what_decides_the_results_is_in_the_fingerprint():
    def p(x):
        x.n = len(x.text)
        return x

    made = preprocessor(makes={"n": pl.Int64})(p)
    same = preprocessor(makes={"n": pl.Int64}, memoize=True, materialize=True)(p)
    other = preprocessor(makes={"n": pl.Int32})(p)
    assert made.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "so good"}, "preprocessor 'so good' is to be materialized in a table of its name: use letters"),
        ({"pre": [of_batches]}, "so it reads the source and cannot have ['of_batches'] before it."),
        ({"makes": ["n"]}, "so 'makes' has to name the types of the columns that it sets"),
        ({"makes": None}, "so 'makes' has to name the types of the columns that it sets"),
        ({"makes": {"n": object}}, "without one are ['n']."),
    ],
)
def test_refuses_what_cannot_be_kept(options, said):
    def p(x):
        x.n = len(x.text)
        return x

    with pytest.raises(InvalidFunction, match=re.escape(said)):
        preprocessor(**{"makes": {"n": pl.Int64}, "materialize": True, **options})(p)
    with pytest.raises(InvalidFunction, match="but its source does not tell what it reads; name its 'columns'"):
        preprocessor("p", makes={"n": pl.Int64}, materialize=True)(lambda x: sorted(x))


def test_two_of_one_name_would_have_one_table():
    again = preprocessor("OF_ITEMS", makes=SIZES, materialize=True)(of_items.f)
    lfs = [LabelingFunction(f"lf_{i}", lambda x: 1, pre=[entry]) for i, entry in enumerate((of_items, again))]
    with pytest.raises(ConfigError, match=r"materialized preprocessors .* got \['of_items'\]"):
        LFSet(lfs).materialized


def test_results_of_other_versions_are_others(monkeypatch):
    def fingerprint(**options):
        return Preprocessor("p", len, columns=["text"], makes={"n": pl.Int64}, materialize=True, **options).fingerprint

    before = [fingerprint(), fingerprint(vectorized="polars")]
    monkeypatch.setattr("unicodedata.unidata_version", "1.0")
    assert before[0] != fingerprint()
    monkeypatch.undo()
    monkeypatch.setattr(pl, "__version__", "0.1")
    assert before[1] != fingerprint(vectorized="polars")
    assert before[0] == fingerprint()
