"""Class balances: given, uniform, counted, and what is none."""

import numpy as np
import pytest

from sparkws.errors import ConfigError, NothingToFit
from sparkws.labelmodels.balance import known_balance, volume

GOLD, COUNTS = np.array([0, 1, -1], np.int8), np.array([5, 1, 100])


def test_every_option_by_hand():
    assert known_balance((0.2, 0.8), 2, GOLD, COUNTS).tolist() == [0.2, 0.8]
    assert known_balance("uniform", 2, GOLD, COUNTS).tolist() == [0.5, 0.5]
    assert known_balance("dev", 2, GOLD, COUNTS).tolist() == [6 / 8, 2 / 8]
    assert known_balance("estimate", 2, GOLD, COUNTS) is None


def test_volume_by_hand():
    L = np.array([[0, 1], [1, -1], [-1, -1]], np.int8)
    np.testing.assert_allclose(volume(L, np.array([2, 3, 50]), 2), [1.5 / 6, 4.5 / 6])


def test_what_is_no_balance_is_refused():
    with pytest.raises(ConfigError, match="has 3 values, expected 2"):
        known_balance((0.2, 0.3, 0.5), 2, GOLD, COUNTS)
    with pytest.raises(ConfigError, match="'uniform' or 'dev', got 'even'"):
        known_balance("even", 2, GOLD, COUNTS)
    with pytest.raises(
        NothingToFit, match="class_balance='dev' counts the items with a known class, and there are none"
    ):
        known_balance("dev", 2, np.array([-1], np.int8), np.array([1]))
