import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sparkws.lfs.rehearsal import rehearsal_rows


@given(st.integers(0, 10**9), st.integers(2, 40))
def test_rows_are_few_different_and_spread_over_the_batch(n, most):
    rows = rehearsal_rows(n, most)
    assert len(rows) == min(n, most)
    gaps = np.diff(rows)
    assert (gaps > 0).all()
    if n:
        assert rows[0] == 0
        assert rows[-1] == n - 1
        assert len(rows) < 3 or gaps.max() - gaps.min() <= 1
