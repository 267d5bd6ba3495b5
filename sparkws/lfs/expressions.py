"""Expressions of labeling functions, from Python's syntax tree to terms.

The module is longer than 300 lines because it is one visitor, with a method for each kind of node.
"""

import ast
import builtins
import enum
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain
from types import FunctionType, ModuleType
from typing import Any, Final

import polars as pl

from sparkws.lfs.calls import FOLDED, SEARCHES, builtin_of, column_of, is_instance, method_of, regex_of
from sparkws.lfs.operations import (
    ARITHMETIC,
    COMPARISONS,
    calculated,
    compared,
    contained,
    folded,
    is_one,
    is_plain,
    looked_up,
)
from sparkws.lfs.terms import (
    Const,
    Fails,
    NotTranslated,
    Term,
    Truth,
    both,
    either,
    negated,
    one_of,
    over,
    truth_of,
)
from sparkws.lfs.texttests import TextTest

Names = dict[str, Term]
_MOST_STEPS: Final = 20_000


@dataclass
class Expressions:
    """What the expressions of one function stand for.

    Attributes
    ----------
    f : function
    item : str
        The name of its first parameter.
    schema : mapping of str to data type
        The columns that it may read.
    asked : dict
        Where questions to texts are noted.
    line : int
        The line that was looked at last.
    """

    f: FunctionType
    item: str
    schema: Mapping[str, pl.DataType]
    asked: dict[str, TextTest] = field(default_factory=dict)
    line: int = 0
    _steps: int = 0
    _conditional: int = 0

    def truth(self, node: ast.expr, names: Names) -> Truth | Const | Fails:
        """What `bool` of an expression is."""
        if isinstance(node, ast.BoolOp):
            join = both if isinstance(node.op, ast.And) else one_of
            found = self.truth(node.values[0], names)
            for value in node.values[1:]:
                if isinstance(found, Const) and bool(found.value) != isinstance(node.op, ast.And):
                    return found
                with _Conditional(self):
                    found = join(found, self.truth(value, names))
            return found
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return negated(self.truth(node.operand, names))
        return truth_of(self.term(node, names))

    def term(self, node: ast.expr, names: Names) -> Term:
        """What an expression stands for."""
        self.line = getattr(node, "lineno", self.line)
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise NotTranslated("is too long when its loops are written out")
        handle: Callable[[Any, Names], Term] | None = getattr(self, f"_{type(node).__name__.lower()}", None)
        if handle is None:
            raise NotTranslated(f"has {_article(type(node).__name__)}, which is not translated")
        return handle(node, names)

    def constant(self, node: ast.expr, names: Names) -> Any:
        """The value of an expression that is known."""
        term = self.term(node, names)
        if not isinstance(term, Const):
            raise NotTranslated("needs a constant here")
        return term.value

    def elements(self, node: ast.expr, names: Names) -> Iterator[tuple[ast.expr, Names]]:
        """The expressions that a generator, a list or a tuple gives, each with what its names stand for."""
        if isinstance(node, ast.GeneratorExp | ast.ListComp):
            yield from ((node.elt, inner) for inner in self._looped(node.generators, names))
        elif isinstance(node, ast.List | ast.Tuple):
            yield from ((part, names) for part in node.elts)
        else:
            for number, value in enumerate(self.iterated(node, names)):
                yield ast.copy_location(ast.Name(f"\0{number}"), node), {f"\0{number}": Const(value)}

    def iterated(self, node: ast.expr, names: Names) -> list[Any]:
        """The values that a loop over an expression takes."""
        term = self.term(node, names)
        if not isinstance(term, Const):
            raise NotTranslated("loops over something else than a constant list")
        value = term.value
        if not isinstance(value, tuple | list | set | frozenset | dict | str | range):
            raise NotTranslated(f"loops over {type(value).__name__}, not over a constant list")
        return list(value)

    def bound(self, target: ast.expr, value: object) -> Names:
        """What the names of an assignment stand for."""
        if isinstance(target, ast.Name):
            return {target.id: Const(value)}
        if isinstance(target, ast.Tuple) and isinstance(value, tuple | list) and len(value) == len(target.elts):
            parts = [self.bound(part, one) for part, one in zip(target.elts, value, strict=True)]
            return dict(chain.from_iterable(part.items() for part in parts))
        raise NotTranslated("assigns to something else than names")

    def _looped(self, generators: Sequence[ast.comprehension], names: Names) -> Iterator[Names]:
        if not generators:
            yield names
            return
        first, *rest = generators
        for value in self.iterated(first.iter, names):
            inner = {**names, **self.bound(first.target, value)}
            if all(self._is_known_true(condition, inner) for condition in first.ifs):
                yield from self._looped(rest, inner)

    def _is_known_true(self, condition: ast.expr, names: Names) -> bool:
        known = self.truth(condition, names)
        if not isinstance(known, Const):
            raise NotTranslated("filters a loop by what depends on the item")
        return bool(known.value)

    def _constant(self, node: ast.Constant, names: Names) -> Term:
        return Const(node.value)

    def _name(self, node: ast.Name, names: Names) -> Term:
        if node.id in names:
            return names[node.id]
        code = self.f.__code__
        if node.id == self.item:
            raise NotTranslated("uses the item as a whole")
        if node.id in code.co_varnames or node.id in code.co_cellvars:
            raise NotTranslated(f"uses {node.id!r} where it may not have been assigned")
        if node.id in code.co_freevars:
            try:
                return Const(dict(zip(code.co_freevars, self.f.__closure__ or (), strict=True))[node.id].cell_contents)
            except ValueError:
                raise NotTranslated(f"uses {node.id!r}, which has no value yet") from None
        for space in (self.f.__globals__, vars(builtins)):
            if node.id in space:
                return Const(space[node.id])
        raise NotTranslated(f"uses {node.id!r}, which is not defined")

    def _attribute(self, node: ast.Attribute, names: Names) -> Term:
        if self._is_item(node.value, names):
            return self._column(node.attr)
        base = self.term(node.value, names)
        value = base.value if isinstance(base, Const) else None
        is_of_member = isinstance(value, enum.Enum) and node.attr in ("value", "name")
        if (is_of_member or isinstance(value, ModuleType | type)) and hasattr(value, node.attr):
            return Const(getattr(value, node.attr))
        raise NotTranslated(f"reads .{node.attr}, which is not translated")

    def _subscript(self, node: ast.Subscript, names: Names) -> Term:
        if self._is_item(node.value, names):
            return self._column(self.constant(node.slice, names))
        base = self.term(node.value, names)
        if isinstance(node.slice, ast.Slice):
            parts = (node.slice.lower, node.slice.upper, node.slice.step)
            ends = [None if part is None else self.constant(part, names) for part in parts]
            if isinstance(base, Const) and is_plain(ends):
                return folded(lambda value: value[slice(*ends)], base)
            raise NotTranslated("takes a part of a value with [...]")
        key = self.term(node.slice, names)
        if isinstance(base, Const) and isinstance(key, Const):
            return folded(lambda value, at: value[at], base, key)
        if isinstance(base, Const) and type(base.value) is dict:
            return looked_up(base.value, key, Fails())
        raise NotTranslated("takes a part of a value with [...]")

    def _compare(self, node: ast.Compare, names: Names) -> Term:
        left, found = self.term(node.left, names), Const(True)
        result: Truth | Const | Fails = found
        for position, (op, comparator) in enumerate(zip(node.ops, node.comparators, strict=True)):
            if isinstance(result, Const) and not result.value:
                break
            with _Conditional(self) if position else nullcontext():
                right = self.term(comparator, names)
            result = both(result, truth_of(_compared(type(op).__name__, left, right)))
            left = right
        return result

    def _boolop(self, node: ast.BoolOp, names: Names) -> Term:
        is_and = isinstance(node.op, ast.And)
        terms: list[Term] = []
        for position, value in enumerate(node.values):  # in Python's order: the first may assign what others use
            with _Conditional(self) if position else nullcontext():
                terms.append(self.term(value, names))
        *firsts, found = terms
        for term in reversed(firsts):
            if isinstance(term, Truth) and isinstance(found, Truth):
                found = _joined(is_and, term, found)
            elif is_and:
                found = either(truth_of(term), found, term)
            else:
                found = either(truth_of(term), term, found)
        return found

    def _unaryop(self, node: ast.UnaryOp, names: Names) -> Term:
        if isinstance(node.op, ast.Not):
            return self.truth(node, names)
        term = self.term(node.operand, names)
        if isinstance(node.op, ast.USub):
            return folded(lambda a: -a, term) if isinstance(term, Const) else calculated("Sub", Const(0), term)
        raise NotTranslated("uses an operator that is not translated")

    def _binop(self, node: ast.BinOp, names: Names) -> Term:
        a, b = self.term(node.left, names), self.term(node.right, names)
        name = type(node.op).__name__
        if isinstance(a, Const) and isinstance(b, Const):
            if name == "BitOr" and isinstance(a.value, re.RegexFlag) and isinstance(b.value, re.RegexFlag):
                return Const(a.value | b.value)
            if name in _SET_OPERATIONS:
                return folded(_SET_OPERATIONS[name], a, b)
        if name not in ARITHMETIC:
            raise NotTranslated(f"uses the operator {name}, which is not translated")
        return calculated(name, a, b)

    def _ifexp(self, node: ast.IfExp, names: Names) -> Term:
        condition = self.truth(node.test, names)
        if isinstance(condition, Const):
            return self.term(node.body if condition.value else node.orelse, names)
        with _Conditional(self):
            return either(condition, self.term(node.body, names), self.term(node.orelse, names))

    def _namedexpr(self, node: ast.NamedExpr, names: Names) -> Term:
        if self._conditional:
            raise NotTranslated("assigns with := where that may not be reached")
        names[node.target.id] = self.term(node.value, names)
        return names[node.target.id]

    def _tuple(self, node: ast.Tuple, names: Names) -> Term:
        return Const(tuple(self.constant(part, names) for part in node.elts))

    def _list(self, node: ast.List, names: Names) -> Term:
        return Const([self.constant(part, names) for part in node.elts])

    def _set(self, node: ast.Set, names: Names) -> Term:
        return Const({self.constant(part, names) for part in node.elts})

    def _dict(self, node: ast.Dict, names: Names) -> Term:
        if None in node.keys:
            raise NotTranslated("has a dictionary made of others")
        keys = [self.constant(key, names) for key in node.keys if key is not None]
        return Const(dict(zip(keys, [self.constant(value, names) for value in node.values], strict=True)))

    def _call(self, node: ast.Call, names: Names) -> Term:
        called = node.func
        if isinstance(called, ast.Attribute) and self._is_item(called.value, names):
            if called.attr == "get" and "get" not in self.schema and not node.keywords and 1 <= len(node.args) <= 2:
                return self._column(self.constant(node.args[0], names))
            raise NotTranslated(f"calls {called.attr}() of the item")
        if isinstance(called, ast.Attribute):
            base = self.term(called.value, names)
            if not (isinstance(base, Const) and isinstance(base.value, ModuleType | type)):
                if node.keywords:
                    raise NotTranslated(f"calls {called.attr}() with keywords")
                arguments = [self.term(argument, names) for argument in node.args]
                return over(lambda term: method_of(term, called.attr, arguments), base)
        function = self.term(called, names)
        if not isinstance(function, Const):
            raise NotTranslated("calls what is not a constant")
        return self._called(function.value, node, names)

    def _called(self, function: Any, node: ast.Call, names: Names) -> Term:
        name = f"{getattr(function, '__qualname__', function)}()"
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            raise NotTranslated(f"calls {name} with *")
        if any(function is known for known in (any, all, sum)) and len(node.args) == 1 and not node.keywords:
            return self._of_all(function, node.args[0], names)
        arguments = [self.term(argument, names) for argument in node.args]
        if _is_in(function, SEARCHES) or function is re.compile:
            flags = [self.constant(word.value, names) for word in node.keywords if word.arg == "flags"]
            if len(flags) < len(node.keywords):
                raise NotTranslated(f"calls {name} with keywords")
            return regex_of(function, [*arguments, *map(Const, flags)])
        if node.keywords:
            raise NotTranslated(f"calls {name} with keywords, which is not translated")
        known = [argument for argument in arguments if isinstance(argument, Const)]
        if len(known) == len(arguments) and any(function is one for one in FOLDED):
            return folded(function, *known)
        if len(arguments) == 1 and function in (len, bool, str):
            return over(lambda term: builtin_of(function, term), arguments[0])
        if function is isinstance and len(arguments) == 2 and isinstance(arguments[1], Const):
            kinds = arguments[1].value
            return over(lambda term: is_instance(term, kinds), arguments[0])
        raise NotTranslated(f"calls {name}, which is not translated")

    def _of_all(self, function: Any, node: ast.expr, names: Names) -> Term:
        if function is sum:
            with _Conditional(self):
                terms = [self.term(part, inner) for part, inner in self.elements(node, names)]
            total: Term = Const(0)
            for term in terms:
                total = calculated("Add", total, term)
            return total
        join, ends = (one_of, True) if function is any else (both, False)
        with _Conditional(self):
            truths: list[Truth | Const | Fails] = []
            for part, inner in self.elements(node, names):
                truths.append(self.truth(part, inner))
                if isinstance(truths[-1], Const) and bool(truths[-1].value) == ends:
                    break
        return _balanced(join, truths) if truths else Const(not ends)

    def _is_item(self, node: ast.expr, names: Names) -> bool:
        return isinstance(node, ast.Name) and node.id == self.item and node.id not in names

    def _column(self, name: object) -> Term:
        if not isinstance(name, str) or name not in self.schema:
            raise NotTranslated(f"reads {name!r}, which is no column")
        return column_of(name, self.schema[name], self.asked)


