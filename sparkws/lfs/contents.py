"""Plain data as a short text that says its type and content, equal in every process; fast for large data."""

import hashlib
from collections.abc import Collection
from types import MappingProxyType, NoneType
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

SCALARS: Final = frozenset({NoneType, bool, int, float, complex, str, bytes})
MAPPINGS: Final = (dict, MappingProxyType)
SETS: Final = (set, frozenset)
_FIXED: Final = (
    pl.Int8,
    pl.Int16,
    pl.Int32,
    pl.Int64,
    pl.UInt8,
    pl.UInt16,
    pl.UInt32,
    pl.UInt64,
    *(pl.Float32, pl.Float64, pl.Boolean),
)
_LONG: Final = 200  # above it a text is told by its hash


def digest(data: str | bytes | memoryview) -> str:
    """The SHA-256 of some text or bytes in hex."""
    return hashlib.sha256(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data).hexdigest()


def scalar_text(value: Any) -> str:
    """A value of one of `SCALARS` as text."""
    if isinstance(value, str | bytes) and len(value) > _LONG:
        return f"{type(value).__name__} {len(value)} {digest(value)}"
    return repr(value)


def plain_text(value: Any) -> str | None:
    """A container that holds nothing but scalars, an array or a table as text; None for anything else.

    Mappings are told in their order: a function that takes the first match depends on it.

    Examples
    --------
    >>> plain_text({"b", "a"}) == plain_text({"a", "b"}), plain_text([1]) == plain_text([1.0]), plain_text([[1]])
    (True, False, None)
    """
    kind = type(value)
    if kind in (list, tuple):
        return _listed(kind.__name__, value)
    if kind in SETS:
        return _listed(kind.__name__, sorted(value, key=repr)) if _has_scalars(value) else None
    if kind in MAPPINGS:
        return _listed("mapping", [*value.keys(), *value.values()])
    if kind in (bytearray, memoryview):
        return _listed(kind.__name__, [bytes(value)])
    if kind is np.ndarray:  # a masked one, say, is more than its values
        return _array(value)
    if isinstance(value, np.generic):
        return f"{value.dtype.str} {value.item()!r}"
    frame = _frame(value)
    return None if frame is None else _listed("table", [kind.__name__, *_columns(frame)])


def _listed(kind: str, values: Collection[Any]) -> str | None:
    return f"{kind} {len(values)} {digest(repr(list(values)))}" if _has_scalars(values) else None


def _has_scalars(values: Collection[Any]) -> bool:
    return set(map(type, values)) <= SCALARS


def _array(array: np.ndarray) -> str | None:
    if array.dtype.hasobject:
        return None
    content = digest(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data) if array.size else ""
    return f"array {array.dtype.descr if array.dtype.fields else array.dtype.str} {array.shape} {content}"


def _frame(value: Any) -> pl.DataFrame | None:
    if isinstance(value, pl.DataFrame):
        return value
    if isinstance(value, pl.Series):
        return value.to_frame()
    if isinstance(value, pa.Table | pa.RecordBatch):
        return pl.DataFrame(pl.from_arrow(value))
    return None


def _columns(frame: pl.DataFrame) -> list[Any]:
    return [part for series in frame for part in (series.name, str(series.dtype), _series(series))]


def _series(series: pl.Series) -> str:
    nulls = digest(np.packbits(series.is_null().to_numpy()).tobytes())
    if series.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Binary):
        texts = series.cast(pl.Binary if series.dtype == pl.Binary else pl.String).cast(pl.Binary)
        sizes = texts.bin.size().fill_null(0).to_numpy()
        return f"{nulls} {digest(sizes.tobytes())} {digest(b''.join(texts.drop_nulls()))}"
    physical = series.to_physical()
    if physical.dtype in _FIXED:
        zero = False if physical.dtype == pl.Boolean else 0
        return f"{nulls} {digest(physical.fill_null(zero).to_numpy().tobytes())}"
    return digest(repr(series.to_list()))
