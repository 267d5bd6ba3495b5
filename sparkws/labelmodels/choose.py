"""The label model of `auto`: majority vote, unless another one shows that it is better.

Every candidate that gives votes, abstentions included, a probability is compared by what it foretells of votes
that it has not seen. The likelihood measures how functions meet, not how right they are, so a candidate must
also have no finding against it; of those that are left the simpler is taken unless another foretells better by
more than a standard error. Where most votes come from functions that vote a single class and no such model is
left, votes get one fixed precision, which mainly decides what majority vote ties on. Known classes decide where
there are some.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparkws.labelmodels.balance import MOSTLY_SINGLE_CLASS, single_class_share
from sparkws.labelmodels.edges import Dependencies
from sparkws.labelmodels.em import count_votes
from sparkws.labelmodels.findings import estimated_accuracy
from sparkws.labelmodels.guard import FEWEST_OVERLAPPING, STANDARD_ERRORS, check_model
from sparkws.labelmodels.heldout import Gain, foretold, foretold_equally, gain_of, split
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.posterior import class_cpt, hits
from sparkws.stats.patterns import Patterns, collapse, unpack, unpack_classes
from sparkws.vocab import ABSTAIN

M = TypeVar("M", bound=LabelModel)
Fit = Callable[[Patterns], M]

# Fits on halves of the items label 0 % to 3 % of them differently where votes meet often enough, on real and on
# simulated sets, and 16 % to 50 % where the abstentions of few votes are taken for evidence.
MOST_UNSTEADY: Final = 0.15
# In simulations a model of independent functions that are independent was right to contradict votes below this.
_STEADY: Final = 0.05
# Of fewer items with votes, what is fitted to noise foretells the other half too often by chance: in a quarter of 15.
FEWEST_ITEMS: Final = 30
FEWEST_KNOWN: Final = 50  # items with votes and a known class: fewer do not tell models apart
# Some functions of a right model are worse than blind, a careless worker of a crowd; not those of most votes.
_MOST_VOTES_BELOW_CHANCE: Final = 0.1

AGAINST: Final[Mapping[str, str]] = {
    "below_chance": "takes the functions of many votes for worse than chance",
    "class_never_predicted": "never predicts a class that is voted for",
    "collapsed": "puts almost all items into one class",
    "contradicts_votes": "contradicts votes that all agree",
    "even_volumes": "breaks ties for the class that is voted rarely, and none is",
    "dependent": "takes functions for independent that are not",
    "not_identified": "cannot tell the class from what dependent functions share",
    "untested": "takes functions for independent, which so few items do not show",
    "unsteady": "labels too many items differently when it is fitted on one half of them or the other",
    "worse_than_majority": "is worse than majority vote where the class is known",
}
_DISQUALIFYING: Final = frozenset(AGAINST) - {"below_chance"}  # a function may be; most votes may not


@dataclass(frozen=True)
class Candidate(Generic[M]):
    """A model to try.

    Attributes
    ----------
    name : str
    fit : function of Patterns
    against : tuple of str
        Findings that are known before the fit.
    may_contradict : bool
        Its independence was looked for and not refuted: then it may know better than votes that all agree, if it
        is steady.
    """

    name: str
    fit: Fit[M]
    against: tuple[str, ...] = ()
    may_contradict: bool = False


@dataclass(frozen=True)
class Trial:
    """What was found of one candidate.

    Attributes
    ----------
    name : str
    gain : Gain or None
        On votes that it was not fitted on; None where that was not looked at, because it says nothing of votes or
        something was against it before.
    against : tuple of str
        The findings that speak against it.
    known : Gain or None
        Accuracy above that of majority vote on items with a known class; None without enough of them.
    unsteady : float
        The share of the items with votes that fits on either half of them label differently.
    """

    name: str
    gain: Gain | None = None
    against: tuple[str, ...] = ()
    known: Gain | None = None
    unsteady: float = 0.0

    def to_plain(self) -> dict[str, Any]:
        """As plain values, for reports."""

        def plain(gain: Gain | None) -> dict[str, float] | None:
            return None if gain is None else {"per_item": gain.per_item, "error": gain.error}

        return {
            "name": self.name,
            "heldout_gain": plain(self.gain),
            "accuracy_gain": plain(self.known),
            "against": list(self.against),
            "unsteady": self.unsteady,
        }


@dataclass(frozen=True)
class Choice(Generic[M]):
    """The model that was chosen, why, what was found of every candidate, and which functions depend on each other."""

    name: str
    model: M
    reason: str
    trials: tuple[Trial, ...] = ()
    dependencies: Dependencies | None = None

    def to_plain(self) -> dict[str, Any]:
        """Name, reason and trials as plain values, for reports."""
        return {"name": self.name, "reason": self.reason, "trials": [trial.to_plain() for trial in self.trials]}


def choose_model(
    candidates: Sequence[Candidate[M]],
    single: Candidate[M],
    majority_vote: Fit[M],
    patterns: Patterns,
    classes: Sequence[str],
    rng: np.random.Generator,
    *,
    with_gold: bool,
) -> Choice[M]:
    """The best model of some, or majority vote.

    Parameters
    ----------
    candidates : sequence of Candidate
        Models with tables for votes and abstentions, the simpler first.
    single : Candidate
        What votes of functions of a single class get where no candidate is left.
    majority_vote : fit
        What stays where no other shows that it is better.
    patterns : Patterns
        Whole counts.
    classes : sequence of str
    rng : Generator
        Splits items that have no key.
    with_gold : bool
        Whether the choice may see known classes.
    """
    seen = collapse(patterns, keep_gold=with_gold)
    L, counts, k = unpack(seen), seen.counts, seen.cardinality
    majority = majority_vote(seen)
    if _overlapping(L) < FEWEST_OVERLAPPING:
        return Choice(
            "majority", majority, f"fewer than {FEWEST_OVERLAPPING} functions vote on items together with others"
        )
    n_voted = int(counts[(L != ABSTAIN).any(axis=1)].sum())
    if n_voted < FEWEST_ITEMS:
        return Choice("majority", majority, f"{n_voted} items with votes do not tell models apart, {FEWEST_ITEMS} may")
    halved = split(patterns, rng)
    equally = foretold_equally(halved)
    share = single_class_share(count_votes(unpack_classes(seen), counts, k))
    trials: list[Trial] = []
    tried: list[_Tried[M]] = []
    for candidate in [*candidates, *([single] if share >= MOSTLY_SINGLE_CLASS else [])]:
        if candidate.against and not (seen.gold != ABSTAIN).any():  # only known classes could speak for it
            trials.append(Trial(candidate.name, None, candidate.against))
            continue
        model, of_halves = candidate.fit(seen), [candidate.fit(half) for half, _ in halved.parts]
        unsteady = _differently(L, counts, *of_halves)
        found = {*candidate.against, *_against(model, seen, classes)}
        if unsteady > MOST_UNSTEADY:
            found.add("unsteady")
        if candidate.may_contradict and unsteady <= _STEADY:
            found.discard("contradicts_votes")
        scores = None if candidate is single else foretold(of_halves, halved)
        gain = None if scores is None else gain_of(scores, equally, halved.counts)
        trial = Trial(candidate.name, gain, tuple(sorted(found)), _known_gain(model, majority, seen), unsteady)
        trials.append(trial)
        tried.append(_Tried(trial, model, scores))
    left = [each for each in tried if not each.trial.against]
    if any(each.trial.known is not None for each in tried):
        chosen, reason = _by_known_classes(tried)
    else:
        chosen, reason = _by_likelihood(left, halved.counts)
        if chosen is not None and chosen.scores is None:
            reason = f"{share:.0%} of the votes come from functions that vote a single class"
    if chosen is None:
        return Choice("majority", majority, reason, tuple(trials))
    return Choice(chosen.trial.name, chosen.model, reason, tuple(trials))


@dataclass(frozen=True, eq=False)
class _Tried(Generic[M]):
    """A candidate with its fit, and what it foretells of each row; None where it gives votes no probability."""

    trial: Trial
    model: M
    scores: NDArray[np.float64] | None


def _by_known_classes(tried: Sequence[_Tried[M]]) -> tuple[_Tried[M] | None, str]:
    """Known classes outweigh findings, if the gain is then beyond what chance makes."""

    def is_sure(each: _Tried[M]) -> bool:
        gain = each.trial.known
        return gain is not None and (gain.is_certain if each.trial.against else gain.per_item > gain.error)

    sure = [(each.trial.known.per_item, each) for each in tried if is_sure(each) and each.trial.known is not None]
    if sure:
        return max(sure, key=lambda pair: pair[0])[1], "it is right most often on the items with a known class"
    return None, "no other is surely right more often where the class is known"


def _by_likelihood(left: Sequence[_Tried[M]], counts: NDArray[np.int64]) -> tuple[_Tried[M] | None, str]:
    best: _Tried[M] | None = None
    for each in left:
        if each.scores is None or each.trial.gain is None or not each.trial.gain.is_certain:
            continue
        if best is None or best.scores is None:
            best = each
            continue
        # The rule of one standard error (Breiman and others 1984, Classification and Regression Trees).
        further = gain_of(each.scores, best.scores, counts)
        if further.per_item > further.error:
            best = each
    if best is not None:
        return best, "it foretells votes best that it has not seen"
    single = next((each for each in left if each.scores is None), None)
    return single, "no other model foretells unseen votes better, or what would has findings against it"


def _differently(L: NDArray[np.int8], counts: NDArray[np.int64], one: LabelModel, other: LabelModel) -> float:
    """The share of the items with votes that two models give different classes."""
    voted = (L != ABSTAIN).any(axis=1)
    first, second = (model.posterior(L[voted]).argmax(axis=1) for model in (one, other))
    return float(counts[voted] @ (first != second)) / max(int(counts[voted].sum()), 1)


def _overlapping(L: NDArray[np.int8]) -> int:
    """How many functions ever vote on an item together with another one."""
    voted = L != ABSTAIN
    return int(voted[voted.sum(axis=1) >= 2].any(axis=0).sum())


def _against(model: LabelModel, patterns: Patterns, classes: Sequence[str]) -> tuple[str, ...]:
    """The findings that forbid to take a model, each once."""
    codes = {finding.code for finding in check_model(model, patterns, classes)} & _DISQUALIFYING
    if _votes_below_chance(model, patterns) > _MOST_VOTES_BELOW_CHANCE:
        codes.add("below_chance")
    return tuple(sorted(codes))


def _votes_below_chance(model: LabelModel, patterns: Patterns) -> float:
    """The share of the votes that are cast by functions which the model takes for surely worse than blind.

    Who guesses is estimated a little below in every other case, so two standard errors of the function's votes are
    allowed.
    """
    if model.cpt_ is None:
        return 0.0
    right, blind = estimated_accuracy(class_cpt(model), model.class_balance_)
    often = patterns.counts @ (unpack(patterns) != ABSTAIN)
    error = np.sqrt(blind * (1 - blind) / np.maximum(often, 1))
    return float(often[right < blind - STANDARD_ERRORS * error - 1e-9].sum() / max(often.sum(), 1))


def _known_gain(model: LabelModel, majority: LabelModel, patterns: Patterns) -> Gain | None:
    """Accuracy above that of majority vote on items with votes and a known class; a tie is right in its share."""
    L, counts, gold = unpack(patterns), patterns.counts, patterns.gold
    known = (gold != ABSTAIN) & (L != ABSTAIN).any(axis=1)
    n = int(counts[known].sum())
    if n < FEWEST_KNOWN:
        return None
    ours, theirs = (hits(one.posterior(L[known]), gold[known]) for one in (model, majority))
    gain = ours - theirs
    mean = float(counts[known] @ gain) / n
    return Gain(mean, float(np.sqrt(counts[known] @ (gain - mean) ** 2)) / n)
