"""What a function reads of its item, found from its source; None where that cannot be decided."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sparkws.lfs.source import function_node


@dataclass(frozen=True)
class Reads:
    """The columns that a function needs of its item, and those that it sets on it."""

    columns: frozenset[str]
    sets: frozenset[str]


def find_reads(f: Callable[..., Any], *, returns_item: bool = False) -> Reads | None:
    """The columns that `f` reads of its first argument and sets on it.

    Understood are `x.text`, `x["text"]`, `x.get("text")` and setting any of them. When the item goes
    anywhere else (into a helper, `x[name]`, `getattr`, another variable) the answer is None: it may
    read everything.

    Parameters
    ----------
    returns_item : bool
        Whether `return x` is the ordinary end of the function, as in a preprocessor.
    """
    node = function_node(f)
    if node is None or isinstance(node, ast.AsyncFunctionDef):
        return None
    positional = [*node.args.posonlyargs, *node.args.args]
    if not positional:
        return None
    visitor = _Visitor(positional[0].arg, returns_item)
    for statement in node.body if isinstance(node.body, list) else [node.body]:
        visitor.visit_statement(statement)
    return None if visitor.undecided else Reads(frozenset(visitor.columns), frozenset(visitor.sets))


class _Visitor(ast.NodeVisitor):
    """Collects what is read of and set on the item; any other use of its name leaves it undecided."""

    def __init__(self, item: str, returns_item: bool) -> None:
        self.item, self.returns_item = item, returns_item
        self.columns: set[str] = set()
        self.sets: set[str] = set()
        self.settled: set[str] = set()  # set by an earlier statement that always runs
        self.undecided = False

    def visit_statement(self, statement: ast.AST) -> None:
        before = set(self.sets)
        self.visit(statement)
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            self.settled |= self.sets - before

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if self._is_item(node.value):
            self._use(node.attr, node.ctx)
        else:
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if self._is_item(node.value) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            self._use(node.slice.value, node.ctx)
        else:
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        target = node.func
        if isinstance(target, ast.Attribute) and self._is_item(target.value):
            name = node.args[0] if node.args else None
            if target.attr == "get" and isinstance(name, ast.Constant) and isinstance(name.value, str):
                self._use(name.value, ast.Load())
                for argument in (*node.args[1:], *node.keywords):
                    self.visit(argument)
            else:
                self.undecided = True
        else:
            self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        target = node.target
        if isinstance(target, ast.Attribute | ast.Subscript) and self._is_item(target.value):
            self.visit(type(target)(**{**dict(ast.iter_fields(target)), "ctx": ast.Load()}))
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if not (self.returns_item and node.value is not None and self._is_item(node.value)):
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self.undecided |= node.id in (self.item, "locals", "vars", "eval", "exec")

    def visit_arg(self, node: ast.arg) -> None:
        self.undecided |= node.arg == self.item  # an inner function hides the item's name

    def _is_item(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id == self.item

    def _use(self, name: str, context: ast.expr_context) -> None:
        if isinstance(context, ast.Store):
            self.sets.add(name)
        elif isinstance(context, ast.Del):
            self.undecided = True
        elif name not in self.settled:
            self.columns.add(name)
