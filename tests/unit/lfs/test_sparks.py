"""Functions that Spark answers, as far as they go without Spark: what they tell, and where they are refused."""

import re
from types import SimpleNamespace

import polars as pl
import pytest

from sparkws.errors import ConfigError, InvalidFunction, MissingColumns
from sparkws.lfconfig import DeclarativeLFConfig
from sparkws.lfs import LFSet, VotesKernel, declarative_lfs, labeling_function
from sparkws.lfs.lookup import check_comparable

CLASSES = ("ham", "spam")
LOOKUP = {"column": "company", "table": "main.kb.companies", "label": "spam"}
SQL = {"sql": "n > 1", "dialect": "spark", "label": "spam"}


def lf(name="lf_a", **kind):
    return declarative_lfs([DeclarativeLFConfig.model_validate({"name": name, **kind})])[0]


def votes(lf, values):
    return LFSet([lf]).apply(pl.DataFrame({"c": values}), classes=CLASSES)["lf_a"].to_list()


def test_they_tell_their_kind_and_what_they_read():
    pair = lf("lf_pair", lookup={**LOOKUP, "column": ["a", "b"], "key": ["x", "y"]})
    lfset = LFSet([lf("lf_kb", lookup=LOOKUP), pair, lf("lf_sql", expression=SQL)])
    told = lfset.describe()
    assert told["kind"].to_list() == ["lookup (table)", "lookup (table)", "expression (Spark SQL)"]
    assert told["columns"].to_list() == [["company"], ["a", "b"], None]
    assert lfset.comments()["lf_kb"].startswith("lookup (table) LF; reads company; fingerprint ")
    assert lfset.comments()["lf_sql"].startswith("expression (Spark SQL) LF; reads what its SQL names; fingerprint ")


def test_their_fingerprint_follows_what_decides_the_votes():
    changes = [
        {},
        {"table": "main.kb.people"},
        {"label": "ham"},
        {"label": None, "label_column": "kind"},
        {"key": "name"},
        {"version": 3},
        {"normalize": ["lower"]},
        {"column": "name"},
    ]
    fingerprints = [lf(lookup={**LOOKUP, **change}).fingerprint for change in changes]
    fingerprints += [lf(expression={**SQL, **change}).fingerprint for change in ({}, {"sql": "n > 2"}, {"label": 0})]
    assert len(set(fingerprints)) == len(fingerprints)
    assert lf(lookup={**LOOKUP, "join": "broadcast"}).fingerprint == fingerprints[0]
    other = [lf(expression={**SQL, "dialect": dialect}).fingerprint for dialect in ("polars", "spark")]
    assert other[0] != other[1]


@pytest.mark.parametrize(
    ("kind", "said"),
    [({"lookup": LOOKUP}, "'lf_a' looks values up in a table"), ({"expression": SQL}, "'lf_a' is an expression in")],
)
def test_data_in_memory_is_refused(kind, said):
    message = re.escape(said) + ".*, which only Spark evaluates, .* leave it out with 'select'"
    with pytest.raises(InvalidFunction, match=message):
        LFSet([lf(**kind)]).apply(pl.DataFrame({"company": ["a"], "n": [1]}), classes=CLASSES)
    with pytest.raises(InvalidFunction, match=message):
        LFSet([lf(**kind)]).as_udf(classes=CLASSES)
    with pytest.raises(InvalidFunction, match=message):
        lf(**kind)(SimpleNamespace(company="a", n=1))


def test_a_function_that_may_read_everything_does_not_see_the_answers():
    seen = []

    @labeling_function(vectorized="polars")
    def lf_all(frame):
        seen.append(frame.columns)
        return [0] * len(frame)

    @labeling_function
    def lf_row(x):
        return 1 if any("answer" in name for name in dir(x)) else 0

    rule = lf(lookup=LOOKUP)
    frame = pl.DataFrame({"id": [1, 2], "company": ["a", "b"], rule.f.answer: [True, None]})
    kernel = VotesKernel(LFSet([lf_all, lf_row, rule]), CLASSES, "id", frame.schema)
    found, _ = kernel.run(frame.select(kernel.columns))
    assert found.rows() == [(1, 0, 0, 1), (2, 0, 0, -1)]
    assert {*map(tuple, seen)} == {("id", "company")}


def test_only_the_answers_are_read_for_them():
    rule = lf(expression=SQL)
    schema = pl.Schema({"id": pl.Int64, "n": pl.Int64, "text": pl.String, rule.f.answer: pl.Boolean})
    assert VotesKernel(LFSet([rule]), CLASSES, "id", schema).columns == ("id", rule.f.answer)


