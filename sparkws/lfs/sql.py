"""Expression labeling functions: polars SQL, checked before it meets data."""

import json
from typing import Any, Final, Literal

import polars as pl

from sparkws.checks import did_you_mean, first_few
from sparkws.errors import InvalidFunction
from sparkws.lfs.cheaper import cheaper
from sparkws.lfs.patterns import POLARS_ERRORS, reason

# Nodes of an expression's tree whose value depends on other rows, and leaves that hold names and data.
_BEYOND: Final = frozenset({"Agg", "Over", "Window", "Len", "Rank", "Shift", "Explode", "SubPlan", "Sort", "Filter"})
_LEAVES: Final = frozenset({"Literal", "Column", "Selector", "dtype"})

Gives = Literal["condition", "vote", "probability"]


def parse_sql(name: str, sql: str) -> pl.Expr:
    """The expression that a text of polars SQL says.

    Raises
    ------
    InvalidFunction
        If it is no expression, or looks at more than one item at once.
    """
    try:
        expression = pl.sql_expr(sql)
        tree = json.loads(expression.meta.serialize(format="json"))
    except POLARS_ERRORS as error:
        raise InvalidFunction(
            f"{name!r} has the expression {sql!r}, which polars cannot read: {reason(error)}."
        ) from None
    if not _is_of_one_item(tree):
        raise InvalidFunction(
            f"{name!r} has the expression {sql!r}, which looks at more than one item (an aggregate or a window), "
            "so its votes would depend on how the table is cut; use only columns of the item."
        )
    return expression


def bind_sql(name: str, sql: str, schema: pl.Schema, *, gives: Gives) -> pl.Expr:
    """The expression for a table of `schema`.

    Raises
    ------
    InvalidFunction
        If it does not fit the columns, or is no condition, vote or probability as is asked for.
    """
    expression = parse_sql(name, sql)
    missing = sorted(set(expression.meta.root_names()) - set(schema))
    if missing:
        raise InvalidFunction(
            f"{name!r} reads {first_few(missing)}, which the source lacks; it has {first_few(list(schema), 12)}."
            f"{did_you_mean(missing[0], schema)}"
        )
    try:
        # Evaluated, because the planner lets pass what fails on any data, such as UPPER of a number.
        dtype = pl.DataFrame(schema=schema).with_columns(expression.alias("vote"))["vote"].dtype
    except POLARS_ERRORS as error:
        raise InvalidFunction(f"{name!r} has the expression {sql!r}, which does not fit: {reason(error)}.") from None
    check_result(name, sql, dtype, gives=gives)
    return cheaper(expression)


def check_result(name: str, sql: str, dtype: pl.DataType, *, gives: Gives) -> None:
    """Refuse an expression, of either dialect, that gives no condition, vote or probability as is asked for.

    Raises
    ------
    InvalidFunction
        With the type that it gives.
    """
    if gives == "condition" and dtype not in (pl.Boolean, pl.Null):
        raise InvalidFunction(
            f"{name!r} has a label, so its expression {sql!r} must be a condition, but it gives {dtype}; "
            "without a label, its value is the vote."
        )
    is_vote = dtype.is_integer() or dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null)
    if gives == "vote" and not is_vote:
        raise InvalidFunction(
            f"{name!r} has no label, so its expression {sql!r} must give class indices or class names, "
            f"but it gives {dtype}; add a 'label' to vote where a condition holds, or a 'grid' to vote with a "
            "probability."
        )
    if gives == "probability" and not (dtype.is_numeric() or dtype.is_nested() or dtype == pl.Null):
        raise InvalidFunction(
            f"{name!r} has a grid, so its expression {sql!r} must give a probability, or a list of them for more than "
            f"two classes, but it gives {dtype}."
        )


def _is_of_one_item(node: Any) -> bool:
    """Whether no part of an expression, given as the JSON of its tree, sees more than its own row."""
    if isinstance(node, dict):
        return not (_BEYOND & node.keys()) and all(
            _is_of_one_item(part) for name, part in node.items() if name not in _LEAVES
        )
    if isinstance(node, list):
        return all(_is_of_one_item(part) for part in node)
    return node not in _BEYOND
