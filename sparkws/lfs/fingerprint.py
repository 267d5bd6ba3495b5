"""Fingerprints of functions: equal in every process, different as soon as what decides their votes differs.

A function is more than its own text: the helpers that it calls, the constants that it names, its defaults and
what it closes over belong to it, as far as they are the project's own. What belongs to a library counts by its
name and the version of the library. Data counts by its content, an object by what pickling would keep of it; only
what nobody can pickle, a lock or an open file, counts by its type, and cannot travel to workers either.
"""

import copyreg
import dis
import enum
import functools
import hashlib
import importlib
import importlib.util
import inspect
import json
import logging
import re
import sys
import sysconfig
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, Final, Protocol, runtime_checkable

from sparkws.lfs.contents import MAPPINGS, SCALARS, SETS, digest, plain_text, scalar_text
from sparkws.lfs.libraries import library_of
from sparkws.lfs.source import function_node, normal_form

FINGERPRINT_LENGTH: Final = 16
_PACKAGE: Final = Path(__file__).resolve().parents[1]
_LIBRARIES: Final = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib"))
_CODE: Final = (types.FunctionType, property, functools.cached_property, staticmethod, classmethod)
_SLOTS: Final = (types.MemberDescriptorType, types.GetSetDescriptorType, types.WrapperDescriptorType)


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
    return digest(json.dumps([walk.told(part) for part in parts]))[:FINGERPRINT_LENGTH]


def is_own(file: str | None, home: Path | None = None) -> bool:
    """Whether a file is the project's own: beside `home`, or neither a library nor sparkws itself."""
    if not file or file.startswith("<"):
        return True
    path = Path(file).resolve()
    libraries = [folder for folder in (*_LIBRARIES, _PACKAGE) if path.is_relative_to(folder)]
    if home is None or not path.is_relative_to(home):
        return not libraries
    # Libraries may be installed in a folder of the project, and the project among libraries.
    return not any(folder.is_relative_to(home) for folder in libraries)


