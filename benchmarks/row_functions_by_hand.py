"""The functions of row_functions_plain.py in a loop that one would write by hand: Parquet in, Parquet out.

python row_functions_by_hand.py TARGET FILE ...
"""

import sys
from collections import namedtuple
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from row_functions_plain import FUNCTIONS

KEY = "comment_id"
CODES = {"ham": 0, "spam": 1, 0: 0, 1: 1, -1: -1}
Item = namedtuple("Item", (KEY, "text"))


def vote(table: pa.Table) -> pa.Table:
    """The votes on the comments of a table; NULL where a function raised."""
    keys = table[KEY]
    votes: list[list[int | None]] = [[] for _ in FUNCTIONS]
    calls = [(f, column.append) for f, column in zip(FUNCTIONS, votes, strict=True)]
    for item in map(Item._make, zip(keys.to_pylist(), table["text"].to_pylist(), strict=True)):
        for f, append in calls:
            try:
                append(CODES[f(item)])
            except Exception:
                append(None)
    names = ["item_id", *(f.__name__ for f in FUNCTIONS)]
    return pa.table([keys, *(pa.array(column, pa.int8()) for column in votes)], names=names)


if __name__ == "__main__":
    target, *files = map(Path, sys.argv[1:])
    for file in files:
        pq.write_table(vote(pq.read_table(file, columns=[KEY, "text"])), target / file.name)
