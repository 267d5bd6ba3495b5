"""The leading eigenvector of the correlations between functions, of few and of many outcomes."""

import numpy as np
import pytest

from sparkws.labelmodels.covariances import Outcomes, leading


def outcomes(cov, share=0.5):
    d = len(cov)
    of = np.arange(d)
    return Outcomes(d, 1000, of, np.ones(d, np.int64), np.full(d, share), cov, np.zeros(d))


@pytest.mark.parametrize("d", [1, 20, 300])
@pytest.mark.parametrize("balanced", [False, True])
def test_it_is_the_direction_that_explains_most(d, balanced):
    rng = np.random.default_rng(d)
    planted = np.where(np.arange(d) % 2, 0.2, -0.2) if balanced else rng.normal(size=d) / 5
    found = leading(outcomes(np.outer(planted, planted)))
    assert np.linalg.norm(found) == pytest.approx(1)
    assert abs(found @ planted) == pytest.approx(np.linalg.norm(planted))
    assert (leading(outcomes(np.outer(planted, planted))) == found).all()


def test_functions_that_never_vary_together_have_some_direction_all_the_same():
    assert np.linalg.norm(leading(outcomes(np.zeros((150, 150))))) == pytest.approx(1)
    assert leading(outcomes(np.zeros((0, 0)))).shape == (0,)
