"""The guard: majority vote stands beside every label model, and what looks wrong is said.

Nothing here changes a label. Each finding is one or two plain sentences with the figures behind it.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sparkws.checks import first_few
from sparkws.grids import NO_GRIDS, Grids, classes_voted
from sparkws.labelmodels.copies import copies
from sparkws.labelmodels.differences import check_names_of_classes, check_same_functions
from sparkws.labelmodels.em import check_counted, count_votes
from sparkws.labelmodels.findings import (
    Finding,
    below_chance,
    gold_of_one_class,
    never_votes,
    not_converged,
    not_identified,
    votes_of,
)
from sparkws.labelmodels.labelmodel import LabelModel
from sparkws.labelmodels.majority import MOST_AGAINST_ALL, MajorityVote, agreed, contradictions
from sparkws.labelmodels.posterior import class_cpt, hits, predict, vote_shares
from sparkws.labelmodels.taskview import TaskView
from sparkws.stats.counters import Counters
from sparkws.stats.patterns import Patterns, collapse, unpack
from sparkws.vocab import ABSTAIN

COLLAPSED_SHARE: Final = 0.98
_KEPT: Final = 0.5  # of the items that all votes put into a class, for a model to know it
FEWEST_OVERLAPPING: Final = 3
# A difference below two standard errors is within what chance does in one case of twenty.
STANDARD_ERRORS: Final = 2.0


def check_model(
    model: LabelModel,
    patterns: Patterns,
    classes: Sequence[str],
    out_for_faults: Sequence[str] = (),
    counters: Counters | None = None,
) -> list[Finding]:
    """What looks wrong about a fitted model, beside majority vote on the same items.

    Parameters
    ----------
    model : LabelModel
        Fitted on these functions.
    patterns : Patterns
        Their counts; rows with a known class are used to compare with majority vote.
    classes : sequence of str
        The class names, for the messages.
    out_for_faults : sequence of str
        Functions that were left out because they faulted too often.
    counters : Counters, optional
        Of all items, where the patterns are those of a sample.

    Raises
    ------
    IncompatibleStatistics
        If the patterns are none, or not of the functions of the model in its order, or there are not as many class
        names as classes.
    """
    check_counted(patterns, "a label model is checked")
    check_same_functions("patterns", patterns.lf_names, model)
    check_names_of_classes(model, classes)
    flat = collapse(patterns)
    L = unpack(flat)
    if counters is None:
        of_gold = np.equal(flat.gold[:, None], np.arange(len(classes)))
        often = dict(zip(patterns.lf_names, (flat.counts @ (L != ABSTAIN)).tolist(), strict=True))
        counted = often, flat.counts @ of_gold
    else:
        counted = votes_of(counters, patterns.lf_names), counters.gold_items
    findings = [
        *never_votes(counted[0]),
        *gold_of_one_class(counted[1], classes),
        *check_labels(
            model, model.posterior(L), L, flat.counts, flat.gold, patterns.lf_names, classes, out_for_faults, flat.grids
        ),
    ]
    if model.cpt_ is None or model.kind == MajorityVote.kind:
        return findings
    return [*findings, *below_chance(class_cpt(model), model.class_balance_, patterns.lf_names)]


def check_labels(
    model: LabelModel,
    probs: NDArray[np.float64],
    L: NDArray[np.int8],
    counts: NDArray[np.int64],
    gold: NDArray[np.int8],
    lf_names: Sequence[str],
    classes: Sequence[str],
    out_for_faults: Sequence[str] = (),
    grids: Grids = NO_GRIDS,
) -> list[Finding]:
    """What looks wrong about the labels that a model gives to rows of votes, beside majority vote on the same rows.

    Parameters
    ----------
    model : LabelModel
        Asked how its fit ended, not for labels.
    probs : (u, k) float64 array
        P(class | votes) of each row; NaN in the rows without a vote.
    L : (u, m) int8 array
    counts, gold : (u,) int64 array, (u,) int8 array
        The items and the known class of each row, -1 where unknown.
    lf_names, classes, out_for_faults : sequence of str
        See `check_model`.
    grids : Grids
        Of the functions that vote with a probability.
    """
    voted_for = classes_voted(L, grids.classes(lf_names, len(classes)))
    votes = count_votes(voted_for, counts, len(classes))
    findings = [
        *_about_functions(L, counts, votes, lf_names, classes, out_for_faults),
        *_repeated(copies(voted_for, counts, len(classes)), model, lf_names),
    ]
    if model.kind == MajorityVote.kind:
        return findings
    says = grids.says(lf_names, len(classes))
    theirs = vote_shares(L, len(classes), says)
    majority, preds = predict(theirs), predict(probs)
    voices = _several_voices(model, votes, lf_names)
    return [
        *findings,
        *not_converged(model),
        *not_identified(model),
        *_contradicts(contradictions(L, counts, preds, len(classes), voices, says)[1]),
        *_collapse(preds, majority, agreed(L, len(classes), voices, says), counts, votes, classes),
        *_worse_than_majority(model, probs, theirs, gold, counts),
    ]


def _about_functions(
    L: NDArray[np.int8],
    counts: NDArray[np.int64],
    votes: NDArray[np.int64],
    lf_names: Sequence[str],
    classes: Sequence[str],
    out_for_faults: Sequence[str],
) -> list[Finding]:
    findings = []
    if out_for_faults:
        findings.append(
            Finding(
                "out_for_faults",
                f"{first_few(out_for_faults)} faulted on too many items and "
                f"{'takes' if len(out_for_faults) == 1 else 'take'} no part in the label model.",
            )
        )
    unvoted = [name for name, n in zip(classes, votes.sum(axis=0), strict=True) if not n]
    if unvoted:
        findings.append(
            Finding(
                "no_votes_for_class",
                f"No labeling function votes for {first_few(unvoted)}, so no item will be labeled so. "
                "Write one, or leave the class out.",
            )
        )
    together = (L != ABSTAIN)[((L != ABSTAIN).sum(axis=1) >= 2) & (counts > 0)]
    overlapping = [name for name, meets in zip(lf_names, together.any(axis=0), strict=True) if meets]
    if len(overlapping) < FEWEST_OVERLAPPING:
        findings.append(
            Finding(
                "few_overlaps",
                f"{_overlapping(overlapping)}; accuracies cannot be told from agreement with fewer than "
                f"{FEWEST_OVERLAPPING}. Add functions, or use majority vote.",
            )
        )
    return findings


def _repeated(found: Sequence[Sequence[int]], model: LabelModel, lf_names: Sequence[str]) -> list[Finding]:
    """Functions that vote alike and that the model counts several times; who is in one group counts once."""
    group_of = {name: number for number, group in enumerate(model.groups_) for name in group}
    named = [[lf_names[j] for j in alike] for alike in found]
    several = [names for names in named if len({group_of.get(name, name) for name in names}) > 1]
    if not several:
        return []
    in_graph = isinstance(model, TaskView)  # whose model has no groups
    or_grouped = "" if in_graph else ", or give them as one of the groups of super_lf"
    return [
        Finding(
            "repeated",
            f"{first_few(several)} vote alike on practically all items: all but perfect functions do, and so do copies "
            f"of one, which {model.kind} counts several times and may take for almost always right. Where they look at "
            f"the same thing, leave all but one out{or_grouped}.",
        )
    ]


def _overlapping(names: Sequence[str]) -> str:
    if not names:
        return "No two labeling functions ever vote on the same item"
    return f"Only {len(names)} labeling functions ever vote on an item together with another, {first_few(names)}"


def _several_voices(model: LabelModel, votes: NDArray[np.int64], lf_names: Sequence[str]) -> list[list[int]]:
    """The groups of the model, as columns, without functions of one class: these are a voice each.

    Nothing but their votes tells what they are for.
    """
    where = {name: j for j, name in enumerate(lf_names) if (votes[j] > 0).sum() > 1}
    return [[where[name] for name in group if name in where] for group in model.groups_]


def _contradicts(against_all: float) -> list[Finding]:
    if against_all <= MOST_AGAINST_ALL:
        return []
    return [
        Finding(
            "contradicts_votes",
            f"The label model contradicts {against_all:.1%} of the items on which two or more functions all agree: it "
            "may have found what dependent functions share instead of the class. Compare with majority vote on gold, "
            "or set abstain: missing.",
        )
    ]


def _collapse(
    preds: NDArray[np.int32],
    majority: NDArray[np.int32],
    unanimous: NDArray[np.int32],
    counts: NDArray[np.int64],
    votes: NDArray[np.int64],
    classes: Sequence[str],
) -> list[Finding]:
    k = len(classes)
    of_class = np.bincount(preds[preds != ABSTAIN], weights=counts[preds != ABSTAIN], minlength=k)
    of_majority = np.bincount(majority[majority != ABSTAIN], weights=counts[majority != ABSTAIN], minlength=k)
    share = of_class / max(of_class.sum(), 1)
    share_majority = of_majority / max(of_majority.sum(), 1)
    top = int(share.argmax())
    # A class may be as rare as that, and majority vote find it too often: then what all votes are for is kept.
    all_for = [unanimous == y for y in range(k)]
    kept = [counts[of_one & (preds == y)].sum() > _KEPT * counts[of_one].sum() for y, of_one in enumerate(all_for)]
    is_lost = not all(kept[y] for y in range(k) if y != top and of_majority[y])
    if share[top] > COLLAPSED_SHARE and share_majority[top] <= COLLAPSED_SHARE and is_lost:
        return [
            Finding(
                "collapsed",
                f"The label model puts {share[top]:.1%} of the labeled items into {classes[top]!r}, majority vote "
                f"{share_majority[top]:.1%}: it has collapsed to one class. Do not use its labels; take majority "
                "vote, give class_balance, or set abstain: missing.",
            )
        ]
    lost = [y for y in range(k) if votes[:, y].sum() and not of_class[y]]
    return [
        Finding(
            "class_never_predicted",
            f"The label model never predicts {classes[y]!r}, for which {votes[:, y].sum():,} votes are cast; "
            f"majority vote predicts it on {int(of_majority[y]):,} items.",
        )
        for y in lost
    ]


def _worse_than_majority(
    model: LabelModel,
    probs: NDArray[np.float64],
    probs_majority: NDArray[np.float64],
    gold: NDArray[np.int8],
    counts: NDArray[np.int64],
) -> list[Finding]:
    # Items with votes only: without one neither has a label. A tie is right in its share, or majority
    # vote, which has many, would look worse than any way of breaking them.
    known = (gold != ABSTAIN) & ~np.isnan(probs[:, 0])
    n = int(counts[known].sum())
    if not n:
        return []
    # Paired: most items are judged alike by both, and do not blur the difference.
    ours, theirs = hits(probs[known], gold[known]), hits(probs_majority[known], gold[known])
    gain = theirs - ours
    difference = float(counts[known] @ gain) / n
    variance = float(counts[known] @ (gain - difference) ** 2) / n
    error = (variance / n) ** 0.5
    if difference <= STANDARD_ERRORS * error:
        return []
    instead = "Label the task outside its graph" if isinstance(model, TaskView) else "Set label_model.kind: majority"
    accuracy, accuracy_majority = (float(counts[known] @ right) / n for right in (ours, theirs))
    return [
        Finding(
            "worse_than_majority",
            f"Majority vote does better than {model.kind}: {accuracy_majority:.3f} against {accuracy:.3f} on {n:,} "
            f"gold items with votes (difference {difference:.3f}, standard error {error:.3f}). {instead}, or look "
            "for functions that repeat each other.",
        )
    ]
