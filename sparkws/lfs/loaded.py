"""Resources that are too heavy to travel: a worker loads them itself, once, when they are first needed."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path, PurePath
from typing import Any, Final

from sparkws.errors import InvalidFunction, SparkwsError
from sparkws.lfs.fingerprint import fingerprint_of

_MOST_LOADED: Final = 8  # that a process keeps
_CHUNK_BYTES: Final = 1 << 20
_PLAIN: Final = (type(None), bool, int, float, str, bytes, date, PurePath)


class Loaded:
    """What `load(*args, **options)` gives, loaded once in each process that needs it.

    It travels as its recipe. What it is known by are the function, the arguments, and the content of files
    and folders that the arguments name: a model that is trained anew under the same path is another one.
    The files must be there for the workers under the same path.

    Parameters
    ----------
    load : function
        Makes the resource, such as `joblib.load`.
    *args, **options
        Plain data: text, numbers, paths, lists and dicts of them.

    Raises
    ------
    InvalidFunction
        If `load` is no function, or an argument is something else.

    Examples
    --------
    >>> from sparkws.lfs import labeling_function
    >>> @labeling_function(resources={"weights": Loaded(dict, good=1, bad=0)})
    ... def lf_word(x, weights):
    ...     return weights.get(x.text, -1)
    >>> lf_word({"text": "good"})
    1
    """

    def __init__(self, load: Callable[..., Any], *args: Any, **options: Any) -> None:
        if not callable(load):
            raise InvalidFunction(f"Loaded needs a function that makes the resource, got {load!r}.")
        for argument in (*args, *options.values()):
            if not _is_plain(argument):
                raise InvalidFunction(
                    f"Loaded({_name_of(load)}) got an argument of type {type(argument).__name__}; its arguments are "
                    "text, numbers, paths, or lists and dicts of them, by which it is known."
                )
        self.load, self.args, self.options = load, args, options

    @property
    def value(self) -> Any:
        """The resource itself.

        Raises
        ------
        InvalidFunction
            If it cannot be loaded.
        """
        return _held(self)

    @property
    def described(self) -> dict[str, object]:
        """What decides what is loaded."""
        return {"loaded": self.fingerprint}

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits by which a process knows what it has loaded; files are looked at once."""
        texts = [*map(str, _texts([self.args, self.options]))]
        return fingerprint_of(self.load, self.args, self.options, _contents(texts))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Loaded) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __getstate__(self) -> dict[str, Any]:
        # Workers lack the sources and may not see all files, so it is told what it is.
        return {"load": self.load, "args": self.args, "options": self.options, "fingerprint": self.fingerprint}

    def __repr__(self) -> str:
        given = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.options.items())]
        return f"Loaded({', '.join([_name_of(self.load), *given])})"


def load_all(resources: Mapping[str, Any]) -> dict[str, Any]:
    """The resources of a function, with everything loaded that has to be."""
    return {name: value.value if isinstance(value, Loaded) else value for name, value in resources.items()}


# A process has tasks of several programs one after the other; each of them brings recipes of its own.
@lru_cache(maxsize=_MOST_LOADED)
def _held(recipe: Loaded) -> Any:
    try:
        return recipe.load(*recipe.args, **recipe.options)
    except SparkwsError:
        raise
    except Exception as error:
        raise InvalidFunction(
            f"{recipe!r} failed: {type(error).__name__}: {error}. Workers load it, so they need the library, and the "
            "file under this very path."
        ) from error


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    if isinstance(value, Mapping):
        return all(_is_plain(part) for pair in value.items() for part in pair)
    # What a function is known by is its code.
    return isinstance(value, _PLAIN) or callable(value)


def _texts(value: Any) -> Iterator[str | PurePath]:
    if isinstance(value, str | PurePath):
        if value != "":  # which would be the folder of the process
            yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, set | frozenset):
        yield from _texts(sorted(value, key=repr))


def _contents(names: list[str]) -> list[list[str]]:
    """Hashes of the files that are called so, and of those in the folders that are."""
    found = []
    for name in names:
        try:
            path = Path(name)
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            found.append([f"{file.relative_to(path)} {_hash_of(file)}" for file in files if file.is_file()])
        except (OSError, ValueError):  # a text that cannot be the name of a file
            found.append([])
    return found


def _hash_of(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _name_of(f: Any) -> str:
    return str(getattr(f, "__name__", repr(f)))
