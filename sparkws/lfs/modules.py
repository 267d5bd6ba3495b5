"""Modules of labeling functions, loaded from paths so that their functions travel to workers by value.

Pickling by value happens for what no importable module holds. So a module is executed under a name of
its own, and afterwards neither it nor the modules beside it that it imported can be found by name.
"""

import hashlib
import importlib
import linecache
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from sparkws.errors import ConfigError
from sparkws.lfs.fingerprint import is_own
from sparkws.lfs.function import LabelingFunction


def load_modules(paths: Sequence[str | Path], base_dir: str | Path = ".") -> tuple[LabelingFunction, ...]:
    """The labeling functions of some Python files, in the order of the files and of their definitions.

    A file may import the modules beside it. Functions count when they stand in the module under a
    name, or in a list or tuple that does.

    Parameters
    ----------
    paths : sequence of path
        Relative ones are taken from `base_dir`.

    Raises
    ------
    ConfigError
        If a file is missing, cannot be executed, holds no labeling function, or one of a name that
        another file has.
    """
    lfs: list[LabelingFunction] = []
    origin: dict[str, Path] = {}
    for path in (Path(base_dir) / path for path in paths):
        for lf in _load(path):
            other = origin.setdefault(lf.name.lower(), path)
            if other != path:
                raise ConfigError(
                    f"both {str(other)!r} and {str(path)!r} have a labeling function {lf.name!r}; rename one."
                )
            lfs.append(lf)
    return tuple(lfs)


def _load(path: Path) -> list[LabelingFunction]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"there is no module of labeling functions {str(path)!r}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the module {str(path)!r} cannot be read: {error}.") from None
    file = path.resolve()
    digest = hashlib.sha256(str(file).encode()).hexdigest()[:8]
    module = ModuleType(f"_sparkws_lfs_{file.stem}_{digest}")
    module.__file__ = str(file)
    with _visible(module, file, text):
        try:
            exec(compile(text, str(file), "exec", dont_inherit=True), vars(module))  # noqa: S102 (the user names the file)
        except ConfigError as error:
            raise type(error)(f"in {str(path)!r}: {error}") from error
        except SyntaxError as error:
            where = f"line {error.lineno} of {error.filename!r}"
            raise ConfigError(f"the module {str(path)!r} is not valid Python: {error.msg}, {where}.") from error
        except (Exception, SystemExit) as error:
            raise ConfigError(
                f"the module {str(path)!r} cannot be loaded: {type(error).__name__}: {error}{_at(error, file)}."
            ) from error
        lfs = list(_found(vars(module).values()))
        for lf in lfs:
            _ = lf.fingerprint  # now, while all sources can be found
    if not lfs:
        raise ConfigError(f"the module {str(path)!r} has no labeling function; decorate some with @labeling_function.")
    return lfs


def _found(values: Iterable[object]) -> Iterator[LabelingFunction]:
    seen: set[int] = set()
    for value in values:
        for entry in value if isinstance(value, list | tuple) else (value,):
            if isinstance(entry, LabelingFunction) and id(entry) not in seen:
                seen.add(id(entry))
                yield entry


@contextmanager
def _visible(module: ModuleType, file: Path, text: str) -> Iterator[None]:
    """Make a module, and the modules beside it, importable for a while; leave no trace of them."""
    folder = file.parent
    beside = {entry.stem for entry in folder.iterdir()} - set(sys.stdlib_module_names)
    hidden = {name: found for name, found in sys.modules.items() if _is_hidden(name, found, beside, folder)}
    for name in hidden:
        del sys.modules[name]
    path_before, bytecode_before = list(sys.path), sys.dont_write_bytecode
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True  # else a file edited twice within a second would come from its old bytecode
    sys.modules[module.__name__] = module
    # `inspect` reads sources through this cache: what it shows is then what was executed.
    linecache.cache[str(file)] = (len(text), None, text.splitlines(keepends=True), str(file))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        linecache.cache.pop(str(file), None)
        sys.path[:], sys.dont_write_bytecode = path_before, bytecode_before
        del sys.modules[module.__name__]
        for name in set(sys.modules) - known:
            if _is_beside(sys.modules[name], folder):
                # Renamed, so that pickling does not take another module of that name for it.
                sys.modules.pop(name).__name__ = f"{module.__name__}_{name}"
        sys.modules.update(hidden)


def _is_hidden(name: str, module: ModuleType, beside: set[str], folder: Path) -> bool:
    """Whether an imported module would stand in the way of one beside the file."""
    top = name.partition(".")[0]
    return top in beside and top not in ("sparkws", "__main__") and is_own(getattr(module, "__file__", None), folder)


def _is_beside(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return file is not None and is_own(file) and Path(file).resolve().is_relative_to(folder)


def _at(error: BaseException, file: Path) -> str:
    """The line of the file where an exception came from."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return "" if line is None else f", line {line}"
