"""The candidates of `label_model.kind: auto`, made from one configuration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sparkws.config import LabelModelConfig
from sparkws.labelmodels.balance import MOSTLY_SINGLE_CLASS, single_class_share, volume
from sparkws.labelmodels.choose import Candidate, Choice, Fit, choose_model
from sparkws.labelmodels.edges import Dependencies
from sparkws.labelmodels.em import count_votes
from sparkws.labelmodels.estimate import SOME_SINGLE_CLASS, Abstain
from sparkws.labelmodels.factory import AnyModel, Reads, fit_model, make_label_model
from sparkws.labelmodels.firing import fire_by_class
from sparkws.labelmodels.precision import PrecisionVote
from sparkws.labelmodels.structure import learn_dependencies
from sparkws.labelmodels.superlf import SuperLF
from sparkws.stats.patterns import Patterns, collapse, unpack, unpack_classes

ABSTAIN_MEANS: Final[tuple[Abstain, ...]] = ("missing", "outcome")
# Of two classes the volume of voting counts twice in each vote's weight, so that taken at its face value one vote
# for the rarer class overrules several: up to 30 points below majority vote in simulations, where tempered by
# this power, which hardly does more than break ties, it is above it in the mean.
_TEMPERED: Final = 0.2
_RARE: Final = 1.25  # of two classes, the one that is voted less by this factor is the rarer one
_MOST_CELLS: Final = 2000  # votes of functions for classes: the search takes half a minute at that, and is cubic
_DETECTABLE: Final = 0.1  # dependence that the search must be able to see, or that it sees none says little


def choose_for(
    config: LabelModelConfig,
    patterns: Patterns,
    classes: Sequence[str],
    *,
    gold_use: str,
    reads: Reads | None = None,
) -> Choice[AnyModel]:
    """The model that `auto` takes for some pattern counts.

    Parameters
    ----------
    config : LabelModelConfig
        Its options are those of the candidates.
    patterns : Patterns
        Whole counts, with levels, which tell the halves of the items apart.
    classes : sequence of str
    gold_use : {"evaluate", "dev", "clamp"}
        Whether fits and the choice may see known classes.
    reads : mapping of str to collections of str, optional
        The columns and resources that each function reads.
    """

    def fit(*, groups: Dependencies | None = None, **changed: Any) -> Fit[AnyModel]:
        options = config.model_copy(update=changed)

        def fitted(counted: Patterns) -> AnyModel:
            clamps = gold_use == "clamp"
            return fit_model(make_label_model(options, len(classes), clamp_gold=clamps, groups=groups), counted)

        return fitted

    def single(counted: Patterns) -> AnyModel:
        power = _TEMPERED if len(classes) == 2 else 1.0
        balance, precision = config.class_balance, config.precision
        return PrecisionVote(len(classes), precision=precision, class_balance=balance, volume_power=power).fit(counted)

    flat = collapse(patterns, keep_gold=False)
    voted_for = unpack_classes(flat)
    votes = count_votes(voted_for, flat.counts, len(classes))
    mostly_single = single_class_share(votes) >= MOSTLY_SINGLE_CLASS
    meanings = _meanings(config.abstain, voted_for, flat.counts, votes)
    found: dict[Abstain, Dependencies] = {}
    if config.groups == "auto" and np.count_nonzero(votes) <= _MOST_CELLS:
        for meaning in meanings:
            found[meaning] = learn_dependencies(flat, abstain=meaning, max_group=config.max_group, reads=reads)
    spoken = volume(unpack(flat), flat.counts, len(classes), flat.says)
    # Votes with a probability have weights of their own, so that there is more to decide than ties.
    is_even = len(classes) == 2 and not patterns.grids and spoken.max() < _RARE * spoken.min()
    choice = choose_model(
        _candidates(
            fit,
            meanings,
            found,
            are_given=config.groups != "auto",
            are_soft=bool(patterns.grids),
            mostly_single=mostly_single,
        ),
        Candidate("precision", single, ("even_volumes",) if is_even else ()),
        fit(kind="majority"),
        patterns,
        classes,
        np.random.default_rng(config.seed),
        with_gold=gold_use != "evaluate",
    )
    return replace(choice, dependencies=_dependencies(choice.model, found))


def _meanings(
    abstain: str, voted_for: NDArray[np.int8], counts: NDArray[np.int64], votes: NDArray[np.int64]
) -> list[Abstain]:
    """What abstaining may mean to the candidates.

    What a function of one class is worth is not estimated without its abstentions. Unless the configuration sets them
    aside, they are evidence where such functions cast most votes, or some and fire by what the item is.
    """
    share = single_class_share(votes)
    tells = share >= MOSTLY_SINGLE_CLASS or (
        abstain == "auto" and share >= SOME_SINGLE_CLASS and fire_by_class(voted_for, counts, votes.shape[1])
    )
    meanings = [meaning for meaning in ABSTAIN_MEANS if abstain in ("auto", meaning)]
    return [meaning for meaning in meanings if meaning != "missing" or not tells]


def _dependencies(model: AnyModel, found: Mapping[Abstain, Dependencies]) -> Dependencies | None:
    """What is said of dependence beside a model."""
    if isinstance(model, SuperLF):
        return model.dependencies_
    own = [each for each in found.values() if each.abstain == model.abstain_]
    # Of a model without a meaning, like majority vote, what the one finds that finds less: see `_candidates`.
    return own[0] if own else min(found.values(), key=lambda each: len(each.edges), default=None)


def _candidates(
    fit: Callable[..., Fit[AnyModel]],
    meanings: Sequence[Abstain],
    found: Mapping[Abstain, Dependencies],
    *,
    are_given: bool,
    are_soft: bool,
    mostly_single: bool,
) -> list[Candidate[AnyModel]]:
    """The models to compare, the simpler first; those whose independence is refuted have that against them.

    Functions depend on each other where both meanings of abstaining find it. In one alone it is something else:
    abstaining that depends on the class, which tables that leave it out cannot know, or who is shown which item.
    `are_given` says that groups were, `are_soft` that some functions vote with a probability, which not all models
    know. Functions of one class each that read the same texts do depend on each other, as a rule: they are taken
    for independent only where the search would have seen it.
    """
    dependent = are_given or (bool(found) and all(dependencies.groups for dependencies in found.values()))
    candidates: list[Candidate[AnyModel]] = []
    for meaning in meanings:
        groups = found.get(meaning)
        is_seen = groups is not None and groups.detectable <= _DETECTABLE
        if meaning == "outcome":
            independent = is_seen and groups is not None and not groups.groups
        else:  # who answers what says nothing, so that less has to be shown
            independent = bool(found) and not any(dependencies.groups for dependencies in found.values())
        untested = ("untested",) if mostly_single and not is_seen else ()
        is_refuted = dependent or (meaning == "outcome" and groups is not None and groups.groups)
        against = ("dependent",) if is_refuted else untested
        options: dict[str, Any] = {"against": against, "may_contradict": independent and not mostly_single}
        if meaning == "missing" and not are_soft:
            one_coin = fit(kind="dawid_skene", abstain=meaning, one_coin=True)
            candidates.append(Candidate("dawid_skene, one coin", one_coin, **options))
        full = fit(kind="dawid_skene", abstain=meaning, one_coin=False)
        candidates.append(Candidate(f"dawid_skene, abstain {meaning}", full, **options))
        if dependent:
            super_lf = fit(kind="super_lf", abstain=meaning, groups=groups)
            # Those outside the groups are taken for independent as well.
            candidates.append(Candidate(f"super_lf, abstain {meaning}", super_lf, () if are_given else untested))
    return candidates