class _Walk:
    """One walk over values and functions, which goes into each of them once."""

    def __init__(self) -> None:
        self.done: dict[int, tuple[Any, str]] = {}  # holds what it saw, so that no id is used twice
        self.above: dict[int, int] = {}  # what the walk is inside of, with how deep that is
        self.modules: list[types.ModuleType] = []  # those of the project that the walk is inside of
        self.home: Path | None = None  # the folder of the first function

    def told(self, value: Any) -> Any:
        """A value as short JSON: a scalar itself, of anything else a hash."""
        if type(value) in SCALARS:
            return self._path(value) if self._is_at_home(value) else scalar_text(value)
        if id(value) in self.done:
            return self.done[id(value)][1]
        if id(value) in self.above:
            return ["again", len(self.above) - self.above[id(value)]]
        self.above[id(value)] = len(self.above)
        try:
            parts = plain_text(value) or self._parts(value)
        finally:
            del self.above[id(value)]
        text = digest(json.dumps(parts))
        self.done[id(value)] = (value, text)
        return text

    def _list(self, values: Iterable[Any]) -> list[Any]:
        return [self.told(value) for value in values]

    def _parts(self, value: Any) -> Any:
        kind = type(value)
        if kind in MAPPINGS:
            return [kind.__name__, [self._list(item) for item in value.items()]]
        if kind in (list, tuple):
            return [kind.__name__, self._list(value)]
        if kind in SETS:
            return [kind.__name__, sorted(self._list(value), key=json.dumps)]
        for kinds, parts_of in self._ways():
            if isinstance(value, kinds):
                return parts_of(value)
        return self._object(value)

    def _ways(self) -> Iterable[tuple[Any, Callable[[Any], Any]]]:
        return (
            (PurePath, self._path),
            (enum.Enum, lambda member: ["enum", type(member).__qualname__, member.name, self.told(member.value)]),
            (re.Pattern, lambda pattern: ["pattern", scalar_text(pattern.pattern), pattern.flags]),
            (logging.Logger, lambda _: ["logger"]),  # its name may follow the path of the module
            (types.ModuleType, self._module),
            (types.FunctionType, self._function),
            (type, self._class),
            (types.MethodType, lambda method: ["method", *self._list([method.__func__, method.__self__])]),
            (functools.partial, lambda call: ["partial", *self._list([call.func, call.args, call.keywords])]),
            (property, lambda way: ["property", *self._list([way.fget, way.fset, way.fdel])]),
            (functools.cached_property, lambda way: ["cached_property", self.told(way.func)]),
            (staticmethod | classmethod, lambda way: [type(way).__name__, self.told(way.__func__)]),
            (Described, lambda thing: [type(thing).__name__, self.told(thing.described)]),
        )

    def _function(self, f: types.FunctionType) -> Any:
        file = f.__code__.co_filename
        if self.home is None and not file.startswith("<"):
            self.home = Path(file).resolve().parent
        kept = [self._list([f.__defaults__, f.__kwdefaults__]), [self._cell(cell) for cell in f.__closure__ or ()]]
        if not is_own(file, self.home):
            # A decorator of a library names its wrapper after what it wraps; its code knows better.
            made = f.__code__.co_qualname
            named = ["library", library_of(f.__globals__.get("__name__")), made]
            return [*named, kept] if "<locals>" in made else named
        node = function_node(f)
        body = self._code(f.__code__) if node is None else normal_form(node)
        return ["function", body, kept, self.told(vars(f)), self._globals(f), self._imports(f)]

    def _code(self, code: types.CodeType) -> Any:
        """A function without source: its instructions, names and constants."""
        inner = list(_inner(code))
        constants = [self.told(value) for value in code.co_consts if not isinstance(value, types.CodeType)]
        names = [code.co_names, code.co_varnames, code.co_freevars]
        return [code.co_code.hex(), names, constants, [self._code(part) for part in inner]]

    def _globals(self, f: types.FunctionType) -> list[Any]:
        found: list[Any] = []
        attributes = _names(f.__code__, "LOAD_ATTR", "LOAD_METHOD")
        for name in sorted(_names(f.__code__, "LOAD_GLOBAL", "LOAD_NAME") & set(f.__globals__)):
            value = f.__globals__[name]
            if isinstance(value, types.ModuleType):
                found.append([name, self._module(value, attributes)])
            elif name not in ("__file__", "__name__"):  # which follow the path
                found.append([name, self.told(value)])
        return found

    def _imports(self, f: types.FunctionType) -> list[Any]:
        """What it imports when it is called; modules of the project are imported for it now, as it would."""
        found: list[Any] = []
        attributes = _names(f.__code__, "LOAD_ATTR", "LOAD_METHOD")
        for relative, names in _imported(f.__code__):
            with suppress(Exception):  # then it fails in the function too
                name = importlib.util.resolve_name(relative, f.__globals__.get("__package__"))
                spec = importlib.util.find_spec(name.partition(".")[0])
                if spec is None or not is_own(spec.origin, self.home) or name in sys.stdlib_module_names:
                    found.append([relative, library_of(name)])
                else:
                    found.append([relative, self._module(importlib.import_module(name), {*names, *attributes})])
        return found

    def _module(self, module: types.ModuleType, used: Collection[str] | None = None) -> Any:
        """A library, or what a function uses of a module of the project: everything where that is not known."""
        if not self._is_own(module.__name__, module):
            return ["module", library_of(module.__name__), module.__name__]
        if module in self.modules:
            return ["again"]
        self.modules.append(module)
        try:
            names = sorted(name for name in (vars(module) if used is None else used) if not name.startswith("__"))
            return [[name, self._attribute(vars(module)[name], used)] for name in names if name in vars(module)]
        finally:
            self.modules.pop()

    def _attribute(self, value: Any, used: Collection[str] | None) -> Any:
        return self._module(value, used) if isinstance(value, types.ModuleType) else self.told(value)

    def _cell(self, cell: types.CellType) -> Any:
        try:
            return self.told(cell.cell_contents)
        except ValueError:  # not filled yet
            return ["empty"]

    def _class(self, cls: type) -> Any:
        if not self._is_own(cls.__module__, sys.modules.get(cls.__module__)):
            return ["library", library_of(cls.__module__), cls.__qualname__]
        is_enum = issubclass(cls, enum.Enum)
        members = [
            [name, self.told(member.value)] for name, member in getattr(cls, "__members__", {}).items() if is_enum
        ]
        told = [
            [key, self.told(member)]
            for key, member in sorted(vars(cls).items())
            if isinstance(member, _CODE)
            or not (is_enum or key.startswith(("__", "_abc_")) or isinstance(member, _SLOTS))
        ]
        # Without its module, whose name follows the path where functions are loaded from a file.
        return ["class", cls.__qualname__, self._list(cls.__bases__), members, told]

    def _object(self, value: Any) -> Any:
        """What pickling keeps of an object, with the code of what it wraps."""
        wrapped = self.told(inspect.getattr_static(value, "__wrapped__", None))
        try:
            reduced = _reduced(value)
        except Exception:  # nobody can pickle it
            attributes = getattr(value, "__dict__", None)
            kept = self.told(dict(attributes)) if isinstance(attributes, Mapping) else None
            return ["object", self.told(type(value)), kept, wrapped]
        if isinstance(reduced, str):
            module = str(getattr(value, "__module__", None) or "builtins")
            is_own = self._is_own(module, sys.modules.get(module))
            return ["global", "" if is_own else library_of(module), reduced, wrapped]
        parts = [_without_addresses(list(part) if isinstance(part, Iterator) else part) for part in reduced]
        return ["object", self._list(parts), wrapped]

    def _is_own(self, name: str, module: types.ModuleType | None) -> bool:
        if name.partition(".")[0] in sys.stdlib_module_names:
            return False
        return is_own(_file_of(module), self.home)

    def _is_at_home(self, value: Any) -> bool:
        return isinstance(value, str) and self.home is not None and value.startswith(f"{self.home}/")

    def _path(self, value: str | PurePath) -> Any:
        """A path without the folder of the project; of a file also the content."""
        path = Path(value)
        is_beside = self.home is not None and path.is_absolute() and path.is_relative_to(self.home)
        name = path.relative_to(self.home or "").as_posix() if is_beside else str(value)
        with suppress(OSError, ValueError):
            if path.is_file():
                with path.open("rb") as file:
                    return ["file", name, hashlib.file_digest(file, "sha256").hexdigest()]
        return ["path", name]


