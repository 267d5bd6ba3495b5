"""Tables of any library as frames, and votes as a matrix."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from sparkws.errors import ConfigError
from sparkws.vocab import ABSTAIN, ITEM_ID


def label_matrix(votes: pl.DataFrame) -> NDArray[np.int8]:
    """The `(n, m)` label matrix of a votes table: its columns but `item_id`; a failure counts as abstained.

    Columns of slices are no votes: leave them out before.
    """
    return votes.drop(ITEM_ID).fill_null(ABSTAIN).to_numpy().astype(np.int8, copy=False)


def as_frame(data: Any) -> pl.DataFrame:
    """A table of any library as a polars DataFrame.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    if isinstance(data, pl.DataFrame):
        return data
    if isinstance(data, pa.Table | pa.RecordBatch):
        return pl.DataFrame(pl.from_arrow(data))
    if type(data).__module__.partition(".")[0] == "pandas":
        return pl.DataFrame(pl.from_pandas(data))
    raise ConfigError(f"expected a polars, pandas or Arrow table, got {type(data).__name__}.")
