"""Which rows of a batch functions are tried on: few, so that it costs nothing, and from everywhere in it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

MOST_ROWS: Final = 32


def rehearsal_rows(n: int, most: int = MOST_ROWS) -> NDArray[np.int64]:
    """The numbers of at most `most` of n rows, ascending and spread evenly; all rows of a small batch.

    Examples
    --------
    >>> rehearsal_rows(3).tolist(), rehearsal_rows(100, most=4).tolist()
    ([0, 1, 2], [0, 33, 66, 99])
    """
    if n <= most:
        return np.arange(n, dtype=np.int64)
    # The first and the last row are among them.
    return np.linspace(0, n - 1, most).astype(np.int64)
