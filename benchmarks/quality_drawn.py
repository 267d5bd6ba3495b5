"""Worlds drawn at random, for how often `auto` does harm where its assumptions may hold or not.

Keywords of one class each, functions of all classes whose silence may depend on the class, and crowds with people who
guess or say always the same; the first two kinds have copied functions in half of their worlds.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality_data import VoteSet
from sparkws import synthetic
from sparkws.synthetic import Truth

WORLDS: Final = 12  # of each kind
SEED: Final = 4242


def drawn_sets() -> Iterator[VoteSet]:
    """The same worlds in every run."""
    for kind, (draw, n_items) in KINDS.items():
        for number in range(WORLDS):
            rng = np.random.default_rng([SEED, number])
            truth = draw(rng)
            L, gold = synthetic.sample(truth, n_items, rng)
            yield VoteSet(f"drawn_{kind}_{number}", L, gold, truth.cardinality, np.zeros(n_items, bool))


def _keywords(rng: np.random.Generator) -> Truth:
    k, m, density = int(rng.choice([2, 2, 3, 5])), int(rng.integers(8, 40)), rng.choice([0.02, 0.1, 0.25])
    balance = _balance(rng, k, rng.choice([1.0, 5.0]), 0.03)
    cpt = np.empty((m, k + 1, k))
    for j in range(m):
        label = j % k
        precision = np.clip(rng.beta(8, 3), 0.2, 0.99)
        coverage = rng.uniform(0.3, 1.7) * density * balance[label] * k
        hit, wrong = coverage * precision / balance[label], coverage * (1 - precision) / (1 - balance[label])
        cpt[j] = synthetic.single_class_table(label, min(0.95, hit), min(0.9, wrong), k)
    groups = ((0, k, 2 * k), (1, k + 1)) if rng.random() < 0.5 and m > 2 * k + 1 else ()
    return Truth(class_balance=balance, cpt=cpt, groups=groups, copy=0.8 if groups else 0.0)


def _all_classes(rng: np.random.Generator) -> Truth:
    k, m = int(rng.choice([2, 2, 3, 4])), int(rng.integers(5, 15))
    balance = _balance(rng, k, 4.0, 0.05)
    cpt = np.empty((m, k + 1, k))
    for table in cpt:
        table[:] = synthetic.table(rng.uniform(1 / k + 0.05, 0.9), rng.uniform(0.1, 0.9), k)
        if rng.random() < 0.4:
            table[1:] *= rng.uniform(0.3, 1, k)
            table[0] = 1 - table[1:].sum(axis=0)
    groups = ((0, 1, 2),) if rng.random() < 0.5 else ()
    return Truth(class_balance=balance, cpt=cpt, groups=groups, copy=rng.choice([0.5, 0.9]) if groups else 0.0)


def _crowd(rng: np.random.Generator) -> Truth:
    k, workers = int(rng.choice([2, 2, 3, 5])), int(rng.integers(20, 120))
    balance = _balance(rng, k, 5.0, 0.05)
    coverage, careless = rng.choice([3, 5, 10]) / workers, rng.choice([0, 0.2, 0.4])
    cpt = np.empty((workers, k + 1, k))
    for table in cpt:
        kind = rng.random()
        if kind < careless / 2:
            says = np.repeat(np.eye(k)[rng.integers(k)][:, None], k, axis=1)
        elif kind < careless:
            says = np.full((k, k), 1 / k)
        else:
            often = [np.where(np.arange(k) == y, rng.uniform(4, 12), 1.0) for y in range(k)]
            says = np.stack([rng.dirichlet(weights) for weights in often], axis=1)
        table[0], table[1:] = 1 - coverage, coverage * says
    return Truth(class_balance=balance, cpt=cpt)


def _balance(rng: np.random.Generator, k: int, evenness: float, least: float) -> NDArray[np.float64]:
    balance = np.maximum(rng.dirichlet(np.full(k, evenness)), least)
    return np.asarray(balance / balance.sum(), np.float64)


KINDS: Final[dict[str, tuple[Callable[[np.random.Generator], Truth], int]]] = {
    "keywords": (_keywords, 3000),
    "all_classes": (_all_classes, 3000),
    "crowds": (_crowd, 800),
}
