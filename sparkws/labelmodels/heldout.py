"""How well a model foretells votes that it has not seen, against majority vote as a model of the votes.

Majority vote is what a model says in which all functions are equally good: one accuracy for all of them,
whatever they vote for, classes alike, abstaining that tells nothing. Any model that gives votes a
probability, abstentions included, can be compared with it on items that neither was fitted on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sparkws.labelmodels.em import count_votes, e_step, expect, make_rows
from sparkws.labelmodels.groupscores import joint_scores
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.posterior import FLOOR, normalize, vote_shares
from sparkws.labelmodels.superlf import SuperLF
from sparkws.stats.patterns import Patterns, at_level, collapse, unpack, unpack_classes, with_counts
from sparkws.vocab import LEVEL

Fit = Callable[[Patterns], LabelModel]
_MOST_STEPS: Final = 200
_LEAST_STEP: Final = 1e-9


@dataclass(frozen=True)
class Gain:
    """What a model gains over equally good functions on items that it has not seen.

    Attributes
    ----------
    per_item : float
        Difference of log-likelihoods, in nats an item.
    error : float
        Its standard error: what a bootstrap over the items converges to.
    """

    per_item: float
    error: float

    @property
    def is_certain(self) -> bool:
        """Whether it is more than two errors above nothing."""
        return self.per_item > 2 * self.error


def halves(patterns: Patterns, rng: np.random.Generator) -> tuple[Patterns, Patterns]:
    """The counts of two halves of the items: by the hash of their keys, or at random where nothing has a key.

    Half of the items of a level or more are of a higher level, as the hash decides it for samples.
    """
    lowest = patterns.rows.select(pl.col(LEVEL).min()).item()
    above = at_level(patterns, lowest + 1)
    if above.rows.height:
        same = patterns.rows.filter(pl.col(LEVEL) == lowest)
        return replace(patterns, rows=same), above
    chosen = rng.binomial(patterns.counts, 0.5)
    return with_counts(patterns, chosen), with_counts(patterns, patterns.counts - chosen)


@dataclass(frozen=True, eq=False)
class Split:
    """Items in halves, each of which is foretold by what was fitted on the other.

    Attributes
    ----------
    parts : pairs of Patterns
        What is fitted on, and what is foretold.
    counts : (r,) int64 array
        The items of each row that is foretold, of both parts.
    """

    parts: tuple[tuple[Patterns, Patterns], ...]
    counts: NDArray[np.int64]


def split(patterns: Patterns, rng: np.random.Generator) -> Split:
    """The split of whole counts; with keys' levels, it is the same in every run."""
    one, other = (collapse(half) for half in halves(patterns, rng))
    return Split(((one, other), (other, one)), np.concatenate([other.counts, one.counts]))


def foretold(models: Sequence[LabelModel], halved: Split) -> NDArray[np.float64]:
    """The log-likelihood of one item of each row `(r,)` under the models, each fitted on one half, on the other."""
    pairs = zip(models, halved.parts, strict=True)
    return np.concatenate([log_likelihood(model, unpack(unseen)) for model, (_, unseen) in pairs])


def foretold_equally(halved: Split) -> NDArray[np.float64]:
    """The log-likelihood of an item of each row `(r,)`, as of `foretold`, under functions that are all equally good."""
    return np.concatenate([_of_tables(unpack(unseen), *equal_tables(seen)) for seen, unseen in halved.parts])


def gain_of(ours: NDArray[np.float64], theirs: NDArray[np.float64], counts: NDArray[np.int64]) -> Gain:
    """What one gains over the other, both `(r,)`, on these items."""
    n = max(int(counts.sum()), 1)
    gain = ours - theirs
    mean = float(counts @ gain) / n
    return Gain(mean, float(np.sqrt(counts @ (gain - mean) ** 2)) / n)


