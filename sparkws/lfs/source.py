"""The source of a function as it runs: its syntax tree, exactly its own, or None where that is not to be had.

The text of a file may have been edited since it was executed, and one line may hold several lambdas. So the
whole text is compiled again, and only a function whose code comes out equal is taken to be that source.
"""

import ast
import inspect
import linecache
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import lru_cache
from types import CodeType
from typing import Any, Final

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_DEFINES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_Place = tuple[str, int]  # a name and the line of its first decorator, or else of itself


def function_node(f: Callable[..., Any]) -> Function | None:
    """The syntax tree of a function, decorators and all; it is shared, so nobody may change it.

    Examples
    --------
    >>> function_node(function_node).name, function_node(len)
    ('function_node', None)
    """
    if not inspect.isfunction(f):
        return None
    code = f.__code__
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, f.__globals__))
    codes, nodes = _indexed(text)
    place = (code.co_name, code.co_firstlineno)
    if code not in codes.get(place, ()):
        return None
    return _which(code, nodes.get(place, []))


def normal_form(node: ast.AST) -> str:
    """A syntax tree as text, without what changes nothing: comments, formatting, docstrings, annotations.

    Decorators of the outermost function are left out too: what they made of it is known otherwise.
    """
    kept = _Normal().visit(deepcopy(node))
    if isinstance(kept, ast.FunctionDef | ast.AsyncFunctionDef):
        kept.decorator_list = []
    return ast.dump(kept)


@lru_cache(maxsize=64)
def _indexed(text: str) -> tuple[dict[_Place, list[CodeType]], dict[_Place, list[Function]]]:
    """The functions of a text, compiled and as trees, by their places."""
    codes: dict[_Place, list[CodeType]] = {}
    nodes: dict[_Place, list[Function]] = {}
    try:
        tree = ast.parse(text)
        module = compile(tree, "<source>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return codes, nodes
    for code in _within(module):
        codes.setdefault((code.co_name, code.co_firstlineno), []).append(code)
    for node in ast.walk(tree):
        if isinstance(node, _DEFINES):
            nodes.setdefault(_place_of(node), []).append(node)
    return codes, nodes


def _within(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _within(constant)


def _place_of(node: Function) -> _Place:
    if isinstance(node, ast.Lambda):
        return "<lambda>", node.lineno
    return node.name, min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _which(code: CodeType, nodes: list[Function]) -> Function | None:
    """The one of several functions of a line that became `code`: the smallest that spans all of it."""
    if len(nodes) == 1:
        return nodes[0]
    spans = [
        ((line, column), (end_line, end_column))
        for line, end_line, column, end_column in code.co_positions()
        if line is not None and column is not None and end_line is not None and end_column not in (None, 0)
    ]
    around = [node for node in nodes if all(_begin(node) <= begin and end <= _end(node) for begin, end in spans)]
    return min(around, key=lambda node: (_end(node), tuple(-at for at in _begin(node))), default=None)


def _begin(node: Function) -> tuple[int, int]:
    body = node.body if isinstance(node, ast.Lambda) else node
    return body.lineno, body.col_offset


def _end(node: Function) -> tuple[int, int]:
    body = node.body if isinstance(node, ast.Lambda) else node
    return body.end_lineno or 0, body.end_col_offset or 0


class _Normal(ast.NodeTransformer):
    """Takes away what does not decide what a function does."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(node.value)  # without the `u` of u"text"

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, _DOCUMENTED) and node.body and _is_text(node.body[0]):
            node.body = node.body[1:]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        return super().generic_visit(node)


def _is_text(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
