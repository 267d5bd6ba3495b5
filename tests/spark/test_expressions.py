"""Spark SQL over single rows: what is refused before it runs."""

import re

import pytest
from pyspark.sql import SparkSession

from sparkws.engine.expressions import check_expressions
from sparkws.engine.tables import Query
from sparkws.errors import InvalidFunction


@pytest.fixture
def source(spark: SparkSession) -> Query:
    rows = "SELECT 1 AS n, 'a' AS c, array(1, 2) AS xs, named_struct('b', 1) AS s, 'u' AS user, 2 AS `a.b ``c`"
    return Query("items", spark.sql(rows))


@pytest.mark.parametrize(
    "sql",
    [
        "N = 1 AND `C` = 'n'",
        "transform(xs, n -> n + s.b)",
        "user = 'now()' -- current_date",
        "`a.b ``c` > n /* now() */",
        "date'2026-01-01' < to_date(c)",
        "unix_timestamp(c) > n",
        "1",
    ],
)
def test_an_expression_of_a_row(spark: SparkSession, source: Query, sql: str) -> None:
    check_expressions(spark, source, {"lf_a": "n > 0", "lf_b": sql})


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("nosuch + 1", "Spark refuses: [UNRESOLVED_COLUMN.WITH_SUGGESTION] A column"),
        ("n >", "Spark refuses: [PARSE_SYNTAX_ERROR] Syntax error at or near end of input"),
        ("n; DROP TABLE items", "Spark refuses: [PARSE_SYNTAX_ERROR] Syntax error at or near ';'"),
        ("nosuch(n)", "Spark refuses: [UNRESOLVED_ROUTINE]"),
        ("c AND n", "Spark refuses: [DATATYPE_MISMATCH"),
        ("count(*)", "looks at more than one item"),
        ("n + max(n)", "looks at more than one item"),
        ("row_number() OVER (ORDER BY n)", "looks at more than one item"),
        ("n - lag(n) OVER (ORDER BY n)", "looks at more than one item"),
        ("lag(n)", "looks at more than one item"),
        ("(SELECT 1)", "asks another table (a subquery)"),
        ("n IN (SELECT 1)", "asks another table (a subquery)"),
        ("EXISTS (SELECT 1)", "asks another table (a subquery)"),
        ("explode(xs)", "makes several rows of an item"),
        ("stack(1, n)", "makes several rows of an item"),
        ("rand() > 0.5", "gives another value each time"),
        ("uuid()", "gives another value each time"),
        ("monotonically_increasing_id()", "gives another value each time"),
        ("input_file_name()", "gives another value each time"),
        ("hash(*)", "reads whatever columns there are, by a star"),
        ("to_date(c) < current_date", "asks for 'current_date', so its votes would differ"),
        ("current_timestamp( ) > c", "asks for 'current_timestamp'"),
        ("now() > c", "asks for 'now'"),
        (r"r'\' = now()", "asks for 'now'"),
        ("n > 1 nonsense", "ends in a word that Spark would take for its name"),
        ("unix_timestamp() > n", "asks for 'unix_timestamp'"),
        ("user() = c", "asks for 'user'"),
    ],
)
def test_an_expression_that_is_refused(spark: SparkSession, source: Query, sql: str, reason: str) -> None:
    with pytest.raises(
        InvalidFunction, match=re.escape(f"'lf_b' has the expression {sql!r}, which {reason}")
    ) as caught:
        check_expressions(spark, source, {"lf_a": "n > 0", "lf_b": sql})
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_column_that_is_called_like_a_moment(spark: SparkSession, source: Query) -> None:
    own = Query("items", source.frame.withColumnRenamed("n", "current_date"))
    check_expressions(spark, own, {"lf_a": "current_date > 1"})
    with pytest.raises(InvalidFunction, match="asks for 'user'"):
        check_expressions(spark, Query("items", source.frame.drop("user")), {"lf_a": "user = c"})
