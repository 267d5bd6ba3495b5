"""The label model that a configuration asks for, and its fit from whichever statistic it reads."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import numpy as np

from sparkws.config import LabelModelConfig
from sparkws.errors import ConfigError
from sparkws.labelmodels.completion import MatrixCompletion
from sparkws.labelmodels.dawidskene import DawidSkene
from sparkws.labelmodels.edges import Dependencies
from sparkws.labelmodels.majority import MajorityVote
from sparkws.labelmodels.precision import PrecisionVote
from sparkws.labelmodels.publishedtriplet import PublishedTriplet
from sparkws.labelmodels.superlf import SuperLF
from sparkws.labelmodels.thirds import moments_of, tensor_balance
from sparkws.labelmodels.triplet import Triplet
from sparkws.labelmodels.weighted import WeightedVote
from sparkws.modeloptions import OPTIONS
from sparkws.stats.joint import BothMoments
from sparkws.stats.patterns import Patterns
from sparkws.vocab import ABSTAIN

PatternModel = MajorityVote | WeightedVote | PrecisionVote | DawidSkene | SuperLF
MomentModel = Triplet | PublishedTriplet | MatrixCompletion
AnyModel = PatternModel | MomentModel

Reads = Mapping[str, Collection[str]]

_MODELS: Final[Mapping[str, Callable[..., AnyModel]]] = {
    MajorityVote.kind: MajorityVote,
    WeightedVote.kind: WeightedVote,
    PrecisionVote.kind: PrecisionVote,
    DawidSkene.kind: DawidSkene,
    SuperLF.kind: SuperLF,
    Triplet.kind: Triplet,
    PublishedTriplet.kind: PublishedTriplet,
    MatrixCompletion.kind: MatrixCompletion,
}
_OF_THE_STEP: Final = frozenset({"polish"})  # read where the model is brought beyond a sample, see `fitting`


def make_label_model(
    config: LabelModelConfig,
    cardinality: int,
    *,
    clamp_gold: bool = False,
    reads: Reads | None = None,
    groups: Dependencies | None = None,
) -> AnyModel:
    """The unfitted model that `config` describes.

    Parameters
    ----------
    config : LabelModelConfig
    cardinality : int
        The number of classes k.
    clamp_gold : bool
        Hold items with a known class at that class while fitting (`gold.use: clamp`).
    reads : mapping of str to collections of str, optional
        The columns and resources that each function reads.
    groups : Dependencies, optional
        Groups that were learned already.

    Raises
    ------
    ConfigError
        If no single model is of this kind, as of `auto`, or the model refuses an option.
    """
    if config.kind not in _MODELS:
        raise ConfigError(
            f"there is no label model of the kind {config.kind!r} here: it is chosen among others, by fit_label_model. "
            f"Use that, or name one of {list(_MODELS)}."
        )
    make = _MODELS[config.kind]
    options: dict[str, Any] = {name: getattr(config, name) for name in OPTIONS[config.kind] if name not in _OF_THE_STEP}
    if make in (DawidSkene, SuperLF):
        options["clamp_gold"] = clamp_gold
    if make is SuperLF:
        options |= {"reads": reads, "groups": config.groups if groups is None else groups}
    if make is MatrixCompletion:
        options["seed"] = config.seed
    if make is WeightedVote and isinstance(config.class_balance, str):
        del options["class_balance"]  # nothing is estimated: uniform
    return make(cardinality, **options)


def fit_model(model: AnyModel, patterns: Patterns, counted: BothMoments | None = None) -> AnyModel:
    """Fit a model from pattern counts, or from the moments that follow from them if that is what it reads.

    Parameters
    ----------
    model : unfitted label model
    patterns : Patterns
        Whole counts.
    counted : BothMoments, optional
        Moments of all items, where the patterns are those of a sample.
    """
    if not isinstance(model, MomentModel):
        return model.fit(patterns)
    both = moments_of(patterns) if counted is None else counted
    known = patterns.gold != ABSTAIN
    # Sums of whole numbers in floating point: exact.
    gold = np.bincount(patterns.gold[known], weights=patterns.counts[known], minlength=patterns.cardinality)
    return model.fit(both.pairs, triples=both.triples, gold_items=gold.astype(np.int64))


def with_balance(config: LabelModelConfig, patterns: Patterns, counted: BothMoments | None = None) -> LabelModelConfig:
    """The configuration with the balance that `class_balance: tensor` finds, for models that take a given one.

    Raises
    ------
    NothingToFit
        If the votes do not tell it.
    """
    if config.class_balance != "tensor":
        return config
    balance = tensor_balance(patterns if counted is None else counted)
    return config.model_copy(update={"class_balance": tuple(balance.tolist())})
