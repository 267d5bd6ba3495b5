"""Joins, pivots and expressions that Spark makes."""

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from sparkws.engine.relational import (
    choose_columns,
    distinct_values,
    join_gold,
    keep_values,
    move_from_unknown,
    pivot_votes,
    sum_rows,
    with_columns,
    with_joined,
    with_key,
)
from sparkws.engine.tables import Query
from sparkws.errors import ConfigError, DataError, InvalidKeys
from sparkws.vocab import CLASS, GOLD, ITEM_ID, SPLIT


def rows(spark: SparkSession, sql: str, label: str = "some rows") -> Query:
    return Query(label, spark.sql(f"SELECT * FROM VALUES {sql}"))


def same(got: DataFrame, expected: Query) -> None:
    assert_df_equality(got, expected.frame, ignore_row_order=True, ignore_nullable=True)


def test_columns_are_expressions(spark: SparkSession) -> None:
    source = rows(
        spark, "('a', 5, 'test'), ('b', 1, 'test'), ('c', NULL, 'test'), ('d', 4, 'dev') AS (`the id`, n, part)"
    )
    expressions = {ITEM_ID: "`the id`", CLASS: "IF(n > 2, 'high', IF(n < 2, 'low', NULL))", SPLIT: "part"}
    got = choose_columns(spark, source, expressions, not_null=CLASS)
    everything = f"('a', 'high', 'test'), ('b', 'low', 'test'), ('d', 'high', 'dev') AS ({ITEM_ID}, {CLASS}, {SPLIT})"
    same(got.frame, rows(spark, everything))
    assert str(got) == "a selection from some rows"
    some = f"('a', 'high', 'test'), ('b', 'low', 'test') AS ({ITEM_ID}, {CLASS}, {SPLIT})"
    same(keep_values(got, SPLIT, ["test", "valid"]).frame, rows(spark, some))
    assert keep_values(got, SPLIT, []).frame.isEmpty()


@pytest.mark.parametrize(
    ("expression", "what"), [("strange + 1", "strange"), ("IF(n", "missing ')'"), ("nosuch(n)", "nosuch")]
)
def test_an_expression_that_spark_does_not_understand(spark: SparkSession, expression: str, what: str) -> None:
    source = rows(spark, "('a', 5) AS (id, n)", "the items")
    with pytest.raises(ConfigError, match=r"Spark refuses \['id', '.*'\] over 'the items': .*") as caught:
        choose_columns(spark, source, {ITEM_ID: "id", CLASS: expression}, not_null=CLASS)
    assert expression in str(caught.value)
    assert what in str(caught.value).partition("over 'the items'")[2]
    assert "\n" not in str(caught.value)


