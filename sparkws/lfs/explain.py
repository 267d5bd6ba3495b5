"""Which labeling functions are compiled and which stay Python, and why; no table is needed to tell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import FunctionType
from typing import Final

import polars as pl

from sparkws.lfs.compile import StaysPython, compiled
from sparkws.lfs.function import LabelingFunction

# What a column may be where nobody says, in the order in which a function is tried with it.
_TRIED: Final[Mapping[str, pl.DataType]] = {"text": pl.String(), "number": pl.Int64(), "bool": pl.Boolean()}
_MOST_COLUMNS: Final = 3  # whose types are tried out; more are taken for text


@dataclass(frozen=True)
class Explained:
    """How a labeling function runs.

    Attributes
    ----------
    name : str
    runs : {"compiled", "declarative", "vectorized", "Python"}
    where : str
        The file and the line that is why it stays Python, or where it stands.
    why : str
        Why it stays Python, or what was assumed of its columns.
    """

    name: str
    runs: str
    where: str
    why: str


def explained(
    lf: LabelingFunction, classes: Sequence[str], schema: pl.Schema | None = None, *, multi_label: bool = False
) -> Explained:
    """How a function runs over a source of `schema`; types that go with its source are assumed if it is omitted.

    Examples
    --------
    >>> from sparkws.lfs import labeling_function
    >>> @labeling_function
    ... def lf_link(x):
    ...     return "spam" if "http" in x.text and x.likes < 3 else -1
    >>> explained(lf_link, ("ham", "spam")).why
    'takes likes for a number, text for text'
    """
    file, line = "", None
    if isinstance(lf.f, FunctionType):
        file, line = lf.f.__code__.co_filename, lf.f.__code__.co_firstlineno
    if lf.kind != "row":
        runs = "vectorized" if lf.vectorized is not None else "declarative"
        return Explained(lf.name, runs, _place(file, line), "")
    if not lf.deterministic:
        return Explained(lf.name, "Python", _place(file, line), "is not deterministic")
    if multi_label:
        return Explained(lf.name, "Python", _place(file, line), "is of a multi-label task, where none is compiled")
    failed: StaysPython | None = None
    for assumed, types in _assumptions(lf, schema):
        try:
            compiled(lf, classes, types)
        except StaysPython as error:
            if failed is None or (error.line or 0) > (failed.line or 0):
                failed = error
            continue
        return Explained(lf.name, "compiled", _place(file, line), assumed)
    assert failed is not None
    return Explained(lf.name, "Python", _place(file, failed.line or line), failed.reason)


def _assumptions(lf: LabelingFunction, schema: pl.Schema | None) -> Iterator[tuple[str, pl.Schema]]:
    """What is assumed of the columns, in words and as types."""
    if schema is not None:
        yield "", schema
        return
    names = sorted(lf.columns or ())
    kinds = product(_TRIED, repeat=len(names)) if len(names) <= _MOST_COLUMNS else [("text",) * len(names)]
    for chosen in kinds:
        said = ", ".join(
            f"{name} for {'a ' if kind != 'text' else ''}{kind}" for name, kind in zip(names, chosen, strict=True)
        )
        types = pl.Schema({name: _TRIED[kind] for name, kind in zip(names, chosen, strict=True)})
        yield f"takes {said}" if said else "", types


def _place(file: str, line: int | None) -> str:
    return f"{file.rpartition('/')[2]}:{line}" if line is not None else ""
