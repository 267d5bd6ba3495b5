"""Statements of labeling functions, from Python's syntax tree to the expression of their vote."""

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from sparkws.errors import InvalidVote
from sparkws.lfs.expressions import Expressions, Names
from sparkws.lfs.returns import votes_of_values
from sparkws.lfs.terms import (
    Column,
    Const,
    Either,
    Fails,
    Found,
    NotTranslated,
    Term,
    Text,
    Truth,
    Whole,
    choose,
    either,
    unknown,
)
from sparkws.vocab import ABSTAIN

ASK: Final = -2  # the vote of a row that Python has to decide
_MOST_TURNS: Final = 200  # of a loop that is written out


@dataclass(frozen=True)
class _Bind:
    """An assignment of constants to names, as a loop makes it."""

    names: Names


_Statement = ast.stmt | _Bind


@dataclass
class Statements:
    """What the statements of a function vote."""

    expressions: Expressions
    name: str
    classes: Sequence[str]

    def vote(self, statements: Sequence[_Statement], names: Names) -> pl.Expr:
        """The vote of the first statement that returns."""
        names = dict(names)
        asks: list[pl.Expr] = []
        for position, statement in enumerate(statements):
            rest = statements[position + 1 :]
            self.expressions.line = getattr(statement, "lineno", self.expressions.line)
            ended: pl.Expr | None = None
            if isinstance(statement, ast.Return):
                ended = self._returned(statement.value, names)
            elif isinstance(statement, ast.If):
                ended = self._branched(statement, rest, names, asks)
            elif isinstance(statement, ast.For):
                ended = self.vote([*self._written_out(statement, names), *rest], names)
            else:
                self._assign(statement, names, asks)
            if ended is not None:
                return _unless(asks, ended)
        return _ask()  # it returns None, which the kernel refuses

    def _returned(self, value: ast.expr | None, names: Names) -> pl.Expr:
        if value is None:
            return _ask()
        if isinstance(value, ast.IfExp):
            return self._chosen(
                value.test,
                names,
                lambda: self._returned(value.body, dict(names)),
                lambda: self._returned(value.orelse, dict(names)),
            )
        return self._voted(self.expressions.term(value, names))

    def _branched(
        self, statement: ast.If, rest: Sequence[_Statement], names: Names, asks: list[pl.Expr]
    ) -> pl.Expr | None:
        """The vote of a condition and all that follows; None if it only assigned something."""
        if not (_only_assigns(statement.body) and _only_assigns(statement.orelse)):
            return self._chosen(
                statement.test,
                names,
                lambda: self.vote([*statement.body, *(rest if _goes_on(statement.body) else ())], names),
                lambda: self.vote([*statement.orelse, *(rest if _goes_on(statement.orelse) else ())], names),
            )
        condition = self.expressions.truth(statement.test, names)
        if isinstance(condition, Fails):
            return _ask()
        sides, asked = [dict(names), dict(names)], [list[pl.Expr](), list[pl.Expr]()]
        for side, body, ask in zip(sides, (statement.body, statement.orelse), asked, strict=True):
            for inner in body:
                if isinstance(inner, ast.If):
                    ended = self._branched(inner, (), side, ask)
                    if ended is not None:
                        raise NotTranslated("raises within a condition")
                else:
                    self._assign(inner, side, ask)
        if isinstance(condition, Const):
            names.update(sides[0 if condition.value else 1])
            asks += asked[0 if condition.value else 1]
            return None
        if not condition.is_sure:
            asks.append(condition.holds.is_null())
        if any(asked):
            parts = [pl.any_horizontal(ask) if ask else pl.lit(False) for ask in asked]
            asks.append(choose(condition, *parts).fill_null(True))
        for name in dict.fromkeys((*sides[0], *sides[1])):
            if name in sides[0] and name in sides[1]:
                then, otherwise = sides[0][name], sides[1][name]
                names[name] = then if then is otherwise else either(condition, then, otherwise)
            else:
                names.pop(name, None)
        return None

    def _chosen(
        self, test: ast.expr, names: Names, then: Callable[[], pl.Expr], otherwise: Callable[[], pl.Expr]
    ) -> pl.Expr:
        condition = self.expressions.truth(test, names)
        if isinstance(condition, Fails):
            return _ask()
        if isinstance(condition, Const):
            return then() if condition.value else otherwise()
        return _chosen(condition, then(), otherwise())

    def _assign(self, statement: _Statement, names: Names, asks: list[pl.Expr]) -> None:
        if isinstance(statement, _Bind):
            names.update(statement.names)
            return
        if isinstance(statement, ast.Pass) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        ):
            return
        value: ast.expr | None = None
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign):
            targets, value = [statement.target], statement.value
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            left = ast.copy_location(ast.Name(statement.target.id, ast.Load()), statement)
            targets = [statement.target]
            value = ast.copy_location(ast.BinOp(left, statement.op, statement.value), statement)
        if value is None or len(targets) != 1:
            raise NotTranslated(f"has a statement {type(statement).__name__}, which is not translated")
        pairs = [(targets[0], value)]
        if isinstance(targets[0], ast.Tuple) and isinstance(value, ast.Tuple) and _n_equal(targets[0], value):
            pairs = list(zip(targets[0].elts, value.elts, strict=True))
        terms = [(target, self.expressions.term(part, names)) for target, part in pairs]
        for target, term in terms:
            if not isinstance(target, ast.Name):
                raise NotTranslated("assigns to something else than a name")
            if (
                isinstance(term, Const)
                and isinstance(statement, ast.AugAssign)
                and isinstance(term.value, list | set | dict)
            ):
                raise NotTranslated("changes a list, a set or a dictionary")
            names[target.id] = term
            where = unknown(term)
            if where is not None:
                asks.append(where)

    def _written_out(self, loop: ast.For, names: Names) -> list[_Statement]:
        """The statements of a loop, once for each value."""
        values = self.expressions.iterated(loop.iter, names)
        if loop.orelse or any(isinstance(inner, ast.Break | ast.Continue) for inner in ast.walk(loop)):
            raise NotTranslated("has a loop with break, continue or else")
        is_set = isinstance(self.expressions.constant(loop.iter, names), set | frozenset)
        together = _any_of(loop)
        if is_set and any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(loop.target)):
            raise NotTranslated("loops over a set with a name that has a value before; use a tuple")
        if together is not None:
            # Where nothing is returned, its names stand for the last value from here on: which one is that of a set?
            last = [] if is_set else values[-1:]
            return [together, *(_Bind(self.expressions.bound(loop.target, value)) for value in last)]
        if is_set:
            raise NotTranslated("loops over a set, whose order is another one in every process; use a tuple")
        if len(values) > _MOST_TURNS:
            raise NotTranslated(f"has a loop of {len(values):,} turns, which is too long to write out")
        turns: list[list[_Statement]] = [
            [_Bind(self.expressions.bound(loop.target, value)), *loop.body] for value in values
        ]
        return [statement for turn in turns for statement in turn]

    def _voted(self, term: Term) -> pl.Expr:
        if isinstance(term, Const):
            return self._of_constant(term.value)
        if isinstance(term, Fails):
            return _ask()
        if isinstance(term, Column):
            return self._voted(term.inner)
        if isinstance(term, Either):
            return _chosen(term.condition, self._voted(term.then), self._voted(term.otherwise))
        if isinstance(term, Whole):
            if term.low >= ABSTAIN and term.high < len(self.classes):
                return term.value.cast(pl.Int8).fill_null(ASK)
            is_vote = term.value.is_between(ABSTAIN, len(self.classes) - 1)
            return pl.when(is_vote).then(term.value).otherwise(pl.lit(ASK, pl.Int64)).cast(pl.Int8)
        if isinstance(term, Text) and term.case is None:
            indices = pl.Series(range(len(self.classes)), dtype=pl.Int8)
            return term.source.replace_strict(
                pl.Series(self.classes), indices, default=ASK, return_dtype=pl.Int8
            ).fill_null(ASK)
        what = "True or False" if isinstance(term, Truth) else "a match" if isinstance(term, Found) else "no vote"
        raise NotTranslated(f"returns {what}")

    def _of_constant(self, value: object) -> pl.Expr:
        try:
            votes = votes_of_values(self.name, [value], self.classes, pl.Series([0]))
        except InvalidVote:
            return _ask()
        return pl.lit(votes[0], pl.Int8)


