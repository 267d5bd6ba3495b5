"""Preprocessors: what several labeling functions want to know of an item, computed once for all of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, overload

from sparkws.errors import InvalidFunction
from sparkws.lfs.reads import Reads, find_reads


@dataclass(frozen=True, eq=False)
class Preprocessor:
    """A function that gets an item, sets attributes on it and returns it.

    Attributes
    ----------
    name : str
        How messages call it.
    f : function of an item
    pre : tuple of Preprocessor
        What runs before it.
    reads : Reads or None
        The columns that it reads and sets; None where its source does not tell.
    """

    name: str
    f: Callable[[Any], Any]
    pre: tuple["Preprocessor", ...] = ()
    _: KW_ONLY
    reads: Reads | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not callable(self.f):
            raise InvalidFunction(f"preprocessor {self.name!r} needs a function of an item, got {self.f!r}.")
        object.__setattr__(self, "pre", check_pre(f"preprocessor {self.name!r}", self.pre))
        object.__setattr__(self, "reads", find_reads(self.f, returns_item=True))

    def __call__(self, x: Any) -> Any:
        """The item with what this preprocessor sets on it."""
        return self.f(x)

    @property
    def described(self) -> dict[str, object]:
        """What decides what it sets."""
        return {"name": self.name, "f": self.f, "pre": self.pre}


def chain_of(pre: Iterable[Preprocessor]) -> tuple[Preprocessor, ...]:
    """The preprocessors in the order in which they run, each once, after those that they ask for."""
    ordered: dict[Preprocessor, None] = {}
    for preprocessor in pre:
        ordered.update(dict.fromkeys(chain_of(preprocessor.pre)))
        ordered[preprocessor] = None
    return tuple(ordered)


def check_pre(owner: str, pre: Sequence[object] | None) -> tuple[Preprocessor, ...]:
    """`pre` as a tuple of preprocessors.

    Raises
    ------
    InvalidFunction
        If it is not a list, or holds something else.
    """
    if isinstance(pre, Preprocessor) or (pre is not None and not isinstance(pre, Sequence)):
        raise InvalidFunction(f"'pre' of {owner} must be a list of preprocessors, got {pre!r}.")
    checked: list[Preprocessor] = []
    for entry in pre or ():
        if not isinstance(entry, Preprocessor):
            raise InvalidFunction(f"'pre' of {owner} holds {entry!r}; decorate it with @preprocessor.")
        checked.append(entry)
    return tuple(checked)


@overload
def preprocessor(name: Callable[[Any], Any], /) -> Preprocessor: ...


@overload
def preprocessor(
    name: str | None = None, pre: Sequence[Preprocessor] | None = None, *, memoize: bool = False
) -> Callable[[Callable[[Any], Any]], Preprocessor]: ...


def preprocessor(
    name: str | Callable[[Any], Any] | None = None,
    pre: Sequence[Preprocessor] | None = None,
    *,
    memoize: bool = False,
) -> Preprocessor | Callable[[Callable[[Any], Any]], Preprocessor]:
    """A preprocessor made of the decorated function; with or without parentheses.

    Parameters
    ----------
    name : str, optional
        The function's own name if omitted.
    pre : list of Preprocessor, optional
        What runs before it.
    memoize : bool
        Understood because Snorkel's users write it, and without effect: an item is preprocessed once
        for all labeling functions that ask for it.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> @preprocessor
    ... def with_words(x):
    ...     x.words = x.text.split()
    ...     return x
    >>> with_words(SimpleNamespace(text="so good")).words
    ['so', 'good']
    """
    del memoize
    if name is not None and not isinstance(name, str):
        return Preprocessor(_name_of(name), name)
    return lambda f: Preprocessor(str(name or _name_of(f)), f, check_pre(f"preprocessor {_name_of(f)!r}", pre))


def _name_of(f: Any) -> str:
    return str(getattr(f, "__name__", repr(f)))
