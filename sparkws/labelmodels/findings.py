"""What is found of a fitted model, and what its fit itself says of how it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import first_few
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.stats.counters import Counters

_SEEN: Final = 0.01  # a difference that two digits show
# Groups of half the votes and the other half are told apart by how they abstain; in simulations and on drawn rules,
# a larger group was made of the good functions.
_MOST_VOTES: Final = 0.6
_GUESSED_BALANCES: Final = {
    "volume": "the share of each class among the votes for it",
    "one_coin": "what the votes for each class come from as if functions erred equally often in all classes",
}


@dataclass(frozen=True)
class Finding:
    """Something to look at.

    Attributes
    ----------
    code : str
        One of `no_votes_for_class`, `never_votes`, `few_overlaps`, `out_for_faults`, `gold_of_one_class`,
        `class_never_predicted`, `repeated`, `contradicts_votes`, `collapsed`, `worse_than_majority`, `below_chance`,
        `not_converged`, `not_identified`, `not_calibrated`; of a multi-label task also `no_model`.
    message : str
        What was found, in plain words.
    """

    code: str
    message: str


def votes_of(counters: Counters, lf_names: Sequence[str]) -> dict[str, int]:
    """How many votes each of some functions casts."""
    votes = dict(zip(counters.lf_names, counters.votes.sum(axis=1).tolist(), strict=True))
    return {name: votes[name] for name in lf_names}


def never_votes(votes: Mapping[str, int]) -> list[Finding]:
    """That functions do not vote on any item, if some do not; `votes` says how many each casts."""
    silent = [name for name, n in votes.items() if not n]
    if not silent:
        return []
    vote, its, it = ("votes", "its condition", "it") if len(silent) == 1 else ("vote", "their conditions", "them")
    return [Finding("never_votes", f"{first_few(silent)} never {vote}: look at {its}, or leave {it} out.")]


def gold_of_one_class(gold_items: NDArray[np.int64], classes: Sequence[str]) -> list[Finding]:
    """That all known classes are the same one, if they are; `gold_items` `(k,)` says how many items have each."""
    known = np.flatnonzero(gold_items)
    if len(known) != 1:
        return []
    only, n = classes[known[0]], int(gold_items.sum())
    return [
        Finding(
            "gold_of_one_class",
            f"The known classes of {n:,} items are all {only!r}, so accuracy on them says little: who always says "
            f"{only!r} is never wrong. Add gold of other classes.",
        )
    ]


def not_converged(model: LabelModel) -> list[Finding]:
    """That the fit stopped at its largest number of iterations, if it did."""
    if model.converged_:
        return []
    return [
        Finding("not_converged", f"{model.kind} had not converged after {model.n_iter_:,} iterations; raise max_iter.")
    ]


def not_identified(model: LabelModel) -> list[Finding]:
    """What the votes do not tell about a model, so that it has guessed: dependence, the class balance, functions."""
    return [*_dependent(model), *_outvoting(model), *_balance(model), *_functions(model)]


def _dependent(model: LabelModel) -> list[Finding]:
    if model.dependencies_ is None or not model.dependencies_.cut:
        return []
    pairs = [(edge.a, edge.b) for edge in model.dependencies_.cut]
    return [
        Finding(
            "not_identified",
            f"So many labeling functions depend on each other that {first_few(pairs)} had to be taken for "
            f"independent: {model.kind} may have found what they share instead of the class. Add functions that "
            "look at something else, or use majority vote.",
        )
    ]


def _outvoting(model: LabelModel) -> list[Finding]:
    """A group that was learned and casts most votes: what it shares explains more votes than the class does."""
    if model.dependencies_ is None or model.cpt_ is None:
        return []
    often = 1 - model.cpt_[:, 0] @ model.class_balance_
    of_lf = dict(zip(model.lf_names_, (often / often.sum()).tolist(), strict=True))
    shares = {group: sum(of_lf[name] for name in group) for group in model.groups_}
    group = max(shares, key=lambda members: shares[members], default=())
    if not group or shares[group] <= _MOST_VOTES:
        return []
    return [
        Finding(
            "not_identified",
            f"{first_few(group)} depend on each other and cast {shares[group]:.0%} of the votes, so the votes do not "
            f"tell what they share from the class: {model.kind} may have found the one for the other. Add functions "
            "that look at something else, or use majority vote.",
        )
    ]


def _balance(model: LabelModel) -> list[Finding]:
    source = model.balance_source_
    if model.fits != "moments" or source not in _GUESSED_BALANCES:
        return []
    return [
        Finding(
            "not_identified",
            f"The votes of three functions at a time do not tell the class balance, so {model.kind} took "
            f"{_GUESSED_BALANCES[source]}. Give class_balance, or count it on known classes: class_balance: dev.",
        )
    ]


def _functions(model: LabelModel) -> list[Finding]:
    is_known = model.identified_
    names = [name for name, is_identified in zip(model.lf_names_, is_known, strict=False) if not is_identified]
    if not names:
        return []
    return [
        Finding(
            "not_identified",
            f"How {first_few(names)} {'meets' if len(names) == 1 else 'meet'} the other functions does not tell how "
            f"good {'it is' if len(names) == 1 else 'they are'}, so {model.kind} has guessed. Add functions that vote "
            "on the same items, or fit a model from patterns, like dawid_skene.",
        )
    ]


def estimated_accuracy(
    cpt: NDArray[np.float64], class_balance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """P(right | voted) of each function under the model, and of one that votes as often but blindly, both `(m,)`.

    NaN for functions that do not vote. Where functions vote with a probability, `cpt` is that of `class_cpt`.
    """
    joint = cpt[:, 1:, :] * class_balance  # (m, k votes, k classes)
    voted = joint.sum(axis=(1, 2))
    safe = np.where(voted > 0, voted, np.nan)
    right = np.trace(joint, axis1=1, axis2=2) / safe
    blind = (joint.sum(axis=2) @ class_balance) / safe
    return right, blind


def below_chance(
    cpt: NDArray[np.float64], class_balance: NDArray[np.float64], lf_names: Sequence[str]
) -> list[Finding]:
    """Functions that are right less often than blind votes would be."""
    right, blind = estimated_accuracy(cpt, class_balance)
    return [
        Finding(
            "below_chance",
            f"{lf_names[j]!r} is estimated to be right on {right[j]:.2f} of the items it votes on, less than the "
            f"{blind[j]:.2f} of blind votes: it may vote for the wrong class.",
        )
        for j in np.flatnonzero(right < blind - _SEEN).tolist()
    ]