def heldout_gain(fit: Fit, patterns: Patterns, rng: np.random.Generator) -> Gain:
    """What a model foretells of either half of the items when it is fitted on the other.

    Parameters
    ----------
    fit : function of Patterns
        Gives a fitted model with tables.
    patterns : Patterns
        Whole counts.
    rng : Generator
        Draws the halves where there are no keys.
    """
    halved = split(patterns, rng)
    models = [fit(seen) for seen, _ in halved.parts]
    return gain_of(foretold(models, halved), foretold_equally(halved), halved.counts)


def equal_tables(patterns: Patterns) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tables `(m, s + 1, k)` and balance `(k,)` of functions that all have the same accuracy, by EM.

    Its posteriors order the classes as majority vote does.
    """
    L, k = unpack_classes(patterns), patterns.cardinality
    rows = make_rows(L, patterns.counts, None, k)
    votes = count_votes(L, patterns.counts, k)
    coverage = votes.sum(axis=1) / max(patterns.n_items, 1)
    uniform = np.full(k, 1 / k)
    shares = vote_shares(L, k)
    q = np.where(np.isnan(shares), 1 / k, shares)
    accuracy = 0.0
    for _ in range(_MOST_STEPS):
        # (m * k, k) expected votes -> those for the class itself, over all votes
        right = np.trace(expect(rows, q).votes.reshape(-1, k, k), axis1=1, axis2=2).sum()
        before, accuracy = accuracy, min(max(float(right) / max(votes.sum(), 1), 1 / k), 1 - FLOOR)
        given_voted = np.full((k, k), (1 - accuracy) / (k - 1))
        np.fill_diagonal(given_voted, accuracy)
        cpt = np.concatenate(
            [np.tile(1 - coverage[:, None, None], (1, 1, k)), coverage[:, None, None] * given_voted[None]], axis=1
        )
        if abs(accuracy - before) < _LEAST_STEP:
            break
        q, _ = e_step(rows, cpt, uniform, use_abstain=False)
    return _of_cells(cpt, patterns), uniform


def _of_cells(cpt: NDArray[np.float64], patterns: Patterns) -> NDArray[np.float64]:
    """Tables of the classes that votes are for as tables of the votes `(m, s + 1, k)`.

    The cells for one class, and those for none together with abstaining, are voted as often as they were seen,
    whatever the class of the item: which of them it is tells nothing.
    """
    classes = patterns.grids.classes(patterns.lf_names, patterns.cardinality)
    if classes is None:
        return cpt
    L = unpack(patterns) + 1
    tables = np.zeros((*classes.shape, cpt.shape[2]))
    sizes = patterns.grids.sizes(patterns.lf_names, patterns.cardinality)
    for j, size in enumerate(sizes):
        voted_for = classes[j, : size + 1] + 1
        # One is added, or a cell that only the other half has would be impossible.
        often = np.bincount(L[:, j], weights=patterns.counts, minlength=size + 1) + 1
        together = np.bincount(voted_for, weights=often, minlength=cpt.shape[1])
        tables[j, : size + 1] = cpt[j, voted_for] * (often / together[voted_for])[:, None]
    return tables


def log_likelihood(model: LabelModel, L: NDArray[np.int8]) -> NDArray[np.float64]:
    """log P(votes, abstentions included) of each row under a fitted model with tables, `(n,)`."""
    assert model.cpt_ is not None
    if isinstance(model, SuperLF) and model.recoding_ is not None and model.tables_ is not None:
        parts = (model.recoding_, model.tables_, model.cpt_, model.class_balance_)
        return normalize(joint_scores(L, *parts, use_abstain=model.abstain_is_outcome_))[1]
    return _of_tables(L, model.cpt_, model.class_balance_)


def _of_tables(
    L: NDArray[np.int8], cpt: NDArray[np.float64], class_balance: NDArray[np.float64]
) -> NDArray[np.float64]:
    rows = make_rows(L, np.ones(len(L), np.int64), None, cpt.shape[1] - 1)
    return e_step(rows, cpt, class_balance, use_abstain=True)[1]
