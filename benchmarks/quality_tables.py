"""Votes on real tables by the rules that somebody writes who has looked at a few items, drawn at random.

The tables are those that scikit-learn brings. A rule compares one feature with a threshold and votes on one side of it,
or on both with a gap between them, for what the items looked at suggest. Features of a table resemble each other, so
that rules depend on each other as people's do, and nobody chose which.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from benchmarks.quality_data import VoteSet
from sparkws.vocab import ABSTAIN

SEED: Final = 11
ROUNDS: Final = 2
DESIGNS: Final = {"one": 1.0, "two": 0.0, "mixed": 0.5}  # the share of rules that vote on one side only
_FEWEST_SEEN: Final = 5  # items looked at on a side, to say anything of it
_LEAST_COVERAGE: Final = 0.02


def table_sets() -> Iterator[VoteSet]:
    """The same sets in every run."""
    for at, (name, (X, y)) in enumerate(_tables().items()):
        for place, (design, one_sided) in enumerate(DESIGNS.items()):
            for number in range(ROUNDS):
                rng = np.random.default_rng([SEED, at, place, number])
                k = int(y.max()) + 1
                L = _votes(X, y, k, one_sided, rng)
                yield VoteSet(f"table_{name}_{design}_{number}", L, y.astype(np.int8), k, np.zeros(len(y), bool))


def _tables() -> dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]]:
    X, digit = load_digits(return_X_y=True)
    return {
        "cancer": load_breast_cancer(return_X_y=True),
        "wine": load_wine(return_X_y=True),
        "even_digits": (X, digit % 2),
        "large_digits": (X, (digit >= 7).astype(np.int64)),
        "four_digits": (X[digit < 4], digit[digit < 4]),
        "digits": (X, digit),
    }


def _votes(
    X: NDArray[np.float64], y: NDArray[np.int64], k: int, one_sided: float, rng: np.random.Generator
) -> NDArray[np.int8]:
    """The votes `(n, m)` of rules over features `(n, f)`, written after a look at some items."""
    m = int(rng.integers(8, 16)) * (3 if k > 4 else 1)
    looked_at = rng.choice(len(y), 80 if k <= 4 else 200, replace=False)
    rules: list[NDArray[np.int8]] = []
    while len(rules) < m:
        feature = X[:, rng.integers(X.shape[1])]
        at = rng.uniform(0.1, 0.9)
        high = feature > np.quantile(feature, at)
        votes = np.full(len(y), ABSTAIN, np.int8)
        if rng.random() < one_sided:
            side = high if rng.random() < 0.5 else ~high
            votes[side] = _suggested(y, looked_at, side, k)
        else:
            gap = rng.uniform(0, 0.3)
            low, above = np.quantile(feature, [max(at - gap, 0), min(at + gap, 1)])
            votes[feature > above] = _suggested(y, looked_at, high, k)
            votes[feature < low] = _suggested(y, looked_at, ~high, k)
            if len(np.unique(votes[votes != ABSTAIN])) < 2:
                continue
        if (votes != ABSTAIN).mean() >= _LEAST_COVERAGE:
            rules.append(votes)
    return np.stack(rules, axis=1)


def _suggested(y: NDArray[np.int64], looked_at: NDArray[np.int64], side: NDArray[np.bool_], k: int) -> int:
    """The class that is most above its usual share among the items on a side; none where too few were seen."""
    seen = y[looked_at][side[looked_at]]
    if len(seen) < _FEWEST_SEEN:
        return ABSTAIN
    usual = np.bincount(y[looked_at], minlength=k) / len(looked_at)
    lift = np.bincount(seen, minlength=k) / len(seen) / np.maximum(usual, 0.01)
    return int(lift.argmax())
