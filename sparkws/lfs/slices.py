"""Slices: parts of the items, named before the votes are made, of which statistics are told apart.

Who belongs to a slice is found in the pass that votes, by the means that vote: a condition in SQL, whose column
stands beside those of the labeling functions. It holds 1 in the slice, -1 outside, NULL where the condition failed.
No label model reads it.
"""

from collections.abc import Mapping

from sparkws.errors import ConfigError
from sparkws.lfconfig import DeclarativeLFConfig, ExpressionConfig
from sparkws.lfs.lfset import LFSet, declarative_lfs
from sparkws.vocab import MEMBER, slice_column


def with_slices(lfset: LFSet, slices: Mapping[str, ExpressionConfig]) -> LFSet:
    """The functions, and behind them one for each slice that tells its members.

    Raises
    ------
    ConfigError
        If a slice is called like a function.
    InvalidFunction
        If the condition of a slice cannot be read.

    Examples
    --------
    >>> from sparkws.lfs import labeling_function
    >>> @labeling_function
    ... def lf_link(x):
    ...     return "spam" if "http" in x.text else -1
    >>> import polars as pl
    >>> both = with_slices(LFSet([lf_link]), {"short": ExpressionConfig(sql="length(text) < 3")})
    >>> both.apply(pl.DataFrame({"text": ["http://a", "hi"]}), classes=("ham", "spam")).rows()
    [(0, 1, -1), (1, -1, 1)]
    """
    taken = {name.lower() for name in lfset.names}
    for name in slices:
        if name.lower() in taken or slice_column(name).lower() in taken:
            raise ConfigError(f"slice {name!r} is called like a labeling function of the task; rename it.")
    conditions = [
        DeclarativeLFConfig(
            name=slice_column(name),
            expression=ExpressionConfig(sql=condition.sql, dialect=condition.dialect, label=MEMBER),
            source=f"slice {name}: {MEMBER} in it, -1 outside",
        )
        for name, condition in slices.items()
    ]
    return LFSet([*lfset, *declarative_lfs(conditions, ".")]) if conditions else lfset