def _chosen(condition: Truth, then: pl.Expr, otherwise: pl.Expr) -> pl.Expr:
    vote = choose(condition, then, otherwise)
    return vote if condition.is_sure else vote.fill_null(ASK)


def _unless(asks: list[pl.Expr], vote: pl.Expr) -> pl.Expr:
    return pl.when(pl.any_horizontal(asks)).then(_ask()).otherwise(vote) if asks else vote


def _ask() -> pl.Expr:
    return pl.lit(ASK, pl.Int8)


def _only_assigns(body: Sequence[_Statement]) -> bool:
    """Whether it has neither returns nor loops."""
    if any(isinstance(statement, ast.If) for statement in body):
        inner = [statement for statement in body if isinstance(statement, ast.If)]
        if not all(_only_assigns(one.body) and _only_assigns(one.orelse) for one in inner):
            return False
    return not any(isinstance(statement, ast.Return | ast.For) for statement in body)


def _goes_on(body: Sequence[_Statement]) -> bool:
    """Whether what follows may be reached."""
    if not body:
        return True
    last = body[-1]
    if isinstance(last, ast.If):
        return _goes_on(last.body) or _goes_on(last.orelse)
    return not isinstance(last, ast.Return)


def _n_equal(a: ast.Tuple, b: ast.Tuple) -> bool:
    return len(a.elts) == len(b.elts) and not any(isinstance(part, ast.Starred) for part in (*a.elts, *b.elts))


def _any_of(loop: ast.For) -> ast.If | None:
    """`for w in words: if f(w): return vote` as `if any(f(w) for w in words): return vote`; None for others."""
    if len(loop.body) != 1 or not isinstance(loop.body[0], ast.If):
        return None
    branch = loop.body[0]
    bound = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
    returns = branch.body[0] if len(branch.body) == 1 and not branch.orelse else None
    if not isinstance(returns, ast.Return) or any(
        isinstance(node, ast.NamedExpr) or (isinstance(node, ast.Name) and node.id == "any") for node in ast.walk(loop)
    ):
        return None
    if any(isinstance(node, ast.Name) and node.id in bound for node in ast.walk(returns)):
        return None
    generator = ast.GeneratorExp(branch.test, [ast.comprehension(loop.target, loop.iter, [], 0)])
    function: Any = any
    test = ast.Call(ast.Constant(function), [generator], [])  # the builtin itself, whatever its name stands for here
    for made in (generator, test):
        ast.copy_location(made, branch.test)
    return ast.copy_location(ast.If(test, branch.body, []), branch)
