"""Calls whose answer is another one each time: chance, the clock, the network. They are found in the source.

Votes are also tried a second time on a few rows, but what happens on rare rows only, a few do not show.
"""

import ast
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from sparkws.errors import InvalidFunction
from sparkws.lfs.source import function_node

if TYPE_CHECKING:
    from sparkws.lfs.lfset import LFSet

_CLOCKS: Final = (
    "time",
    "time_ns",
    "monotonic",
    "monotonic_ns",
    "perf_counter",
    "perf_counter_ns",
    "localtime",
    "gmtime",
)
_CALLS: Final = frozenset(
    {
        *(f"time.{clock}" for clock in _CLOCKS),
        *(f"datetime.datetime.{clock}" for clock in ("now", "today", "utcnow")),
        "datetime.date.today",
        "os.urandom",
        "uuid.uuid1",
        "uuid.uuid4",
    }
)
_MODULES: Final = (
    "random.",
    "numpy.random.",
    "secrets.",
    "requests.",
    "httpx.",
    "urllib.request.",
    "http.client.",
    "socket.",
)
# What is made with a seed gives the same each time, and seeding by itself answers nothing.
_SEEDED: Final = frozenset(
    f"{module}.{name}"
    for module in ("random", "numpy.random")
    for name in ("Random", "RandomState", "Generator", "SeedSequence", "PCG64", "Philox", "default_rng")
)


def refuse_chance(lfset: "LFSet") -> None:
    """Stop where a function that is not declared so would vote otherwise each time.

    Raises
    ------
    InvalidFunction
        With the function and what it calls.
    """
    for lf in lfset:
        if not lf.deterministic:
            continue
        for f in (lf.f, *(preprocessor.f for preprocessor in lf.chain)):
            for call in changing_calls(f):
                raise InvalidFunction(
                    f"{lf.name!r} calls {call}(), so its votes would differ from run to run; take it out, or declare "
                    "deterministic=False."
                )


def changing_calls(f: Callable[..., Any]) -> Iterator[str]:
    """The calls in a function whose answer is another one each time, by their full names.

    Examples
    --------
    >>> import random
    >>> def coin(x):
    ...     return random.random() < 0.5 or random.Random(7).random() < 0.5
    >>> list(changing_calls(coin))
    ['random.random']
    """
    if not isinstance(f, FunctionType):
        return
    node = function_node(f)
    if node is None:
        return
    known = {**f.__globals__, **_closed_over(f)}
    imported = dict(_imports(node))
    for part in ast.walk(node):
        name = _full_name(part.func, known, imported) if isinstance(part, ast.Call) else ""
        if name in _CALLS or (name.startswith(_MODULES) and name not in _SEEDED):
            yield name


def _full_name(node: ast.expr, known: dict[str, Any], imported: dict[str, str]) -> str:
    """What a dotted name stands for, as module and name; empty where that is not plain to see."""
    if isinstance(node, ast.Name):
        return imported.get(node.id) or _name_of(known.get(node.id))
    base = _full_name(node.value, known, imported) if isinstance(node, ast.Attribute) else ""
    return f"{base}.{node.attr}" if base and isinstance(node, ast.Attribute) else ""


def _name_of(value: Any) -> str:
    if isinstance(value, ModuleType):
        return value.__name__
    # The functions of `random` are methods of an object that it holds.
    module = getattr(value, "__module__", None) or type(getattr(value, "__self__", None)).__module__
    name = getattr(value, "__qualname__", "")
    return f"{module}.{name.rpartition('.')[2]}" if callable(value) and isinstance(module, str) else ""


def _imports(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The names that imports inside of a function bind, and what they stand for."""
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            for alias in part.names:
                top = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (top, top)
        elif isinstance(part, ast.ImportFrom) and part.module:
            yield from ((alias.asname or alias.name, f"{part.module}.{alias.name}") for alias in part.names)


def _closed_over(f: FunctionType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found