def test_a_key_is_made_of_other_columns(spark: SparkSession) -> None:
    source = Query("trips", spark.sql("SELECT 'u' AS user, 7 AS day, 1 AS `the key`"), {"trips": 4})
    keyed = with_key(spark, source, "the key", "concat_ws('/', user, day, `the key`)")
    same(keyed.frame, rows(spark, "('u', 7, 'u/7/1') AS (user, day, `the key`)"))
    assert keyed.inputs == {"trips": 4}


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("concat(usr, day)", "`usr` cannot be resolved"),
        ("concat(user", "Syntax error at or near end of input"),
        ("uuid()", "expects a deterministic expression"),
        ("count(*)", "UNSUPPORTED_EXPR_FOR_OPERATOR"),
    ],
)
def test_a_key_expression_that_spark_refuses(spark: SparkSession, expression: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_key(spark, rows(spark, "('u', 7) AS (user, day)", "trips"), "key", expression)
    assert str(caught.value).startswith(f"Spark refuses the key expression {expression!r} over 'trips': ")
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_columns(spark: SparkSession) -> None:
    source = Query("trips", spark.sql("SELECT 7 AS day, 'u' AS `the user`"), {"trips": 4})
    made = with_columns(spark, source, {"a.b `c": "day + 1", "day too": "day"})
    assert made.frame.columns == ["day", "the user", "a.b `c", "day too"]
    assert made.frame.collect() == [(7, "u", 8, 7)]
    assert (str(made), made.inputs) == ("trips", {"trips": 4})
    with pytest.raises(ConfigError, match=r"'trips' already has columns called \['DAY'\]; name the new ones otherwise"):
        with_columns(spark, source, {"DAY": "1"})
    with pytest.raises(ConfigError, match=r"Spark refuses \['nosuch'\] over 'trips': .*`nosuch` cannot be resolved"):
        with_columns(spark, source, {"new": "nosuch"})


def test_columns_of_another_table(spark: SparkSession) -> None:
    """Whatever they are called; NULL matches nothing, and every row stays once."""
    source = Query(
        "trips", spark.sql("SELECT * FROM VALUES (1, 'x'), (2, NULL), (3, 'X') AS (id, `the user`)"), {"a": 1}
    )
    users = Query("users", spark.sql("SELECT * FROM VALUES ('x', 30), (NULL, 40) AS (id, `the user`)"), {"b": 2})
    for hint in ("", "broadcast", "merge"):
        joined = with_joined(
            spark, source, users, on=[("upper(`the user`)", "upper(id)")], columns={"age": "`the user`"}, hint=hint
        )
        same(joined.frame, rows(spark, "(1, 'x', 30), (2, NULL, NULL), (3, 'X', 30) AS (id, `the user`, age)"))
    assert joined.inputs == {"a": 1, "b": 2}
    with pytest.raises(ConfigError, match=r"'trips' already has columns called \['the user'\]"):
        with_joined(spark, source, users, on=[("id", "id")], columns={"the user": "id"})
    with pytest.raises(ConfigError, match=r"Spark refuses to join 'users' to 'trips': .*`nosuch` cannot be resolved"):
        with_joined(spark, source, users, on=[("id", "nosuch")], columns={"age": "id"})


def test_gold_of_other_keys_is_refused(spark: SparkSession) -> None:
    votes = rows(spark, f"('a', 1) AS ({ITEM_ID}, lf)", "votes")
    gold = rows(spark, f"(1, 0) AS ({ITEM_ID}, {CLASS})", "gold")
    with pytest.raises(InvalidKeys, match="the keys of 'gold' are Int32, those of 'votes' are String"):
        join_gold(spark, votes, gold, only_gold=True)
    wide = rows(spark, f"(CAST(1 AS BIGINT), 1) AS ({ITEM_ID}, lf)", "votes")
    assert join_gold(spark, wide, gold, only_gold=True).frame.count() == 1


def test_gold_stands_beside_votes(spark: SparkSession) -> None:
    votes = rows(spark, f"('a', 1), ('b', -1), ('c', NULL) AS ({ITEM_ID}, lf_a)", "votes")
    gold = rows(spark, f"('b', 'x', 0), ('c', 'x', 1), ('z', 'x', 1) AS ({ITEM_ID}, {SPLIT}, {CLASS})", "gold")
    got = join_gold(spark, votes, gold, only_gold=False)
    same(got.frame, rows(spark, f"('a', 1, NULL), ('b', -1, 0), ('c', NULL, 1) AS ({ITEM_ID}, lf_a, {GOLD})"))
    assert str(got) == "votes joined with gold"
    got = join_gold(spark, votes, gold, only_gold=True)
    same(got.frame, rows(spark, f"('b', -1, 0), ('c', NULL, 1) AS ({ITEM_ID}, lf_a, {GOLD})"))


def test_what_is_known_is_taken_from_the_unknown(spark: SparkSession) -> None:
    known = rows(spark, "('a', 1Y, 3L), ('b', 0Y, 5L) AS (pattern, gold, `n items`)")
    moved = rows(spark, "('a', 1Y, 3L), ('a', -1Y, -3L), ('b', 0Y, 5L), ('b', -1Y, -5L) AS (pattern, gold, `n items`)")
    same(move_from_unknown(known.frame, "gold", -1, "n items"), moved)
    whole = rows(spark, "('a', -1Y, 4L), ('b', -1Y, 5L) AS (pattern, gold, `n items`)")
    summed = sum_rows([whole.frame, move_from_unknown(known.frame, "gold", -1, "n items")], "n items")
    same(summed, rows(spark, "('a', -1Y, 1L), ('a', 1Y, 3L), ('b', 0Y, 5L) AS (pattern, gold, `n items`)"))


@pytest.mark.parametrize(
    ("key", "lf", "vote"), [("the item", "worker", "answer"), ("vote", "item", "lf"), ("count", "lf", "vote")]
)
def test_a_long_table_becomes_a_wide_one(spark: SparkSession, key: str, lf: str, vote: str) -> None:
    """Whatever its columns are called, and its workers: with dots, in other case, like the key."""
    long = rows(
        spark,
        "(1, 'a.b', 'yes'), (1, 'A.B', 'no'), (2, 'a.b', NULL), (3, 'item', 'yes'), (3, 'stranger', 'no')"
        f" AS (`{key}`, `{lf}`, `{vote}`)",
    )
    names = {"a.b": "lf_1", "A.B": "lf_2", "item": "lf_item", "silent": "lf_4"}
    got = pivot_votes(spark, long, key=key, lf_column=lf, vote_column=vote, names=names)
    wide = "(1, 'yes', 'no', NULL, NULL), (2, NULL, NULL, NULL, NULL), (3, NULL, NULL, 'yes', NULL)"
    expected = rows(spark, f"{wide} AS (`{key}`, lf_1, lf_2, lf_item, lf_4)").frame
    expected = expected.withColumn("lf_4", expected["lf_4"].cast("string"))
    same(got.frame, Query("expected", expected))
    assert str(got) == "some rows, pivoted"


def test_workers_may_be_numbers(spark: SparkSession) -> None:
    long = rows(spark, "('a', 7, 1), ('a', 8, 0) AS (item, worker, answer)")
    got = pivot_votes(
        spark, long, key="item", lf_column="worker", vote_column="answer", names={"7": "lf_7", "8": "lf_8"}
    )
    assert got.frame.collect() == [("a", 1, 0)]


def test_two_votes_of_one_function_on_one_item(spark: SparkSession) -> None:
    def pivot(sql: str) -> None:
        long = rows(spark, f"{sql} AS (item, worker, answer)", "the answers")
        pivot_votes(spark, long, key="item", lf_column="worker", vote_column="answer", names={"ann": "lf_ann"})

    with pytest.raises(DataError) as caught:
        pivot("('x', 'ann', 1), ('x', 'ann', 1), ('y', 'ann', 0), ('z', 'bo', 0), ('z', 'bo', 1), ('z', 'bo', 1)")
    assert str(caught.value) == (
        "'the answers' must hold one vote for an item and LF; more than one: "
        "['bo on z (3 times)', 'ann on x (2 times)']."
    )
    with pytest.raises(DataError, match=r"'ann on 3 \(2 times\)'\] and more\.$"):
        pivot(", ".join(f"({i}, 'ann', 1), ({i}, 'ann', 0)" for i in range(1, 7)))


def test_distinct_values_are_few(spark: SparkSession) -> None:
    source = rows(spark, "(3), (1), (NULL), (1), (20) AS (`the worker`)", "the answers")
    assert distinct_values(spark, source, "the worker", 3) == ["1", "20", "3"]
    with pytest.raises(DataError, match="column 'the worker' of 'the answers' has more than 2 distinct values"):
        distinct_values(spark, source, "the worker", 2)
