"""Class balances: given, uniform, counted, and what is none."""

import numpy as np
import pytest

from sparkws.errors import ConfigError, NothingToFit
from sparkws.labelmodels.balance import choose_balance, known_balance, volume

GOLD, COUNTS = np.array([0, 1, -1], np.int8), np.array([5, 1, 100])


def test_every_option_by_hand():
    assert known_balance((0.2, 0.8), 2, GOLD, COUNTS).tolist() == [0.2, 0.8]
    assert known_balance("uniform", 2, GOLD, COUNTS).tolist() == [0.5, 0.5]
    assert known_balance("dev", 2, GOLD, COUNTS).tolist() == [6 / 8, 2 / 8]
    assert known_balance("estimate", 2, GOLD, COUNTS) is None


def test_the_volume_stands_in_where_the_balance_cannot_be_told():
    spoken = np.array([0.4, 0.6])
    several, single = np.array([[3, 4], [5, 0]]), np.array([[3, 3], [6, 0]])

    def chosen(option, votes, use_abstain):
        balance, source = choose_balance(option, votes, spoken, GOLD, COUNTS, use_abstain=use_abstain)
        return None if balance is None else balance.tolist(), source

    assert chosen("estimate", several, False) == (None, "estimate")
    assert chosen("estimate", single, False) == ([0.4, 0.6], "volume")
    assert chosen("estimate", single, True) == (None, "estimate")
    assert chosen("dev", single, False) == ([6 / 8, 2 / 8], "dev")
    assert chosen((0.2, 0.8), single, False) == ([0.2, 0.8], "given")


def test_volume_by_hand():
    L = np.array([[0, 1], [1, -1], [-1, -1]], np.int8)
    np.testing.assert_allclose(volume(L, np.array([2, 3, 50]), 2), [1.5 / 6, 4.5 / 6])


def test_what_is_no_balance_is_refused():
    with pytest.raises(ConfigError, match="has 3 values, expected 2"):
        known_balance((0.2, 0.3, 0.5), 2, GOLD, COUNTS)
    with pytest.raises(ConfigError, match="'uniform' or 'dev', got 'even'"):
        known_balance("even", 2, GOLD, COUNTS)
    with pytest.raises(ConfigError, match=r"'tensor' is for models that are fitted from moments"):
        known_balance("tensor", 2, GOLD, COUNTS)
    with pytest.raises(
        NothingToFit, match="class_balance='dev' counts the items with a known class, and there are none"
    ):
        known_balance("dev", 2, np.array([-1], np.int8), np.array([1]))
