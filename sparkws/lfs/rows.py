"""An item as a labeling function sees it, built for millions of rows a minute."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_CONTAINERS: Final = frozenset({list, dict, set})


class Row:
    """An item whose columns are attributes and keys alike: `x.text`, `x["text"]`, `x.get("text")`.

    Rows of one item share one dict of values. Whoever sets something on a row gets a dict of its own
    first, so that nobody else sees the change.
    """

    __slots__ = ("__dict__",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "__dict__", dict(values))

    def __getitem__(self, name: str) -> Any:
        try:
            return self.__dict__[name]
        except KeyError:
            raise KeyError(_no_column(name, self.__dict__)) from None

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_no_column(name, self.__dict__))

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, "__dict__", {**self.__dict__, name: value})

    def __setitem__(self, name: str, value: Any) -> None:
        object.__setattr__(self, "__dict__", {**self.__dict__, name: value})

    def __delattr__(self, name: str) -> None:
        if name not in self.__dict__:
            raise AttributeError(_no_column(name, self.__dict__))
        object.__setattr__(self, "__dict__", {key: value for key, value in self.__dict__.items() if key != name})

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def keys(self) -> Iterator[str]:
        """The names of the columns, so that `dict(x)` works."""
        return iter(self.__dict__)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a column, or `default` where the item has no such column."""
        return self.__dict__.get(name, default)

    def __repr__(self) -> str:
        return f"Row({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


def unshared(values: dict[str, Any]) -> dict[str, Any]:
    """The same values with lists, dicts and sets of their own; the very same dict if there are none."""
    owned = {name: _own(value) for name, value in values.items() if type(value) in _CONTAINERS}
    return {**values, **owned} if owned else values


def _own(value: Any) -> Any:
    kind = type(value)
    # Whether there are containers within is seen at the speed of C; most lists hold words or numbers.
    if kind is list:
        return value.copy() if _CONTAINERS.isdisjoint(map(type, value)) else [_own(part) for part in value]
    if kind is dict:
        has_none = _CONTAINERS.isdisjoint(map(type, value.values()))
        return value.copy() if has_none else {name: _own(part) for name, part in value.items()}
    return set(value) if kind is set else value


def _no_column(name: str, values: Mapping[str, Any]) -> str:
    return f"the item has no {name!r}; it has {list(values)}"
