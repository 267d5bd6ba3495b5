"""Python labeling functions as polars expressions, where both vote the same.

A function is translated as a whole or not at all, and only where its source is exactly what runs. What it
votes is one expression: a class index, `ABSTAIN`, or `ASK` on the rows that are not decided natively, because
Python would raise there or nobody can be sure. Those rows the function itself decides.
"""

import ast
import warnings
from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from types import FunctionType
from typing import Any

import polars as pl

from sparkws.lfs.expressions import Expressions, Names
from sparkws.lfs.function import LabelingFunction
from sparkws.lfs.loaded import Loaded
from sparkws.lfs.native import Native
from sparkws.lfs.source import function_node
from sparkws.lfs.statements import Statements
from sparkws.lfs.terms import Const, NotTranslated


class StaysPython(Exception):
    """A function is not compiled.

    Attributes
    ----------
    line : int or None
        The line of its file that is why.
    reason : str
        Why, as what follows its name in a sentence.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.line = reason, line


def compiled(lf: LabelingFunction, classes: Sequence[str], schema: Mapping[str, pl.DataType]) -> Native:
    """The votes of a function written in Python as an expression; `ASK` where it has to be asked itself.

    Raises
    ------
    StaysPython
        With the line and the reason.

    Examples
    --------
    >>> from sparkws.lfs import labeling_function
    >>> from sparkws.lfs.native import evaluate
    >>> @labeling_function
    ... def lf_link(x):
    ...     return "spam" if "http" in x.text.lower() else -1
    >>> rows = pl.DataFrame({"text": ["HTTP://a", "hi", None]})
    >>> evaluate(rows, {"vote": compiled(lf_link, ("ham", "spam"), rows.schema)})["vote"].to_list()
    [1, -1, -2]
    """
    f, node = lf.f, function_node(lf.f)
    if lf.kind != "row":
        raise StaysPython(f"is {lf.kind}")
    if lf.pre:
        raise StaysPython("has preprocessors")
    if lf.soft is not None:
        raise StaysPython("votes with a probability")
    if not isinstance(f, FunctionType) or node is None or isinstance(node, ast.AsyncFunctionDef):
        raise StaysPython("has no source that can be found, or is no plain function")
    if lf.columns is None:
        raise StaysPython("does not say what it reads of the item", node.lineno)
    if any(isinstance(value, Loaded) for value in lf.resources.values()):
        raise StaysPython("has a resource that workers load", node.lineno)
    item, names = _parameters(f, lf.resources)
    expressions = Expressions(f, item, {name: schema[name] for name in lf.columns if name in schema}, line=node.lineno)
    body = node.body if isinstance(node.body, list) else [ast.copy_location(ast.Return(node.body), node.body)]
    try:
        # What Python says of a pattern, it says where the function itself comes to it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            vote = Statements(expressions, lf.name, classes).vote(body, names)
    except NotTranslated as error:
        raise StaysPython(str(error), expressions.line) from None
    except Exception as error:  # whatever it is, the function still runs as Python
        reason = f"cannot be translated ({type(error).__name__}: {error})"
        raise StaysPython(reason, expressions.line) from error
    tests = tuple(expressions.asked[name] for name in vote.meta.root_names() if name in expressions.asked)
    return Native(vote, tuple(dict.fromkeys(tests)))


def _parameters(f: FunctionType, resources: Mapping[str, Any]) -> tuple[str, Names]:
    """The name of the item, and what the other parameters stand for."""
    item, *rest = signature(f).parameters.values()
    names: Names = {}
    for parameter in (item, *rest):
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            raise StaysPython(f"takes *{parameter.name}", f.__code__.co_firstlineno)
    for parameter in rest:
        names[parameter.name] = Const(resources.get(parameter.name, parameter.default))
    return item.name, names
