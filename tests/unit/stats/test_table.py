"""The pattern table and its counters come from one pass, however the rows are cut."""

from functools import reduce

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sparkws.stats.counters import CountersKernel
from sparkws.stats.patterns import of_matrix
from sparkws.stats.table import PatternTableKernel

LFS = ("lf_a", "lf_b", "lf_c")


@given(arrays(np.int8, st.tuples(st.integers(1, 20), st.just(3)), elements=st.integers(-1, 2)), st.integers(1, 9))
def test_rows_stay_and_the_counters_are_those_of_all_rows(L, height):
    patterns = of_matrix(L, LFS, 3)
    kernel = PatternTableKernel(LFS, 3)
    # As Spark hands them over: with columns in another order.
    handed = patterns.rows.select(reversed(patterns.rows.columns))
    rows, parts = zip(*(kernel.run(batch) for batch in handed.iter_slices(height)), strict=True)
    assert pl.concat(rows).equals(patterns.rows)
    assert pl.concat(rows).schema == kernel.schema
    total = reduce(kernel.merge, parts, kernel.zero())
    assert total == CountersKernel(LFS, 3).of_batch(patterns.rows)
    assert (total.n_items, total.n_rows) == (len(L), len(np.unique(L, axis=0)))
    assert kernel.load(kernel.dump(total)) == total