@pytest.mark.parametrize(
    ("label", "dtype", "said"),
    [
        ("spam", pl.Int64, "'n > 1' must be a condition, but it gives Int64"),
        (None, pl.Boolean, "'n > 1' must give class indices or class names, but it gives Boolean"),
    ],
)
def test_an_expression_gives_a_condition_or_a_vote(label, dtype, said):
    rule = lf(expression={**SQL, "label": label})
    with pytest.raises(InvalidFunction, match=re.escape(said)):
        VotesKernel(LFSet([rule]), CLASSES, "id", pl.Schema({"id": pl.Int64, rule.f.answer: dtype}))


def test_votes_for_a_class_that_there_is_not():
    rule = lf(lookup={**LOOKUP, "label": "spma"})
    with pytest.raises(ConfigError, match=r"'lf_a' votes 'spma', which is no class; .* Did you mean 'spam'\?"):
        VotesKernel(LFSet([rule]), CLASSES, "id", pl.Schema({"id": pl.Int64, rule.f.answer: pl.Boolean}))


@pytest.mark.parametrize(
    ("source", "table", "change", "said"),
    [
        (
            pl.String,
            pl.Int64,
            {},
            "'c' of the source, String, with 'k' of 'main.kb', Int64; they must be both text, or",
        ),
        (pl.Int8, pl.String, {}, "'c' of the source, Int8, with 'k' of 'main.kb', String"),
        (pl.Float64, pl.Float64, {}, "Float64; they must be both text, or both integers."),
        (pl.Int64, pl.Int64, {"normalize": ["lower"]}, "Int64; they must be text, because they are normalized."),
        (pl.List(pl.String), pl.String, {}, "'lf_a' looks up column 'c', which holds lists; one value of an item"),
        (
            pl.String,
            pl.String,
            {"label_column": "f"},
            "what 'f' of 'main.kb' says, which must be class names or indices",
        ),
    ],
)
def test_columns_that_cannot_be_compared(source, table, change, said):
    label = {} if "label_column" in change else {"label": "spam"}
    config = DeclarativeLFConfig(
        name="lf_a", lookup={"column": "c", "table": "main.kb", "key": "k", **label, **change}
    ).lookup
    with pytest.raises(ConfigError, match=re.escape(said)):
        check_comparable("lf_a", config, pl.Schema({"c": source}), pl.Schema({"k": table, "f": pl.Float64}))


@pytest.mark.parametrize(("ours", "theirs"), [(pl.Int8, pl.Int64), (pl.String, pl.String)])
def test_columns_that_can_be_compared(ours, theirs):
    config = DeclarativeLFConfig(name="lf_a", lookup={"column": "c", "table": "t", "label_column": "k"}).lookup
    check_comparable("lf_a", config, pl.Schema({"c": ours}), pl.Schema({"c": theirs, "k": pl.Int32}))


def test_values_are_normalized_like_the_column():
    lf_a = lf(
        lookup={
            "column": "c",
            "values": {"ACME, Inc.": "spam", "?": "ham"},
            "normalize": ["lower", "strip_punctuation"],
        }
    )
    assert votes(lf_a, ["acme inc", "Acme Inc!", "acme", "...", "", None]) == [1, 1, -1, -1, -1, -1]
    assert [lf_a(SimpleNamespace(c=text)) for text in ("acme inc", "Acme Inc!", "...", None)] == [
        "spam",
        "spam",
        -1,
        -1,
    ]


def test_normalized_values_that_contradict_each_other():
    with pytest.raises(InvalidFunction, match=r"'lf_a' says 'ham' and 'spam' of 'A', normalized 'a'\."):
        lf(lookup={"column": "c", "values": {"a": "ham", "A": "spam"}, "normalize": ["lower"]})
    assert votes(lf(lookup={"column": "c", "values": {"a": "ham", "A": "ham"}, "normalize": ["lower"]}), ["a"]) == [0]


def test_integers_are_not_normalized():
    lf_a = lf(lookup={"column": "c", "values": {1: "ham"}, "normalize": ["lower"]})
    with pytest.raises(ConfigError, match=r"'lf_a' normalizes text by \['lower'\], but column 'c' is Int64"):
        votes(lf_a, [1])


def test_a_column_of_a_lookup_that_the_source_lacks():
    from sparkws.lfs.options import check_reads

    with pytest.raises(
        MissingColumns, match=r"'lf_a' reads \['compny'\], which the source lacks; .*Did you mean 'company'"
    ):
        check_reads("lf_a", ["compny"], pl.Schema({"company": pl.String}))