def _reduced(value: Any) -> str | tuple[Any, ...]:
    """What pickling would call to make the object again, and the state that it would give it."""
    reducer = copyreg.dispatch_table.get(type(value))
    reduced: str | tuple[Any, ...] = value.__reduce_ex__(4) if reducer is None else reducer(value)
    return reduced


def _without_addresses(state: Any) -> Any:
    """The attributes of an object but those that remember where another one is, as scikit-learn's stop words."""
    if type(state) is not dict:
        return state
    addresses = {id(value) for value in state.values()}
    return {name: value for name, value in state.items() if not (type(value) is int and value in addresses)}


def _file_of(module: types.ModuleType | None) -> str | None:
    """The file of a module, or the folder of a package without one."""
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)


def _names(code: types.CodeType, *operations: str) -> set[str]:
    """The names that a function, and the functions inside it, use in some operations."""
    here = {step.argval for step in dis.get_instructions(code) if step.opname in operations}
    return here.union(*(_names(inner, *operations) for inner in _inner(code)))


def _imported(code: types.CodeType) -> list[tuple[str, tuple[str, ...]]]:
    """The modules that a function, and the functions inside it, import, as written, with the names from them."""
    steps = list(dis.get_instructions(code))
    found = [
        ("." * steps[at - 2].argval + step.argval, tuple(steps[at - 1].argval or ()))
        for at, step in enumerate(steps)
        if step.opname == "IMPORT_NAME"  # behind the level and the names
    ]
    return [*found, *(entry for inner in _inner(code) for entry in _imported(inner))]


def _inner(code: types.CodeType) -> Iterable[types.CodeType]:
    return [value for value in code.co_consts if isinstance(value, types.CodeType)]
