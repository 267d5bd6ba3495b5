"""What the gold is made from is not read by labeling functions."""

import polars as pl
import pytest

from sparkws.config import GoldConfig
from sparkws.errors import InvalidFunction
from sparkws.lfconfig import DeclarativeLFConfig
from sparkws.lfs import LabelingFunction, LFSet, VotesKernel, declarative_lfs
from sparkws.lfs.leaks import gold_columns, refuse_leaks

NAMES = ["text", "stars", "Gold", "part", "a b", "n`s", "date", "user"]


@pytest.mark.parametrize(
    ("gold", "columns"),
    [
        (None, ()),
        (GoldConfig(column="gold", split_column="PART"), ("Gold", "part")),
        (GoldConfig(column="text", table="elsewhere"), ()),
        (GoldConfig(expression="CASE WHEN STARS <= 2 THEN 'text' ELSE \"part\" END"), ("stars",)),
        (GoldConfig(expression="if(`a b` > `n``s`, 'it''s text', 'it\\'s text')"), ("a b", "n`s")),
        (GoldConfig(expression="date(part) > user.stars"), ("part", "user")),
        (GoldConfig(expression="nullif(coalesce (stars,2),0)"), ("stars",)),
    ],
)
def test_finds_what_gold_is_made_from(gold, columns):
    assert gold_columns(gold, NAMES) == columns


def test_a_function_that_reads_it_is_refused():
    lfs = LFSet([LabelingFunction("lf_a", lambda x: x.text), LabelingFunction("lf_b", lambda x: x.stars)])
    with pytest.raises(InvalidFunction, match=r"'lf_b' reads \['stars'\], from which the gold of task 'spam' is made"):
        refuse_leaks("spam", lfs, GoldConfig(expression="stars > 2"))
    assert refuse_leaks("spam", lfs, GoldConfig(column="gold")) is None


def test_an_expression_in_spark_sql_that_names_it_is_refused():
    section = {"sql": "upper(text) = 'A' AND Stars > 1", "label": 1, "dialect": "spark"}
    lfs = LFSet(declarative_lfs([DeclarativeLFConfig(name="lf_a", expression=section)]))
    with pytest.raises(InvalidFunction, match=r"'lf_a' reads \['Stars'\]"):
        refuse_leaks("spam", lfs, GoldConfig(column="stars"))
    assert refuse_leaks("spam", lfs, GoldConfig(column="a")) is None


def test_a_function_that_does_not_say_what_it_reads_does_not_see_it():
    seen = []

    def see(x):
        seen.append(list(x))
        return -1

    def see_all(frame):
        seen.append(frame.columns)
        return [-1] * len(frame)

    lfs = LFSet([LabelingFunction("lf_a", see), LabelingFunction("lf_b", see_all, vectorized="polars")])
    frame = pl.DataFrame({"id": [1], "gold": ["a"], "text": ["b"]})
    kernel = VotesKernel(lfs, ("a", "b"), "id", frame.schema, hidden=("gold",))
    kernel.run(frame.select(kernel.columns))
    assert {tuple(columns) for columns in seen} == {("id", "text")}
    assert kernel.columns == ("id", "text")


def test_a_raw_text_ends_at_its_quote():
    gold = GoldConfig(expression=r"CASE WHEN r'\' = stars THEN 'text' END")
    assert gold_columns(gold, ["text", "stars"]) == ("stars",)
