"""Spark SQL expressions over single rows: what they may be, and what is told when one stops a query."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkws.checks import first_few
from sparkws.engine.failures import is_sparks
from sparkws.engine.tables import Source, first_line, read
from sparkws.errors import FunctionFailed, InvalidFunction

# The same for all rows of a query, and other ones in the next; Spark calls them deterministic.
_OF_THE_MOMENT: Final = frozenset(
    {
        "current_catalog",
        "current_database",
        "current_date",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_timezone",
        "current_user",
        "localtimestamp",
        "session_user",
        "user",
    }
)
_OF_THE_MOMENT_CALLED: Final = _OF_THE_MOMENT | {"curdate", "now"}
_NOT_NAMES: Final = re.compile(
    r"""(?<!\w)[rR](?:'[^']*'|"[^"]*")|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|--[^\n]*|/\*.*?\*/""", re.DOTALL
)
_NAME: Final = re.compile(r"([A-Za-z_]\w*)(\s*\(\s*\)|\s*\()?")

# Why an expression is not of one row alone, by the beginnings of Spark's names for it.
_OTHER_ROWS: Final = "looks at more than one item (an aggregate or a window); use only columns of the item"
_REASONS: Final = {
    "INVALID_NON_DETERMINISTIC_EXPRESSIONS": "gives another value each time, so its votes could not be made again",
    "INVALID_USAGE_OF_STAR_OR_REGEX": "reads whatever columns there are, by a star; name those that it needs",
    "MISSING_GROUP_BY": _OTHER_ROWS,
    "UNSUPPORTED_EXPR_FOR_OPERATOR": _OTHER_ROWS,
    "UNSUPPORTED_GENERATOR": "makes several rows of an item; use a function of the array, such as exists",
    "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY": "asks another table (a subquery); use a lookup, or a 'source.query'",
    "WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE": _OTHER_ROWS,
}

# What Spark says of a value that an expression cannot take: classes 22 (data) and P0001 (raised on purpose).
_FAULT: Final = re.compile(r"\[([A-Z0-9_.]+)\] *([^\n]*?) *SQLSTATE: (?:22\w{3}|P0001)")

# How Spark points at it in an error that comes as text.
_POINTED: Final = re.compile(r"== SQL \([^)]*\) ==\n(?P<sql>[^\n]*)\n(?P<before> *)(?P<carets>\^+)")


def check_expressions(spark: SparkSession, source: Source, expressions: Mapping[str, str]) -> None:
    """Refuse expressions that are not of one row alone, the same every time.

    Parameters
    ----------
    expressions : mapping of str to str
        Spark SQL, each under the name that messages call it.

    Raises
    ------
    InvalidFunction
        For the first that Spark does not understand, that looks at other rows or tables, or that gives
        another value each time.
    """
    rows, one = read(spark, source), spark.range(1).toDF("__sparkws_one")
    for name, sql in expressions.items():
        if moment := _of_the_moment(sql, rows.columns):
            raise InvalidFunction(
                f"{name!r} has the expression {sql!r}, which asks for {moment!r}, so its votes would differ from run "
                "to run; compare with a date or a name that you write."
            )
    try:
        # All at once is the rule; one by one tells which.
        _analyze(rows, one, list(expressions.values()))
    except PySparkException:
        for name, sql in expressions.items():
            _check(rows, one, name, sql)
        raise


@contextmanager
def expression_faults(expressions: Mapping[str, str]) -> Iterator[None]:
    """Turn what stops a query into a sentence that names the expression, or those of which one must have been it.

    Raises
    ------
    FunctionFailed
        If a value was one that an expression cannot take.
    """
    try:
        yield
    except Exception as error:
        fault = _FAULT.search(str(error)) if is_sparks(error) else None
        at = _fragment(error)
        suspects = [name for name, sql in expressions.items() if at in sql]
        if fault is None or not suspects:
            raise
        where = f" at {at!r}" if at else ""
        whose = repr(suspects[0]) if len(suspects) == 1 else f"one of {first_few(suspects)}"
        raise FunctionFailed(
            f"{whose} stopped the query{where}: {_first_sentence(fault[2])} (Spark says {fault[1]}). In Spark SQL a "
            "value that cannot be computed fails the query, not a single vote; write try_divide, try_cast, get and "
            "the like, whose NULL abstains."
        ) from None


def _check(rows: DataFrame, one: DataFrame, name: str, sql: str) -> None:
    is_parsed = False
    try:
        _ = rows.select(F.expr(sql)).columns
        is_parsed = True
        _analyze(rows, one, [sql])
    except PySparkException as error:
        condition = error.getCondition() or ""
        known = [reason for start, reason in _REASONS.items() if condition.startswith(start)]
        if is_parsed and condition.startswith("PARSE"):  # only within brackets
            known = ["ends in a word that Spark would take for its name; an operator before it may be missing"]
        reason = known[0] if known else f"Spark refuses: {first_line(error)}"
        raise InvalidFunction(f"{name!r} has the expression {sql!r}, which {reason}.") from None


def _analyze(rows: DataFrame, one: DataFrame, sqls: Sequence[str]) -> None:
    """Let Spark analyze expressions where it takes only those of a row: no job is run."""
    made = [_whole(sql) for sql in sqls]
    # A condition of a join is no aggregate, window, generator or star, and the same every time.
    _ = rows.join(one, F.array(*[value.isNull() for value in made])[0]).columns
    # Within a function of elements there is no other table.
    _ = rows.select(F.transform(F.array(F.lit(0)), lambda _: F.array(*[value.isNull() for value in made]))).columns


def _whole(sql: str) -> Column:
    """An expression within brackets: a word behind it would else be taken for its name."""
    return F.expr(f"(\n{sql}\n)")


def _of_the_moment(sql: str, columns: Sequence[str]) -> str:
    """What an expression asks of the moment or the user; empty when nothing."""
    own = {name.lower() for name in columns}
    for name, call in _names(sql):
        is_now = name == "unix_timestamp" and call == "()"
        if is_now or (call and name in _OF_THE_MOMENT_CALLED) or (name in _OF_THE_MOMENT and name not in own):
            return name
    return ""


def _names(sql: str) -> Iterator[tuple[str, str]]:
    """The names in an expression that are not quoted, in lower case, and how each is called: "()", "(" or ""."""
    for found in _NAME.finditer(_NOT_NAMES.sub(" ' ", sql)):
        yield found[1].lower(), "".join((found[2] or "").split())


def _fragment(error: Exception) -> str:
    """The part of an expression that Spark points at; empty where it points at none."""
    contexts = error.getQueryContext() if isinstance(error, PySparkException) else []
    if contexts:
        return str(contexts[0].fragment())
    shown = _POINTED.search(str(error))
    return "" if shown is None else shown["sql"][len(shown["before"]) :][: len(shown["carets"])]


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".")
