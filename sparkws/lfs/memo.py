"""What a preprocessor made of values that it has seen before, within bounds of number and memory."""

import sys
from collections import OrderedDict
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from sparkws.lfs.rows import unshared

DEFAULT_ENTRIES: Final = 100_000
_MOST_BYTES: Final = 64 << 20
_ENTRY_BYTES: Final = 300  # of an entry around its values
# Values of which equal ones of one type cannot be told apart; -0.0 == 0.0, so floats are known by their digits.
_ATOMS: Final = frozenset({type(None), bool, int, str, bytes, date, datetime, time, timedelta, Decimal})

_MISSING: Final = object()

_Key = tuple[object, ...]


class Memo:
    """The last results of a preprocessor, by the values that it reads or sets anew.

    Kept are at most `most_entries` results and about 64 MiB; what was not used for the longest time goes first.
    Only plain data is looked up and kept: text, numbers, dates and containers of them. It travels empty.
    """

    def __init__(self, most_entries: int, columns: tuple[str, ...] | None) -> None:
        self._most_entries, self._columns = most_entries, columns
        self._kept: OrderedDict[_Key, tuple[dict[str, Any], int]] = OrderedDict()
        self._size_bytes = 0

    def __reduce__(self) -> tuple[type["Memo"], tuple[int, tuple[str, ...] | None]]:
        return Memo, (self._most_entries, self._columns)

    def __len__(self) -> int:
        return len(self._kept)

    def key(self, values: dict[str, Any]) -> _Key | None:
        """What an item's values are known by; None where they are not plain."""
        if self._columns is None:
            parts: list[object] = [*values]
            read = list(values.values())
        else:
            parts, read = [], [values.get(name, _MISSING) for name in self._columns]
        for value in read:
            kind = type(value)
            if kind is float:
                parts.append(value.hex())
            elif kind not in _ATOMS and value is not _MISSING:
                return None
            parts += (kind, value)
        return tuple(parts)

    def get(self, key: _Key) -> dict[str, Any] | None:
        """What was set on an item with these values, in containers of its own."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return unshared(found[0])

    def put(self, key: _Key, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Keep what was set, if it is plain data and nothing was deleted."""
        if not before.keys() <= after.keys():
            return
        made = {name: value for name, value in after.items() if name not in before or before[name] is not value}
        made_bytes = _size_of(made)
        if made_bytes is None:
            return
        size_bytes = _ENTRY_BYTES + made_bytes + sum(map(sys.getsizeof, key))
        self._kept[key] = (unshared(made), size_bytes)
        self._size_bytes += size_bytes
        while self._kept and (len(self._kept) > self._most_entries or self._size_bytes > _MOST_BYTES):
            self._size_bytes -= self._kept.popitem(last=False)[1][1]


def _size_of(value: Any) -> int | None:
    """The bytes that plain data takes; None for anything else."""
    kind = type(value)
    if kind in _ATOMS or kind is float:
        return sys.getsizeof(value)
    if kind is dict:
        parts = [*value, *value.values()]
    elif kind in (list, set) or (kind in (tuple, frozenset) and all(type(part) in _ATOMS for part in value)):
        parts = [*value]
    else:
        return None
    sizes = [_size_of(part) for part in parts]
    return None if None in sizes else sys.getsizeof(value) + sum(size or 0 for size in sizes)
