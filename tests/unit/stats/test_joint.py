"""Second and third moments in one pass: what each gives by itself, and what is stored comes back."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparkws.errors import IncompatibleStatistics
from sparkws.stats import joint
from sparkws.stats.joint import BothMomentsKernel
from sparkws.stats.moments import MomentsKernel
from sparkws.stats.patterns import of_matrix
from sparkws.stats.triples import TriplesKernel

LFS, K = ("lf_a", "lf_b", "lf_c", "lf_d"), 2
matrices = hnp.arrays(np.int8, st.tuples(st.integers(1, 60), st.just(4)), elements=st.integers(-1, K - 1))


@settings(max_examples=20)
@given(matrices, st.sampled_from([(), ((0, 1, 2),), ((0, 1, 3), (1, 2, 3))]), st.integers(0, 60))
def test_one_pass_gives_what_two_passes_give(matrix, chosen, cut):
    votes = pl.DataFrame({name: matrix[:, j] for j, name in enumerate(LFS)})
    kernel = BothMomentsKernel(LFS, K, chosen)
    whole = kernel.of_batch(votes)
    assert whole.pairs == MomentsKernel(LFS, K).of_batch(votes)
    assert not chosen or whole.triples == TriplesKernel(LFS, K, chosen).of_batch(votes)
    parts = [kernel.of_batch(votes[:cut]), kernel.of_batch(votes[cut:])]
    assert kernel.merge(parts[1], kernel.merge(kernel.zero(), parts[0])) == whole
    assert kernel.load(pl.concat([kernel.dump(part) for part in parts])) == whole
    assert joint.from_json(joint.to_json(whole)) == whole
    assert joint.of_patterns(of_matrix(matrix, LFS, K), chosen).pairs == whole.pairs


def test_json_of_something_else_is_refused():
    with pytest.raises(IncompatibleStatistics, match="got \\['kind'\\]"):
        joint.from_json('{"kind": "counters"}')
