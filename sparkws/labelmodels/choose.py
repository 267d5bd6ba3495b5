"""The label model of `auto`: majority vote, unless another one shows that it is better.

Two situations are told apart by what the votes look like. Where most votes come from functions that vote a
single class, the likelihood of a model measures how functions meet, not how right they are: the votes get
one fixed precision, which mainly decides what majority vote ties on. Elsewhere models are compared by what
they foretell of votes that they have not seen, and by known classes where there are some.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparkws.labelmodels.balance import MOSTLY_SINGLE_CLASS, single_class_share
from sparkws.labelmodels.em import count_votes
from sparkws.labelmodels.guard import FEWEST_OVERLAPPING, check_model, estimated_accuracy
from sparkws.labelmodels.heldout import Gain, heldout_gain
from sparkws.labelmodels.posterior import LabelModel, class_cpt, hits
from sparkws.stats.patterns import Patterns, collapse, unpack, unpack_classes
from sparkws.vocab import ABSTAIN

M = TypeVar("M", bound=LabelModel)
Fit = Callable[[Patterns], M]

FEWEST_KNOWN: Final = 50  # items with votes and a known class: fewer do not tell models apart
# Some functions of a right model are worse than blind, a careless worker of a crowd; not those of most votes.
_MOST_VOTES_BELOW_CHANCE: Final = 0.1
_DISQUALIFYING: Final = frozenset({"collapsed", "class_never_predicted", "contradicts_votes", "worse_than_majority"})


@dataclass(frozen=True)
class Trial:
    """What was found of one candidate.

    Attributes
    ----------
    name : str
    gain : Gain or None
        On votes that it was not fitted on; None where that was not looked at.
    against : tuple of str
        The findings that speak against it.
    known : Gain or None
        Accuracy above that of majority vote on items with a known class; None without enough of them.
    """

    name: str
    gain: Gain | None = None
    against: tuple[str, ...] = ()
    known: Gain | None = None


@dataclass(frozen=True)
class Choice(Generic[M]):
    """The model that was chosen, why, and what was found of every candidate."""

    name: str
    model: M
    reason: str
    trials: tuple[Trial, ...] = ()


def choose_model(
    single: tuple[str, Fit[M]],
    majority_vote: Fit[M],
    candidates: Mapping[str, Fit[M]],
    patterns: Patterns,
    classes: Sequence[str],
    rng: np.random.Generator,
    *,
    with_gold: bool,
) -> Choice[M]:
    """The best model of some, or majority vote.

    Parameters
    ----------
    single : name and fit
        The model for functions that vote a single class each.
    majority_vote : fit
        What stays where no other shows that it is better.
    candidates : mapping of name to fit
        Models with tables for votes and abstentions, the simpler first.
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
    share = single_class_share(count_votes(unpack_classes(seen), counts, k))
    if share >= MOSTLY_SINGLE_CLASS:
        name, fit = single
        reason = f"{share:.0%} of the votes come from functions that vote a single class"
        model = fit(seen)
        trial = Trial(name, against=_against(model, seen, classes), known=_known_gain(model, majority, seen))
        return _decided(majority, [(trial, model)], reason)
    tried = []
    for name, fit in candidates.items():
        model = fit(seen)
        gain = heldout_gain(fit, patterns, rng)
        tried.append((Trial(name, gain, _against(model, seen, classes), _known_gain(model, majority, seen)), model))
    return _decided(majority, tried, "it foretells votes best that it has not seen")


def _decided(majority: M, tried: Sequence[tuple[Trial, M]], reason: str) -> Choice[M]:
    trials = tuple(trial for trial, _ in tried)
    fit_for = [(trial, model) for trial, model in tried if not trial.against]
    known = [(trial, model) for trial, model in fit_for if trial.known is not None]
    if known:
        best, model = max(known, key=lambda pair: pair[0].known.per_item if pair[0].known else 0.0)
        if best.known is not None and best.known.per_item > best.known.error:
            return Choice(best.name, model, "it is right most often on the items with a known class", trials)
        return Choice("majority", majority, "no other is surely right more often where the class is known", trials)
    sure = [(trial, model) for trial, model in fit_for if trial.gain is None or trial.gain.is_certain]
    if not sure:
        why = "no other model foretells unseen votes better, or what would has findings against it"
        return Choice("majority", majority, why, trials)
    best, model = max(sure, key=lambda pair: pair[0].gain.per_item if pair[0].gain else 0.0)
    return Choice(best.name, model, reason, trials)


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
    """The share of the votes that are cast by functions which the model takes for worse than blind."""
    if model.cpt_ is None:
        return 0.0
    right, blind = estimated_accuracy(class_cpt(model), model.class_balance_)
    often = patterns.counts @ (unpack(patterns) != ABSTAIN)
    return float(often[right < blind - 1e-9].sum() / max(often.sum(), 1))


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