class _Conditional:
    """Marks what may not be reached."""

    def __init__(self, of: Expressions) -> None:
        self.of = of

    def __enter__(self) -> None:
        self.of._conditional += 1

    def __exit__(self, *_: object) -> None:
        self.of._conditional -= 1


_SET_OPERATIONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "BitOr": lambda a, b: a | b,
    "BitAnd": lambda a, b: a & b,
}


def _joined(is_and: bool, a: Truth, b: Truth) -> Term:
    return both(a, b) if is_and else one_of(a, b)


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _is_in(function: Any, functions: Mapping[Any, str]) -> bool:
    return any(function is known for known in functions)


def _compared(op: str, left: Term, right: Term) -> Term:
    if op in COMPARISONS:
        return compared(op, left, right)
    if op in ("Is", "IsNot"):
        found = truth_of(is_one(left, right))
        return found if op == "Is" else negated(found)
    found = truth_of(contained(left, right))
    return found if op == "In" else negated(found)


def _balanced(
    join: Callable[[Any, Any], Truth | Const | Fails], truths: Sequence[Truth | Const | Fails]
) -> Truth | Const | Fails:
    """All of them joined in order, by halves: questions of the same column become one."""
    if len(truths) == 1:
        return truths[0]
    middle = len(truths) // 2
    return join(_balanced(join, truths[:middle]), _balanced(join, truths[middle:]))
