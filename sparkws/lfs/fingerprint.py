"""Fingerprints of functions: equal in every process, different as soon as the code or its data differ.

A function is more than its own text: the helpers that it calls, the constants that it names, its
defaults and what it closes over belong to it, as far as they are the project's own. Of a library
only the name of what is used counts, of an object that is not plain data only its type.
"""

import dis
import enum
import functools
import hashlib
import json
import re
import sys
import sysconfig
import types
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import polars as pl

from sparkws.lfs.reads import source_text

FINGERPRINT_LENGTH: Final = 16
_PACKAGE: Final = Path(__file__).resolve().parents[1]
_LIBRARIES: Final = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib"))


@runtime_checkable
class Described(Protocol):
    """Something that knows what decides its behavior."""

    @property
    def described(self) -> Mapping[str, object]:
        """What decides its behavior, by name."""
        ...


def fingerprint_of(*parts: object) -> str:
    """16 hex digits of the SHA-256 of values and functions."""
    walk = _Walk()
    text = json.dumps([walk.canonical(part) for part in parts], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_LENGTH]


def is_own(file: str | None, home: Path | None = None) -> bool:
    """Whether a file is the project's own: beside `home`, or neither a library nor sparkws itself."""
    if not file or file.startswith("<"):
        return True
    path = Path(file).resolve()
    if home is not None and path.is_relative_to(home):
        return True
    return not any(path.is_relative_to(folder) for folder in (*_LIBRARIES, _PACKAGE))


class _Walk:
    """One walk over values and functions, which goes into every function, class and object once."""

    def __init__(self) -> None:
        self.seen: dict[int, Any] = {}  # holds what it saw, so that no id is used twice
        self.above: set[int] = set()  # the containers that the walk is inside of
        self.home: Path | None = None

    def canonical(self, value: Any) -> Any:
        """A value as JSON that says its type."""
        if isinstance(value, enum.Enum):
            return ["enum", type(value).__qualname__, value.name, self.canonical(value.value)]
        if value is None or isinstance(value, bool | int | float | complex | str | bytes | bytearray):
            return [type(value).__name__, repr(value)]
        if isinstance(value, date | Decimal | PurePath):
            return [type(value).__name__, str(value)]
        if isinstance(value, re.Pattern):
            return ["pattern", self.canonical(value.pattern), value.flags]
        if isinstance(value, np.generic):
            return self.canonical(value.item())
        parts = _parts(value)
        if parts is None:
            return self._named(value)
        if id(value) in self.above:
            return ["cycle", type(value).__name__]
        self.above.add(id(value))
        try:
            listed = [self.canonical(part) for part in parts]
        finally:
            self.above.remove(id(value))
        if isinstance(value, set | frozenset):
            listed = sorted(listed, key=json.dumps)
        return [type(value).__name__, listed]

    def _named(self, value: Any) -> Any:
        if isinstance(value, types.ModuleType):
            return ["module", value.__name__.rpartition(".")[2]]
        if id(value) in self.seen:
            return ["seen", getattr(value, "__qualname__", type(value).__qualname__)]
        self.seen[id(value)] = value
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, Described):
            return [type(value).__name__, self.canonical(value.described)]
        return self._class(value) if isinstance(value, type) else self._object(value)

    def _function(self, f: types.FunctionType) -> Any:
        file = f.__code__.co_filename
        if self.home is None and not file.startswith("<"):
            self.home = Path(file).resolve().parent
        if not is_own(file, self.home):
            return ["library", f.__module__, f.__qualname__]
        text = source_text(f)
        body = _code(f.__code__) if text is None else text
        cells = [self._cell(cell) for cell in f.__closure__ or ()]
        return ["function", body, self.canonical([f.__defaults__, f.__kwdefaults__]), cells, self._globals(f)]

    def _globals(self, f: types.FunctionType) -> list[Any]:
        found: list[Any] = []
        for name in sorted(_names(f.__code__, "LOAD_GLOBAL", "LOAD_NAME") & set(f.__globals__)):
            value = f.__globals__[name]
            found.append([name, self.canonical(value)])
            if isinstance(value, types.ModuleType) and is_own(getattr(value, "__file__", None), self.home):
                used = sorted(_names(f.__code__, "LOAD_ATTR", "LOAD_METHOD") & set(vars(value)))
                found += [[f"{name}.{attribute}", self.canonical(vars(value)[attribute])] for attribute in used]
        return found

    def _cell(self, cell: types.CellType) -> Any:
        try:
            return self.canonical(cell.cell_contents)
        except ValueError:  # not filled yet
            return ["empty"]

    def _class(self, cls: type) -> Any:
        if issubclass(cls, enum.Enum):
            return ["enum", cls.__qualname__, [[member.name, self.canonical(member.value)] for member in cls]]
        if not self._is_own_class(cls):
            return ["library", cls.__module__, cls.__qualname__]
        members = {
            key: getattr(member, "__func__", getattr(member, "fget", member)) for key, member in vars(cls).items()
        }
        told = [
            [key, self.canonical(member)]
            for key, member in sorted(members.items())
            if isinstance(member, types.FunctionType) or not key.startswith("__")
        ]
        # Without its module, whose name follows the path where functions are loaded from a file.
        return ["class", cls.__qualname__, [self.canonical(base) for base in cls.__bases__], told]

    def _object(self, value: Any) -> Any:
        if self._is_own_class(type(value)):
            return ["object", self.canonical(type(value)), self.canonical(dict(getattr(value, "__dict__", {})))]
        return ["library", type(value).__module__, type(value).__qualname__]

    def _is_own_class(self, cls: type) -> bool:
        if cls.__module__.partition(".")[0] in sys.stdlib_module_names:
            return False
        return is_own(getattr(sys.modules.get(cls.__module__), "__file__", None), self.home)


def _parts(value: Any) -> Iterable[Any] | None:
    """What a container is made of, or None for anything that is not plain data."""
    if isinstance(value, Mapping):
        return list(value.items())  # in their order: a function that takes the first match depends on it
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.shape, value.tolist()]
    if isinstance(value, pl.Series):
        return [str(value.dtype), value.to_list()]
    if isinstance(value, pl.DataFrame):
        return [value.columns, *value.get_columns()]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    return [value.__func__, value.__self__] if isinstance(value, types.MethodType) else None


def _names(code: types.CodeType, *operations: str) -> set[str]:
    """The names that a function, and the functions inside it, use in some operations."""
    here = {step.argval for step in dis.get_instructions(code) if step.opname in operations}
    return here.union(*(_names(inner, *operations) for inner in _inner(code)))


def _code(code: types.CodeType) -> Any:
    """A function without source: its instructions, names and constants."""
    walk = _Walk()
    constants = [walk.canonical(value) for value in code.co_consts if not isinstance(value, types.CodeType)]
    return [code.co_code.hex(), list(code.co_names), constants, [_code(inner) for inner in _inner(code)]]


def _inner(code: types.CodeType) -> Iterable[types.CodeType]:
    return [value for value in code.co_consts if isinstance(value, types.CodeType)]
