"""Columns that hold the answer: what the gold of a task is made from, and no labeling function may read."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sparkws.checks import first_few
from sparkws.config import GoldConfig
from sparkws.errors import InvalidFunction
from sparkws.lfs.declarative import Rule

if TYPE_CHECKING:
    from sparkws.lfs.lfset import LFSet

# Texts come first, so that a word within one is none of the others; a name before a bracket is a function.
_PARTS: Final = re.compile(
    r"""(?<!\w)[rR](?:'[^']*'|"[^"]*") | '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.)*" """
    r"""| (?<![\w.`])`(?P<quoted>(?:[^`]|``)+)` | (?<![\w.`])(?P<plain>[^\W\d]\w*)(?!\w|\s*\()""",
    re.VERBOSE | re.DOTALL,
)


def gold_columns(gold: GoldConfig | None, names: Iterable[str]) -> tuple[str, ...]:
    """Those of some columns of the source that the gold of a task is made from.

    Gold in a table of its own tells nothing of the source. Spark does not mind upper and lower case in names.

    Examples
    --------
    >>> made = GoldConfig(expression="CASE WHEN Stars <= 2 THEN 'text' END", split_column="part")
    >>> gold_columns(made, ["text", "stars", "part", "when"])
    ('stars', 'part', 'when')
    """
    if gold is None or gold.table is not None:
        return ()
    named = (gold.column, gold.split_column, *_names(gold.expression or ""))
    said = {name.casefold() for name in named if name is not None}
    return tuple(name for name in names if name.casefold() in said)


def refuse_leaks(task: str, lfset: "LFSet", gold: GoldConfig | None) -> None:
    """Stop where a function reads what the gold of its task is made from: it would be measured against itself.

    Raises
    ------
    InvalidFunction
        With the function and the column.
    """
    for lf in lfset:
        # Of an expression in Spark SQL only its text is known here.
        sql = lf.f.config.expression if isinstance(lf.f, Rule) else None
        leaked = gold_columns(gold, lf.columns or (_names(sql.sql) if sql is not None else ()))
        if leaked:
            raise InvalidFunction(
                f"{lf.name!r} reads {first_few(leaked)}, from which the gold of task {task!r} is made, so that "
                "it would be measured against what it has read; let it read something else."
            )


def _names(sql: str) -> list[str]:
    """What may be names of columns in an expression."""
    parts = _PARTS.finditer(sql)
    return [name for part in parts if (name := part["plain"] or (part["quoted"] or "").replace("``", "`"))]
