"""Examples of labeling functions: kept or missed, told in one sentence, checked without tables."""

import time
from types import SimpleNamespace

import polars as pl
import pytest

from sparkws.errors import ExampleMissed, InvalidFunction
from sparkws.lfconfig import DeclarativeLFConfig
from sparkws.lfs import LabelingFunction, LFSet, check_examples, declarative_lfs, labeling_function
from sparkws.lfs.examples import refuse_missed

CLASSES = ("ham", "spam")


def link(x):
    return "spam" if "http" in x.text else -1


def link_table(frame):
    return frame.select(pl.when(pl.col("text").str.contains("http")).then(1).otherwise(-1)).to_series()


def link_batch(batch):
    return ["spam" if "http" in text else -1 for text in batch.column("text").to_pylist()]


def rule(examples, name="lf_r"):
    config = {"name": name, "regex": {"column": "text", "pattern": "http", "label": "spam"}, "examples": examples}
    return declarative_lfs([DeclarativeLFConfig(**config)])[0]


def checked(*lfs, **options):
    return check_examples(LFSet(lfs), CLASSES, **options)


@pytest.mark.parametrize(
    ("f", "vectorized"), [(link, None), (link_table, "polars"), (link_batch, "arrow")], ids=["row", "polars", "arrow"]
)
def test_votes_by_name_by_index_and_abstaining(f, vectorized):
    columns = ["text"] if vectorized else None
    kept = [({"text": "http"}, "spam"), ({"text": "http"}, 1), (SimpleNamespace(text="a"), -1)]
    missed = [({"text": "hi"}, 1), ({"text": "http"}, -1)]
    found = checked(LabelingFunction("lf_a", f, vectorized=vectorized, columns=columns, examples=kept + missed))
    assert (found.n_kept, [miss.number for miss in found.missed], found.without) == (3, [4, 5], ())
    assert str(found.missed[0]) == "'lf_a' abstained on its example 4, {'text': 'hi'}, expected 1"
    assert str(found.missed[1]) == "'lf_a' voted 'spam' on its example 5, {'text': 'http'}, expected -1"


def test_of_the_configuration():
    lf = rule([{"row": {"text": "http"}, "vote": "spam"}, {"row": {"text": None}, "vote": -1}])
    assert checked(lf, LabelingFunction("lf_b", link)).without == ("lf_b",)
    assert checked(lf).n_kept == 2
    assert lf.fingerprint == rule([]).fingerprint
    assert [str(miss) for miss in checked(rule([{"row": {"text": "a"}, "vote": "ham"}])).missed] == [
        "'lf_r' abstained on its example 1, {'text': 'a'}, expected 'ham'"
    ]


def test_an_expected_exception():
    def lf(x):
        return int(x.text)

    examples = [({"text": "a"}, ValueError), ({"text": "a"}, Exception), ({"text": "1"}, ValueError)]
    found = checked(LabelingFunction("lf_a", lf, examples=[*examples, ({"text": "a"}, KeyError), ({"text": "b"}, 1)]))
    assert found.n_kept == 2
    assert "voted 'spam' on its example 3, {'text': '1'}, expected ValueError" in str(found.missed[0])
    assert "raised ValueError" in str(found.missed[1])
    assert "raised ValueError" in str(found.missed[2])


def test_a_column_that_an_example_leaves_out_is_needed_only_if_it_is_looked_at():
    def lf(x):
        return 1 if "a" in x.text or x.title else -1

    found = checked(LabelingFunction("lf_a", lf, examples=[({"text": "a"}, 1), ({"text": "b"}, -1)]))
    assert "the item has no 'title'" in str(found.missed[0])
    assert found.n_kept == 1


def test_values_that_no_table_has_are_tried_by_a_call():
    lf = LabelingFunction(
        "lf_a", lambda x: 1 if x.thing.text else -1, examples=[({"thing": SimpleNamespace(text=1)}, 1)]
    )
    assert checked(lf).n_kept == 1


def test_what_differs_between_a_call_and_a_table_is_missed():
    lf = LabelingFunction("lf_a", lambda x: 1 if type(x.pair) is tuple else -1, examples=[({"pair": (1, 2)}, 1)])
    assert "abstained as it runs over a table, though not by itself" in str(checked(lf).missed[0])


def test_no_vote_at_all_is_missed():
    lf = LabelingFunction("lf_a", lambda x: None, examples=[({"text": "a"}, -1)])
    assert "failed ('lf_a' returned None" in str(checked(lf).missed[0])


def test_one_that_hangs_is_ended():
    def lf(x):
        while x.text:
            time.sleep(0.01)

    found = checked(LabelingFunction("lf_a", lf, examples=[({"text": "a"}, 1)]), time_limit_s=0.1)
    assert "'lf_a' used up its 0.1 s on an example" in str(found.missed[0])


def test_the_first_miss_stops_a_job_and_counts_the_others():
    lf = LabelingFunction("lf_a", link, examples=[({"text": "a"}, 1), ({"text": "b"}, 1), ({"text": "c"}, -1)])
    told = (
        r"^'lf_a' abstained on its example 1, \{'text': 'a'\}, expected 1\. Mend .*; 1 more are missed, 'sparkws test'"
    )
    with pytest.raises(ExampleMissed, match=told):
        refuse_missed(LFSet([lf]), CLASSES)
    assert refuse_missed(LFSet([LabelingFunction("lf_a", link)]), CLASSES) is None


@pytest.mark.parametrize(
    ("examples", "told"),
    [
        ({"text": "a"}, "'examples' of 'lf_a' must be a list of pairs"),
        ([({"text": "a"}, 1, 2)], r"example 1 of 'lf_a' must be a pair \(row, vote\)"),
        ([({"text": "a"}, 1), "ab"], "example 2 of 'lf_a' must be a pair .* got 'ab'"),
        ([("text", 1)], "the row of example 1 of 'lf_a' must be a mapping or have attributes, got 'text'"),
        ([({"text": "a"}, int)], "example 1 of 'lf_a' expects <class 'int'>"),
    ],
)
def test_examples_of_another_form_are_refused(examples, told):
    with pytest.raises(InvalidFunction, match=told):
        labeling_function("lf_a", examples=examples)(link)


@pytest.mark.parametrize(
    ("vote", "told"),
    [("span", "'span', which is no vote.*Did you mean 'spam'"), (2, "expects 2"), ([1], r"expects \[1\]")],
)
def test_an_expected_vote_that_is_none_is_refused(vote, told):
    with pytest.raises(InvalidFunction, match=told):
        checked(LabelingFunction("lf_a", link, examples=[({"text": "a"}, vote)]))


def test_examples_of_what_only_spark_knows_are_refused():
    section = {"sql": "stars > 1", "label": 1, "dialect": "spark"}
    lf = declarative_lfs([DeclarativeLFConfig(name="lf_s", expression=section, examples=[{"row": {}, "vote": 1}])])[0]
    with pytest.raises(InvalidFunction, match="'lf_s' has examples, but only Spark"):
        checked(lf)
