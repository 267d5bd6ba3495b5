"""Situations that nobody tuned for: drawn from a described world with known classes, or real crowds made smaller.

They show where a model breaks. Of how often that happens they say nothing, so no mean counts them.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality_data import VoteSet
from sparkws import synthetic
from sparkws.synthetic import Truth
from sparkws.vocab import ABSTAIN

ITEMS: Final = 4000
ANSWERS_LEFT: Final = 4
Drawn = tuple[NDArray[np.int8], NDArray[np.int8], int]


def made_sets() -> Iterator[VoteSet]:
    """Each situation once, the same in every run."""
    for number, (name, make) in enumerate(SITUATIONS.items()):
        L, gold, k = make(np.random.default_rng([11, number]))
        yield VoteSet(f"made_{name}", L, gold, k, np.zeros(len(L), bool), is_crowd=name in CROWDS)


def thinned(sets: Iterable[VoteSet]) -> Iterator[VoteSet]:
    """The crowds among some datasets as if each item had a few answers only, drawn at random."""
    for votes in sets:
        if votes.is_crowd:
            rng = np.random.default_rng(12)
            # (n, m): the places of the answers of each item in a random order, behind them those who gave none
            order = np.where(votes.L == ABSTAIN, 1.0, rng.random(votes.L.shape)).argsort(axis=1).argsort(axis=1)
            yield replace(votes, name=f"made_thin_{votes.name}", L=np.where(order < ANSWERS_LEFT, votes.L, ABSTAIN))


def _independent(rng: np.random.Generator) -> Drawn:
    """The textbook's world: ten functions of both classes, independent given the class."""
    return _draw(synthetic.random_truth(rng, 10, 2, accuracy=(0.55, 0.9), coverage=(0.2, 0.8)), rng)


def _copies(rng: np.random.Generator) -> Drawn:
    """A bad function with three near copies outvotes four better ones that are independent."""
    cpt = np.stack([synthetic.table(accuracy, 0.7, 2) for accuracy in [0.6] * 4 + [0.75, 0.8, 0.8, 0.85]])
    return _draw(Truth(class_balance=np.array([0.5, 0.5]), cpt=cpt, groups=((0, 1, 2, 3),), copy=0.9), rng)


def _rare_class(rng: np.random.Generator) -> Drawn:
    """A class of 5 %: six functions vote for it only, two for the other only."""
    hits, precision = rng.uniform(0.15, 0.5, 6), rng.uniform(0.4, 0.9, 6)
    # As many false alarms as make up the precision, over the items of the other class.
    wrong = 0.05 * hits * (1 - precision) / precision / 0.95
    rare = [synthetic.single_class_table(1, hit, false, 2) for hit, false in zip(hits, wrong, strict=True)]
    often = [synthetic.single_class_table(0, 0.6, 0.3, 2), synthetic.single_class_table(0, 0.4, 0.1, 2)]
    return _draw(Truth(class_balance=np.array([0.95, 0.05]), cpt=np.stack([*rare, *often])), rng)


def _telling_silence(rng: np.random.Generator) -> Drawn:
    """Functions speak three times as often of one class as of the other, and vote both."""
    cpt = np.empty((8, 3, 2))
    for j, (accuracy, coverage) in enumerate(zip(rng.uniform(0.6, 0.85, 8), rng.uniform(0.4, 0.8, 8), strict=True)):
        loud, quiet = synthetic.table(accuracy, coverage, 2), synthetic.table(accuracy, coverage / 3, 2)
        cpt[j] = np.stack([quiet[:, 0], loud[:, 1]], axis=1)
    return _draw(Truth(class_balance=np.array([0.6, 0.4]), cpt=cpt), rng)


def _broad_and_poor(rng: np.random.Generator) -> Drawn:
    """One function that votes always and is right in 60 %, beside eight rare ones that are right in 90 %."""
    cpt = np.stack([synthetic.table(0.6, 1.0, 2), *(synthetic.table(0.9, c, 2) for c in rng.uniform(0.03, 0.15, 8))])
    return _draw(Truth(class_balance=np.array([0.5, 0.5]), cpt=cpt), rng)


def _keywords(rng: np.random.Generator) -> Drawn:
    """Forty sparse functions of one class each, among five classes of different size."""
    cpt = np.empty((40, 6, 5))
    for j in range(40):
        hit, wrong = rng.uniform(0.02, 0.15), rng.uniform(0.002, 0.015)
        cpt[j] = synthetic.single_class_table(j % 5, hit, wrong, 5)
    return _draw(Truth(class_balance=np.array([0.35, 0.25, 0.2, 0.15, 0.05]), cpt=cpt), rng)


def _spammers(rng: np.random.Generator) -> Drawn:
    """A crowd of 60 who answer one question of four classes in ten; a third guess or say always the same."""
    k, workers = 4, 60
    cpt = np.empty((workers, k + 1, k))
    for j in range(workers):
        if j % 6 == 0:
            says = np.eye(k)[rng.integers(k)]
        elif j % 6 == 1:
            says = np.full(k, 1 / k)
        else:
            cpt[j] = synthetic.table(rng.uniform(0.5, 0.9), 0.1, k)
            continue
        cpt[j] = np.vstack([np.full(k, 0.9), np.repeat(0.1 * says[:, None], k, axis=1)])
    return _draw(Truth(class_balance=np.array([0.4, 0.3, 0.2, 0.1]), cpt=cpt), rng, n=1500)


def _hard_items(rng: np.random.Generator) -> Drawn:
    """Ten people of whom each is right in 90 % of the easy items and in 40 % of the hard third."""
    k, n = 2, ITEMS
    Y = rng.integers(0, k, n).astype(np.int8)
    right = np.where(rng.random(n) < 1 / 3, 0.4, 0.9)[:, None]
    L = np.where(rng.random((n, 10)) < right, Y[:, None], 1 - Y[:, None]).astype(np.int8)
    L[rng.random(L.shape) < 0.4] = ABSTAIN
    return L, Y, k


SITUATIONS: Final[dict[str, Callable[[np.random.Generator], Drawn]]] = {
    "independent": _independent,
    "copies": _copies,
    "rare_class": _rare_class,
    "telling_silence": _telling_silence,
    "broad_and_poor": _broad_and_poor,
    "keywords": _keywords,
    "spammers": _spammers,
    "hard_items": _hard_items,
}
CROWDS: Final = ("spammers",)


def _draw(truth: Truth, rng: np.random.Generator, n: int = ITEMS) -> Drawn:
    L, Y = synthetic.sample(truth, n, rng)
    return L, Y, truth.cardinality
